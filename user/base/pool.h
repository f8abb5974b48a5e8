/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pool.h - objects of one size, kept for reuse per thread: declare `static __thread struct pool`. No locks: an object is
 * given back in the thread that took it. Not for: buffers (segment.h).
 */
#ifndef LBD_BASE_POOL_H
#define LBD_BASE_POOL_H

#include <stdlib.h>

struct pool_item {
	struct pool_item *next;
};

struct pool {
	struct pool_item *free;
	unsigned int spare;
};

/* Not cleared; NULL when memory is out. @bytes is the same for every call on one pool. */
static inline void *pool_get(struct pool *p, size_t bytes)
{
	struct pool_item *i = p->free;

	if (!i)
		return malloc(bytes);
	p->free = i->next;
	p->spare--;
	return i;
}

/* At most @keep spare ones stay. */
static inline void pool_put(struct pool *p, void *obj, unsigned int keep)
{
	struct pool_item *i = obj;

	if (p->spare >= keep) {
		free(obj);
		return;
	}
	i->next = p->free;
	p->free = i;
	p->spare++;
}

/* Frees the spare ones. */
static inline void pool_trim(struct pool *p)
{
	while (p->free) {
		struct pool_item *i = p->free;

		p->free = i->next;
		free(i);
	}
	p->spare = 0;
}

#endif
