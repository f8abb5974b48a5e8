/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One direction of a connection: the bytes are right, the engines take turns by traffic, nothing is held while idle.
 */
#include "stream/splice.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

static struct loop loop;
static struct conn from, to;
static int sender, receiver; /* the test's ends */
static struct relay r;
static uint64_t sent, got; /* bytes; byte i is pattern(i) */

static unsigned char pattern(uint64_t i)
{
	return (unsigned char)((i * 2654435761u) >> 13);
}

static void on_ready(struct conn *c)
{
}

static void tcp_pair(int *a, int *b)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(in);
	int l = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(l, (struct sockaddr *)&in, len), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&in, &len), 0);
	*a = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(*a, (struct sockaddr *)&in, len), 0);
	*b = accept4(l, NULL, NULL, SOCK_NONBLOCK);
	assert_true(*b >= 0);
	fcntl(*a, F_SETFL, O_NONBLOCK);
	close(l);
}

static int setup(void **state)
{
	int a, b;

	rcu_register_thread();
	loop_init(&loop, 0);
	this_loop = &loop;
	tcp_pair(&sender, &a);
	tcp_pair(&receiver, &b);
	conn_open(&from, a, &conn_setup_plain, on_ready, NULL);
	conn_open(&to, b, &conn_setup_plain, on_ready, NULL);
	sent = got = 0;
	splice_enabled = true;
	splice_max_pipes = 0;
	return 0;
}

static int teardown(void **state)
{
	relay_fini(&r);
	conn_close(&from);
	conn_close(&to);
	if (sender >= 0)
		close(sender);
	close(receiver);
	pipes_trim();
	segment_pool_trim(0);
	loop_fini(&loop);
	this_loop = NULL;
	rcu_unregister_thread();
	return 0;
}

/* Sends up to @n bytes, as much as the socket takes. */
static void push(size_t n)
{
	unsigned char buf[65536];

	while (n) {
		size_t part = n < sizeof(buf) ? n : sizeof(buf);
		ssize_t w;

		for (size_t i = 0; i < part; i++)
			buf[i] = pattern(sent + i);
		w = write(sender, buf, part);
		if (w <= 0)
			return;
		sent += (uint64_t)w;
		n -= (size_t)w;
	}
}

