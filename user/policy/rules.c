// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rules.c - rule sets: "ACTION args [if|unless condition]". Parsing: control thread. Running: any worker, resumable where
 * an action or a condition has to wait.
 */
#include "config/registry.h"
#include "model/proxy.h"
#include "base/coverage.h"
#include "policy/cond.h"
#include "policy/rules_priv.h"
#include "stream/stream.h"

/* ---- parsing ---- */

static const struct {
	unsigned int set;
	const char *name;
} set_names[] = {
	{ RULESET_TCP_CONN, "tcp-request connection" },
	{ RULESET_TCP_SESS, "tcp-request session" },
	{ RULESET_TCP_CONTENT, "tcp-request content" },
	{ RULESET_TCP_RESPONSE, "tcp-response content" },
	{ RULESET_HTTP_REQ, "http-request" },
	{ RULESET_HTTP_RES, "http-response" },
	{ RULESET_HTTP_AFTER, "http-after-response" },
	{ RULESET_HTTP_REDIRECT, "redirect" },
};

const char *rule_set_name(unsigned int set)
{
	for (size_t i = 0; i < ARRAY_SIZE(set_names); i++)
		if (set_names[i].set == set)
			return set_names[i].name;
	return "rule";
}

struct rule_set *rule_set_find(const struct proxy *px, unsigned int set)
{
	struct rule_set *rs;

	list_for_each_entry(rs, &px->rule_sets, node)
		if (rs->set == set)
			return rs;
	return NULL;
}

static struct rule_set *rule_set_get(struct proxy *px, struct arena *a, unsigned int set)
{
	struct rule_set *rs = rule_set_find(px, set);

	if (rs)
		return rs;
	rs = ARENA_NEW(a, struct rule_set);
	rs->set = set;
	list_init(&rs->rules);
	list_add_tail(&px->rule_sets, &rs->node);
	return rs;
}

/* A row whose action is allowed in this set; several rows may have one name. */
static const struct action_row *action_find(struct slice name, unsigned int set)
{
	const struct action_row *row;

	for (size_t i = 0; (row = row_table_at(&action_rows, i)); i++)
		if (slice_eq_z(name, row->name) && (row->sets & set))
			return row;
	return NULL;
}

struct action_walk {
	size_t i;
	unsigned int set;
};

static const char *action_next(void *ctx)
{
	struct action_walk *w = ctx;
	const struct action_row *row;

	while ((row = row_table_at(&action_rows, w->i++)))
		if (row->sets & w->set)
			return row->name;
	return NULL;
}

static bool is_haproxys(const char *set, const char *action)
{
	char kind[64], bare[64];

	snprintf(kind, sizeof(kind), "%s action", set);
	snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(action, "("), action);
	return haproxy_knows(kind, bare) || !strncmp(action, "lua.", 4);
}

static int unknown_action(struct cfg_line *l, int word, unsigned int set)
{
	struct action_walk w = { 0, set };
	const char *z = word < l->nwords ? l->words[word].z : "",
		   *near = diag_nearest(z, action_next, &w), *name;
	char all[900];
	size_t n = 0;

	if (is_haproxys(rule_set_name(set), z))
		return cfg_error(l, word,
				 "the action '%s %s' is HAProxy's, lbd does not have it yet",
				 rule_set_name(set), z);
	if (near)
		return cfg_error(l, word, "'%s' has no action '%s'; did you mean '%s'?",
				 rule_set_name(set), z, near);
	w.i = 0;
	all[0] = 0;
	while ((name = action_next(&w)) && n + strlen(name) + 3 < sizeof(all))
		n += snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "", name);
	if (!*z)
		return cfg_error(l, word < l->nwords ? word : l->nwords - 1,
				 "an action is missing behind '%s': %s", rule_set_name(set), all);
	return cfg_error(l, word, "'%s' has no action '%s'; there are %s", rule_set_name(set), z,
			 all);
}

static bool begins_condition(const char *z)
{
	return !strcmp(z, "if") || !strcmp(z, "unless");
}

