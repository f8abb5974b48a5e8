/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * codec.h - what a transaction's steps ask of the protocol below: get more of the message that comes, send more of the message that
 * goes. Nothing calls back into the steps but stream_run() on events. Owned by the transaction's worker.
 */
#ifndef LBD_HTTP_CODEC_H
#define LBD_HTTP_CODEC_H

#include "http/h1.h"
#include "transport/conn.h"

struct http_txn;

enum http_io {
	IO_OK, /* all that can be done now is done: complete, or the queue is full, or nothing is left to send */
	IO_WAIT,  /* the peer must read or write first; its event runs the stream again */
	IO_EOF,   /* the peer ended in mid-message (or before one) */
	IO_ERROR, /* the connection is broken */
	IO_BAD,   /* what came is malformed */
	IO_NOMEM,
};

/* The client side. Rows: h1, h2. */
struct http_codec {
	const char *name;
	/* More of the request: head, then body, until t->req.state is MSG_DONE or its queue is full. */
	enum http_io (*pull)(struct http_txn *t);
	/* More of the response: its head and what is queued of its body; also a 1xx. */
	enum http_io (*push)(struct http_txn *t);
	/* The exchange is over; the connection goes on, or ends when TXN_CLIENT_CLOSE is set. @t's messages are still there. */
	void (*release)(struct http_txn *t);
};

/* An HTTP/1 connection's part in one exchange, on either side. */
struct h1_side {
	struct h1_head head;
	struct h1_body body;
	struct h1_out out;
};

/* Reads and decodes into @m. @rx: the connection's segment (in and out). *@got is raised by the bytes consumed. */
enum http_io h1_pull(struct conn *c, struct segment **rx, struct h1_side *d, struct http_msg *m,
		     uint64_t *got);
/* Gathers and writes @m until all of it that is there is sent. *@put is raised by the bytes written. */
enum http_io h1_push(struct conn *c, struct h1_side *d, struct http_msg *m, uint64_t *put);
/* Largest head accepted: tune.bufsize - tune.maxrewrite. */
extern uint32_t http_max_head;

extern const struct http_codec h1_client_codec;

#endif
