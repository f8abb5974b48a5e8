// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Stick tables without traffic: frequency counters, keys, age, size, many entries, several threads.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "policy_support.h"
#include "stick/config.h"
#include "stick/rate.h"
#include "stick/values.h"
#include <pthread.h>

static struct loop loop_here;

static struct stick_table *table(struct arena *a, enum smp_type type, uint32_t bytes, uint32_t size,
				 uint32_t expire_ms)
{
	struct stick_table *t = ARENA_NEW(a, struct stick_table);

	t->name = "t";
	t->type = type;
	t->key_bytes = bytes;
	t->size = size;
	t->expire_ms = expire_ms;
	t->count[SD_GPC0] = t->count[SD_BYTES_IN_CNT] = t->count[SD_CONN_RATE] = 1;
	t->count[SD_GPT] = 3;
	t->count[SD_SERVER_KEY] = 1;
	t->period_ms[SD_CONN_RATE] = 1000;
	stick_table_build(t, a);
	return t;
}

static struct stick_key number(uint32_t v)
{
	struct stick_key k = { .s = SLICE_NONE };

	memcpy(k.buf, &v, sizeof(v));
	return k;
}

static bool put(struct stick_table *t, uint32_t v)
{
	struct stick_key k = number(v);
	struct stick_entry *e;

	k.s = slice_make(k.buf, 4);
	e = stick_find_or_add(t, &k);
	if (!e)
		return false;
	stick_touch(t, e, this_loop->now_ms);
	stick_unlock(t, e);
	return true;
}

static bool has(struct stick_table *t, uint32_t v)
{
	struct stick_key k = number(v);
	struct stick_entry *e;

	k.s = slice_make(k.buf, 4);
	e = stick_find(t, &k);
	if (e)
		stick_unlock(t, e);
	return e != NULL;
}

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 0);
	memset(&loop_here, 0, sizeof(loop_here));
	loop_here.now_ms = 1000000;
	this_loop = &loop_here;
	return 0;
}

static int teardown(void **state)
{
	this_loop = NULL;
	arena_fini(&arena);
	return 0;
}

static void rate_rows(void **state)
{
	static const struct {
		const char *what;
		uint32_t now, before, age_ms, want;
	} rows[] = {
		{ "nothing", 0, 0, 0, 0 },
		{ "all in this period", 10, 0, 0, 10 },
		{ "still all at its end", 10, 0, 999, 10 },
		{ "the period before weighs by what is left of it", 0, 10, 500, 5 },
		{ "both", 3, 10, 250, 10 },
		{ "one and a half periods later half is left", 10, 0, 1500, 5 },
		{ "two periods later nothing", 10, 7, 2000, 0 },
		{ "a single event does not flicker", 0, 1, 900, 1 },
		{ "a single event a period later", 1, 0, 1900, 1 },
		{ "large numbers", 4000000000u, 0, 1250, 3000000000u },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stick_rate r = { .since = 0xffffff00u,
					.now = rows[i].now,
					.before = rows[i].before };
		uint32_t got = stick_rate_read(&r, 1000, r.since + rows[i].age_ms);

		if (got != rows[i].want)
			fail_msg("%s: %u, wanted %u", rows[i].what, got, rows[i].want);
	}
}

static void rate_turns(void **state)
{
	struct stick_rate r = { 0 };

	assert_int_equal(stick_rate_add(&r, 100, 5000, 4), 4); /* long after its begin */
	assert_int_equal(r.before, 0);
	assert_int_equal(stick_rate_add(&r, 100, 5099, 1), 5);
	assert_int_equal(stick_rate_add(&r, 100, 5100, 2), 2);
	assert_int_equal(r.before, 5);
	assert_int_equal(r.since, 5100);
	assert_int_equal(stick_rate_add(&r, 100, 5260, 1), 1);
	assert_int_equal(r.before, 2);
	assert_int_equal(r.since, 5200);
	assert_int_equal(stick_rate_add(&r, 100, 5401, 1), 1);
	assert_int_equal(r.before, 0);
	/* a thread whose clock is behind */
	assert_int_equal(stick_rate_add(&r, 100, 5390, 1), 2);
}

static void ages(void **state)
{
	struct stick_table *t = table(&arena, SMP_INT, 4, 100, 500);

	put(t, 1);
	loop_here.now_ms += 300;
	put(t, 2);
	loop_here.now_ms += 199;
	assert_true(has(t, 1));
	loop_here.now_ms += 1;
	assert_false(has(t, 1)); /* to the millisecond */
	assert_true(has(t, 2));
	assert_int_equal(stick_used(t), 1);
	put(t, 2); /* used: lives on */
	loop_here.now_ms += 499;
	assert_int_equal(stick_used(t), 1);
	loop_here.now_ms += 1;
	assert_int_equal(stick_used(t), 0);
}

