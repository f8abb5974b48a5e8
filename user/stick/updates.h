/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * updates.h - which entries of a shared table have changed here, in the order of their last change: what peers are to be
 * told. Each peer walks the list behind a bookmark of its own. Lock order: a shard's, then this list's.
 */
#ifndef LBD_STICK_UPDATES_H
#define LBD_STICK_UPDATES_H

#include "stick/table.h"

/* In the entries of shared tables (at table.update_at), and as a peer's bookmark. */
struct stick_update {
	struct list node;
	uint32_t seq;
	bool is_mark;
};

struct stick_updates {
	pthread_mutex_t lock;
	struct list list; /* struct stick_update, seq ascending */
	uint32_t seq;     /* of the last change */
	/* Called after a push when nobody has been told since the last look; any thread. */
	_Atomic bool told;
	void (*tell)(void *ctx);
	void *ctx;
};

struct stick_updates *stick_updates_new(struct arena *a);

/* The entry's shard is locked: */
void stick_update_init(struct stick_table *t, struct stick_entry *e);
void stick_update_push(struct stick_table *t, struct stick_entry *e);
/* false: a peer is about to send it. */
bool stick_update_forget(struct stick_table *t, struct stick_entry *e);

/* ---- bookmarks: peers, control thread ---- */
void stick_mark_init(struct stick_update *mark);
/* Behind the last change with a number of at most @seq; 0: in front of all. */
void stick_mark_set(struct stick_table *t, struct stick_update *mark, uint32_t seq);
void stick_mark_drop(struct stick_table *t, struct stick_update *mark);
/* The next entry behind the bookmark, pinned, which moves behind it; NULL: none. @seq: the number of its change. */
struct stick_entry *stick_mark_next(struct stick_table *t, struct stick_update *mark,
				    uint32_t *seq);
uint32_t stick_updates_seq(struct stick_table *t);

#endif
