/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * acl.h - ACLs and conditions ("if a !b or { path_beg /x }"), compiled at configuration time.
 */
#ifndef LBD_POLICY_ACL_H
#define LBD_POLICY_ACL_H

#include "policy/sample.h"

enum acl_result { ACL_NO = 0, ACL_YES = 1, ACL_MORE = 2 /* data missing: ask again */ };

struct cond;
/* Parses from word @i ("if"/"unless") to the end of the line; NULL with the error said. ACL names resolve in l->px first,
 * then the predefined ones; forward references are an error as in HAProxy. */
struct cond *cond_parse(struct cfg_line *l, int i, unsigned int where);
enum acl_result cond_eval(const struct cond *c, const struct smp_ctx *ctx);
const char *cond_text(const struct cond *c);

/* A keyword that is a fetch plus a match method: "path_beg" = path,beg. Rows (kind "acl-suffix-keyword"). */
struct acl_keyword {
	const char *name, *fetch, *match;
	const char *help;
};
void acl_keyword_register(const struct acl_keyword *rows, size_t n);
/* A predefined ACL: name and definition ("TRUE", "always_true"). */
struct acl_predefined {
	const char *name, *expr;
	const char *help;
};
void acl_predefined_register(const struct acl_predefined *rows, size_t n);

/*
 * A list of "first condition that holds wins" rules (use_backend, and runs of plain rules). Equality, prefix and suffix
 * tests of the same fetch go into hash tables and tries, so a thousand cost what one costs.
 */
struct cond_index;
struct cond_index *cond_index_build(struct arena *a, struct cond *const *conds, int n);
/* The first index whose condition holds; n when none; -1: more data is needed. */
int cond_index_first(const struct cond_index *ix, const struct smp_ctx *ctx);

#endif
