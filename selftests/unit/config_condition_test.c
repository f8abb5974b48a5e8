// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Expressions of `.if` and `-cc`.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "config/condition.h"

static const struct {
	const char *text;
	int value;
	const char *error;
} rows[] = {
	{ "", 0 },
	{ "  ", 0 },
	{ "0", 0 },
	{ "1", 1 },
	{ "42", 1 },
	{ "!1", 0 },
	{ "!!1", 1 },
	{ "! 0", 1 },
	{ "(1)", 1 },
	{ "((0))", 0 },
	{ "!(1 && 0)", 1 },
	{ "1&&1", 1 },
	{ "1 && 0 || 1 && 1", 1 },
	{ "0 || 0 || 1", 1 },
	{ "1 || 0 && 0", 1 },
	{ "(1 || 0) && 0", 0 },
	{ "defined(LBD_ONE)", 1 },
	{ "defined(LBD_NONE)", 0 },
	{ "!defined(LBD_NONE)", 1 },
	{ "feature(DATAPATH)", 1 },
	{ "feature(NONSENSE)", 0 },
	{ "streq(a,a)", 1 },
	{ "streq(a,b)", 0 },
	{ "streq(,)", 1 },
	{ "streq(\"a,b)\",'a,b)')", 1 },
	{ "streq(a\\,b,\"a,b\")", 1 },
	{ "strneq(a,b)", 1 },
	{ "strstr(abc,bc)", 1 },
	{ "strstr(abc,cb)", 0 },
	{ "version_atleast(2.4)", 1 },
	{ "version_atleast(2.4-dev19)", 1 },
	{ "version_atleast(2.6)", 1 },
	{ "version_atleast(2.6.12)", 1 },
	{ "version_atleast(2.6.13)", 0 },
	{ "version_atleast(99)", 0 },
	{ "version_atleast(1.9.16)", 1 },
	{ "version_before(2.4)", 0 },
	{ "version_before(3.0-dev1)", 1 },
	{ "version_before(2.6.12)", 0 },
	{ "enabled(EPOLL)", 1 },
	{ "foo", -1, "no such predicate" },
	{ "foo(1)", -1, "no such predicate" },
	{ "streq(a)", -1, "too few" },
	{ "streq(a,b,c)", -1, "too many" },
	{ "streq a", -1, "'('" },
	{ "defined(X", -1, "')'" },
	{ "(1", -1, "')'" },
	{ "1 1", -1, "unexpected" },
	{ "1 &&", -1, "missing" },
	{ "|| 1", -1, "no such predicate" },
	{ "0 && foo", -1, "no such predicate" }, /* what is not evaluated must still be right */
	{ "(((((((((((((((((((((((((((((((((((((((1)))))))))))))))))))))))))))))))))))))))", -1,
	  "deeply" },
};

static void test_conditions(void **state)
{
	struct arena a;

	arena_init(&a, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const char *error = NULL, *at = NULL;
		int v = condition_eval(&a, rows[i].text, &error, &at);

		if (v != rows[i].value)
			fail_msg("'%s' is %d (%s), not %d", rows[i].text, v, error ? error : "",
				 rows[i].value);
		if (v < 0 && !strstr(error, rows[i].error))
			fail_msg("'%s' says '%s', not '%s'", rows[i].text, error, rows[i].error);
		if (v < 0)
			assert_true(at >= rows[i].text &&
				    at <= rows[i].text + strlen(rows[i].text));
	}
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_conditions) };

	setenv("LBD_ONE", "one", 1);
	unsetenv("LBD_NONE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
