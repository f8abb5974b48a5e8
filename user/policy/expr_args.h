/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * expr_args.h - the argument lists of fetches and converters: "(a,\"b,c\",3)". Control thread.
 */
#ifndef LBD_POLICY_EXPR_ARGS_H
#define LBD_POLICY_EXPR_ARGS_H

#include "policy/sample.h"

/* What an argument list belongs to, for the checks and for the words of an error. */
struct args_spec {
	const char *what; /* "fetch", "converter" */
	const char *name;
	uint8_t min, max;
	const enum arg_type *types;
};

/*
 * Parses the list at *@at, which points behind a name: at '(' or at anything else when there is none; moves *@at behind
 * the list. Names of proxies and servers are looked up once everything is read (CFG_PHASE_RESOLVE).
 * 0 or -1 with the error said at word @word.
 */
int expr_args_parse(struct cfg_line *l, int word, const struct args_spec *spec, const char **at,
		    struct smp_arg *args);

/* Looks up what expr_args_parse() put off. A check of CFG_PHASE_RESOLVE. */
void expr_args_resolve(struct config *cfg, struct diag *d);

#endif
