/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diag.h - what is said to the operator: collected, then printed once, with the place, the line and a caret.
 * Used by the configuration reader (one collector per load) and at start. Control thread only.
 */
#ifndef LBD_BASE_DIAG_H
#define LBD_BASE_DIAG_H

#include "base/arena.h"
#include "base/list.h"
#include <stdio.h>

/* A place in a configuration file. The strings live as long as the configuration's arena. */
struct place {
	const char *file; /* NULL: no place (command line, host) */
	int line;         /* 1-based */
	int column;       /* 1-based, 0: the whole line */
	const char *text; /* the raw line, NULL when unknown */
};

#define PLACE_NONE ((struct place){ NULL, 0, 0, NULL })

enum diag_level { DIAG_NOTICE, DIAG_WARNING, DIAG_ERROR };

struct diag_entry {
	struct list node;
	enum diag_level level;
	struct place at;
	const char *text; /* first line: the message; further lines are indented hints */
	int repeats;      /* further places with the same cause (once-warnings) */
};

struct diag {
	struct list entries; /* struct diag_entry, in order */
	struct arena arena;
	int errors, warnings, notices;
};

void diag_init(struct diag *d);
void diag_fini(struct diag *d);

/*
 * Adds a message. Wording: "frontend 'web': 'timeout clinet' is no keyword here; did you mean 'timeout client'?".
 * Say what was found, what is allowed, what to do; a newline starts a hint line. The place is printed in front.
 */
void diag_add(struct diag *d, enum diag_level level, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define diag_error(d, at, ...)   diag_add(d, DIAG_ERROR, at, __VA_ARGS__)
#define diag_warning(d, at, ...) diag_add(d, DIAG_WARNING, at, __VA_ARGS__)
#define diag_notice(d, at, ...)  diag_add(d, DIAG_NOTICE, at, __VA_ARGS__)
/* Once per @cause (a string that names it): later calls only count. */
void diag_warning_once(struct diag *d, const char *cause, struct place at, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Prints everything not printed yet: "file:line:column: text", the line, the caret, the hints. */
void diag_print(struct diag *d, FILE *to, enum diag_level least);

/*
 * The candidate nearest to @word (Damerau-Levenshtein distance of at most a third of its length), or NULL.
 * @next returns the candidates one after the other, NULL at the end.
 */
const char *diag_nearest(const char *word, const char *(*next)(void *ctx), void *ctx);

#endif
