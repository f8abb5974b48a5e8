// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cond_index.c - "the first rule whose condition holds", for long lists of rules. Each rule gives one test of each of its
 * alternatives to a table shared by all rules that look at the same value; a look-up gives candidates, which are tried in
 * the order of the list, together with the rules that have no such test. So the answer is always the one that trying
 * every rule in turn would give. Built by the control thread; asked by any worker, without allocation.
 */
#include <stdlib.h>

#include "policy/cond.h"
#include "policy/pattern_index.h"
#include "policy/pattern_ref.h"

/* All rules that look at the same expression. */
struct group {
	const struct expr *expr;
	unsigned int where; /* what was available to the rules: must be the same to share */
	struct key_table *keys[MATCH_VERSION + 1][2];
	struct net_table *nets;
	struct key_table *ints;
	bool texts; /* some of @keys are of text: making one of a number or address costs */
};

struct cond_index {
	struct arena *arena;
	struct cond *const *conds;
	int n;
	struct group *groups;
	int ngroups;
	uint32_t *plain; /* rules that are tried in turn */
	int nplain;
	uint64_t *proven; /* bitmap: the look-up itself is the proof */
	bool stale;       /* values were changed at run time: every rule is tried in turn */
};

#define INDEX_FROM  4  /* fewer rules are tried in turn */
#define MOST_GROUPS 16 /* different expressions */
#define MOST_LISTS  64 /* keys that match one value at a time; more: every rule is tried in turn */

/* ---- which test of an alternative can be looked up ---- */

static bool pattern_has_key(const struct patterns *p, int i)
{
	const struct pattern *v = &p->v[i];

	switch (p->kind) {
	case MATCH_STR:
	case MATCH_BEG:
	case MATCH_END:
	case MATCH_DIR:
	case MATCH_DOM:
	case MATCH_BIN:
		return true;
	case MATCH_IP:
		return v->mask_is_prefix;
	case MATCH_INT:
		return v->has_min && v->has_max && v->min == v->max;
	default:
		return false;
	}
}

/* Every way in which this term holds must be a key. */
static bool term_has_keys(const struct cond_term *t)
{
	if (t->negated)
		return false;
	for (int i = 0; i < t->acl->ntests; i++) {
		const struct acl_test *test = t->acl->tests[i];

		if (!expr_is_pure(test->expr) || test->nfiles)
			return false;
		for (int k = 0; k < test->patterns.n; k++)
			if (!pattern_has_key(&test->patterns, k))
				return false;
		if (!test->patterns.n &&
		    (test->patterns.kind == MATCH_FOUND || test->patterns.kind == MATCH_BOOL))
			return false;
	}
	return true;
}

static bool cond_has_keys(const struct cond *c)
{
	if (!c || c->unless)
		return false;
	for (int i = 0; i < c->n; i++) {
		bool any = false;

		for (int k = 0; k < c->any[i].n && !any; k++)
			any = term_has_keys(&c->any[i].terms[k]);
		if (!any)
			return false;
	}
	return true;
}

/* ---- filling ---- */

static struct group *group_of(struct cond_index *ix, const struct expr *e, unsigned int where)
{
	for (int i = 0; i < ix->ngroups; i++)
		if (ix->groups[i].where == where && expr_same(ix->groups[i].expr, e))
			return &ix->groups[i];
	if (ix->ngroups == MOST_GROUPS)
		return NULL;
	ix->groups[ix->ngroups] = (struct group){ .expr = e, .where = where };
	return &ix->groups[ix->ngroups++];
}

static struct slice int_key(struct arena *a, const int64_t *v)
{
	char *copy = arena_alloc(a, sizeof(*v));

	memcpy(copy, v, sizeof(*v));
	return slice_make(copy, sizeof(*v));
}

static struct key_table *table_of(struct cond_index *ix, struct group *g, enum match_kind kind,
				  bool icase)
{
	struct key_table **t = &g->keys[kind][icase];

	if (!*t)
		*t = key_table_for(ix->arena, kind, icase);
	g->texts |= kind != MATCH_BIN;
	return *t;
}

static void add_pattern(struct cond_index *ix, struct group *g, enum match_kind kind,
			const struct pattern *v, uint32_t rule)
{
	switch (kind) {
	case MATCH_IP:
		if (!g->nets)
			g->nets = net_table_new(ix->arena);
		net_table_add(g->nets, &v->net, v->bits, rule);
		break;
	case MATCH_INT:
		if (!g->ints)
			g->ints = key_table_new(ix->arena, KEY_EXACT, false, NULL);
		key_table_add(g->ints, int_key(ix->arena, &v->min), rule);
		break;
	default:
		key_table_add(table_of(ix, g, kind, v->icase), v->text, rule);
	}
}

