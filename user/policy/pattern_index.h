/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern_index.h - a long list of an ACL's values as tables: equal texts and ends in key tables, networks by prefix,
 * numbers as sorted ranges. What has no such form (regular expressions, "sub") stays a list inside.
 */
#ifndef LBD_POLICY_PATTERN_INDEX_H
#define LBD_POLICY_PATTERN_INDEX_H

#include "policy/key_table.h"
#include "policy/pattern.h"

#define MATCH_DIR_DELIMS "/?"
#define MATCH_DOM_DELIMS "/?.:"
/* Without the delimiters at both ends. */
struct slice match_trim(struct slice s, const char *delims);

/* The table of one method, NULL when the method has none. */
struct key_table *key_table_for(struct arena *a, enum match_kind kind, bool icase);

bool pattern_index_has(const struct pattern_index *ix, const struct sample *s);

#endif
