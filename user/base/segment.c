/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * segment.c - per-thread pool of receive segments. See segment.h.
 */
#include "base/segment.h"
#include <stdlib.h>

#define POOL_KEEP 64 /* spare segments a thread holds on to: 1 MB with the default size */

uint32_t segment_bytes = 16384;

static __thread struct segment *spare;
static __thread unsigned int nspare;

struct segment *segment_new(void)
{
	struct segment *s = spare;

	if (s) {
		spare = s->next;
		nspare--;
	} else {
		s = malloc(sizeof(*s) + segment_bytes);
		if (!s)
			return NULL;
		s->size = segment_bytes;
	}
	s->next = NULL;
	s->refs = 1;
	s->start = s->end = 0;
	return s;
}

void segment_put(struct segment *s)
{
	if (--s->refs)
		return;
	if (nspare >= POOL_KEEP) {
		free(s);
		return;
	}
	s->next = spare;
	spare = s;
	nspare++;
}

void segment_pool_trim(unsigned int keep)
{
	while (nspare > keep) {
		struct segment *s = spare;

		spare = s->next;
		nspare--;
		free(s);
	}
}
