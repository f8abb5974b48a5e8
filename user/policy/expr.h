/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * expr.h - the inside of an expression, for this folder: ACLs and the index of conditions look at it.
 */
#ifndef LBD_POLICY_EXPR_H
#define LBD_POLICY_EXPR_H

#include "policy/registry.h"

struct expr_conv {
	const struct converter_row *row;
	struct smp_arg args[SMP_MAX_ARGS];
};

struct expr {
	const struct fetch_row *fetch;
	struct smp_arg args[SMP_MAX_ARGS];
	struct expr_conv *convs;
	int nconvs;
	enum smp_type out; /* SMP_ANY: known at run time only */
	const char *text;
};

/* As expr_parse(), for a test of an ACL: the first name may be an ACL keyword ("path_beg"), told in *@kw;
 * where the values are available is not checked here, because an ACL is declared before it is used. */
struct expr *expr_parse_acl(struct cfg_line *l, int i, const char *text,
			    const struct acl_keyword **kw);

/* The same fetch, arguments and converters: both give the same values at the same time. */
bool expr_same(const struct expr *a, const struct expr *b);
/* May it be evaluated ahead of its turn, or not at all? (no effects, same value when asked again) */
bool expr_is_pure(const struct expr *e);
/* "HTTP request headers": in words, for messages. @buf of @size. */
const char *smp_where_text(unsigned int where, char *buf, size_t size);

#endif
