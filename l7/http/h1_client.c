// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h1_client.c - a client connection that speaks HTTP/1: session protocol "h1" and the client codec of its transactions. One
 * transaction at a time; pipelined requests wait in the segment or in the socket. Idle, it owns nothing but itself. Runs in the
 * session's worker.
 */
#include "http/h1_client.h"
#include "http/h2_client.h"
#include "http/steps.h"

#include "base/strbuf.h"
#include <errno.h>

struct h1_client {
	struct http_txn *txn; /* NULL: idle, or lingering */
	struct segment *rx;   /* bytes received, not consumed */
	struct timer timer;   /* idle: until the first byte; lingering: until we give up */
	uint64_t idle_from_us;
	uint32_t requests;
	bool lingering; /* the response is out, our side is shut: reading away what the client still sends */
};

_Static_assert(sizeof(struct h1_client) <= H1_CLIENT_BYTES, "memory of every idle connection");

/* After a response that ends the connection, a client that is still sending would lose it to a reset. */
#define LINGER_MS 1000

static struct h1_client *part(struct session *s)
{
	return session_part(s);
}

static struct session *session_of(struct h1_client *h)
{
	return container_of(h, struct session, proto_part);
}

bool h1_client_holds(struct session *s)
{
	return part(s)->rx && segment_len(part(s)->rx);
}

static void client_close(struct session *s)
{
	struct h1_client *h = part(s);

	timer_cancel(this_loop, &h->timer);
	if (h->rx)
		segment_put(h->rx);
	session_free(s);
}

static struct http_txn *start_txn(struct session *s)
{
	struct h1_client *h = part(s);
	struct http_txn *t = http_txn_new(s, &h1_client_codec, NULL);

	if (!t)
		return NULL;
	timer_cancel(this_loop, &h->timer);
	h->txn = t;
	t->idle_from_us = h->idle_from_us;
	t->s.t.idle_us = t->s.t.start - h->idle_from_us;
	if (!h->requests++) {
		t->flags |= TXN_FIRST;
		t->client_heard_ms =
			s->accept_us / 1000; /* timeout http-request counts from the accept */
	}
	return t;
}

/* The first request did not come: said to the client and in the log, unless the frontend ignores probes. */
static void first_request_missing(struct session *s, enum http_io why)
{
	struct http_txn *t;

	if (http_conf(s->fe)->ignore_probes || !(t = start_txn(s))) {
		client_close(s);
		return;
	}
	t->s.t.start = s->accept_us;
	t->s.start_wall_us = s->accept_wall_us;
	t->s.t.idle_us = 0;
	if (why == IO_WAIT)
		t->s.flags |= STREAM_EXPIRED;
	stream_run(&t->s);
}

static uint32_t idle_timeout(const struct session *s, bool first)
{
	const struct proxy_timeouts *to = &s->fe->timeout;

	if (!first && to->http_keep_alive)
		return to->http_keep_alive;
	return to->http_request ? to->http_request : to->client;
}

static void arm_idle(struct session *s)
{
	struct h1_client *h = part(s);
	uint32_t ms = idle_timeout(s, !h->requests);

	if (ms)
		timer_set(this_loop, &h->timer, this_loop->now_ms + ms);
}

static void on_timer(struct timer *tm)
{
	struct h1_client *h = container_of(tm, struct h1_client, timer);
	struct session *s = session_of(h);

	if (h->lingering || h->requests || (s->flags & (SESS_KILLED | SESS_DRAINING)))
		client_close(s);
	else
		first_request_missing(s, IO_WAIT);
}

/* Reads what there is into h->rx. IO_OK: bytes. */
static enum http_io read_some(struct session *s)
{
	struct h1_client *h = part(s);
	ssize_t n;

	if (!(s->client.flags & CONN_CAN_READ))
		return s->client.flags & CONN_EOF ? IO_EOF : IO_WAIT;
	if (!h->rx)
		h->rx = segment_new();
	if (!h->rx)
		return IO_NOMEM;
	if (h->rx->refs == 1)
		h->rx->start = h->rx->end = 0;
	n = conn_recv(&s->client, h->rx->data + h->rx->end, segment_room(h->rx));
	if (n > 0) {
		h->rx->end += n;
		return IO_OK;
	}
	segment_put(h->rx);
	h->rx = NULL;
	return n == 0 ? IO_EOF : n == -EAGAIN ? IO_WAIT : IO_ERROR;
}

static void linger(struct session *s)
{
	struct h1_client *h = part(s);
	enum http_io r;

	do
		r = read_some(s);
	while (r == IO_OK);
	if (r != IO_WAIT)
		client_close(s);
	else if (h->rx) {
		segment_put(h->rx);
		h->rx = NULL;
	}
}

