/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * policy_support.h - for the tests of the policy core: a configuration without files, and lines made of words.
 */
#ifndef POLICY_SUPPORT_H
#define POLICY_SUPPORT_H

#include "config/keyword.h"
#include "model/proxy.h"
#include "policy/sample.h"

struct policy_bench {
	struct config *cfg;
	struct diag diag;
	struct proxy *px;
	struct arena scratch;
	struct smp_ctx ctx;
};

/* Registers everything once, and makes a configuration with one listen section "t". */
void bench_init(struct policy_bench *b);
void bench_fini(struct policy_bench *b);
/* The words of @text (quotes group, as in a file), in the bench's arena. */
struct cfg_line *bench_line(struct policy_bench *b, const char *text);
/* The newest message, or "". */
const char *bench_said(struct policy_bench *b);

#endif
