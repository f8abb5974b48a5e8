// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `.if` blocks and their expressions. Control thread; a recursive descent with bounded depth:
 *   or := and { "||" and }    and := term { "&&" term }    term := { "!" } ( "(" or ")" | number | predicate )
 */
#include "config/condition.h"

#include <stdlib.h>

#include "base/strbuf.h"
#include "base/units.h"
#include "config/version.h"

/* ---- expressions ---- */

struct cond_parser {
	struct arena *arena;
	const char *p;
	const char *error, *error_at;
	int depth;
	bool quiet; /* the value does not matter any more: parse, do not evaluate */
};

#define COND_ARGS_MAX 2

struct predicate {
	const char *name;
	int args;
	bool (*eval)(char **arg);
	const char *usage;
};

static bool eval_defined(char **arg)
{
	return getenv(arg[0]) != NULL;
}

static bool eval_feature(char **arg)
{
	return feature_present(arg[0]);
}

static bool eval_streq(char **arg)
{
	return !strcmp(arg[0], arg[1]);
}

static bool eval_strneq(char **arg)
{
	return strcmp(arg[0], arg[1]) != 0;
}

/* "2.6.12-3" as four numbers; "2.4-dev19" is before 2.4.0. What is missing counts as zero. */
static void version_numbers(const char *z, long v[5])
{
	int i = 0;

	memset(v, 0, 5 * sizeof(*v));
	while (*z && i < 3) {
		char *end;

		v[i++] = strtol(z, &end, 10);
		if (*end != '.')
			z = end;
		else
			z = end + 1;
		if (*end != '.')
			break;
	}
	if (!strncmp(z, "-dev", 4)) {
		v[3] = -1000000 + strtol(z + 4, NULL, 10);
		z += 4;
	}
	z = strchr(z, '-');
	if (z)
		v[4] = strtol(z + 1, NULL, 10);
}

static int version_compare(const char *a, const char *b)
{
	long x[5], y[5];

	version_numbers(a, x);
	version_numbers(b, y);
	for (int i = 0; i < 5; i++)
		if (x[i] != y[i])
			return x[i] < y[i] ? -1 : 1;
	return 0;
}

static bool eval_version_atleast(char **arg)
{
	return version_compare(LANGUAGE_VERSION, arg[0]) >= 0;
}

static bool eval_version_before(char **arg)
{
	return version_compare(LANGUAGE_VERSION, arg[0]) < 0;
}

/* Whether a facility of the process is in use: epoll always is, splicing unless -dS. */
static bool eval_enabled(char **arg)
{
	static const char *const on[] = { "EPOLL", "SPLICE", "GETADDRINFO", "REUSEPORT" };

	for (size_t i = 0; i < ARRAY_SIZE(on); i++)
		if (!strcasecmp(arg[0], on[i]))
			return strcasecmp(arg[0], "GETADDRINFO") || !config_reading.no_getaddrinfo;
	return false;
}

static bool eval_strstr(char **arg)
{
	return strstr(arg[0], arg[1]) != NULL;
}

static const struct predicate predicates[] = {
	{ "defined", 1, eval_defined, "defined(<variable>)" },
	{ "enabled", 1, eval_enabled, "enabled(<option>)" },
	{ "feature", 1, eval_feature, "feature(<name>)" },
	{ "streq", 2, eval_streq, "streq(<str1>,<str2>)" },
	{ "strneq", 2, eval_strneq, "strneq(<str1>,<str2>)" },
	{ "strstr", 2, eval_strstr, "strstr(<str1>,<str2>)" },
	{ "version_atleast", 1, eval_version_atleast, "version_atleast(<version>)" },
	{ "version_before", 1, eval_version_before, "version_before(<version>)" },
};

static int cond_fail(struct cond_parser *c, const char *at, const char *why)
{
	if (!c->error) {
		c->error = why;
		c->error_at = at;
	}
	return -1;
}

static void skip_space(struct cond_parser *c)
{
	while (*c->p == ' ' || *c->p == '\t')
		c->p++;
}

static int parse_or(struct cond_parser *c);

/* One argument up to ',' or ')': with quotes and backslashes as on the second level of the language. */
static char *parse_arg(struct cond_parser *c)
{
	struct strbuf b = STRBUF_INIT;
	char quote = 0, *z;

	for (; *c->p; c->p++) {
		if (quote) {
			if (*c->p == quote) {
				quote = 0;
				continue;
			}
		} else if (*c->p == '"' || *c->p == '\'') {
			quote = *c->p;
			continue;
		} else if (*c->p == ',' || *c->p == ')') {
			break;
		}
		if (*c->p == '\\' && quote != '\'' && c->p[1])
			c->p++;
		strbuf_addc(&b, *c->p);
	}
	z = arena_strdup(c->arena, strbuf_z(&b));
	strbuf_fini(&b);
	return z;
}