/* HTTP/2 with prior knowledge is recognised by its preface, as in HAProxy. */
static bool is_h2_preface(const struct h1_client *h)
{
	static const struct slice preface = { "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24 };

	return !h->requests &&
	       slice_has_prefix(slice_make(h->rx->data + h->rx->start, segment_len(h->rx)),
				preface);
}

static void become_h2(struct session *s)
{
	struct h1_client *h = part(s);
	struct segment *first = h->rx;

	timer_cancel(this_loop, &h->timer);
	h->rx = NULL;
	if (!h2_take_over(s, first))
		session_free(s);
	segment_put(first);
}

static void on_client_ready(struct conn *c)
{
	struct session *s = c->owner;
	struct h1_client *h = part(s);
	struct http_txn *t = h->txn;

	if (t) {
		stream_run(&t->s);
		return;
	}
	if (h->lingering) {
		linger(s);
		return;
	}
	switch (read_some(s)) {
	case IO_OK:
		if (is_h2_preface(h)) {
			become_h2(s);
			return;
		}
		t = start_txn(s);
		if (!t) {
			client_close(s);
			return;
		}
		stream_run(&t->s);
		return;
	case IO_WAIT:
		if (!(c->flags & (CONN_ERROR | CONN_HUP)))
			return;
		__attribute__((fallthrough));
	default:
		if (h->requests || (s->flags & SESS_DRAINING))
			client_close(s);
		else
			first_request_missing(s, IO_EOF);
	}
}

/* ---- the protocol's row ---- */

static void h1_start(struct session *s)
{
	struct h1_client *h = part(s);

	timer_init(&h->timer, on_timer);
	h->idle_from_us = s->accept_us;
	conn_set_owner(&s->client, on_client_ready, s);
	arm_idle(s);
	if (s->client.flags &
	    CONN_CAN_READ) { /* the handshake's last bytes brought some of ours: no other event will come */
		struct http_txn *t = start_txn(s);

		if (t)
			stream_wake(&t->s);
	}
}

/* Ends in this loop round, not inside the caller's walk over the sessions. */
static void h1_kill(struct session *s, char cause)
{
	struct h1_client *h = part(s);

	if (!h->txn) {
		s->flags |= SESS_KILLED;
		timer_set(this_loop, &h->timer, this_loop->now_ms);
		return;
	}
	h->txn->s.flags |= STREAM_KILLED;
	h->txn->kill_cause = cause;
	stream_wake(&h->txn->s);
}

static void h1_drain(struct session *s)
{
	s->flags |= SESS_DRAINING;
	if (!part(s)->txn && !part(s)->lingering)
		timer_set(this_loop, &part(s)->timer, this_loop->now_ms);
}

static const struct session_proto h1_proto = {
	.name = "h1",
	.mode = MODE_HTTP,
	.alpn = "http/1.1",
	.bytes = H1_CLIENT_BYTES,
	.start = h1_start,
	.drain = h1_drain,
	.kill = h1_kill,
};

void h1_client_init(void)
{
	session_proto_register(&h1_proto);
}

/* ---- the codec's row ---- */

static enum http_io client_pull(struct http_txn *t)
{
	struct session *s = t->s.sess;
	struct h1_client *h = part(s);
	bool before = h->rx && segment_len(h->rx);
	enum http_io r = h1_pull(&s->client, &h->rx, &t->cl, &t->req, &t->s.bytes_in);

	if (before || (h->rx && segment_len(h->rx)))
		t->flags |= TXN_HEARD;
	return r;
}

static enum http_io client_push(struct http_txn *t)
{
	return h1_push(&t->s.sess->client, &t->cl, &t->rsp, &t->s.bytes_out);
}

static void client_linger_or_close(struct session *s)
{
	struct h1_client *h = part(s);
	bool unread =
		(h->rx && segment_len(h->rx)) || (s->client.flags & CONN_CAN_READ) || h->lingering;

	if (!unread || (s->client.flags & (CONN_ERROR | CONN_HUP | CONN_EOF | CONN_RDHUP))) {
		client_close(s);
		return;
	}
	h->lingering = true;
	conn_shut_write(&s->client);
	if (h->rx)
		segment_put(h->rx);
	h->rx = NULL;
	timer_set(this_loop, &h->timer, this_loop->now_ms + LINGER_MS);
	linger(s);
}

static void client_release(struct http_txn *t)
{
	struct session *s = t->s.sess;
	struct h1_client *h = part(s);

	h->txn = NULL;
	if (t->flags & TXN_CLIENT_CLOSE) {
		h->lingering =
			t->req.state != MSG_DONE && !(t->flags & (TXN_CLIENT_GONE | TXN_TUNNEL));
		client_linger_or_close(s);
		return;
	}
	h->idle_from_us = this_loop->now_us;
	s->accept_us = this_loop->now_us;
	s->accept_wall_us = http_wall_us();
	http_msg_fini(&t->req); /* so that the segment may be ours alone again */
	if (h->rx && !segment_len(h->rx)) {
		segment_put(h->rx);
		h->rx = NULL;
	}
	/* The next request may be here already, in the segment or in the socket. */
	if (!h->rx) {
		switch (read_some(s)) {
		case IO_OK:
			break;
		case IO_WAIT:
			if (s->flags & SESS_DRAINING)
				client_close(s);
			else
				arm_idle(s);
			return;
		default:
			client_close(s);
			return;
		}
	}
	struct http_txn *next = start_txn(s);

	if (!next) {
		client_close(s);
		return;
	}
	stream_wake(&next->s);
}

const struct http_codec h1_client_codec = {
	.name = "h1",
	.pull = client_pull,
	.push = client_push,
	.release = client_release,
};
