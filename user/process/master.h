/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * master.h - master-worker mode (-W): a small supervisor that starts the process that serves, reloads it on SIGUSR2 and
 * SIGHUP, and passes the ends on. Its only sockets are those of -S. Control thread.
 */
#ifndef LBD_PROCESS_MASTER_H
#define LBD_PROCESS_MASTER_H

#include "process/args.h"
#include "model/config.h"

/* Is this process a worker that a master made by a reload? Then it is no master itself. Early, before the options count. */
bool master_is_worker(void);

/*
 * Makes this process the master. Returns 0 in the first worker, which goes on with the configuration that was read; the
 * master itself never returns: it ends when its workers have. -1 with the error said.
 */
int master_enter(const struct global *g, const struct args *a, char **argv, struct diag *d);

/* In a worker that a reload made: a connection to the runtime API of the worker before it, once; -1: none. */
int master_takeover_fd(void);

/* -S: parses the address with its options, after the configuration was read. 0, or -1 with the error said. */
int master_cli_parse(struct config *cfg, const char *text);
/* Opens it, in the master. 0, or -1 with the error said. */
int master_cli_open(struct diag *d);
/* Registers the names for -dK. */
void master_commands_init(void);

/* In the worker: it serves now; and it ends when the master does. No effect without a master. */
void master_worker_ready(void (*master_is_gone)(void));

#endif
