/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lexer.h - one line of a configuration file into words: quotes, escapes, comments, environment variables.
 * Not for: sections, keywords, `.if`. Control thread; keeps no state.
 */
#ifndef LBD_CONFIG_LEXER_H
#define LBD_CONFIG_LEXER_H

#include "base/arena.h"
#include "config/keyword.h"

/* Where "$NAME" comes from. Returns NULL for a variable that does not exist. */
struct lex_vars {
	const char *(*get)(const struct lex_vars *v, const char *name);
};

struct lex_result {
	struct cfg_word *words; /* nwords of them and one empty behind the last; in the arena */
	int nwords;
	const char *error; /* NULL: fine; else what is wrong, and at which column */
	int column;
};

/* @line is one raw line without its LF; a CR at its end is dropped. Words and error live in @a. */
void lex_line(struct arena *a, struct slice line, const struct lex_vars *vars,
	      struct lex_result *out);

/*
 * Expands $NAME, ${NAME} and ${NAME-default} in @text, as addresses have it also without quotes.
 * Returns text in @a, or @text itself without a '$'. NULL: *error says why.
 */
const char *lex_expand(struct arena *a, const char *text, const struct lex_vars *vars,
		       const char **error);

#endif