struct rule *rule_parse_one(struct cfg_line *l, int word, unsigned int set, unsigned int where)
{
	const char *z = word < l->nwords ? l->words[word].z : "";
	struct rule *r = ARENA_NEW(l->arena, struct rule);
	int i = word + 1;

	r->action = action_find(slice_make(z, strcspn(z, "(")), set);
	if (!r->action) {
		unknown_action(l, word, set);
		return NULL;
	}
	r->set = set;
	r->where = where | (l->px && (l->px->caps & PX_BACKEND) && set != RULESET_TCP_CONN &&
					    set != RULESET_TCP_SESS
				    ? SMP_W_BACKEND
				    : 0);
	r->px = l->px;
	r->at = cfg_place(l, word);
	if (r->action->parse && r->action->parse(l, &i, r))
		return NULL;
	if (i < l->nwords && !begins_condition(l->words[i].z)) {
		cfg_error(l, i, "'%s' is not expected behind '%s %s'; usage: %s", l->words[i].z,
			  rule_set_name(set), r->action->name,
			  r->action->usage ? r->action->usage : r->action->name);
		return NULL;
	}
	if (i < l->nwords) {
		r->cond = cond_parse(l, i, r->where);
		if (!r->cond)
			return NULL;
	}
	cfg_note_use(l, rule_set_name(set), r->action->name, r->action->kernel,
		     r->action->kernel_says);
	return r;
}

static void warn_dead(struct cfg_line *l, const struct rule_set *rs)
{
	const struct rule *last;

	if (list_empty(&rs->rules))
		return;
	last = list_last(&rs->rules, struct rule, node);
	if (last->action->final && !last->cond)
		cfg_warn(l, l->first_arg,
			 "this rule is never reached: '%s %s' at line %d has no condition and ends "
			 "the rules",
			 rule_set_name(rs->set), last->action->name, last->at.line);
}

int rule_append(struct cfg_line *l, struct rule *r)
{
	struct rule_set *rs = rule_set_get(l->px, l->arena, r->set);

	warn_dead(l, rs);
	r->index = rs->nrules++;
	list_add_tail(&rs->rules, &r->node);
	return 0;
}

int rule_insert_front(struct cfg_line *l, struct rule *r)
{
	struct rule_set *rs = rule_set_get(l->px, l->arena, r->set);
	struct list *after = &rs->rules;
	struct rule *other;

	list_for_each_entry(other, &rs->rules, node)
		if (other->num[3])
			after = &other->node;
	list_add_between(&r->node, after, after->next);
	rs->nrules++;
	return 0;
}

int rule_parse(struct cfg_line *l, int k, unsigned int set, unsigned int where)
{
	struct rule *r = rule_parse_one(l, l->first_arg + k, set, where);

	return r ? rule_append(l, r) : -1;
}

/* ---- when everything is read ---- */

/* Rules whose conditions are asked together. */
struct rule_run {
	struct cond_index *index;
	int n;
};

struct rule_program {
	const struct rule **rules;
	struct rule_run *runs; /* by the index of the first rule; n is 0 elsewhere */
	int n;
};

#define RUN_LEAST   4
#define MIXED_LEAST 8

/* Does the index of conditions pay when none of them holds, which is the rule for connections? */
static bool may_mix(unsigned int set)
{
	return set & (RULESET_TCP_CONN | RULESET_TCP_SESS | RULESET_TCP_CONTENT);
}

/*
 * Rules that end the set are one question as often as they are asked. Others are asked together up to the first that
 * holds, and one by one behind it, because it may have changed what they look at.
 */
static int run_length(const struct rule_program *p, int from, unsigned int set)
{
	int finals = 0, mixed = 0;

	while (from + finals < p->n && p->rules[from + finals]->action->final)
		finals++;
	while (may_mix(set) && from + mixed < p->n && p->rules[from + mixed]->cond)
		mixed++;
	if (mixed >= MIXED_LEAST && mixed > finals)
		return mixed;
	return finals;
}

