// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern_use.c - how pattern references come out of the configuration: files are read at their first use and shared by name,
 * an ACL's own values get a reference of their own, and all get numbers when everything is read. Control thread, before the workers start.
 */
#include <stdio.h>
#include <stdlib.h>

#include "model/config.h"
#include "policy/pattern_file.h"
#include "policy/pattern_ref.h"

struct list *pat_refs(const struct config *cfg)
{
	return (struct list *)&cfg->pattern_refs;
}

struct pat_ref *pat_ref_find(const struct config *cfg, const char *name)
{
	struct pat_ref *r;

	list_for_each_entry(r, pat_refs(cfg), node)
		if (r->name && !strcmp(r->name, name))
			return r;
	return NULL;
}

static struct pat_ref *ref_new(struct cfg_line *l)
{
	struct pat_ref *r = ARENA_NEW(l->arena, struct pat_ref);
	static const struct live_method by_key = { .kind = MATCH_STR };

	r->id = -1;
	pthread_mutex_init(&r->lock, NULL);
	list_init(&r->others);
	list_init(&r->cursors);
	r->methods = arena_alloc(l->arena, sizeof(*r->methods));
	r->methods[r->nmethods++] = by_key;
	list_add_tail(pat_refs(l->cfg), &r->node);
	return r;
}

static void add_place(struct cfg_line *l, struct pat_ref *r, const char *kind)
{
	struct pat_place *p = ARENA_NEW(l->arena, struct pat_place);

	p->kind = kind;
	p->at = l->at;
	if (r->last_place)
		r->last_place->next = p;
	else
		r->places = p;
	r->last_place = p;
}

/* ---- uses ---- */

static bool same_method(const struct live_method *a, const struct live_method *b)
{
	return a->kind == b->kind && a->icase == b->icase && a->groups == b->groups;
}

static int method_number(struct cfg_line *l, struct pat_ref *r, const struct live_method *m)
{
	struct live_method *more;

	for (int i = 0; i < r->nmethods; i++)
		if (same_method(&r->methods[i], m))
			return i;
	more = arena_alloc(l->arena, sizeof(*more) * (size_t)(r->nmethods + 1));
	memcpy(more, r->methods, sizeof(*more) * (size_t)r->nmethods);
	more[r->nmethods] = *m;
	r->methods = more;
	return r->nmethods++;
}

int pat_ref_use(const struct pat_ref *r, const struct pat_use *use)
{
	for (int i = 0; i < r->nuses; i++)
		if (r->uses[i].kind == use->kind && r->uses[i].icase == use->icase &&
		    r->uses[i].replace == use->replace && r->uses[i].out == use->out)
			return i;
	return -1;
}

/* True: it is new. */
static bool add_use(struct cfg_line *l, struct pat_ref *r, const struct pat_use *use)
{
	const struct live_method m = { use->kind, use->icase, use->replace };
	struct pat_use *more;

	if (pat_ref_use(r, use) >= 0)
		return false;
	more = arena_alloc(l->arena, sizeof(*more) * (size_t)(r->nuses + 1));
	if (r->nuses)
		memcpy(more, r->uses, sizeof(*more) * (size_t)r->nuses);
	more[r->nuses] = *use;
	more[r->nuses++].index = method_number(l, r, &m);
	r->uses = more;
	return true;
}

/* ---- files ---- */

struct load {
	struct pattern_reader reader;
	struct pat_ref *ref;
	bool dns;
};

static int load_entry(struct pattern_reader *reader, const char *key, const char *value, int line)
{
	struct load *f = container_of(reader, struct load, reader);
	struct pat_gen *g = f->ref->base;

	if (pat_gen_add(f->ref, g, key, value, f->dns, &reader->err))
		return -1;
	list_last(&g->entries, struct pat_entry, node)->line = (uint32_t)line;
	return 0;
}

static void load_expect(struct pattern_reader *reader, uint32_t entries)
{
	struct pat_gen *g = container_of(reader, struct load, reader)->ref->base;

	for (int i = 0; i < g->nindexes; i++)
		live_index_reserve(&g->index[i], entries);
}

static int say(struct cfg_line *l, int word, const char *path, int line,
	       const struct pattern_error *err)
{
	if (line)
		return cfg_error(l, word, "%s:%d: %s; %s", path, line, err->what, err->advice);
	return cfg_error(l, word, "%s; %s", err->what, err->advice);
}

static int load(struct cfg_line *l, int word, struct pat_ref *r, bool dns)
{
	struct load f = { .reader = { .path = r->name,
				      .two_columns = r->two_columns,
				      .entry = load_entry,
				      .expect = load_expect },
			  .ref = r,
			  .dns = dns };

	pat_ref_current(r);
	return pattern_file_read(&f.reader) ? say(l, word, r->name, f.reader.line, &f.reader.err)
					    : 0;
}

