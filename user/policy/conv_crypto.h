/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conv_crypto.h - arguments that are a text or a variable, and base64, for converters with keys.
 */
#ifndef LBD_POLICY_CONV_CRYPTO_H
#define LBD_POLICY_CONV_CRYPTO_H

#include "policy/sample.h"

/* Parse time: a variable's name is resolved (arg->ptr). false: an error was said. */
bool text_or_var_check(struct cfg_line *l, int word, struct smp_arg *arg, bool must_be_var);
/* The text, or what the variable holds; false while it is not set. */
bool text_or_var(const struct smp_arg *arg, const struct smp_ctx *ctx, struct slice *out);
/* Padded base64 into the context's scratch. */
bool base64_decode(struct slice s, const struct smp_ctx *ctx, struct slice *out);

#endif
