/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json.h - finding one value in a JSON text (RFC 8259) by a path like $.a.b[0], without building a tree. Any thread.
 */
#ifndef LBD_POLICY_JSON_H
#define LBD_POLICY_JSON_H

#include "base/slice.h"

enum json_type {
	JSON_NONE, /* not there, or the text is no JSON on the way to it */
	JSON_NULL,
	JSON_FALSE,
	JSON_TRUE,
	JSON_NUMBER,
	JSON_STRING, /* @value is between the quotes, still escaped */
	JSON_ARRAY,
	JSON_OBJECT,
};

/* Only what stands in front of the value is looked at. @path begins with '$'; '\' in it protects the next character. */
enum json_type json_find(struct slice text, struct slice path, struct slice *value);
/* Is @path of that form? */
bool json_path_ok(struct slice path);
/* @s of JSON_STRING without its escapes, as UTF-8, into @out of s.n bytes: the length, or -1. */
ptrdiff_t json_unescape(struct slice s, char *out);

#endif
