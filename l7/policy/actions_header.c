// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions_header.c - actions on headers: set-header, add-header, del-header, replace-header, replace-value, set-status.
 * Parsing: control thread; running: the transaction's worker. New text lies in the request's arena.
 */
#include <errno.h>

#include "base/units.h"
#include "policy/action_text.h"
#include "policy/http_policy.h"
#include "policy/pattern.h"

#define SETS (RULESET_HTTP_REQ | RULESET_HTTP_RES | RULESET_HTTP_AFTER)

struct header_action {
	struct slice name; /* lower case */
	enum http_hdr_id id;
	struct action_text value;
	struct regex *re;
	enum match_kind match; /* del-header */
};

/* A header's name from word *i; moves on. */
static struct header_action *parse_name(struct cfg_line *l, int *i, const struct rule *r)
{
	struct header_action *a = ARENA_NEW(l->arena, struct header_action);
	struct cfg_word *w = &l->words[*i];
	char *z;

	if (*i >= l->nwords) {
		cfg_error(l, l->nwords - 1, "a header's name is missing; usage: %s",
			  r->action->usage);
		return NULL;
	}
	if (w->z[strcspn(w->z, " \t\r\n:")] || !w->n) {
		cfg_error(l, *i, "'%s' is no header's name: it has no blanks and no ':'", w->z);
		return NULL;
	}
	z = arena_strdup(l->arena, w->z);
	for (char *c = z; *c; c++)
		*c = (char)(*c >= 'A' && *c <= 'Z' ? *c | 0x20 : *c);
	a->name = slice_z(z);
	a->id = http_hdr_id(a->name);
	++*i;
	return a;
}

static int parse_name_value(struct cfg_line *l, int *i, struct rule *r)
{
	struct header_action *a = parse_name(l, i, r);

	r->priv = a;
	return a && !action_text_parse(l, i, r, &a->value) ? 0 : -1;
}

static enum rule_verdict append(struct http_msg *m, const struct header_action *a,
				struct slice value)
{
	return http_hdr_append(m, a->name, value) ? RULE_ERROR : RULE_CONTINUE;
}

static enum rule_verdict run_add(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_msg *m = http_policy_msg(ctx);
	const struct header_action *a = r->priv;

	return append(m, a, action_text_make(&a->value, r, ctx));
}

/* The new value is made before the old ones go: it may be built from them. */
static enum rule_verdict run_set(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_msg *m = http_policy_msg(ctx);
	const struct header_action *a = r->priv;
	struct slice value = action_text_make(&a->value, r, ctx);

	http_hdr_delete_all(m, a->id, a->name);
	return append(m, a, value);
}

/* ---- del-header name [-m str|beg|end|sub|reg] ---- */

static int parse_del(struct cfg_line *l, int *i, struct rule *r)
{
	struct header_action *a = parse_name(l, i, r);
	const struct match_row *m;
	char why[200];

	r->priv = a;
	if (!a)
		return -1;
	a->match = MATCH_STR;
	if (*i >= l->nwords || strcmp(l->words[*i].z, "-m"))
		return 0;
	m = *i + 1 < l->nwords ? match_find(l->words[*i + 1].z) : NULL;
	if (!m || (m->kind != MATCH_STR && m->kind != MATCH_BEG && m->kind != MATCH_END &&
		   m->kind != MATCH_SUB && m->kind != MATCH_REG))
		return cfg_error(l, *i, "'-m' needs str, beg, end, sub or reg behind it");
	a->match = m->kind;
	*i += 2;
	if (a->match == MATCH_REG) {
		a->re = regex_compile(l->arena, a->name.p, true, false, why, sizeof(why));
		if (!a->re)
			return cfg_error(l, *i - 3, "regular expression '%s': %s", a->name.p, why);
	}
	return 0;
}

static enum rule_verdict run_del(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_msg *m = http_policy_msg(ctx);
	const struct header_action *a = r->priv;
	struct pattern p = { .text = a->name, .re = a->re };

	if (a->match == MATCH_STR) {
		http_hdr_delete_all(m, a->id, a->name);
		return RULE_CONTINUE;
	}
	for (struct http_hdr *h = http_hdr_next(m, NULL); h; h = http_hdr_next(m, h)) {
		struct sample name = { .type = SMP_STR, .u.s = http_hdr_get_name(h) };

		if (pattern_matches(a->match, &p, &name))
			http_hdr_delete(h);
	}
	return RULE_CONTINUE;
}

/* ---- replace-header and replace-value name regex format ---- */

static int parse_replace(struct cfg_line *l, int *i, struct rule *r)
{
	struct header_action *a = parse_name(l, i, r);

	r->priv = a;
	if (!a)
		return -1;
	a->re = action_regex_parse(l, i, r);
	return a->re && !action_text_parse(l, i, r, &a->value) ? 0 : -1;
}

