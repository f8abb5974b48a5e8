// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_words.c - `option tcp-check` and the `tcp-check` lines: from words to steps (tcp_rules.h). Control thread, before the
 * workers start.
 */
#include "check/private.h"
#include "check/tcp_rules.h"
#include "config/address.h"
#include "log/log.h"
#include "policy/regex.h"
#include "policy/sample.h"

/* What expressions of a check can look at. */
#define IN_CHECK (SMP_W_INTERNAL | SMP_W_RSP_DATA | SMP_W_BACKEND)

static const struct check_type tcp_check = {
	.name = "tcp-check",
	.help = "the server says what `tcp-check` lines expect",
	CHECK_TYPE_STEPS,
};

static int parse_option(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option tcp-check"))
		return -1;
	if (l->negated || l->is_default)
		check_set_type(l->px, NULL);
	else
		check_set_rules(l->px, &tcp_check, NULL);
	return 0;
}

/* ---- what several lines have ---- */

static const char *comment_of_line_before; /* `tcp-check comment` speaks of the next step */
static const struct proxy *comment_px;

static struct tcp_step *new_step(struct cfg_line *l, enum step_kind kind)
{
	struct tcp_rules *r = check_own_rules(l);
	struct tcp_step *s = tcp_rules_add(r, l->arena, kind);

	r->named = true;
	r->done = "(tcp-check)";
	if (comment_px == l->px)
		s->comment = comment_of_line_before;
	comment_of_line_before = NULL;
	return s;
}

/* The value behind word @*k, which moves there. NULL with the error said. */
static const char *value(struct cfg_line *l, int *k)
{
	if (*k + 1 >= cfg_argc(l)) {
		cfg_error(l, l->first_arg + *k, "'%s' wants a value", cfg_arg(l, *k));
		return NULL;
	}
	return cfg_arg(l, ++*k);
}

static int hex_digit(char c)
{
	return c >= '0' && c <= '9'                 ? c - '0'
	       : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
						    : -1;
}

static int take_hex(struct cfg_line *l, int k, struct slice *out)
{
	const char *z = cfg_arg(l, k);
	size_t n = strlen(z);
	char *p = arena_zalloc(l->arena, n / 2 + 1);

	for (size_t i = 0; i < n; i += 2) {
		int high = hex_digit(z[i]), low = i + 1 < n ? hex_digit(z[i + 1]) : -1;

		if (high < 0 || low < 0)
			return cfg_error(l, l->first_arg + k,
					 "'%s' is not hexadecimal: pairs of 0-9 and a-f", z);
		p[i / 2] = (char)(high << 4 | low);
	}
	*out = slice_make(p, n / 2);
	return 0;
}

static int take_format(struct cfg_line *l, int k, struct logformat **out)
{
	*out = logformat_parse(l, l->first_arg + k, cfg_arg(l, k), IN_CHECK);
	return *out ? 0 : -1;
}

/* ---- comment, send ---- */

static int parse_comment(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "tcp-check comment <text>"))
		return -1;
	new_step(l, STEP_COMMENT);
	comment_of_line_before = arena_strdup(l->arena, cfg_arg(l, 0));
	comment_px = l->px;
	return 0;
}

/* What stands behind the bytes of a send line: a comment, or nothing. */
static int take_comment(struct cfg_line *l, int k, struct tcp_step *s)
{
	if (k >= cfg_argc(l))
		return 0;
	if (strcmp(cfg_arg(l, k), "comment") != 0 || k + 2 != cfg_argc(l))
		return cfg_error(l, l->first_arg + k,
				 "behind the bytes comes 'comment <text>' or nothing, not '%s'",
				 cfg_arg(l, k));
	s->comment = arena_strdup(l->arena, cfg_arg(l, k + 1));
	return 0;
}

static int parse_send(struct cfg_line *l)
{
	const char *word = l->words[l->first_arg - 1].z;
	bool binary = !strncmp(word, "send-binary", 11), format = strstr(word, "-lf");
	struct tcp_step *s;

	if (!cfg_argc(l))
		return cfg_error(l, l->first_arg - 1, "'tcp-check %s' needs what is to be sent",
				 word);
	s = new_step(l, STEP_SEND);
	s->is_hex = binary && format;
	if (format ? take_format(l, 0, &s->format) : binary && take_hex(l, 0, &s->data))
		return -1;
	if (!format && !binary)
		s->data = arena_dup(l->arena, slice_make(cfg_arg(l, 0), l->words[l->first_arg].n));
	return take_comment(l, 1, s);
}

/* ---- connect ---- */

static int take_port(struct cfg_line *l, int k, struct tcp_step *s)
{
	int64_t port;

	if (cfg_arg_i64(l, k, 1, 65535, &port))
		return -1;
	s->to.port = (uint16_t)port;
	return 0;
}

