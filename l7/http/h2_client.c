// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h2_client.c - a client connection that speaks HTTP/2 (cleartext with prior knowledge): session protocol "h2" and the client codec of its
 * transactions, one per stream. nghttp2 does framing, HPACK and the message rules of RFC 9113; this file turns streams into http_msg and back. A
 * stream's window is only opened as its request body leaves the queue, so a slow server holds back its client and nobody else.
 * Runs in the session's worker.
 */
#include "http/h2_client.h"
#include "http/h1_client.h"
#include "http/h2_tune.h"
#include "http/steps.h"

#include "base/strbuf.h"
#include <errno.h>
#include <nghttp2/nghttp2.h>
#include <stdlib.h>

#define H2_CONN_WINDOW  (1 << 20)
#define H2_FRAME_HEADER 9
#define PARTS_PER_FRAME 8 /* of the body's queue in one DATA frame */
#define H2_MAX_ANSWERS \
	200 /* frames waiting for a client that does not read; above, nothing more is read from it */
#define H2_FIELD_BYTES 4 /* what a field costs beside its text, as ": " and CRLF in HTTP/1 */

struct h2_conn {
	struct session *sess;
	nghttp2_session *ng;
	struct list streams; /* struct h2_stream */
	unsigned int
		n_streams; /* also those that the client has reset, until their steps have seen it */
	struct http_body out;    /* frames to be written: slices of `frames` and of body segments */
	struct segment *frames;  /* where frame headers and small frames are built */
	struct segment *reading; /* what nghttp2 is being fed with */
	struct timer timer;      /* idle */
	uint32_t total;          /* streams that there have been */
	bool dead;               /* the connection is gone or will be closed; streams are told */
	bool in_callback;        /* nghttp2 is not re-entrant */
};

struct h2_stream {
	struct list node;
	struct h2_conn *c;
	struct http_txn *t;
	int32_t id;
	bool head_done, submitted;
	uint8_t error;  /* enum h1_error of the head */
	bool closed;    /* RST_STREAM or END_STREAM of both sides */
	uint64_t acked; /* request body bytes whose window was given back */
	struct slice scheme, authority;
	uint32_t field_bytes; /* of the head, then of the trailers: bounded like a head in HTTP/1 */
	uint32_t cookie_n, cookie_room;
	char *cookie; /* the line gathered from all Cookie fields */
};

static const struct http_codec h2_codec;

/* The session's part is a pointer: an "h1" session becomes "h2" when it begins with the preface. */
static struct h2_conn **slot(struct session *s)
{
	return session_part(s);
}

/* ---- output ---- */

static bool out_room(const struct h2_conn *c, unsigned int parts)
{
	return c->out.count + parts <= BODY_PARTS && c->out.queued < body_queue_bytes;
}

/* Copies a frame (header) into c->frames and queues it. */
static bool queue_copy(struct h2_conn *c, const void *p, size_t n)
{
	if (c->frames && c->frames->refs == 1)
		c->frames->start = c->frames->end = 0;
	while (n) {
		size_t k;

		if (c->frames && !segment_room(c->frames)) {
			segment_put(c->frames);
			c->frames = NULL;
		}
		if (!c->frames && !(c->frames = segment_new()))
			return false;
		k = n < segment_room(c->frames) ? n : segment_room(c->frames);
		memcpy(c->frames->data + c->frames->end, p, k);
		body_put(&c->out, c->frames, c->frames->data + c->frames->end, k);
		c->frames->end += (uint32_t)k;
		p = (const char *)p + k;
		n -= k;
	}
	return true;
}

static ssize_t on_send(nghttp2_session *ng, const uint8_t *data, size_t n, int flags, void *arg)
{
	struct h2_conn *c = arg;

	if (!out_room(c, 2))
		return NGHTTP2_ERR_WOULDBLOCK;
	return queue_copy(c, data, n) ? (ssize_t)n : NGHTTP2_ERR_CALLBACK_FAILURE;
}

