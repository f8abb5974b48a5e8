// SPDX-License-Identifier: GPL-2.0-or-later
/* tap: timeout=120 */
/*
 * Entries that come and go: every answer is what trying all entries one by one gives; readers never miss what stays; and what a
 * look-up and an entry cost at 100,000 entries (printed, not judged).
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <malloc.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "policy/pattern_index.h"
#include "policy/pattern_ref.h"
#include "policy/sample_util.h"
#include "policy_support.h"

static struct policy_bench bench;
static uint64_t seed = 88172645463325252u;

static uint32_t rnd(uint32_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (uint32_t)(seed >> 11) % n;
}

static struct pat_ref *ref_new(const char *name, enum match_kind kind, bool icase)
{
	const struct pat_use use = { .kind = kind, .icase = icase, .out = SMP_STR };
	struct pat_ref *r =
		pat_ref_file(bench_line(&bench, "acl a path"), 0, name, true, &use, false);

	assert_non_null(r);
	return r;
}

static void random_text(char *out, uint32_t least, uint32_t most, const char *letters)
{
	uint32_t n = least + rnd(most - least + 1);

	for (uint32_t i = 0; i < n; i++)
		out[i] = letters[rnd((uint32_t)strlen(letters))];
	out[n] = 0;
}

/* Some with words of three and more bytes, some without, and what may hide a character or a whole word. */
static void random_regex(char *out)
{
	static const char *const parts[] = {
		"ab",       "aab",      "abA",     "ba/b",   "aaa",
		"a?",       "b*",       "a+",      "b{0,2}", "a{2}",
		".",        "^",        "$",       "|",      "(b|aab)",
		"(?:aab)?", "(a|b)+",   "[ab]",    "[]a]",   "[^[:digit:]]",
		"\\.",      "\\/",      "\\w",     "(?i)",   "(?=ab)",
		"(?!aab)",  "\\Qab\\E", "(?x)a a", "\\x61",  "(?<=a)b",
	};
	int n = 1 + (int)rnd(rnd(2) ? 5 : 2);

	*out = 0;
	while (n--)
		strcat(out, parts[rnd(rnd(2) ? 5 : ARRAY_SIZE(parts))]);
}

static void random_key(enum match_kind kind, char *out)
{
	switch (kind) {
	case MATCH_INT:
	case MATCH_LEN:
		if (rnd(2))
			sprintf(out, "%u", rnd(50));
		else
			sprintf(out, "%u:%u", rnd(20), 20 + rnd(30));
		break;
	case MATCH_IP:
		if (rnd(5) == 0)
			sprintf(out, "10.0.%u.0/255.0.255.0", rnd(4));
		else if (rnd(4) == 0)
			sprintf(out, "::ffff:10.%u.%u.0/%u", rnd(4), rnd(4), 100 + rnd(29));
		else
			sprintf(out, "10.%u.%u.%u/%u", rnd(4), rnd(4), rnd(4), 8 + rnd(25));
		break;
	case MATCH_BIN:
		sprintf(out, "%02x%s", 'a' + rnd(3), rnd(2) ? "62" : "");
		break;
	case MATCH_REG:
		random_regex(out);
		break;
	default: /* long ones, too: the filter looks at 4, 8, 16, 32 bytes */
		random_text(out, 1, rnd(4) ? 6 : 40, rnd(4) ? "abA./" : "aab");
	}
}

static void random_sample(enum match_kind kind, struct sample *s, char *buf)
{
	memset(s, 0, sizeof(*s));
	switch (kind) {
	case MATCH_INT:
		smp_int(s, (int64_t)rnd(60) - 5);
		break;
	case MATCH_IP:
		sprintf(buf, rnd(3) ? "10.%u.%u.%u" : "::ffff:10.%u.%u.%u", rnd(4), rnd(4), rnd(4));
		addr_parse_ip(&s->u.a, slice_z(buf));
		s->type = s->u.a.family == ADDR_IP4 ? SMP_IP4 : SMP_IP6;
		break;
	default:
		random_text(buf, 0, rnd(4) ? 12 : 60, rnd(4) ? "abA./" : "aab");
		smp_str(s, slice_z(buf));
	}
}

/* ---- trying one by one ---- */

struct naive {
	const struct pat_entry *e;
	int rank; /* less counts more */
};

static int rank_of(enum match_kind kind, const struct pattern *p, const struct sample *s)
{
	if (kind == MATCH_BEG)
		return -(int)p->text.n;
	if (kind != MATCH_IP)
		return 0;
	if (!p->mask_is_prefix)
		return 1000;
	return (p->net.family == s->u.a.family ? 0 : 500) - p->bits;
}

