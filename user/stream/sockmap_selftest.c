/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockmap_selftest.c - does the splicing program do here what it has to? Two connections over loopback, joined by the kernel:
 * bytes that waited before, bytes both ways, the bare end of stream, and a reader that does not read. Some milliseconds, at
 * start, in the control thread. A kernel on which this does not hold gets the other engines.
 */
#include "lbdmap/sockmap.h"
#include "stream/sockmap.h"
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <time.h>
#include <unistd.h>

#define WAIT_MS    500
#define BLOCK      4096
#define FLOOD_MAX  (64 << 20)
#define ROOM       (64 * 1024)
#define SEND_BYTES 65536 /* of the flooded socket's send buffer */

struct test {
	struct lbdmap_sockmap *map;
	int client, in;  /* a connection from client to us */
	int server, out; /* one from us to a server */
	uint64_t cookie_in, cookie_out;
	const char *wrong;
};

static bool fails(struct test *t, const char *what)
{
	if (!t->wrong)
		t->wrong = what;
	return false;
}

static int connect_to(int listener, const struct sockaddr_in *at, int *accepted)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;
	struct pollfd p = { .fd = listener, .events = POLLIN };

	*accepted = -1;
	if (fd < 0)
		return -1;
	rc = connect(fd, (const struct sockaddr *)at, sizeof(*at));
	if ((!rc || errno == EINPROGRESS) && poll(&p, 1, WAIT_MS) == 1)
		*accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (*accepted >= 0)
		return fd;
	close(fd);
	return -1;
}

static bool make_connections(struct test *t)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (l >= 0 && !bind(l, (struct sockaddr *)&at, sizeof(at)) && !listen(l, 2) &&
	    !getsockname(l, (struct sockaddr *)&at, &len)) {
		t->client = connect_to(l, &at, &t->in);
		if (t->client >= 0)
			t->out = connect_to(l, &at, &t->server);
	}
	if (l >= 0)
		close(l);
	if (t->client >= 0 && t->out >= 0)
		return true;
	return fails(t, "no connection over 127.0.0.1 (is lo up?)");
}

static bool join(struct test *t, uint64_t *cookie, uint32_t slot, int from, int to)
{
	struct lbd_splice_dir *d = lbdmap_sockmap_dir(t->map, slot);
	struct tcp_info info;
	socklen_t len = sizeof(*cookie), ilen = sizeof(info);
	int one = 1;

	memset(d, 0, sizeof(*d));
	d->room = ROOM;
	if (getsockopt(from, SOL_SOCKET, SO_COOKIE, cookie, &len) ||
	    getsockopt(to, IPPROTO_TCP, TCP_INFO, &info, &ilen))
		return fails(t, "a socket does not tell its cookie and counts");
	d->acked_base = info.tcpi_bytes_acked;
	if (lbdmap_sockmap_add(t->map, *cookie, slot, from, to))
		return fails(t, "the maps take no socket");
	return !setsockopt(from, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
}

static bool expect(struct test *t, int fd, const char *want, size_t n, const char *what)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char got[BLOCK];
	size_t have = 0;

	while (have < n) {
		ssize_t r;

		if (poll(&p, 1, WAIT_MS) != 1)
			return fails(t, what);
		r = recv(fd, got + have, sizeof(got) - have, 0);
		if (r <= 0)
			return fails(t, what);
		have += (size_t)r;
	}
	return have == n && !memcmp(got, want, n) ? true : fails(t, what);
}

static bool test_bytes(struct test *t)
{
	char block[BLOCK];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)(i * 7 + i / 251);
	if (send(t->client, "early", 5, 0) != 5)
		return fails(t, "sending over loopback");
	if (!join(t, &t->cookie_in, 0, t->in, t->out) || !join(t, &t->cookie_out, 1, t->out, t->in))
		return fails(t, "the maps take no socket");
	if (!expect(t, t->server, "early", 5, "bytes that waited before did not arrive"))
		return false;
	if (send(t->client, block, BLOCK, 0) != BLOCK || send(t->server, block, BLOCK, 0) != BLOCK)
		return fails(t, "sending over loopback");
	if (!expect(t, t->server, block, BLOCK, "bytes to the server are not right") ||
	    !expect(t, t->client, block, BLOCK, "bytes to the client are not right"))
		return false;
	if (lbdmap_sockmap_dir(t->map, 0)->moved != BLOCK + 5)
		return fails(t, "the program's count is not right");
	return true;
}

/* The server reads nothing while the client sends: at some point it must be left to us, and not later than it should. */
static bool test_slow_reader(struct test *t)
{
	struct lbd_splice_dir *d = lbdmap_sockmap_dir(t->map, 0);
	static const char block[65536];
	struct pollfd p = { .fd = t->client, .events = POLLOUT };
	size_t sent = 0;

	while (sent < FLOOD_MAX && !__atomic_load_n(&d->tripped, __ATOMIC_RELAXED)) {
		ssize_t n = send(t->client, block, sizeof(block), MSG_DONTWAIT);

		if (n > 0)
			sent += (size_t)n;
		else if (poll(&p, 1, WAIT_MS) != 1)
			break;
	}
	if (!__atomic_load_n(&d->tripped, __ATOMIC_RELAXED))
		return fails(t, "a slow reader is not noticed");
	p = (struct pollfd){ .fd = t->in, .events = POLLIN };
	if (poll(&p, 1, WAIT_MS) != 1)
		return fails(t, "what a slow reader leaves does not come to the daemon");
	return true;
}

/* The client's end must not break the way back. */
static bool test_end(struct test *t)
{
	struct pollfd p = { .fd = t->out, .events = POLLIN };
	char byte;

	shutdown(t->server, SHUT_WR);
	if (poll(&p, 1, WAIT_MS) != 1 || recv(t->out, &byte, 1, MSG_DONTWAIT) != 0)
		return fails(t, "the end of a stream is not seen");
	p = (struct pollfd){ .fd = t->in, .events = POLLOUT };
	if (poll(&p, 1, 0) != 1 || (p.revents & POLLERR))
		return fails(t, "the end of a stream breaks the other side");
	return true;
}

const char *sockmap_selftest(struct lbdmap_sockmap *m)
{
	struct test t = { .map = m, .client = -1, .in = -1, .server = -1, .out = -1 };
	int size = SEND_BYTES;

	if (make_connections(&t)) {
		setsockopt(t.out, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
		setsockopt(t.server, SOL_SOCKET, SO_RCVBUF, &size, sizeof(size));
		if (test_bytes(&t) && test_end(&t))
			test_slow_reader(&t);
		lbdmap_sockmap_forget(m, t.cookie_in);
		lbdmap_sockmap_forget(m, t.cookie_out);
	}
	for (size_t i = 0; i < 4; i++) {
		int fd = (int[]){ t.client, t.in, t.server, t.out }[i];

		if (fd >= 0)
			close(fd);
	}
	return t.wrong;
}
