// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * log_alias.c - the log-format variables of HTTP as rows (manual 8.2.6): request line, status, timers, captures. Runs in the
 * transaction's worker.
 */
#include "http/conf.h"
#include "http/txn.h"
#include "log/log.h"

#include <time.h>

static struct http_txn *txn(const struct log_ctx *c)
{
	return c->http;
}

/* ---- timers, milliseconds ---- */

static long since(uint64_t from_us, uint64_t at_us)
{
	return from_us && at_us ? (long)((at_us - from_us) / 1000) : -1;
}

static uint64_t end_us(const struct stream *s)
{
	return s->t.end ? s->t.end : this_loop->now_us;
}

static void add(struct strbuf *o, long v)
{
	strbuf_addf(o, "%ld", v);
}

static long idle_ms(const struct log_ctx *c)
{
	return c->stream ? (long)(c->stream->t.idle_us / 1000) : -1;
}

static void write_Ti(struct strbuf *o, const struct log_ctx *c)
{
	const struct http_txn *t = txn(c);

	add(o, t && t->req.state == MSG_EMPTY ? -1 : idle_ms(c));
}

static long request_ms(const struct log_ctx *c)
{
	return c->stream && c->http ? since(c->stream->t.start, c->stream->t.request) : -1;
}

static void write_TR(struct strbuf *o, const struct log_ctx *c)
{
	add(o, request_ms(c));
}

/* Th + Ti + TR */
static void write_Tq(struct strbuf *o, const struct log_ctx *c)
{
	long tr = request_ms(c);

	add(o, tr < 0 ? -1 : idle_ms(c) + tr);
}

static void write_Tr(struct strbuf *o, const struct log_ctx *c)
{
	const struct stream *s = c->stream;

	add(o, s && s->t.connected && s->t.response
		       ? since(s->t.start, s->t.response) - since(s->t.start, s->t.connected)
		       : -1);
}

static void write_Ta(struct strbuf *o, const struct log_ctx *c)
{
	if (c->asap)
		strbuf_addc(o, '+');
	add(o, c->stream ? since(c->stream->t.start, end_us(c->stream)) : -1);
}

/* From the accept, or the end of the request before. */
static void write_Tt(struct strbuf *o, const struct log_ctx *c)
{
	if (c->asap)
		strbuf_addc(o, '+');
	add(o, c->stream ? idle_ms(c) * (c->http != NULL) +
				   since(c->stream->t.start, end_us(c->stream))
			 : 0);
}

/* ---- date of the request's first byte ---- */

static int64_t first_byte_us(const struct log_ctx *c)
{
	if (c->stream)
		return c->stream->start_wall_us;
	return c->sess ? c->sess->accept_wall_us : (int64_t)time(NULL) * 1000000;
}

static void date(struct strbuf *o, int64_t us, bool gmt, const char *fmt)
{
	char text[48];
	time_t s = us / 1000000;
	struct tm tm;

	if (gmt)
		gmtime_r(&s, &tm);
	else
		localtime_r(&s, &tm);
	strbuf_add(o, text, strftime(text, sizeof(text), fmt, &tm));
}

static void write_tr(struct strbuf *o, const struct log_ctx *c)
{
	static __thread int64_t cached_s;
	static __thread char text[32];
	int64_t us = first_byte_us(c), s = us / 1000000;
	unsigned int ms = (unsigned int)(us / 1000 % 1000);
	char frac[4] = { '.', (char)('0' + ms / 100), (char)('0' + ms / 10 % 10),
			 (char)('0' + ms % 10) };

	if (s != cached_s) {
		time_t sec = s;
		struct tm tm;

		localtime_r(&sec, &tm);
		strftime(text, sizeof(text), "%d/%b/%Y:%H:%M:%S", &tm);
		cached_s = s;
	}
	strbuf_adds(o, text);
	strbuf_add(o, frac, 4);
}

static void write_trg(struct strbuf *o, const struct log_ctx *c)
{
	date(o, first_byte_us(c), true, "%d/%b/%Y:%H:%M:%S +0000");
}

static void write_trl(struct strbuf *o, const struct log_ctx *c)
{
	date(o, first_byte_us(c), false, "%d/%b/%Y:%H:%M:%S %z");
}

/* ---- request line ---- */

static bool has_request(const struct log_ctx *c)
{
	return c->http && txn(c)->request_line.n;
}

static void write_r(struct strbuf *o, const struct log_ctx *c)
{
	if (has_request(c))
		log_add_escaped(o, txn(c)->request_line);
	else
		strbuf_adds(o, "<BADREQ>");
}

/* Word @k (0 method, 1 target, 2 version) of the request line as it came. */
static struct slice word(const struct log_ctx *c, int k)
{
	struct slice s = has_request(c) ? txn(c)->request_line : SLICE_NONE;

	for (; k > 0; k--) {
		ptrdiff_t sp = slice_chr(s, ' ');

		s = sp < 0 ? SLICE_NONE : slice_from(s, sp + 1);
	}
	return slice_first(s, slice_chr(s, ' ') < 0 ? s.n : (size_t)slice_chr(s, ' '));
}

static void write_HM(struct strbuf *o, const struct log_ctx *c)
{
	if (has_request(c))
		log_add_escaped(o, word(c, 0));
	else
		strbuf_adds(o, "<BADREQ>");
}

