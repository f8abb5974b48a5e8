// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The index of conditions: the same answer as trying every rule in turn, on random rule lists and random values; and that
 * a thousand rules cost a handful of comparisons (counted, not timed). The same for long lists of values.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/acl.h"
#include "policy/cond.h"
#include "policy_support.h"

/* ---- fetches whose value the test sets ---- */

static struct {
	struct slice text, second; /* "t.text"; "t.list" gives both */
	int64_t number;
	struct addr address;
	bool missing, wait;
} now;

static bool fetch_text(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	if (now.wait)
		out->flags |= SMP_F_MAY_CHANGE;
	if (now.missing || now.wait)
		return false;
	out->type = SMP_STR;
	out->u.s = now.text;
	return true;
}

static bool fetch_list(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	out->type = SMP_STR;
	out->u.s = out->iter[0]++ ? now.second : now.text;
	if (out->iter[0] < 2)
		out->flags |= SMP_F_MORE;
	return true;
}

static bool fetch_number(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	out->type = SMP_INT;
	out->u.i = now.number;
	return true;
}

static bool fetch_address(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	out->type = now.address.family == ADDR_IP4 ? SMP_IP4 : SMP_IP6;
	out->u.a = now.address;
	return true;
}

#define ROW(n, t, f)                                                                    \
	{                                                                               \
		.name = n, .kind = "fetch-internal", .out = t, .where = SMP_W_INTERNAL, \
		.fetch = f, .kernel = KERNEL_EXACT, .help = ""                          \
	}
static const struct fetch_row fetches[] = {
	ROW("t.text", SMP_STR, fetch_text),
	ROW("t.list", SMP_STR, fetch_list),
	ROW("t.number", SMP_INT, fetch_number),
	ROW("t.address", SMP_ADDR, fetch_address),
};

/* ---- random rules ---- */

static uint64_t seed = 20261120;
static unsigned int rnd(unsigned int n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return (unsigned int)((seed >> 20) % n);
}

/* Few letters, so that texts are often prefixes, words and ends of each other. */
static const char *random_text(char *buf, unsigned int most)
{
	static const char letters[] = "aAb/.?";
	unsigned int n = 1 + rnd(most);

	for (unsigned int i = 0; i < n; i++)
		buf[i] = letters[rnd(sizeof(letters) - 1)];
	buf[n] = 0;
	return buf;
}

static const char *random_address(char *buf, size_t size, bool net)
{
	static const char *const v6[] = { "::ffff:10.0.%u.%u", "2001:db8::%u:%u",
					  "2002:a00:%u%u::", "::10.0.%u.%u" };
	size_t n;

	if (rnd(3))
		n = (size_t)snprintf(buf, size, "10.0.%u.%u", rnd(3), rnd(4));
	else
		n = (size_t)snprintf(buf, size, v6[rnd(4)], rnd(3), rnd(4));
	if (net && rnd(2))
		snprintf(buf + n, size - n, "/%u", strchr(buf, ':') ? rnd(129) : rnd(33));
	return buf;
}

static size_t random_test(char *out, size_t size)
{
	static const char *const matches[] = { "str", "beg", "end",   "dir", "dom",
					       "sub", "reg", "found", "len" };
	char value[64];
	size_t n;
	unsigned int kind = rnd(10);

	if (kind < 6) {
		const char *m = matches[rnd(rnd(2) ? 3 : ARRAY_SIZE(matches))];

		n = (size_t)snprintf(out, size, "%s -m %s%s",
				     rnd(2)   ? "t.text"
				     : rnd(2) ? "t.list"
					      : "t.text,lower",
				     m, rnd(3) ? "" : " -i");
		if (!strcmp(m, "found"))
			return n;
		for (unsigned int i = 0, many = rnd(8) ? 1 + rnd(2) : 8; i < many; i++)
			n += (size_t)snprintf(out + n, size - n, " %s",
					      !strcmp(m, "len")   ? "3"
					      : !strcmp(m, "reg") ? "^a.?b"
								  : random_text(value, 3));
		return n;
	}
	if (kind < 8) {
		n = (size_t)snprintf(out, size, "t.number%s", rnd(6) ? "" : " gt");
		for (unsigned int i = 0, many = 1 + rnd(3); i < many; i++)
			n += (size_t)snprintf(out + n, size - n, rnd(8) ? " %u" : " %u:9", rnd(9));
		return n;
	}
	n = (size_t)snprintf(out, size, "t.address");
	for (unsigned int i = 0, many = 1 + rnd(2); i < many; i++)
		n += (size_t)snprintf(out + n, size - n, " %s",
				      random_address(value, sizeof(value), true));
	if (!rnd(10))
		n += (size_t)snprintf(out + n, size - n, " 10.0.0.1/255.0.255.255");
	return n;
}

