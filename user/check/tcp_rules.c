// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tcp_rules.c - going through the steps of a check: connect, send, expect; and the words when one fails, which are
 * haproxy's. Not for: the configuration words (tcp_words.c), protocols (protocols.c). Control thread.
 */
#include "check/tcp_rules.h"

#include <stdlib.h>

#include "check/private.h"
#include "log/log.h"
#include "policy/regex.h"
#include "policy/sample.h"

struct tcp_step *tcp_rules_add(struct tcp_rules *r, struct arena *a, enum step_kind kind)
{
	struct tcp_step *s = ARENA_NEW(a, struct tcp_step);

	s->kind = kind;
	s->number = r->last ? r->last->number + 1 : 1;
	s->min_recv = -1;
	s->ok_status = CHECK_L7OK;
	s->error_status = CHECK_L7RSP;
	s->timeout_status = CHECK_L7TOUT;
	if (r->last)
		r->last->next = s;
	else
		r->first = s;
	r->last = s;
	return s;
}

static const struct tcp_rules *rules_of(const struct check *c)
{
	return check_rules_of(c->srv->px);
}

/* ---- texts made for a check: formats with the received bytes in reach ---- */

static void in_check(const struct check *c, struct smp_ctx *sc, struct log_ctx *lc)
{
	*sc = (struct smp_ctx){ .data = strbuf_slice(&c->in),
				.final = true,
				.response = true,
				.scratch = check_scratch() };
	*lc = (struct log_ctx){ .fe = c->srv->px, .be = c->srv->px };
	arena_reset(sc->scratch);
}

static void add_formatted(const struct check *c, const struct logformat *f, struct strbuf *out)
{
	struct smp_ctx sc;
	struct log_ctx lc;

	in_check(c, &sc, &lc);
	logformat_write(f, out, &lc, &sc);
}

/* Hexadecimal digits to bytes, in place; what is no pair of digits ends it. */
static void from_hex(struct strbuf *b, size_t from)
{
	size_t n = from;

	for (size_t i = from; i + 1 < b->n; i += 2) {
		char pair[3] = { b->p[i], b->p[i + 1], 0 }, *end;
		long v = strtol(pair, &end, 16);

		if (*end)
			break;
		b->p[n++] = (char)v;
	}
	b->n = n;
}

static void add_step_bytes(const struct check *c, const struct tcp_step *s, struct strbuf *out)
{
	size_t from = out->n;

	if (!s->format) {
		strbuf_add_slice(out, s->data);
		return;
	}
	add_formatted(c, s->format, out);
	if (s->is_hex)
		from_hex(out, from);
}

/* ---- expect ---- */

static bool matches_regex(const struct tcp_step *s, struct slice data)
{
	struct strbuf hex = STRBUF_INIT;
	bool found;

	if (s->expect == EXPECT_REGEX)
		return regex_match(s->regex, data, 0, NULL);
	for (size_t i = 0; i < data.n; i++)
		strbuf_addf(&hex, "%02X", (unsigned char)data.p[i]);
	found = regex_match(s->regex, strbuf_slice(&hex), 0, NULL);
	strbuf_fini(&hex);
	return found;
}

static bool matches(const struct check *c, const struct tcp_step *s, struct slice data)
{
	struct strbuf want = STRBUF_INIT;
	bool found;

	if (s->expect == EXPECT_REGEX || s->expect == EXPECT_BINARY_REGEX)
		return matches_regex(s, data);
	add_step_bytes(c, s, &want);
	found = memmem(data.p, data.n, want.p, want.n) != NULL;
	strbuf_fini(&want);
	return found;
}

static enum expect_result expect(const struct check *c, const struct tcp_step *s, struct slice data,
				 bool last)
{
	size_t least = s->min_recv > 0 ? (size_t)s->min_recv : 0;

	if (data.n < least && !last)
		return EXPECT_MORE;
	if (matches(c, s, data))
		return s->inverse ? EXPECT_FAILED : EXPECT_MET;
	if (!last && s->min_recv < 0)
		return EXPECT_MORE;
	return s->inverse ? EXPECT_MET : EXPECT_FAILED;
}

