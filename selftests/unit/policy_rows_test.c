// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The policy core's rows are complete (help, kernel meaning, a function), every predefined ACL parses, the words of errors
 * name what was found and what is allowed, and rule sets run in order, resume and stop.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "policy/cond.h"
#include "policy/http_policy.h"
#include "policy/rules_priv.h"
#include "policy/vars.h"
#include "policy_support.h"

static int group_setup(void **state)
{
	struct policy_bench b;

	bench_init(&b);
	http_policy_init();
	bench_fini(&b);
	return 0;
}

static void test_rows(void **state)
{
	const struct fetch_row *f;
	const struct converter_row *c;
	const struct action_row *a;

	for (size_t i = 0; (f = row_table_at(&fetch_rows, i)); i++) {
		if (!f->fetch || !f->help || !f->help[0] || !f->where ||
		    f->kernel == KERNEL_UNSAID || strncmp(f->kind, "fetch-", 6) ||
		    (f->kernel == KERNEL_NEVER && !f->kernel_says) || f->min_args > f->max_args ||
		    f->max_args >= SMP_MAX_ARGS)
			fail_msg("fetch %s: its row is not complete", f->name);
		if (fetch_find(slice_z(f->name)) != f)
			fail_msg("fetch %s is there twice", f->name);
	}
	for (size_t i = 0; (c = row_table_at(&converter_rows, i)); i++)
		if (!c->convert || !c->help || !c->help[0] || c->min_args > c->max_args ||
		    converter_find(slice_z(c->name)) != c)
			fail_msg("converter %s: its row is not complete, or there twice", c->name);
	for (size_t i = 0; (a = row_table_at(&action_rows, i)); i++)
		if (!a->run || !a->help || !a->usage || !a->sets || a->kernel == KERNEL_UNSAID)
			fail_msg("action %s: its row is not complete", a->name);
}

static void test_predefined(void **state)
{
	const struct acl_predefined *p;
	const struct acl_keyword *k;
	int n = 0;

	for (size_t i = 0; (p = row_table_at(&acl_predefined_rows, i)); i++, n++) {
		struct policy_bench b;
		char text[64];

		bench_init(&b);
		snprintf(text, sizeof(text), "if %s", p->name);
		if (!cond_parse(bench_line(&b, text), 0, SMP_WHERE_LOG))
			fail_msg("%s: %s", p->name, bench_said(&b));
		bench_fini(&b);
	}
	assert_int_equal(n, 23); /* all of the manual's, and HTTP_3.0 */
	for (size_t i = 0; (k = row_table_at(&acl_keyword_rows, i)); i++)
		if (!fetch_find(slice_z(k->fetch)) ||
		    (!match_find(k->match) && strcmp(k->match, "version")))
			fail_msg("ACL keyword %s: no fetch '%s' or method '%s'", k->name, k->fetch,
				 k->match);
}

/* ---- errors ---- */

struct error_row {
	const char *line, *says; /* a part of the message */
};

static const struct error_row cond_errors[] = {
	{ "if { pathx /a }", "did you mean 'path'" },
	{ "if { path,lowr /a }", "did you mean 'lower'" },
	{ "if nope", "no such ACL: 'nope'" },
	{ "if METH_GETT", "did you mean 'METH_GET'" },
	{ "if path", "a test without a name stands in braces: { path" },
	{ "if", "needs a condition" },
	{ "if TRUE or", "'or' needs an ACL on both sides" },
	{ "if or TRUE", "'or' needs an ACL on both sides" },
	{ "if { path /a", "closing '}'" },
	{ "if !", "'!' needs an ACL" },
	{ "if { path -m foo a }", "unknown matching method 'foo'" },
	{ "if { path -x a }", "is no flag" },
	{ "if { bin(41) 41 }", "say one with '-m <method>'" },
	{ "if { src_port abc }", "'abc' is not a number" },
	{ "if { src_port 9:3 }", "'9:3' is not a valid number range" },
	{ "if { src_port gt }", "'gt' needs a number" },
	{ "if { src 10.0.0.0/33 }", "is not a valid IPv4 or IPv6 address" },
	{ "if { src -n nosuch.invalid }", "which -n forbids" },
	{ "if { path_reg ^[a }", "missing terminating ] for character class, erroffset=3" },
	{ "if { path -f /nonexistent/file }", "cannot open '/nonexistent/file'" },
	{ "if { req.hdr(a) -m bin 4 }", "even number" },
	{ "if { var(foo.x) -m found }", "the scope being proc, sess, txn, req, res or check" },
	{ "if { path,field(a,.) b }", "argument 1 must be an integer, not 'a'" },
	{ "if { path,field(1) b }", "needs 2 arguments: argument 2 is a string" },
	{ "if { path(1) b }", "takes no arguments" },
	{ "if { str(a,b) -m found }", "takes at most 1 argument" },
	{ "if { str(a -m found }", "')' is missing" },
	{ "if { always_true,ipmask(8) 10.0.0.0 }", "cannot be converted" },
	{ "when TRUE", "a condition begins with 'if' or 'unless'" },
};

static const struct error_row rule_errors[] = {
	{ "http-request denny", "did you mean 'deny'" },
	{ "http-request set-heade a b", "did you mean 'set-header'" },
	{ "http-request", "an action is missing" },
	{ "http-request deny now", "'now' is not expected" },
	{ "http-request set-header a", "an argument is missing" },
	{ "http-request set-var(txn.a)", "an expression is missing" },
	{ "http-request set-var txn.a path", "needs a variable in parentheses" },
	{ "http-request set-var(txn.a) res.hdr(x)", "reads the HTTP response" },
	{ "http-request return status 99", "needs a status of 200..599" },
	{ "http-request return string x", "needs 'content-type <type>'" },
	{ "http-request deny deny_status 418", "no standard page for status 418" },
	{ "http-request redirect code 305 location /", "must be 301, 302, 303, 307 or 308" },
	{ "http-request redirect", "needs 'location', 'prefix' or 'scheme'" },
};

