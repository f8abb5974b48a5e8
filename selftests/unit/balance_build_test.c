// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The builders of tables, rings and server ids, and the shared hash header, against naive oracles that
 * are written straight from the definitions, over many random server sets.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zlib.h>

#include "balance/build.h"

static uint32_t rnd_state = 2463534242u;

static uint32_t rnd(void)
{
	rnd_state ^= rnd_state << 13;
	rnd_state ^= rnd_state >> 17;
	rnd_state ^= rnd_state << 5;
	return rnd_state;
}

/* ---- numbers -------------------------------------------------------------------------------- */

static uint32_t words_of(const char *addr, int listener_v4)
{
	struct in6_addr in6;
	uint32_t words[4];

	assert_int_equal(inet_pton(AF_INET6, addr, &in6), 1);
	memcpy(words, &in6, sizeof(words));
	return lbd_addr_number(words, listener_v4);
}

static void test_string_hashes(void **state)
{
	static const struct {
		const char *key;
		uint32_t sdbm, djb2;
	} rows[] = {
		{ "", 0, 5381 },
		{ "a", 97, 177670 },
		{ "ab", 97u * 65599 + 98, 5863208 },
		{ "\xff", 255, 5381u * 33 + 255 },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const uint8_t *key = (const uint8_t *)rows[i].key;

		assert_int_equal(lbd_sdbm(key, strlen(rows[i].key)), rows[i].sdbm);
		assert_int_equal(lbd_djb2(key, strlen(rows[i].key)), rows[i].djb2);
	}
	assert_int_equal(lbd_wt6((const uint8_t *)"", 0), 0xa53c965au ^ 0x5ca6953au);
	for (int i = 0; i < 1000; i++) {
		uint8_t key[40];
		uint32_t len = rnd() % sizeof(key);

		for (uint32_t b = 0; b < len; b++)
			key[b] = rnd();
		assert_int_equal(lbd_crc32(key, len), crc32(0, key, len));
	}
}

static void test_address_numbers(void **state)
{
	assert_int_equal(words_of("::ffff:127.1.2.3", 1), 0x7f010203);
	assert_int_equal(words_of("::ffff:127.1.2.3", 0), 0x7f010203 ^ 0xffff);
	assert_int_equal(words_of("2001:db8::1", 0), 0x20010db8 ^ 1);
	assert_int_equal(words_of("1:2:3:4:5:6:7:8", 0),
			 0x00010002 ^ 0x00030004 ^ 0x00050006 ^ 0x00070008);
}

