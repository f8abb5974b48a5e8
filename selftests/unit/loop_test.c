/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop_test.c - the timing wheel against a naive list, messages and tasks between threads.
 */
#include "base/arena.h"
#include "loop/thread.h"
#include "loop/wheel.h"
#include <stdarg.h>
#include <setjmp.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#define TIMERS 2000

struct probe {
	struct timer t;
	uint64_t want; /* 0: not armed */
	uint64_t fired_at;
};

static struct timer_wheel wheel;
static uint64_t wheel_clock, last_advance;
static struct probe probes[TIMERS];
static int early, wrong;

static void probe_fired(struct timer *t)
{
	struct probe *p = container_of(t, struct probe, t);

	if (!p->want)
		wrong++;
	else if (p->want > wheel_clock)
		early++;
	p->want = 0;
	p->fired_at = wheel_clock;
}

static uint64_t some_delay(void)
{
	static const uint64_t scale[] = { 1,      10,      64,
					  100,    4096,    60000,
					  262144, 3600000, 86400000ULL * 30 };

	return (uint64_t)rand() % scale[rand() % (int)ARRAY_SIZE(scale)];
}

static void test_wheel_against_naive(void **state)
{
	srand(1);
	wheel_clock = last_advance = 123456789;
	wheel_init(&wheel, wheel_clock);
	for (int i = 0; i < TIMERS; i++)
		timer_init(&probes[i].t, probe_fired);
	for (int round = 0; round < 20000; round++) {
		int64_t wait;
		uint64_t first = UINT64_MAX;

		for (int k = 0; k < 5; k++) {
			struct probe *p = &probes[rand() % TIMERS];

			if (rand() % 4 == 0) {
				wheel_cancel(&wheel, &p->t);
				p->want = 0;
			} else {
				p->want = wheel_clock + 1 + some_delay();
				wheel_set(&wheel, &p->t, p->want);
			}
		}
		wait = wheel_wait_ms(&wheel, wheel_clock);
		for (int i = 0; i < TIMERS; i++)
			if (probes[i].want && probes[i].want < first)
				first = probes[i].want;
		if (first != UINT64_MAX) {
			assert_true(wait >= 0);
			assert_true(wheel_clock + (uint64_t)wait <= first);
		}
		wheel_clock += some_delay() % 200000;
		wheel_advance(&wheel, wheel_clock);
		for (int i = 0; i < TIMERS; i++)
			if (probes[i].want && probes[i].want <= wheel_clock)
				fail_msg("timer %d due at %lu still armed at %lu", i,
					 (unsigned long)probes[i].want, (unsigned long)wheel_clock);
	}
	assert_int_equal(early, 0);
	assert_int_equal(wrong, 0);
}

/* ---- messages: four threads' worth of numbers arrive complete and in order per sender ---- */

#define PER_SENDER 20000

struct numbered {
	struct message m;
	int sender, n;
};
static int next_of[3], got;

static void numbered_arrives(struct message *m)
{
	struct numbered *x = (struct numbered *)m;

	if (next_of[x->sender] == x->n)
		next_of[x->sender]++;
	got++;
	free(x);
}

static void *sender_main(void *arg)
{
	for (int i = 0; i < PER_SENDER; i++) {
		struct numbered *x = xzalloc(sizeof(*x));

		x->m.on_arrive = numbered_arrives;
		x->sender = (int)(intptr_t)arg;
		x->n = i;
		loop_post(&control_loop, &x->m);
	}
	return NULL;
}

static void test_messages_keep_order(void **state)
{
	pthread_t t[3];

	for (int i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, sender_main, (void *)(intptr_t)i), 0);
	while (got < 3 * PER_SENDER)
		loop_once(&control_loop, 1000);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(next_of[i], PER_SENDER);
	}
}

/* ---- threads_each reaches every worker once, and reports in the control thread ---- */

static _Atomic int visits;
static bool each_done;

static void visit(struct loop *l, void *arg)
{
	atomic_fetch_add(&visits, 1 << (8 * l->tid));
}

static void visits_done(void *arg)
{
	each_done = true;
}

static void test_each_worker_once(void **state)
{
	assert_int_equal(threads_start(3, NULL), 0);
	threads_each(visit, NULL, visits_done);
	while (!each_done)
		loop_once(&control_loop, 1000);
	assert_int_equal(atomic_load(&visits), 0x010101);
	threads_stop();
}

/* ---- an io deleted by an earlier event of the same round gets no event ---- */

static struct io a, b;
static int calls;

static void delete_other(struct io *io, uint32_t ep)
{
	struct io *other = io == &a ? &b : &a;

	calls++;
	if (other->fd >= 0) {
		loop_io_del(&control_loop, other);
		close(other->fd);
		other->fd = -1;
	}
}

static void test_deleted_io_is_silent(void **state)
{
	int p[2], q[2];

	assert_int_equal(pipe(p), 0);
	assert_int_equal(pipe(q), 0);
	a = (struct io){ p[0], 0, delete_other };
	b = (struct io){ q[0], 0, delete_other };
	assert_int_equal(loop_io_add(&control_loop, &a, EPOLLIN | EPOLLET), 0);
	assert_int_equal(loop_io_add(&control_loop, &b, EPOLLIN | EPOLLET), 0);
	assert_int_equal(write(p[1], "x", 1), 1);
	assert_int_equal(write(q[1], "x", 1), 1);
	while (!calls)
		loop_once(&control_loop, 100);
	loop_once(&control_loop, 0);
	assert_int_equal(calls, 1);
}

static int set_up(void **state)
{
	this_loop = &control_loop;
	return loop_init(&control_loop, MAX_WORKERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_wheel_against_naive),
		cmocka_unit_test(test_messages_keep_order),
		cmocka_unit_test(test_each_worker_once),
		cmocka_unit_test(test_deleted_io_is_silent),
	};

	return cmocka_run_group_tests_name("loop", tests, set_up, NULL);
}
