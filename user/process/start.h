/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * start.h - from the command line to a running process, and its end. Control thread.
 *
 * Stations: command line -> configuration -> checks (-c ends here) -> limits -> background -> open -> pid file ->
 * chroot, user -> workers -> control_start -> ready -> loop -> (soft stop) -> worker_stop -> close.
 */
#ifndef LBD_PROCESS_START_H
#define LBD_PROCESS_START_H

#include "base/diag.h"
#include "model/config.h"

struct loop;

/*
 * What a module does at the stations. It registers one of these (static) in its init call; l7/main.c lists these calls,
 * and their order is the order here; stations of the end go backwards. Every function may be NULL.
 */
struct start_hooks {
	const char *name;
	/* `lbd -c -V`: more about a valid configuration, on stdout. */
	void (*describe)(struct config *cfg);
	/* As root, in the final process, before chroot: sockets, files, maps. No loop yet. 0, or -1 with the error said. */
	int (*open)(struct config *cfg, struct diag *d);
	/* In each worker, first thing. */
	void (*worker_start)(struct loop *l);
	/* In the control thread, once the workers run; control_loop takes events. */
	void (*control_start)(void);
	/* SIGTTOU, SIGTTIN: stop listening for a while, and again. Control thread. */
	void (*pause)(void);
	void (*resume)(void);
	/* A soft stop begins: accept nothing new. Control thread. */
	void (*soft_stop)(void);
	/* During a soft stop: is there something that must still end by itself? Control thread. */
	bool (*busy)(void);
	/* SIGHUP, SIGQUIT: say more about the module's state, on the log or on stderr. */
	void (*dump)(void);
	/* In each worker, when the process ends. */
	void (*worker_stop)(struct loop *l);
	/* In the control thread, when the workers are gone. */
	void (*close)(void);
	struct list node;
};
void start_register(struct start_hooks *h);

/* The whole life of the process. Returns the exit code, or dies of the signal that ended it. */
int lbd_main(int argc, char **argv);

/* Begins a soft stop, as SIGUSR1 does. Control thread. */
void process_soft_stop(void);
bool process_is_stopping(void);
/* For `show info`: when it started, as CLOCK_REALTIME seconds. */
extern uint64_t process_start_wall_s;

#endif
