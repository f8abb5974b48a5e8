/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * list.h - intrusive circular doubly linked list. Not thread safe: a list belongs to one thread or to a lock.
 */
#ifndef LBD_BASE_LIST_H
#define LBD_BASE_LIST_H

#include "base/slice.h"

struct list {
	struct list *next, *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

static inline void list_init(struct list *l)
{
	l->next = l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* An element that was list_init()ed or taken out with list_del() answers false. */
static inline bool list_linked(const struct list *e)
{
	return e->next && e->next != e;
}

static inline void list_add_between(struct list *e, struct list *prev, struct list *next)
{
	next->prev = e;
	e->next = next;
	e->prev = prev;
	prev->next = e;
}

static inline void list_add_tail(struct list *l, struct list *e)
{
	list_add_between(e, l->prev, l);
}

static inline void list_add_head(struct list *l, struct list *e)
{
	list_add_between(e, l, l->next);
}

/* Safe on an element that is in no list, as long as it was initialised. */
static inline void list_del(struct list *e)
{
	e->next->prev = e->prev;
	e->prev->next = e->next;
	e->next = e->prev = e;
}

/* All of @from goes to the end of @to; @from is empty afterwards. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)
#define list_first(l, type, member)   list_entry((l)->next, type, member)
#define list_last(l, type, member)    list_entry((l)->prev, type, member)
/*
 * The node of an entry, without a member access: at the end of a walk @pos is computed from the head, which lies in
 * another structure with another alignment, and must not be looked into.
 */
#define list_node(pos, member) \
	((struct list *)((char *)(pos) + offsetof(__typeof__(*(pos)), member)))
#define list_next(pos, member) list_entry(list_node(pos, member)->next, __typeof__(*(pos)), member)
#define list_for_each_entry(pos, l, member)                                                        \
	for (pos = list_entry((l)->next, __typeof__(*pos), member); list_node(pos, member) != (l); \
	     pos = list_next(pos, member))
#define list_for_each_entry_safe(pos, tmp, l, member)                                             \
	for (pos = list_entry((l)->next, __typeof__(*pos), member), tmp = list_next(pos, member); \
	     list_node(pos, member) != (l); pos = tmp, tmp = list_next(tmp, member))

#endif
