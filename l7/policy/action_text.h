/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * action_text.h - text arguments of HTTP actions: log-formats, and regular expressions with replacements.
 */
#ifndef LBD_L7_POLICY_ACTION_TEXT_H
#define LBD_L7_POLICY_ACTION_TEXT_H

#include "policy/http_policy.h"
#include "policy/regex.h"

struct logformat;
struct action_text {
	struct logformat *format; /* NULL: constant */
	struct slice constant;
};

/* The word *i as a log-format; moves on. @r says what is available. 0 or -1 with the error said. */
int action_text_parse(struct cfg_line *l, int *i, const struct rule *r, struct action_text *t);
/* In the request's arena (or the configuration's, when it is constant). */
struct slice action_text_make(const struct action_text *t, const struct rule *r,
			      const struct smp_ctx *ctx);

/* The word *i as a regular expression with groups; moves on. NULL with the error said. */
struct regex *action_regex_parse(struct cfg_line *l, int *i, const struct rule *r);
/* @with with \0..\9 taken from the match in @s; false when it does not match. */
bool action_replace(struct arena *a, const struct regex *re, struct slice s, struct slice with,
		    struct slice *out);

#endif
