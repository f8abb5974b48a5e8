/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * values.h - what samples, converters and actions do with an entry: read a value, count a general purpose counter, reset
 * it, set a tag. One description for sc_*, src_* and table_*. The entry is locked.
 */
#ifndef LBD_STICK_VALUES_H
#define LBD_STICK_VALUES_H

#include "stick/table.h"

enum stick_op { STICK_READ, STICK_KBYTES, STICK_INC, STICK_CLEAR };

/*
 * Does @op on element @index of @d; false: the table does not store it. gpc0, gpc1, gpt0 and their rates are also the first
 * elements of the arrays, but not the other way round.
 */
bool stick_value_op(struct stick_table *t, struct stick_entry *e, enum stick_op op,
		    enum stick_data d, uint32_t index, uint64_t *out);
/* Adds to gpc0/1 or (@by_array) gpc[index], and to the rate; the new count, of the rate where only that is stored. */
bool stick_gpc_add(struct stick_table *t, struct stick_entry *e, uint32_t index, bool by_array,
		   uint64_t n, uint64_t *out);
bool stick_gpt_set(struct stick_table *t, struct stick_entry *e, uint32_t index, bool by_array,
		   uint32_t v);

#endif
