/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Slots and queues: never above the limit, nobody forgotten, in order, with real worker threads.
 */
#include "base/arena.h"
#include "balance/balance.h"
#include "model/server.h"
#include "stream/queue.h"
#include "stream/stream.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <time.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

#define WORKERS 4
#define WAITERS 400 /* per worker */

/* One that wants a slot: takes it, or waits; keeps it for some rounds; gives it back. */
struct waiter {
	struct stream s; /* first: the queue wakes it */
	struct queue *q;
	int rounds;  /* still to hold the slot */
	bool leaves; /* leaves the queue at its first wake-up or round */
	bool holds, done, in_q;
};

static struct config cfg;
static struct proxy px;
static struct server srv;
static _Atomic uint32_t now_held, most_held, finished, served;
static struct waiter *waiters[WORKERS];
static bool watching;

static void setup(uint32_t maxconn)
{
	free(px.queue);
	free(srv.queue);
	memset(&cfg, 0, sizeof(cfg));
	memset(&px, 0, sizeof(px));
	memset(&srv, 0, sizeof(srv));
	list_init(&cfg.proxies);
	list_init(&px.servers);
	list_init(&px.rule_sets);
	px.caps = PX_BACKEND;
	px.fullconn = 10;
	srv.px = &px;
	srv.weight = 1;
	atomic_store(&srv.live.maxconn, maxconn);
	atomic_store(&srv.live.oper, SRV_RUNNING);
	atomic_store(&srv.live.uweight, 1);
	atomic_store(&srv.live.eweight, SERVER_WEIGHT_SCALE);
	list_add_tail(&cfg.proxies, &px.node);
	list_add_tail(&px.servers, &srv.node);
	if (!watching)
		queues_prepare(&cfg); /* also registers the watcher, once */
	else
		queues_make(&cfg);
	watching = true;
	atomic_store(&now_held, 0);
	atomic_store(&most_held, 0);
	atomic_store(&finished, 0);
	atomic_store(&served, 0);
}

static void hold(struct waiter *w)
{
	uint32_t n = atomic_fetch_add(&now_held, 1) + 1, m = atomic_load(&most_held);

	while (n > m && !atomic_compare_exchange_weak(&most_held, &m, n))
		;
	w->holds = true;
	atomic_fetch_add(&served, 1);
}

static void finish(struct waiter *w)
{
	w->done = true;
	atomic_fetch_add(&finished, 1);
}

static void give_back(struct waiter *w)
{
	w->holds = false;
	atomic_fetch_sub(&now_held, 1);
	server_return_slot(&srv);
	finish(w);
}

static void waiter_run(struct task *t)
{
	struct waiter *w = container_of(container_of(t, struct stream, task), struct waiter, s);
	struct server *granted;
	uint64_t position;

	if (w->done)
		return;
	if (w->holds) {
		if (w->rounds-- > 0)
			task_wake(this_loop, t);
		else
			give_back(w);
		return;
	}
	if (!w->in_q) {
		if (server_take_slot(&srv)) {
			hold(w);
			task_wake(this_loop, t);
			return;
		}
		w->s.queued = queue_enter(w->q, &w->s);
		w->in_q = true;
		queue_feed(&srv);
		if (w->leaves)
			task_wake(this_loop, t);
		return;
	}
	if (!w->leaves && queue_entry_state(w->s.queued) == QUEUE_WAITING)
		return;
	granted = queue_leave(w->s.queued, &position);
	if (granted && w->leaves) { /* a grant that came while it left goes on to the next */
		server_return_slot(granted);
		finish(w);
	} else if (granted) {
		hold(w);
		task_wake(this_loop, t);
	} else {
		assert_true(w->leaves);
		finish(w);
	}
}

static void start_waiters(struct loop *l)
{
	unsigned int seed = (unsigned int)l->tid + 1;

	waiters[l->tid] = calloc(WAITERS, sizeof(struct waiter));
	for (int i = 0; i < WAITERS; i++) {
		struct waiter *w = &waiters[l->tid][i];

		task_init(&w->s.task, waiter_run);
		list_init(&w->s.timer.node);
		w->q = rand_r(&seed) % 2 ? srv.queue : px.queue;
		w->rounds = rand_r(&seed) % 4;
		w->leaves = rand_r(&seed) % 5 == 0;
		task_wake(l, &w->s.task);
	}
}

static void run_all(uint32_t maxconn)
{
	struct timespec ms = { 0, 1000000 };
	int tries = 10000;

	setup(maxconn);
	rcu_register_thread();
	assert_int_equal(loop_init(&control_loop, WORKERS), 0);
	this_loop = &control_loop;
	assert_int_equal(threads_start(WORKERS, start_waiters), 0);
	while (atomic_load(&finished) < WORKERS * WAITERS && tries--)
		nanosleep(&ms, NULL);
	threads_stop();
	loop_fini(&control_loop);
	this_loop = NULL;
	rcu_unregister_thread();
	for (int i = 0; i < WORKERS; i++)
		free(waiters[i]);
}

