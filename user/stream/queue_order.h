/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue_order.h - who is next in a queue: a pairing heap (Fredman et al., 1986) by class, then time of arrival plus offset, then
 * order. Adding is O(1), taking out whomever O(log n) on average. The queue's lock protects it.
 */
#ifndef LBD_STREAM_QUEUE_ORDER_H
#define LBD_STREAM_QUEUE_ORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct queue_place {
	int32_t class;  /* the lowest first */
	int64_t at_us;  /* arrival plus offset */
	uint64_t order; /* of arrival */
	struct queue_place *child, *next,
		*prev; /* prev: the sibling before, for the first child the parent */
};

static inline bool queue_place_before(const struct queue_place *a, const struct queue_place *b)
{
	if (a->class != b->class)
		return a->class < b->class;
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static inline struct queue_place *queue_place_join(struct queue_place *a, struct queue_place *b)
{
	if (!a || !b)
		return a ? a : b;
	if (queue_place_before(b, a)) {
		struct queue_place *t = a;

		a = b;
		b = t;
	}
	b->prev = a;
	b->next = a->child;
	if (b->next)
		b->next->prev = b;
	a->child = b;
	return a;
}

static inline void queue_place_add(struct queue_place **first, struct queue_place *p)
{
	p->child = p->next = p->prev = NULL;
	*first = queue_place_join(*first, p);
}

/* One heap of siblings: in pairs from the left, then all from the right. */
static inline struct queue_place *queue_place_join_all(struct queue_place *list)
{
	struct queue_place *pairs = NULL, *all = NULL;

	while (list) {
		struct queue_place *a = list, *b = a->next;

		list = b ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b)
			b->next = b->prev = NULL;
		a = queue_place_join(a, b);
		a->next = pairs;
		pairs = a;
	}
	while (pairs) {
		struct queue_place *rest = pairs->next;

		pairs->next = NULL;
		all = queue_place_join(all, pairs);
		pairs = rest;
	}
	return all;
}

static inline void queue_place_remove(struct queue_place **first, struct queue_place *p)
{
	struct queue_place *below = queue_place_join_all(p->child);

	p->child = NULL;
	if (*first == p) {
		*first = below;
		return;
	}
	if (p->prev->child == p)
		p->prev->child = p->next;
	else
		p->prev->next = p->next;
	if (p->next)
		p->next->prev = p->prev;
	*first = queue_place_join(*first, below);
}

#endif
