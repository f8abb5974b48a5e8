// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern_ref.c - see pattern_ref.h: generations and their entries. Not for: how references come out of the configuration
 * (pattern_use.c), commands (pattern_cli.c). Any thread, with the reference's lock.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"
#include "base/units.h"
#include "policy/pattern_ref.h"
#include "policy/sample_util.h"

/* ---- values ---- */

bool pat_value_parse(struct slice text, enum smp_type out, struct sample *v)
{
	memset(v, 0, sizeof(*v));
	switch (out) {
	case SMP_INT:
		v->type = SMP_INT;
		return !parse_i64(text, INT64_MIN, INT64_MAX, &v->u.i);
	case SMP_ADDR:
		if (addr_parse_ip(&v->u.a, text))
			return false;
		v->type = v->u.a.family == ADDR_IP4 ? SMP_IP4 : SMP_IP6;
		return true;
	default:
		return smp_str(v, text);
	}
}

static int value_check(const struct pat_ref *r, const char *value, struct pattern_error *err)
{
	struct sample v;

	for (int i = 0; value && i < r->nuses; i++) {
		enum smp_type out = r->uses[i].out;

		if (out == SMP_NONE || pat_value_parse(slice_z(value), out, &v))
			continue;
		snprintf(err->what, sizeof(err->what), "unable to parse '%s'", value);
		err->advice = out == SMP_INT ? "its values are numbers"
					     : "its values are IPv4 or IPv6 addresses";
		return -1;
	}
	return 0;
}

static struct pat_value *value_new(const char *text)
{
	size_t n = strlen(text);
	struct pat_value *v = xmalloc(sizeof(*v) + n + 1);

	v->n = (uint32_t)n;
	memcpy(v->text, text, n + 1);
	return v;
}

static void value_free_rcu(struct rcu_head *head)
{
	free(container_of(head, struct pat_value, rcu));
}

int pat_entry_set(struct pat_ref *r, struct pat_entry *e, const char *value,
		  struct pattern_error *err)
{
	struct pat_value *old = e->value;

	if (value_check(r, value, err))
		return -1;
	rcu_assign_pointer(e->value, value_new(value));
	if (old)
		live_free_later(&old->rcu, value_free_rcu);
	return 0;
}

/* ---- generations ---- */

static struct pat_gen *gen_new(const struct pat_ref *r, uint32_t version)
{
	struct pat_gen *g = xzalloc(sizeof(*g));

	list_init(&g->entries);
	list_init(&g->node);
	g->version = version;
	g->nindexes = r->nmethods;
	g->index = xzalloc(sizeof(*g->index) * (size_t)r->nmethods);
	for (int i = 0; i < r->nmethods; i++)
		live_index_init(&g->index[i], &r->methods[i]);
	return g;
}

static void entry_free(struct pat_entry *e)
{
	struct live_node *n = e->nodes, *next;

	for (; n; n = next) {
		next = n->sibling;
		live_node_free(n);
	}
	free(e->value);
	free(e);
}

static void entry_free_rcu(struct rcu_head *head)
{
	entry_free(container_of(head, struct pat_entry, rcu));
}

/* Runs in the thread that waits for readers: 10 ms at 100,000 entries. */
static void gen_free_rcu(struct rcu_head *head)
{
	struct pat_gen *g = container_of(head, struct pat_gen, rcu);
	struct pat_entry *e, *tmp;

	list_for_each_entry_safe(e, tmp, &g->entries, node)
		entry_free(e);
	for (int i = 0; i < g->nindexes; i++)
		live_index_fini(&g->index[i]);
	free(g->index);
	free(g);
}

static void gen_drop(struct pat_ref *r, struct pat_gen *g)
{
	struct pat_cursor *c;

	list_for_each_entry(c, &r->cursors, node)
		if (c->gen == g)
			c->gen = NULL;
	list_del(&g->node);
	live_free_later(&g->rcu, gen_free_rcu);
}

static void take_out(struct pat_gen *g, struct pat_entry *e)
{
	for (struct live_node *n = e->nodes; n; n = n->sibling)
		live_index_remove(&g->index[n->index], n);
	live_free_later(&e->rcu, entry_free_rcu);
}

int pat_gen_add(struct pat_ref *r, struct pat_gen *g, const char *key, const char *value, bool dns,
		struct pattern_error *err)
{
	size_t n = strlen(key);
	struct pat_entry *e;

	if (value_check(r, value, err))
		return -1;
	e = xzalloc(sizeof(*e) + n + 1);
	memcpy(e->key, key, n + 1);
	e->n = (uint32_t)n;
	e->seq = ++r->seq;
	e->value = value ? value_new(value) : NULL;
	for (int i = 0; i < g->nindexes; i++)
		if (live_index_add(&g->index[i], (uint16_t)i, e, dns, err)) {
			take_out(g, e);
			return -1;
		}
	list_add_tail(&g->entries, &e->node);
	g->n++;
	return 0;
}

void pat_gen_delete(struct pat_ref *r, struct pat_gen *g, struct pat_entry *e)
{
	struct pat_cursor *c;

	list_for_each_entry(c, &r->cursors, node)
		if (c->at == &e->node)
			c->at = e->node.next;
	list_del(&e->node);
	g->n--;
	take_out(g, e);
}