static void refs_keep(void **state)
{
	struct stick_table *t = table(&arena, SMP_INT, 4, 2, 500);
	struct stick_key k = number(1);
	struct stick_entry *e;

	k.s = slice_make(k.buf, 4);
	e = stick_find_or_add(t, &k);
	e->refs++;
	stick_unlock(t, e);
	loop_here.now_ms += 10000;
	assert_true(has(t, 1));
	assert_int_equal(stick_used(t), 1);
	put(t, 2);
	put(t, 3); /* 2 goes, not 1 */
	assert_true(has(t, 1));
	assert_false(has(t, 2));
	stick_lock(t, e);
	assert_false(stick_remove_unlock(t, e));
	stick_lock(t, e);
	e->refs--;
	assert_true(stick_remove_unlock(t, e));
	assert_false(has(t, 1));
}

static void all_in_use(void **state)
{
	struct stick_table *t = table(&arena, SMP_INT, 4, 2, 0);
	struct stick_entry *e[2];

	for (uint32_t i = 0; i < 2; i++) {
		struct stick_key k = number(i);

		k.s = slice_make(k.buf, 4);
		e[i] = stick_find_or_add(t, &k);
		e[i]->refs++;
		stick_unlock(t, e[i]);
	}
	assert_false(put(t, 7));
	assert_int_equal(stick_used(t), 2);
	stick_lock(t, e[0]);
	e[0]->refs--;
	stick_unlock(t, e[0]);
	assert_true(put(t, 7));
	assert_false(has(t, 0));
	assert_true(has(t, 1));
}

static void nopurge(void **state)
{
	struct stick_table *t = table(&arena, SMP_INT, 4, 3, 100);

	t->nopurge = true;
	for (uint32_t i = 1; i <= 3; i++)
		assert_true(put(t, i));
	assert_false(put(t, 4));
	assert_true(put(t, 2));
	loop_here.now_ms += 100;
	assert_true(put(t, 4)); /* the expired make room */
	assert_int_equal(stick_used(t), 1);
}

/* 100,000 entries fill a table of 64 shards; more of them push out the oldest, whichever shard these are in. */
static void many(void **state)
{
	const uint32_t size = 100000, quota = (size >> 8) + 1;
	struct stick_table *t = table(&arena, SMP_INT, 4, size, 0);
	uint32_t old = 0, young = 0;

	for (uint32_t i = 0; i < size; i++) {
		loop_here.now_ms += i % 10 == 0;
		assert_true(put(t, i));
	}
	assert_int_equal(stick_used(t), size);
	assert_true(put(t, size));
	assert_int_equal(stick_used(t), size - quota + 1);
	for (uint32_t i = 0; i < 2 * quota; i++)
		old += has(t, i);
	for (uint32_t i = size - 1000; i <= size; i++)
		young += has(t, i);
	assert_int_equal(young, 1001);
	assert_int_equal(old, quota); /* the oldest are gone, no others */
	for (uint32_t i = size; i < 3 * size; i++)
		assert_true(put(t, i));
	assert_true(stick_used(t) <= size);
}

static void values(void **state)
{
	struct stick_table *t = table(&arena, SMP_STR, 8, 10, 0);
	struct stick_key k = { .s = SLICE("key") };
	struct stick_entry *e = stick_find_or_add(t, &k);
	uint64_t v;

	assert_true(stick_value_op(t, e, STICK_INC, SD_GPC0, 0, &v));
	assert_int_equal(v, 1);
	assert_true(stick_value_op(t, e, STICK_READ, SD_GPT0, 0, &v)); /* the array's first */
	assert_int_equal(v, 0);
	assert_true(stick_gpt_set(t, e, 2, true, 9));
	assert_false(stick_gpt_set(t, e, 3, true, 9));
	assert_true(stick_value_op(t, e, STICK_READ, SD_GPT, 2, &v));
	assert_int_equal(v, 9);
	assert_false(stick_value_op(t, e, STICK_READ, SD_GPC, 0, &v)); /* gpc0 is no array */
	stick_add(t, e, SD_BYTES_IN_CNT, 0, 5000000000u, 0);
	assert_true(stick_value_op(t, e, STICK_KBYTES, SD_BYTES_IN_CNT, 0, &v));
	assert_int_equal(v, 5000000000u >> 10);
	assert_true(stick_value_op(t, e, STICK_CLEAR, SD_GPC0, 0, &v));
	assert_int_equal(v, 1);
	assert_int_equal(stick_value(t, e, SD_GPC0, 0, 0), 0);
	stick_set_text(t, e, SLICE("srv1"));
	assert_string_equal(stick_text_of(t, e), "srv1");
	stick_set_text(t, e, SLICE("srv2"));
	assert_string_equal(stick_text_of(t, e), "srv2");
	stick_set_text(t, e, SLICE_NONE);
	assert_null(stick_text_of(t, e));
	stick_remove_unlock(t, e);
}

