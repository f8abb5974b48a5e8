// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Words of a line: quotes, escapes, comments, variables; and addresses' own expansion. Rows were compared with what
 * Debian's haproxy makes of `.notice` lines.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/strbuf.h"
#include "config/lexer.h"

static const char *from_environment(const struct lex_vars *v, const char *name)
{
	return getenv(name);
}

static const struct lex_vars vars = { from_environment };

static const struct {
	const char *what, *line;
	const char *words; /* joined by '|' */
	const char *error; /* part of it */
	int column;
} rows[] = {
	{ "plain words", "  bind  :80\tname x", "bind|:80|name|x" },
	{ "an empty line", "   \t ", "" },
	{ "a comment ends the line", "a b # c", "a|b" },
	{ "a comment needs no space before it", "a b#c", "a|b" },
	{ "an escaped hash is none", "a \\#b", "a|#b" },
	{ "a hash in quotes is none", "a '#b' \"#c\"", "a|#b|#c" },
	{ "double quotes keep spaces", "a \"b  c\"", "a|b  c" },
	{ "quotes inside a word join it", "a b' 'c\" \"d", "a|b c d" },
	{ "an empty quoted word is a word", "a \"\" ''", "a||" },
	{ "escaped space", "a b\\ c", "a|b c" },
	{ "escapes for bytes", "a \\x41\\tb\\n", "a|A\tb\n" },
	{ "escapes for bytes in double quotes", "a \"\\x41\\tb\"", "a|A\tb" },
	{ "no escapes in single quotes", "a '\\x41$HOME'", "a|\\x41$HOME" },
	{ "a backslash before another letter stays", "a\\qb \"a\\qb\"", "a\\qb|a\\qb" },
	{ "a single quote escaped in double quotes", "\"a\\'b\"", "a'b" },
	{ "a backslash at the end stays: lines are not continued", "a b\\", "a|b\\" },
	{ "a dollar outside of quotes is plain", "a $LBD_ONE", "a|$LBD_ONE" },
	{ "an escaped dollar outside of quotes keeps its backslash", "a\\$b", "a\\$b" },
	{ "an escaped dollar in quotes", "\"a\\$b\"", "a$b" },
	{ "a variable", "\"x$LBD_ONE.y\"", "xone.y" },
	{ "a variable in braces", "\"x${LBD_ONE}y\"", "xoney" },
	{ "an unset variable is empty", "\"x${LBD_NONE}y\" \"$LBD_NONE\"", "xy|" },
	{ "a default for an unset one", "\"${LBD_NONE-127.0.0.1}:5\"", "127.0.0.1:5" },
	{ "no default for an empty one", "\"<${LBD_EMPTY-x}>\"", "<>" },
	{ "several words", "a \"${LBD_LIST[*]}\" b", "a|p|q|r|b" },
	{ "several words inside a word", "\"<${LBD_LIST[*]}>\"", "<p|q|r>" },
	{ "not split without [*]", "\"${LBD_LIST}\"", "p q  r" },
	{ "CR LF", "a b\r", "a|b" },
	{ "open double quote", "a \"b", NULL, "not closed", 3 },
	{ "open single quote", "ab 'b", NULL, "not closed", 4 },
	{ "no digits behind \\x", "a \\xg1", NULL, "hexadecimal", 3 },
	{ "NUL by escape", "a \\x00", NULL, "\\x00", 3 },
	{ "a dollar without a name", "a \"b$\"", NULL, "name", 5 },
	{ "a name that starts with a digit", "\"${1A}\"", NULL, "name", 2 },
	{ "an open brace", "\"${LBD_ONE\"", NULL, "'}'", 2 },
	{ "CR in the middle", "a\rb", NULL, "carriage return", 2 },
};

static char *join(const struct lex_result *r)
{
	struct strbuf b = STRBUF_INIT;

	for (int i = 0; i < r->nwords; i++)
		strbuf_addf(&b, "%s%s", i ? "|" : "", r->words[i].z);
	strbuf_adds(&b, "");
	return b.p ? b.p : calloc(1, 1);
}

static void test_words(void **state)
{
	struct arena a;

	arena_init(&a, 0);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct lex_result r;

		lex_line(&a, slice_z(rows[i].line), &vars, &r);
		if (rows[i].error) {
			if (!r.error || !strstr(r.error, rows[i].error))
				fail_msg("%s: error '%s', not '%s'", rows[i].what,
					 r.error ? r.error : "none", rows[i].error);
			if (r.column != rows[i].column)
				fail_msg("%s: column %d, not %d", rows[i].what, r.column,
					 rows[i].column);
			continue;
		}
		if (r.error)
			fail_msg("%s: error '%s'", rows[i].what, r.error);
		char *words = join(&r);

		if (strcmp(words, rows[i].words))
			fail_msg("%s: [%s], not [%s]", rows[i].what, words, rows[i].words);
		assert_int_equal(r.words[r.nwords].n, 0);
		free(words);
	}
	arena_fini(&a);
}

static void test_columns(void **state)
{
	struct arena a;
	struct lex_result r;

	arena_init(&a, 0);
	lex_line(&a, SLICE("  server 'a b' \"c\" d"), &vars, &r);
	assert_int_equal(r.nwords, 4);
	assert_int_equal(r.words[0].column, 3);
	assert_int_equal(r.words[1].column, 10);
	assert_true(r.words[1].quoted);
	assert_int_equal(r.words[3].column, 20);
	assert_false(r.words[3].quoted);
	assert_int_equal(r.words[4].column, 21);
	arena_fini(&a);
}

static void test_nul_byte(void **state)
{
	struct arena a;
	struct lex_result r;

	arena_init(&a, 0);
	lex_line(&a, slice_make("ab\0c", 4), &vars, &r);
	assert_non_null(r.error);
	assert_int_equal(r.column, 3);
	arena_fini(&a);
}

static void test_long_line(void **state)
{
	size_t n = 1 << 20;
	char *text = malloc(n);
	struct arena a;
	struct lex_result r;

	arena_init(&a, 0);
	memset(text, 'x', n);
	lex_line(&a, slice_make(text, n), &vars, &r);
	assert_int_equal(r.nwords, 1);
	assert_int_equal(r.words[0].n, n);
	for (size_t i = 1; i < n; i += 2)
		text[i] = ' ';
	lex_line(&a, slice_make(text, n), &vars, &r);
	assert_int_equal(r.nwords, n / 2);
	arena_fini(&a);
	free(text);
}

static void test_expand(void **state)
{
	struct arena a;
	const char *error;

	arena_init(&a, 0);
	assert_string_equal(lex_expand(&a, "fd@${LBD_ONE}", &vars, &error), "fd@one");
	assert_string_equal(lex_expand(&a, "$LBD_ONE:80", &vars, &error), "one:80");
	assert_string_equal(lex_expand(&a, "${LBD_NONE-::1}:80", &vars, &error), "::1:80");
	assert_null(lex_expand(&a, "fd@${LBD_ONE", &vars, &error));
	assert_non_null(error);
	arena_fini(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),    cmocka_unit_test(test_columns),
		cmocka_unit_test(test_nul_byte), cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_expand),
	};

	setenv("LBD_ONE", "one", 1);
	setenv("LBD_EMPTY", "", 1);
	setenv("LBD_LIST", "p q  r", 1);
	unsetenv("LBD_NONE");
	return cmocka_run_group_tests(tests, NULL, NULL);
}
