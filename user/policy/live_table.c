// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * live_table.c - open addressing with linear probing. A slot is one word: 16 bits of the hash above a pointer of 48 (user
 * space of x86-64 and arm64 unless a program asks for more by a hint, which malloc does not). A slot once used is never reused, only marked
 * as removed, so a reader that walks along never misses a key that stays; what is removed goes when the table is built anew.
 *
 * All prefixes of a text are hashed in one walk, and only lengths that occur are looked up. Bits in a filter say which first 4, 8, 16, 32,
 * 64 bytes occur at all, so most walks end at the fourth byte, and of each key that it occurs: of many lengths few are looked up. Substrings are prefixes from every place of the text on.
 * Growing is spread: the larger table takes over MOVE_STEP slots with every change, and until it has all, readers who find nothing in it
 * look into the old one.
 */
#include <ctype.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include "base/arena.h"
#include "policy/live_table.h"
#include "policy/pattern_ref.h"

struct live_slots {
	struct rcu_head rcu;
	uint32_t mask, used; /* used: with removed ones */
	size_t longest;      /* grows while readers look: no key is longer */
	size_t most;         /* what the bitmap of lengths has room for */
	uint64_t *lengths;
	uint64_t *filter;
	uint64_t filter_mask;   /* in bits */
	struct live_slots *old; /* RCU: what is not all moved yet. NULL: nothing */
	uint32_t moved;         /* slots of old. Writer */
	uint64_t slot[];
};

#define MOVE_STEP 16

#define SLOT_REMOVED 1
#define PTR_BITS     48
#define PTR_MASK     ((1ull << PTR_BITS) - 1)
#define FIRST_SLOTS  16

/* ---- memory ---- */

static bool readers;

void live_readers_begin(void)
{
	readers = true;
}

bool live_has_readers(void)
{
	return readers;
}

void live_free_later(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
	if (readers)
		call_rcu(head, fn);
	else
		fn(head);
}

static void slots_free_rcu(struct rcu_head *head)
{
	struct live_slots *s = container_of(head, struct live_slots, rcu);

	free(s->lengths);
	free(s->filter);
	free(s);
}

/* Are its keys looked for by walking along a text? */
static inline bool walks(const struct live_table *t)
{
	return t->kind != LIVE_EXACT && t->kind != LIVE_BITS;
}

static struct live_slots *slots_new(const struct live_table *t, uint32_t n, size_t longest)
{
	struct live_slots *s = xzalloc(sizeof(*s) + n * sizeof(s->slot[0]));

	s->mask = n - 1;
	s->most = longest < 255 ? 255
				: longest * 2; /* never less than that of the table it replaces */
	s->lengths = xzalloc((s->most / 64 + 1) * sizeof(*s->lengths));
	if (t->kind != LIVE_EXACT) {
		s->filter_mask = (uint64_t)n * 8 - 1;
		s->filter = xzalloc((s->filter_mask + 1) / 8);
	}
	return s;
}

void live_table_init(struct live_table *t, enum live_kind kind, bool icase, const char *delims)
{
	memset(t, 0, sizeof(*t));
	t->kind = kind;
	t->icase = icase;
	for (const char *c = delims; c && *c; c++)
		t->delims[(unsigned char)*c / 64] |= 1ull << ((unsigned char)*c % 64);
}

void live_table_fini(struct live_table *t)
{
	if (t->slots && t->slots->old)
		slots_free_rcu(&t->slots->old->rcu);
	if (t->slots)
		slots_free_rcu(&t->slots->rcu);
	t->slots = NULL;
}

size_t live_table_bytes(const struct live_table *t)
{
	const struct live_slots *s = t->slots;

	return s ? sizeof(*s) + (s->mask + 1ull) * sizeof(s->slot[0]) + s->most / 8 +
			       s->filter_mask / 8
		 : 0;
}

/* ---- hashing ---- */

#define HASH_START 0xcbf29ce484222325u

static inline uint64_t step(uint64_t h, unsigned char c)
{
	return (h ^ c) * 0x100000001b3u;
}

static inline uint64_t mix(uint64_t h)
{
	h ^= h >> 29;
	return h * 0x9e3779b97f4a7c15u;
}

static inline unsigned char fold(bool icase, char c)
{
	unsigned char u = (unsigned char)c;

	return icase && u >= 'A' && u <= 'Z' ? u | 0x20 : u;
}

