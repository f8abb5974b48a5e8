/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bypass.h - the bypass program: bytes between the two sockets of one connection on this host. It ends with its process.
 */
#ifndef LBDMAP_BYPASS_H
#define LBDMAP_BYPASS_H

#include "lbdmap/set.h"
#include <lbd/bypass.h>

struct lbdmap_bypass;

/* Loads it for this process's network namespace and attaches it to the cgroup @cgroup is a descriptor of. 0 or -errno. */
int lbdmap_bypass_load(int cgroup, struct lbdmap_bypass **out, struct lbdmap_error *err);
/* New connections to this server take part. 0 or -errno. */
int lbdmap_bypass_add(struct lbdmap_bypass *b, const struct lbd_bypass_server *server);
/* Directions that bypassed TCP, that did not find the other end, that went back for a slow reader; since the start. */
void lbdmap_bypass_counts(const struct lbdmap_bypass *b, uint64_t *taken, uint64_t *missed,
			  uint64_t *slow);
void lbdmap_bypass_free(struct lbdmap_bypass *b);

#endif
