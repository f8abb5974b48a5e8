/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * condition.h - `.if` blocks and their expressions (HAProxy manual, 2.4 "Conditional blocks"), also for `-cc`.
 * Control thread.
 */
#ifndef LBD_CONFIG_CONDITION_H
#define LBD_CONFIG_CONDITION_H

#include "config/reader.h"

#define COND_DEPTH_MAX 32

struct cond_level {
	bool active; /* lines of this branch are read */
	bool taken;  /* a branch of this block was, or lies in a skipped block: no other will be */
	bool in_else;
	struct place at; /* of the `.if` */
};

struct cond_stack {
	struct cond_level level[COND_DEPTH_MAX];
	int depth;
};

static inline bool condition_skips(const struct cond_stack *s)
{
	return s->depth && !s->level[s->depth - 1].active;
}

/* The line under the reader starts with a '.'. true: it was a directive and is dealt with (errors are said). */
bool condition_line(struct reader *r, struct cond_stack *s);
/* At the end of the file: blocks left open are errors. */
void condition_end(struct reader *r, struct cond_stack *s);

/*
 * Evaluates "defined(X) && !streq(a,b)". 0 false, 1 true, -1: *error says what is wrong and *error_at where in @text.
 * The empty text is false. *error is in @a.
 */
int condition_eval(struct arena *a, const char *text, const char **error, const char **error_at);

#endif