/* 0, 1, ...: the byte that is hashed as number @i. */
static inline char byte_at(enum live_kind kind, struct slice s, size_t i)
{
	return kind == LIVE_SUFFIX ? s.p[s.n - 1 - i] : s.p[i];
}

static uint64_t hash_words(struct slice s)
{
	uint64_t h = HASH_START ^ s.n, w;

	for (; s.n >= 8; s = slice_from(s, 8)) {
		memcpy(&w, s.p, 8);
		h = mix(h ^ w);
	}
	if (!s.n)
		return h;
	w = 0;
	memcpy(&w, s.p, s.n);
	return mix(h ^ w);
}

static uint64_t hash_all(const struct live_table *t, struct slice s)
{
	uint64_t h = HASH_START;

	if (!walks(t) && !t->icase)
		return hash_words(s);
	for (size_t i = 0; i < s.n; i++)
		h = step(h, fold(t->icase, byte_at(t->kind, s, i)));
	return h;
}

static inline bool same_key(bool icase, const char *a, const char *b, size_t n)
{
	if (!icase)
		return memcmp(a, b, n) == 0;
	for (size_t i = 0; i < n; i++)
		if (fold(true, a[i]) != fold(true, b[i]))
			return false;
	return true;
}

/* ---- the filter ---- */

static inline bool is_level(size_t n)
{
	return n >= 4 && n <= 64 && (n & (n - 1)) == 0;
}

#define WHOLE_KEY 0x5bd1e9955bd1e995u /* tells the bit of a key from that of a beginning */

static inline bool filter_bit(const struct live_slots *s, uint64_t h)
{
	uint64_t bit = (mix(h) >> 20) & s->filter_mask;

	return __atomic_load_n(&s->filter[bit / 64], __ATOMIC_RELAXED) >> (bit % 64) & 1;
}

static void filter_set(struct live_slots *s, uint64_t h)
{
	uint64_t bit = (mix(h) >> 20) & s->filter_mask;

	__atomic_fetch_or(&s->filter[bit / 64], 1ull << (bit % 64), __ATOMIC_RELAXED);
}

/* Four bytes at once, equal for both cases of a letter (and for some others, which a filter may). */
static inline uint64_t four_bytes(const struct live_table *t, const char *p)
{
	uint32_t w;

	memcpy(&w, p, 4);
	return w | (t->icase ? 0x20202020u : 0);
}

static void filter_add(const struct live_table *t, struct live_slots *s, const struct live_node *n)
{
	struct slice key = slice_make(n->key, n->n);
	uint64_t h = HASH_START;

	filter_set(s, n->hash ^ WHOLE_KEY);
	if (!walks(t))
		return;
	for (size_t i = 0; i < key.n && i < 64; i++) {
		h = step(h, fold(t->icase, byte_at(t->kind, key, i)));
		if (is_level(i + 1))
			filter_set(s, h);
	}
	if (t->kind == LIVE_PART && key.n >= 4)
		filter_set(s, four_bytes(t, key.p));
}

/* ---- finding ---- */

static inline struct live_node *slot_node(uint64_t v)
{
	return (struct live_node *)(uintptr_t)(v & PTR_MASK);
}

static inline uint64_t slot_of(uint64_t m, const struct live_node *n)
{
	return m >> PTR_BITS << PTR_BITS | (uint64_t)(uintptr_t)n;
}

/* The place of the key's slot, or -1. */
static int64_t locate(const struct live_table *t, const struct live_slots *s, uint64_t hash,
		      struct slice text)
{
	uint64_t m = mix(hash);

	for (uint32_t at = (uint32_t)(m >> 16) & s->mask;; at = (at + 1) & s->mask) {
		uint64_t v = __atomic_load_n(&s->slot[at], __ATOMIC_ACQUIRE);
		const struct live_node *n = slot_node(v);

		if (!v)
			return -1;
		if (v == SLOT_REMOVED || v >> PTR_BITS != m >> PTR_BITS)
			continue;
		if (n->hash == hash && n->n == text.n && same_key(t->icase, n->key, text.p, text.n))
			return at;
	}
}

static inline const struct live_node *
find_in(const struct live_table *t, const struct live_slots *s, uint64_t hash, struct slice text)
{
	uint64_t m = mix(hash);

	for (uint32_t at = (uint32_t)(m >> 16) & s->mask;; at = (at + 1) & s->mask) {
		uint64_t v = __atomic_load_n(&s->slot[at], __ATOMIC_ACQUIRE);
		const struct live_node *n = slot_node(v);

		if (!v)
			return NULL;
		if (v == SLOT_REMOVED || v >> PTR_BITS != m >> PTR_BITS)
			continue;
		if (n->hash == hash && n->n == text.n && same_key(t->icase, n->key, text.p, text.n))
			return n;
	}
}

