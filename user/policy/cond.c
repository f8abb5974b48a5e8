// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cond.c - conditions: "if a !b or { path_beg /x }". Parsing: control thread. Evaluation: any worker.
 */
#include <stdio.h>

#include "model/proxy.h"
#include "policy/cond.h"

struct cond_words {
	struct cfg_line *l;
	int at;
	struct cond *c;
};

static const char *word(const struct cond_words *w)
{
	return w->at < w->l->nwords ? w->l->words[w->at].z : "";
}

static bool is_or(const char *z)
{
	return !strcmp(z, "or") || !strcmp(z, "||");
}

/* ---- what an unknown name may have meant ---- */

struct acl_walk {
	const struct list *acls, *at;
	size_t row;
};

static const char *acl_next(void *ctx)
{
	struct acl_walk *w = ctx;
	const struct acl_predefined *row;

	if (w->at && w->at->next != w->acls) {
		w->at = w->at->next;
		return list_entry(w->at, struct acl, node)->name;
	}
	row = row_table_at(&acl_predefined_rows, w->row++);
	return row ? row->name : NULL;
}

static int no_such_acl(struct cond_words *w, const char *name)
{
	const struct list *acls = w->l->px ? &w->l->px->acls : NULL;
	struct acl_walk walk = { acls, acls, 0 };
	const char *near = diag_nearest(name, acl_next, &walk);

	if (near)
		return cfg_error(w->l, w->at, "no such ACL: '%s'; did you mean '%s'?", name, near);
	if (row_table_find(&fetch_rows, slice_z(name)) ||
	    row_table_find(&acl_keyword_rows, slice_z(name)))
		return cfg_error(
			w->l, w->at,
			"no such ACL: '%s'; a test without a name stands in braces: { %s ... }",
			name, name);
	return cfg_error(w->l, w->at,
			 "no such ACL: '%s'; declare it with 'acl %s ...' above this line", name,
			 name);
}

/* ---- terms ---- */

static struct acl *parse_anonymous(struct cond_words *w)
{
	struct acl *a = ARENA_NEW(w->l->arena, struct acl);
	int from = ++w->at, to = from;

	while (to < w->l->nwords && strcmp(w->l->words[to].z, "}"))
		to++;
	if (to == w->l->nwords) {
		cfg_error(w->l, from - 1,
			  "the closing '}' of this test is missing (a word of its own, with a "
			  "space in front)");
		return NULL;
	}
	a->tests = arena_alloc(w->l->arena, sizeof(*a->tests));
	a->at = cfg_place(w->l, from);
	a->tests[0] = acl_test_parse(w->l, from, to);
	a->ntests = 1;
	w->at = to + 1;
	return a->tests[0] ? a : NULL;
}

/* As in HAProxy: legal, but most probably not meant. */
static void warn_never(struct cond_words *w, int at, const struct acl *a)
{
	char need[160], have[320];
	unsigned int where = 0;

	for (int i = 0; i < a->ntests; i++)
		where |= a->tests[i]->expr->fetch->where;
	if (!w->c->where || (where & (w->c->where | SMP_W_INTERNAL)))
		return;
	cfg_warn(w->l, at, "%s%s%s will never match here: it reads %s, and here there is %s",
		 a->name ? "acl '" : "this test", a->name ? a->name : "", a->name ? "'" : "",
		 smp_where_text(where, need, sizeof(need)),
		 smp_where_text(w->c->where, have, sizeof(have)));
}

static int parse_term(struct cond_words *w, struct cond_term *t)
{
	const char *name = word(w);
	int at = w->at;
	struct acl *a;
	int errors = w->l->diag ? w->l->diag->errors : 0;

	while (*name == '!') {
		t->negated = !t->negated;
		name++;
		if (!*name) {
			w->at++;
			name = word(w);
		}
	}
	if (!*name)
		return cfg_error(w->l, at, "'!' needs an ACL or a test in braces behind it");
	if (!strcmp(name, "{")) {
		a = parse_anonymous(w);
		if (!a)
			return -1;
	} else {
		a = acl_find(w->l, name);
		if (!a)
			return w->l->diag && w->l->diag->errors > errors ? -1
									 : no_such_acl(w, name);
		w->at++;
	}
	t->acl = a;
	warn_never(w, at, a);
	return 0;
}

/* Room for all that the rest of the line can hold is known, so nothing has to grow. */
struct cond *cond_parse(struct cfg_line *l, int i, unsigned int where)
{
	struct cond *c = ARENA_NEW(l->arena, struct cond);
	struct cond_words w = { l, i, c };
	struct cond_term *terms;
	bool joined = true; /* an "or" stands in front, or the start */

	c->unless = !strcmp(word(&w), "unless");
	if (!c->unless && strcmp(word(&w), "if")) {
		cfg_error(l, i,
			  "'%s' is not expected here; a condition begins with 'if' or 'unless'",
			  word(&w));
		return NULL;
	}
	c->where = where;
	c->text = cfg_words_text(l, i, l->nwords);
	terms = arena_zalloc(l->arena, sizeof(*terms) * (l->nwords - i + 1));
	c->any = arena_zalloc(l->arena, sizeof(*c->any) * (l->nwords - i + 1));
	for (w.at++; w.at < l->nwords;) {
		if (is_or(word(&w))) {
			if (joined)
				goto dangling;
			joined = true;
			w.at++;
			continue;
		}
		if (joined) {
			c->any[c->n++].terms = terms;
			joined = false;
		}
		if (parse_term(&w, terms++))
			return NULL;
		c->any[c->n - 1].n++;
	}
	if (!joined)
		return c;
	if (!c->n) {
		cfg_error(l, i, "'%s' needs a condition behind it", c->unless ? "unless" : "if");
		return NULL;
	}
dangling:
	cfg_error(l, w.at < l->nwords ? w.at : l->nwords - 1, "'or' needs an ACL on both sides");
	return NULL;
}

const char *cond_text(const struct cond *c)
{
	return c->text;
}

/* ---- evaluation ---- */

static enum acl_result eval_term(const struct cond_term *t, unsigned int where,
				 const struct smp_ctx *ctx)
{
	enum acl_result r = ACL_NO;

	for (int i = 0; i < t->acl->ntests && r != ACL_YES; i++) {
		enum acl_result one = acl_test_eval(t->acl->tests[i], where, ctx);

		if (one != ACL_NO)
			r = one;
	}
	if (r == ACL_MORE)
		return r;
	return (r == ACL_YES) != t->negated ? ACL_YES : ACL_NO;
}

static enum acl_result eval_all(const struct cond_all *all, unsigned int where,
				const struct smp_ctx *ctx)
{
	enum acl_result r = ACL_YES;

	for (int i = 0; i < all->n; i++) {
		enum acl_result one = eval_term(&all->terms[i], where, ctx);

		if (one == ACL_NO)
			return ACL_NO;
		if (one == ACL_MORE)
			r = ACL_MORE;
	}
	return r;
}

enum acl_result cond_eval(const struct cond *c, const struct smp_ctx *ctx)
{
	enum acl_result r = ACL_NO;

	for (int i = 0; i < c->n; i++) {
		enum acl_result one = eval_all(&c->any[i], c->where, ctx);

		if (one == ACL_YES)
			return c->unless ? ACL_NO : ACL_YES;
		if (one == ACL_MORE)
			r = ACL_MORE;
	}
	if (r == ACL_MORE)
		return r;
	return c->unless ? ACL_YES : ACL_NO;
}
