/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * dump.h - `-dC`: the configuration as it was read, line by line: without comments, `.if` decided, variables filled in, one
 * way to indent and to quote. What is printed reads back as the same configuration. With a key, names, addresses and
 * secrets are hashed, so that the structure can be shown to others. Control thread, before the workers start.
 */
#ifndef LBD_CONFIG_DUMP_H
#define LBD_CONFIG_DUMP_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cfg_line;

/* From now on lines are kept. @key 0: as they are. Call it before reading. */
void dump_begin(uint32_t key);
bool dump_is_on(void);
/* A line under the reader, before its handler sees it. */
void dump_line(const struct cfg_line *l, bool begins_section);
void dump_print(FILE *to);

#endif
