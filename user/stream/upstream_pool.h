/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream_pool.h - memory of upstream connections, and the idle ones. For upstream.c only.
 */
#ifndef LBD_STREAM_UPSTREAM_POOL_H
#define LBD_STREAM_UPSTREAM_POOL_H

#include "stream/upstream.h"

/* Not connected; upstream_make_room() has counted it. NULL: memory is out. */
struct upstream *upstream_new(struct server *srv, struct stream *s);
/* Closes, uncounts and frees. */
void upstream_free(struct upstream *up);
/* The idle connection under @key (upstream_key()) used last, now @s's, first of those that its session has kept; NULL: none. */
struct upstream *upstream_take_idle(struct server *srv, struct stream *s, enum upstream_take take,
				    uint64_t key);
/*
 * Counts one more connection to @srv for @s, which holds a slot. false: the server has all the connections it may have,
 * some of them idle; one of another worker is being closed, @s is woken (upstream_stop_waiting_for_room() when it ends before).
 */
bool upstream_make_room(struct server *srv, struct stream *s);
void upstream_stop_waiting_for_room(struct stream *s);
/* Frees this worker's spare memory. */
void upstreams_trim(void);

#endif
