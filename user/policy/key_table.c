// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * key_table.c - one open-addressed table of keys with a bitmap of the lengths that occur. The hash can be carried along a
 * text byte by byte, so all prefixes (suffixes, words) of it are hashed in one pass.
 */
#include <ctype.h>
#include <stdlib.h>

#include "policy/key_table.h"
#include "policy/pattern.h"

struct key {
	uint64_t hash;
	struct slice text;
	uint32_t first, n; /* in values, once sealed */
	uint32_t last;     /* newest link while filling, + 1 */
};

struct link {                 /* while filling */
	uint32_t value, prev; /* + 1 */
};

struct key_table {
	struct arena *arena;
	enum key_kind kind;
	bool icase;
	const char *delims;
	struct key *keys;
	uint32_t nkeys, cap_keys;
	uint32_t *slots, mask; /* key number + 1 */
	struct link *links;
	uint32_t nlinks, cap_links;
	uint32_t *values;
	uint64_t *lengths;
	size_t longest;
};

#define HASH_START 0xcbf29ce484222325u
static inline uint64_t hash_step(uint64_t h, unsigned char c)
{
	return (h ^ c) * 0x100000001b3u;
}

static inline uint32_t hash_slot(uint64_t h, uint32_t mask)
{
	return (uint32_t)((h ^ (h >> 29)) * 0x9e3779b97f4a7c15u >> 32) & mask;
}

struct key_table *key_table_new(struct arena *a, enum key_kind kind, bool icase, const char *delims)
{
	struct key_table *t = ARENA_NEW(a, struct key_table);

	t->arena = a;
	t->kind = kind;
	t->icase = icase;
	t->delims = delims;
	return t;
}

static inline unsigned char fold(const struct key_table *t, char c)
{
	return t->icase ? (unsigned char)tolower((unsigned char)c) : (unsigned char)c;
}

/* In the direction in which this table's texts are walked. */
static uint64_t hash_all(const struct key_table *t, struct slice s)
{
	uint64_t h = HASH_START;

	if (t->kind == KEY_SUFFIX)
		for (size_t i = s.n; i > 0; i--)
			h = hash_step(h, fold(t, s.p[i - 1]));
	else
		for (size_t i = 0; i < s.n; i++)
			h = hash_step(h, fold(t, s.p[i]));
	return h;
}

static const struct key *find(const struct key_table *t, uint64_t hash, struct slice text)
{
	for (uint32_t at = hash_slot(hash, t->mask); t->slots && t->slots[at];
	     at = (at + 1) & t->mask) {
		const struct key *k = &t->keys[t->slots[at] - 1];

		if (k->hash != hash || k->text.n != text.n)
			continue;
		pattern_compares++;
		if (t->icase ? slice_eq_case(k->text, text) : slice_eq(k->text, text))
			return k;
	}
	return NULL;
}

static void slot_put(struct key_table *t, uint32_t key)
{
	uint32_t at = hash_slot(t->keys[key].hash, t->mask);

	while (t->slots[at])
		at = (at + 1) & t->mask;
	t->slots[at] = key + 1;
}

static void grow_keys(struct key_table *t)
{
	t->cap_keys = t->cap_keys ? t->cap_keys * 2 : 8;
	t->keys = xrealloc(t->keys, sizeof(*t->keys) * t->cap_keys);
	free(t->slots);
	t->slots = xzalloc(sizeof(*t->slots) * t->cap_keys * 2);
	t->mask = t->cap_keys * 2 - 1;
	for (uint32_t i = 0; i < t->nkeys; i++)
		slot_put(t, i);
}

void key_table_add(struct key_table *t, struct slice text, uint32_t value)
{
	uint64_t hash = hash_all(t, text);
	struct key *k = (struct key *)find(t, hash, text);

	if (!k) {
		if (t->nkeys == t->cap_keys)
			grow_keys(t);
		k = &t->keys[t->nkeys];
		*k = (struct key){ .hash = hash, .text = text };
		slot_put(t, t->nkeys++);
		if (text.n > t->longest)
			t->longest = text.n;
	} else if (k->last && t->links[k->last - 1].value == value) {
		return; /* the same twice in one rule */
	}
	if (t->nlinks == t->cap_links) {
		t->cap_links = t->cap_links ? t->cap_links * 2 : 8;
		t->links = xrealloc(t->links, sizeof(*t->links) * t->cap_links);
	}
	t->links[t->nlinks] = (struct link){ value, k->last };
	k->last = ++t->nlinks;
	k->n++;
}