static const struct live_node *find_key(const struct pat_gen *g, const char *key)
{
	return live_table_find(&g->index[0].table, slice_z(key), LIVE_ANY);
}

struct pat_entry *pat_gen_find(const struct pat_gen *g, const char *key)
{
	const struct live_node *n = find_key(g, key);

	return n ? n->entry : NULL;
}

/* ---- versions ---- */

struct pat_gen *pat_ref_version(struct pat_ref *r, uint32_t version, bool make)
{
	struct pat_gen *g;

	pat_ref_entries(r);
	if (version == r->curr_version)
		return make ? pat_ref_current(r) : r->base;
	list_for_each_entry(g, &r->others, node)
		if (g->version == version)
			return g;
	if (!make)
		return NULL;
	g = gen_new(r, version);
	list_add_tail(&r->others, &g->node);
	return g;
}

void pat_ref_entries(struct pat_ref *r)
{
	struct pattern_error err;

	if (r->base)
		return;
	r->base = gen_new(r, r->curr_version);
	for (int i = 0; r->fixed && i < r->fixed->n;
	     i++) /* was parsed before: cannot fail but for a
							     host name, which no longer counts */
		(void)pat_gen_add(r, r->base, r->fixed->v[i].written, NULL, true, &err);
}

static void publish(struct pat_ref *r)
{
	for (int i = 0; !r->live && i < r->nwatchers; i++)
		__atomic_store_n(r->watchers[i], true, __ATOMIC_RELEASE);
	rcu_assign_pointer(r->live, r->base);
}

struct pat_gen *pat_ref_current(struct pat_ref *r)
{
	pat_ref_entries(r);
	if (r->live != r->base)
		publish(r);
	return r->base;
}

static bool is_newer(uint32_t a, uint32_t b)
{
	return (int32_t)(a - b) > 0;
}

static void replace_base(struct pat_ref *r, struct pat_gen *g)
{
	struct pat_gen *old = r->base;

	r->base = g;
	publish(r);
	if (old)
		gen_drop(r, old);
}

int pat_ref_commit(struct pat_ref *r, uint32_t version)
{
	struct pat_gen *g, *tmp;

	if (!is_newer(version, r->curr_version) || is_newer(version, r->next_version))
		return -ERANGE;
	g = pat_ref_version(r, version, true);
	list_del(&g->node);
	r->curr_version = version;
	replace_base(r, g);
	list_for_each_entry_safe(g, tmp, &r->others, node)
		if (!is_newer(g->version, version))
			gen_drop(r, g);
	return 0;
}

void pat_ref_clear(struct pat_ref *r, uint32_t version)
{
	struct pat_gen *g;

	if (version == r->curr_version) {
		pat_ref_entries(r);
		replace_base(r, gen_new(r, version));
		return;
	}
	g = pat_ref_version(r, version, false);
	if (g)
		gen_drop(r, g);
}

int pat_ref_delete_key(struct pat_ref *r, const char *key)
{
	struct pat_entry *e;
	struct pat_gen *g;
	int n = 0;

	pat_ref_entries(r);
	if (!pat_gen_find(r->base, key))
		return 0;
	for (g = pat_ref_current(r); (e = pat_gen_find(g, key)); n++)
		pat_gen_delete(r, g, e);
	return n;
}

int pat_ref_set_key(struct pat_ref *r, const char *key, const char *value,
		    struct pattern_error *err)
{
	int n = 0;

	for (const struct live_node *at = find_key(pat_ref_current(r), key); at; at = at->same, n++)
		if (pat_entry_set(r, at->entry, value, err))
			return -1;
	return n;
}

/* ---- asking ---- */

bool pat_ref_has(const struct pat_ref *r, int index, const struct sample *s)
{
	const struct pat_gen *g = pat_ref_live(r);

	if (!g)
		return r->fixed && patterns_match(r->fixed, s);
	return live_index_find(&g->index[index], s, LIVE_ANY);
}

/* ---- cursors ---- */

void pat_cursor_begin(struct pat_cursor *c, struct pat_ref *r, struct pat_gen *g)
{
	c->ref = r;
	c->gen = g;
	c->at = g->entries.next;
	list_add_tail(&r->cursors, &c->node);
}

struct pat_entry *pat_cursor_next(struct pat_cursor *c)
{
	struct pat_entry *e;

	if (!c->gen || c->at == &c->gen->entries)
		return NULL;
	e = list_entry(c->at, struct pat_entry, node);
	c->at = c->at->next;
	return e;
}

void pat_cursor_end(struct pat_cursor *c)
{
	list_del(&c->node);
}

void pat_refs_free(struct config *cfg)
{
	struct pat_ref *r;

	list_for_each_entry(r, pat_refs(cfg), node) {
		struct pat_gen *g, *tmp;

		list_for_each_entry_safe(g, tmp, &r->others, node)
			gen_drop(r, g);
		if (r->base)
			gen_drop(r, r->base);
		r->base = r->live = NULL;
	}
}