static void pull(size_t n)
{
	unsigned char buf[65536];
	ssize_t got_now;

	while (n && (got_now = read(receiver, buf, n < sizeof(buf) ? n : sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < got_now; i++)
			if (buf[i] != pattern(got + (uint64_t)i))
				fail_msg("byte %llu is wrong",
					 (unsigned long long)got + (unsigned long long)i);
		got += (uint64_t)got_now;
		n -= (size_t)got_now;
	}
}

static enum relay_result turn(void)
{
	loop_once(&loop, 1);
	return relay_run(&r);
}

static void pass_all(void)
{
	for (int i = 0; i < 2000 && got < sent; i++) {
		turn();
		pull(SIZE_MAX);
	}
	assert_int_equal(got, sent);
}

static bool holds_nothing(void)
{
	return !r.held && !r.pipe && !r.piped && relay_held(&r) == 0;
}

static void small_messages_are_copied(void **state)
{
	relay_init(&r, &from, &to, true);
	for (int i = 0; i < 100; i++) {
		push(1 + (size_t)i * 7);
		pass_all();
		assert_ptr_equal(r.engine, &engine_copy);
		assert_true(holds_nothing());
	}
}

static void bulk_is_spliced_and_messages_come_back(void **state)
{
	uint64_t spliced = atomic_load(&spliced_bytes);

	relay_init(&r, &from, &to, true);
	for (int i = 0; i < 60; i++) {
		push(300000);
		turn();
		pull(SIZE_MAX);
	}
	assert_ptr_equal(r.engine, &engine_pipe);
	pass_all();
	assert_true(holds_nothing());
	assert_true(atomic_load(&spliced_bytes) - spliced > sent / 2);
	for (int i = 0; i < 8; i++) {
		push(100);
		pass_all();
	}
	assert_ptr_equal(r.engine, &engine_copy);
	assert_int_equal(atomic_load(&pipes_used), 0);
}

static void not_spliced_when_not_allowed(void **state)
{
	relay_init(&r, &from, &to, false);
	for (int i = 0; i < 60; i++) {
		push(300000);
		turn();
		pull(SIZE_MAX);
	}
	assert_ptr_equal(r.engine, &engine_copy);
	pass_all();
}

static void no_pipe_left_means_copy(void **state)
{
	struct pipe_pair *p;

	splice_max_pipes = 1;
	p = pipe_take();
	assert_non_null(p);
	relay_init(&r, &from, &to, true);
	for (int i = 0; i < 60; i++) {
		push(300000);
		turn();
		pull(SIZE_MAX);
	}
	assert_ptr_equal(r.engine, &engine_copy);
	pass_all();
	pipe_give(p, true);
}

/* The reader takes little: what is held stays below the pipe's size, and no byte is lost. */
static void slow_reader_is_bounded(void **state)
{
	relay_init(&r, &from, &to, true);
	for (int i = 0; i < 400; i++) {
		push(1000000);
		turn();
		pull(i % 20 ? 500 : 200000);
		assert_true(relay_held(&r) <= splice_pipe_bytes);
	}
	pass_all();
	assert_true(holds_nothing());
}

static void random_sizes(void **state)
{
	unsigned int seed = 5;

	relay_init(&r, &from, &to, true);
	for (int i = 0; i < 600; i++) {
		unsigned int n = (unsigned int)rand_r(&seed);

		push(n % 3 ? n % 4000 : n % 900000);
		turn();
		pull(n % 5 ? SIZE_MAX : n % 3000);
	}
	pass_all();
	assert_int_equal(r.read, sent);
	assert_int_equal(r.written, sent);
}

static void end_comes_after_the_last_byte(void **state)
{
	enum relay_result result = RELAY_IDLE;

	for (int bulk = 0; bulk < 2; bulk++) {
		if (bulk) {
			teardown(state);
			setup(state);
		}
		relay_init(&r, &from, &to, true);
		push(bulk ? 3000000 : 10);
		close(sender);
		sender = -1;
		for (int i = 0; i < 2000 && result != RELAY_END; i++) {
			result = turn();
			if (result != RELAY_END)
				pull(50000);
		}
		assert_int_equal(result, RELAY_END);
		assert_int_equal(r.written, sent);
		assert_int_equal(relay_run(&r), RELAY_END);
		pull(SIZE_MAX);
		result = RELAY_IDLE;
	}
}

static void preloaded_bytes_go_first(void **state)
{
	struct segment *s = segment_new();

	s->start = 0;
	s->end = 1000;
	for (uint32_t i = 0; i < 1000; i++)
		s->data[i] = (char)pattern(i);
	sent = 1000;
	relay_init(&r, &from, &to, true);
	relay_preload(&r, s);
	push(5000);
	pass_all();
	assert_int_equal(got, 6000);
	assert_true(holds_nothing());
}

static void a_reset_is_told_from_which_side(void **state)
{
	struct linger hard = { 1, 0 };
	enum relay_result result = RELAY_IDLE;

	relay_init(&r, &from, &to, true);
	setsockopt(sender, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	close(sender);
	sender = -1;
	for (int i = 0; i < 50 && result == RELAY_IDLE; i++)
		result = turn();
	assert_int_equal(result, RELAY_FROM_ERROR);
	assert_true(from.flags & CONN_ERROR);
	assert_int_equal(from.err, ECONNRESET);
}

#define T(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(small_messages_are_copied),       T(bulk_is_spliced_and_messages_come_back),
		T(not_spliced_when_not_allowed),    T(no_pipe_left_means_copy),
		T(slow_reader_is_bounded),          T(random_sizes),
		T(end_comes_after_the_last_byte),   T(preloaded_bytes_go_first),
		T(a_reset_is_told_from_which_side),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
