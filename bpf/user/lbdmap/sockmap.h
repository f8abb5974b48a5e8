/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sockmap.h - the splicing program and its maps: load, put a direction in, take it out. The program ends with its process.
 * Loading is done by one thread, the rest by any at the same time for different sockets; after loading no privilege is needed.
 */
#ifndef LBDMAP_SOCKMAP_H
#define LBDMAP_SOCKMAP_H

#include "lbdmap/set.h"
#include <lbd/splice.h>

struct lbdmap_sockmap;

/* For @dirs directions at a time. 0 or -errno with the sentence. */
int lbdmap_sockmap_load(uint32_t dirs, struct lbdmap_sockmap **out, struct lbdmap_error *err);
/* The state of direction 0..dirs-1, shared with the program. */
struct lbd_splice_dir *lbdmap_sockmap_dir(struct lbdmap_sockmap *m, uint32_t slot);
/* How many directions have tripped since the start. */
uint64_t lbdmap_sockmap_trips(const struct lbdmap_sockmap *m);
/*
 * From now on what socket @from receives goes to @to, counted in the slot, which the caller has filled. @cookie: of @from
 * (SO_COOKIE). What waits in @from already goes when it is asked for (SO_RCVLOWAT). 0 or -errno: nothing is in.
 */
int lbdmap_sockmap_add(struct lbdmap_sockmap *m, uint64_t cookie, uint32_t slot, int from, int to);
/* Forgets the slot of @cookie: what still comes is passed. The sockets leave when they are closed. */
void lbdmap_sockmap_forget(struct lbdmap_sockmap *m, uint64_t cookie);
void lbdmap_sockmap_free(struct lbdmap_sockmap *m);

#endif
