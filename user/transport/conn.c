/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.c - opening, connecting, closing sockets and turning epoll events into connection flags. See conn.h.
 * Not for: what is said on the connection. Runs in the worker that owns it.
 *
 * System calls are counted here: one epoll_ctl per socket (close() deregisters), no getsockopt when the event says that
 * the connection is established, options only when they are asked for.
 */
#include "transport/conn.h"
#include "transport/conn_out.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

const struct conn_setup conn_setup_plain;

#define CONN_EVENTS (EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)

/* The event says that connect() has ended. true: established; false: CONN_ERROR is set. */
static bool conn_end_connect(struct conn *c, uint32_t ep)
{
	int err = 0;
	socklen_t len = sizeof(err);

	if (ep & (EPOLLERR | EPOLLHUP)) {
		if (getsockopt(c->io.fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
			err = errno;
	}
	c->flags &= ~CONN_CONNECTING;
	if (err) {
		c->flags |= CONN_ERROR;
		c->err = (int16_t)err;
		return false;
	}
	c->flags |= CONN_CAN_WRITE;
	return true;
}

static void conn_step_handshake(struct conn *c)
{
	const struct conn_stage *stage;
	int r = 0;

	if (!(c->flags & CONN_HANDSHAKE) || (c->flags & (CONN_CONNECTING | CONN_ERROR)))
		return;
	while (!r && (stage = c->setup->stages[c->stage]) != NULL) {
		r = stage->run(c);
		if (!r)
			c->stage++;
	}
	if (!r && c->xprt->handshake)
		r = c->xprt->handshake(c);
	if (r == -EAGAIN)
		return;
	c->flags &= ~CONN_HANDSHAKE;
	if (r < 0) {
		c->flags |= CONN_ERROR;
		c->err = (int16_t)-r;
	}
}

enum conn_reason conn_timeout_reason(const struct conn *c)
{
	const struct conn_stage *stage = c->setup->stages[c->stage];

	return stage ? stage->on_timeout : c->xprt->on_timeout;
}

static void conn_on_event(struct io *io, uint32_t ep)
{
	struct conn *c = container_of(io, struct conn, io);
	uint32_t was = c->flags;

	if (c->flags & CONN_CONNECTING) {
		if (!(ep & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
			return;
		if (!conn_end_connect(c, ep)) {
			c->on_ready(c);
			return;
		}
	}
	if (ep & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		c->flags |= CONN_CAN_READ;
	if (ep & (EPOLLRDHUP | EPOLLHUP))
		c->flags |= CONN_RDHUP;
	if (ep & (EPOLLOUT | EPOLLHUP | EPOLLERR))
		c->flags |= CONN_CAN_WRITE;
	if (ep & (EPOLLHUP | EPOLLERR))
		c->flags |= CONN_HUP;
	if (c->xprt->event)
		c->xprt->event(c, ep);
	conn_step_handshake(c);
	/* the first EPOLLOUT of an accepted socket says nothing new */
	if (c->flags == was && !(ep & EPOLLIN))
		return;
	c->on_ready(c);
}

static void conn_prepare(struct conn *c, const struct conn_setup *setup,
			 void (*on_ready)(struct conn *), void *owner)
{
	const struct transport *x = setup->xprt ? setup->xprt : &transport_plain;

	c->setup = setup;
	c->stage = 0;
	c->reason = CONN_OK;
	c->xprt = x;
	c->xprt_ctx = NULL;
	c->on_ready = on_ready;
	c->owner = owner;
	c->err = 0;
	c->flags = x->handshake || setup->stages[0] ? CONN_HANDSHAKE : 0;
	c->io.fd = -1;
	c->io.on_event = conn_on_event;
}

static int conn_register(struct conn *c)
{
	int err = loop_io_add(this_loop, &c->io, CONN_EVENTS);

	if (err) {
		close(c->io.fd);
		c->io.fd = -1;
	}
	return err;
}

int conn_open(struct conn *c, int fd, const struct conn_setup *setup,
	      void (*on_ready)(struct conn *), void *owner)
{
	conn_prepare(c, setup, on_ready, owner);
	c->io.fd = fd;
	c->flags |= CONN_CAN_WRITE;
	return conn_register(c);
}

/* "@name" is an abstract address, all else a path. 0 when it is too long. */
static socklen_t conn_unix_address(struct sockaddr_un *un, const char *path)
{
	size_t n = strlen(path);

	memset(un, 0, sizeof(*un));
	un->sun_family = AF_UNIX;
	if (n >= sizeof(un->sun_path))
		return 0;
	memcpy(un->sun_path, path, n);
	if (path[0] != '@')
		return sizeof(*un);
	un->sun_path[0] = 0;
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
}

int conn_connect(struct conn *c, const struct addr *to, const char *unix_path,
		 const struct conn_origin *from, const struct conn_setup *setup,
		 void (*on_ready)(struct conn *), void *owner)
{
	struct sockaddr_storage ss;
	socklen_t len;
	int fd, err = 0;

	conn_prepare(c, setup, on_ready, owner);
	len = unix_path ? conn_unix_address((struct sockaddr_un *)&ss, unix_path)
			: addr_to_sockaddr(to, &ss);
	if (!len)
		return -EAFNOSUPPORT;
	if (unix_path)
		c->flags |= CONN_LOCAL_UNIX;
	fd = conn_out_socket(ss.ss_family, from, setup->options);
	if (fd < 0)
		return fd;
	if (connect(fd, (struct sockaddr *)&ss, len) < 0)
		err = -errno;
	if (err && err != -EINPROGRESS) {
		close(fd);
		return err;
	}
	c->io.fd = fd;
	c->flags |= err ? CONN_CONNECTING : CONN_CAN_WRITE;
	return conn_register(c);
}

ssize_t conn_recv(struct conn *c, void *buf, size_t n)
{
	return c->xprt->recv(c, buf, n);
}

ssize_t conn_sendv(struct conn *c, const struct iovec *iov, int n)
{
	return c->xprt->sendv(c, iov, n);
}

void conn_shut_write(struct conn *c)
{
	if (!conn_is_open(c) || (c->flags & CONN_WR_SHUT))
		return;
	c->flags |= CONN_WR_SHUT;
	c->xprt->shut_write(c);
}

void conn_close(struct conn *c)
{
	struct linger none = { .l_onoff = 1, .l_linger = 0 };

	if (!conn_is_open(c))
		return;
	if (c->xprt && c->xprt->close) /* none yet: refused before it was opened */
		c->xprt->close(c);
	if (c->flags & CONN_NO_LINGER)
		setsockopt(c->io.fd, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
	loop_io_forget(
		this_loop,
		&c->io); /* the only descriptor of the socket: close() takes it out of epoll */
	close(c->io.fd);
	c->io.fd = -1;
}

void conn_watch_end_only(struct conn *c, bool only)
{
	if (conn_is_open(c))
		loop_io_mod(this_loop, &c->io, only ? EPOLLRDHUP | EPOLLET : CONN_EVENTS);
}

void conn_set_keepalive(struct conn *c)
{
	int one = 1;

	if (!(c->flags & CONN_LOCAL_UNIX))
		setsockopt(c->io.fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one));
}

void conn_set_nodelay(struct conn *c)
{
	int one = 1;

	if (c->flags & (CONN_NODELAY | CONN_LOCAL_UNIX))
		return;
	c->flags |= CONN_NODELAY;
	setsockopt(c->io.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

bool conn_peer_is_gone(struct conn *c, bool even_with_data)
{
	char byte;
	ssize_t n;

	if (!conn_is_open(c) || (c->flags & (CONN_ERROR | CONN_EOF)))
		return true;
	if (!(c->flags & (CONN_RDHUP | CONN_HUP)))
		return false;
	if (even_with_data)
		return true;
	do
		n = recv(c->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	return n == 0 || (n < 0 && errno != EAGAIN);
}