/* A DATA frame: its header is copied, the payload goes out of the response's segments. */
static int on_send_data(nghttp2_session *ng, nghttp2_frame *f, const uint8_t *header, size_t n,
			nghttp2_data_source *source, void *arg)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
	struct h2_conn *c = arg;
	struct http_body *b;

	if (!st) /* released while this frame waited for room */
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	b = &st->t->rsp.body;
	if (!out_room(c, PARTS_PER_FRAME + 2))
		return NGHTTP2_ERR_WOULDBLOCK;
	if (!queue_copy(c, header, H2_FRAME_HEADER))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	st->t->s.bytes_out += n;
	st->t->cl.out.bytes += n;
	while (n) {
		struct body_part *p = &b->part[b->first];
		size_t k = n < p->n ? n : p->n;

		if (p->seg)
			body_put(&c->out, p->seg, p->p, k);
		else if (
			!queue_copy(
				c, p->p,
				k)) /* the request's memory: it may end before the frame is written */
			return NGHTTP2_ERR_CALLBACK_FAILURE;
		body_consume(b, k);
		n -= k;
	}
	stream_wake(&st->t->s);
	return 0;
}

static ssize_t on_read_body(nghttp2_session *ng, int32_t id, uint8_t *buf, size_t n,
			    uint32_t *flags, nghttp2_data_source *source, void *arg)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);
	struct http_body *b;
	size_t k = 0;

	if (!st)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	b = &st->t->rsp.body;
	for (unsigned int i = 0; i < b->count && i < PARTS_PER_FRAME && k < n; i++)
		k += b->part[(b->first + i) & (BODY_PARTS - 1)].n;
	if (k > n)
		k = n;
	if (!k && !b->eom)
		return NGHTTP2_ERR_DEFERRED;
	*flags |= NGHTTP2_DATA_FLAG_NO_COPY;
	if (b->eom && k == b->queued)
		*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)k;
}

/* The end of the response went out (into the queue). */
static int on_frame_sent(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2_stream *st;

	if (!(f->hd.flags & NGHTTP2_FLAG_END_STREAM) ||
	    (f->hd.type != NGHTTP2_DATA && f->hd.type != NGHTTP2_HEADERS))
		return 0;
	st = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
	if (st) {
		st->t->cl.out.done = true;
		stream_wake(&st->t->s);
	}
	return 0;
}

static void conn_dead(struct h2_conn *c)
{
	struct h2_stream *st;

	if (c->dead)
		return;
	c->dead = true;
	list_for_each_entry(st, &c->streams, node) {
		st->t->flags |= TXN_CLIENT_GONE;
		stream_wake(&st->t->s);
	}
	if (list_empty(&c->streams)) /* ends in this round, outside of nghttp2 and of the steps */
		timer_set(this_loop, &c->timer, this_loop->now_ms);
}

static bool write_queue(struct h2_conn *c)
{
	struct iovec iov[BODY_PARTS];
	ssize_t n;
	int k;

	while ((k = body_iov(&c->out, iov, BODY_PARTS, SIZE_MAX))) {
		if (!(c->sess->client.flags & CONN_CAN_WRITE))
			return true;
		n = conn_sendv(&c->sess->client, iov, k);
		if (n == -EAGAIN)
			return true;
		if (n < 0)
			return false;
		body_consume(&c->out, n);
	}
	return true;
}

/* All that nghttp2 has to say and the socket takes. */
static void flush(struct h2_conn *c)
{
	uint64_t before;

	if (c->in_callback || c->dead)
		return;
	do {
		before = c->out.consumed;
		c->in_callback = true;
		if (nghttp2_session_send(c->ng) != 0) {
			c->in_callback = false;
			conn_dead(c);
			return;
		}
		c->in_callback = false;
		if (!write_queue(c)) {
			conn_dead(c);
			return;
		}
	} while (c->out.consumed != before && body_empty(&c->out) &&
		 nghttp2_session_want_write(c->ng));
	if (body_empty(&c->out) && !nghttp2_session_want_read(c->ng) &&
	    !nghttp2_session_want_write(c->ng))
		conn_dead(c);
}

/* ---- requests in ---- */

