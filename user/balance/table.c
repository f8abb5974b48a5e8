// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The look-up table of hash-type map-based and of static-rr. Pure functions, any thread.
 *
 * Definition, slow but plain (the unit test has it as its oracle): `total` times, add each server's
 * weight to its score, take the first server whose floor((score + total) / total) is greater than all
 * before it, subtract `total` from its score.
 *
 * After t rounds and k takes the score is t * weight - k * total, so that floor is
 * 1 + floor(t * weight / total) - k: how many takes the server is owed. It rises by one at the rounds
 * t = ceil(j * total / weight), known beforehand, and falls by one with each take. Hence a calendar of
 * the next rise of each server, and for each debt a set of the servers that have it, first one first:
 * constant cost per slot, whatever the number of servers.
 */
#include <errno.h>
#include <stdlib.h>

#include "balance/build.h"

#define TABLE_SLOTS_MAX (1u << 28)
#define NONE            UINT32_MAX

/* A set of server numbers below `n`, as a tree of 64-way bitmaps: add, remove, first in O(log64 n). */
#define SET_LEVELS 5 /* 64^5 = 2^30 servers */

struct set {
	uint64_t *
		level[SET_LEVELS]; /* level 0: a bit a server; above: a bit a non-zero word below */
	unsigned int levels;
};

static size_t words(size_t bits)
{
	return (bits + 63) / 64;
}

static int set_init(struct set *s, size_t n)
{
	size_t all = 0, at = 0;
	uint64_t *mem;

	s->levels = 0;
	for (size_t w = words(n);; w = words(w)) {
		all += w;
		s->levels++;
		if (w <= 1)
			break;
	}
	mem = calloc(all, sizeof(*mem));
	if (!mem)
		return -ENOMEM;
	for (size_t l = 0, w = words(n); l < s->levels; l++, w = words(w)) {
		s->level[l] = mem + at;
		at += w;
	}
	return 0;
}

static void set_add(struct set *s, uint32_t member)
{
	for (unsigned int l = 0; l < s->levels; l++, member /= 64)
		s->level[l][member / 64] |= 1ull << (member % 64);
}

static void set_remove(struct set *s, uint32_t member)
{
	for (unsigned int l = 0; l < s->levels; l++, member /= 64) {
		s->level[l][member / 64] &= ~(1ull << (member % 64));
		if (s->level[l][member / 64])
			return;
	}
}

static bool set_empty(const struct set *s)
{
	return !s->level[s->levels - 1][0];
}

static uint32_t set_first(const struct set *s)
{
	uint32_t at = 0;

	for (unsigned int l = s->levels; l-- > 0;)
		at = at * 64 + (uint32_t)__builtin_ctzll(s->level[l][at]);
	return at;
}

/* State of one build. Servers are numbered 0..n-1 among those with weight. */
struct map_build {
	uint32_t n, total;
	uint32_t *weight, *index, *debt,
		*rises;   /* per server; rises: how many rises are behind it */
	uint32_t *next;   /* per server: the next one of the same round */
	uint32_t *round;  /* calendar: per round, first server that rises then */
	struct set *owed; /* owed[d - 1]: the servers of debt d */
	uint32_t depth;
};

static uint32_t gcd(uint32_t a, uint32_t b)
{
	while (b) {
		uint32_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

static void map_build_fini(struct map_build *b)
{
	for (uint32_t d = 0; d < b->depth; d++)
		free(b->owed[d].level[0]);
	free(b->owed);
	free(b->weight); /* the other per-server arrays are part of it */
	free(b->round);
}

/* Puts the next rise of server `s` into the calendar; those after the last round do not matter. */
static void calendar_add(struct map_build *b, uint32_t s)
{
	uint64_t at = ((uint64_t)++b->rises[s] * b->total + b->weight[s] - 1) / b->weight[s];

	if (at > b->total)
		return;
	b->next[s] = b->round[at];
	b->round[at] = s;
}

/* Moves server `s` to the set of its new debt, making that set when no server owed so much before. */
static int debt_set(struct map_build *b, uint32_t s, uint32_t debt)
{
	if (b->debt[s])
		set_remove(&b->owed[b->debt[s] - 1], s);
	b->debt[s] = debt;
	if (!debt)
		return 0;
	if (debt > b->depth) {
		struct set *more = realloc(b->owed, debt * sizeof(*more));

		if (!more)
			return -ENOMEM;
		b->owed = more;
		if (set_init(&b->owed[debt - 1], b->n))
			return -ENOMEM;
		b->depth = debt;
	}
	set_add(&b->owed[debt - 1], s);
	return 0;
}

/* The first server of the greatest debt; somebody is always owed something. */
static uint32_t most_owed(const struct map_build *b)
{
	uint32_t d = b->depth;

	while (d > 1 && set_empty(&b->owed[d - 1]))
		d--;
	return set_first(&b->owed[d - 1]);
}

/* Takes the targets with weight, weights divided by their greatest common divisor. */
static int map_build_init(struct map_build *b, const struct lb_target *t, size_t n)
{
	uint64_t total = 0;
	uint32_t divisor = 0;

	*b = (struct map_build){ 0 };
	for (size_t i = 0; i < n; i++) {
		divisor = gcd(divisor, t[i].weight);
		total += t[i].weight;
		b->n += t[i].weight > 0;
	}
	if (!b->n)
		return 0;
	if (total / divisor > TABLE_SLOTS_MAX)
		return -E2BIG;
	b->total = total / divisor;

	b->weight = calloc(b->n, 5 * sizeof(*b->weight));
	b->round = malloc((b->total + 1ul) * sizeof(*b->round));
	if (!b->weight || !b->round)
		return -ENOMEM;
	b->index = b->weight + b->n;
	b->debt = b->index + b->n;
	b->rises = b->debt + b->n;
	b->next = b->rises + b->n;
	for (uint32_t r = 0; r <= b->total; r++)
		b->round[r] = NONE;
	for (size_t i = 0, s = 0; i < n; i++) {
		if (!t[i].weight)
			continue;
		b->weight[s] = t[i].weight / divisor;
		b->index[s] = t[i].index;
		calendar_add(b, s);
		if (debt_set(b, s, 1))
			return -ENOMEM;
		s++;
	}
	return 0;
}

static int map_build_round(struct map_build *b, uint32_t round, uint32_t *slot)
{
	uint32_t s, next;

	for (s = b->round[round]; s != NONE; s = next) {
		next = b->next[s];
		if (debt_set(b, s, b->debt[s] + 1))
			return -ENOMEM;
		calendar_add(b, s);
	}
	s = most_owed(b);
	*slot = b->index[s];
	return debt_set(b, s, b->debt[s] - 1);
}

int lb_table_build_map(struct lb_table *table, const struct lb_target *t, size_t n)
{
	struct map_build b;
	int err;

	*table = (struct lb_table){ 0 };
	err = map_build_init(&b, t, n);
	if (!err && b.total) {
		table->slot = malloc(b.total * sizeof(*table->slot));
		if (!table->slot)
			err = -ENOMEM;
		for (uint32_t r = 1; !err && r <= b.total; r++)
			err = map_build_round(&b, r, &table->slot[r - 1]);
		table->size = b.total;
	}
	map_build_fini(&b);
	if (err)
		lb_table_fini(table);
	return err;
}

void lb_table_fini(struct lb_table *table)
{
	free(table->slot);
	*table = (struct lb_table){ 0 };
}
