/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_sockmap.c - the kernel passes bytes from socket to socket (bpf/splice.bpf.c); the daemon is called for ends, errors and
 * slow readers only. Runs in the stream's worker. See splice.h; loading and words are in sockmap.c.
 *
 * Beginning: nothing may be half read, for the program takes whole packets. So either the daemon has never read from the socket,
 * or its last read has emptied it. What waits there already is moved when SO_RCVLOWAT is set.
 *
 * End: the kernel does not pass it on, and EPOLLRDHUP comes while bytes may still be queued behind the target's socket. A read
 * says 0 only when the program has seen all; then the direction has ended once the target has been given as much as was
 * redirected. That is seen in its acknowledged and queued bytes, asked for in the order in which they cannot be too many.
 *
 * Slow reader: the program then leaves everything to the daemon for good. When the target has got what was redirected before,
 * the copy engine goes on; never the pipe, because splice(2) does not see what such a socket holds. While its receive buffer is
 * full the kernel keeps packets where a read does not look, and says 0 once the peer has ended: only when the daemon has read as
 * much as was passed is that the end (Linux 6.18).
 */
#include "stream/sockmap.h"
#include "stream/splice.h"
#include <errno.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <stdlib.h>
#include <sys/ioctl.h>

struct sockmap_dir {
	struct lbd_splice_dir *shared;
	uint64_t cookie;
	uint64_t given_base; /* what the target had been given when it began */
	uint64_t seen;       /* of shared->moved, counted in the relay */
	uint64_t owed;  /* of `seen`, not yet known to have reached the target; while draining */
	uint64_t taken; /* of shared->passed, read by the daemon */
	uint32_t slot;
};

static int tcp_acked(int fd, uint64_t *out)
{
	struct tcp_info info;
	socklen_t len = sizeof(info);

	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) < 0)
		return -errno;
	*out = info.tcpi_bytes_acked;
	return 0;
}

/* Bytes that a socket was given since its connection began, and a constant; never more than it was, less while acks come in. */
static int tcp_given(int fd, uint64_t *out)
{
	int queued, err = tcp_acked(fd, out);

	if (err)
		return err;
	if (ioctl(fd, SIOCOUTQ, &queued) < 0)
		return -errno;
	*out += (uint64_t)queued;
	return 0;
}

/* The same, exactly: no ack came in between. */
static int tcp_given_exactly(int fd, uint64_t *out)
{
	uint64_t again;
	int err = 0;

	for (int tries = 0; tries < 8 && !err; tries++) {
		err = tcp_given(fd, out);
		err = err ? err : tcp_given(fd, &again);
		if (!err && again == *out)
			return 0;
	}
	return err ? err : -EBUSY;
}

/* ---- beginning ---- */

static enum sockmap_fallback why_not(int err)
{
	switch (err) {
	case -EOPNOTSUPP: /* the peer has closed already */
		return SOCKMAP_REFUSED;
	case -EBUSY:
		return SOCKMAP_BUSY;
	default:
		return SOCKMAP_FAILED;
	}
}

static int begin(struct relay *r, struct sockmap_dir *d)
{
	socklen_t len = sizeof(d->cookie);
	int one = 1, err;

	if (getsockopt(r->from->io.fd, SOL_SOCKET, SO_COOKIE, &d->cookie, &len) < 0)
		return -errno;
	err = tcp_given_exactly(r->to->io.fd, &d->given_base);
	if (err)
		return err;
	d->shared->acked_base = d->given_base;
	d->shared->last_ns = this_loop->now_us * 1000;
	err = sockmap_add(d->cookie, d->slot, r->from->io.fd, r->to->io.fd);
	if (err)
		return err;
	setsockopt(r->from->io.fd, SOL_SOCKET, SO_RCVLOWAT, &one, sizeof(one));
	return 0;
}

/* false: another engine has to do it, for good. */
static bool enter(struct relay *r)
{
	struct sockmap_dir *d;
	int err;

	if ((r->from->flags | r->to->flags) & CONN_LOCAL_UNIX) {
		sockmap_fell_back(SOCKMAP_NOT_TCP);
		return false;
	}
	d = calloc(1, sizeof(*d));
	if (!d || !sockmap_slot_take(r, &d->slot, &d->shared)) {
		free(d);
		sockmap_fell_back(SOCKMAP_FULL);
		return false;
	}
	if (!(r->to->flags & CONN_NODELAY))
		conn_set_nodelay(r->to);
	err = begin(r, d);
	if (err) {
		sockmap_slot_give(d->slot);
		free(d);
		sockmap_fell_back(why_not(err));
		return false;
	}
	r->sockmap = d;
	return true;
}

