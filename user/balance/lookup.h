/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lookup.h - servers found by a number in a table or ring: what all algorithms that hash share, and the walk of a
 * table in turns. The snapshot is replaced whole (RCU); workers read it without a lock.
 */
#ifndef LBD_BALANCE_LOOKUP_H
#define LBD_BALANCE_LOOKUP_H

#include "balance/balance.h"

enum hash_fn {
	HASH_FN_SDBM,
	HASH_FN_DJB2,
	HASH_FN_WT6,
	HASH_FN_CRC32,
	HASH_FN_NONE,
	HASH_FN_COUNT
};
const char *lookup_fn_name(enum hash_fn fn);

/* Number of a byte string by the function of hash-type, mixed as hash-type says. */
uint32_t lookup_key_number(const struct balance *b, struct slice key);
/*
 * For algorithms that hash a sample: b->conf points to this, possibly at the start of something larger. @cut takes from
 * the sample's bytes those that are hashed, false: there is no key. NULL: all of them.
 */
struct expr;
struct lookup_key {
	struct expr *expr;
	bool (*cut)(const struct lookup_key *k, struct slice *bytes);
};

/* The server of the key that r->smp gives; without one the next in turn. */
struct server *lookup_pick_key(struct balance *b, const struct pick_request *r);

/* @number as an algorithm computed it, mixed as hash-type says. */
uint32_t lookup_mix(const struct balance *b, uint32_t number);

/*
 * balance_algorithm.rebuild for all that use a look-up: builds the table or ring of b->hash_type from the servers that
 * take part now and publishes it. Large ones are built in the helper thread, the old one serving meanwhile.
 * Control thread. 0 or -ENOMEM, -E2BIG.
 */
int lookup_rebuild(struct balance *b);

/*
 * The server of @number; a full one is taken too (the request queues for it: that is what a hash promises). Passes over
 * r->avoid and servers that went down since the last rebuild, to the next one of the table or ring. NULL: none.
 */
struct server *lookup_pick(struct balance *b, const struct pick_request *r, uint32_t number);

/* The next one in turn (static-rr; hashes without a key). Passes over full ones too unless the request takes them. */
struct server *lookup_walk(struct balance *b, const struct pick_request *r);

#endif /* LBD_BALANCE_LOOKUP_H */
