/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * coverage.h - which rows of the registries (keywords, sample fetches, actions, commands...) this process has used, for the
 * report that the tests print at their end. Off, and one predicted branch, unless the environment variable LBD_COVERAGE
 * names a file: each row's kind and name is then appended once, as a line of `lbd -dKtsv`. Any thread.
 */
#ifndef LBD_BASE_COVERAGE_H
#define LBD_BASE_COVERAGE_H

#include <stdbool.h>

extern bool coverage_on;
void coverage_write(const char *kind, const char *name);

/* @kind as in -dKtsv, but "keyword" for the lines of sections. */
static inline void coverage_note(const char *kind, const char *name)
{
	if (__builtin_expect(coverage_on, false))
		coverage_write(kind, name);
}

/*
 * What a configuration names counts once the process runs: lbd holds its notes back while it reads, and lets them go when it is
 * ready. A check (`-c`) never does; only its command line counts. Control thread.
 */
void coverage_hold(void);
void coverage_release(void);

#endif
