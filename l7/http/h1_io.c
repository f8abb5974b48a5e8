// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h1_io.c - between an HTTP/1 connection and a message: one read and one gathered write at a time. Both sides use it.
 * Runs in the connection's worker.
 */
#include "http/codec.h"

#include <errno.h>

/* A segment with less room than this is left to its readers and a new one is taken. */
#define LEAST_ROOM 1024

uint32_t http_max_head = 15360;

/* The head under way does not fit behind what came before it in this segment: it moves to a fresh one and is parsed anew. */
static enum http_io move_head(struct segment **rx, struct h1_side *d, struct http_msg *m)
{
	struct segment *old = *rx, *seg;
	bool response = m->flags & MSG_F_RESPONSE;
	uint8_t method = m->method;

	if (!old->start) {
		d->head.error = H1_ERR_TOO_LARGE;
		m->state = MSG_BAD;
		return IO_BAD;
	}
	seg = segment_new();
	if (!seg)
		return IO_NOMEM;
	memcpy(seg->data, old->data + old->start, segment_len(old));
	seg->end = segment_len(old);
	segment_put(old);
	*rx = seg;
	d->head = (struct h1_head){ .relax = d->head.relax };
	http_msg_init(m, m->arena, response);
	if (response)
		m->method = method;
	return IO_OK;
}

static enum http_io make_room(struct segment **rx, struct h1_side *d, struct http_msg *m)
{
	struct segment *seg = *rx;

	if (seg && !segment_len(seg)) {
		if (seg->refs == 1) {
			seg->start = seg->end = 0;
			d->head.line = d->head.scanned = 0;
		} else if (segment_room(seg) < LEAST_ROOM) {
			segment_put(seg);
			seg = *rx = NULL;
			d->head.line = d->head.scanned = 0;
		}
	}
	if (!seg) {
		*rx = segment_new();
		return *rx ? IO_OK : IO_NOMEM;
	}
	if (segment_room(seg))
		return IO_OK;
	return move_head(rx, d, m);
}

static enum http_io end_of_input(struct h1_side *d, struct http_msg *m)
{
	if (m->state != MSG_BODY)
		return IO_EOF;
	return h1_body_eof(&d->body, m) == H1_OK ? IO_OK : IO_EOF;
}

/* Consumed bytes are what counts as received by this message; more may be in the segment for the next one. */
static uint64_t consumed(const struct segment *seg, uint32_t start_before)
{
	return seg->start - start_before;
}

/* What has arrived: head first, then body. IO_OK: complete or full; IO_WAIT: more bytes are needed. */
static enum http_io decode(struct segment *seg, struct h1_side *d, struct http_msg *m)
{
	enum h1_result r;

	if (m->state <= MSG_HEAD) {
		uint32_t start = seg->start;

		r = h1_parse_head(&d->head, m, seg);
		if (r == H1_OK ? seg->start - start > http_max_head
			       : r == H1_MORE && segment_len(seg) >= http_max_head) {
			d->head.error = H1_ERR_TOO_LARGE;
			r = H1_BAD;
		}
		if (r == H1_BAD) {
			m->state = MSG_BAD;
			return IO_BAD;
		}
		if (r == H1_MORE)
			return IO_WAIT;
		h1_body_start(&d->body, m);
	}
	if (m->state == MSG_DONE)
		return IO_OK;
	r = h1_body_decode(&d->body, m, seg);
	if (r == H1_BAD)
		return IO_BAD;
	return r == H1_OK || segment_len(seg) || body_full(&m->body) ? IO_OK : IO_WAIT;
}

enum http_io h1_pull(struct conn *c, struct segment **rx, struct h1_side *d, struct http_msg *m,
		     uint64_t *got)
{
	enum http_io r;
	ssize_t n;

	for (;;) {
		if (m->state >= MSG_DONE)
			return m->state == MSG_DONE ? IO_OK : IO_BAD;
		if (*rx && segment_len(*rx)) {
			uint32_t start = (*rx)->start;

			r = decode(*rx, d, m);
			*got += consumed(*rx, start);
			if (r != IO_WAIT)
				return r;
		}
		if (m->state == MSG_BODY && body_full(&m->body))
			return IO_OK;
		if (c->flags & CONN_ERROR)
			return IO_ERROR;
		if (c->flags & CONN_EOF)
			return end_of_input(d, m);
		if (!(c->flags & CONN_CAN_READ))
			return IO_WAIT;
		r = make_room(rx, d, m);
		if (r != IO_OK)
			return r;
		n = conn_recv(c, (*rx)->data + (*rx)->end, segment_room(*rx));
		if (n > 0) {
			(*rx)->end += n;
		} else if (n == -EAGAIN) {
			return IO_WAIT;
		} else if (n < 0) {
			return IO_ERROR;
		}
	}
}

enum http_io h1_push(struct conn *c, struct h1_side *d, struct http_msg *m, uint64_t *put)
{
	struct iovec iov[H1_OUT_IOV];
	ssize_t n;
	int k;

	while (!d->out.done) {
		if (c->flags & CONN_ERROR)
			return IO_ERROR;
		k = h1_out_gather(&d->out, m, iov);
		if (!k) {
			h1_out_sent(&d->out, m, 0); /* a body that ended without another byte */
			return IO_OK;
		}
		if (!(c->flags & CONN_CAN_WRITE))
			return IO_WAIT;
		n = conn_sendv(c, iov, k);
		if (n == -EAGAIN)
			return IO_WAIT;
		if (n < 0)
			return IO_ERROR;
		*put += n;
		h1_out_sent(&d->out, m, n);
	}
	return IO_OK;
}
