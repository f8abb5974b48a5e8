/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * body.h - a message's body in transit: a bounded ring of parts, each a slice with a reference on the segment it lies in.
 * Nothing is copied. Full (by bytes or by places) means: do not read on. Owned by the transaction's worker.
 */
#ifndef LBD_HTTP_BODY_H
#define LBD_HTTP_BODY_H

#include "base/segment.h"
#include <sys/uio.h>

#define BODY_PARTS 16 /* power of two */

struct body_part {
	const char *p;
	size_t n;
	struct segment *seg; /* NULL: constant memory */
};

struct http_body {
	struct body_part part[BODY_PARTS];
	uint8_t first, count;
	bool eom;                    /* the producer has put everything */
	bool failed;                 /* the producer broke off: what is here is all there will be */
	uint32_t queued;             /* bytes in the ring */
	uint64_t produced, consumed; /* bytes since the head */
};

/* Bytes a queue may hold before its producer has to stop. */
extern uint32_t body_queue_bytes;

static inline bool body_full(const struct http_body *b)
{
	return b->count == BODY_PARTS || b->queued >= body_queue_bytes;
}

static inline bool body_empty(const struct http_body *b)
{
	return b->count == 0;
}

/* Nothing is left and nothing will come. */
static inline bool body_done(const struct http_body *b)
{
	return b->eom && b->count == 0;
}

/* Appends [p, p+n). Takes a reference on @seg (NULL: constant memory). Joins what lies directly behind the last part. The ring must
 * not be full. */
void body_put(struct http_body *b, struct segment *seg, const char *p, size_t n);
/* The same for a decoder that alone owns what lies between the last part and @p (consumed chunk framing): up to 512 bytes are
 * moved down over it, so that tiny chunks do not fill the ring. */
void body_put_over_framing(struct http_body *b, struct segment *seg, const char *p, size_t n);
/* Copies @n bytes of foreign memory into segments; returns how much fitted (memory, ring and limit bound it). */
size_t body_copy(struct http_body *b, const void *p, size_t n);
/* Fills at most @max entries with the first @bytes of the queue; returns how many. */
int body_iov(const struct http_body *b, struct iovec *iov, int max, size_t bytes);
/* Drops @n bytes from the front, with their references. */
void body_consume(struct http_body *b, size_t n);
/* Drops everything. */
void body_clear(struct http_body *b);

#endif
