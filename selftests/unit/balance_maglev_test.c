// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hash-type maglev: the vectors that hold the table for good (every node must build the same one), a
 * naive oracle, independence of the order, shares by weight, and how little moves.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "balance/build.h"

static struct lb_target target(uint32_t index, const char *addr, uint16_t port, uint32_t weight)
{
	struct lb_target t = { .index = index, .id = index + 1, .weight = weight, .port = port };

	t.family = strchr(addr, ':') ? 6 : 4;
	assert_int_equal(inet_pton(t.family == 6 ? AF_INET6 : AF_INET, addr, t.addr), 1);
	return t;
}

/* 10.x.y.z:80, all different, in a scattered order of addresses. */
static void many(struct lb_target *t, uint32_t n, uint32_t weight)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t ip_be = htonl(0x0a000000u | (i * 7919 + 13) % 65536);

		t[i] = (struct lb_target){ .index = i, .id = i + 1, .family = 4, .port = 80 };
		t[i].weight = weight ? weight : 1 + i % 7;
		memcpy(t[i].addr, &ip_be, 4);
	}
}

struct vector {
	const char *what;
	struct {
		const char *addr;
		uint16_t port;
		uint32_t weight;
	} server[5];
	uint32_t slot[16];
};

static const struct vector vectors[] = {
	{ "three equal IPv4 servers",
	  { { "10.0.0.11", 80, 16 }, { "10.0.0.12", 80, 16 }, { "10.0.0.13", 80, 16 } },
	  { 2, 0, 1, 1, 1, 2, 1, 2, 1, 0, 0, 0, 0, 1, 2, 1 } },
	{ "one address, four ports, weights 1 2 3 256",
	  { { "192.0.2.1", 8001, 16 },
	    { "192.0.2.1", 8002, 32 },
	    { "192.0.2.1", 8003, 48 },
	    { "192.0.2.1", 8004, 4096 } },
	  { 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3 } },
	{ "both families, out of order, one without weight",
	  { { "2001:db8::2", 443, 16 },
	    { "198.51.100.7", 443, 24 },
	    { "2001:db8::1", 443, 16 },
	    { "198.51.100.6", 443, 0 },
	    { "198.51.100.6", 444, 8 } },
	  { 2, 0, 1, 2, 4, 0, 2, 1, 0, 2, 1, 2, 2, 4, 0, 2 } },
};

static size_t vector_targets(const struct vector *v, struct lb_target *t)
{
	size_t n = 0;

	for (; n < 5 && v->server[n].addr; n++)
		t[n] = target(n, v->server[n].addr, v->server[n].port, v->server[n].weight);
	return n;
}

static void test_vectors(void **state)
{
	for (size_t v = 0; v < sizeof(vectors) / sizeof(vectors[0]); v++) {
		struct lb_target t[5];
		struct lb_table table;

		assert_int_equal(lb_table_build_maglev(&table, t, vector_targets(&vectors[v], t)),
				 0);
		assert_int_equal(table.size, LBD_MAGLEV_SIZE);
		if (memcmp(table.slot, vectors[v].slot, sizeof(vectors[v].slot))) {
			print_message("# found");
			for (int i = 0; i < 16; i++)
				print_message(" %u,", table.slot[i]);
			print_message("\n");
			fail_msg("%s", vectors[v].what);
		}
		lb_table_fini(&table);
	}
}

/* The paper's way: each server's whole preference list, written out. */
static void naive(uint32_t *slot, const struct lb_target *t, size_t n)
{
	const struct lb_target *order[32];
	uint32_t *list[32], at[32] = { 0 }, credit[32] = { 0 }, largest = 0, filled = 0;
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		size_t p = used;
		uint8_t a[19], b[19];

		if (!t[i].weight)
			continue;
		for (; p > 0; p--) { /* insertion sort by (family, address, port) */
			const struct lb_target *o = order[p - 1];

			memcpy(a, &o->family, 1);
			memcpy(a + 1, o->addr, 16);
			a[17] = o->port >> 8, a[18] = o->port;
			memcpy(b, &t[i].family, 1);
			memcpy(b + 1, t[i].addr, 16);
			b[17] = t[i].port >> 8, b[18] = t[i].port;
			if (memcmp(a, b, 19) <= 0)
				break;
			order[p] = o;
		}
		order[p] = &t[i];
		used++;
		if (t[i].weight > largest)
			largest = t[i].weight;
	}
	for (size_t s = 0; s < used; s++) {
		uint8_t key[19] = { order[s]->family };
		size_t len = order[s]->family == 6 ? 16 : 4;
		uint64_t offset, skip;

		memcpy(key + 1, order[s]->addr, len);
		key[1 + len] = order[s]->port >> 8;
		key[2 + len] = order[s]->port;
		offset = XXH64(key, len + 3, 0) % 65537;
		skip = XXH64(key, len + 3, 1) % 65536 + 1;
		list[s] = malloc(65537 * sizeof(uint32_t));
		for (uint64_t j = 0; j < 65537; j++)
			list[s][j] = (offset + j * skip) % 65537;
	}
	memset(slot, 0xff, 65537 * sizeof(*slot));
	while (filled < 65537)
		for (size_t s = 0; s < used && filled < 65537; s++) {
			credit[s] += order[s]->weight;
			for (; credit[s] >= largest && filled < 65537; credit[s] -= largest) {
				while (slot[list[s][at[s]]] != UINT32_MAX)
					at[s]++;
				slot[list[s][at[s]]] = order[s]->index;
				filled++;
			}
		}
	for (size_t s = 0; s < used; s++)
		free(list[s]);
}