/* "'x'", "(regex)": what was expected, as messages about content say it. */
static const char *pattern_text(const struct tcp_step *s, char *buf, size_t size)
{
	static const char *const kinds[] = {
		[EXPECT_STRING_LF] = "(log-format string)", [EXPECT_BINARY] = "(binary)",
		[EXPECT_BINARY_LF] = "(log-format binary)", [EXPECT_REGEX] = "(regex)",
		[EXPECT_BINARY_REGEX] = "(binary regex)",   [EXPECT_CUSTOM] = "",
	};

	if (s->expect != EXPECT_STRING)
		return kinds[s->expect];
	snprintf(buf, size, "'%.*s'", SLICE_FMT(s->data));
	return buf;
}

static void say_content(const struct tcp_step *s, struct slice data, struct step_words *w)
{
	char buf[160];
	int n;

	if (!data.n)
		n = snprintf(w->info, sizeof(w->info), "TCPCHK got an empty response at step %d",
			     s->number);
	else
		n = snprintf(w->info, sizeof(w->info), "TCPCHK %s content %s at step %d",
			     s->inverse ? "matched unwanted" : "did not match",
			     pattern_text(s, buf, sizeof(buf)), s->number);
	if (s->comment && n < (int)sizeof(w->info))
		snprintf(w->info + n, sizeof(w->info) - (size_t)n, " comment: %s", s->comment);
}

static void say_format(const struct check *c, const struct logformat *f, struct step_words *w)
{
	struct strbuf b = STRBUF_INIT;

	add_formatted(c, f, &b);
	snprintf(w->info, sizeof(w->info), "%s", strbuf_z(&b));
	strbuf_fini(&b);
}

static int leading_number(struct slice s)
{
	int n = 0;

	for (size_t i = 0; i < s.n && i < 9 && s.p[i] >= '0' && s.p[i] <= '9'; i++)
		n = n * 10 + s.p[i] - '0';
	return n;
}

static void take_code(const struct check *c, const struct tcp_step *s, struct step_words *w)
{
	struct smp_ctx sc;
	struct log_ctx lc;
	struct sample v;

	if (!s->status_code)
		return;
	in_check(c, &sc, &lc);
	if (!expr_eval(s->status_code, &sc, SMP_ANY, &v))
		return;
	if (v.type == SMP_STR || v.type == SMP_BIN)
		w->code = leading_number(v.u.s);
	else if (sample_cast(&v, SMP_INT, &sc))
		w->code = (int)v.u.i;
}

/* The words of an expect step that failed, or that was met as the last one. */
static void say_expect(const struct check *c, const struct tcp_step *s, struct slice data, bool met,
		       struct step_words *w)
{
	const struct logformat *f = met ? s->on_success : s->on_error;

	if (f)
		say_format(c, f, w);
	else if (s->say && (met || data.n))
		s->say(data, met, w);
	else if (met)
		snprintf(w->info, sizeof(w->info), "%s",
			 rules_of(c)->done ? rules_of(c)->done : "");
	else if (s->expect != EXPECT_CUSTOM || !data.n)
		say_content(s, data, w);
	take_code(c, s, w);
}

static enum expect_result run_expect(struct check *c, const struct tcp_step *s, struct slice data,
				     bool eof)
{
	struct step_words w = { .status = s->error_status };
	enum expect_result r;

	if (!data.n && !eof)
		return EXPECT_MORE;
	if (!data.n)
		r = EXPECT_FAILED;
	else if (s->expect == EXPECT_CUSTOM)
		r = s->custom(data, eof, &w);
	else
		r = expect(c, s, data, eof);
	if (r == EXPECT_FAILED) {
		if (!w.info[0])
			say_expect(c, s, data, false, &w);
		check_say(c, w.status, w.code, w.info);
	} else if (r == EXPECT_MET && !s->next) {
		w.status = s->ok_status;
		w.info[0] = 0;
		say_expect(c, s, data, true, &w);
		check_say(c, w.status, w.code, w.info);
	}
	return r;
}

/* ---- going through the steps ---- */

