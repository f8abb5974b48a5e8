/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules.h - rule sets ("tcp-request connection", "http-request", ...) and actions (rows).
 */
#ifndef LBD_POLICY_RULES_H
#define LBD_POLICY_RULES_H

#include "policy/acl.h"

enum rule_verdict {
	RULE_CONTINUE, /* next rule */
	RULE_STOP,     /* accept: leave this rule set */
	RULE_DENY,     /* l7: answer with ctx->status; tcp: close */
	RULE_DROP,     /* close without an answer */
	RULE_DONE, /* the action answered by itself (redirect, return): the stream ends after sending */
	RULE_YIELD, /* call again: it waits for data or time */
	RULE_ERROR,
};

struct rule;
struct action_row {
	const char *name;  /* "set-header", "deny" */
	unsigned int sets; /* RULESET_* bits in which it is allowed */
	/* Parses from word *i (behind the name) up to "if"/"unless" or the end; fills rule->priv. 0 or -1 with error said. */
	int (*parse)(struct cfg_line *l, int *i, struct rule *r);
	enum rule_verdict (*run)(const struct rule *r, const struct smp_ctx *ctx);
	bool final; /* ends the rule set: lets the loader warn about rules behind an unconditional one */
	enum kernel_meaning kernel;
	const char *kernel_says;
	const char *usage, *help;
};
void action_register(const struct action_row *rows, size_t n);

enum {
	RULESET_TCP_CONN = 1 << 0,
	RULESET_TCP_SESS = 1 << 1,
	RULESET_TCP_CONTENT = 1 << 2,
	RULESET_TCP_RESPONSE = 1 << 3,
	RULESET_HTTP_REQ = 1 << 4,
	RULESET_HTTP_RES = 1 << 5,
	RULESET_HTTP_AFTER = 1 << 6,
	RULESET_HTTP_REDIRECT =
		1
		<< 7, /* the keyword `redirect`: behind the http-request rules, whatever those said but deny */
};

struct rule {
	struct list node;
	const struct action_row *action;
	struct cond *cond; /* NULL: always */
	struct place at;
	unsigned int set;   /* the RULESET_* bit it stands in */
	unsigned int where; /* enum smp_where: what is available there, for parsing expressions */
	struct proxy *px;
	void *priv;     /* the action's, in the configuration's arena */
	int64_t num[4]; /* small arguments */
	int index;      /* position in its set */
};

struct rule_set {
	struct list node; /* proxy.rule_sets */
	unsigned int set; /* RULESET_* */
	struct list rules;
	int nrules;
	struct rule_program *
		program; /* made when everything is read: rules as an array, runs of them indexed */
};

/* The set of @px, NULL when it has no such rule. */
struct rule_set *rule_set_find(const struct proxy *px, unsigned int set);
/* For keyword handlers: parses "ACTION args [if|unless cond]" at argument @k and appends it. 0 or -1. */
int rule_parse(struct cfg_line *l, int k, unsigned int set, unsigned int where);

/* Progress of an evaluation that may have to wait; zero it before the first call. */
struct rule_progress {
	const struct rule *at;
	const struct rule *stopped_by;
};
enum rule_verdict rules_run(const struct rule_set *rs, const struct smp_ctx *ctx,
			    struct rule_progress *p);

/* Ends a stream's waiting for content rules: `tcp-request inspect-delay` (or tcp-response), ms; 0: does not wait. */
uint32_t policy_inspect_delay(const struct proxy *px, bool response);

/* use_backend: the backend of the first matching rule, else default_backend, else NULL (for the stream: 503/close). */
struct proxy *policy_choose_backend(struct proxy *fe, const struct smp_ctx *ctx, bool *more);
/* May a rule or default_backend of @fe lead to @be? Names that are computed at run time do not count. */
bool policy_leads_to(const struct proxy *fe, const struct proxy *be);

void policy_init(void);

#endif