/* What is moved stays where it was, too, so the order of looking does not matter to what is found. */
static const struct live_node *find(const struct live_table *t, const struct live_slots *s,
				    uint64_t hash, struct slice text)
{
	const struct live_slots *old = rcu_dereference(s->old);
	const struct live_node *n = find_in(t, s, hash, text);

	return n || !old ? n : find_in(t, old, hash, text);
}

static inline bool filter_has(const struct live_slots *s, uint64_t h)
{
	const struct live_slots *old = rcu_dereference(s->old);

	return filter_bit(s, h) || (old && filter_bit(old, h));
}

/* Keys to be looked up, gathered so that their slots come into the cache together. */
#define GATHER 16

struct search {
	const struct live_table *t;
	const struct live_slots *s;
	enum live_want want;
	const struct live_node *best;
	live_each *each; /* NULL: the best is wanted */
	void *ctx;
	size_t longest;
	unsigned int n;
	struct {
		uint64_t hash;
		struct slice key;
	} gathered[GATHER];
};

static bool each_same(const struct search *q, const struct live_node *n)
{
	for (; n; n = rcu_dereference(n->same))
		if (q->each(q->ctx, n))
			return true;
	return false;
}

/* Most keys that are looked up are there, in their first slot: their nodes come into the cache together, too. */
static inline void prefetch_node(const struct live_slots *s, uint64_t hash)
{
	uint64_t m = mix(hash);
	uint64_t v = __atomic_load_n(&s->slot[(uint32_t)(m >> 16) & s->mask], __ATOMIC_RELAXED);

	if (v >> PTR_BITS == m >> PTR_BITS)
		__builtin_prefetch(slot_node(v));
}

/* Those gathered later are longer. True: there is one that will do, whatever else there is. */
static bool look_up(struct search *q)
{
	unsigned int n = q->n;

	q->n = 0;
	for (unsigned int k = 0; n > 1 && k < n; k++)
		prefetch_node(q->s, q->gathered[k].hash);
	for (unsigned int k = 0; k < n; k++) {
		unsigned int i = q->want == LIVE_LONGEST ? n - 1 - k : k;
		const struct live_node *node =
			find(q->t, q->s, q->gathered[i].hash, q->gathered[i].key);

		if (!node)
			continue;
		if (q->each) {
			if (each_same(q, node))
				return true;
			continue;
		}
		if (q->want != LIVE_FIRST || !q->best || node->entry->seq < q->best->entry->seq)
			q->best = node;
		if (q->want != LIVE_FIRST)
			return q->want == LIVE_ANY;
	}
	return false;
}

static inline bool gather(struct search *q, uint64_t hash, struct slice key)
{
	__builtin_prefetch(&q->s->slot[(uint32_t)(mix(hash) >> 16) & q->s->mask]);
	q->gathered[q->n].hash = hash;
	q->gathered[q->n].key = key;
	return ++q->n == GATHER && look_up(q);
}

static inline bool has_length(const struct live_slots *s, size_t n)
{
	return n <= s->most &&
	       __atomic_load_n(&s->lengths[n / 64], __ATOMIC_RELAXED) >> (n % 64) & 1;
}

static inline bool is_delim(const struct live_table *t, char c)
{
	return t->delims[(unsigned char)c / 64] >> ((unsigned char)c % 64) & 1;
}

/* walk() for one kind: the compiler makes one loop of each, without the questions that have one answer. */
static inline __attribute__((always_inline)) bool walk_as(struct search *q, struct slice s,
							  enum live_kind kind, bool icase)
{
	size_t most = s.n < q->longest ? s.n : q->longest;
	uint64_t h = HASH_START;

	for (size_t n = 0;; n++) {
		if (has_length(q->s, n) &&
		    (kind != LIVE_WORD || n == s.n || is_delim(q->t, s.p[n])) &&
		    filter_has(q->s, h ^ WHOLE_KEY) &&
		    gather(q, h, slice_make(kind == LIVE_SUFFIX ? s.p + s.n - n : s.p, n)))
			return true;
		if (n == most)
			return false;
		h = step(h, fold(icase, byte_at(kind, s, n)));
		if (is_level(n + 1) && !filter_has(q->s, h))
			return false;
	}
}