uint32_t key_table_count(const struct key_table *t, struct slice text)
{
	const struct key *k = t ? find(t, hash_all(t, text), text) : NULL;

	return k ? k->n : 0;
}

static void *into_arena(struct key_table *t, void *heap, size_t bytes)
{
	void *p = arena_alloc(t->arena, bytes ? bytes : 1);

	if (bytes)
		memcpy(p, heap, bytes);
	free(heap);
	return p;
}

void key_table_seal(struct key_table *t)
{
	uint32_t used = 0;

	t->values = arena_alloc(t->arena, sizeof(*t->values) * (t->nlinks + 1));
	t->lengths = arena_zalloc(t->arena, (t->longest / 64 + 1) * sizeof(*t->lengths));
	for (uint32_t i = 0; i < t->nkeys; i++) {
		struct key *k = &t->keys[i];
		uint32_t at = k->n;

		k->first = used;
		for (uint32_t link = k->last; link; link = t->links[link - 1].prev)
			t->values[used + --at] = t->links[link - 1].value;
		used += k->n;
		t->lengths[k->text.n / 64] |= 1ull << (k->text.n % 64);
	}
	free(t->links);
	t->links = NULL;
	t->keys = into_arena(t, t->keys, sizeof(*t->keys) * t->nkeys);
	t->slots = t->nkeys ? into_arena(t, t->slots, sizeof(*t->slots) * (t->mask + 1)) : NULL;
}

static inline bool has_length(const struct key_table *t, size_t n)
{
	return n <= t->longest && (t->lengths[n / 64] >> (n % 64) & 1);
}

static bool probe(const struct key_table *t, uint64_t hash, struct slice text, key_hit *hit,
		  void *ctx)
{
	const struct key *k = has_length(t, text.n) ? find(t, hash, text) : NULL;

	return k && hit(ctx, &t->values[k->first], k->n);
}

static bool search_prefixes(const struct key_table *t, struct slice s, key_hit *hit, void *ctx)
{
	size_t most = s.n < t->longest ? s.n : t->longest;
	uint64_t h = HASH_START;

	for (size_t n = 0;; n++) {
		if (probe(t, h, slice_make(s.p, n), hit, ctx))
			return true;
		if (n == most)
			return false;
		h = hash_step(h, fold(t, s.p[n]));
	}
}

static bool search_suffixes(const struct key_table *t, struct slice s, key_hit *hit, void *ctx)
{
	size_t most = s.n < t->longest ? s.n : t->longest;
	uint64_t h = HASH_START;

	for (size_t n = 0;; n++) {
		if (probe(t, h, slice_from(s, s.n - n), hit, ctx))
			return true;
		if (n == most)
			return false;
		h = hash_step(h, fold(t, s.p[s.n - n - 1]));
	}
}

static inline bool is_delim(const struct key_table *t, char c)
{
	return c && strchr(t->delims, c);
}

/* From @from on: every end that is a delimiter or the end of the text. */
static bool search_words_at(const struct key_table *t, struct slice s, size_t from, key_hit *hit,
			    void *ctx)
{
	uint64_t h = HASH_START;

	for (size_t i = from; i <= s.n && i - from <= t->longest; i++) {
		if ((i == s.n || is_delim(t, s.p[i])) &&
		    probe(t, h, slice_make(s.p + from, i - from), hit, ctx))
			return true;
		if (i < s.n)
			h = hash_step(h, fold(t, s.p[i]));
	}
	return false;
}

static bool search_words(const struct key_table *t, struct slice s, key_hit *hit, void *ctx)
{
	bool starts = true;

	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && is_delim(t, s.p[i])) {
			starts = true;
			continue;
		}
		if (starts && search_words_at(t, s, i, hit, ctx))
			return true;
		starts = false;
	}
	return false;
}

bool key_table_search(const struct key_table *t, struct slice text, key_hit *hit, void *ctx)
{
	if (!t->nkeys)
		return false;
	switch (t->kind) {
	case KEY_EXACT:
		return has_length(t, text.n) && probe(t, hash_all(t, text), text, hit, ctx);
	case KEY_PREFIX:
		return search_prefixes(t, text, hit, ctx);
	case KEY_SUFFIX:
		return search_suffixes(t, text, hit, ctx);
	case KEY_WORD:
		return search_words(t, text, hit, ctx);
	}
	return false;
}