/* mix32 is a bijection: no two of many numbers may collide, and single bits must spread. */
static int u32_cmp(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

static void test_mix32(void **state)
{
	static uint32_t out[200000];
	size_t n = sizeof(out) / sizeof(out[0]);

	for (size_t i = 0; i < n; i++)
		out[i] = lbd_mix32(i);
	qsort(out, n, sizeof(out[0]), u32_cmp);
	for (size_t i = 1; i < n; i++)
		assert_int_not_equal(out[i], out[i - 1]);
	/* Computed apart, by another program from the published steps. */
	assert_int_equal(lbd_mix32(0), 0xab4ed927);
	assert_int_equal(lbd_mix32(1), 0x348681b6);
	assert_int_equal(lbd_mix32(4096), 0x49c2008b);
	assert_int_equal(lbd_mix32(0xffffffff), 0x7e64c182);
}

/* ---- usable targets ------------------------------------------------------------------------- */

static void test_usable(void **state)
{
	static const struct {
		const char *what, *set; /* a active, b backup, capital: no weight */
		bool allbackups;
		const char *kept;
	} rows[] = {
		{ "active only", "aba", false, "02" },
		{ "active down", "Aba", false, "2" },
		{ "first backup alone", "AbbA", false, "1" },
		{ "first usable backup", "ABbb", false, "2" },
		{ "all backups", "AbBb", true, "13" },
		{ "allbackups does not matter while one is active", "abb", true, "0" },
		{ "none", "AB", true, "" },
		{ "no servers", "", false, "" },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct lb_target t[8] = { 0 };
		char kept[9] = "";
		size_t n = strlen(rows[r].set);

		for (size_t i = 0; i < n; i++) {
			char c = rows[r].set[i];

			t[i].index = i;
			t[i].weight = c >= 'a' ? 16 : 0;
			t[i].backup = c == 'b' || c == 'B';
		}
		n = lb_targets_usable(t, n, rows[r].allbackups);
		for (size_t i = 0; i < n; i++)
			kept[i] = '0' + t[i].index;
		if (strcmp(kept, rows[r].kept))
			fail_msg("%s: kept '%s', not '%s'", rows[r].what, kept, rows[r].kept);
	}
}

/* ---- map-based ------------------------------------------------------------------------------ */

/* The definition, word by word. */
static void naive_map(uint32_t *slot, const struct lb_target *t, size_t n, uint64_t total)
{
	int64_t *score = calloc(n, sizeof(*score));

	for (uint64_t r = 0; r < total; r++) {
		int64_t best = 0;
		size_t take = 0;

		for (size_t i = 0; i < n; i++) {
			int64_t rank;

			if (!t[i].weight)
				continue;
			score[i] += t[i].weight;
			rank = (score[i] + (int64_t)total) / (int64_t)total;
			if (rank > best) {
				best = rank;
				take = i;
			}
		}
		slot[r] = t[take].index;
		score[take] -= total;
	}
	free(score);
}

static void random_set(struct lb_target *t, size_t n, uint32_t max_weight, uint32_t scale)
{
	for (size_t i = 0; i < n; i++) {
		t[i] = (struct lb_target){ .index = i * 7 + 3, .id = i + 1, .family = 4 };
		t[i].weight = rnd() % 8 ? (rnd() % (max_weight + 1)) * scale : 0;
	}
}

static void compare_map(const struct lb_target *t, size_t n)
{
	struct lb_table table;
	uint64_t total = 0;
	uint32_t *naive;

	for (size_t i = 0; i < n; i++)
		total += t[i].weight;
	assert_int_equal(lb_table_build_map(&table, t, n), 0);
	if (!total) {
		assert_int_equal(table.size, 0);
		return;
	}
	/* The naive one is not reduced: it repeats the table, which also proves the reduction. */
	naive = malloc(total * sizeof(*naive));
	naive_map(naive, t, n, total);
	assert_int_equal(total % table.size, 0);
	for (uint64_t r = 0; r < total; r++)
		assert_int_equal(naive[r], table.slot[r % table.size]);
	free(naive);
	lb_table_fini(&table);
}

static void test_map_random(void **state)
{
	struct lb_target t[200];

	for (int i = 0; i < 600; i++) {
		size_t n = 1 + rnd() % (i % 10 ? 12 : 150);

		random_set(t, n, i % 3 ? 20 : i % 2 ? 256 : 1, i % 4 ? 1 : 16);
		compare_map(t, n);
	}
}

/* Sets whose last servers wait long: the debt grows above two. */
static void test_map_skewed(void **state)
{
	struct lb_target t[300];

	for (int i = 0; i < 40; i++) {
		size_t n = 200 + rnd() % 100;

		random_set(t, n, 3, 1);
		t[n - 1].weight = 256;
		t[n - 2].weight = 200 + rnd() % 57;
		if (i % 2)
			t[0].weight = 256;
		compare_map(t, n);
	}
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return ts.tv_sec + ts.tv_nsec * 1e-9;
}

static void test_map_large(void **state)
{
	enum { N = 10000 };
	struct lb_target *t = calloc(N, sizeof(*t));
	uint32_t *count = calloc(N, sizeof(*count));
	struct lb_table table;
	double start;

	for (uint32_t i = 0; i < N; i++)
		t[i] = (struct lb_target){ .index = i,
					   .id = i + 1,
					   .weight = 16 * (1 + rnd() % 256) };
	start = seconds();
	assert_int_equal(lb_table_build_map(&table, t, N), 0);
	print_message("# 10,000 servers, %u slots: %.0f ms\n", table.size,
		      (seconds() - start) * 1e3);
	assert_true(seconds() - start < 5); /* the naive way takes minutes */
	for (uint32_t i = 0; i < table.size; i++)
		count[table.slot[i]]++;
	for (uint32_t i = 0; i < N; i++)
		assert_int_equal(count[i], t[i].weight / 16);
	lb_table_fini(&table);
	free(count);
	free(t);
}

static void test_map_bounds(void **state)
{
	struct lb_target t[2] = { { .index = 0, .weight = 1u << 31 },
				  { .index = 1, .weight = (1u << 31) - 1 } };
	struct lb_table table;

	assert_int_equal(lb_table_build_map(&table, t, 2), -E2BIG);
	assert_null(table.slot);
	t[1].weight = 1u << 31; /* reduces to 1:1 */
	assert_int_equal(lb_table_build_map(&table, t, 2), 0);
	assert_int_equal(table.size, 2);
	lb_table_fini(&table);
}

/* ---- consistent ----------------------------------------------------------------------------- */

/* Distance to every point of every server; the nearest, of two at equal distance the one before. */
static uint32_t naive_ring(const struct lb_target *t, size_t n, uint32_t number)
{
	uint64_t best = UINT64_MAX;
	uint32_t take = 0;

	for (size_t i = 0; i < n; i++)
		for (uint32_t p = 0; p < t[i].weight; p++) {
			uint32_t at = lbd_mix32(t[i].id * 4096 + p);
			uint64_t before = 2ull * (uint32_t)(number - at);
			uint64_t after = 2ull * (uint32_t)(at - number) + 1;

			if (at == number)
				before = after = 0;
			if (before < best) {
				best = before;
				take = t[i].index;
			}
			if (after < best) {
				best = after;
				take = t[i].index;
			}
		}
	return take;
}

static void test_ring_random(void **state)
{
	struct lb_target t[20];

	for (int i = 0; i < 150; i++) {
		size_t n = 1 + rnd() % 20;
		struct lb_ring ring;

		random_set(t, n, i % 2 ? 3 : 30, i % 3 ? 16 : 1);
		t[0].weight = 16;
		for (size_t s = 0; s < n; s++)
			t[s].id = i % 4 ? s + 1 : (rnd() % 100000) * 20 + s;
		assert_int_equal(lb_ring_build(&ring, t, n), 0);
		for (uint32_t p = 1; p < ring.size; p++)
			assert_true(ring.point[p - 1].point < ring.point[p].point);
		for (int k = 0; k < 100; k++) {
			uint32_t number = rnd();

			switch (k) { /* on a point, in the middle of two, at both ends */
			case 0:
			case 1:
				number = ring.point[rnd() % ring.size].point;
				break;
			case 2:
				number = ring.point[0].point / 2 +
					 ring.point[ring.size - 1].point / 2;
				break;
			case 3:
				number = 0;
				break;
			case 4:
				number = UINT32_MAX;
				break;
			}
			assert_int_equal(lbd_ring_server(ring.point, ring.size, number),
					 naive_ring(t, n, number));
		}
		lb_ring_fini(&ring);
	}
}

static void test_ring_edges(void **state)
{
	static const struct {
		const char *what;
		uint32_t points[4], n, number, found;
	} rows[] = {
		{ "one point", { 5 }, 1, 77, 0 },
		{ "tie goes to the one before", { 10, 20 }, 2, 15, 0 },
		{ "nearer to the next", { 10, 20 }, 2, 16, 1 },
		{ "exact hit", { 10, 20, 30 }, 3, 20, 1 },
		{ "below the first, nearer to the last", { 100, 0xfffffff0 }, 2, 10, 1 },
		{ "below the first, nearer to it", { 100, 0xfffffff0 }, 2, 90, 0 },
		{ "above the last, nearer to the first", { 2, 0xfffffff0 }, 2, 0xfffffffe, 0 },
		{ "above the last, nearer to it", { 2, 0xfffffff0 }, 2, 0xfffffff4, 1 },
		{ "equal points before: the last of them", { 10, 10, 30 }, 3, 12, 1 },
		{ "equal points after: the first of them", { 10, 30, 30 }, 3, 28, 1 },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		struct lbd_ring_point ring[4];

		for (uint32_t i = 0; i < rows[r].n; i++)
			ring[i] = (struct lbd_ring_point){ rows[r].points[i], i };
		if (lbd_ring_server(ring, rows[r].n, rows[r].number) != rows[r].found)
			fail_msg("%s", rows[r].what);
	}
}

static void test_ring_bounds(void **state)
{
	struct lb_target t = { .weight = LBD_RING_POINTS_MAX + 1 };
	struct lb_ring ring;

	assert_int_equal(lb_ring_build(&ring, &t, 1), -E2BIG);
	assert_int_equal(lb_ring_build(&ring, &t, 0), 0);
	assert_int_equal(ring.size, 0);
}

/* ---- ids ------------------------------------------------------------------------------------ */

static void test_ids(void **state)
{
	static const struct {
		uint32_t given[6], want[6];
		size_t n;
	} rows[] = {
		{ { 7, 0, 3, 0 }, { 7, 2, 3, 4 }, 4 }, { { 0, 1, 0, 2, 0 }, { 3, 1, 5, 2, 7 }, 5 },
		{ { 0, 0, 0 }, { 1, 2, 3 }, 3 },       { { 0, 2, 3, 4, 0 }, { 1, 2, 3, 4, 5 }, 5 },
		{ { 1, 2, 0 }, { 1, 2, 3 }, 3 },       { { 0 }, { 0 }, 0 },
	};

	for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
		uint32_t id[6];

		memcpy(id, rows[r].given, sizeof(id));
		assert_int_equal(lb_ids_assign(id, rows[r].n, NULL), 0);
		assert_memory_equal(id, rows[r].want, rows[r].n * sizeof(id[0]));
	}
}

