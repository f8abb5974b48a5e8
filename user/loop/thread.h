/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.h - the process's threads: workers 0..worker_count-1, which own connections for life, and the control
 * thread (tid worker_count), which owns configuration, checks, netlink, the runtime API and every map write.
 * Counters are per thread and summed by the reader.
 */
#ifndef LBD_LOOP_THREAD_H
#define LBD_LOOP_THREAD_H

#include "loop/loop.h"
#include <pthread.h>

#define MAX_WORKERS 64
#define CACHE_LINE  64

extern int worker_count; /* fixed before the workers start */
extern struct loop worker_loops[MAX_WORKERS];
extern struct loop control_loop;

static inline bool on_control_thread(void)
{
	return this_loop == &control_loop;
}

/* Starts the workers; @on_start runs in each first (listeners, pools). 0 or -errno. */
int threads_start(int workers, void (*on_start)(struct loop *l));
/* Asks all workers to leave their loops after @on_stop ran in each, and joins them. Control thread. */
void threads_stop(void);
/* Runs @fn(arg) once in every worker and calls @done(arg) in the control thread after the last. Control thread. */
void threads_each(void (*fn)(struct loop *l, void *arg), void *arg, void (*done)(void *arg));
/* Runs @fn in a helper thread (password hashes, big tables, certificates), then @done in the calling loop. */
void helper_run(void (*fn)(void *arg), void *arg, void (*done)(void *arg));

#endif