/* Streams that the client has reset count for a while, too. */
static bool has_room(const struct h2_conn *c)
{
	return !h2_tune.max_streams || c->n_streams / 2 < h2_tune.max_streams;
}

/* tune.h2.fe.max-total-streams: the client is told to use another connection. */
static void count_stream(struct h2_conn *c, int32_t id)
{
	if (++c->total != h2_tune.total_streams)
		return;
	c->sess->flags |= SESS_DRAINING;
	nghttp2_submit_goaway(c->ng, NGHTTP2_FLAG_NONE, id, NGHTTP2_NO_ERROR, NULL, 0);
}

static int on_begin_headers(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2_conn *c = arg;
	struct h2_stream *st;

	if (f->hd.type != NGHTTP2_HEADERS || f->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	st = has_room(c) ? calloc(1, sizeof(*st)) : NULL;
	if (!st || !(st->t = http_txn_new(c->sess, &h2_codec, st))) {
		free(st);
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	}
	st->c = c;
	st->id = f->hd.stream_id;
	list_add_tail(&c->streams, &st->node);
	c->n_streams++;
	count_stream(c, st->id);
	nghttp2_session_set_stream_user_data(ng, st->id, st);
	st->t->req.flags |= MSG_F_H2;
	st->t->idle_from_us = this_loop->now_us;
	stream_wake(&st->t->s); /* arms the time for the head */
	timer_cancel(this_loop, &c->timer);
	return 0;
}

/* Several Cookie fields are one line in HTTP/1 (RFC 9113 section 8.2.3). */
static void add_cookie(struct h2_stream *st, struct slice value)
{
	struct arena *a = st->t->req.arena;
	size_t need = st->cookie_n + 2 + value.n;

	if (need > st->cookie_room) {
		char *p = arena_alloc(a, 2 * need);

		if (st->cookie_n)
			memcpy(p, st->cookie, st->cookie_n);
		st->cookie = p;
		st->cookie_room = (uint32_t)(2 * need);
	}
	if (st->cookie_n) {
		memcpy(st->cookie + st->cookie_n, "; ", 2);
		st->cookie_n += 2;
	}
	if (value.n)
		memcpy(st->cookie + st->cookie_n, value.p, value.n);
	st->cookie_n += (uint32_t)value.n;
}

static bool pseudo_header(struct h2_stream *st, struct slice name, struct slice value)
{
	struct http_msg *m = &st->t->req;

	if (slice_eq(name, SLICE(":method")))
		http_set_method(m, value);
	else if (slice_eq(name, SLICE(":path")))
		http_set_target(m, value);
	else if (slice_eq(name, SLICE(":authority")))
		st->authority = value;
	else if (slice_eq(name, SLICE(":scheme")))
		st->scheme = value;
	else
		return false;
	return true;
}

static void add_trailer(struct http_msg *m, struct slice name, struct slice value)
{
	struct http_hdr *h;

	if (!h1_may_be_trailer(http_hdr_id(name)))
		return;
	h = m->trailers.n + 1u < http_max_hdrs ? http_hdrs_add(m, &m->trailers) : NULL;
	if (h)
		*h = (struct http_hdr){ name.p,
					value.p,
					(uint32_t)value.n,
					(uint16_t)name.n,
					(uint8_t)http_hdr_id(name),
					0 };
}

/* A field of a few bytes on the wire may be thousands here (HPACK's table): nothing is kept above the limit. */
static int on_header(nghttp2_session *ng, const nghttp2_frame *f, const uint8_t *name,
		     size_t name_n, const uint8_t *value, size_t value_n, uint8_t flags, void *arg)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
	struct http_msg *m;
	struct slice n, v;

	if (!st || st->error != H1_ERR_NONE)
		return 0;
	m = &st->t->req;
	st->t->s.bytes_in += name_n + value_n;
	if (name_n + value_n + H2_FIELD_BYTES > http_max_head - st->field_bytes) {
		st->error = H1_ERR_TOO_LARGE;
		return st->head_done ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
	}
	st->field_bytes += (uint32_t)(name_n + value_n + H2_FIELD_BYTES);
	v = arena_dup(m->arena, slice_make(value, value_n));
	n = arena_dup(m->arena, slice_make(name, name_n));
	if (st->head_done)
		add_trailer(m, n, v);
	else if (n.p[0] == ':')
		st->error = pseudo_header(st, n, v) ? H1_ERR_NONE : H1_ERR_NAME;
	else if (http_hdr_id(n) == HDR_COOKIE)
		add_cookie(st, v);
	else if (m->hdrs.n + 1u >= http_max_hdrs || http_hdr_append(m, n, v))
		st->error = H1_ERR_TOO_MANY_HEADERS;
	return 0;
}