static const struct predicate *predicate_find(const char *z, size_t n)
{
	for (size_t i = 0; i < ARRAY_SIZE(predicates); i++)
		if (strlen(predicates[i].name) == n && !memcmp(predicates[i].name, z, n))
			return &predicates[i];
	return NULL;
}

static int parse_predicate(struct cond_parser *c)
{
	const char *at = c->p;
	size_t n = strspn(c->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");
	const struct predicate *pred = predicate_find(at, n);
	char *arg[COND_ARGS_MAX] = { "", "" };
	int args = 0;

	if (!pred)
		return cond_fail(c, at,
				 "no such predicate; there are defined, enabled, feature, streq, "
				 "strneq, strstr, "
				 "version_atleast, version_before, and numbers");
	c->p += n;
	if (*c->p != '(')
		return cond_fail(c, c->p, arena_printf(c->arena, "expected '(': %s", pred->usage));
	do {
		c->p++;
		if (args == pred->args)
			return cond_fail(c, c->p,
					 arena_printf(c->arena, "too many arguments: %s",
						      pred->usage));
		arg[args++] = parse_arg(c);
	} while (*c->p == ',');
	if (*c->p != ')')
		return cond_fail(c, c->p, "expected ')' behind the arguments");
	if (args < pred->args)
		return cond_fail(c, c->p,
				 arena_printf(c->arena, "too few arguments: %s", pred->usage));
	c->p++;
	return c->quiet ? 0 : pred->eval(arg);
}

static int parse_term(struct cond_parser *c)
{
	bool negate = false;
	int v;

	for (skip_space(c); *c->p == '!'; skip_space(c)) {
		negate = !negate;
		c->p++;
	}
	if (*c->p == '(') {
		if (++c->depth > COND_DEPTH_MAX)
			return cond_fail(c, c->p, "parentheses are nested too deeply");
		c->p++;
		v = parse_or(c);
		skip_space(c);
		if (v >= 0 && *c->p != ')')
			return cond_fail(c, c->p, "expected ')'");
		c->p++;
		c->depth--;
	} else if ((*c->p >= '0' && *c->p <= '9') || *c->p == '-' || *c->p == '+') {
		char *end;

		v = strtol(c->p, &end, 10) != 0;
		c->p = end;
	} else if (!*c->p) {
		return cond_fail(c, c->p, "a condition is missing here");
	} else {
		v = parse_predicate(c);
	}
	return v < 0 ? v : v != negate;
}

static int parse_and(struct cond_parser *c)
{
	int v = parse_term(c);

	for (;;) {
		bool was_quiet = c->quiet;
		int w;

		skip_space(c);
		if (v < 0 || c->p[0] != '&' || c->p[1] != '&')
			return v;
		c->p += 2;
		c->quiet |= !v;
		w = parse_term(c);
		c->quiet = was_quiet;
		v = w < 0 ? w : v && w;
	}
}

static int parse_or(struct cond_parser *c)
{
	int v = parse_and(c);

	for (;;) {
		bool was_quiet = c->quiet;
		int w;

		skip_space(c);
		if (v < 0 || c->p[0] != '|' || c->p[1] != '|')
			return v;
		c->p += 2;
		c->quiet |= v;
		w = parse_and(c);
		c->quiet = was_quiet;
		v = w < 0 ? w : v || w;
	}
}

int condition_eval(struct arena *a, const char *text, const char **error, const char **error_at)
{
	struct cond_parser c = { .arena = a, .p = text };
	int v;

	skip_space(&c);
	if (!*c.p)
		return 0;
	v = parse_or(&c);
	skip_space(&c);
	if (v >= 0 && *c.p)
		v = cond_fail(
			&c, c.p,
			"unexpected text behind the condition; join conditions with && or ||");
	*error = c.error;
	*error_at = c.error_at;
	return v < 0 ? -1 : v;
}

/* ---- blocks ---- */

/* The condition of the line under the reader: words behind the directive. 0, 1, or -1 with the error said. */
static int line_condition(struct reader *r)
{
	struct cfg_line *l = &r->line;
	struct strbuf b = STRBUF_INIT;
	const char *error, *at;
	int v, word = 1;

	for (int i = 1; i < l->nwords; i++)
		strbuf_addf(&b, "%s%s", i > 1 ? " " : "", l->words[i].z);
	v = condition_eval(l->arena, strbuf_z(&b), &error, &at);
	if (v < 0) {
		size_t offset = at - strbuf_z(&b), seen = 0;

		for (int i = 1; i < l->nwords && seen + l->words[i].n < offset; i++, word = i)
			seen += l->words[i].n + 1;
		cfg_error(l, word < l->nwords ? word : l->nwords, "%s: %s%s%s%s", l->words[0].z,
			  error, *at ? " (at '" : "", *at ? at : "", *at ? "')" : "");
	}
	strbuf_fini(&b);
	return v;
}

static void no_arguments(struct cfg_line *l)
{
	if (l->nwords > 1)
		cfg_error(l, 1, "'%s' takes no argument, found '%s'", l->words[0].z, l->words[1].z);
}

static void do_if(struct reader *r, struct cond_stack *s)
{
	bool outer_skips = condition_skips(s);
	struct cond_level *v;
	int value;

	if (s->depth == COND_DEPTH_MAX) {
		cfg_error(&r->line, 0, "'.if' blocks are nested too deeply, at most %d levels",
			  COND_DEPTH_MAX);
		return;
	}
	value = outer_skips ? 0 : line_condition(r);
	v = &s->level[s->depth++];
	*v = (struct cond_level){ .active = value > 0,
				  .taken = outer_skips || value != 0,
				  .at = r->line.at };
}

static void do_elif(struct reader *r, struct cond_stack *s)
{
	struct cond_level *v = s->depth ? &s->level[s->depth - 1] : NULL;

	if (!v || v->in_else) {
		cfg_error(&r->line, 0,
			  v ? "'.elif' stands behind the block's '.else'"
			    : "'.elif' without '.if'");
		return;
	}
	v->active = false;
	if (!v->taken) {
		int value = line_condition(r);

		v->active = value > 0;
		v->taken = value != 0;
	}
}

static void do_else(struct reader *r, struct cond_stack *s)
{
	struct cond_level *v = s->depth ? &s->level[s->depth - 1] : NULL;

	no_arguments(&r->line);
	if (!v || v->in_else) {
		cfg_error(&r->line, 0,
			  v ? "a second '.else' in one '.if' block" : "'.else' without '.if'");
		return;
	}
	v->active = !v->taken;
	v->taken = v->in_else = true;
}

static void do_endif(struct reader *r, struct cond_stack *s)
{
	no_arguments(&r->line);
	if (!s->depth)
		cfg_error(&r->line, 0, "'.endif' without '.if'");
	else
		s->depth--;
}

static void do_message(struct reader *r, enum diag_level level)
{
	struct cfg_line *l = &r->line;

	if (l->nwords > 2)
		cfg_error(l, 2, "unexpected '%s' behind '%s'; put a message with spaces in quotes",
			  l->words[2].z, l->words[0].z);
	else
		diag_add(l->diag, level, l->at, "%s", l->nwords > 1 ? l->words[1].z : "");
}

static void do_notice(struct reader *r, struct cond_stack *s)
{
	if (!condition_skips(s))
		do_message(r, DIAG_NOTICE);
}

static void do_warning(struct reader *r, struct cond_stack *s)
{
	if (!condition_skips(s))
		do_message(r, DIAG_WARNING);
}

static void do_alert(struct reader *r, struct cond_stack *s)
{
	if (!condition_skips(s))
		do_message(r, DIAG_ERROR);
}

static void do_diag(struct reader *r, struct cond_stack *s)
{
	if (!condition_skips(s) && config_reading.diag_mode)
		do_message(r, DIAG_WARNING);
}

static const struct directive {
	const char *name;
	void (*run)(struct reader *r, struct cond_stack *s);
} directives[] = {
	{ ".if", do_if },       { ".elif", do_elif },     { ".else", do_else },
	{ ".endif", do_endif }, { ".notice", do_notice }, { ".warning", do_warning },
	{ ".alert", do_alert }, { ".diag", do_diag },
};

bool condition_line(struct reader *r, struct cond_stack *s)
{
	for (size_t i = 0; i < ARRAY_SIZE(directives); i++) {
		if (!strcmp(directives[i].name, r->line.words[0].z)) {
			directives[i].run(r, s);
			return true;
		}
	}
	if (condition_skips(s))
		return true;
	cfg_error(&r->line, 0,
		  "unknown directive '%s'; there are .if .elif .else .endif .notice .warning "
		  ".alert .diag",
		  r->line.words[0].z);
	return true;
}

void condition_end(struct reader *r, struct cond_stack *s)
{
	while (s->depth)
		diag_error(r->line.diag, s->level[--s->depth].at, "this '.if' has no '.endif'");
}
