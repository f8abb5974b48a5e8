// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * registry.c - tables of named rows: fetches, converters, ACL keywords, predefined ACLs, actions; and their walkers for
 * `-dK`. Rows are constants of the modules that register them. Control thread, before and while the configuration is read.
 */
#include <stdio.h>
#include <stdlib.h>

#include "policy/registry.h"

struct row_table fetch_rows = { .row_bytes = sizeof(struct fetch_row) };
struct row_table converter_rows = { .row_bytes = sizeof(struct converter_row) };
struct row_table acl_keyword_rows = { .row_bytes = sizeof(struct acl_keyword) };
struct row_table acl_predefined_rows = { .row_bytes = sizeof(struct acl_predefined) };
struct row_table action_rows = { .row_bytes = sizeof(struct action_row) };

void row_table_add(struct row_table *t, const void *rows, size_t n)
{
	for (int i = 0; i < t->n; i++)
		if (t->rows[i] == rows)
			return; /* an init call that runs twice (tests) changes nothing */
	if (t->n == ARRAY_SIZE(t->rows)) {
		fprintf(stderr, "lbd: too many row tables registered\n");
		abort();
	}
	t->rows[t->n] = rows;
	t->count[t->n++] = n;
}

static const char *row_name(const void *row)
{
	return *(const char *const *)row;
}

const void *row_table_at(const struct row_table *t, size_t i)
{
	for (int a = 0; a < t->n; i -= t->count[a++])
		if (i < t->count[a])
			return (const char *)t->rows[a] + i * t->row_bytes;
	return NULL;
}

const void *row_table_find(const struct row_table *t, struct slice name)
{
	for (int a = 0; a < t->n; a++) {
		const char *row = t->rows[a];

		for (size_t i = 0; i < t->count[a]; i++, row += t->row_bytes)
			if (slice_eq_z(name, row_name(row)))
				return row;
	}
	return NULL;
}

struct nearest_walk {
	const struct row_table *t;
	size_t i;
};

static const char *nearest_next(void *ctx)
{
	struct nearest_walk *w = ctx;
	const void *row = row_table_at(w->t, w->i++);

	return row ? row_name(row) : NULL;
}

const char *row_table_nearest(const struct row_table *t, struct slice word)
{
	struct nearest_walk w = { t, 0 };
	char z[64];

	snprintf(z, sizeof(z), "%.*s", SLICE_FMT(word));
	return diag_nearest(z, nearest_next, &w);
}

void fetch_register(const struct fetch_row *rows, size_t n)
{
	row_table_add(&fetch_rows, rows, n);
}

void converter_register(const struct converter_row *rows, size_t n)
{
	row_table_add(&converter_rows, rows, n);
}

void acl_keyword_register(const struct acl_keyword *rows, size_t n)
{
	row_table_add(&acl_keyword_rows, rows, n);
}

void acl_predefined_register(const struct acl_predefined *rows, size_t n)
{
	row_table_add(&acl_predefined_rows, rows, n);
}

void action_register(const struct action_row *rows, size_t n)
{
	row_table_add(&action_rows, rows, n);
}

const struct fetch_row *fetch_find(struct slice name)
{
	return row_table_find(&fetch_rows, name);
}

const struct converter_row *converter_find(struct slice name)
{
	return row_table_find(&converter_rows, name);
}