/* The head as a request for HTTP/1: Host from :authority, framing, a line for the log. */
static void head_complete(struct h2_stream *st, bool end)
{
	struct http_msg *m = &st->t->req;
	struct http_hdr *h = http_hdr_find_id(m, HDR_CONTENT_LENGTH);

	st->head_done = true;
	st->field_bytes = 0;
	m->line = slice_z(arena_printf(m->arena, "%.*s %.*s HTTP/2.0", SLICE_FMT(m->method_text),
				       SLICE_FMT(m->target)));
	if (st->authority.n) {
		http_hdr_delete_all(m, HDR_HOST, SLICE_NONE);
		http_hdr_append_id(m, HDR_HOST, st->authority);
	}
	if (st->cookie_n)
		http_hdr_append_id(m, HDR_COOKIE, slice_make(st->cookie, st->cookie_n));
	if (m->method == METH_CONNECT)
		st->error = H1_ERR_METHOD;
	else if (st->error == H1_ERR_NONE)
		st->error = h1_check_request(m, http_conf(st->c->sess->fe)->relax_request);
	if (st->error != H1_ERR_NONE) {
		st->t->cl.head.error = st->error;
		m->state = MSG_BAD;
		return;
	}
	if (end) {
		m->flags |= MSG_F_NO_BODY;
		m->state = MSG_DONE;
		m->body.eom = true;
		return;
	}
	m->state = MSG_BODY;
	if (h) {
		m->flags |= MSG_F_LENGTH;
		m->length = strtoull(
			h->value, NULL,
			10); /* nghttp2 has checked it, and compares it with the DATA frames */
	} else {
		m->flags |= MSG_F_CHUNKED;
		http_hdr_append_id(m, HDR_TRANSFER_ENCODING, SLICE("chunked"));
	}
}

static int on_frame(nghttp2_session *ng, const nghttp2_frame *f, void *arg)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, f->hd.stream_id);
	bool end = f->hd.flags & NGHTTP2_FLAG_END_STREAM;

	if (!st || (f->hd.type != NGHTTP2_HEADERS && f->hd.type != NGHTTP2_DATA))
		return 0;
	if (f->hd.type == NGHTTP2_HEADERS && !st->head_done) {
		head_complete(st, end);
	} else if (end && st->t->req.state == MSG_BODY) { /* not after a head that was refused */
		st->t->req.state = MSG_DONE;
		st->t->req.body.eom = true;
	}
	stream_wake(&st->t->s);
	return 0;
}

/* The ring is full of small parts: they are copied together. The window bounds their sum. */
static bool compact(struct http_body *b)
{
	struct http_body old = *b;
	struct segment *seg = NULL;

	b->first = b->count = 0;
	b->queued = 0;
	b->produced -= old.queued;
	for (unsigned int i = 0; i < old.count; i++) {
		struct body_part *p = &old.part[(old.first + i) & (BODY_PARTS - 1)];

		for (size_t done = 0; done < p->n;) {
			size_t k;

			if (!seg || !segment_room(seg)) {
				if (seg)
					segment_put(seg);
				seg = segment_new();
				if (!seg)
					return false;
			}
			k = p->n - done < segment_room(seg) ? p->n - done : segment_room(seg);
			memcpy(seg->data + seg->end, p->p + done, k);
			body_put(b, seg, seg->data + seg->end, k);
			seg->end += (uint32_t)k;
			done += k;
		}
		if (p->seg)
			segment_put(p->seg);
	}
	if (seg)
		segment_put(seg);
	return true;
}

