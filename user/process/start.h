/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.h - from the command line to a running process, and its end. Control thread.
 */
#ifndef LBD_PROCESS_START_H
#define LBD_PROCESS_START_H

#include "base/diag.h"
#include "model/config.h"

struct loop;

/*
 * What the start sequence calls at its stations, in the order of registration. A module registers what it has;
 * l7/main.c lists the calls that do so. Every function may be NULL.
 */
struct start_hooks {
	const char *name;
	/* As root, before chroot and before privileges are dropped: sockets, files, maps. 0, or -1 with the error said. */
	int (*open)(struct config *cfg, struct diag *d);
	/* In each worker, first thing. */
	void (*worker_start)(struct loop *l);
	/* In the control thread, once the workers run. */
	void (*control_start)(void);
	/* Soft stop begins (SIGUSR1): stop accepting. Control thread. */
	void (*soft_stop)(void);
	/* In each worker, when the process ends. */
	void (*worker_stop)(struct loop *l);
	/* In the control thread, last. */
	void (*close)(void);
	struct list node;
};
void start_register(struct start_hooks *h);

/* The whole life of the process: command line, configuration, start, run, end. Returns the exit code. */
int lbd_main(int argc, char **argv);

#endif