static int take_address(struct cfg_line *l, int k, struct tcp_step *s)
{
	struct cfg_address a;
	uint16_t port = s->to.port;

	if (cfg_address_parse(l, l->first_arg + k, cfg_arg(l, k), CFG_ADDR_PORT | CFG_ADDR_NAME,
			      &a))
		return -1;
	s->to = a.addr;
	if (!s->to.port)
		s->to.port = port;
	return 0;
}

static int parse_connect(struct cfg_line *l)
{
	struct tcp_step *s = new_step(l, STEP_CONNECT);

	for (int k = 0; k < cfg_argc(l); k++) {
		const char *word = cfg_arg(l, k);

		if (!strcmp(word, "default")) {
			continue;
		} else if (!strcmp(word, "linger")) {
			s->linger = true;
		} else if (!strcmp(word, "port")) {
			if (!value(l, &k) || take_port(l, k, s))
				return -1;
		} else if (!strcmp(word, "addr")) {
			if (!value(l, &k) || take_address(l, k, s))
				return -1;
		} else if (!strcmp(word, "comment")) {
			s->comment = value(l, &k);
			if (!s->comment)
				return -1;
		} else {
			return cfg_error(l, l->first_arg + k,
					 "tcp-check connect: unexpected '%s'\n  allowed: default, "
					 "port <number>, addr <ip>, linger, comment <text>",
					 word);
		}
	}
	return 0;
}

/* ---- expect ---- */

static const struct {
	const char *name;
	enum check_status status;
	uint8_t ok, error, timeout; /* where it may stand */
} statuses[] = {
	{ "L7OK", CHECK_L7OK, 1, 0, 0 },     { "L7OKC", CHECK_L7OKC, 1, 1, 0 },
	{ "L6OK", CHECK_L6OK, 1, 0, 0 },     { "L4OK", CHECK_L4OK, 1, 0, 0 },
	{ "L7RSP", CHECK_L7RSP, 0, 1, 0 },   { "L7STS", CHECK_L7STS, 0, 1, 0 },
	{ "L6RSP", CHECK_L6RSP, 0, 1, 0 },   { "L4CON", CHECK_L4CON, 0, 1, 0 },
	{ "L7TOUT", CHECK_L7TOUT, 0, 0, 1 }, { "L6TOUT", CHECK_L6TOUT, 0, 0, 1 },
	{ "L4TOUT", CHECK_L4TOUT, 0, 0, 1 },
};

/* ok-status, error-status, tout-status: 1 taken, 0 another word, -1 an error was said. */
static int take_status(struct cfg_line *l, int *k, struct tcp_step *s)
{
	const char *word = cfg_arg(l, *k), *z, *all = "";
	bool ok = !strcmp(word, "ok-status"), error = !strcmp(word, "error-status"),
	     timeout = !strcmp(word, "tout-status");

	if (!ok && !error && !timeout)
		return 0;
	z = value(l, k);
	if (!z)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		if (!(ok ? statuses[i].ok : error ? statuses[i].error : statuses[i].timeout))
			continue;
		all = arena_printf(l->arena, "%s%s%s", all, *all ? ", " : "", statuses[i].name);
		if (strcmp(z, statuses[i].name) != 0)
			continue;
		*(ok      ? &s->ok_status
		  : error ? &s->error_status
			  : &s->timeout_status) = statuses[i].status;
		return 1;
	}
	return cfg_error(l, l->first_arg + *k, "'%s' is one of %s, not '%s'", word, all, z);
}

/* The other settings in front of the pattern: 1 taken, 0 another word, -1 an error was said. */
static int take_setting(struct cfg_line *l, int *k, struct tcp_step *s)
{
	const char *word = cfg_arg(l, *k);
	int64_t n;

	if (!strcmp(word, "min-recv")) {
		if (!value(l, k) || cfg_arg_i64(l, *k, -1, INT32_MAX, &n))
			return -1;
		s->min_recv = (int)n;
		return 1;
	}
	if (!strcmp(word, "comment")) {
		s->comment = value(l, k);
		return s->comment ? 1 : -1;
	}
	if (!strcmp(word, "on-success"))
		return value(l, k) && !take_format(l, *k, &s->on_success) ? 1 : -1;
	if (!strcmp(word, "on-error"))
		return value(l, k) && !take_format(l, *k, &s->on_error) ? 1 : -1;
	if (!strcmp(word, "status-code")) {
		if (!value(l, k))
			return -1;
		s->status_code = expr_parse(l, l->first_arg + *k, cfg_arg(l, *k), IN_CHECK);
		return s->status_code ? 1 : -1;
	}
	return take_status(l, k, s);
}