static int on_data(nghttp2_session *ng, uint8_t flags, int32_t id, const uint8_t *data, size_t n,
		   void *arg)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);
	struct h2_conn *c = arg;
	struct http_body *b;

	if (!st ||
	    st->t->req.state !=
		    MSG_BODY) { /* answered already: the connection's window must not starve */
		nghttp2_session_consume(ng, id, n);
		return 0;
	}
	b = &st->t->req.body;
	if (b->count == BODY_PARTS && !compact(b))
		return NGHTTP2_ERR_CALLBACK_FAILURE;
	body_put(b, c->reading, (const char *)data, n);
	st->t->s.bytes_in += n;
	return 0;
}

static int on_stream_close(nghttp2_session *ng, int32_t id, uint32_t error, void *arg)
{
	struct h2_stream *st = nghttp2_session_get_stream_user_data(ng, id);

	if (!st)
		return 0;
	st->closed = true;
	if (!st->t->cl.out.done)
		st->t->flags |= TXN_CLIENT_GONE;
	stream_wake(&st->t->s);
	return 0;
}

/* ---- the codec's row ---- */

/* Gives the window of what has left the queue back. */
static enum http_io h2_pull(struct http_txn *t)
{
	struct h2_stream *st = t->client_ctx;
	uint64_t n = t->req.body.consumed - st->acked;

	if (t->req.state == MSG_BAD)
		return IO_BAD;
	if (n && !st->c->dead) {
		st->acked += n;
		nghttp2_session_consume(st->c->ng, st->id, n);
		flush(st->c);
	}
	if (t->req.state == MSG_DONE)
		return IO_OK;
	return t->flags & TXN_CLIENT_GONE ? IO_EOF : IO_WAIT;
}

static bool is_connection_header(const struct http_hdr *h)
{
	return h->id == HDR_CONNECTION || h->id == HDR_KEEP_ALIVE ||
	       h->id == HDR_PROXY_CONNECTION || h->id == HDR_TRANSFER_ENCODING ||
	       h->id == HDR_UPGRADE;
}

static nghttp2_nv nv(struct slice name, struct slice value)
{
	return (nghttp2_nv){ (uint8_t *)name.p, (uint8_t *)value.p, name.n, value.n,
			     NGHTTP2_NV_FLAG_NONE };
}

static int submit(struct h2_stream *st)
{
	struct http_msg *m = &st->t->rsp;
	nghttp2_nv *list = arena_alloc(m->arena, (m->hdrs.n + 1u) * sizeof(*list));
	nghttp2_data_provider body = { .source.ptr = st, .read_callback = on_read_body };
	struct slice status = slice_z(arena_printf(m->arena, "%03u", m->status));
	size_t n = 0;

	list[n++] = nv(SLICE(":status"), status);
	for (struct http_hdr *h = NULL; (h = http_hdr_next(m, h));) {
		st->t->s.bytes_out += h->name_len + h->value_len;
		if (!is_connection_header(h))
			list[n++] = nv(http_hdr_get_name(h), http_hdr_value(h));
	}
	if ((m->flags & MSG_F_INTERIM) &&
	    nghttp2_session_get_outbound_queue_size(st->c->ng) > H2_MAX_ANSWERS)
		return 0; /* nobody must be told: a client that does not read costs no memory */
	if (m->flags & MSG_F_INTERIM)
		return nghttp2_submit_headers(st->c->ng, NGHTTP2_FLAG_NONE, st->id, NULL, list, n,
					      NULL) < 0
			       ? -1
			       : 0;
	st->submitted = true;
	st->t->cl.out.bytes++;
	return nghttp2_submit_response(st->c->ng, st->id, list, n,
				       body_done(&m->body) ? NULL : &body);
}

static enum http_io h2_push(struct http_txn *t)
{
	struct h2_stream *st = t->client_ctx;