static struct cond *random_cond(struct policy_bench *b)
{
	char text[4096];
	size_t n = (size_t)snprintf(text, sizeof(text), rnd(12) ? "if" : "unless");
	struct cond *c;

	for (unsigned int any = 0, alternatives = rnd(4) ? 1 : 2; any < alternatives; any++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, any ? " or" : "");
		for (unsigned int all = 0, terms = rnd(3) ? 1 : 2; all < terms; all++) {
			n += (size_t)snprintf(text + n, sizeof(text) - n, rnd(10) ? " { " : " !{ ");
			n += random_test(text + n, sizeof(text) - n);
			n += (size_t)snprintf(text + n, sizeof(text) - n, " }");
		}
	}
	c = cond_parse(bench_line(b, text), 0, SMP_W_INTERNAL);
	if (!c)
		fail_msg("%s: %s", text, bench_said(b));
	return c;
}

static int in_turn(struct cond *const *conds, int n, const struct smp_ctx *ctx)
{
	for (int i = 0; i < n; i++) {
		enum acl_result r = conds[i] ? cond_eval(conds[i], ctx) : ACL_YES;

		if (r != ACL_NO)
			return r == ACL_MORE ? -1 : i;
	}
	return n;
}

static void random_values(char *text, char *second, char *address)
{
	now.text = slice_z(random_text(text, 6));
	now.second = slice_z(random_text(second, 6));
	now.number = rnd(10);
	assert_int_equal(addr_parse_ip(&now.address, slice_z(random_address(address, 64, false))),
			 0);
	now.missing = !rnd(20);
	now.wait = !rnd(20);
}

/* 2,000 lists of rules, each asked 50 times. */
static void test_random(void **state)
{
	char text[64], second[64], address[64];
	int matched = 0, waited = 0;

	for (int list = 0; list < 2000; list++) {
		struct cond *conds[40];
		struct cond_index *ix;
		struct policy_bench b;
		int n = (int)rnd(40);

		bench_init(&b);
		for (int i = 0; i < n; i++)
			conds[i] = rnd(60) ? random_cond(&b) : NULL;
		ix = cond_index_build(&b.cfg->arena, conds, n);
		for (int ask = 0; ask < 50; ask++) {
			int want, got;

			random_values(text, second, address);
			b.ctx.final = !rnd(2);
			arena_reset(&b.scratch);
			want = in_turn(conds, n, &b.ctx);
			got = cond_index_first(ix, &b.ctx);
			if (got != want)
				fail_msg("list %d: rule %d (%s), the index says %d (%s); text '%s' "
					 "second '%s' number %d address %s",
					 list, want,
					 want >= 0 && want < n && conds[want]
						 ? cond_text(conds[want])
						 : "-",
					 got,
					 got >= 0 && got < n && conds[got] ? cond_text(conds[got])
									   : "-",
					 text, second, (int)now.number, address);
			matched += want >= 0 && want < n;
			waited += want < 0;
		}
		bench_fini(&b);
	}
	assert_true(matched > 20000 && waited > 500); /* the cases are not all the same */
	now.missing = now.wait = false;
}