#define THREADS 4
#define EACH    20000

static void *hammer(void *arg)
{
	struct stick_table *t = arg;
	static _Atomic uint32_t seed;
	uint32_t x = atomic_fetch_add(&seed, 1) * 7919 + 1;
	uint64_t v;

	this_loop = &loop_here;
	for (int i = 0; i < EACH; i++) {
		struct stick_key k = number(i % 10 ? (x = x * 1664525 + 1013904223) >> 16 : 7);
		struct stick_entry *e;

		k.s = slice_make(k.buf, 4);
		e = stick_find_or_add(t, &k);
		if (!e)
			continue;
		stick_value_op(t, e, STICK_INC, SD_GPC0, 0, &v);
		stick_set_text(t, e, i % 2 ? SLICE("a") : SLICE("b"));
		stick_unlock(t, e);
	}
	this_loop = NULL;
	return NULL;
}

static void threads(void **state)
{
	struct stick_table *t = table(&arena, SMP_INT, 4, 5000, 1000);
	struct stick_key k = number(7);
	struct stick_entry *e;
	pthread_t id[THREADS];

	k.s = slice_make(k.buf, 4);
	e = stick_find_or_add(t, &k);
	e->refs++; /* stays */
	stick_unlock(t, e);
	for (int i = 0; i < THREADS; i++)
		pthread_create(&id[i], NULL, hammer, t);
	for (int i = 0; i < THREADS; i++)
		pthread_join(id[i], NULL);
	assert_true(stick_used(t) <= 5000);
	assert_true(stick_value(t, e, SD_GPC0, 0, 0) >= THREADS * EACH / 10);
}

static void keys(void **state)
{
	static const struct {
		const char *what;
		enum smp_type type;
		uint32_t bytes;
		struct slice in, want;
	} rows[] = {
		{ "cut", SMP_STR, 3, SLICE("abcd"), SLICE("abc") },
		{ "whole", SMP_STR, 8, SLICE("abcd"), SLICE("abcd") },
		{ "texts end at a zero", SMP_STR, 8, SLICE("ab\0cd"), SLICE("ab") },
		{ "bytes are filled up", SMP_BIN, 6, SLICE("ab\0c"), SLICE("ab\0c\0\0") },
		{ "long bytes are filled up", SMP_BIN, 20, SLICE("x"),
		  SLICE("x\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0") },
		{ "bytes are cut", SMP_BIN, 2, SLICE("abc"), SLICE("ab") },
		{ "a number", SMP_INT, 4, SLICE("258"), SLICE("\2\1\0\0") },
		{ "an address", SMP_IP4, 4, SLICE("1.2.3.4"), SLICE("\1\2\3\4") },
		{ "mapped", SMP_IP6, 16, SLICE("::ffff:1.2.3.4"),
		  SLICE("\0\0\0\0\0\0\0\0\0\0\xff\xff\1\2\3\4") },
	};
	struct smp_ctx ctx = { .scratch = &arena };

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct stick_table t = { .type = rows[i].type, .key_bytes = rows[i].bytes };
		struct sample smp = { .type = SMP_STR, .u.s = rows[i].in };
		struct stick_key k;

		if (rows[i].type == SMP_BIN)
			smp.type = SMP_BIN;
		if (!stick_key_make(&t, &smp, &ctx, &k) || !slice_eq(k.s, rows[i].want))
			fail_msg("%s", rows[i].what);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_rows),
		cmocka_unit_test(rate_turns),
		cmocka_unit_test_setup_teardown(ages, setup, teardown),
		cmocka_unit_test_setup_teardown(refs_keep, setup, teardown),
		cmocka_unit_test_setup_teardown(all_in_use, setup, teardown),
		cmocka_unit_test_setup_teardown(nopurge, setup, teardown),
		cmocka_unit_test_setup_teardown(many, setup, teardown),
		cmocka_unit_test_setup_teardown(values, setup, teardown),
		cmocka_unit_test_setup_teardown(threads, setup, teardown),
		cmocka_unit_test_setup_teardown(keys, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