static void test_ids_random(void **state)
{
	for (int i = 0; i < 2000; i++) {
		uint32_t id[30], want[30], counter = 1;
		size_t n = rnd() % 30, dup;
		int err;

		for (size_t s = 0; s < n; s++)
			want[s] = id[s] = rnd() % 3 ? 0 : 1 + rnd() % 40;
		err = lb_ids_assign(id, n, &dup);
		if (err == -EEXIST) {
			bool seen = false;

			for (size_t s = 0; s < dup; s++)
				seen |= want[s] == want[dup];
			assert_true(seen && want[dup]);
			continue;
		}
		assert_int_equal(err, 0);
		for (size_t s = 0; s < n; s++, counter++) {
			for (size_t u = 0; !want[s] && u < n; u++)
				if (want[u] == counter) { /* in use: try the next, from the start */
					counter++;
					u = SIZE_MAX;
				}
			if (!want[s])
				want[s] = counter;
		}
		assert_memory_equal(id, want, n * sizeof(id[0]));
	}
}

static void test_ids_smallest_free(void **state)
{
	static const uint32_t id[] = { 5, 1, 2, 7, 2 };

	assert_int_equal(lb_ids_smallest_free(id, 0), 1);
	assert_int_equal(lb_ids_smallest_free(id, 1), 1);
	assert_int_equal(lb_ids_smallest_free(id, 2), 2);
	assert_int_equal(lb_ids_smallest_free(id, 5), 3);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_string_hashes), cmocka_unit_test(test_address_numbers),
		cmocka_unit_test(test_mix32),         cmocka_unit_test(test_usable),
		cmocka_unit_test(test_map_random),    cmocka_unit_test(test_map_skewed),
		cmocka_unit_test(test_map_large),     cmocka_unit_test(test_map_bounds),
		cmocka_unit_test(test_ring_random),   cmocka_unit_test(test_ring_edges),
		cmocka_unit_test(test_ring_bounds),   cmocka_unit_test(test_ids),
		cmocka_unit_test(test_ids_random),    cmocka_unit_test(test_ids_smallest_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
