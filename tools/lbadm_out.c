/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm_out.c - tables and JSON. See lbadm_out.h.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbadm_out.h"

#define CELL 160

char *out_count(char *buf, uint64_t v)
{
	char digits[24];
	int n = snprintf(digits, sizeof(digits), "%" PRIu64, v), o = 0;

	for (int i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0)
			buf[o++] = ',';
		buf[o++] = digits[i];
	}
	buf[o] = 0;
	return buf;
}

char *out_bytes(char *buf, uint64_t v)
{
	static const char units[] = "BKMGTPE";
	double d = (double)v;
	int u = 0;

	while (d >= 1000 && units[u + 1]) {
		d /= 1024;
		u++;
	}
	if (u == 0)
		snprintf(buf, 32, "%" PRIu64, v);
	else
		snprintf(buf, 32, d < 9.95 ? "%.1f%c" : "%.0f%c", d, units[u]);
	return buf;
}

static void cell_text(char *out, const json_t *row, const struct out_column *c)
{
	const json_t *v = json_object_get(row, c->key);

	if (!v || json_is_null(v))
		snprintf(out, CELL, "-");
	else if (json_is_string(v))
		snprintf(out, CELL, "%s", json_string_value(v));
	else if (json_is_boolean(v))
		snprintf(out, CELL, "%s", json_is_true(v) ? "yes" : "no");
	else if (c->kind == OUT_BYTES)
		out_bytes(out, (uint64_t)json_integer_value(v));
	else if (c->kind == OUT_SHARE)
		snprintf(out, CELL, "%.1f%%", 100 * json_number_value(v));
	else if (json_is_integer(v))
		out_count(out, (uint64_t)json_integer_value(v));
	else
		snprintf(out, CELL, "%g", json_number_value(v));
}

static bool aligns_right(enum out_kind k)
{
	return k == OUT_COUNT || k == OUT_BYTES || k == OUT_SHARE;
}

static void print_line(const struct out_column *columns, const size_t *width, size_t n,
		       char (*cell)[CELL])
{
	for (size_t c = 0; c < n; c++) {
		bool last = c + 1 == n;

		if (aligns_right(columns[c].kind))
			printf("%*s", (int)width[c], cell[c]);
		else if (last)
			printf("%s", cell[c]);
		else
			printf("%-*s", (int)width[c], cell[c]);
		printf("%s", last ? "\n" : "  ");
	}
}

void out_table(const struct out_column *columns, size_t n, const json_t *rows)
{
	size_t *width = calloc(n, sizeof(*width));
	char(*cell)[CELL] = calloc(n, sizeof(*cell));
	const json_t *row;
	size_t i;

	if (!width || !cell)
		abort();
	for (size_t c = 0; c < n; c++)
		width[c] = strlen(columns[c].title);
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < n; c++) {
			cell_text(cell[c], row, &columns[c]);
			if (strlen(cell[c]) > width[c])
				width[c] = strlen(cell[c]);
		}
	}
	for (size_t c = 0; c < n; c++)
		snprintf(cell[c], CELL, "%s", columns[c].title);
	print_line(columns, width, n, cell);
	json_array_foreach(rows, i, row)
	{
		for (size_t c = 0; c < n; c++)
			cell_text(cell[c], row, &columns[c]);
		print_line(columns, width, n, cell);
	}
	free(width);
	free(cell);
}

void out_json(json_t *value)
{
	json_dumpf(value, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(value);
}
