/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * heap.h - a binary heap of numbers 0..n-1 that knows where each is, so that any can be moved or taken
 * out in O(log n). The order is the owner's. Not thread safe: the owner's lock.
 */
#ifndef LBD_BALANCE_HEAP_H
#define LBD_BALANCE_HEAP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define HEAP_NONE UINT32_MAX

struct lb_heap {
	uint32_t count;
	uint32_t *member; /* [count], the first one is the least */
	uint32_t *place;  /* [n], HEAP_NONE: not in */
	bool (*less)(const void *ctx, uint32_t a, uint32_t b);
	const void *ctx;
};

static inline int lb_heap_init(struct lb_heap *h, uint32_t n,
			       bool (*less)(const void *ctx, uint32_t a, uint32_t b),
			       const void *ctx)
{
	h->count = 0;
	h->less = less;
	h->ctx = ctx;
	h->member = malloc((n + 1ul) * 2 * sizeof(*h->member));
	if (!h->member)
		return -1;
	h->place = h->member + n;
	for (uint32_t i = 0; i < n; i++)
		h->place[i] = HEAP_NONE;
	return 0;
}

static inline void lb_heap_fini(struct lb_heap *h)
{
	free(h->member);
	h->member = h->place = NULL;
	h->count = 0;
}

static inline void lb_heap_put(struct lb_heap *h, uint32_t at, uint32_t id)
{
	h->member[at] = id;
	h->place[id] = at;
}

/* The order of @id against others has changed: to its right place. */
static inline void lb_heap_fix(struct lb_heap *h, uint32_t id)
{
	uint32_t at = h->place[id], child;

	for (; at > 0 && h->less(h->ctx, id, h->member[(at - 1) / 2]); at = (at - 1) / 2)
		lb_heap_put(h, at, h->member[(at - 1) / 2]);
	for (; (child = 2 * at + 1) < h->count; at = child) {
		if (child + 1 < h->count && h->less(h->ctx, h->member[child + 1], h->member[child]))
			child++;
		if (!h->less(h->ctx, h->member[child], id))
			break;
		lb_heap_put(h, at, h->member[child]);
	}
	lb_heap_put(h, at, id);
}

static inline void lb_heap_add(struct lb_heap *h, uint32_t id)
{
	lb_heap_put(h, h->count++, id);
	lb_heap_fix(h, id);
}

static inline void lb_heap_remove(struct lb_heap *h, uint32_t id)
{
	uint32_t at = h->place[id], last = h->member[--h->count];

	h->place[id] = HEAP_NONE;
	if (last == id)
		return;
	lb_heap_put(h, at, last);
	lb_heap_fix(h, last);
}

static inline uint32_t lb_heap_first(const struct lb_heap *h)
{
	return h->count ? h->member[0] : HEAP_NONE;
}

#endif /* LBD_BALANCE_HEAP_H */
