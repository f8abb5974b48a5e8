/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * run.h - the process while it serves: threads, signals, soft stop, end. Control thread.
 */
#ifndef LBD_PROCESS_RUN_H
#define LBD_PROCESS_RUN_H

#include "process/args.h"
#include "process/start.h"

extern struct list start_hooks_list;

/* Starts the workers, calls @when_ready once all runs, and stays until the end. Returns the exit code, or dies of
 * the signal. */
int run(void (*when_ready)(const struct args *a), const struct args *a);

#endif
