// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * expr.c - sample expressions, "fetch(args),converter(args),...": parsing (control thread) and evaluation (any worker).
 * An expression is immutable; evaluating allocates from the context's scratch only.
 */
#include <stdio.h>

#include "config/registry.h"
#include "base/coverage.h"
#include "model/proxy.h"
#include "policy/expr_args.h"
#include "policy/expr.h"

static const struct {
	unsigned int bit;
	const char *text;
} where_texts[] = {
	{ SMP_W_INTERNAL, "internal state" },
	{ SMP_W_L4_CLIENT, "the client's connection" },
	{ SMP_W_L5_CLIENT, "the client's session" },
	{ SMP_W_REQ_DATA, "the request's bytes" },
	{ SMP_W_REQ_HTTP, "the HTTP request" },
	{ SMP_W_BACKEND, "the backend" },
	{ SMP_W_L4_SERVER, "the server's connection" },
	{ SMP_W_RSP_DATA, "the response's bytes" },
	{ SMP_W_RSP_HTTP, "the HTTP response" },
	{ SMP_W_LOG, "the end of the stream" },
};

const char *smp_where_text(unsigned int where, char *buf, size_t size)
{
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(where_texts); i++)
		if ((where & where_texts[i].bit) && n < size)
			n += snprintf(buf + n, size - n, "%s%s", n ? ", " : "",
				      where_texts[i].text);
	return buf;
}

/* ---- parsing ---- */

static struct slice take_name(const char **at)
{
	size_t n = strcspn(*at, "(,) \t]");
	struct slice name = slice_make(*at, n);

	*at += n;
	return name;
}

static bool is_haproxys(const struct row_table *t, struct slice name)
{
	static const char *const fetches[] = { "fetch-L4", "fetch-L5",       "fetch-L6",
					       "fetch-L7", "fetch-internal", "fetch-dev" };
	char z[64];

	if (name.n >= sizeof(z))
		return false;
	snprintf(z, sizeof(z), "%.*s", SLICE_FMT(name));
	if (t == &converter_rows)
		return haproxy_knows("converter", z);
	for (size_t k = 0; k < ARRAY_SIZE(fetches); k++)
		if (haproxy_knows(fetches[k], z))
			return true;
	return false;
}

static int unknown(struct cfg_line *l, int i, const char *what, const struct row_table *t,
		   struct slice name)
{
	const char *near = row_table_nearest(t, name);

	if (!name.n)
		return cfg_error(l, i, "the name of a %s is missing here", what);
	if (is_haproxys(t, name))
		return cfg_error(l, i, "the %s '%.*s' is HAProxy's, lbd does not have it yet", what,
				 SLICE_FMT(name));
	if (near)
		return cfg_error(l, i, "unknown %s '%.*s'; did you mean '%s'?", what,
				 SLICE_FMT(name), near);
	return cfg_error(l, i, "unknown %s '%.*s'; 'lbd -dKsmp,cnv' lists what there is", what,
			 SLICE_FMT(name));
}

static int parse_conv(struct cfg_line *l, int i, struct expr *e, const char **at)
{
	struct slice name = take_name(at);
	const struct converter_row *row = converter_find(name);
	struct expr_conv *c;
	struct args_spec spec;

	if (!row)
		return unknown(l, i, "converter", &converter_rows, name);
	if (!smp_type_casts(e->out, row->in))
		return cfg_error(l, i,
				 "converter '%s' takes type %s, and '%.*s' gives %s, which cannot "
				 "be converted to it",
				 row->name, smp_type_name(row->in), (int)(name.p - 1 - e->text),
				 e->text, smp_type_name(e->out));
	c = &e->convs[e->nconvs];
	c->row = row;
	spec = (struct args_spec){ "converter", row->name, row->min_args, row->max_args,
				   row->args };
	if (expr_args_parse(l, i, &spec, at, c->args))
		return -1;
	if (row->max_args < SMP_MAX_ARGS)
		c->args[SMP_MAX_ARGS - 1].i = row->priv;
	if (row->check && row->check(l, i, c->args))
		return -1;
	if (row->out != SMP_ANY || (row->flags & CONV_OUT_VARIES))
		e->out = row->out;
	e->nconvs++;
	return 0;
}

static const struct fetch_row *find_fetch(struct cfg_line *l, int i, struct slice name,
					  const struct acl_keyword **kw)
{
	const struct fetch_row *row;

	if (kw) {
		*kw = row_table_find(&acl_keyword_rows, name);
		if (*kw && (row = fetch_find(slice_z((*kw)->fetch)))) {
			coverage_note("acl-suffix-keyword", (*kw)->name);
			return row;
		}
	}
	row = fetch_find(name);
	if (!row && kw && !row_table_nearest(&fetch_rows, name) && name.n &&
	    !is_haproxys(&fetch_rows, name)) {
		const char *near = row_table_nearest(&acl_keyword_rows, name);

		if (near) {
			cfg_error(l, i, "unknown fetch '%.*s'; did you mean '%s'?", SLICE_FMT(name),
				  near);
			return NULL;
		}
	}
	if (!row && !kw && row_table_find(&acl_keyword_rows, name)) {
		const struct acl_keyword *k = row_table_find(&acl_keyword_rows, name);

		cfg_error(l, i, "'%s' is a test of ACLs and has no value; the fetch is '%s'",
			  k->name, k->fetch);
		return NULL;
	}
	if (!row)
		unknown(l, i, "fetch", &fetch_rows, name);
	return row;
}

