// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * acl.c - ACLs: parsing of "acl NAME test" and of the tests themselves, the predefined names, and the evaluation of one
 * test. Parsing: control thread. Evaluation: any worker.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/coverage.h"
#include "base/units.h"
#include "model/proxy.h"
#include "policy/cond.h"
#include "policy/pattern_ref.h"

/* ---- flags: "-i -f FILE -m beg -n -M -u ID --" ---- */

struct test_words {
	struct cfg_line *l;
	int at, end; /* words not read yet */
	struct acl_test *test;
	struct pattern_words p;
	bool map;
	int id; /* of -u; -1: none */
};

static const char *word(const struct test_words *w)
{
	return w->at < w->end ? w->l->words[w->at].z : "";
}

static int need_value(struct test_words *w, const char *flag)
{
	if (w->at + 1 < w->end)
		return 0;
	return cfg_error(w->l, w->at, "'%s' needs a value behind it", flag);
}

static int flag_match(struct test_words *w)
{
	const struct match_row *m;

	if (need_value(w, "-m"))
		return -1;
	m = match_find(w->l->words[w->at + 1].z);
	if (!m)
		return cfg_error(
			w->l, w->at + 1,
			"unknown matching method '%s'; there are found, bool, int, ip, bin, "
			"len, str, beg, sub, dir, dom, end and reg",
			w->l->words[w->at + 1].z);
	if (w->test->patterns.n || w->test->nfiles)
		return cfg_error(w->l, w->at, "'-m' must stand in front of all values and files");
	if (!smp_type_casts(w->test->expr->out, m->takes))
		return cfg_error(w->l, w->at, "'-m %s' cannot be used here: '%s' gives type %s",
				 m->name, w->test->expr->text, smp_type_name(w->test->expr->out));
	w->test->match = m;
	w->test->patterns.kind = m->kind;
	w->at += 2;
	return 0;
}

static int flag_file(struct test_words *w)
{
	struct acl_test *t = w->test;
	struct pat_use use = { .icase = w->p.icase, .out = SMP_NONE };
	struct acl_file *more;
	struct pat_ref *r;

	if (need_value(w, "-f"))
		return -1;
	if (!t->match)
		return 1; /* the caller says that -m is missing */
	use.kind = t->match->kind;
	r = pat_ref_file(w->l, w->at + 1, w->l->words[w->at + 1].z, w->map, &use, !w->p.no_dns);
	if (!r)
		return -1;
	more = arena_alloc(w->l->arena, sizeof(*more) * (size_t)(t->nfiles + 1));
	if (t->nfiles)
		memcpy(more, t->files, sizeof(*more) * (size_t)t->nfiles);
	more[t->nfiles].ref = r;
	more[t->nfiles++].index = r->uses[pat_ref_use(r, &use)].index;
	t->files = more;
	w->at += 2;
	return 0;
}

static int flag_id(struct test_words *w)
{
	int64_t id;

	if (need_value(w, "-u"))
		return -1;
	if (parse_i64(slice_z(w->l->words[w->at + 1].z), 0, INT32_MAX, &id))
		return cfg_error(w->l, w->at + 1,
				 "the argument of -u must be a number (0..%d), not '%s'", INT32_MAX,
				 w->l->words[w->at + 1].z);
	w->id = (int)id;
	w->at += 2;
	return 0;
}

static int flag_simple(struct test_words *w)
{
	switch (word(w)[1]) {
	case 'i':
		w->p.icase = true;
		break;
	case 'n':
		w->p.no_dns = true;
		break;
	case 'M':
		w->map = true;
		break;
	}
	w->at++;
	return 0;
}

static const struct {
	const char *name;
	int (*parse)(struct test_words *w);
} flags[] = {
	{ "-i", flag_simple }, { "-n", flag_simple }, { "-M", flag_simple },
	{ "-m", flag_match },  { "-f", flag_file },   { "-u", flag_id },
};