/* All keys that begin (of LIVE_SUFFIX: end) @s; of LIVE_WORD only up to where a word ends. */
static bool walk(struct search *q, struct slice s)
{
	bool icase = q->t->icase;

	switch (q->t->kind) {
	case LIVE_SUFFIX:
		return icase ? walk_as(q, s, LIVE_SUFFIX, true) : walk_as(q, s, LIVE_SUFFIX, false);
	case LIVE_WORD:
		return icase ? walk_as(q, s, LIVE_WORD, true) : walk_as(q, s, LIVE_WORD, false);
	default:
		return icase ? walk_as(q, s, LIVE_PREFIX, true) : walk_as(q, s, LIVE_PREFIX, false);
	}
}

static bool walk_words(struct search *q, struct slice s)
{
	bool starts = true;

	for (size_t i = 0; i <= s.n; i++) {
		if (i < s.n && is_delim(q->t, s.p[i])) {
			starts = true;
			continue;
		}
		if (starts && walk(q, slice_from(s, i)))
			return true;
		starts = false;
	}
	return false;
}

static bool walk_parts(struct search *q, struct slice s)
{
	bool any_short = __atomic_load_n(&q->s->lengths[0], __ATOMIC_RELAXED) & 0xf;

	for (size_t i = 0; i <= s.n; i++) {
		if (!any_short && (i + 4 > s.n || !filter_has(q->s, four_bytes(q->t, s.p + i))))
			continue;
		if (walk(q, slice_from(s, i)))
			return true;
	}
	return false;
}

static bool walk_all(struct search *q, struct slice text)
{
	switch (q->t->kind) {
	case LIVE_WORD:
		return walk_words(q, text);
	case LIVE_PART:
		return walk_parts(q, text);
	default:
		return walk(q, text);
	}
}

const struct live_node *live_table_find(const struct live_table *t, struct slice text,
					enum live_want want)
{
	const struct live_slots *s = rcu_dereference(t->slots);
	struct search q;

	if (!s)
		return NULL;
	if (t->kind == LIVE_EXACT)
		return has_length(s, text.n) ? find(t, s, hash_all(t, text), text) : NULL;
	q.t = t;
	q.s = s;
	q.want = want;
	q.best = NULL;
	q.each = NULL;
	q.n = 0;
	q.longest = __atomic_load_n(&s->longest, __ATOMIC_RELAXED);
	if (!walk_all(&q, text))
		look_up(&q);
	return q.best;
}

void live_table_each(const struct live_table *t, struct slice text, live_each *each, void *ctx)
{
	const struct live_slots *s = rcu_dereference(t->slots);
	struct search q;

	if (!s)
		return;
	q.t = t;
	q.s = s;
	q.want = LIVE_FIRST;
	q.each = each;
	q.ctx = ctx;
	q.n = 0;
	q.longest = __atomic_load_n(&s->longest, __ATOMIC_RELAXED);
	if (!walk_all(&q, text))
		look_up(&q);
}

bool live_table_has(const struct live_table *t, struct slice key)
{
	return t->slots && find(t, t->slots, hash_all(t, key), key);
}

static bool gather_bits(struct search *q, uint64_t set, unsigned int base, live_key_of *key,
			const void *ctx)
{
	bool several = set & (set - 1);
	char buf[GATHER][24];

	for (; set; set &= set - 1) {
		char *at = buf[q->n];
		size_t n = key(ctx, base + (unsigned int)__builtin_ctzll(set), at);
		uint64_t h = hash_all(q->t, slice_make(at, n));

		if ((!several || filter_has(q->s, h ^ WHOLE_KEY)) &&
		    gather(q, h, slice_make(at, n)))
			return true;
	}
	return look_up(q);
}

const struct live_node *live_table_find_bits(const struct live_table *t, unsigned int from,
					     unsigned int to, live_key_of *key, const void *ctx,
					     enum live_want want)
{
	const struct live_slots *s = rcu_dereference(t->slots);
	struct search q;

	if (!s)
		return NULL;
	q.t = t;
	q.s = s;
	q.want = want;
	q.best = NULL;
	q.each = NULL;
	q.n = 0;
	for (unsigned int base = from & ~63u; base <= to; base += 64) {
		uint64_t set = __atomic_load_n(&s->lengths[base / 64], __ATOMIC_RELAXED);

		if (base < from)
			set &= ~0ull << (from - base);
		if (to - base < 63)
			set &= (2ull << (to - base)) - 1;
		if (gather_bits(&q, set, base, key, ctx))
			break;
	}
	return q.best;
}

