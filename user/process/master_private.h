/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * master_private.h - between the files of the master: supervision (master.c), the clients of its CLI (master_cli.c), what
 * they may say (master_commands.c). The master is one thread without a loop of its own but poll().
 */
#ifndef LBD_PROCESS_MASTER_PRIVATE_H
#define LBD_PROCESS_MASTER_PRIVATE_H

#include <poll.h>

#include "base/list.h"
#include "base/strbuf.h"
#include "process/master.h"

#define WORKERS_MAX 64 /* the current one, and older ones that finish */

struct mworker {
	pid_t pid;
	int channel; /* connections to its runtime API are handed over here; -1: none */
	uint64_t started_s;
	uint32_t reloads; /* that it has survived */
};

struct master_state {
	struct mworker worker[WORKERS_MAX]; /* [0]: the current one */
	int n;
	int life[2];   /* workers hold the reading end: its end means the master is gone */
	int start_dir; /* where the command line was given */
	char **argv;
	bool notify; /* -Ws */
	int leaving; /* the signal that ends it all */
	uint64_t started_s;
	uint32_t reloads, failed;
	bool last_failed;
	bool stays_without_worker;
	uint32_t max_reloads;
	int startup_log; /* a memory file: what the newest worker said when it started */
};
extern struct master_state master;

/* Starts a new worker and has the others finish (@hard: end at once) when it serves. Waits for that. false: it failed. */
bool master_reload(bool hard);
/* A connection to the runtime API of @w at that level, or -errno. */
int master_connect(const struct mworker *w, int level);
uint64_t master_now_s(void);

/* One connection to the master's CLI. */
struct mclient {
	struct list node;
	int fd;
	int relay;               /* to a worker whose reply is under way; -1: none */
	bool raw;                /* @@: bytes go through both ways until the worker ends it */
	struct strbuf in;        /* read and not yet split into lines */
	struct strbuf out;       /* to the client */
	struct strbuf to_worker; /* raw only */
	size_t sent;
	int level;
	pid_t target; /* commands without prefix go there; 0: the master */
	bool prompt, eof, quit;
	bool expert, experimental, debug;
	char *line, *rest; /* the line under work, and what of it is still to do (NULL: nothing) */
	struct slice payload;
};

/* Runs one command that is the master's own; the reply goes to c->out. */
void master_command(struct mclient *c, char **words, int nwords);
/* prompt, quit, modes and levels: the master's whatever the target. false: it is none of them. */
bool master_command_always(struct mclient *c, char **words, int nwords);
void mclient_say(struct mclient *c, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The listeners, in the master. poll entries are added to @set (room for @max), their events handled afterwards. */
int master_cli_poll(struct pollfd *set, int max);
void master_cli_handle(const struct pollfd *set, int n);
/* In a worker just forked: none of it is its own. */
void master_cli_forget(void);

#endif