	if (st->c->dead || (t->flags & TXN_CLIENT_GONE))
		return IO_ERROR;
	if (!st->submitted) {
		if (submit(st))
			return IO_ERROR;
	} else if (!t->cl.out.done) {
		nghttp2_session_resume_data(st->c->ng, st->id);
	}
	flush(st->c);
	if (st->c->dead)
		return IO_ERROR;
	return t->cl.out.done || body_empty(&t->rsp.body) ? IO_OK : IO_WAIT;
}

static void arm_idle(struct h2_conn *c)
{
	const struct proxy_timeouts *to = &c->sess->fe->timeout;
	uint32_t ms = to->http_keep_alive ? to->http_keep_alive : to->client;

	if (ms)
		timer_set(this_loop, &c->timer, this_loop->now_ms + ms);
}

static void h2_release(struct http_txn *t)
{
	struct h2_stream *st = t->client_ctx;
	struct h2_conn *c = st->c;

	list_del(&st->node);
	c->n_streams--;
	nghttp2_session_set_stream_user_data(c->ng, st->id, NULL);
	if (!c->dead &&
	    t->req.body.produced >
		    st->acked) /* what nobody will read; of a closed stream it is the connection's still */
		nghttp2_session_consume(c->ng, st->id, t->req.body.produced - st->acked);
	if (!c->dead && !st->closed) {
		if (!t->cl.out.done)
			nghttp2_submit_rst_stream(c->ng, NGHTTP2_FLAG_NONE, st->id,
						  NGHTTP2_INTERNAL_ERROR);
		else if (t->req.state != MSG_DONE)
			nghttp2_submit_rst_stream(c->ng, NGHTTP2_FLAG_NONE, st->id,
						  NGHTTP2_NO_ERROR);
	}
	free(st);
	flush(c);
	if (list_empty(&c->streams)) {
		if (c->dead)
			timer_set(this_loop, &c->timer, this_loop->now_ms);
		else
			arm_idle(c);
	}
}

static const struct http_codec h2_codec = {
	.name = "h2",
	.pull = h2_pull,
	.push = h2_push,
	.release = h2_release,
};

/* ---- the connection ---- */

static void conn_free(struct h2_conn *c)
{
	struct session *s = c->sess;

	timer_cancel(this_loop, &c->timer);
	nghttp2_session_del(c->ng);
	body_clear(&c->out);
	if (c->frames)
		segment_put(c->frames);
	free(c);
	*slot(s) = NULL;
	session_free(s);
}

static void on_timer(struct timer *tm)
{
	struct h2_conn *c = container_of(tm, struct h2_conn, timer);

	if (!list_empty(&c->streams))
		return;
	if (!c->dead) {
		nghttp2_session_terminate_session(c->ng, NGHTTP2_NO_ERROR);
		flush(c);
	}
	conn_free(c);
}

static bool feed(struct h2_conn *c, struct segment *seg)
{
	ssize_t r;

	c->reading = seg;
	c->in_callback = true;
	r = nghttp2_session_mem_recv(c->ng, (const uint8_t *)seg->data + seg->start,
				     segment_len(seg));
	c->in_callback = false;
	c->reading = NULL;
	return r >= 0;
}

/* Frames of a client that does not read our answers to them stay in the socket; its next event is that it reads. */
static bool answers_fit(struct h2_conn *c)
{
	if (nghttp2_session_get_outbound_queue_size(c->ng) > H2_MAX_ANSWERS)
		flush(c);
	return nghttp2_session_get_outbound_queue_size(c->ng) <= H2_MAX_ANSWERS;
}

static void on_ready(struct conn *conn)
{
	struct session *s = conn->owner;
	struct h2_conn *c = *slot(s);
	bool alive = true;

	flush(c);
	while (alive && !c->dead && (conn->flags & CONN_CAN_READ) && answers_fit(c)) {
		struct segment *seg = segment_new();
		ssize_t n;

		if (!seg)
			break;
		n = conn_recv(conn, seg->data, seg->size);
		if (n > 0) {
			seg->end = (uint32_t)n;
			alive = feed(c, seg);
		} else if (n != -EAGAIN) {
			alive = false;
		}
		segment_put(seg);
	}
	flush(c);
	if (!alive || (conn->flags & (CONN_EOF | CONN_ERROR)))
		conn_dead(c);
}