/* Room for @n keys, before the first. */
void live_table_reserve(struct live_table *t, uint32_t n)
{
	uint32_t slots = FIRST_SLOTS;

	if (t->slots)
		return;
	while (slots / 2 < n)
		slots *= 2;
	t->slots = slots_new(t, slots, 0);
}

/* ---- changing ---- */

static size_t length_of(const struct live_table *t, const struct live_node *n)
{
	return t->kind == LIVE_BITS ? (unsigned char)n->key[0] : n->n;
}

/* The key is not there, and there is room. What a reader needs to find it comes before the slot. */
static void place(const struct live_table *t, struct live_slots *s, struct live_node *n)
{
	uint64_t m = mix(n->hash);
	uint32_t at = (uint32_t)(m >> 16) & s->mask;
	size_t length = length_of(t, n);

	while (s->slot[at])
		at = (at + 1) & s->mask;
	if (s->filter)
		filter_add(t, s, n);
	if (length > s->longest)
		__atomic_store_n(&s->longest, length, __ATOMIC_RELAXED);
	__atomic_fetch_or(&s->lengths[length / 64], 1ull << (length % 64), __ATOMIC_RELAXED);
	__atomic_store_n(&s->slot[at], slot_of(m, n), __ATOMIC_RELEASE);
	s->used++;
}

/* Takes over the next @n slots. */
static void move_some(const struct live_table *t, struct live_slots *s, uint32_t n)
{
	struct live_slots *old = s->old;

	if (!old)
		return;
	for (; n && s->moved <= old->mask; n--, s->moved++)
		if (old->slot[s->moved] > SLOT_REMOVED)
			place(t, s, slot_node(old->slot[s->moved]));
	if (s->moved <= old->mask)
		return;
	rcu_assign_pointer(s->old, NULL);
	live_free_later(&old->rcu, slots_free_rcu);
}

/* Room for one more key of @length, at most half full: a table that is half full with what is moved and three times what comes. */
static void make_room(struct live_table *t, size_t length)
{
	struct live_slots *old = t->slots, *s;
	uint32_t n = FIRST_SLOTS;

	if (old && (old->used + 1) * 2ull <= old->mask + 1ull && length <= old->most)
		return;
	if (old)
		move_some(t, old, UINT32_MAX); /* rarely anything is left */
	while (n < (t->keys + 1) * 3ull)
		n *= 2;
	s = slots_new(t, n, old && old->longest > length ? old->longest : length);
	if (old) {
		memcpy(s->lengths, old->lengths, (old->most / 64 + 1) * sizeof(*s->lengths));
		s->longest = old->longest;
		s->old = old;
	}
	rcu_assign_pointer(t->slots, s);
}

void live_table_add(struct live_table *t, struct live_node *n)
{
	struct slice key = slice_make(n->key, n->n);
	struct live_node *first;

	n->hash = hash_all(t, key);
	n->same = NULL;
	n->last = n;
	first = t->slots ? (struct live_node *)find(t, t->slots, n->hash, key) : NULL;
	if (first) {
		rcu_assign_pointer(first->last->same, n);
		first->last = n;
		return;
	}
	make_room(t, length_of(t, n));
	place(t, t->slots, n);
	t->keys++;
	move_some(t, t->slots, MOVE_STEP);
}

/* @n stands first in its slot, if it is in this table at all: the next with the same key takes the slot. */
static void replace_first(const struct live_table *t, struct live_slots *s, struct live_node *n)
{
	int64_t at = s ? locate(t, s, n->hash, slice_make(n->key, n->n)) : -1;

	if (at >= 0)
		__atomic_store_n(&s->slot[at],
				 n->same ? slot_of(mix(n->hash), n->same) : SLOT_REMOVED,
				 __ATOMIC_RELEASE);
}

void live_table_remove(struct live_table *t, struct live_node *n)
{
	struct live_node *first, *before;

	first = (struct live_node *)find(t, t->slots, n->hash, slice_make(n->key, n->n));
	if (first == n) {
		if (n->same)
			n->same->last = n->last;
		else
			t->keys--;
		replace_first(t, t->slots, n);
		replace_first(t, t->slots->old, n);
		move_some(t, t->slots, MOVE_STEP);
		return;
	}
	for (before = first; before->same != n;)
		before = before->same;
	rcu_assign_pointer(before->same, n->same);
	if (first->last == n)
		first->last = before;
}
