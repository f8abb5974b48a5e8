// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions.c - rules that track keys and change general purpose counters and tags. Parsing: control thread; running: worker.
 */
#include "base/units.h"
#include "policy/rules.h"
#include "policy/sample_util.h"
#include "stick/config.h"
#include "stick/track.h"
#include "stick/values.h"

#define SETS_TRACK                                                                      \
	(RULESET_TCP_CONN | RULESET_TCP_SESS | RULESET_TCP_CONTENT | RULESET_HTTP_REQ | \
	 RULESET_HTTP_RES)
#define SETS_COUNT (SETS_TRACK | RULESET_TCP_RESPONSE | RULESET_HTTP_AFTER)

/* ---- track-sc0 <key> [table <table>] ---- */

struct track_action {
	struct stick_table *table;
	struct expr *key;
	uint32_t number;
};

static int take_number(struct cfg_line *l, int word, struct slice text, uint32_t *out)
{
	int64_t v;

	if (!stick_counters)
		return cfg_error(l, word, "tune.stick-counters is 0: nothing can be tracked");
	if (parse_i64(text, 0, stick_counters - 1, &v))
		return cfg_error(l, word,
				 "'%.*s' must be a number of 0..%u: tune.stick-counters %u in "
				 "'global' allows so many tracked counters",
				 SLICE_FMT(text), stick_counters - 1, stick_counters);
	*out = (uint32_t)v;
	return 0;
}

static int parse_track(struct cfg_line *l, int *i, struct rule *r)
{
	struct track_action *a = ARENA_NEW(l->arena, struct track_action);
	const char *name = r->action->name, *table = NULL;

	if (take_number(l, *i - 1, slice_z(name + strlen("track-sc")), &a->number))
		return -1;
	if (*i >= l->nwords)
		return cfg_error(l, *i - 1, "a key is missing behind '%s', such as 'src'", name);
	a->key = expr_parse(l, *i, l->words[*i].z, r->where);
	if (!a->key)
		return -1;
	++*i;
	if (*i < l->nwords && !strcmp(l->words[*i].z, "table")) {
		if (*i + 1 >= l->nwords)
			return cfg_error(l, *i, "'table' needs the name of a table");
		table = l->words[*i + 1].z;
		*i += 2;
	}
	stick_table_want_key(l, *i - 1, name, table, &a->table, a->key);
	r->priv = a;
	return 0;
}

static enum rule_verdict run_track(const struct rule *r, const struct smp_ctx *ctx)
{
	const struct track_action *a = r->priv;
	bool by_stream = r->set != RULESET_TCP_CONN && r->set != RULESET_TCP_SESS;
	unsigned int events = 0;
	struct stick_key key;
	struct sample smp;

	if (stick_track_taken(ctx, by_stream, a->number))
		return RULE_CONTINUE;
	if (!expr_eval(a->key, ctx, SMP_ANY, &smp))
		return (smp.flags & SMP_F_MAY_CHANGE) && !ctx->final ? RULE_YIELD : RULE_CONTINUE;
	if ((smp.flags & SMP_F_MAY_CHANGE) && !ctx->final)
		return RULE_YIELD;
	if (!stick_key_make(a->table, &smp, ctx, &key))
		return RULE_CONTINUE;
	if (by_stream && ctx->http && stick_events_so_far)
		events = stick_events_so_far(ctx, r->set);
	stick_track_start(ctx, by_stream, a->number, a->table, &key, events);
	return RULE_CONTINUE;
}

/* ---- sc-inc-gpc(<idx>,<sc-id>), sc-inc-gpc0(<sc-id>), sc-add-gpc, sc-set-gpt, sc-set-gpt0 ---- */

struct count_action {
	uint32_t index, number;
	bool by_array; /* only arrays count, not gpc0, gpt0 */
	int64_t value;
	struct expr *expr; /* NULL: `value` */
};

/* The numbers in the parentheses of the action's own word. */
static int parse_ids(struct cfg_line *l, int word, struct rule *r, struct count_action *a)
{
	const char *z = l->words[word].z, *open = strchr(z, '(');
	size_t n = open ? strlen(open) : 0;
	struct slice in;
	int64_t idx;

	if (n < 3 || open[n - 1] != ')')
		return cfg_error(l, word, "'%s' needs numbers in parentheses; usage: %s", z,
				 r->action->usage);
	in = slice_make(open + 1, n - 2);
	if (a->by_array) {
		ptrdiff_t comma = slice_chr(in, ',');

		if (comma < 0)
			return cfg_error(l, word, "'%s' needs two numbers; usage: %s", z,
					 r->action->usage);
		if (parse_i64(slice_first(in, (size_t)comma), 0, STICK_ARRAY_MAX - 1, &idx))
			return cfg_error(l, word, "'%.*s' must be an index of 0..%d", (int)comma,
					 in.p, STICK_ARRAY_MAX - 1);
		a->index = (uint32_t)idx;
		in = slice_from(in, (size_t)comma + 1);
	}
	return take_number(l, word, in, &a->number);
}

static struct count_action *count_new(struct cfg_line *l, int word, struct rule *r)
{
	struct count_action *a = ARENA_NEW(l->arena, struct count_action);
	size_t n = strlen(r->action->name);
	char last = r->action->name[n - 1];