static int take_pattern(struct cfg_line *l, int k, struct tcp_step *s)
{
	const char *text = cfg_arg(l, k);
	char err[160];

	switch (s->expect) {
	case EXPECT_BINARY:
		return take_hex(l, k, &s->data);
	case EXPECT_STRING_LF:
	case EXPECT_BINARY_LF:
		s->is_hex = s->expect == EXPECT_BINARY_LF;
		return take_format(l, k, &s->format);
	case EXPECT_REGEX:
	case EXPECT_BINARY_REGEX:
		s->regex = regex_compile(l->arena, text, s->expect == EXPECT_BINARY_REGEX, false,
					 err, sizeof(err));
		return s->regex ? 0
				: cfg_error(l, l->first_arg + k, "bad regular expression: %s", err);
	default:
		s->data = arena_dup(l->arena, slice_make(text, l->words[l->first_arg + k].n));
		return s->data.n ? 0
				 : cfg_error(l, l->first_arg + k, "an empty text is always there");
	}
}

static const struct {
	const char *name;
	enum expect_kind kind;
} kinds[] = {
	{ "string", EXPECT_STRING },       { "rstring", EXPECT_REGEX },
	{ "binary", EXPECT_BINARY },       { "rbinary", EXPECT_BINARY_REGEX },
	{ "string-lf", EXPECT_STRING_LF }, { "binary-lf", EXPECT_BINARY_LF },
};

static int parse_expect(struct cfg_line *l)
{
	struct tcp_step *s = new_step(l, STEP_EXPECT);
	int k = 0, r;

	for (; (r = take_setting(l, &k, s)) > 0; k++)
		;
	if (r < 0)
		return -1;
	s->inverse = !strcmp(cfg_arg(l, k), "!");
	k += s->inverse;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
		if (strcmp(cfg_arg(l, k), kinds[i].name) != 0)
			continue;
		s->expect = kinds[i].kind;
		if (k + 2 != cfg_argc(l))
			return cfg_error(l, l->first_arg + k,
					 "tcp-check expect %s: wants exactly one pattern behind it",
					 kinds[i].name);
		return take_pattern(l, k + 1, s);
	}
	return cfg_error(
		l, l->first_arg + k,
		"tcp-check expect: '%s' is no kind of pattern\n  allowed: [!] string, "
		"rstring, binary, rbinary, string-lf, binary-lf; before it min-recv, comment, "
		"ok-status, error-status, tout-status, on-success, on-error, status-code",
		cfg_arg(l, k));
}

#define WHERE (CFG_DEFAULTS | CFG_BACKEND)

static const struct cfg_keyword keywords[] = {
	{ "option tcp-check", WHERE, parse_option, KERNEL_EXACT, NULL, "option tcp-check",
	  "Checks servers by the `tcp-check` lines; without any, by connecting.", CFG_CAN_NEGATE },
	{ "tcp-check connect", WHERE, parse_connect, KERNEL_EXACT, NULL,
	  "tcp-check connect [default] [port <number>] [addr <ip>] [linger] [comment <text>]",
	  "A check opens a (further) connection.", 0 },
	{ "tcp-check send", WHERE, parse_send, KERNEL_EXACT, NULL,
	  "tcp-check send <text> [comment <text>]", "A check sends a text.", 0 },
	{ "tcp-check send-lf", WHERE, parse_send, KERNEL_EXACT, NULL,
	  "tcp-check send-lf <format> [comment <text>]", "A check sends what a log-format gives.",
	  0 },
	{ "tcp-check send-binary", WHERE, parse_send, KERNEL_EXACT, NULL,
	  "tcp-check send-binary <hex> [comment <text>]", "A check sends bytes.", 0 },
	{ "tcp-check send-binary-lf", WHERE, parse_send, KERNEL_EXACT, NULL,
	  "tcp-check send-binary-lf <format> [comment <text>]",
	  "A check sends the bytes whose hexadecimal digits a log-format gives.", 0 },
	{ "tcp-check expect", WHERE, parse_expect, KERNEL_EXACT, NULL,
	  "tcp-check expect [<setting> ...] [!] string|rstring|binary|rbinary|string-lf|binary-lf "
	  "<pattern>",
	  "A check waits for bytes, or fails when unwanted ones come.", 0 },
	{ "tcp-check comment", WHERE, parse_comment, KERNEL_EXACT, NULL, "tcp-check comment <text>",
	  "Words for the messages about the next step.", 0 },
};

static void warn_unused(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		const struct check_proxy *p = proxy_ext(px, &check_proxy_ext);

		if (px->nservers && p->own && p->own_from == px && !p->type)
			diag_warning(d, px->at,
				     "%s '%s' has 'tcp-check' lines without 'option tcp-check': "
				     "its checks only connect",
				     proxy_kind(px), px->name);
	}
}

static const struct cfg_check checks[] = {
	{ "tcp-check lines that nothing uses", CFG_PHASE_WARN, warn_unused },
};

void tcp_words_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