static int no_method(struct test_words *w)
{
	return cfg_error(w->l, w->at < w->end ? w->at : w->end - 1,
			 "'%s' gives type %s, which has no usual way of matching: say one with '-m "
			 "<method>'",
			 w->test->expr->text, smp_type_name(w->test->expr->out));
}

static int parse_flags(struct test_words *w)
{
	while (word(w)[0] == '-') {
		size_t f;
		int r;

		if (!strcmp(word(w), "--")) {
			coverage_note("acl-flag", "--");
			w->at++;
			break;
		}
		for (f = 0; f < ARRAY_SIZE(flags); f++)
			if (!strcmp(flags[f].name, word(w)))
				break;
		if (f == ARRAY_SIZE(flags))
			return cfg_error(
				w->l, w->at,
				"'%s' is no flag (-i, -f, -m, -n, -M, -u, --); put '--' in "
				"front of a value that begins with '-'",
				word(w));
		coverage_note("acl-flag", flags[f].name);
		r = flags[f].parse(w);
		if (r)
			return r > 0 ? no_method(w) : r;
	}
	if (!w->test->match && w->at < w->end)
		return no_method(w);
	return 0;
}

static bool is_operator(const char *z)
{
	return !strcmp(z, "eq") || !strcmp(z, "ge") || !strcmp(z, "gt") || !strcmp(z, "le") ||
	       !strcmp(z, "lt");
}

static int parse_values(struct test_words *w)
{
	enum match_kind kind = w->test->patterns.kind;
	bool numbers = kind == MATCH_INT || kind == MATCH_LEN || kind == MATCH_VERSION;

	if (kind == MATCH_FOUND || kind == MATCH_BOOL)
		return 0; /* what follows is ignored, as the manual says */
	for (; w->at < w->end; w->at++) {
		if (numbers && is_operator(word(w))) {
			w->p.op = word(w);
			if (w->at + 1 == w->end)
				return cfg_error(w->l, w->at, "'%s' needs a number behind it",
						 word(w));
			continue;
		}
		if (patterns_add(&w->test->patterns, w->l, w->at, word(w), &w->p))
			return -1;
	}
	return 0;
}

/* What `add acl #<id>` changes. */
static struct pat_ref *own_values(struct test_words *w, int from)
{
	const char *text = w->l->words[from].z;
	struct slice keyword = slice_make(text, strcspn(text, "(,"));

	return pat_ref_own(w->l, from, w->id, arena_dup(w->l->arena, keyword).p, &w->test->patterns,
			   w->p.icase);
}

struct acl_test *acl_test_parse(struct cfg_line *l, int from, int to)
{
	struct acl_test *t = ARENA_NEW(l->arena, struct acl_test);
	struct test_words w = { .l = l, .at = from + 1, .end = to, .test = t, .id = -1 };
	const struct acl_keyword *kw = NULL;

	if (from >= to) {
		cfg_error(l, from < l->nwords ? from : l->nwords - 1,
			  "a test is missing: <fetch> [flags] [values]");
		return NULL;
	}
	t->expr = expr_parse_acl(l, from, l->words[from].z, &kw);
	if (!t->expr)
		return NULL;
	if (kw && !t->expr->nconvs) /* with converters, what counts is what they give */
		t->match = !strcmp(kw->match, "version") ? match_of(MATCH_VERSION)
							 : match_find(kw->match);
	else
		t->match = match_of(match_default(t->expr->out));
	t->patterns.kind = t->match ? t->match->kind : MATCH_NONE;
	if (parse_flags(&w))
		return NULL;
	if (!t->match) {
		no_method(&w);
		return NULL;
	}
	if (parse_values(&w))
		return NULL;
	patterns_seal(&t->patterns, l->arena);
	t->own = own_values(&w, from);
	t->text = cfg_words_text(l, from, to);
	return t->own ? t : NULL;
}

/* ---- named ACLs ---- */

static struct acl *acl_lookup(const struct proxy *px, const char *name)
{
	struct acl *a;

	if (px)
		list_for_each_entry(a, &px->acls, node)
			if (!strcmp(a->name, name))
				return a;
	return NULL;
}

