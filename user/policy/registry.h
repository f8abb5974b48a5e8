/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry.h - looking up the rows of fetches, converters, ACL keywords and actions by name, and "did you mean".
 * For the parsers in this folder. Control thread, while the configuration is read.
 */
#ifndef LBD_POLICY_REGISTRY_H
#define LBD_POLICY_REGISTRY_H

#include "policy/acl.h"
#include "policy/rules.h"

/* Arrays of rows, as they were registered. @row_bytes: each row starts with its name (const char *). */
struct row_table {
	const void *rows[64];
	size_t count[64];
	size_t row_bytes;
	int n;
};
void row_table_add(struct row_table *t, const void *rows, size_t n);
/* The row of that name, or NULL. */
const void *row_table_find(const struct row_table *t, struct slice name);
/* The i-th row over all arrays, NULL past the end. */
const void *row_table_at(const struct row_table *t, size_t i);
/* The name nearest to @word, or NULL. */
const char *row_table_nearest(const struct row_table *t, struct slice word);

extern struct row_table fetch_rows, converter_rows, acl_keyword_rows, acl_predefined_rows,
	action_rows;

const struct fetch_row *fetch_find(struct slice name);
const struct converter_row *converter_find(struct slice name);

/* "int", "str" ... as HAProxy writes the types. */
const char *smp_type_name(enum smp_type t);
/* Can a sample of type @from be cast to @to at all? (the matrix of the manual, section 7.1) */
bool smp_type_casts(enum smp_type from, enum smp_type to);

#endif
