/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream_pool.h - memory of upstream connections, and the idle ones. For upstream.c only.
 */
#ifndef LBD_STREAM_UPSTREAM_POOL_H
#define LBD_STREAM_UPSTREAM_POOL_H

#include "stream/upstream.h"

/* Not connected, counted nowhere. NULL: memory is out. */
struct upstream *upstream_new(struct server *srv, struct stream *s);
/* Closes and frees. */
void upstream_free(struct upstream *up);
/* The idle connection used last, now @s's; NULL: none. */
struct upstream *upstream_take_idle(struct server *srv, struct stream *s);
/* Frees this worker's spare memory. */
void upstreams_trim(void);

#endif