static void write_HU(struct strbuf *o, const struct log_ctx *c)
{
	if (has_request(c))
		log_add_escaped(o, word(c, 1));
	else
		strbuf_adds(o, "<BADREQ>");
}

static void write_HV(struct strbuf *o, const struct log_ctx *c)
{
	if (has_request(c))
		log_add_escaped(o, word(c, 2));
	else
		strbuf_adds(o, "<BADREQ>");
}

static struct slice without_query(struct slice s)
{
	ptrdiff_t q = slice_chr(s, '?');

	return q < 0 ? s : slice_first(s, q);
}

static void write_HP(struct strbuf *o, const struct log_ctx *c)
{
	if (has_request(c))
		log_add_escaped(o, without_query(word(c, 1)));
	else
		strbuf_adds(o, "<BADREQ>");
}

static void write_HPO(struct strbuf *o, const struct log_ctx *c)
{
	struct slice s = without_query(word(c, 1));
	ptrdiff_t colon = slice_chr(s, ':');

	if (!has_request(c)) {
		strbuf_adds(o, "<BADREQ>");
		return;
	}
	if (s.n && s.p[0] != '/' && colon >= 0 &&
	    slice_has_prefix(slice_from(s, colon), SLICE("://"))) {
		struct slice rest = slice_from(s, colon + 3);
		ptrdiff_t slash = slice_chr(rest, '/');

		s = slash < 0 ? SLICE_NONE : slice_from(rest, slash);
	}
	log_add_escaped(o, s);
}

static void write_HQ(struct strbuf *o, const struct log_ctx *c)
{
	struct slice s = word(c, 1);
	ptrdiff_t q = slice_chr(s, '?');

	if (!has_request(c))
		strbuf_adds(o, "<BADREQ>");
	else if (q >= 0)
		log_add_escaped(o, slice_from(s, q));
}

/* ---- status, cookies, captures ---- */

static int status_of(void *http)
{
	return ((struct http_txn *)http)->status;
}

static bool heard(void *http)
{
	return ((struct http_txn *)http)->flags & TXN_HEARD;
}

static void write_ST(struct strbuf *o, const struct log_ctx *c)
{
	int status = c->http ? txn(c)->status : 0;

	add(o, status ? status : c->http ? -1 : 0);
}

static void write_nothing(struct strbuf *o, const struct log_ctx *c)
{
}

static char or_dash(char c)
{
	return c ? c : '-';
}

static void write_tsc(struct strbuf *o, const struct log_ctx *c)
{
	const struct stream *s = c->stream;
	const struct http_txn *t = c->http;

	strbuf_addc(o, or_dash(s ? s->term_cause : 0));
	strbuf_addc(o, or_dash(s ? s->term_phase : 0));
	if (!t) {
		strbuf_adds(o, "--");
		return;
	}
	strbuf_addc(o, or_dash(t->cookie_status));
	strbuf_addc(o, or_dash(t->server_cookie));
}

static const struct log_alias rows[] = {
	{ "CC", write_nothing, .http_only = true, .help = "captured request cookie" },
	{ "CS", write_nothing, .http_only = true, .help = "captured response cookie" },
	{ "HM", write_HM, .http_only = true, .help = "method" },
	{ "HP", write_HP, .http_only = true, .help = "request target without the query" },
	{ "HPO", write_HPO, .http_only = true, .help = "path only" },
	{ "HQ", write_HQ, .http_only = true, .may_be_empty = true, .help = "query with '?'" },
	{ "HU", write_HU, .http_only = true, .help = "request target" },
	{ "HV", write_HV, .http_only = true, .help = "version" },
	{ "ST", write_ST, .numeric = true, .help = "status of the response, -1: none" },
	{ "TR", write_TR, .http_only = true, .numeric = true,
	  .help = "ms from the first byte to the complete request" },
	{ "Ta", write_Ta, .http_only = true, .numeric = true,
	  .help = "ms the request was active, %TR to %Td" },
	{ "Ti", write_Ti, .http_only = true, .numeric = true,
	  .help = "ms idle before the request" },
	{ "Tq", write_Tq, .http_only = true, .numeric = true,
	  .help = "ms from accept to the complete request" },
	{ "Tr", write_Tr, .http_only = true, .numeric = true,
	  .help = "ms from the connection to the response's head" },
	{ "Tt", write_Tt, .numeric = true,
	  .help = "ms from accept (or the request before) to the end" },
	{ "Tu", write_Tt, .numeric = true, .help = "ms as the client saw it" },
	{ "r", write_r, .http_only = true, .help = "request line" },
	{ "tr", write_tr, .http_only = true, .numeric = true,
	  .help = "date of the request's first byte, with milliseconds" },
	{ "trg", write_trg, .http_only = true, .numeric = true,
	  .help = "date of the request's first byte, GMT" },
	{ "trl", write_trl, .http_only = true, .numeric = true,
	  .help = "date of the request's first byte, with zone" },
	{ "tsc", write_tsc, .numeric = true, .help = "termination state with cookie state" },
};

void http_log_init(void)
{
	log_http_hooks.status = status_of;
	log_http_hooks.heard = heard;
	log_alias_register(rows, ARRAY_SIZE(rows));
}
