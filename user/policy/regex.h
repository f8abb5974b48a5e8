/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regex.h - regular expressions (PCRE2, compiled to machine code). Compiled by the control thread into an arena,
 * matched by any worker.
 */
#ifndef LBD_POLICY_REGEX_H
#define LBD_POLICY_REGEX_H

#include "base/arena.h"

#define REGEX_GROUPS 10 /* \0 to \9 */

struct regex;
struct regex_groups {
	int n;
	size_t at[REGEX_GROUPS *
		  2]; /* start and end of each group; (size_t)-1: not part of the match */
};

/* NULL: @err says why, "missing terminating ] for character class at offset 3". @a NULL: on the heap, until regex_free(). */
struct regex *regex_compile(struct arena *a, const char *text, bool icase, bool groups, char *err,
			    size_t err_size);
void regex_free(struct regex *r);
/* @groups may be NULL. @from: where in @s to begin (what stands before it still counts for ^ and \b). */
bool regex_match(const struct regex *r, struct slice s, size_t from, struct regex_groups *groups);
/* Writes @replace with \0..\9 put in, into @out of @size; the length, or -1 when it does not fit. */
ptrdiff_t regex_expand(char *out, size_t size, struct slice s, struct slice replace,
		       const struct regex_groups *g);

#endif
