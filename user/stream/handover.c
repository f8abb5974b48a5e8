/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handover.c - see handover.h. On the wire: for each socket one line that says what it is, and the descriptor itself
 * (SCM_RIGHTS) in the same order; then the line "end". Any process that may connect to the stats socket and is admin there
 * may ask: it may do worse things there, too.
 */
#include "stream/handover.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "stream/session.h"

#define FDS_AT_ONCE 64
#define SEND_MS     2000
#define RECEIVE_MS  5000
#define FDS_MAX     65536
#define LINE_MAX_N  65536 /* of what has no end of line yet */

static struct {
	int *fd; /* -1: taken */
	char **key;
	int nfds, nkeys;
} got;

/* What two processes must agree on for a socket to be the same. */
static void key_write(struct strbuf *o, const struct bind_conf *b, const struct addr *a,
		      const char *path)
{
	char text[ADDR_TEXT_MAX];

	if (path)
		strbuf_addf(o, "unix %s", path);
	else
		strbuf_addf(o, "tcp %s %s%s%s", addr_text(a, text, sizeof(text)),
			    b->interface ? b->interface : "-", b->v6only ? " v6only" : "",
			    b->v4v6 ? " v4v6" : "");
}

static int wait_for(int sock, short events, int ms)
{
	struct pollfd p = { sock, events, 0 };
	int n;

	do
		n = poll(&p, 1, ms);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -errno : n ? 0 : -ETIMEDOUT;
}

/* ---- the old process ---- */

/* @text with the descriptors in its first bytes. */
static int send_batch(int sock, const char *text, size_t n, const int *fd, int nfds)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
	} control = { 0 };
	struct iovec v = { (void *)text, n };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	struct cmsghdr *c;

	if (nfds) {
		m.msg_control = control.bytes;
		m.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
		c = CMSG_FIRSTHDR(&m);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(nfds * sizeof(int));
		memcpy(CMSG_DATA(c), fd, nfds * sizeof(int));
	}
	while (v.iov_len) {
		ssize_t r = sendmsg(sock, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
		int err;

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno != EAGAIN)
			return -errno;
		if (r < 0) {
			err = wait_for(sock, POLLOUT, SEND_MS);
			if (err)
				return err;
			continue;
		}
		v.iov_base = (char *)v.iov_base + r;
		v.iov_len -= (size_t)r;
		m.msg_control = NULL;
		m.msg_controllen = 0;
	}
	return 0;
}

int handover_send(int sock)
{
	struct strbuf text = STRBUF_INIT;
	int fd[FDS_AT_ONCE], n = 0, err = 0;
	struct listener *l;

	list_for_each_entry(l, listeners(), node) {
		if (atomic_load(&l->closed) || l->deaf || l->steered)
			continue;
		key_write(&text, l->bind, &l->addr, l->path);
		strbuf_addc(&text, '\n');
		fd[n++] = l->fd;
		if (n < FDS_AT_ONCE)
			continue;
		err = send_batch(sock, text.p, text.n, fd, n);
		if (err)
			break;
		strbuf_reset(&text);
		n = 0;
	}
	strbuf_adds(&text, "end\n");
	if (!err)
		err = send_batch(sock, text.p, text.n, fd, n);
	strbuf_fini(&text);
	return err;
}

/* ---- the new process ---- */

static void keep_fds(struct msghdr *m)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		int n = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		got.fd = xrealloc(got.fd, (size_t)(got.nfds + n) * sizeof(int));
		memcpy(got.fd + got.nfds, CMSG_DATA(c), (size_t)n * sizeof(int));
		got.nfds += n;
	}
}

/* Whole lines out of @b. true: the last one was "end". */
static bool keep_lines(struct strbuf *b)
{
	size_t from = 0;
	char *nl;

	while (from < b->n && (nl = memchr(b->p + from, '\n', b->n - from))) {
		*nl = 0;
		if (!strcmp(b->p + from, "end"))
			return true;
		got.key = xrealloc(got.key, (size_t)(got.nkeys + 1) * sizeof(*got.key));
		got.key[got.nkeys++] = xstrdup(b->p + from);
		from = (size_t)(nl - b->p) + 1;
	}
	strbuf_drop(b, from);
	return false;
}

static int receive_some(int sock, struct strbuf *b)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(FDS_AT_ONCE * sizeof(int))];
	} control;
	char text[8192];
	struct iovec v = { text, sizeof(text) };
	struct msghdr m = { .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	ssize_t r;
	int err = wait_for(sock, POLLIN, RECEIVE_MS);

	if (err)
		return err;
	r = recvmsg(sock, &m, MSG_CMSG_CLOEXEC);
	if (r < 0)
		return errno == EINTR ? 0 : -errno;
	keep_fds(&m);
	if (r == 0 || m.msg_flags & MSG_CTRUNC || got.nfds > FDS_MAX || got.nkeys > FDS_MAX)
		return -EPROTO;
	strbuf_add(b, text, (size_t)r);
	return b->n > LINE_MAX_N ? -EPROTO : 0;
}

/* A descriptor that is no listening socket would be accepted on for ever. */
static bool all_listen(void)
{
	for (int i = 0; i < got.nfds; i++) {
		int on = 0;
		socklen_t len = sizeof(on);

		if (getsockopt(got.fd[i], SOL_SOCKET, SO_ACCEPTCONN, &on, &len) || !on)
			return false;
	}
	return true;
}

int handover_receive(int sock)
{
	static const char question[] = "_getsocks\n";
	struct strbuf b = STRBUF_INIT;
	int err = send_batch(sock, question, sizeof(question) - 1, NULL, 0);

	while (!err && !keep_lines(&b))
		err = receive_some(sock, &b);
	strbuf_fini(&b);
	if (!err && (got.nfds != got.nkeys || !all_listen()))
		err = -EPROTO;
	if (!err)
		return got.nfds;
	handover_end();
	return err;
}

int handover_take(const struct bind_conf *b, const struct addr *a, const char *path)
{
	struct strbuf key = STRBUF_INIT;
	int fd = -1;

	if (!got.nfds)
		return -1;
	key_write(&key, b, a, path);
	for (int i = 0; i < got.nfds && fd < 0; i++)
		if (got.fd[i] >= 0 && !strcmp(got.key[i], strbuf_z(&key))) {
			fd = got.fd[i];
			got.fd[i] = -1;
		}
	strbuf_fini(&key);
	return fd;
}

void handover_end(void)
{
	for (int i = 0; i < got.nfds; i++)
		if (got.fd[i] >= 0)
			close(got.fd[i]);
	for (int i = 0; i < got.nkeys; i++)
		free(got.key[i]);
	free(got.fd);
	free(got.key);
	got.fd = NULL;
	got.key = NULL;
	got.nfds = got.nkeys = 0;
}