static const struct pat_entry *naive_find(const struct pat_ref *r, enum match_kind kind, bool icase,
					  const struct sample *s)
{
	const struct pattern_words w = { .icase = icase, .no_dns = true };
	struct naive best = { 0 };
	struct pat_entry *e;
	struct arena a;

	arena_init(&a, 0);
	list_for_each_entry(e, &r->base->entries, node) {
		struct pattern_error err;
		struct pattern p;
		int rank;

		assert_int_equal(pattern_parse(kind, e->key, &w, &a, &p, &err), 0);
		rank = rank_of(kind, &p, s);
		if (pattern_matches(kind, &p, s) && (!best.e || rank < best.rank))
			best = (struct naive){ e, rank };
	}
	arena_fini(&a);
	return best.e;
}

static void compare(struct pat_ref *r, enum match_kind kind, bool icase, int times)
{
	const struct live_index *ix = &r->base->index[r->uses[0].index];
	char buf[100];

	for (int i = 0; i < times; i++) {
		struct sample s;
		const struct pat_entry *want;
		const struct live_node *got;

		random_sample(kind, &s, buf);
		want = naive_find(r, kind, icase, &s);
		got = live_index_find(ix, &s, live_index_best(kind));
		if ((got ? got->entry : NULL) != want)
			fail_msg("%s%s '%s': got %s, wanted %s", match_of(kind)->name,
				 icase ? " -i" : "", buf, got ? got->entry->key : "nothing",
				 want ? want->key : "nothing");
		assert_int_equal(!!live_index_find(ix, &s, LIVE_ANY), !!want);
	}
}

static const enum match_kind kinds[] = { MATCH_STR, MATCH_BEG, MATCH_END, MATCH_SUB,
					 MATCH_DIR, MATCH_DOM, MATCH_INT, MATCH_LEN,
					 MATCH_IP,  MATCH_BIN, MATCH_REG };

static void test_random(void **state)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds) * 2; k++) {
		enum match_kind kind = kinds[k / 2];
		bool icase = k % 2;
		char name[40], key[100];
		struct pattern_error err;
		struct pat_ref *r;

		/* with -i the oracle's prefixes are a list of which any will do: only whether counts */
		if (icase && (kind == MATCH_BEG || kind == MATCH_IP || kind == MATCH_BIN))
			continue;
		sprintf(name, "virt@random%zu", k);
		r = ref_new(name, kind, icase);
		for (int step = 0; step < 400; step++) {
			random_key(kind, key);
			if (rnd(3)) {
				assert_int_equal(pat_gen_add(r, pat_ref_current(r), key, "v", false,
							     &err),
						 0);
			} else if (rnd(2)) {
				pat_ref_delete_key(r, key);
			} else if (r->base->n) {
				pat_gen_delete(r, r->base,
					       list_entry(r->base->entries.next, struct pat_entry,
							  node));
			}
			if (step % 20 == 0)
				compare(r, kind, icase, 20);
		}
		compare(r, kind, icase, 200);
		pat_ref_clear(r, 0);
		compare(r, kind, icase, 5);
	}
}

static void test_keys(void **state)
{
	struct pat_ref *r = ref_new("virt@keys", MATCH_IP, false);
	struct pattern_error err;

	assert_int_equal(pat_gen_add(r, pat_ref_current(r), "10.0.0.0/8", "a", false, &err), 0);
	assert_int_equal(pat_gen_add(r, r->base, "10.0.0.0/8", "b", false, &err), 0);
	assert_int_equal(pat_gen_add(r, r->base, "nonsense", "b", false, &err), -1);
	assert_string_equal(err.what, "'nonsense' is not a valid IPv4 or IPv6 address");
	assert_int_equal(r->base->n, 2);
	assert_int_equal(pat_ref_set_key(r, "10.0.0.0/8", "c", &err), 2);
	assert_int_equal(pat_ref_set_key(r, "10.0.0.0/9", "c", &err), 0);
	assert_string_equal(pat_gen_find(r->base, "10.0.0.0/8")->value->text, "c");
	assert_int_equal(pat_ref_delete_key(r, "10.0.0.0/8"), 2);
	assert_int_equal(r->base->n, 0);
	assert_null(pat_gen_find(r->base, "10.0.0.0/8"));
}

