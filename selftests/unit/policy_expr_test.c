// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Expressions and conditions: the same answers as Debian's haproxy gives, and the words of errors.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "policy/acl.h"
#include "policy_support.h"

struct row {
	const char *text, *want;
	bool bad, cond, yes;
};

static const struct row rows[] = {
#define EXPR(e, w)  { .text = e, .want = w },
#define BAD_EXPR(e) { .text = e, .bad = true },
#define COND(e, w)  { .text = e, .yes = w, .cond = true },
#define BAD_COND(e) { .text = e, .bad = true, .cond = true },
#include "policy_oracle.tbl.h"
#include "policy_oracle_conv.tbl.h"
#include "policy_own.tbl.h"
};

static bool check_expr(struct policy_bench *b, const struct row *r)
{
	struct cfg_line *l = bench_line(b, "x");
	struct expr *e = expr_parse(l, 0, r->text, SMP_WHERE_HTTP_REQ);
	struct slice got = SLICE("");
	struct sample s;

	if (!e || r->bad) {
		if (!e != r->bad)
			print_message("# %s: %s\n", r->text, e ? "accepted" : bench_said(b));
		return !e == r->bad && (e || b->diag.errors == 1);
	}
	if (expr_eval(e, &b->ctx, SMP_STR, &s))
		got = s.u.s;
	if (slice_eq_z(got, r->want))
		return true;
	print_message("# %s gives '%.*s', not '%s'\n", r->text, SLICE_FMT(got), r->want);
	return false;
}

static bool check_cond(struct policy_bench *b, const struct row *r)
{
	char text[512];
	struct cond *c;

	snprintf(text, sizeof(text), "if %s", r->text);
	c = cond_parse(bench_line(b, text), 0, SMP_WHERE_HTTP_REQ);
	if (!c || r->bad) {
		if (!c != r->bad)
			print_message("# %s: %s\n", text, c ? "accepted" : bench_said(b));
		return !c == r->bad && (c || b->diag.errors == 1);
	}
	if ((cond_eval(c, &b->ctx) == ACL_YES) == r->yes)
		return true;
	print_message("# %s must be %s\n", text, r->yes ? "true" : "false");
	return false;
}

static void test_oracle(void **state)
{
	int failed = 0;

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct policy_bench b;

		bench_init(&b);
		failed += !(rows[i].cond ? check_cond(&b, &rows[i]) : check_expr(&b, &rows[i]));
		bench_fini(&b);
	}
	assert_int_equal(failed, 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_oracle),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