/* One set of callbacks for all connections, made once. */
static nghttp2_session_callbacks *callbacks;
static nghttp2_option *options;

static void make_callbacks(void)
{
	nghttp2_session_callbacks_new(&callbacks);
	nghttp2_session_callbacks_set_send_callback(callbacks, on_send);
	nghttp2_session_callbacks_set_send_data_callback(callbacks, on_send_data);
	nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
	nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
	nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
	nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
	nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
	nghttp2_option_new(&options);
	nghttp2_option_set_no_auto_window_update(options, 1);
}

static bool conn_new(struct session *s)
{
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		  h2_tune.max_streams ? h2_tune.max_streams : INT32_MAX },
		{ NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 0 },
		{ NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, h2_tune.initial_window },
		{ NGHTTP2_SETTINGS_HEADER_TABLE_SIZE, h2_tune.header_table },
		{ NGHTTP2_SETTINGS_MAX_FRAME_SIZE, h2_tune.max_frame },
	};
	struct h2_conn *c = calloc(1, sizeof(*c));

	if (!c || nghttp2_session_server_new2(&c->ng, callbacks, c, options)) {
		free(c);
		return false;
	}
	c->sess = s;
	list_init(&c->streams);
	timer_init(&c->timer, on_timer);
	*slot(s) = c;
	nghttp2_submit_settings(c->ng, NGHTTP2_FLAG_NONE, settings, ARRAY_SIZE(settings));
	nghttp2_session_set_local_window_size(c->ng, NGHTTP2_FLAG_NONE, 0, H2_CONN_WINDOW);
	conn_set_owner(&s->client, on_ready, s);
	arm_idle(c);
	return true;
}

static void h2_start(struct session *s)
{
	struct h2_conn *c;

	if (!conn_new(s)) {
		/* must not end here: nothing will ever be said, the peer sees the reset at its first byte */
		s->client.flags |= CONN_NO_LINGER;
		conn_close(&s->client);
		return;
	}
	c = *slot(s);
	if (s->client.flags &
	    CONN_CAN_READ) /* came with the handshake's end: no other event will tell */
		on_ready(&s->client);
	else
		flush(c);
}

static void h2_kill(struct session *s, char cause)
{
	struct h2_conn *c = *slot(s);
	struct h2_stream *st;

	if (!c)
		return;
	list_for_each_entry(st, &c->streams, node) {
		st->t->s.flags |= STREAM_KILLED;
		st->t->kill_cause = cause;
		stream_wake(&st->t->s);
	}
	if (list_empty(&c->streams))
		timer_set(this_loop, &c->timer, this_loop->now_ms);
}

/* No new streams; those that run finish. */
static void h2_drain(struct session *s)
{
	struct h2_conn *c = *slot(s);

	s->flags |= SESS_DRAINING;
	if (!c || c->dead)
		return;
	nghttp2_submit_goaway(c->ng, NGHTTP2_FLAG_NONE,
			      nghttp2_session_get_last_proc_stream_id(c->ng), NGHTTP2_NO_ERROR,
			      NULL, 0);
	flush(c);
	if (list_empty(&c->streams))
		timer_set(this_loop, &c->timer, this_loop->now_ms);
}

static const struct session_proto h2_proto = {
	.name = "h2",
	.mode = MODE_HTTP,
	.alpn = "h2",
	.bytes = H1_CLIENT_BYTES,
	.start = h2_start,
	.drain = h2_drain,
	.kill = h2_kill,
};

bool h2_take_over(struct session *s, struct segment *first)
{
	struct h2_conn *c;

	memset(session_part(s), 0, H1_CLIENT_BYTES);
	if (!conn_new(s))
		return false;
	s->proto = &h2_proto;
	c = *slot(s);
	if (!feed(c, first))
		conn_dead(c);
	flush(c);
	return true;
}

void h2_client_init(void)
{
	make_callbacks();
	session_proto_register(&h2_proto);
}