static void test_naive(void **state)
{
	uint32_t *slot = malloc(LBD_MAGLEV_SIZE * sizeof(*slot));

	for (uint32_t n = 1; n <= 31; n += 6) {
		struct lb_target t[32];
		struct lb_table table;

		many(t, n, n % 4 ? 0 : 16);
		t[n / 2].weight = n % 3 ? t[n / 2].weight : n == 1;
		t[n / 2].family = 6;
		assert_int_equal(lb_table_build_maglev(&table, t, n), 0);
		naive(slot, t, n);
		assert_memory_equal(slot, table.slot, LBD_MAGLEV_SIZE * sizeof(*slot));
		lb_table_fini(&table);
	}
	free(slot);
}

static void test_order_does_not_matter(void **state)
{
	struct lb_target t[100], reversed[100];
	struct lb_table a, b;

	many(t, 100, 0);
	for (size_t i = 0; i < 100; i++)
		reversed[i] = t[99 - i];
	assert_int_equal(lb_table_build_maglev(&a, t, 100), 0);
	assert_int_equal(lb_table_build_maglev(&b, reversed, 100), 0);
	assert_memory_equal(a.slot, b.slot, LBD_MAGLEV_SIZE * sizeof(*a.slot));
	lb_table_fini(&a);
	lb_table_fini(&b);
}

static void test_shares(void **state)
{
	struct lb_target t[50];
	struct lb_table table;
	double total = 0, count[50] = { 0 };

	many(t, 50, 0);
	for (size_t i = 0; i < 50; i++)
		total += t[i].weight;
	assert_int_equal(lb_table_build_maglev(&table, t, 50), 0);
	for (uint32_t s = 0; s < table.size; s++)
		count[table.slot[s]]++;
	for (size_t i = 0; i < 50; i++) { /* exact but for the last, unfinished round */
		double want = LBD_MAGLEV_SIZE * t[i].weight / total;

		assert_true(count[i] > want - 3 && count[i] < want + 3);
	}
	lb_table_fini(&table);
}

/* One server out of n moves at most its share plus 1.5 percent of the slots. */
static void test_disruption(void **state)
{
	static const uint32_t sizes[] = { 2, 3, 10, 50, 200, 600 };

	for (size_t z = 0; z < sizeof(sizes) / sizeof(sizes[0]); z++) {
		uint32_t n = sizes[z], out = n / 3;
		struct lb_target *t = calloc(n, sizeof(*t));
		struct lb_table before, after;
		double moved = 0, share = 0;

		many(t, n, 16);
		assert_int_equal(lb_table_build_maglev(&before, t, n), 0);
		t[out].weight = 0;
		assert_int_equal(lb_table_build_maglev(&after, t, n), 0);
		for (uint32_t s = 0; s < before.size; s++) {
			share += before.slot[s] == out;
			moved += before.slot[s] != after.slot[s];
		}
		print_message("# %u servers, one out: share %.2f%%, moved %.2f%%\n", n,
			      100 * share / LBD_MAGLEV_SIZE, 100 * moved / LBD_MAGLEV_SIZE);
		assert_true(moved <= share + 0.015 * LBD_MAGLEV_SIZE);
		lb_table_fini(&before);
		lb_table_fini(&after);
		free(t);
	}
}

static void test_none(void **state)
{
	struct lb_target t = target(0, "10.0.0.1", 80, 0);
	struct lb_table table;

	assert_int_equal(lb_table_build_maglev(&table, &t, 1), 0);
	assert_int_equal(table.size, 0);
	assert_null(table.slot);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_naive),
		cmocka_unit_test(test_order_does_not_matter),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_disruption),
		cmocka_unit_test(test_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
