/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live_table.h - key_table.h for keys that come and go while workers ask: one hash table of keys, asked which of them
 * equal a text, begin it, end it, are a word of it or stand in it. One writer at a time (its lock is the caller's); readers are
 * RCU readers and take no lock. Not for: keys that are known when the configuration is read (key_table.h is smaller).
 */
#ifndef LBD_POLICY_LIVE_TABLE_H
#define LBD_POLICY_LIVE_TABLE_H

#include "base/slice.h"

struct pat_entry;
struct rcu_head;

/* One key of one entry. What a reader may follow: same, entry, key. */
struct live_node {
	struct live_node *same;    /* RCU: the next one with the same key, in the entries' order */
	struct live_node *last;    /* in the first of those: the newest. Writer */
	struct live_node *sibling; /* the entry's next key. Writer */
	struct pat_entry *entry;
	uint64_t hash;
	const char *key;
	uint32_t n;
	uint16_t index; /* of the entry's generation. Writer */
	bool listed;    /* it is a live_pattern (live_index.c) and in no table */
};

enum live_kind { LIVE_EXACT, LIVE_PREFIX, LIVE_SUFFIX, LIVE_WORD, LIVE_PART, LIVE_BITS };

struct live_slots;
struct live_table {
	enum live_kind kind;
	bool icase;
	uint64_t delims[4];       /* bitmap, of LIVE_WORD */
	struct live_slots *slots; /* RCU */
	uint32_t keys;            /* different ones. Writer */
};

/* Which of several keys that are found counts. */
enum live_want { LIVE_ANY, LIVE_FIRST /* by the entries' order */, LIVE_LONGEST };

void live_table_init(struct live_table *t, enum live_kind kind, bool icase, const char *delims);
/* The keys themselves are the caller's. */
void live_table_fini(struct live_table *t);
/* Room for @n keys is made, before the first. Writer. */
void live_table_reserve(struct live_table *t, uint32_t n);
/* @n->key, n->n and n->entry are set; of LIVE_BITS the first byte of the key is its length in bits. Writer. */
void live_table_add(struct live_table *t, struct live_node *n);
void live_table_remove(struct live_table *t, struct live_node *n);
size_t live_table_bytes(const struct live_table *t);

/* The first entry of the key found; NULL: none. */
const struct live_node *live_table_find(const struct live_table *t, struct slice text,
					enum live_want want);
/* Calls @each for every node of every key found, in no order, some twice, until it returns true. */
typedef bool live_each(void *ctx, const struct live_node *n);
void live_table_each(const struct live_table *t, struct slice text, live_each *each, void *ctx);
/* Is this one of the keys? Writer. */
bool live_table_has(const struct live_table *t, struct slice key);
/* LIVE_BITS: asks for each length from @from to @to that occurs. @key(ctx, bits, out) writes the key and returns its size. */
typedef size_t live_key_of(const void *ctx, unsigned int bits, char *out);
const struct live_node *live_table_find_bits(const struct live_table *t, unsigned int from,
					     unsigned int to, live_key_of *key, const void *ctx,
					     enum live_want want);

/* Frees when no reader is left; at once while the configuration is read and nobody can be reading. */
void live_free_later(struct rcu_head *head, void (*fn)(struct rcu_head *head));
/* The workers are about to start. */
void live_readers_begin(void);
bool live_has_readers(void);

#endif