static void test_versions(void **state)
{
	struct pat_ref *r = ref_new("virt@versions", MATCH_STR, false);
	struct pattern_error err;
	struct pat_cursor c;

	assert_int_equal(pat_ref_commit(r, 1), -34 /* ERANGE */);
	r->next_version = UINT32_MAX - 1; /* they wrap around */
	r->curr_version = r->base->version = UINT32_MAX - 2;
	assert_int_equal(pat_gen_add(r, r->base, "old", "v", false, &err), 0);
	r->next_version += 3;
	assert_int_equal(pat_gen_add(r, pat_ref_version(r, 1, true), "new", "v", false, &err), 0);
	assert_int_equal(
		pat_gen_add(r, pat_ref_version(r, UINT32_MAX, true), "lost", "v", false, &err), 0);
	assert_non_null(pat_gen_find(r->base, "old"));
	pat_cursor_begin(&c, r, r->base);
	assert_int_equal(pat_ref_commit(r, 1), 0);
	assert_null(pat_cursor_next(&c)); /* what it walked over is gone */
	pat_cursor_end(&c);
	assert_non_null(pat_gen_find(r->base, "new"));
	assert_null(pat_gen_find(r->base, "old"));
	assert_true(list_empty(&r->others));
	assert_int_equal(pat_ref_commit(r, UINT32_MAX), -34);
}

/* ---- readers and a writer ---- */

#define STAY 500

static _Atomic bool stop;
static _Atomic uint64_t asked;

static void *reader(void *arg)
{
	struct pat_ref *r = arg;
	uint64_t mine = (uint64_t)(uintptr_t)&mine | 1;

	rcu_register_thread();
	while (!stop) {
		const struct pat_gen *g = pat_ref_live(r);
		struct sample s;
		char text[40];
		const struct live_node *n;
		uint64_t i = (mine = mine * 6364136223846793005u + 1442695040888963407u) >> 33;

		sprintf(text, "stay%u/tail", (unsigned int)(i % STAY));
		smp_str(&s, slice_z(text));
		n = live_index_find(&g->index[r->uses[0].index], &s, LIVE_LONGEST);
		if (!n || strncmp(n->entry->key, text, n->entry->n) || n->entry->n < 5 ||
		    strcmp(rcu_dereference(n->entry->value)->text, "kept"))
			abort();
		asked++;
		rcu_quiescent_state();
	}
	rcu_unregister_thread();
	return NULL;
}

static void change(struct pat_ref *r, int round)
{
	struct pattern_error err;
	char key[40];

	for (int i = 0; i < 300; i++) {
		sprintf(key, "go%d", (round * 7 + i) % 900);
		if (i % 3)
			(void)pat_gen_add(r, r->base, key, "x", false, &err);
		else
			pat_ref_delete_key(r, key);
	}
	/* a key that stays is there twice for a moment, and then its first is deleted */
	sprintf(key, "stay%d/", round % STAY);
	assert_int_equal(pat_gen_add(r, r->base, key, "kept", false, &err), 0);
	pat_gen_delete(r, r->base, pat_gen_find(r->base, key));
	assert_int_equal(pat_ref_set_key(r, key, "kept", &err), 1);
}

static void test_readers(void **state)
{
	struct pat_ref *r = ref_new("virt@readers", MATCH_BEG, false);
	struct pattern_error err;
	pthread_t t[2];
	char key[40];

	live_readers_begin();
	rcu_register_thread();
	for (int i = 0; i < STAY; i++) {
		sprintf(key, "stay%d/", i);
		assert_int_equal(pat_gen_add(r, pat_ref_current(r), key, "kept", false, &err), 0);
	}
	for (int i = 0; i < 2; i++)
		pthread_create(&t[i], NULL, reader, r);
	for (int round = 0; round < 400 || asked < 20000; round++) {
		change(r, round);
		rcu_quiescent_state();
	}
	stop = true;
	rcu_thread_offline();
	for (int i = 0; i < 2; i++)
		pthread_join(t[i], NULL);
	rcu_thread_online();
	compare(r, MATCH_BEG, false, 20);
	rcu_unregister_thread();
}

/* ---- what it costs ---- */

#define MANY  100000
#define TIMES 10000

