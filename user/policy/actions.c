// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions.c - actions that need no protocol: accept, reject, set-var, unset-var. Parsing: control thread; running: worker.
 */
#include "log/log.h"
#include "policy/expr.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "policy/vars.h"

#define SETS_TCP  (RULESET_TCP_CONN | RULESET_TCP_SESS | RULESET_TCP_CONTENT | RULESET_TCP_RESPONSE)
#define SETS_HTTP (RULESET_HTTP_REQ | RULESET_HTTP_RES | RULESET_HTTP_AFTER)

static enum rule_verdict run_accept(const struct rule *r, const struct smp_ctx *ctx)
{
	return RULE_STOP;
}

static enum rule_verdict run_reject(const struct rule *r, const struct smp_ctx *ctx)
{
	return RULE_DROP;
}

/* ---- set-var(name) expr, set-var-fmt(name) format, unset-var(name) ---- */

struct var_action {
	const struct var_name *name;
	struct expr *expr;
	struct logformat *format;
	unsigned int conditions;
};

/* The name between the parentheses of the action's own word. */
static const struct var_name *var_of_word(struct cfg_line *l, int word, unsigned int *conditions)
{
	const char *z = l->words[word].z, *open = strchr(z, '(');
	size_t n = open ? strlen(open) : 0;
	struct slice list;
	ptrdiff_t comma;

	if (!open || n < 3 || open[n - 1] != ')') {
		cfg_error(l, word, "'%s' needs a variable in parentheses: %.*s(<scope>.<name>)", z,
			  (int)strcspn(z, "("), z);
		return NULL;
	}
	list = slice_make(open + 1, n - 2);
	comma = slice_chr(list, ',');
	if (comma < 0)
		return vars_name_const(l, word, list);
	for (struct slice rest = slice_from(list, (size_t)comma + 1); conditions;) {
		ptrdiff_t next = slice_chr(rest, ',');

		if (vars_condition(l, word, slice_first(rest, next < 0 ? rest.n : (size_t)next),
				   conditions))
			return NULL;
		if (next < 0)
			return vars_name_const(l, word, slice_first(list, (size_t)comma));
		rest = slice_from(rest, (size_t)next + 1);
	}
	cfg_error(l, word, "'%s' takes no conditions", z);
	return NULL;
}

static int parse_set_var(struct cfg_line *l, int *i, struct rule *r)
{
	struct var_action *a = ARENA_NEW(l->arena, struct var_action);

	a->name = var_of_word(l, *i - 1, &a->conditions);
	if (!a->name)
		return -1;
	if (*i >= l->nwords)
		return cfg_error(l, *i - 1, "an expression is missing behind '%s'",
				 l->words[*i - 1].z);
	a->expr = expr_parse(l, *i, l->words[*i].z, r->where);
	++*i;
	r->priv = a;
	return a->expr ? 0 : -1;
}

static enum rule_verdict run_set_var(const struct rule *r, const struct smp_ctx *ctx)
{
	const struct var_action *a = r->priv;
	struct sample s;

	if (expr_eval(a->expr, ctx, SMP_ANY, &s))
		vars_set_if(a->name, ctx, &s, a->conditions);
	return RULE_CONTINUE;
}

static int parse_set_var_fmt(struct cfg_line *l, int *i, struct rule *r)
{
	struct var_action *a = ARENA_NEW(l->arena, struct var_action);

	a->name = var_of_word(l, *i - 1, &a->conditions);
	if (!a->name)
		return -1;
	if (*i >= l->nwords)
		return cfg_error(l, *i - 1, "a format is missing behind '%s'", l->words[*i - 1].z);
	a->format = logformat_parse(l, *i, l->words[*i].z, r->where);
	++*i;
	r->priv = a;
	return a->format ? 0 : -1;
}

static enum rule_verdict run_set_var_fmt(const struct rule *r, const struct smp_ctx *ctx)
{
	const struct var_action *a = r->priv;
	struct log_ctx lc = { .sess = ctx->sess,
			      .stream = ctx->stream,
			      .http = ctx->http,
			      .fe = r->px,
			      .be = r->px };
	struct strbuf text = STRBUF_INIT;
	struct sample s = { .type = SMP_STR };

	logformat_write(a->format, &text, &lc, ctx);
	s.u.s = strbuf_slice(&text);
	vars_set_if(a->name, ctx, &s, a->conditions);
	strbuf_fini(&text);
	return RULE_CONTINUE;
}

static int parse_unset_var(struct cfg_line *l, int *i, struct rule *r)
{
	struct var_action *a = ARENA_NEW(l->arena, struct var_action);

	a->name = var_of_word(l, *i - 1, NULL);
	r->priv = a;
	return a->name ? 0 : -1;
}

static enum rule_verdict run_unset_var(const struct rule *r, const struct smp_ctx *ctx)
{
	vars_unset(((const struct var_action *)r->priv)->name, ctx);
	return RULE_CONTINUE;
}

#define SAYS_VAR  "a packet program has no variables"
#define SAYS_RULE "connection rules run in the daemon"

static const struct action_row rows[] = {
	{ .name = "accept",
	  .sets = SETS_TCP,
	  .run = run_accept,
	  .final = true,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .usage = "accept",
	  .help = "Ends the rules: the connection goes on." },
	{ .name = "reject",
	  .sets = SETS_TCP,
	  .run = run_reject,
	  .final = true,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .usage = "reject",
	  .help = "Closes the connection." },
	{ .name = "set-var",
	  .sets = SETS_TCP | SETS_HTTP,
	  .parse = parse_set_var,
	  .run = run_set_var,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_VAR,
	  .usage = "set-var(<scope>.<name>[,<condition>...]) <expression>",
	  .help = "Keeps a value in a variable." },
	{ .name = "set-var-fmt",
	  .sets = SETS_TCP | SETS_HTTP,
	  .parse = parse_set_var_fmt,
	  .run = run_set_var_fmt,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_VAR,
	  .usage = "set-var-fmt(<scope>.<name>[,<condition>...]) <format>",
	  .help = "Keeps a text made by a log-format in a variable." },
	{ .name = "unset-var",
	  .sets = SETS_TCP | SETS_HTTP,
	  .parse = parse_unset_var,
	  .run = run_unset_var,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_VAR,
	  .usage = "unset-var(<scope>.<name>)",
	  .help = "Forgets a variable." },
};

void actions_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
}