static int check_where(struct cfg_line *l, int i, const struct fetch_row *row, unsigned int where)
{
	char need[160], have[320];

	if (!where || ((where | SMP_W_INTERNAL) & row->where))
		return 0;
	return cfg_error(
		l, i, "fetch '%s' reads %s, which is not there yet or no longer; here there is %s",
		row->name, smp_where_text(row->where, need, sizeof(need)),
		smp_where_text(where, have, sizeof(have)));
}

/* HTTP is parsed before any rule runs, so nothing is under inspection; HAProxy warns and goes on, too. */
static void warn_no_bytes(struct cfg_line *l, int i, const struct fetch_row *row)
{
	if (row->where == SMP_W_REQ_DATA && l->px && l->px->mode == MODE_HTTP)
		cfg_warn(l, i,
			 "fetch '%s' finds nothing in mode http, where requests are parsed before "
			 "the rules "
			 "run; use HTTP fetches (method, path, req.hdr, ...), or mode tcp",
			 row->name);
}

static struct expr *parse(struct cfg_line *l, int i, const char *text, unsigned int where,
			  const struct acl_keyword **kw)
{
	struct expr *e = ARENA_NEW(l->arena, struct expr);
	const char *at = text;
	struct slice name = take_name(&at);
	struct args_spec spec;
	int commas = 0;

	e->fetch = find_fetch(l, i, name, kw);
	if (!e->fetch || check_where(l, i, e->fetch, where))
		return NULL;
	warn_no_bytes(l, i, e->fetch);
	e->text = arena_strdup(l->arena, text);
	text = e->text;
	at = text + name.n;
	e->out = e->fetch->out;
	spec = (struct args_spec){ "fetch", e->fetch->name, e->fetch->min_args, e->fetch->max_args,
				   e->fetch->args };
	if (expr_args_parse(l, i, &spec, &at, e->args))
		return NULL;
	if (e->fetch->max_args < SMP_MAX_ARGS)
		e->args[SMP_MAX_ARGS - 1].i = e->fetch->priv;
	if (e->fetch->check && e->fetch->check(l, i, e->args))
		return NULL;
	for (const char *p = at; *p; p++)
		commas += *p == ',';
	e->convs = arena_zalloc(l->arena, sizeof(*e->convs) * (commas + 1));
	while (*at == ',') {
		at++;
		if (parse_conv(l, i, e, &at))
			return NULL;
	}
	if (*at) {
		cfg_error(l, i,
			  "unexpected '%s' behind the expression; converters are joined with ','",
			  at);
		return NULL;
	}
	cfg_note_use(l, e->fetch->kind, e->fetch->name, e->fetch->kernel, e->fetch->kernel_says);
	return e;
}

struct expr *expr_parse(struct cfg_line *l, int i, const char *text, unsigned int where)
{
	return parse(l, i, text, where, NULL);
}

struct expr *expr_parse_acl(struct cfg_line *l, int i, const char *text,
			    const struct acl_keyword **kw)
{
	return parse(l, i, text, 0, kw);
}

/* ---- evaluation ---- */

static bool convert(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
		    struct sample *out)
{
	for (int i = 0; i < e->nconvs; i++) {
		const struct expr_conv *c = &e->convs[i];

		if (!sample_cast(out, c->row->in, ctx) || !c->row->convert(c->args, ctx, out))
			return false;
		coverage_note("converter", c->row->name);
	}
	return sample_cast(out, want, ctx);
}

static bool eval(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
		 struct sample *out, unsigned int flags)
{
	bool got;

	memset(out, 0, sizeof(*out));
	out->flags = flags;
	got = e->fetch->fetch(e->args, ctx, out);
	if (got)
		coverage_note(e->fetch->kind, e->fetch->name);
	if (ctx->final)
		out->flags &= ~SMP_F_MAY_CHANGE;
	return got && convert(e, ctx, want, out);
}

bool expr_eval(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
	       struct sample *out)
{
	return eval(e, ctx, want, out, 0);
}

bool expr_eval_first(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
		     struct sample *out)
{
	return eval(e, ctx, want, out, SMP_F_ITERATE);
}

bool expr_eval_next(const struct expr *e, const struct smp_ctx *ctx, enum smp_type want,
		    struct sample *out)
{
	if (!(out->flags & SMP_F_MORE))
		return false;
	out->flags = SMP_F_ITERATE;
	if (!e->fetch->fetch(e->args, ctx, out))
		return false;
	return convert(e, ctx, want, out);
}

unsigned int expr_where(const struct expr *e)
{
	return e->fetch->where;
}

const char *expr_text(const struct expr *e)
{
	return e->text;
}

enum smp_type expr_type(const struct expr *e)
{
	return e->out;
}

/* ---- comparing ---- */

static bool same_args(const struct smp_arg *a, const struct smp_arg *b)
{
	for (int i = 0; i < SMP_MAX_ARGS; i++)
		if (a[i].type != b[i].type || a[i].i != b[i].i || !slice_eq(a[i].s, b[i].s) ||
		    !addr_eq(&a[i].a, &b[i].a) || (a[i].type == ARG_VAR && a[i].ptr != b[i].ptr))
			return false;
	return true;
}

bool expr_same(const struct expr *a, const struct expr *b)
{
	if (a->fetch->fetch != b->fetch->fetch || a->fetch->out != b->fetch->out ||
	    a->nconvs != b->nconvs || !same_args(a->args, b->args))
		return false;
	for (int i = 0; i < a->nconvs; i++)
		if (a->convs[i].row != b->convs[i].row ||
		    !same_args(a->convs[i].args, b->convs[i].args))
			return false;
	return true;
}

bool expr_is_pure(const struct expr *e)
{
	if (e->fetch->flags & FETCH_NO_INDEX)
		return false;
	for (int i = 0; i < e->nconvs; i++)
		if (e->convs[i].row->flags & FETCH_NO_INDEX)
			return false;
	return true;
}
