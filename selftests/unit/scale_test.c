// SPDX-License-Identifier: GPL-2.0-or-later
/* tap: serial long timeout=100 */
/*
 * What size costs: a pick among 10,000 servers against one among 100, setting and moving a timer among 1,000,000 against one
 * among 1,000. Prints nanoseconds; fails when the growth is more than caches and a logarithm explain.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <urcu-qsbr.h>

#include "balance/balance.h"
#include "config/reader.h"
#include "loop/thread.h"
#include "balance/build.h"
#include "loop/wheel.h"

#define ROUNDS 200000
#define WORST  4.0 /* times: log2(10000) / log2(100) is 2, cache misses come on top */

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static struct proxy *backend(const char *algorithm, int servers)
{
	static struct diag diag;
	char text[256];
	struct config *cfg;

	snprintf(text, sizeof(text), "backend b\n balance %s\n server-template s %d 127.0.0.1:80\n",
		 algorithm, servers);
	diag_init(&diag);
	cfg = config_new(&diag);
	assert_int_equal(config_read_text(cfg, "scale.cfg", slice_z(text)), 0);
	assert_int_equal(config_finish(cfg), 0);
	return config_find_proxy(cfg, "b", PX_BACKEND);
}

/* A pick with what a connection does around it: the oldest of as many as there are servers ends. */
static double pick_ns(const char *algorithm, int servers)
{
	struct proxy *px = backend(algorithm, servers);
	struct pick_request r = { 0 };
	struct server **held = calloc((size_t)servers, sizeof(struct server *)), *s;
	double best = 1e12;

	for (int pass = 0; pass < 3; pass++) {
		double began = now_ns(), took;

		for (int i = 0; i < ROUNDS; i++) {
			struct server **slot = &held[i % servers];

			if (*slot) {
				atomic_fetch_sub(&(*slot)->load.served, 1);
				balance_dropped(*slot);
			}
			s = balance_pick(px, &r);
			assert_non_null(s);
			atomic_fetch_add(&s->load.served, 1);
			balance_took(s);
			*slot = s;
		}
		took = (now_ns() - began) / ROUNDS;
		best = took < best ? took : best;
	}
	free(held);
	print_message("%-10s %6d servers: %6.1f ns a connection\n", algorithm, servers, best);
	return best;
}

static void picks(void **state)
{
	/* random looks up each draw by halving and touches servers that nobody has touched before: it is only shown */
	static const struct {
		const char *name;
		double worst;
	} rows[] = { { "roundrobin", WORST },
		     { "leastconn", WORST },
		     { "random", 1e9 },
		     { "static-rr", 1e9 } };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		double few = pick_ns(rows[i].name, 100), many = pick_ns(rows[i].name, 10000);

		print_message("%-10s grows %.2f times\n", rows[i].name, many / few);
		assert_true(many / few < rows[i].worst);
	}
}

static void nothing(struct timer *t)
{
}

/* Timeouts as connections have them: moved later at every event, seldom reached. */
static double timer_ns(size_t n)
{
	struct timer *timers = calloc(n, sizeof(*timers));
	struct timer_wheel *w = calloc(1, sizeof(*w));
	uint64_t x = 88172645463325252ull, now = 1000;
	double best = 1e12;

	wheel_init(w, now);
	for (size_t i = 0; i < n; i++) {
		timer_init(&timers[i], nothing);
		wheel_set(w, &timers[i], now + 30000 + i % 30000);
	}
	for (int pass = 0; pass < 3; pass++) {
		double began = now_ns(), took;

		for (int i = 0; i < ROUNDS; i++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			/* a burst of events meets the same connection several times */
			for (int k = 0; k < 4; k++)
				wheel_set(w, &timers[x % n], now + 60000 + (uint64_t)k);
			if (i % 100 == 0)
				wheel_advance(w, ++now);
		}
		took = (now_ns() - began) / ROUNDS / 4;
		best = took < best ? took : best;
	}
	print_message("%8zu timers: %6.1f ns to move one\n", n, best);
	free(timers);
	free(w);
	return best;
}

/* What the memory alone costs. */
static double touch_ns(size_t n)
{
	struct timer *timers = calloc(n, sizeof(*timers));
	volatile uint64_t *at;
	uint64_t x = 88172645463325252ull;
	double began;

	for (size_t i = 0; i < n; i++)
		timers[i].at_ms = i;
	began = now_ns();
	for (int i = 0; i < ROUNDS; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		at = &timers[(x + timers[x % n].at_ms) % n]
			      .at_ms; /* each depends on the one before */
		x += *at;
	}
	began = now_ns() - began;
	free(timers);
	return began / ROUNDS / 2;
}

static void timers(void **state)
{
	double few = timer_ns(1000), many = timer_ns(1000000);

	print_message("timers grow %.2f times, reading a random one of them costs %.1f ns\n",
		      many / few, touch_ns(1000000));
	assert_true(many / few <
		    WORST * 5); /* a million of them lie in no cache: each is three misses */
}

static int group_setup(void **state)
{
	rcu_register_thread();
	config_language_init();
	balance_init();
	this_loop = &control_loop;
	return loop_init(&control_loop, MAX_WORKERS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(picks),
		cmocka_unit_test(timers),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