static void find_runs(struct rule_program *p, struct arena *a, unsigned int set)
{
	struct cond **conds = arena_alloc(a, sizeof(*conds) * (p->n + 1));

	for (int i = 0, n; i < p->n; i += n ? n : 1) {
		n = run_length(p, i, set);
		for (int k = 0; k < n; k++)
			conds[k] = p->rules[i + k]->cond;
		if (n < RUN_LEAST)
			continue;
		p->runs[i] = (struct rule_run){ cond_index_build(a, conds, n), n };
	}
}

void rule_set_compile(struct rule_set *rs, struct arena *a)
{
	struct rule_program *p = ARENA_NEW(a, struct rule_program);
	struct rule *r;

	p->rules = arena_zalloc(a, sizeof(*p->rules) * (rs->nrules + 1));
	p->runs = arena_zalloc(a, sizeof(*p->runs) * (rs->nrules + 1));
	list_for_each_entry(r, &rs->rules, node) {
		r->index = p->n;
		p->rules[p->n++] = r;
	}
	find_runs(p, a, rs->set);
	rs->program = p;
}

/* ---- running ---- */

/* An action counts under its set, and as "action". */
static void note_action(const struct rule *r)
{
	char kind[64];

	snprintf(kind, sizeof(kind), "%s action", rule_set_name(r->set));
	coverage_note(kind, r->action->name);
	coverage_note("action", r->action->name);
}

static enum rule_verdict run_one(const struct rule *r, const struct smp_ctx *ctx,
				 struct rule_progress *p, bool *next)
{
	enum rule_verdict v;

	*next = false;
	p->at = r;
	p->stopped_by = r; /* while it yields: its condition held */
	v = r->action->run(r, ctx);
	if (__builtin_expect(coverage_on, false))
		note_action(r);
	if (v == RULE_CONTINUE) {
		p->stopped_by = NULL;
		*next = true;
	} else if (v != RULE_YIELD && ctx->stream) {
		ctx->stream->last_rule = r;
	}
	return v;
}

/* The condition of rule @i, or the whole run that begins there: the rule to execute, or where to go on. */
static enum acl_result holds(const struct rule_program *p, int i, const struct smp_ctx *ctx,
			     int *found)
{
	const struct rule_run *run = &p->runs[i];
	const struct cond *c = p->rules[i]->cond;

	*found = i;
	if (run->n) {
		int k = cond_index_first(run->index, ctx);

		*found = i + k;
		return k < 0 ? ACL_MORE : k < run->n ? ACL_YES : ACL_NO;
	}
	if (!c)
		return ACL_YES;
	*found = i + 1;
	switch (cond_eval(c, ctx)) {
	case ACL_YES:
		*found = i;
		return ACL_YES;
	case ACL_MORE:
		return ACL_MORE;
	default:
		return ACL_NO;
	}
}

enum rule_verdict rules_run(const struct rule_set *rs, const struct smp_ctx *ctx,
			    struct rule_progress *p)
{
	const struct rule_program *prog = rs ? rs->program : NULL;
	bool next = true, resumed = p->at && p->stopped_by == p->at;
	int i = resumed ? p->at->index : 0;

	if (!prog)
		return RULE_CONTINUE;
	if (resumed) {
		enum rule_verdict v = run_one(p->at, ctx, p, &next);

		if (!next)
			return v;
		i++;
	}
	while (i < prog->n) {
		int found;
		enum acl_result r = holds(prog, i, ctx, &found);
		enum rule_verdict v;

		if (r == ACL_MORE) {
			/* from the start again, as in HAProxy: what the rules before have read may be more by then */
			p->at = p->stopped_by = NULL;
			return RULE_YIELD;
		}
		i = found;
		if (r == ACL_NO)
			continue;
		v = run_one(prog->rules[i], ctx, p, &next);
		if (!next)
			return v;
		i++;
	}
	p->at = p->stopped_by = NULL;
	return RULE_CONTINUE;
}
