/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer.h - many ports and whole networks on a few listening sockets: loading and attaching the steering program of one
 * network namespace. It belongs to its process and ends with it; nothing is pinned. Used by one thread at a time.
 */
#ifndef LBDMAP_STEER_H
#define LBDMAP_STEER_H

#include "lbdmap/set.h"
#include <lbd/steer.h>

struct lbdmap_steer;

struct lbdmap_steer_rule {
	uint16_t family; /* AF_INET, AF_INET6 */
	uint8_t bits;    /* of the network */
	uint8_t ip[16];  /* network order; IPv4: the first 4; zero behind the network */
	struct lbd_steer_range ports;
};

/* Can this process load such programs here? Loads and forgets one. 0 or -errno with the sentence. */
int lbdmap_steer_probe(struct lbdmap_error *err);
/*
 * Rules of a network must not overlap each other; a longer network wins over a shorter one. @sockets: how many places.
 * 0, or -errno with the sentence.
 */
int lbdmap_steer_load(const struct lbdmap_steer_rule *rules, size_t n, uint32_t sockets,
		      struct lbdmap_steer **out, struct lbdmap_error *err);
/* Puts a listening socket into a place; again after it has been deaf (shutdown() takes it out). */
int lbdmap_steer_socket(struct lbdmap_steer *s, uint32_t place, int fd);
/* Attaches to the namespace that @netns is a descriptor of; it passes everything on until it is switched on. */
int lbdmap_steer_attach(struct lbdmap_steer *s, int netns, struct lbdmap_error *err);
void lbdmap_steer_on(struct lbdmap_steer *s, bool on);
/* Detaches and frees. NULL is fine. */
void lbdmap_steer_free(struct lbdmap_steer *s);

#endif
