/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm.h - the operator's tool: commands are rows, each in a file of tools/cmd/. One process, one thread, one command.
 * Speaks to the pinned maps (liblbdmap) and, where the daemon runs, to its stats socket. Knows nothing of user/.
 */
#ifndef LBADM_H
#define LBADM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the command line said before and among the command's words. */
struct adm {
	const char *pin;    /* pin directory */
	const char *socket; /* stats socket; NULL: what the pinned meta says */
	bool json;
	bool dry_run;
};

enum { /* exit codes; a command may document others (explain: 1 drop, 2 to this host) */
       ADM_OK = 0,
       ADM_FAILED = 1,
       ADM_USAGE = 64,
};

#define CMD_CHANGES 1 /* takes --dry-run */

struct command {
	const char *name;  /* one or two words: "map dump" */
	const char *usage; /* what stands behind the name */
	const char *help;  /* one sentence */
	int (*run)(struct adm *a, int argc,
		   char **argv); /* argv: words behind the name; returns the exit code */
	unsigned int flags;
};

/* Each file of tools/cmd/ ends with one table; lbadm.c lists the tables. */
struct command_table {
	const struct command *rows;
	size_t n;
};
#define COMMAND_TABLE(name, ...)                                     \
	static const struct command name##_rows[] = { __VA_ARGS__ }; \
	const struct command_table name = { name##_rows,             \
					    sizeof(name##_rows) / sizeof(name##_rows[0]) }

/* What was done, or would be: a line on stdout; with -j it is kept and printed at the end as {"done":[...],"dry_run":...}. */
void adm_say(struct adm *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* "lbadm: ..." on stderr; returns ADM_FAILED so that `return adm_fail(...)` reads well. */
int adm_fail(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* A wrong call of @name: what was wrong, then its usage. Returns ADM_USAGE. */
int adm_usage(const char *name, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
