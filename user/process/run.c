// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The process while it serves. Signals mean what HAProxy's management guide says (section 4): SIGUSR1 finishes what
 * runs, SIGTERM and SIGINT end at once, SIGTTOU and SIGTTIN pause and resume listening, SIGHUP tells about servers.
 * Control thread.
 */
#include "process/run.h"
#include "base/coverage.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>

#include "base/strbuf.h"
#include "loop/thread.h"
#include "model/server.h"
#include "process/affinity.h"
#include "process/background.h"
#include "process/master.h"
#include "process/signals.h"

static int end_signal;                /* what ends the process; 0: an orderly end */
static _Atomic bool stopping, ending; /* any thread asks */
static struct timer quiet_timer, hard_stop_timer, grace_timer;

#define QUIET_CHECK_MS 20 /* how often a soft stop looks whether everything has ended */

#define for_each_hook(h, fn)                            \
	list_for_each_entry(h, &start_hooks_list, node) \
		if (h->fn)

/* ---- the end ---- */

static void stop_worker(struct loop *l, void *arg)
{
	for (struct list *at = start_hooks_list.prev; at != &start_hooks_list; at = at->prev) {
		struct start_hooks *h = list_entry(at, struct start_hooks, node);

		if (h->worker_stop)
			h->worker_stop(l);
	}
}

static void workers_stopped(void *arg)
{
	control_loop.stop = true;
}

static void end_process(int sig)
{
	if (ending)
		return;
	ending = true;
	end_signal = sig;
	threads_each(stop_worker, NULL, workers_stopped);
}

static void close_all(void)
{
	for (struct list *at = start_hooks_list.prev; at != &start_hooks_list; at = at->prev) {
		struct start_hooks *h = list_entry(at, struct start_hooks, node);

		if (h->close)
			h->close();
	}
}

/* ---- soft stop ---- */

static bool something_runs(void)
{
	struct start_hooks *h;
	const struct proxy *px;

	list_for_each_entry(px, &config->proxies, node)
		if (atomic_load(&px->fe_conns))
			return true;
	for_each_hook(h, busy)
	{
		if (h->busy())
			return true;
	}
	return false;
}

static void on_quiet_timer(struct timer *t)
{
	if (!something_runs())
		end_process(0);
	else
		timer_set(&control_loop, t, control_loop.now_ms + QUIET_CHECK_MS);
}

static void on_hard_stop(struct timer *t)
{
	server_say(NULL, 4, "soft-stop running for too long, performing a hard-stop.");
	end_process(0);
}

static void say_stopped(const struct proxy *px)
{
	struct strbuf b = STRBUF_INIT;
	uint64_t fe = 0, be = 0;

	for (int i = 0; i <= worker_count; i++) {
		fe += px->fe_count ? count_get(&px->fe_count[i].cum_conn) : 0;
		be += px->be_count ? count_get(&px->be_count[i].cum_sess) : 0;
	}
	strbuf_addf(&b, "Proxy %s stopped (cumulated conns: FE: %llu, BE: %llu).", px->name,
		    (unsigned long long)fe, (unsigned long long)be);
	server_say(px, 4, strbuf_z(&b));
	strbuf_fini(&b);
}

static void begin_soft_stop(void)
{
	struct start_hooks *h;
	struct proxy *px;

	for_each_hook(h, soft_stop) h->soft_stop();
	list_for_each_entry(px, &config->proxies, node) {
		atomic_store(&px->stopped, true);
		say_stopped(px);
	}
	if (config->global.hard_stop_after_ms)
		timer_set(&control_loop, &hard_stop_timer,
			  control_loop.now_ms + config->global.hard_stop_after_ms);
	timer_set(&control_loop, &quiet_timer, control_loop.now_ms + 1);
}

static void on_grace_end(struct timer *t)
{
	if (!ending)
		begin_soft_stop();
}

void process_soft_stop(void)
{
	if (stopping || ending)
		return;
	stopping = true;
	atomic_store(&loop_busy_polling, false);
	if (config->global.grace_ms)
		timer_set(&control_loop, &grace_timer,
			  control_loop.now_ms + config->global.grace_ms);
	else
		begin_soft_stop();
}

bool process_is_stopping(void)
{
	return stopping || ending;
}

/* ---- signals ---- */

static void say_server(const struct server *s)
{
	struct strbuf b = STRBUF_INIT;
	uint64_t total = 0;

	for (int i = 0; s->count && i <= worker_count; i++)
		total += count_get(&s->count[i].cum_sess);
	strbuf_addf(&b, "SIGHUP: Server %s/%s is %s. Conn: %u act, %u pend, %llu tot.", s->px->name,
		    s->name, server_is_willing(s) ? "UP" : "DOWN", atomic_load(&s->load.served),
		    server_queued(s), (unsigned long long)total);
	server_say(s->px, 4, strbuf_z(&b));
	strbuf_fini(&b);
}

