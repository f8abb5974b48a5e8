// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions_line.c - actions on the request line: set-method, set-path, set-pathq, set-query, set-uri and replace-*.
 * Parsing: control thread; running: the transaction's worker.
 */
#include "policy/action_text.h"

enum part { PART_METHOD, PART_PATH, PART_PATHQ, PART_QUERY, PART_URI };

struct line_action {
	enum part part;
	struct action_text text;
	struct regex *re; /* replace-* */
};

static const struct {
	const char *name;
	enum part part;
	bool replace;
} kinds[] = {
	{ "set-method", PART_METHOD, false },  { "set-path", PART_PATH, false },
	{ "set-pathq", PART_PATHQ, false },    { "set-query", PART_QUERY, false },
	{ "set-uri", PART_URI, false },        { "replace-path", PART_PATH, true },
	{ "replace-pathq", PART_PATHQ, true }, { "replace-uri", PART_URI, true },
};

static int parse(struct cfg_line *l, int *i, struct rule *r)
{
	struct line_action *a = ARENA_NEW(l->arena, struct line_action);
	bool replace = false;

	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (!strcmp(kinds[k].name, r->action->name)) {
			a->part = kinds[k].part;
			replace = kinds[k].replace;
		}
	}
	r->priv = a;
	if (replace && !(a->re = action_regex_parse(l, i, r)))
		return -1;
	return action_text_parse(l, i, r, &a->text);
}

static struct slice current(const struct http_msg *m, enum part part)
{
	switch (part) {
	case PART_PATH:
		return http_path(m);
	case PART_PATHQ:
		return http_path_query(m);
	case PART_QUERY:
		return http_query(m);
	case PART_METHOD:
		return m->method_text;
	case PART_URI:
		break;
	}
	return m->target;
}

/* Blanks and control characters would break the request line. */
static bool is_sane(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] <= ' ' || s.p[i] == 127)
			return false;
	return true;
}

static enum rule_verdict run(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_msg *m = http_policy_msg(ctx);
	const struct line_action *a = r->priv;
	struct slice text = action_text_make(&a->text, r, ctx);

	if (a->re && !action_replace(m->arena, a->re, current(m, a->part), text, &text))
		return RULE_CONTINUE;
	if (!is_sane(text) || (!text.n && a->part != PART_QUERY))
		return RULE_ERROR;
	text = arena_dup(m->arena, text);
	switch (a->part) {
	case PART_METHOD:
		http_set_method(m, text);
		break;
	case PART_PATH:
		http_set_path(m, text, false);
		break;
	case PART_PATHQ:
		http_set_path(m, text, true);
		break;
	case PART_QUERY:
		http_set_query(m, text);
		break;
	case PART_URI:
		http_set_target(m, text);
		break;
	}
	return RULE_CONTINUE;
}

#define ROW(n, u, h)                                                             \
	{                                                                        \
		.name = n, .sets = RULESET_HTTP_REQ, .parse = parse, .run = run, \
		.kernel = KERNEL_HTTP, .usage = n " " u, .help = h               \
	}

static const struct action_row rows[] = {
	ROW("set-method", "<format>", "Changes the method."),
	ROW("set-path", "<format>", "Changes the path and keeps the query."),
	ROW("set-pathq", "<format>", "Changes path and query."),
	ROW("set-query", "<format>", "Changes the query (what stands behind the question mark)."),
	ROW("set-uri", "<format>", "Changes the whole target."),
	ROW("replace-path", "<regex> <format>",
	    "Changes the path where the regular expression matches it."),
	ROW("replace-pathq", "<regex> <format>",
	    "Changes path and query where the regular expression matches them."),
	ROW("replace-uri", "<regex> <format>",
	    "Changes the target where the regular expression matches it."),
};

void http_actions_line_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
}
