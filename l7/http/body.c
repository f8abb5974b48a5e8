// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * body.c - the ring of body parts. Runs in the transaction's worker.
 */
#include "http/body.h"

#include <assert.h>

/* Framing between two small pieces of data in one segment is overwritten by moving at most this much data. */
#define JOIN_MOVE_MAX 512

uint32_t body_queue_bytes = 65536;

static struct body_part *part_at(const struct http_body *b, unsigned int i)
{
	return (struct body_part *)&b->part[(b->first + i) & (BODY_PARTS - 1)];
}

static void put(struct http_body *b, struct segment *seg, const char *p, size_t n, bool may_move)
{
	struct body_part *last = b->count ? part_at(b, b->count - 1) : NULL;

	if (!n)
		return;
	b->queued += n;
	b->produced += n;
	if (last && seg && last->seg == seg && p >= last->p + last->n) {
		size_t gap = p - (last->p + last->n);

		if (gap && may_move && n <= JOIN_MOVE_MAX) {
			/* The gap is chunk framing that was consumed (and data moved before): nobody reads it. */
			memmove((char *)last->p + last->n, p, n);
			gap = 0;
		}
		if (!gap) {
			last->n += n;
			return;
		}
	}
	assert(b->count < BODY_PARTS);
	last = part_at(b, b->count++);
	*last = (struct body_part){ p, n, seg };
	if (seg)
		segment_get(seg);
}

void body_put(struct http_body *b, struct segment *seg, const char *p, size_t n)
{
	put(b, seg, p, n, false);
}

void body_put_over_framing(struct http_body *b, struct segment *seg, const char *p, size_t n)
{
	put(b, seg, p, n, true);
}

size_t body_copy(struct http_body *b, const void *p, size_t n)
{
	size_t done = 0;

	while (done < n && !body_full(b)) {
		struct body_part *last = b->count ? part_at(b, b->count - 1) : NULL;
		struct segment *seg;
		size_t k;

		/* Behind the last part, when that segment is ours alone and ends there. */
		if (last && last->seg && last->seg->refs == 1 && segment_room(last->seg) &&
		    last->p + last->n == last->seg->data + last->seg->end)
			seg = segment_get(last->seg);
		else
			seg = segment_new();
		if (!seg)
			break;
		k = segment_room(seg) < n - done ? segment_room(seg) : n - done;
		memcpy(seg->data + seg->end, (const char *)p + done, k);
		body_put(b, seg, seg->data + seg->end, k);
		seg->end += k;
		segment_put(seg);
		done += k;
	}
	return done;
}

int body_iov(const struct http_body *b, struct iovec *iov, int max, size_t bytes)
{
	int n = 0;

	for (unsigned int i = 0; i < b->count && n < max && bytes; i++) {
		struct body_part *p = part_at(b, i);
		size_t k = p->n < bytes ? p->n : bytes;

		iov[n++] = (struct iovec){ (void *)p->p, k };
		bytes -= k;
	}
	return n;
}

void body_consume(struct http_body *b, size_t n)
{
	b->queued -= n;
	b->consumed += n;
	while (n) {
		struct body_part *p = part_at(b, 0);

		if (n < p->n) {
			p->p += n;
			p->n -= n;
			return;
		}
		n -= p->n;
		if (p->seg)
			segment_put(p->seg);
		b->first = (b->first + 1) & (BODY_PARTS - 1);
		b->count--;
	}
}

void body_clear(struct http_body *b)
{
	body_consume(b, b->queued);
}
