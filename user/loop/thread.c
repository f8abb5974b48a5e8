/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * thread.c - starting, addressing and stopping the worker threads; helper threads for long work. See thread.h.
 */
#include "loop/thread.h"
#include "base/arena.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

int worker_count;
struct loop worker_loops[MAX_WORKERS];
struct loop control_loop;

static pthread_t worker_threads[MAX_WORKERS];
static int started;
static void (*start_hook)(struct loop *l);

/* Signals belong to the control thread. */
static void block_signals(sigset_t *old)
{
	sigset_t all;

	sigfillset(&all);
	sigdelset(&all, SIGSEGV);
	sigdelset(&all, SIGBUS);
	sigdelset(&all, SIGFPE);
	sigdelset(&all, SIGILL);
	sigdelset(&all, SIGABRT);
	pthread_sigmask(SIG_BLOCK, &all, old);
}

static void *worker_main(void *arg)
{
	struct loop *l = arg;
	char name[16];

	snprintf(name, sizeof(name), "lbd/%d", l->tid + 1);
	pthread_setname_np(pthread_self(), name);
	this_loop = l;
	loop_refresh_clock(l);
	if (start_hook)
		start_hook(l);
	loop_run(l);
	return NULL;
}

int threads_start(int workers, void (*on_start)(struct loop *l))
{
	sigset_t old;
	int err = 0;

	worker_count = workers;
	start_hook = on_start;
	for (int i = 0; i < workers; i++) {
		err = loop_init(&worker_loops[i], i);
		worker_loops[i].busy_polls = true;
		if (err)
			return err;
	}
	block_signals(&old);
	for (started = 0; started < workers && !err; started++) {
		err = -pthread_create(&worker_threads[started], NULL, worker_main,
				      &worker_loops[started]);
		if (err)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return err;
}

static void on_stop(struct message *m)
{
	this_loop->stop = true;
	free(m);
}

void threads_stop(void)
{
	for (int i = 0; i < started; i++) {
		struct message *m = xzalloc(sizeof(*m));

		m->on_arrive = on_stop;
		loop_post(&worker_loops[i], m);
	}
	/* the control thread must not hold up a grace period that a worker waits for */
	rcu_thread_offline();
	for (int i = 0; i < started; i++)
		pthread_join(worker_threads[i], NULL);
	rcu_thread_online();
	for (int i = 0; i < started; i++)
		loop_fini(&worker_loops[i]);
	started = 0;
}

/* ---- something once in every worker ---- */

struct each_call {
	void (*fn)(struct loop *l, void *arg);
	void *arg;
	void (*done)(void *arg);
	_Atomic int left;
	struct message back;
	struct each_leg {
		struct message m;
		struct each_call *call;
	} to[MAX_WORKERS];
};

static void each_back(struct message *m)
{
	struct each_call *c = container_of(m, struct each_call, back);

	if (c->done)
		c->done(c->arg);
	free(c);
}

static void each_arrive(struct message *m)
{
	struct each_call *c = ((struct each_leg *)m)->call;

	c->fn(this_loop, c->arg);
	if (atomic_fetch_sub(&c->left, 1) == 1)
		loop_post(&control_loop, &c->back);
}

void threads_each(void (*fn)(struct loop *l, void *arg), void *arg, void (*done)(void *arg))
{
	struct each_call *c = xzalloc(sizeof(*c));

	c->fn = fn;
	c->arg = arg;
	c->done = done;
	c->back.on_arrive = each_back;
	atomic_store(&c->left, started);
	if (!started) {
		each_back(&c->back);
		return;
	}
	for (int i = 0; i < started; i++) {
		c->to[i].call = c;
		c->to[i].m.on_arrive = each_arrive;
	}
	/* the last one to arrive frees @c, so nothing of it is touched after its own post */
	for (int i = 0, n = started; i < n; i++)
		loop_post(&worker_loops[i], &c->to[i].m);
}

/* ---- helper threads ---- */

struct helper_call {
	struct message back;
	void (*fn)(void *arg);
	void *arg;
	void (*done)(void *arg);
	struct loop *from;
};

static void helper_back(struct message *m)
{
	struct helper_call *h = container_of(m, struct helper_call, back);

	h->done(h->arg);
	free(h);
}

static void *helper_main(void *arg)
{
	struct helper_call *h = arg;

	h->fn(h->arg);
	loop_post(h->from, &h->back);
	return NULL;
}

void helper_run(void (*fn)(void *arg), void *arg, void (*done)(void *arg))
{
	struct helper_call *h = xzalloc(sizeof(*h));
	pthread_attr_t attr;
	pthread_t t;
	sigset_t old;
	int err;

	h->fn = fn;
	h->arg = arg;
	h->done = done;
	h->from = this_loop;
	h->back.on_arrive = helper_back;
	pthread_attr_init(&attr);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	block_signals(&old);
	err = pthread_create(&t, &attr, helper_main, h);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (err) /* no thread to be had: slow here is better than never */
		helper_main(h);
}
