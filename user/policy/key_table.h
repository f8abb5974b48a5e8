/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * key_table.h - many texts, asked at once: which of them equal a text, begin it, end it, or are a word of it? The cost
 * is one pass over the asked text and one probe for each length that occurs, however many keys there are.
 * A key carries a list of numbers (of rules). Filled by the control thread, sealed, then read by all workers.
 */
#ifndef LBD_POLICY_KEY_TABLE_H
#define LBD_POLICY_KEY_TABLE_H

#include "base/arena.h"

enum key_kind { KEY_EXACT, KEY_PREFIX, KEY_SUFFIX, KEY_WORD };

struct key_table;

/* @delims: of KEY_WORD. @icase: ASCII case is ignored. */
struct key_table *key_table_new(struct arena *a, enum key_kind kind, bool icase,
				const char *delims);
/* @key is not copied. @value: not smaller than those added before. */
void key_table_add(struct key_table *t, struct slice key, uint32_t value);
void key_table_seal(struct key_table *t);
/* How often @key was added (before or after sealing). 0 for no table. */
uint32_t key_table_count(const struct key_table *t, struct slice key);

/* Called with the values of each key found, in ascending order per key; returning true ends the search. */
typedef bool key_hit(void *ctx, const uint32_t *values, uint32_t n);
bool key_table_search(const struct key_table *t, struct slice text, key_hit *hit, void *ctx);

/* ---- networks: the same by address ---- */
struct addr;
struct net_table;
struct net_table *net_table_new(struct arena *a);
/* The first @bits of @net (already masked). */
void net_table_add(struct net_table *t, const struct addr *net, uint8_t bits, uint32_t value);
void net_table_seal(struct net_table *t);
bool net_table_search(const struct net_table *t, const struct addr *a, key_hit *hit, void *ctx);

#endif