static void threads_never_exceed(void **state)
{
	static const uint32_t limits[] = { 1, 2, 7 };

	for (size_t i = 0; i < ARRAY_SIZE(limits); i++) {
		run_all(limits[i]);
		assert_int_equal(atomic_load(&finished), WORKERS * WAITERS);
		assert_true(atomic_load(&most_held) <= limits[i]);
		assert_int_equal(atomic_load(&srv.load.served), 0);
		assert_int_equal(queue_length(px.queue) + queue_length(srv.queue), 0);
		assert_true(queue_length_max(px.queue) > 0);
		assert_true(atomic_load(&served) > WORKERS * WAITERS / 2);
	}
}

/* ---- one thread ---- */

static struct loop loop;
static int order[8], norder;
struct numbered {
	struct stream s;
	int number;
};

static void on_numbered(struct task *t)
{
	struct numbered *n = container_of(container_of(t, struct stream, task), struct numbered, s);

	order[norder++] = n->number;
}

static void one_thread(void)
{
	rcu_register_thread();
	assert_int_equal(loop_init(&loop, 0), 0);
	this_loop = &loop;
	norder = 0;
}

static void one_thread_end(void)
{
	loop_fini(&loop);
	this_loop = NULL;
	rcu_unregister_thread();
}

static void turn(void)
{
	for (int i = 0; i < 3; i++)
		loop_once(&loop, 0);
}

static void numbered_enter(struct numbered *n, int number, struct queue *q)
{
	memset(n, 0, sizeof(*n));
	n->number = number;
	task_init(&n->s.task, on_numbered);
	n->s.queued = queue_enter(q, &n->s);
	assert_non_null(n->s.queued);
	/* times differ: between two queues the older one is first */
	loop.now_us++;
}

static void oldest_first_over_both_queues(void **state)
{
	struct numbered n[4];
	uint64_t position;

	setup(1);
	one_thread();
	assert_true(server_take_slot(&srv));
	numbered_enter(&n[0], 0, srv.queue);
	numbered_enter(&n[1], 1, px.queue);
	numbered_enter(&n[2], 2, srv.queue);
	numbered_enter(&n[3], 3, px.queue);
	assert_int_equal(queue_length(srv.queue), 2);
	for (int i = 0; i < 4; i++) {
		server_return_slot(&srv);
		turn();
		assert_int_equal(norder, i + 1);
		assert_int_equal(order[i], i);
		assert_ptr_equal(queue_leave(n[i].s.queued, &position), &srv);
		assert_int_equal(position, i / 2); /* who left the same queue before */
	}
	one_thread_end();
}

static void drained_server_serves_only_its_own(void **state)
{
	struct numbered own, any;
	uint64_t position;

	setup(1);
	one_thread();
	assert_true(server_take_slot(&srv));
	atomic_store(&srv.live.admin, SRV_ADM_FDRAIN);
	numbered_enter(&any, 1, px.queue);
	numbered_enter(&own, 2, srv.queue);
	server_return_slot(&srv);
	turn();
	assert_int_equal(norder, 1);
	assert_int_equal(order[0], 2);
	assert_ptr_equal(queue_leave(own.s.queued, &position), &srv);
	server_return_slot(&srv);
	turn();
	assert_int_equal(norder, 1); /* the backend's waits for a server that takes new ones */
	atomic_store(&srv.live.admin, 0);
	queue_feed(&srv);
	turn();
	assert_int_equal(norder, 2);
	assert_ptr_equal(queue_leave(any.s.queued, &position), &srv);
	one_thread_end();
}

static void server_down_scatters_its_queue(void **state)
{
	struct numbered free_one, bound;
	uint64_t position;

	setup(1);
	one_thread();
	assert_true(server_take_slot(&srv));
	numbered_enter(&free_one, 1, srv.queue);
	numbered_enter(&bound, 2, srv.queue);
	bound.s.persistent = true;
	queue_scatter(&srv);
	turn();
	assert_int_equal(norder, 1);
	assert_int_equal(queue_entry_state(free_one.s.queued), QUEUE_REPICK);
	assert_null(queue_leave(free_one.s.queued, &position));
	assert_int_equal(queue_entry_state(bound.s.queued), QUEUE_WAITING);
	assert_null(queue_leave(bound.s.queued, &position));
	assert_int_equal(queue_length(srv.queue), 0);
	one_thread_end();
}

static void minconn_ramp(void **state)
{
	static const struct {
		uint32_t conns, limit;
	} rows[] = { { 0, 2 }, { 1, 2 }, { 5, 5 }, { 9, 9 }, { 10, 10 }, { 99, 10 } };

	setup(10);
	srv.minconn = 2;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		atomic_store(&px.be_conns, rows[i].conns);
		assert_int_equal(server_slot_limit(&srv), rows[i].limit);
	}
	srv.minconn = 0;
	assert_int_equal(server_slot_limit(&srv), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(minconn_ramp),
		cmocka_unit_test(oldest_first_over_both_queues),
		cmocka_unit_test(drained_server_serves_only_its_own),
		cmocka_unit_test(server_down_scatters_its_queue),
		cmocka_unit_test(threads_never_exceed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
