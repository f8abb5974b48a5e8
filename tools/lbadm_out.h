/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm_out.h - output as a table for people or as JSON for programs, from the same rows.
 */
#ifndef LBADM_OUT_H
#define LBADM_OUT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

enum out_kind {
	OUT_TEXT,  /* string */
	OUT_COUNT, /* integer, shown with thousands separators, right-aligned */
	OUT_BYTES, /* integer, shown as 1.2G, right-aligned */
	OUT_SHARE, /* real 0..1, shown as 33.3% */
	OUT_LONG,  /* string in the last column: not padded */
};
struct out_column {
	const char *title; /* "NEW/s" */
	const char *key;   /* "new_per_s", also the JSON name */
	enum out_kind kind;
};

/* @rows: an array of objects; a missing key is shown as "-". Text goes to stdout with @ncolumns columns. */
void out_table(const struct out_column *columns, size_t ncolumns, const json_t *rows);
/* Prints @value (and a newline) as JSON; takes the reference. */
void out_json(json_t *value);
/* 1234567 -> "1,234,567"; @buf of 32 bytes. Returns buf. */
char *out_count(char *buf, uint64_t v);
/* 1536 -> "1.5K" */
char *out_bytes(char *buf, uint64_t v);

#endif
