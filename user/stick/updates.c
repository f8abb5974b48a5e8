// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * updates.c - the list of changes of a shared table. See updates.h.
 */
#include "stick/updates.h"
#include "base/arena.h"

static struct stick_update *update_of(const struct stick_table *t, struct stick_entry *e)
{
	return (struct stick_update *)(void *)(e->mem + t->update_at);
}

static struct stick_entry *entry_of(const struct stick_table *t, struct stick_update *u)
{
	return container_of((char *)u - t->update_at, struct stick_entry, mem);
}

struct stick_updates *stick_updates_new(struct arena *a)
{
	struct stick_updates *u = ARENA_NEW(a, struct stick_updates);

	pthread_mutex_init(&u->lock, NULL);
	list_init(&u->list);
	return u;
}

void stick_update_init(struct stick_table *t, struct stick_entry *e)
{
	list_init(&update_of(t, e)->node);
}

void stick_update_push(struct stick_table *t, struct stick_entry *e)
{
	struct stick_updates *u = t->updates;
	struct stick_update *up = update_of(t, e);

	pthread_mutex_lock(&u->lock);
	list_del(&up->node);
	list_add_tail(&u->list, &up->node);
	if (!++u->seq)
		u->seq = 1;
	up->seq = u->seq;
	pthread_mutex_unlock(&u->lock);
	if (u->tell && !atomic_exchange(&u->told, true))
		u->tell(u->ctx);
}

bool stick_update_forget(struct stick_table *t, struct stick_entry *e)
{
	struct stick_updates *u = t->updates;
	bool free;

	pthread_mutex_lock(&u->lock);
	free = !atomic_load(&e->pins);
	if (free)
		list_del(&update_of(t, e)->node);
	pthread_mutex_unlock(&u->lock);
	return free;
}

void stick_mark_init(struct stick_update *mark)
{
	list_init(&mark->node);
	mark->is_mark = true;
}

void stick_mark_set(struct stick_table *t, struct stick_update *mark, uint32_t seq)
{
	struct stick_updates *u = t->updates;
	struct list *at;

	pthread_mutex_lock(&u->lock);
	list_del(&mark->node);
	at = seq ? u->list.prev : &u->list;
	for (; at != &u->list; at = at->prev) {
		const struct stick_update *up = list_entry(at, struct stick_update, node);

		if (!up->is_mark && (int32_t)(up->seq - seq) <= 0)
			break;
	}
	list_add_between(&mark->node, at, at->next);
	pthread_mutex_unlock(&u->lock);
}

void stick_mark_drop(struct stick_table *t, struct stick_update *mark)
{
	pthread_mutex_lock(&t->updates->lock);
	list_del(&mark->node);
	pthread_mutex_unlock(&t->updates->lock);
}

struct stick_entry *stick_mark_next(struct stick_table *t, struct stick_update *mark, uint32_t *seq)
{
	struct stick_updates *u = t->updates;
	struct stick_entry *e = NULL;
	struct list *at;

	pthread_mutex_lock(&u->lock);
	at = mark->node.next;
	while (at != &u->list && list_entry(at, struct stick_update, node)->is_mark)
		at = at->next;
	if (at != &u->list) {
		struct stick_update *up = list_entry(at, struct stick_update, node);

		e = entry_of(t, up);
		atomic_fetch_add(&e->pins, 1);
		*seq = up->seq;
		list_del(&mark->node);
		list_add_between(&mark->node, at, at->next);
	}
	pthread_mutex_unlock(&u->lock);
	return e;
}

uint32_t stick_updates_seq(struct stick_table *t)
{
	uint32_t seq;

	pthread_mutex_lock(&t->updates->lock);
	seq = t->updates->seq;
	pthread_mutex_unlock(&t->updates->lock);
	return seq;
}
