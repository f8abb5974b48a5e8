/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * master.h - master-worker mode (-W): a small supervisor that starts the process that serves, reloads it on SIGUSR2 and
 * SIGHUP, and passes the ends on. Not for: configuration, sockets; the master has none. Control thread.
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

/* In the worker: it serves now; and it ends when the master does. No effect without a master. */
void master_worker_ready(void (*master_is_gone)(void));

#endif