static void check_said(struct policy_bench *b, const struct error_row *row, bool failed)
{
	if (!failed)
		fail_msg("accepted: %s", row->line);
	if (!strstr(bench_said(b), row->says))
		fail_msg("%s: says '%s', not '%s'", row->line, bench_said(b), row->says);
	if (b->diag.errors != 1)
		fail_msg("%s: %d errors", row->line, b->diag.errors);
}

static void test_errors(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(cond_errors); i++) {
		struct policy_bench b;

		bench_init(&b);
		check_said(&b, &cond_errors[i],
			   !cond_parse(bench_line(&b, cond_errors[i].line), 0, SMP_WHERE_HTTP_REQ));
		bench_fini(&b);
	}
	for (size_t i = 0; i < ARRAY_SIZE(rule_errors); i++) {
		struct policy_bench b;

		bench_init(&b);
		check_said(&b, &rule_errors[i],
			   rule_parse(bench_line(&b, rule_errors[i].line), 0, RULESET_HTTP_REQ,
				      SMP_WHERE_HTTP_REQ) < 0);
		bench_fini(&b);
	}
}

/* As in HAProxy, a test that can never match is only warned about. */
static void test_never_matches(void **state)
{
	struct policy_bench b;

	bench_init(&b);
	assert_non_null(cond_parse(bench_line(&b, "if { path /a }"), 0, SMP_WHERE_TCP_CONN));
	assert_int_equal(b.diag.errors, 0);
	assert_int_equal(b.diag.warnings, 1);
	assert_non_null(strstr(bench_said(&b), "will never match here: it reads the HTTP request"));
	assert_null(expr_parse(bench_line(&b, "x"), 0, "path", SMP_WHERE_TCP_CONN));
	bench_fini(&b);
}

/* ---- running ---- */

static struct rule_set *rules(struct policy_bench *b, const char *const *lines, int n)
{
	struct rule_set *rs;

	for (int i = 0; i < n; i++)
		if (rule_parse(bench_line(b, lines[i]), 0, RULESET_TCP_CONTENT, SMP_WHERE_TCP_REQ))
			fail_msg("%s: %s", lines[i], bench_said(b));
	rs = rule_set_find(b->px, RULESET_TCP_CONTENT);
	rule_set_compile(rs, &b->cfg->arena);
	return rs;
}

/* Waits for bytes, then decides; rules in front run again when more is there. */
static void test_waiting(void **state)
{
	static const char *const lines[] = {
		"x set-var(proc.seen) req.len",
		"x reject if { req.payload(0,4) -m bin 44454144 }",
		"x accept if { req.payload(0,4) -m bin 4c495645 }",
		"x reject",
	};
	struct rule_progress p = { NULL, NULL };
	struct policy_bench b;
	struct rule_set *rs;
	struct sample s;

	bench_init(&b);
	rs = rules(&b, lines, ARRAY_SIZE(lines));
	b.ctx.final = false;
	b.ctx.data = SLICE("LI");
	assert_int_equal(rules_run(rs, &b.ctx, &p), RULE_YIELD);
	b.ctx.data = SLICE("LIVE");
	assert_int_equal(rules_run(rs, &b.ctx, &p), RULE_STOP);
	assert_string_equal(p.stopped_by->action->name, "accept");
	assert_true(
		vars_get(vars_name_const(bench_line(&b, "x"), 0, SLICE("proc.seen")), &b.ctx, &s));
	assert_int_equal(s.u.i, 4);

	p = (struct rule_progress){ NULL, NULL };
	b.ctx.data = SLICE("DEAD");
	assert_int_equal(rules_run(rs, &b.ctx, &p), RULE_DROP);
	assert_int_equal(p.stopped_by->index, 1);
	p = (struct rule_progress){ NULL, NULL };
	b.ctx.data = SLICE("LI");
	b.ctx.final = true; /* the time is over */
	assert_int_equal(rules_run(rs, &b.ctx, &p), RULE_DROP);
	assert_int_equal(p.stopped_by->index, 3);
	bench_fini(&b);
}

/* A run of rules that end the set is one question, also behind and in front of others. */
static void test_runs(void **state)
{
	const char *lines[40];
	char text[40][64];
	struct policy_bench b;
	struct rule_set *rs;

	bench_init(&b);
	for (int i = 0; i < 40; i++) {
		snprintf(text[i], sizeof(text[i]),
			 i == 20 ? "x set-var(proc.n) int(%d)"
				 : "x %2$s if { req.payload(0,0) -m str k%1$d }",
			 i, i % 2 ? "accept" : "reject");
		lines[i] = text[i];
	}
	rs = rules(&b, lines, 40);
	b.ctx.final = true;
	for (int i = 0; i < 40; i++) {
		struct rule_progress p = { NULL, NULL };
		char data[16];
		enum rule_verdict v;

		snprintf(data, sizeof(data), "k%d", i);
		b.ctx.data = slice_z(data);
		v = rules_run(rs, &b.ctx, &p);
		assert_int_equal(v, i == 20 ? RULE_CONTINUE : i % 2 ? RULE_STOP : RULE_DROP);
		if (i != 20)
			assert_int_equal(p.stopped_by->index, i);
	}
	bench_fini(&b);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),    cmocka_unit_test(test_predefined),
		cmocka_unit_test(test_errors),  cmocka_unit_test(test_never_matches),
		cmocka_unit_test(test_waiting), cmocka_unit_test(test_runs),
	};

	return cmocka_run_group_tests(tests, group_setup, NULL);
}