static void many_key(enum match_kind kind, uint32_t i, char *out)
{
	switch (kind) {
	case MATCH_INT:
		sprintf(out, "%u", i * 37);
		break;
	case MATCH_IP:
		sprintf(out, "10.%u.%u.%u/%u", i >> 10 & 255, i >> 2 & 255, (i & 3) * 64,
			26 + i % 7);
		break;
	case MATCH_BIN:
		sprintf(out, "%08x", i * 2654435761u);
		break;
	case MATCH_DOM:
		sprintf(out, "host%u.example", i);
		break;
	case MATCH_END:
		sprintf(out, "%u.example.com", i);
		break;
	case MATCH_REG:
		sprintf(out, i % 2 ? "^/shop/[a-z]%u/part" : "/%u/part[0-9]+(/|$)", i);
		break;
	default:
		sprintf(out, "/shop/%c%u/part%u", 'a' + i % 26, i, i % 97);
	}
}

static void many_sample(enum match_kind kind, uint32_t i, struct sample *s, char *buf)
{
	memset(s, 0, sizeof(*s));
	switch (kind) {
	case MATCH_INT:
		smp_int(s, i * 37);
		return;
	case MATCH_IP:
		sprintf(buf, "10.%u.%u.%u", i >> 10 & 255, i >> 2 & 255, (i & 3) * 64 + 1);
		addr_parse_ip(&s->u.a, slice_z(buf));
		s->type = SMP_IP4;
		return;
	case MATCH_BIN:
		sprintf(buf, "%c%c%c%c", (char)(i * 2654435761u >> 24), (char)(i >> 5), (char)i,
			'x');
		break;
	case MATCH_DOM:
		sprintf(buf, "www.host%u.example.com:80", i);
		break;
	case MATCH_END:
		sprintf(buf, "www.host-%u.example.com", i);
		break;
	case MATCH_STR:
		many_key(kind, i, buf);
		break;
	case MATCH_REG:
		sprintf(buf,
			i % 2 ? "/shop/x%u/part%u/index.html?a=1&b=2"
			      : "/store/%u/part%u/index.html",
			i, i % 97);
		break;
	default:
		sprintf(buf, "/shop/%c%u/part%u/index.html?a=1&b=2", 'a' + i % 26, i, i % 97);
	}
	smp_str(s, slice_z(buf));
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void cost(enum match_kind kind, uint32_t many, bool hit)
{
	static char texts[1000][100];
	static struct sample samples[1000];
	char name[40], key[100];
	struct pattern_error err;
	size_t before = mallinfo2().uordblks + mallinfo2().hblkhd, found = 0;
	uint64_t t = now_ns(), fill, ask;
	struct pat_ref *r;
	const struct live_index *ix;

	sprintf(name, "virt@cost%d-%u", kind, many);
	r = ref_new(name, kind, false);
	if (r->base->n == 0)
		for (uint32_t i = 0; i < many; i++) {
			many_key(kind, i, key);
			assert_int_equal(
				pat_gen_add(r, pat_ref_current(r), key, "value", false, &err), 0);
		}
	fill = now_ns() - t;
	ix = &r->base->index[r->uses[0].index];
	for (int i = 0; i < 1000; i++) {
		many_sample(kind, hit ? (uint32_t)i * 97 % many : MANY * 2 + (uint32_t)i * 97,
			    &samples[i], texts[i]);
		if (!hit && samples[i].type == SMP_STR && kind != MATCH_BIN)
			texts[i][samples[i].u.s.n / 2] = '_';
	}
	ask = UINT64_MAX; /* the least: others use the machine, too */
	for (int round = 0; round < 20; round++) {
		t = now_ns();
		found = 0;
		for (int i = 0; i < TIMES; i++)
			found += live_index_find(ix, &samples[i % 1000], live_index_best(kind)) !=
				 NULL;
		t = (now_ns() - t) / TIMES;
		ask = t < ask ? t : ask;
	}
	if (hit)
		print_message(
			"# %-4s %6u: %6llu ms to fill, %4llu bytes an entry, %5llu ns when found",
			match_of(kind)->name, many, (unsigned long long)fill / 1000000,
			(unsigned long long)(mallinfo2().uordblks + mallinfo2().hblkhd - before) /
				many,
			(unsigned long long)ask);
	else
		print_message(", %5llu ns when not (%zu of %d found)\n", (unsigned long long)ask,
			      found, TIMES);
}

static void test_cost(void **state)
{
	for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
		if (kinds[k] == MATCH_LEN)
			continue;
		for (uint32_t many = kinds[k] == MATCH_REG ? 1000 : MANY; many <= MANY;
		     many *= 10) {
			cost(kinds[k], many, true);
			cost(kinds[k], many, false);
		}
	}
}

static int setup(void **state)
{
	bench_init(&bench);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),   cmocka_unit_test(test_keys),
		cmocka_unit_test(test_versions), cmocka_unit_test(test_cost),
		cmocka_unit_test(test_readers),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
