/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Handshakes of a connection: the stages of its setup run in order, each until it is done; the owner hears of it once they
 * all are, or one failed.
 */
#include "transport/conn.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <urcu-qsbr.h>
#include <cmocka.h>

static struct loop loop;
static struct conn conn;
static int peer, told;
static char order[16];

static void on_ready(struct conn *c)
{
	told++;
}

/* Takes one byte: 'x' is refused. */
static int take_byte(struct conn *c, char name)
{
	char byte;

	if (read(c->io.fd, &byte, 1) != 1) {
		c->flags &= ~CONN_CAN_READ;
		return -EAGAIN;
	}
	order[strlen(order)] = name;
	if (byte != 'x')
		return 0;
	c->reason = CONN_PROXY_INVALID;
	return -EPROTO;
}

static int run_first(struct conn *c)
{
	return take_byte(c, '1');
}

static int run_second(struct conn *c)
{
	return take_byte(c, '2');
}

static const struct conn_stage first = { "first", run_first, CONN_PROXY_TIMEOUT };
static const struct conn_stage second = { "second", run_second, CONN_SOCKS_READ };
static const struct conn_setup two = { .stages = { &first, &second } };

static int setup(void **state)
{
	int fd[2];

	rcu_register_thread();
	loop_init(&loop, 0);
	this_loop = &loop;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	peer = fd[1];
	told = 0;
	memset(order, 0, sizeof(order));
	assert_int_equal(conn_open(&conn, fd[0], &two, on_ready, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	conn_close(&conn);
	close(peer);
	loop_fini(&loop);
	this_loop = NULL;
	rcu_unregister_thread();
	return 0;
}

static void say(const char *bytes)
{
	assert_int_equal(write(peer, bytes, strlen(bytes)), strlen(bytes));
	loop_once(&loop, 0);
}

static void stages_run_in_order(void **state)
{
	assert_true(conn.flags & CONN_HANDSHAKE);
	assert_int_equal(conn_timeout_reason(&conn), CONN_PROXY_TIMEOUT);
	say("a");
	assert_true(conn.flags & CONN_HANDSHAKE);
	assert_int_equal(conn_timeout_reason(&conn), CONN_SOCKS_READ);
	say("b");
	assert_false(conn.flags & (CONN_HANDSHAKE | CONN_ERROR));
	assert_string_equal(order, "12");
	assert_true(told > 0);
}

static void both_in_one_event_and_no_byte_more(void **state)
{
	char rest[8];

	say("abrest");
	assert_false(conn.flags & CONN_HANDSHAKE);
	assert_int_equal(told, 1);
	assert_int_equal(conn_recv(&conn, rest, sizeof(rest)), 4);
	assert_memory_equal(rest, "rest", 4);
}

static void a_failed_stage_ends_it(void **state)
{
	say("xb");
	assert_true(conn.flags & CONN_ERROR);
	assert_false(conn.flags & CONN_HANDSHAKE);
	assert_int_equal(conn.err, EPROTO);
	assert_string_equal(order, "1");
	assert_string_equal(conn_reason_text(conn.reason),
			    "Received an invalid PROXY protocol header");
	assert_null(conn_reason_text(CONN_REASONS));
}

static void plain_connections_have_none(void **state)
{
	struct conn c;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_int_equal(conn_open(&c, fd[0], &conn_setup_plain, on_ready, NULL), 0);
	assert_false(c.flags & CONN_HANDSHAKE);
	conn_close(&c);
	close(fd[1]);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest rows[] = {
		ROW(stages_run_in_order),
		ROW(both_in_one_event_and_no_byte_more),
		ROW(a_failed_stage_ends_it),
		ROW(plain_connections_have_none),
	};

	return cmocka_run_group_tests(rows, NULL, NULL);
}