static uint64_t compares(const struct cond_index *ix, const char *text, struct policy_bench *b,
			 int want)
{
	uint64_t before = pattern_compares;

	now.text = slice_z(text);
	assert_int_equal(cond_index_first(ix, &b->ctx), want);
	return pattern_compares - before;
}

static struct cond_index *thousand(struct policy_bench *b, const char *format, int n)
{
	struct cond **conds = calloc(n, sizeof(*conds));
	struct cond_index *ix;
	char text[256];

	for (int i = 0; i < n; i++) {
		snprintf(text, sizeof(text), format, i, i);
		conds[i] = cond_parse(bench_line(b, text), 0, SMP_W_INTERNAL);
		assert_non_null(conds[i]);
	}
	ix = cond_index_build(&b->cfg->arena, conds, n);
	free(conds);
	return ix;
}

/* A thousand rules, a handful of comparisons, wherever the match is or when there is none. */
static void test_thousand(void **state)
{
	static const struct {
		const char *format, *at999, *none;
	} rows[] = {
		{ "if { t.text -m beg /app%d/ }", "/app999/x", "/other" },
		{ "if { t.text -m str -i /APP%d }", "/app999", "/app" },
		{ "if { t.text -m end .x%d }", "a.x999", "a.y" },
		{ "if { t.text -m dir d%d }", "/a/d999/b", "/a/b" },
		{ "if { t.text -m beg / } { t.text -m end .x%d }", "/a.x999", "/a.y" },
		{ "if { t.text -m sub q } { t.text -m end .x%d }", "/q.x999", "/q.y" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_bench b;
		struct cond_index *ix;
		uint64_t n;

		bench_init(&b);
		ix = thousand(&b, rows[i].format, 1000);
		n = compares(ix, rows[i].at999, &b, 999);
		if (n > 8)
			fail_msg("%s: %d comparisons", rows[i].format, (int)n);
		n = compares(ix, rows[i].none, &b, 1000);
		if (n > 8)
			fail_msg("%s: %d comparisons without a match", rows[i].format, (int)n);
		bench_fini(&b);
	}
}

/* One ACL with a thousand values, through the list's own index, against the values one by one. */
static void test_values(void **state)
{
	char text[64], second[64], address[64], words[16384];

	for (int list = 0; list < 300; list++) {
		struct policy_bench b;
		struct acl_test *t;
		struct cfg_line *l;
		size_t n = 0;

		bench_init(&b);
		n += random_test(words, sizeof(words));
		for (int i = 0, many = (int)rnd(12); i < many && strstr(words, "-m found") == NULL;
		     i++) {
			if (!strncmp(words, "t.number", 8) || strstr(words, "-m len"))
				n += (size_t)snprintf(words + n, sizeof(words) - n, " %u:%u",
						      rnd(4), 4 + rnd(5));
			else if (!strncmp(words, "t.address", 9))
				n += (size_t)snprintf(words + n, sizeof(words) - n, " %s",
						      random_address(address, sizeof(address),
								     true));
			else
				n += (size_t)snprintf(
					words + n, sizeof(words) - n, " %s",
					strstr(words, "-m reg") ? "b$" : random_text(text, 3));
		}
		l = bench_line(&b, words);
		t = acl_test_parse(l, 0, l->nwords);
		if (!t)
			fail_msg("%s: %s", words, bench_said(&b));
		for (int ask = 0; ask < 100; ask++) {
			const struct pattern_index *ix = t->patterns.index;
			enum acl_result with, without;

			random_values(text, second, address);
			now.wait = false;
			with = acl_test_eval(t, SMP_W_INTERNAL, &b.ctx);
			t->patterns.index = NULL;
			without = acl_test_eval(t, SMP_W_INTERNAL, &b.ctx);
			t->patterns.index = ix;
			if (with != without)
				fail_msg("%s: text '%s' number %d address %s: %d with the index, "
					 "%d without",
					 words, text, (int)now.number, address, with, without);
		}
		bench_fini(&b);
	}
}

static int setup(void **state)
{
	fetch_register(fetches, ARRAY_SIZE(fetches));
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_thousand),
		cmocka_unit_test(test_values),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