static void acl_add_test(struct acl *a, struct arena *arena, struct acl_test *t)
{
	struct acl_test **tests = arena_alloc(arena, sizeof(*tests) * (a->ntests + 1));

	if (a->ntests)
		memcpy(tests, a->tests, sizeof(*tests) * a->ntests);
	tests[a->ntests++] = t;
	a->tests = tests;
}

static struct acl *acl_new(struct cfg_line *l, const char *name)
{
	struct acl *a = ARENA_NEW(l->arena, struct acl);

	a->name = name;
	a->at = l->at;
	list_add_tail(&l->px->acls, &a->node);
	return a;
}

/* Its definition is parsed as if it stood on a line of this section. */
static struct acl *acl_predefined(struct cfg_line *l, const struct acl_predefined *row)
{
	char *text = arena_strdup(l->arena, row->expr), *save = NULL;
	struct cfg_line line = *l;
	struct cfg_word words[16] = { 0 };
	struct acl_test *t;
	struct acl *a;
	int n = 0;

	for (char *z = strtok_r(text, " ", &save); z && n < 15; z = strtok_r(NULL, " ", &save), n++)
		words[n] =
			(struct cfg_word){ .z = z, .n = strlen(z), .column = l->words[0].column };
	words[n].z = "";
	line.words = words;
	line.nwords = n;
	t = acl_test_parse(&line, 0, n);
	if (!t)
		return NULL;
	a = acl_new(l, row->name);
	acl_add_test(a, l->arena, t);
	return a;
}

struct acl *acl_find(struct cfg_line *l, const char *name)
{
	struct acl *a = acl_lookup(l->px, name);
	const struct acl_predefined *row;

	if (a)
		return a;
	row = row_table_find(&acl_predefined_rows, slice_z(name));
	if (!row)
		return NULL;
	coverage_note("predefined-acl", row->name);
	return acl_predefined(l, row);
}

int acl_parse_line(struct cfg_line *l)
{
	const char *name = cfg_arg(l, 0);
	struct acl_test *t;
	struct acl *a;

	if (cfg_want_args(l, 2, -1, "acl <name> <test> [flags] [values]"))
		return -1;
	for (const char *p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("-_.:", *p))
			return cfg_error(l, l->first_arg,
					 "acl '%s': '%c' is not allowed in a name; letters, "
					 "digits, '-', '_', '.' and ':' are",
					 name, *p);
	if (!strcmp(name, "or"))
		return cfg_error(l, l->first_arg,
				 "acl 'or': conditions could not use it; choose another name");
	t = acl_test_parse(l, l->first_arg + 1, l->nwords);
	if (!t)
		return -1;
	a = acl_lookup(l->px, name);
	if (!a)
		a = acl_new(l, arena_strdup(l->arena, name));
	acl_add_test(a, l->arena, t);
	return 0;
}

/* ---- evaluation ---- */

static bool test_matches(const struct acl_test *t, const struct sample *s)
{
	if (t->match->kind == MATCH_FOUND || t->match->kind == MATCH_BOOL)
		return patterns_match(&t->patterns, s);
	for (int i = 0; i < t->nfiles; i++)
		if (pat_ref_has(t->files[i].ref, t->files[i].index, s))
			return true;
	return pat_ref_has(t->own, t->own->uses[0].index, s);
}

enum acl_result acl_test_eval(const struct acl_test *t, unsigned int where,
			      const struct smp_ctx *ctx)
{
	struct sample s;
	bool got, more = false;

	if (!(t->expr->fetch->where & (where | SMP_W_INTERNAL)))
		return ACL_NO;
	for (got = expr_eval_first(t->expr, ctx, SMP_ANY, &s); got;
	     got = expr_eval_next(t->expr, ctx, SMP_ANY, &s)) {
		more |= s.flags & SMP_F_MAY_CHANGE;
		if (sample_cast(&s, t->match->takes, ctx) && test_matches(t, &s))
			return ACL_YES;
	}
	more |= s.flags & SMP_F_MAY_CHANGE;
	return more ? ACL_MORE : ACL_NO;
}
