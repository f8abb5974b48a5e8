// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log-format: what compiles, what is refused, what is written with and without values. Lines as a whole are compared with the
 * reference in net/log_lines.t.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "config/keyword.h"
#include "log/log.h"
#include "policy/rules.h"
#include "policy/sample.h"
#include "stream/stream.h"

static struct arena arena;
static struct diag diag;
static struct cfg_word words[2];

static struct cfg_line line_of(struct proxy *px)
{
	words[0] = words[1] = (struct cfg_word){ .z = "", .column = 1 };
	return (struct cfg_line){
		.diag = &diag, .arena = &arena, .words = words, .nwords = 1, .px = px
	};
}

#define WHERE_LOG    (SMP_W_INTERNAL | SMP_W_L4_CLIENT | SMP_W_L5_CLIENT | SMP_W_L4_SERVER | SMP_W_LOG)
#define WHERE_HEADER (SMP_W_INTERNAL | SMP_W_L4_CLIENT | SMP_W_L5_CLIENT | SMP_W_REQ_HTTP)

struct row {
	const char *what, *format;
	unsigned int where;
	const char *want; /* NULL: refused */
};

static const struct row rows[] = {
	{ "nothing", "", WHERE_LOG, "" },
	{ "text", "abc", WHERE_LOG, "abc" },
	{ "percent", "100%%", WHERE_LOG, "100%" },
	{ "spaces merge in logs", " a  b   c", WHERE_LOG, "a b c" },
	{ "and stay elsewhere", " a  b   c", WHERE_HEADER, " a  b   c" },
	{ "an address", "%ci:%cp", WHERE_LOG, "192.0.2.7:4711" },
	{ "in hex", "%{+X}ci:%{+X}cp", WHERE_LOG, "C0000207:1267" },
	{ "quoted", "%{+Q}ci %{+Q}cp", WHERE_LOG, "\"192.0.2.7\" 4711" },
	{ "flags for all", "%{+Q}o%ci %{-Q}ci %b", WHERE_LOG, "\"192.0.2.7\" 192.0.2.7 \"fe\"" },
	{ "flags off again", "%{+Q}o%ci%{-Q}o %ci", WHERE_LOG, "\"192.0.2.7\" 192.0.2.7" },
	{ "a missing value", "%ID|%{+Q}ID", WHERE_LOG, "-|\"\"" },
	{ "a missing value in a header", "%ID|", WHERE_HEADER, "|" },
	{ "a value that may be empty", "a %hr b%hs", WHERE_LOG, "a b" },
	{ "no server", "%s %si", WHERE_LOG, "<NOSRV> -" },
	{ "an expression", "<%[int(5)]>", WHERE_LOG, "<5>" },
	{ "with a bracket in quotes", "<%[str('a]b')]>", WHERE_LOG, "<a]b>" },
	{ "with a bracket in its arguments", "<%[str(a]b)]>", WHERE_LOG, "<a]b>" },
	{ "an empty one", "%[str()]|%{+Q}[str()]", WHERE_LOG, "-|\"\"" },
	{ "escaped for RFC 5424", "%{+E}[str('a\"b]c')]", WHERE_LOG, "a\\\"b\\]c" },
	{ "control characters in logs", "%[str('a\nb\x7f')]", WHERE_LOG, "a#0Ab#7F" },
	{ "bytes above 127 stay", "%[str('\xc3\xa4')]", WHERE_LOG, "\xc3\xa4" },
	{ "timers that never began", "%Tw/%Tc/%Tt", WHERE_LOG, "-1/-1/12" },
	{ "a line in JSON: what has a name",
	  "%{+json}o %(ip)ci text %cp %(port)cp %(q)[str('a\"b\\c')]", WHERE_LOG,
	  "{\"ip\": \"192.0.2.7\", \"port\": 4711, \"q\": \"a\\\"b\\\\c\"}" },
	{ "types in JSON",
	  "%{+json}o%(b)[bool(1)]%(i)[int(-5)]%(s:str)[int(5)]%(n:sint)[str(7)]%(t:bool)[int(2)]%("
	  "m)[src]%(e)ID",
	  WHERE_LOG,
	  "{\"b\": true, \"i\": -5, \"s\": \"5\", \"n\": 7, \"t\": true, \"m\": \"192.0.2.7\", "
	  "\"e\": null}" },
	{ "control characters and wrong bytes in JSON", "%{+json}o%(a)[str('x\ny\xff\xc3\xa4')]",
	  WHERE_LOG, "{\"a\": \"x\\u000ay\\u00ff\xc3\xa4\"}" },
	{ "a number that is a text", "%{+json}o%(a:str)cp%(b)[str(12)]", WHERE_LOG,
	  "{\"a\": \"4711\", \"b\": \"12\"}" },
	{ "an empty object", "%{+json}o text %ci", WHERE_LOG, "{}" },
	{ "one item in JSON", "a=%{+json}[str('q\"')] b=%{+json}cp", WHERE_LOG,
	  "a=\"q\\\"\" b=4711" },
	{ "a line in CBOR", "%{+cbor}o%(a)[int(10)]%(b)[int(-500)]%(c)[str(hi)]%(d)[bool(0)]%(e)ID",
	  WHERE_LOG, "BF61610A61623901F361636268696164F46165F6FF" },
	{ "raw CBOR", "%{+cbor,+bin}o%(a)[str(hi)]", WHERE_LOG, "\xbf\x61\x61\x62hi\xff" },
	{ "one item in CBOR", "%{+cbor}[int(70000)]", WHERE_LOG, "1A00011170" },
	{ "names without encoding", "%(ip)ci:%(p:sint)cp", WHERE_LOG, "192.0.2.7:4711" },
	{ "a name with flags", "%(ip){+X}ci", WHERE_LOG, "C0000207" },
	{ "a name without end", "%(ip", WHERE_LOG, NULL },
	{ "an empty name", "%()ci", WHERE_LOG, NULL },
	{ "a type that is none", "%(a:float)ci", WHERE_LOG, NULL },
	{ "an unknown variable", "%zz", WHERE_LOG, NULL },
	{ "one that goes on", "%ciX", WHERE_LOG, NULL },
	{ "no name", "50% off", WHERE_LOG, NULL },
	{ "a percent at the end", "50%", WHERE_LOG, NULL },
	{ "flags never closed", "%{+Q", WHERE_LOG, NULL },
	{ "an expression never closed", "%[int(5)", WHERE_LOG, NULL },
	{ "an unknown fetch", "%[nosuch]", WHERE_LOG, NULL },
};