	a->by_array = last != '0' && last != '1';
	a->index = last == '1';
	r->priv = a;
	return parse_ids(l, word, r, a) ? NULL : a;
}

static int parse_inc(struct cfg_line *l, int *i, struct rule *r)
{
	return count_new(l, *i - 1, r) ? 0 : -1;
}

static int parse_with_value(struct cfg_line *l, int *i, struct rule *r)
{
	struct count_action *a = count_new(l, *i - 1, r);

	if (!a)
		return -1;
	if (*i >= l->nwords)
		return cfg_error(l, *i - 1, "a number or an expression is missing; usage: %s",
				 r->action->usage);
	if (parse_i64(slice_z(l->words[*i].z), 0, UINT32_MAX, &a->value)) {
		a->expr = expr_parse(l, *i, l->words[*i].z, r->where);
		if (!a->expr)
			return -1;
	}
	++*i;
	return 0;
}

static bool value_of(const struct count_action *a, const struct smp_ctx *ctx, uint64_t *v)
{
	struct sample smp;

	*v = (uint64_t)a->value;
	if (!a->expr)
		return true;
	if (!expr_eval(a->expr, ctx, SMP_INT, &smp))
		return false;
	*v = (uint64_t)smp.u.i;
	return true;
}

static void count_in(const struct count_action *a, const struct smp_ctx *ctx, uint64_t n)
{
	struct stick_track *tr = stick_track_get(ctx, a->number);
	uint64_t ignored;

	if (!tr)
		return;
	stick_lock(tr->table, tr->entry);
	stick_gpc_add(tr->table, tr->entry, a->index, a->by_array, n, &ignored);
	stick_unlock(tr->table, tr->entry);
}

static enum rule_verdict run_inc(const struct rule *r, const struct smp_ctx *ctx)
{
	count_in(r->priv, ctx, 1);
	return RULE_CONTINUE;
}

static enum rule_verdict run_add(const struct rule *r, const struct smp_ctx *ctx)
{
	const struct count_action *a = r->priv;
	uint64_t n;

	if (value_of(a, ctx, &n))
		count_in(a, ctx, n);
	return RULE_CONTINUE;
}

static enum rule_verdict run_set_gpt(const struct rule *r, const struct smp_ctx *ctx)
{
	const struct count_action *a = r->priv;
	struct stick_track *tr = stick_track_get(ctx, a->number);
	uint64_t v;

	if (!tr || !value_of(a, ctx, &v))
		return RULE_CONTINUE;
	stick_lock(tr->table, tr->entry);
	stick_gpt_set(tr->table, tr->entry, a->index, a->by_array, (uint32_t)v);
	stick_unlock(tr->table, tr->entry);
	return RULE_CONTINUE;
}

#define SAYS "counters of stick tables are kept by the daemon"

#define TRACK(n)                                                                                   \
	{                                                                                          \
		.name = "track-sc" #n, .sets = SETS_TRACK, .parse = parse_track, .run = run_track, \
		.kernel = KERNEL_NEVER, .kernel_says = SAYS,                                       \
		.usage = "track-sc" #n " <key> [table <table>]",                                   \
		.help = "Counts in the entry of this key, from now to the end of the connection "  \
			"or, in rules on content, of the request, as counter " #n "."              \
	}

#define COUNT(n, parse_fn, run_fn, args, help_text)                                             \
	{                                                                                       \
		.name = n, .sets = SETS_COUNT, .parse = parse_fn, .run = run_fn,                \
		.kernel = KERNEL_NEVER, .kernel_says = SAYS, .usage = n args, .help = help_text \
	}

static const struct action_row rows[] = {
	TRACK(0),
	TRACK(1),
	TRACK(2),
	TRACK(3),
	TRACK(4),
	TRACK(5),
	TRACK(6),
	TRACK(7),
	TRACK(8),
	TRACK(9),
	TRACK(10),
	TRACK(11),
	COUNT("sc-inc-gpc", parse_inc, run_inc, "(<index>,<counter>)",
	      "Adds one to an element of the tracked entry's array gpc, and of gpc_rate."),
	COUNT("sc-inc-gpc0", parse_inc, run_inc, "(<counter>)",
	      "Adds one to gpc0 of the tracked entry, and to gpc0_rate."),
	COUNT("sc-inc-gpc1", parse_inc, run_inc, "(<counter>)",
	      "Adds one to gpc1 of the tracked entry, and to gpc1_rate."),
	COUNT("sc-add-gpc", parse_with_value, run_add,
	      "(<index>,<counter>) {<number>|<expression>}",
	      "Adds to an element of the tracked entry's array gpc, and of gpc_rate."),
	COUNT("sc-set-gpt", parse_with_value, run_set_gpt,
	      "(<index>,<counter>) {<number>|<expression>}",
	      "Sets an element of the tracked entry's array gpt."),
	COUNT("sc-set-gpt0", parse_with_value, run_set_gpt, "(<counter>) {<number>|<expression>}",
	      "Sets gpt0 of the tracked entry."),
};

void stick_action_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
}