void tcp_rules_begin(struct check *c)
{
	c->step = rules_of(c)->first;
	while (c->step && c->step->kind == STEP_COMMENT)
		c->step = c->step->next;
}

static void consume_input(struct check *c)
{
	c->in.n = 0;
}

/* As far as it goes; SAID: the check has ended. */
static enum check_verdict walk(struct check *c, bool eof)
{
	for (; c->step; c->step = c->step->next) {
		const struct tcp_step *s = c->step;

		switch (s->kind) {
		case STEP_COMMENT:
			break;
		case STEP_CONNECT:
			if (c->out.n > c->sent)
				return CHECK_MORE; /* comes back when all is sent */
			check_reconnect(c);
			return CHECK_SAID;
		case STEP_SEND:
			consume_input(c);
			add_step_bytes(c, s, &c->out);
			break;
		case STEP_EXPECT:
			switch (run_expect(c, s, strbuf_slice(&c->in), eof)) {
			case EXPECT_MORE:
				return CHECK_MORE;
			case EXPECT_FAILED:
				return CHECK_SAID;
			case EXPECT_MET:
				if (!s->next)
					return CHECK_SAID;
				break;
			}
			break;
		}
	}
	if (c->out.n > c->sent && !eof)
		return CHECK_MORE;
	return check_say(c, CHECK_L7OK, 0, rules_of(c)->done);
}

void tcp_rules_established(struct check *c)
{
	if (!rules_of(c)->first) {
		check_say(c, CHECK_L4OK, 0, NULL);
		return;
	}
	if (c->step && c->step->kind == STEP_CONNECT) {
		c->linger = c->step->linger;
		c->step = c->step->next;
	}
	walk(c, false);
}

enum check_verdict tcp_rules_judge(struct check *c, struct slice data, bool eof)
{
	return walk(c, eof);
}

void tcp_rules_target(const struct check *c, struct addr *to)
{
	const struct tcp_step *s = c->step;

	if (!s || s->kind != STEP_CONNECT)
		return;
	if (s->to.family != ADDR_NONE) {
		uint16_t port = to->port;

		*to = s->to;
		to->port = port;
	}
	if (s->to.port)
		to->port = s->to.port;
}

/* ---- failures of the connection, and deadlines ---- */

static void say_step(const struct tcp_step *s, struct strbuf *b)
{
	char buf[160];

	strbuf_addf(b, " at step %d of tcp-check (", s->number);
	switch (s->kind) {
	case STEP_CONNECT:
		strbuf_adds(b, "connect");
		if (s->to.port)
			strbuf_addf(b, " port %u", s->to.port);
		break;
	case STEP_SEND:
		strbuf_adds(b, "send");
		break;
	default:
		if (s->expect == EXPECT_STRING)
			strbuf_addf(b, "expect string %s", pattern_text(s, buf, sizeof(buf)));
		else if (s->expect == EXPECT_BINARY)
			strbuf_addf(b, "expect binary '%.*s'", SLICE_FMT(s->data));
		else
			strbuf_addf(b, "expect %.*s",
				    (int)strlen(pattern_text(s, buf, sizeof(buf))) - 2,
				    pattern_text(s, buf, sizeof(buf)) + 1);
		break;
	}
	strbuf_adds(b, ")");
	if (s->comment)
		strbuf_addf(b, " comment: '%s'", s->comment);
}

enum check_status tcp_rules_failed(const struct check *c, enum check_status st, const char *info,
				   char *buf, size_t size)
{
	const struct tcp_step *s = c->step;
	struct strbuf b = STRBUF_INIT;
	bool connecting = st == CHECK_L4CON || st == CHECK_L4TOUT;

	if (info)
		strbuf_adds(&b, info);
	if (rules_of(c)->named) {
		if (connecting && (!s || s->kind != STEP_CONNECT))
			strbuf_adds(&b, " at initial connection step of tcp-check");
		else if (s)
			say_step(s, &b);
	}
	snprintf(buf, size, "%s", strbuf_z(&b));
	strbuf_fini(&b);
	return st == CHECK_L7TOUT && s && s->kind == STEP_EXPECT ? s->timeout_status : st;
}