/* A file that was read for another use: its entries must do for this one, too. */
static int adapt(struct cfg_line *l, int word, struct pat_ref *r, bool dns)
{
	const struct pat_use *use = &r->uses[r->nuses - 1];
	struct pat_gen *g = r->base;
	bool new_index = g->nindexes < r->nmethods;
	struct pattern_error err;
	struct pat_entry *e;
	struct sample v;

	if (new_index) {
		g->index = xrealloc(g->index, sizeof(*g->index) * (size_t)r->nmethods);
		live_index_init(&g->index[g->nindexes], &r->methods[g->nindexes]);
		g->nindexes++;
	}
	list_for_each_entry(e, &g->entries, node) {
		if (new_index && live_index_add(&g->index[g->nindexes - 1],
						(uint16_t)(g->nindexes - 1), e, dns, &err))
			return say(l, word, r->name, (int)e->line, &err);
		if (use->out != SMP_NONE && e->value &&
		    !pat_value_parse(slice_make(e->value->text, e->value->n), use->out, &v))
			return cfg_error(l, word, "%s:%u: unable to parse '%s'; %s", r->name,
					 e->line, e->value->text,
					 use->out == SMP_INT ? "its values are numbers"
							     : "its values are IPv4 or IPv6 "
							       "addresses");
	}
	return 0;
}

static int check_columns(struct cfg_line *l, int word, const struct pat_ref *r, bool two_columns)
{
	if (r->two_columns == two_columns)
		return 0;
	return cfg_error(l, word,
			 "'%s' is already used as a %s file (%s:%d) and cannot be a %s file here, "
			 "too; %s",
			 r->name, r->two_columns ? "two column (map)" : "one column (ACL)",
			 r->places->at.file, r->places->at.line,
			 two_columns ? "two column (map)" : "one column (ACL)",
			 "'-M -f' lets an ACL use a map file");
}

struct pat_ref *pat_ref_file(struct cfg_line *l, int word, const char *path, bool two_columns,
			     const struct pat_use *use, bool dns)
{
	struct pat_ref *r = pat_ref_find(l->cfg, path);
	bool is_acl = use->out == SMP_NONE, first = !r;

	if (l->section == CFG_GLOBAL && live_has_readers()) {
		cfg_error(l, word, "files cannot be named in a command");
		return NULL;
	}
	if (r && check_columns(l, word, r, two_columns))
		return NULL;
	if (!r) {
		r = ref_new(l);
		r->name = arena_strdup(l->arena, path);
		r->two_columns = two_columns;
	}
	add_place(l, r, two_columns ? "map" : "acl");
	r->acl |= is_acl;
	r->map |= two_columns;
	if (add_use(l, r, use) && !first)
		return adapt(l, word, r, dns) ? NULL : r;
	return first && load(l, word, r, dns) ? NULL : r;
}

/* ---- an ACL's own values ---- */

struct pat_ref *pat_ref_own(struct cfg_line *l, int word, int id, const char *keyword,
			    const struct patterns *fixed, bool icase)
{
	const struct pat_use use = { .kind = fixed->kind, .icase = icase, .out = SMP_NONE };
	struct pat_ref *r;

	if (id >= 0)
		list_for_each_entry(r, pat_refs(l->cfg), node)
			if (r->id == id) {
				cfg_error(l, word, "the id %d is already used (%s:%d)", id,
					  r->places->at.file, r->places->at.line);
				return NULL;
			}
	r = ref_new(l);
	r->id = id;
	r->keyword = keyword;
	r->fixed = fixed;
	r->acl = true;
	add_place(l, r, "acl");
	add_use(l, r, &use);
	return r;
}

static int by_id(const void *a, const void *b)
{
	const struct pat_ref *const *x = a, *const *y = b;

	return ((*x)->id > (*y)->id) - ((*x)->id < (*y)->id);
}

/* In the configuration's order, without those that -u has taken; then the list is in the order of the ids. */
void pat_refs_number(struct config *cfg)
{
	struct list *refs = pat_refs(cfg);
	int n = 0, taken = 0, next = 0, at = 0;
	struct pat_ref *r, **all;

	list_for_each_entry(r, refs, node)
		n++;
	all = xmalloc(sizeof(*all) * (size_t)(n + 1));
	list_for_each_entry(r, refs, node)
		if (r->id >= 0)
			all[taken++] = r;
	qsort(all, (size_t)taken, sizeof(*all), by_id);
	list_for_each_entry(r, refs, node) {
		if (r->id >= 0)
			continue;
		for (; at < taken && all[at]->id <= next; at++)
			next += all[at]->id == next;
		r->id = next++;
	}
	n = 0;
	list_for_each_entry(r, refs, node)
		all[n++] = r;
	qsort(all, (size_t)n, sizeof(*all), by_id);
	list_init(refs);
	for (int i = 0; i < n; i++)
		list_add_tail(refs, &all[i]->node);
	free(all);
}
