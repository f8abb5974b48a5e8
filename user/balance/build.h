/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Builders of look-up structures for server selection.
 *
 * They turn a plain array of targets into a flat array that both the daemon and the BPF programs read
 * with <lbd/hash.h>: a table of server indexes (map-based, static-rr, maglev) or a ring of points
 * (consistent). Pure functions without shared state: any thread, also the helper thread that builds for
 * the kernel. They know no proxy and no server object.
 */
#ifndef LBD_BALANCE_BUILD_H
#define LBD_BALANCE_BUILD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lbd/hash.h>

/* Effective weights are in sixteenths of a configured unit, so that slow start can be fractional. */
#define LB_WEIGHT_SCALE 16

/* One server as the builders see it. */
struct lb_target {
	uint32_t index; /* what goes into tables and rings: the caller's number for this server */
	uint32_t id;    /* the server's id (explicit or automatic), for the ring */
	uint32_t ring;  /* where its points on the ring begin if not at its id; 0: there */
	uint32_t
		weight; /* effective weight * LB_WEIGHT_SCALE; 0: not usable (down, drained, maint) */
	bool backup;    /* only used when no active server is usable */
	uint8_t family;   /* 4 or 6, for maglev */
	uint8_t addr[16]; /* network order; an IPv4 address in the first four bytes */
	uint16_t port;    /* host order */
};

/* A table: `slot[number % size]` is the index of the server. */
struct lb_table {
	uint32_t size;
	uint32_t *slot;
};

/* A ring: `point` sorted, searched by lbd_ring_server(). */
struct lb_ring {
	uint32_t size;
	struct lbd_ring_point *point;
};

/*
 * Keeps in `t` those targets that take part, in their order, and returns how many: the active ones with
 * weight; without any the first backup with weight; with `allbackups` all backups with weight.
 */
size_t lb_targets_usable(struct lb_target *t, size_t n, bool allbackups);

/*
 * hash-type map-based and static-rr. All targets of `t` with weight take part (see lb_targets_usable).
 * The table has (sum of weights / their greatest common divisor) slots, none when n is 0.
 * O(n + slots). Returns 0, -ENOMEM, or -E2BIG above 2^28 slots. Owner frees with lb_table_fini().
 */
int lb_table_build_map(struct lb_table *table, const struct lb_target *t, size_t n);

/*
 * hash-type maglev: LBD_MAGLEV_SIZE slots, the same for any order of `t`. Two targets of one address and
 * port are told apart by their order only. Returns 0, -ENOMEM, or -E2BIG for more targets than slots.
 */
int lb_table_build_maglev(struct lb_table *table, const struct lb_target *t, size_t n);

void lb_table_fini(struct lb_table *table);

/*
 * hash-type consistent: a point for each sixteenth of weight. O(points). Returns 0, -ENOMEM, or -E2BIG
 * above LBD_RING_POINTS_MAX points. Owner frees with lb_ring_fini().
 */
int lb_ring_build(struct lb_ring *ring, const struct lb_target *t, size_t n);
void lb_ring_fini(struct lb_ring *ring);

/*
 * Automatic server ids of one backend. `id` holds, in declaration order, the explicit ids and 0 where
 * there is none; the zeros are filled in. O(n log n). Returns 0, -ENOMEM, or -EEXIST when an explicit id
 * stands twice, then `*dup` (if not NULL) is the index of the second one in declaration order.
 */
int lb_ids_assign(uint32_t *id, size_t n, size_t *dup);

/* The smallest id from 1 on that is not among the `n` of `id`: for servers added at run time. 0: no memory. */
uint32_t lb_ids_smallest_free(const uint32_t *id, size_t n);

#endif /* LBD_BALANCE_BUILD_H */
