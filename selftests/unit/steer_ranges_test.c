/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From rules to the steering program's tables: who gets a port of an address, by the same look-up that the program does.
 */
#include "steer_ranges.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define MAX_RULES 6

struct rule_row {
	const char *net;
	uint8_t bits;
	uint16_t lo, hi;
	uint32_t socket;
};
struct question {
	const char *addr;
	uint16_t port;
	int socket; /* -1: nobody */
};
static const struct row {
	const char *what;
	struct rule_row rule[MAX_RULES];
	struct question q[10];
} rows[] = {
	{ "one network",
	  { { "10.1.0.0", 16, 100, 200, 1 } },
	  { { "10.1.0.0", 100, 1 },
	    { "10.1.255.255", 200, 1 },
	    { "10.1.0.1", 99, -1 },
	    { "10.1.0.1", 201, -1 },
	    { "10.2.0.0", 150, -1 } } },
	{ "a hole in a wide range, its edges and the network around it",
	  { { "0.0.0.0", 0, 1, 65535, 1 },
	    { "10.0.0.0", 8, 100, 200, 2 },
	    { "10.0.0.5", 32, 150, 150, 3 } },
	  { { "10.0.0.5", 150, 3 },
	    { "10.0.0.5", 149, 2 },
	    { "10.0.0.5", 151, 2 },
	    { "10.0.0.5", 99, 1 },
	    { "10.0.0.5", 65535, 1 },
	    { "10.0.0.4", 150, 2 },
	    { "11.0.0.4", 150, 1 },
	    { "10.0.0.5", 201, 1 },
	    { "10.0.0.5", 1, 1 } } },
	{ "ranges side by side in the order of the file",
	  { { "10.0.0.0", 24, 300, 400, 3 },
	    { "10.0.0.0", 24, 100, 200, 1 },
	    { "10.0.0.0", 24, 201, 299, 2 } },
	  { { "10.0.0.9", 100, 1 },
	    { "10.0.0.9", 200, 1 },
	    { "10.0.0.9", 201, 2 },
	    { "10.0.0.9", 299, 2 },
	    { "10.0.0.9", 300, 3 },
	    { "10.0.0.9", 401, -1 } } },
	{ "families do not mix: 0.0.0.0/0 is not ::/0",
	  { { "0.0.0.0", 0, 1, 10, 1 }, { "::", 0, 5, 20, 2 }, { "2001:db8::", 33, 7, 7, 3 } },
	  { { "1.2.3.4", 5, 1 },
	    { "1.2.3.4", 11, -1 },
	    { "::1", 5, 2 },
	    { "::1", 1, -1 },
	    { "2001:db8:7fff::", 7, 3 },
	    { "2001:db8:8000::", 7, 2 },
	    { "2001:db8:7fff::", 8, 2 } } },
	{ "the whole range of ports, split in the middle by an inherited one",
	  { { "10.0.0.0", 8, 1000, 2000, 1 },
	    { "10.0.0.0", 16, 1, 999, 2 },
	    { "10.0.0.0", 16, 2001, 65535, 3 } },
	  { { "10.0.0.1", 999, 2 },
	    { "10.0.0.1", 1000, 1 },
	    { "10.0.0.1", 2000, 1 },
	    { "10.0.0.1", 2001, 3 },
	    { "10.0.0.1", 65535, 3 } } },
};

static int family_of(const char *z)
{
	return strchr(z, ':') ? AF_INET6 : AF_INET;
}

static bool in_net(const struct lbd_steer_net *net, int family, const uint8_t *ip)
{
	const uint8_t *n = (const uint8_t *)net->ip;

	if (net->family != (uint32_t)family)
		return false;
	for (uint32_t i = 0; i < net->bits - 32; i++)
		if ((n[i / 8] ^ ip[i / 8]) & (0x80 >> i % 8))
			return false;
	return true;
}

static int ask(const struct steer_tables *t, const struct question *q)
{
	const struct steer_net *best = NULL;
	uint8_t ip[16] = { 0 };

	assert_int_equal(inet_pton(family_of(q->addr), q->addr, ip), 1);
	for (size_t i = 0; i < t->nnets; i++)
		if (in_net(&t->nets[i].key, family_of(q->addr), ip) &&
		    (!best || t->nets[i].key.bits > best->key.bits))
			best = &t->nets[i];
	for (uint32_t i = 0; best && i < best->ports.n; i++) {
		const struct lbd_steer_range *r = &t->ranges[best->ports.first + i];

		if (i) /* sorted, without overlap: the program halves */
			assert_true(r->lo > r[-1].hi);
		assert_true(r->lo <= r->hi);
	}
	for (uint32_t i = 0; best && i < best->ports.n; i++) {
		const struct lbd_steer_range *r = &t->ranges[best->ports.first + i];

		if (q->port >= r->lo && q->port <= r->hi)
			return (int)r->socket;
	}
	return -1;
}

static void test_rows(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct lbdmap_steer_rule rules[MAX_RULES] = { 0 };
		struct steer_tables t;
		size_t n = 0;

		for (; n < MAX_RULES && rows[i].rule[n].net; n++) {
			const struct rule_row *r = &rows[i].rule[n];

			rules[n].family = (uint16_t)family_of(r->net);
			rules[n].bits = r->bits;
			inet_pton(rules[n].family, r->net, rules[n].ip);
			rules[n].ports = (struct lbd_steer_range){ r->lo, r->hi, r->socket, 1, 0 };
		}
		assert_int_equal(steer_tables_build(rules, n, &t), 0);
		for (const struct question *q = rows[i].q; q->addr; q++)
			if (ask(&t, q) != q->socket)
				fail_msg("%s: %s port %u goes to %d, not %d", rows[i].what, q->addr,
					 q->port, ask(&t, q), q->socket);
		steer_tables_fini(&t);
	}
}

static void test_none(void **state)
{
	struct steer_tables t;

	assert_int_equal(steer_tables_build(NULL, 0, &t), 0);
	assert_int_equal(t.nnets, 0);
	steer_tables_fini(&t);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