static enum rule_verdict run_replace_header(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_msg *m = http_policy_msg(ctx);
	const struct header_action *a = r->priv;
	struct slice with = action_text_make(&a->value, r, ctx), out;

	for (struct http_hdr *h = NULL; (h = http_hdr_find(m, a->id, a->name, h));) {
		if (!action_replace(m->arena, a->re, http_hdr_value(h), with, &out))
			continue;
		if (http_hdr_replace(m, h, out))
			return RULE_ERROR;
	}
	return RULE_CONTINUE;
}

/* Each element between commas by itself; the others keep their blanks. */
static bool replace_elements(struct http_msg *m, const struct header_action *a, struct slice value,
			     struct slice with, struct strbuf *out)
{
	bool any = false;

	for (struct slice rest = value, before = value, element; http_value_next(&rest, &element);
	     before = rest) {
		struct slice raw = rest.p ? slice_make(before.p, (size_t)(rest.p - before.p) - 1)
					  : before,
			     made;

		if (out->n || any || before.p != value.p)
			strbuf_addc(out, ',');
		if (action_replace(m->arena, a->re, element, with, &made)) {
			any = true;
			strbuf_add_slice(out, made);
		} else {
			strbuf_add_slice(out, raw);
		}
	}
	return any;
}

static enum rule_verdict run_replace_value(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_msg *m = http_policy_msg(ctx);
	const struct header_action *a = r->priv;
	struct slice with = action_text_make(&a->value, r, ctx);

	for (struct http_hdr *h = NULL; (h = http_hdr_find(m, a->id, a->name, h));) {
		struct strbuf out = STRBUF_INIT;
		int bad = 0;

		if (replace_elements(m, a, http_hdr_value(h), with, &out))
			bad = out.oom ? -ENOMEM
				      : http_hdr_replace(m, h,
							 arena_dup(m->arena, strbuf_slice(&out)));
		strbuf_fini(&out);
		if (bad)
			return RULE_ERROR;
	}
	return RULE_CONTINUE;
}

/* ---- set-status 418 [reason "text"] ---- */

static int parse_status(struct cfg_line *l, int *i, struct rule *r)
{
	const char *z = *i < l->nwords ? l->words[*i].z : "";

	if (parse_i64(slice_z(z), 100, 999, &r->num[0]))
		return cfg_error(l, *i < l->nwords ? *i : l->nwords - 1,
				 "a status of 100..999 is needed, not '%s'", z);
	++*i;
	if (*i < l->nwords && !strcmp(l->words[*i].z, "reason")) {
		if (*i + 1 >= l->nwords)
			return cfg_error(l, *i, "'reason' needs a text behind it");
		r->priv = (void *)l->words[*i + 1].z;
		*i += 2;
	}
	return 0;
}

static enum rule_verdict run_status(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);
	const char *reason = r->priv ? r->priv : http_reason((unsigned int)r->num[0]);

	http_set_status(&t->rsp, (unsigned int)r->num[0], slice_z(reason));
	t->status = (uint16_t)r->num[0]; /* the log says what the client got */
	return RULE_CONTINUE;
}

static const struct action_row rows[] = {
	{ .name = "set-header",
	  .sets = SETS,
	  .parse = parse_name_value,
	  .run = run_set,
	  .kernel = KERNEL_HTTP,
	  .usage = "set-header <name> <format>",
	  .help = "Replaces a header, or adds it." },
	{ .name = "add-header",
	  .sets = SETS,
	  .parse = parse_name_value,
	  .run = run_add,
	  .kernel = KERNEL_HTTP,
	  .usage = "add-header <name> <format>",
	  .help = "Adds a header, whether it is there or not." },
	{ .name = "del-header",
	  .sets = SETS,
	  .parse = parse_del,
	  .run = run_del,
	  .kernel = KERNEL_HTTP,
	  .usage = "del-header <name> [-m str|beg|end|sub|reg]",
	  .help = "Removes headers by name." },
	{ .name = "replace-header",
	  .sets = SETS,
	  .parse = parse_replace,
	  .run = run_replace_header,
	  .kernel = KERNEL_HTTP,
	  .usage = "replace-header <name> <regex> <format>",
	  .help = "Rewrites the header's value where the regular expression matches." },
	{ .name = "replace-value",
	  .sets = SETS,
	  .parse = parse_replace,
	  .run = run_replace_value,
	  .kernel = KERNEL_HTTP,
	  .usage = "replace-value <name> <regex> <format>",
	  .help = "The same for each value between commas." },
	{ .name = "set-status",
	  .sets = RULESET_HTTP_RES | RULESET_HTTP_AFTER,
	  .parse = parse_status,
	  .run = run_status,
	  .kernel = KERNEL_HTTP,
	  .usage = "set-status <status> [reason <text>]",
	  .help = "Changes the response's status." },
};

void http_actions_header_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
}