static void say_proxy(const struct proxy *px)
{
	struct strbuf b = STRBUF_INIT;
	uint64_t fe = 0, be = 0;
	unsigned int active = atomic_load(&px->up_active), backup = atomic_load(&px->up_backup);

	for (int i = 0; i <= worker_count; i++) {
		fe += px->fe_count ? count_get(&px->fe_count[i].cum_conn) : 0;
		be += px->be_count ? count_get(&px->be_count[i].cum_sess) : 0;
	}
	strbuf_addf(&b, "SIGHUP: Proxy %s ", px->name);
	if (!px->nservers)
		strbuf_adds(&b, "has no servers");
	else if (!active && !backup)
		strbuf_adds(&b, "has no server available !");
	else
		strbuf_addf(&b, "has %u active servers and %u backup servers available", active,
			    backup);
	strbuf_addf(&b, ". Conn: act(FE+BE): %u+%u, 0 pend (0 unass), tot(FE+BE): %llu+%llu.",
		    atomic_load(&px->fe_conns), atomic_load(&px->be_conns), (unsigned long long)fe,
		    (unsigned long long)be);
	server_say(px, 4, strbuf_z(&b));
	strbuf_fini(&b);
}

static void on_hangup(void)
{
	const struct proxy *px;
	const struct server *s;

	server_say(NULL, 4, "SIGHUP received, dumping servers states.");
	list_for_each_entry(px, &config->proxies, node) {
		list_for_each_entry(s, &px->servers, node)
			say_server(s);
		say_proxy(px);
	}
}

static void on_pause(void)
{
	struct start_hooks *h;

	for_each_hook(h, pause) h->pause();
}

static void on_resume(void)
{
	struct start_hooks *h;

	for_each_hook(h, resume) h->resume();
}

/* HAProxy lists its pools; ours is the C library's heap, and what modules say of their own. */
static void on_dump(void)
{
	struct mallinfo2 m = mallinfo2();
	struct start_hooks *h;

	fprintf(stderr,
		"Dumping memory usage: heap %zu bytes of %zu in use, %zu bytes mapped in %zu "
		"pieces\n",
		m.uordblks, m.arena, m.hblkhd, m.hblks);
	for_each_hook(h, dump) h->dump();
}

static void on_terminate(void)
{
	end_process(SIGTERM);
}

static void on_interrupt(void)
{
	end_process(SIGINT);
}

static const struct {
	int sig;
	void (*act)(void);
} signal_rows[] = {
	{ SIGUSR1, process_soft_stop }, { SIGTERM, on_terminate }, { SIGINT, on_interrupt },
	{ SIGHUP, on_hangup },          { SIGQUIT, on_dump },      { SIGTTOU, on_pause },
	{ SIGTTIN, on_resume },
};

static void on_signal(int sig)
{
	for (size_t i = 0; i < ARRAY_SIZE(signal_rows); i++)
		if (signal_rows[i].sig == sig)
			signal_rows[i].act();
}

/* ---- running ---- */

static void start_worker(struct loop *l)
{
	struct start_hooks *h;

	affinity_apply_worker(l->tid);
	for_each_hook(h, worker_start) h->worker_start(l);
}

static int cannot_start(const char *what, int err)
{
	fprintf(stderr, "lbd: cannot start: %s: %s\n", what, strerror(-err));
	return 1;
}

int run(void (*when_ready)(const struct args *a), const struct args *a)
{
	struct start_hooks *h;
	int err = loop_init(&control_loop, worker_count);

	if (err)
		return cannot_start("event loop of the control thread", err);
	this_loop = &control_loop;
	loop_refresh_clock(&control_loop);
	timer_init(&quiet_timer, on_quiet_timer);
	timer_init(&hard_stop_timer, on_hard_stop);
	timer_init(&grace_timer, on_grace_end);
	atomic_store(&loop_busy_polling, config->global.busy_polling);
	if (config->global.maxpollevents)
		loop_events_max = (int)config->global.maxpollevents;
	err = signals_start(on_signal);
	if (err)
		return cannot_start("signals", err);
	err = threads_start(worker_count, start_worker);
	if (err)
		return cannot_start("worker threads", err);
	for_each_hook(h, control_start) h->control_start();
	coverage_release();
	when_ready(a);
	background_ready();
	master_worker_ready(on_terminate);
	loop_run(&control_loop);
	threads_stop();
	close_all();
	fflush(NULL);
	if (end_signal)
		signals_die(end_signal);
	return 0;
}