/* How many other rules share this term's most common key: the fewer, the better it tells rules apart. */
static uint32_t term_crowd(struct cond_index *usage, const struct cond_term *t, unsigned int where)
{
	uint32_t most = 0;

	for (int i = 0; i < t->acl->ntests; i++) {
		const struct patterns *p = &t->acl->tests[i]->patterns;
		struct group *g = group_of(usage, t->acl->tests[i]->expr, where);

		if (!g)
			return UINT32_MAX;
		for (int k = 0; k < p->n; k++) {
			uint32_t n = 1;

			if (p->kind == MATCH_INT)
				n = key_table_count(g->ints,
						    slice_make(&p->v[k].min, sizeof(int64_t)));
			else if (p->kind != MATCH_IP)
				n = key_table_count(g->keys[p->kind][p->v[k].icase], p->v[k].text);
			if (n > most)
				most = n;
		}
	}
	return most;
}

/* Values that are in a table can be changed at run time. */
static void watch(struct cond_index *ix, struct pat_ref *r)
{
	bool **more;

	for (int i = 0; i < r->nwatchers; i++)
		if (r->watchers[i] == &ix->stale)
			return;
	more = arena_alloc(ix->arena, sizeof(*more) * (size_t)(r->nwatchers + 1));
	if (r->nwatchers)
		memcpy(more, r->watchers, sizeof(*more) * (size_t)r->nwatchers);
	more[r->nwatchers++] = &ix->stale;
	r->watchers = more;
}

/* False when a table is missing for it (too many groups). */
static bool term_add(struct cond_index *ix, const struct cond_term *t, unsigned int where,
		     uint32_t rule)
{
	for (int i = 0; i < t->acl->ntests; i++)
		if (!group_of(ix, t->acl->tests[i]->expr, where))
			return false;
	for (int i = 0; i < t->acl->ntests; i++) {
		const struct patterns *p = &t->acl->tests[i]->patterns;
		struct group *g = group_of(ix, t->acl->tests[i]->expr, where);

		for (int k = 0; k < p->n; k++)
			add_pattern(ix, g, p->kind, &p->v[k], rule);
	}
	return true;
}

static void group_seal(struct group *g)
{
	for (int kind = 0; kind <= MATCH_VERSION; kind++)
		for (int icase = 0; icase < 2; icase++)
			if (g->keys[kind][icase])
				key_table_seal(g->keys[kind][icase]);
	if (g->ints)
		key_table_seal(g->ints);
	if (g->nets)
		net_table_seal(g->nets);
}

/* Pass 1: every usable term of every rule, only to count how crowded each key is. */
static void count_usage(struct cond_index *usage, struct cond *const *conds, int n)
{
	for (int r = 0; r < n; r++) {
		if (!cond_has_keys(conds[r]))
			continue;
		for (int i = 0; i < conds[r]->n; i++)
			for (int k = 0; k < conds[r]->any[i].n; k++)
				if (term_has_keys(&conds[r]->any[i].terms[k]))
					term_add(usage, &conds[r]->any[i].terms[k], conds[r]->where,
						 r);
	}
	for (int i = 0; i < usage->ngroups; i++)
		group_seal(&usage->groups[i]);
}

/* Pass 2: of each alternative the term that is shared least. */
static bool rule_add(struct cond_index *ix, struct cond_index *usage, const struct cond *c,
		     uint32_t rule)
{
	bool proven = true;

	for (int i = 0; i < c->n; i++) {
		const struct cond_term *best = NULL;
		uint32_t least = UINT32_MAX;

		for (int k = 0; k < c->any[i].n; k++) {
			const struct cond_term *t = &c->any[i].terms[k];
			uint32_t crowd =
				term_has_keys(t) ? term_crowd(usage, t, c->where) : UINT32_MAX;

			if (crowd < least) {
				least = crowd;
				best = t;
			}
		}
		if (!best || !term_add(ix, best, c->where, rule))
			return false;
		for (int k = 0; k < best->acl->ntests; k++)
			watch(ix, best->acl->tests[k]->own);
		proven &= c->any[i].n == 1;
	}
	if (proven)
		ix->proven[rule / 64] |= 1ull << (rule % 64);
	return true;
}

static struct cond_index *index_new(struct arena *a, struct cond *const *conds, int n)
{
	struct cond_index *ix = ARENA_NEW(a, struct cond_index);

	ix->arena = a;
	ix->conds = conds;
	ix->n = n;
	ix->groups = arena_zalloc(a, sizeof(*ix->groups) * MOST_GROUPS);
	ix->plain = arena_alloc(a, sizeof(*ix->plain) * (n + 1));
	ix->proven = arena_zalloc(a, (n / 64 + 1) * sizeof(*ix->proven));
	return ix;
}

struct cond_index *cond_index_build(struct arena *a, struct cond *const *conds, int n)
{
	struct cond **copy = arena_alloc(a, sizeof(*copy) * (n + 1));
	struct cond_index *ix, *usage;
	struct arena scrap;