/* ---- counting ---- */

void sockmap_sync(struct relay *r)
{
	struct sockmap_dir *d = r->sockmap;
	uint64_t moved = __atomic_load_n(&d->shared->moved, __ATOMIC_RELAXED), n = moved - d->seen;

	d->seen = moved;
	r->read += n;
	r->written += n;
	atomic_fetch_add_explicit(&spliced_bytes, n, memory_order_relaxed);
}

uint64_t sockmap_last_ms(const struct relay *r)
{
	return __atomic_load_n(&r->sockmap->shared->last_ns, __ATOMIC_RELAXED) / 1000000;
}

/* Has the target been given all that was redirected? What is missing is counted as held. */
static bool is_drained(struct relay *r)
{
	struct sockmap_dir *d = r->sockmap;
	uint64_t given, owed;

	sockmap_sync(r);
	if (tcp_given(r->to->io.fd, &given)) /* its own reads tell what is wrong with it */
		given = d->given_base + d->seen;
	owed = d->seen - (given - d->given_base);
	r->written += d->owed - owed;
	d->owed = owed;
	return owed == 0;
}

/* ---- moving ---- */

bool sockmap_has_more(struct relay *r, ssize_t n)
{
	struct sockmap_dir *d = r->sockmap;

	if (n > 0)
		d->taken += (uint64_t)n;
	return d->taken != __atomic_load_n(&d->shared->passed, __ATOMIC_RELAXED);
}

/* The daemon reads on, once the target has got what the kernel had taken. */
static enum relay_result take_over(struct relay *r, size_t budget)
{
	__atomic_store_n(&r->sockmap->shared->passing, 1, __ATOMIC_RELAXED);
	if (!is_drained(r))
		return RELAY_SOON;
	sockmap_fell_back(SOCKMAP_SLOW);
	r->engine = &engine_copy;
	r->may_pipe = r->may_sockmap = false;
	return engine_copy.move(r, budget);
}

static enum relay_result sockmap_move(struct relay *r, size_t budget)
{
	char byte;
	ssize_t n;

	if (!r->sockmap && (r->eof || !enter(r))) {
		r->may_sockmap = false;
		r->engine = &engine_copy;
		return engine_copy.move(r, budget);
	}
	sockmap_sync(r);
	if (r->eof)
		return is_drained(r) ? RELAY_END : RELAY_SOON;
	if (__atomic_load_n(&r->sockmap->shared->tripped, __ATOMIC_RELAXED))
		return take_over(r, budget);
	if (!(r->from->flags & CONN_CAN_READ))
		return RELAY_IDLE;
	do
		n = recv(r->from->io.fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0)
		return take_over(r, budget);
	if (n == 0 && sockmap_has_more(r, 0)) /* in this moment */
		return take_over(r, budget);
	r->from->flags &= ~CONN_CAN_READ;
	if (n == 0) {
		r->eof = true;
		r->from->flags |= CONN_EOF;
		return is_drained(r) ? RELAY_END : RELAY_SOON;
	}
	if (errno == EAGAIN)
		return RELAY_IDLE;
	r->from->flags |= CONN_ERROR;
	r->from->err = errno;
	return RELAY_FROM_ERROR;
}

void sockmap_stop_reading(struct relay *r)
{
	__atomic_store_n(&r->sockmap->shared->passing, 1, __ATOMIC_RELAXED);
}

/* The sockets may be closed already, and leave the kernel's maps by that. */
void sockmap_leave(struct relay *r)
{
	struct sockmap_dir *d = r->sockmap;

	sockmap_forget(d->cookie);
	sockmap_slot_give(d->slot);
	free(d);
	r->sockmap = NULL;
}

const struct splice_engine engine_sockmap = {
	.name = "sockmap",
	.move = sockmap_move,
	.help = "The kernel passes bytes from socket to socket; the daemon sees ends and slow "
		"readers only.",
};