static struct session sess = { .src = {
				       .ip = { 192, 0, 2, 7 }, .port = 4711, .family = ADDR_IP4 } };
static struct stream stream;
static struct proxy fe = { .name = "fe", .caps = PX_FRONTEND };

static void check_row(void **state)
{
	const struct row *r = *state;
	struct cfg_line l = line_of(&fe);
	struct log_ctx c = { .sess = &sess, .stream = &stream, .fe = &fe };
	struct smp_ctx sc = { .sess = &sess, .final = true, .scratch = &arena };
	struct strbuf out = STRBUF_INIT;
	int before = diag.errors;
	struct logformat *f = logformat_parse(&l, 0, r->format, r->where);

	if (!r->want) {
		assert_null(f);
		assert_int_equal(diag.errors, before + 1);
		return;
	}
	assert_non_null(f);
	assert_int_equal(diag.errors, before);
	strbuf_adds(&out, "kept ");
	logformat_write(f, &out, &c, &sc);
	assert_string_equal(strbuf_z(&out) + 5, r->want);
	assert_memory_equal(out.p, "kept ", 5);
	strbuf_fini(&out);
}

/* Without surroundings every expression is missing, and nothing crashes. */
static void no_surroundings(void **state)
{
	struct cfg_line l = line_of(NULL);
	struct log_ctx c = { 0 };
	struct strbuf out = STRBUF_INIT;
	struct logformat *f = logformat_parse(
		&l, 0, "%ci %cp %fi %si %b %s %f %Tt %ts %B %rc %[int(1)]", WHERE_LOG);

	assert_non_null(f);
	logformat_write(f, &out, &c, NULL);
	assert_string_equal(strbuf_z(&out), "- - - - - <NOSRV> - 0 -- 0 0 -");
	strbuf_fini(&out);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_SIZE(rows) + 1];

	arena_init(&arena, 0);
	diag_init(&diag);
	policy_init();
	log_init();
	list_init(&fe.uses);
	sess.fe = &fe;
	sess.flags = SESS_DST_KNOWN;
	stream.sess = &sess;
	stream.t.start = 1000000;
	stream.t.end = 1012900;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		tests[i] = (struct CMUnitTest){ .name = rows[i].what,
						.test_func = check_row,
						.initial_state = (void *)&rows[i] };
	tests[ARRAY_SIZE(rows)] =
		(struct CMUnitTest){ .name = "without surroundings", .test_func = no_surroundings };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
