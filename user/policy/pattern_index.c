// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern_index.c - "is it one of these 10,000?" in the time of one. Built when an ACL line is complete (control
 * thread), asked by any worker.
 */
#include <stdlib.h>

#include "policy/pattern_index.h"

#define INDEX_FROM 5 /* fewer values are compared one by one */

struct range {
	int64_t min, max;
};

struct pattern_index {
	enum match_kind kind;
	struct key_table *keys[2]; /* with case, without */
	struct net_table *nets;
	struct range *ranges; /* sorted, disjoint */
	int nranges;
	const struct pattern **rest;
	int nrest;
};

struct key_table *key_table_for(struct arena *a, enum match_kind kind, bool icase)
{
	switch (kind) {
	case MATCH_STR:
		return key_table_new(a, KEY_EXACT, icase, NULL);
	case MATCH_BIN:
		return key_table_new(a, KEY_EXACT, false, NULL);
	case MATCH_BEG:
		return key_table_new(a, KEY_PREFIX, icase, NULL);
	case MATCH_END:
		return key_table_new(a, KEY_SUFFIX, icase, NULL);
	case MATCH_DIR:
		return key_table_new(a, KEY_WORD, icase, MATCH_DIR_DELIMS);
	case MATCH_DOM:
		return key_table_new(a, KEY_WORD, icase, MATCH_DOM_DELIMS);
	default:
		return NULL;
	}
}

static int range_order(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return (x->min > y->min) - (x->min < y->min);
}

static void build_ranges(struct pattern_index *ix, const struct patterns *p, struct arena *a)
{
	int n = 0;

	ix->ranges = arena_alloc(a, sizeof(*ix->ranges) * p->n);
	for (int i = 0; i < p->n; i++) {
		struct range r = { p->v[i].has_min ? p->v[i].min : INT64_MIN,
				   p->v[i].has_max ? p->v[i].max : INT64_MAX };

		if (r.min <= r.max)
			ix->ranges[n++] = r;
	}
	qsort(ix->ranges, n, sizeof(*ix->ranges), range_order);
	for (int i = 0; i < n; i++) {
		struct range *last = ix->nranges ? &ix->ranges[ix->nranges - 1] : NULL;

		if (last && ix->ranges[i].min <= last->max) {
			if (ix->ranges[i].max > last->max)
				last->max = ix->ranges[i].max;
		} else {
			ix->ranges[ix->nranges++] = ix->ranges[i];
		}
	}
}

static void build_nets(struct pattern_index *ix, const struct patterns *p, struct arena *a)
{
	ix->nets = net_table_new(a);
	for (int i = 0; i < p->n; i++) {
		if (p->v[i].mask_is_prefix)
			net_table_add(ix->nets, &p->v[i].net, p->v[i].bits, 0);
		else
			ix->rest[ix->nrest++] = &p->v[i];
	}
	net_table_seal(ix->nets);
}

static void build_keys(struct pattern_index *ix, const struct patterns *p, struct arena *a)
{
	ix->keys[0] = key_table_for(a, p->kind, false);
	ix->keys[1] = key_table_for(a, p->kind, true);
	for (int i = 0; i < p->n; i++)
		key_table_add(ix->keys[p->v[i].icase], p->v[i].text, 0);
	key_table_seal(ix->keys[0]);
	key_table_seal(ix->keys[1]);
}

void patterns_seal(struct patterns *p, struct arena *a)
{
	struct pattern_index *ix;

	if (p->n < INDEX_FROM || p->kind == MATCH_SUB || p->kind == MATCH_REG ||
	    p->kind == MATCH_FOUND || p->kind == MATCH_BOOL)
		return;
	ix = ARENA_NEW(a, struct pattern_index);
	ix->kind = p->kind;
	ix->rest = arena_alloc(a, sizeof(*ix->rest) * p->n);
	if (p->kind == MATCH_INT || p->kind == MATCH_LEN || p->kind == MATCH_VERSION)
		build_ranges(ix, p, a);
	else if (p->kind == MATCH_IP)
		build_nets(ix, p, a);
	else
		build_keys(ix, p, a);
	p->index = ix;
}

static bool any(void *ctx, const uint32_t *values, uint32_t n)
{
	return true;
}

static bool ranges_have(const struct pattern_index *ix, int64_t v)
{
	int low = 0, high = ix->nranges;

	while (low < high) {
		int mid = (low + high) / 2;

		pattern_compares++;
		if (v < ix->ranges[mid].min)
			high = mid;
		else if (v > ix->ranges[mid].max)
			low = mid + 1;
		else
			return true;
	}
	return false;
}

bool pattern_index_has(const struct pattern_index *ix, const struct sample *s)
{
	if (ix->ranges)
		return ranges_have(ix, ix->kind == MATCH_LEN ? (int64_t)s->u.s.n : s->u.i);
	if (ix->nets && net_table_search(ix->nets, &s->u.a, any, NULL))
		return true;
	for (int i = 0; i < 2; i++)
		if (ix->keys[i] && key_table_search(ix->keys[i], s->u.s, any, NULL))
			return true;
	for (int i = 0; i < ix->nrest; i++)
		if (pattern_matches(ix->kind, ix->rest[i], s))
			return true;
	return false;
}