	if (n)
		memcpy(copy, conds, sizeof(*copy) * n);
	ix = index_new(a, copy, n);
	arena_init(&scrap, 65536);
	usage = index_new(&scrap, copy, n);
	if (n >= INDEX_FROM)
		count_usage(usage, copy, n);
	for (int r = 0; r < n; r++)
		if (n < INDEX_FROM || !cond_has_keys(copy[r]) || !rule_add(ix, usage, copy[r], r))
			ix->plain[ix->nplain++] = r;
	for (int i = 0; i < ix->ngroups; i++)
		group_seal(&ix->groups[i]);
	arena_fini(&scrap);
	return ix;
}

/* ---- asking ---- */

struct candidates {
	struct {
		const uint32_t *at, *end;
	} list[MOST_LISTS];
	int n;
	bool overflow;
};

static bool collect(void *ctx, const uint32_t *values, uint32_t n)
{
	struct candidates *c = ctx;

	if (c->n == MOST_LISTS) {
		c->overflow = true;
		return true;
	}
	c->list[c->n].at = values;
	c->list[c->n++].end = values + n;
	return false;
}

static void search_as(const struct group *g, enum smp_type type, const struct sample *value,
		      const struct smp_ctx *ctx, struct candidates *c)
{
	struct sample s = *value;

	if (!sample_cast(&s, type, ctx))
		return;
	if (type == SMP_INT) {
		key_table_search(g->ints, slice_make(&s.u.i, sizeof(s.u.i)), collect, c);
		return;
	}
	if (type == SMP_ADDR) {
		net_table_search(g->nets, &s.u.a, collect, c);
		return;
	}
	for (int kind = 0; kind <= MATCH_VERSION; kind++)
		for (int icase = 0; icase < 2; icase++)
			if (g->keys[kind][icase] && (kind == MATCH_BIN) == (type == SMP_BIN))
				key_table_search(g->keys[kind][icase], s.u.s, collect, c);
}

/* False: data is missing, and only trying the rules in turn can tell whether it matters. */
static bool search(const struct group *g, const struct smp_ctx *ctx, struct candidates *c)
{
	struct sample s;
	bool got;

	if (!(g->expr->fetch->where & (g->where | SMP_W_INTERNAL)))
		return true;
	for (got = expr_eval_first(g->expr, ctx, SMP_ANY, &s); got;
	     got = expr_eval_next(g->expr, ctx, SMP_ANY, &s)) {
		if (s.flags & SMP_F_MAY_CHANGE)
			return false;
		if (g->texts)
			search_as(g, SMP_STR, &s, ctx, c);
		if (g->keys[MATCH_BIN][0])
			search_as(g, SMP_BIN, &s, ctx, c);
		if (g->nets)
			search_as(g, SMP_ADDR, &s, ctx, c);
		if (g->ints)
			search_as(g, SMP_INT, &s, ctx, c);
	}
	return !(s.flags & SMP_F_MAY_CHANGE);
}

static int in_turn(const struct cond_index *ix, const struct smp_ctx *ctx)
{
	for (int r = 0; r < ix->n; r++) {
		enum acl_result one = ix->conds[r] ? cond_eval(ix->conds[r], ctx) : ACL_YES;

		if (one != ACL_NO)
			return one == ACL_MORE ? -1 : r;
	}
	return ix->n;
}

/* The smallest rule number that is still in one of the lists, taken out of all of them. */
static uint32_t next_candidate(struct candidates *c)
{
	uint32_t least = UINT32_MAX;

	for (int i = 0; i < c->n; i++)
		if (c->list[i].at < c->list[i].end && *c->list[i].at < least)
			least = *c->list[i].at;
	for (int i = 0; i < c->n; i++)
		if (c->list[i].at < c->list[i].end && *c->list[i].at == least)
			c->list[i].at++;
	return least;
}

int cond_index_first(const struct cond_index *ix, const struct smp_ctx *ctx)
{
	struct candidates c;
	uint32_t found;
	int plain = 0;

	if (__atomic_load_n(&ix->stale, __ATOMIC_ACQUIRE))
		return in_turn(ix, ctx);
	c.n = 0;
	c.overflow = false;
	for (int i = 0; i < ix->ngroups; i++)
		if (!search(&ix->groups[i], ctx, &c) || c.overflow)
			return in_turn(ix, ctx);
	for (found = next_candidate(&c);;) {
		bool is_plain = plain < ix->nplain && ix->plain[plain] < found;
		uint32_t r = is_plain ? ix->plain[plain++] : found;
		enum acl_result one;

		if (r == UINT32_MAX)
			return ix->n;
		if (!is_plain)
			found = next_candidate(&c);
		if (!is_plain && (ix->proven[r / 64] >> (r % 64) & 1))
			return (int)r;
		one = ix->conds[r] ? cond_eval(ix->conds[r], ctx) : ACL_YES;
		if (one != ACL_NO)
			return one == ACL_MORE ? -1 : (int)r;
	}
}
