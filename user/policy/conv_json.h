/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conv_json.h - json_query, for the converters that apply it to a part of their input (jwt_*_query).
 */
#ifndef LBD_POLICY_CONV_JSON_H
#define LBD_POLICY_CONV_JSON_H

#include "policy/sample.h"

/* Parse time: argument 0 is a path, or empty; argument 1 is 'int', or not given. */
int json_query_check(struct cfg_line *l, int word, struct smp_arg *args);
/* The value at the path in the text @smp. */
bool json_query(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp);

#endif
