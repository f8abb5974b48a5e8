/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.h - reference-counted receive buffers of one fixed size (tune.bufsize), from a pool per thread.
 * A connection without data owns none. A segment belongs to one thread; only its pool's thread gets and puts it.
 */
#ifndef LBD_BASE_SEGMENT_H
#define LBD_BASE_SEGMENT_H

#include "base/slice.h"

struct segment {
	struct segment *next; /* for the owner's queue, and for the pool's free list */
	uint32_t refs;
	uint32_t size;       /* capacity of data */
	uint32_t start, end; /* the filled, unread part: data[start..end) */
	uint32_t _pad;
	char data[];
};

/* Set once before the threads start (tune.bufsize, default 16384) */
extern uint32_t segment_bytes;

/* One reference, empty. NULL when memory is out (the caller answers with an error, it does not abort). */
struct segment *segment_new(void);
static inline struct segment *segment_get(struct segment *s)
{
	s->refs++;
	return s;
}
/* The last put gives it back to this thread's pool. */
void segment_put(struct segment *s);
static inline uint32_t segment_len(const struct segment *s)
{
	return s->end - s->start;
}
static inline uint32_t segment_room(const struct segment *s)
{
	return s->size - s->end;
}
/* Frees this thread's spare segments above @keep. */
void segment_pool_trim(unsigned int keep);

#endif
