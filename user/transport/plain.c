/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plain.c - the transport without anything: bytes as the socket has them. See conn.h.
 *
 * A read that does not fill the buffer has emptied the socket (epoll(7)): CONN_CAN_READ goes without asking again, unless
 * the peer has shut its side. TCP_NODELAY is set before the second write: the first is never held back, since Linux
 * (Minshall's variant of Nagle) delays a small segment only while another small one is unacknowledged.
 */
#include "transport/conn.h"
#include <errno.h>

#define FLAT_BYTES 1024 /* a gathered write up to this size becomes one piece */

static ssize_t plain_fail(struct conn *c, int err)
{
	c->flags |= CONN_ERROR;
	c->err = err;
	return -err;
}

static ssize_t plain_recv(struct conn *c, void *buf, size_t n)
{
	ssize_t r;

	do
		r = recv(c->io.fd, buf, n, 0);
	while (r < 0 && errno == EINTR);
	if (r > 0) {
		if ((size_t)r < n && !(c->flags & (CONN_RDHUP | CONN_SHORT_READS)))
			c->flags &= ~CONN_CAN_READ;
		return r;
	}
	if (r == 0) {
		if (n) {
			c->flags |= CONN_EOF;
			c->flags &= ~CONN_CAN_READ;
		}
		return 0;
	}
	if (errno == EAGAIN) {
		c->flags &= ~CONN_CAN_READ;
		return -EAGAIN;
	}
	return plain_fail(c, errno);
}

/* A few pieces of some ten bytes each: copying them is cheaper than what sendmsg() does to fetch the vector. */
static void plain_flatten(struct iovec *to, const struct iovec *iov, int n)
{
	for (int i = 0; i < n; i++) {
		memcpy((char *)to->iov_base + to->iov_len, iov[i].iov_base, iov[i].iov_len);
		to->iov_len += iov[i].iov_len;
	}
}

static ssize_t plain_sendv(struct conn *c, const struct iovec *iov, int n)
{
	struct msghdr m = { .msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)n };
	char flat[FLAT_BYTES];
	struct iovec one = { flat, 0 };
	size_t want = 0;
	ssize_t r;

	for (int i = 0; i < n; i++)
		want += iov[i].iov_len;
	if (n > 1 && want <= sizeof(flat)) {
		plain_flatten(&one, iov, n);
		iov = &one;
		n = 1;
	}
	if (!(c->flags & CONN_SENT))
		c->flags |= CONN_SENT;
	else if (!(c->flags & CONN_NODELAY))
		conn_set_nodelay(c);
	do
		r = n == 1 ? send(c->io.fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL)
			   : sendmsg(c->io.fd, &m, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r >= 0) {
		if ((size_t)r < want) /* the kernel has noted that we wait for room */
			c->flags &= ~CONN_CAN_WRITE;
		return r;
	}
	if (errno == EAGAIN) {
		c->flags &= ~CONN_CAN_WRITE;
		return -EAGAIN;
	}
	return plain_fail(c, errno);
}

static void plain_shut_write(struct conn *c)
{
	shutdown(c->io.fd, SHUT_WR);
}

const struct transport transport_plain = {
	.name = "RAW",
	.recv = plain_recv,
	.sendv = plain_sendv,
	.shut_write = plain_shut_write,
	.raw = true,
};
