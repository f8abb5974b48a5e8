/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * regex_words.h - what a text must hold for a regular expression to match it, read off the expression: of each of its alternatives
 * one run of plain characters. So thousands of expressions are asked by one search for substrings, and few are tried.
 */
#ifndef LBD_POLICY_REGEX_WORDS_H
#define LBD_POLICY_REGEX_WORDS_H

#include "base/slice.h"

#define REGEX_WORD_LEAST 3   /* bytes; shorter ones stand in every text */
#define REGEX_WORD_MOST  128 /* what is longer is cut */
#define REGEX_ALTS       16  /* alternatives; more have no words */

/* The runs of one alternative, in the expression's order. */
struct regex_words {
	int n; /* alternatives; 0: it has to be tried with every text */
	struct regex_word {
		struct regex_word *next; /* of the same alternative */
		size_t n;
		char text[REGEX_WORD_MOST];
	} * first[REGEX_ALTS];
};

/* Letters are to be compared in either case. Whatever is not understood has no words. To be freed by regex_words_free(). */
void regex_words_read(const char *expression, struct regex_words *out);
void regex_words_free(struct regex_words *w);

#endif
