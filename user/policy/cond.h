/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cond.h - the inside of ACLs and conditions, for this folder: the index of conditions looks at it.
 */
#ifndef LBD_POLICY_COND_H
#define LBD_POLICY_COND_H

#include "policy/expr.h"
#include "policy/pattern.h"

struct pat_ref;

/* A file of an ACL and which of its indexes is asked. */
struct acl_file {
	const struct pat_ref *ref;
	int index;
};

/* One line of an ACL: an expression and the values it is compared with. */
struct acl_test {
	struct expr *expr;
	const struct match_row *match;
	struct patterns patterns; /* the values on the line itself, as configured */
	struct pat_ref *own;      /* the same, as they may be changed at run time */
	struct acl_file *files;
	int nfiles;
	const char *text;
};

/* All lines of one name: any of them is enough. */
struct acl {
	struct list node; /* proxy.acls */
	const char *name; /* NULL: anonymous */
	struct acl_test **tests;
	int ntests;
	struct place at;
};

struct cond_term {
	const struct acl *acl;
	bool negated;
};

struct cond_all { /* terms that must all hold */
	struct cond_term *terms;
	int n;
};

struct cond { /* any of them */
	struct cond_all *any;
	int n;
	bool unless;
	unsigned int where;
	const char *text;
};

/* Parses one test from words [@from, @to) of the line. NULL with the error said. */
struct acl_test *acl_test_parse(struct cfg_line *l, int from, int to);
/* The named ACL of this section, a predefined one, or NULL (nothing said). */
struct acl *acl_find(struct cfg_line *l, const char *name);
/* The keyword "acl". */
int acl_parse_line(struct cfg_line *l);

enum acl_result acl_test_eval(const struct acl_test *t, unsigned int where,
			      const struct smp_ctx *ctx);

#endif
