// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The HTTP/1 head parser and body decoder: verdicts by table, at every split position; the encoder's bytes; message edits.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "http/h1.h"

static struct arena arena;

static int setup(void **state)
{
	arena_init(&arena, 0);
	segment_bytes = 16384;
	return 0;
}

static int teardown(void **state)
{
	arena_fini(&arena);
	return 0;
}

static void fill(struct segment *s, const char *p, size_t n)
{
	assert_true(n <= segment_room(s));
	memcpy(s->data + s->end, p, n);
	s->end += (uint32_t)n;
}

/* Parses @text given in two pieces, split at @cut. */
static enum h1_result parse(struct http_msg *m, struct h1_head *h, struct segment *s,
			    const char *text, size_t n, size_t cut, bool response, uint8_t relax)
{
	enum h1_result r;

	http_msg_init(m, &arena, response);
	*h = (struct h1_head){ .relax = relax };
	fill(s, text, cut);
	r = h1_parse_head(h, m, s);
	if (r != H1_MORE || cut == n)
		return r;
	fill(s, text + cut, n - cut);
	return h1_parse_head(h, m, s);
}

#define T(text) text, sizeof(text) - 1
#define REQ     "GET / HTTP/1.1\r\nHost: a\r\n"

static const struct head_case {
	const char *what, *text;
	size_t n;
	enum h1_error error; /* 0: accepted */
	unsigned int flags;  /* must be set */
	int headers;         /* that remain */
	bool response;
	uint8_t relax;
} heads[] = {
	{ "plain", T(REQ "\r\n"), 0, MSG_F_HOST_SEEN | MSG_F_NO_BODY | MSG_F_LINE_RAW, 1 },
	{ "names are lowered", T(REQ "X-FoO:  b \r\n\r\n"), 0, 0, 2 },
	{ "bare LF", T("GET / HTTP/1.1\nHost: a\n\n"), 0, 0, 1 },
	{ "blank lines first", T("\r\n\n" REQ "\r\n"), 0, 0, 1 },
	{ "HTTP/1.0", T("GET / HTTP/1.0\r\n\r\n"), 0, MSG_F_HTTP10 | MSG_F_CONN_CLOSE, 0 },
	{ "1.0 keep-alive", T("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"), 0, MSG_F_CONN_KA,
	  1 },
	{ "HTTP/1.2 is 1.1", T("GET / HTTP/1.2\r\n\r\n"), 0, 0, 0 },
	{ "HTTP/2.0", T("GET / HTTP/2.0\r\n\r\n"), H1_ERR_VERSION_OTHER },
	{ "HTTP/1.10", T("GET / HTTP/1.10\r\n\r\n"), H1_ERR_START_LINE },
	{ "lower-case version", T("GET / http/1.1\r\n\r\n"), H1_ERR_VERSION },
	{ "no version", T("GET /\r\n\r\n"), H1_ERR_START_LINE },
	{ "two spaces", T("GET  / HTTP/1.1\r\n\r\n"), H1_ERR_START_LINE },
	{ "tabs", T("GET\t/\tHTTP/1.1\r\n\r\n"), H1_ERR_TARGET },
	{ "blank in target", T("GET /a b HTTP/1.1\r\n\r\n"), H1_ERR_START_LINE },
	{ "blank behind version", T("GET / HTTP/1.1 \r\n\r\n"), H1_ERR_START_LINE },
	{ "method is no token", T("G(T / HTTP/1.1\r\n\r\n"), H1_ERR_METHOD },
	{ "TLS hello", T("\x16\x03\x01\x02"), H1_ERR_METHOD },
	{ "relative target", T("GET foo HTTP/1.1\r\n\r\n"), H1_ERR_TARGET },
	{ "star for GET", T("GET * HTTP/1.1\r\n\r\n"), H1_ERR_TARGET },
	{ "star for OPTIONS", T("OPTIONS * HTTP/1.1\r\n\r\n"), 0, 0, 0 },
	{ "8-bit target", T("GET /\x80 HTTP/1.1\r\n\r\n"), H1_ERR_TARGET },
	{ "8-bit target relaxed", T("GET /\x80 HTTP/1.1\r\n\r\n"), 0, 0, 0, false, H1_RELAX_CHARS },
	{ "fragment", T("GET /#a HTTP/1.1\r\n\r\n"), H1_ERR_TARGET },
	{ "control in target", T("GET /\x01 HTTP/1.1\r\n\r\n"), H1_ERR_TARGET },
	{ "absolute", T("GET http://a/x HTTP/1.1\r\nHost: a\r\n\r\n"), 0, MSG_F_ABS_URI, 1 },
	{ "absolute, default port", T("GET http://a:80/x HTTP/1.1\r\nHost: a\r\n\r\n"), 0,
	  MSG_F_ABS_URI, 1 },
	{ "absolute, other host", T("GET http://b/x HTTP/1.1\r\nHost: a\r\n\r\n"), H1_ERR_HOST },
	{ "CONNECT", T("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n"), 0, 0, 1 },
	{ "CONNECT without port", T("CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n"), H1_ERR_TARGET },
	{ "CONNECT path", T("CONNECT /a:1 HTTP/1.1\r\n\r\n"), H1_ERR_TARGET },
	{ "host twice the same", T(REQ "Host: A\r\n\r\n"), 0, 0, 1 },
	{ "host twice", T(REQ "Host: b\r\n\r\n"), H1_ERR_HOST },
	{ "host with blank", T("GET / HTTP/1.1\r\nHost: a b\r\n\r\n"), H1_ERR_HOST },
	{ "host with slash", T("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n"), H1_ERR_HOST },
	{ "host IPv6", T("GET / HTTP/1.1\r\nHost: [2001:db8::1]:80\r\n\r\n"), 0, 0, 1 },
	{ "blank before colon", T(REQ "X : a\r\n\r\n"), H1_ERR_NAME },
	{ "empty name", T(REQ ": a\r\n\r\n"), H1_ERR_NAME },
	{ "no colon", T(REQ "Xabc\r\n\r\n"), H1_ERR_NAME },
	{ "blank line begin", T("GET / HTTP/1.1\r\n Host: a\r\n\r\n"), H1_ERR_FOLDED },
	{ "folded", T(REQ "X: a\r\n b\r\n\r\n"), H1_ERR_FOLDED },
	{ "folded, relaxed", T(REQ "X: a\r\n b\r\n\r\n"), 0, 0, 2, false, H1_RELAX_FOLD },
	{ "folded length, relaxed", T(REQ "Content-Length: 1\r\n 2\r\n\r\n"), H1_ERR_FOLDED, 0, 0,
	  false, H1_RELAX_FOLD },
	{ "bare CR", T(REQ "X: a\rb\r\n\r\n"), H1_ERR_BARE_CR },
	{ "NUL", T(REQ "X: a\0b\r\n\r\n"), H1_ERR_VALUE },
	{ "NUL, relaxed", T(REQ "X: a\0b\r\n\r\n"), H1_ERR_VALUE, 0, 0, false, H1_RELAX_CHARS },
	{ "control",
	  T(REQ "X: a\x01"
		"b\r\n\r\n"),
	  H1_ERR_VALUE },
	{ "control, relaxed",
	  T(REQ "X: a\x01"
		"b\r\n\r\n"),
	  0, 0, 2, false, H1_RELAX_CHARS },
	{ "DEL far in a long value",
	  T(REQ "X: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\x7f\r\n\r\n"), H1_ERR_VALUE },
	{ "8-bit value, tab", T(REQ "X: a\xe9\tb\r\n\r\n"), 0, 0, 2 },
	{ "length", T(REQ "Content-Length: 12\r\n\r\n"), 0, MSG_F_LENGTH, 2 },
	{ "length twice", T(REQ "Content-Length: 12\r\nContent-Length: 12\r\n\r\n"), 0,
	  MSG_F_LENGTH, 2 },
	{ "length list", T(REQ "Content-Length: 12, 12\r\n\r\n"), 0, MSG_F_LENGTH, 2 },
	{ "length differs", T(REQ "Content-Length: 12\r\nContent-Length: 13\r\n\r\n"),
	  H1_ERR_CONTENT_LENGTH },
	{ "length list differs", T(REQ "Content-Length: 12, 13\r\n\r\n"), H1_ERR_CONTENT_LENGTH },
	{ "length sign", T(REQ "Content-Length: +1\r\n\r\n"), H1_ERR_CONTENT_LENGTH },
	{ "length hex", T(REQ "Content-Length: 0x1\r\n\r\n"), H1_ERR_CONTENT_LENGTH },
	{ "length blank inside", T(REQ "Content-Length: 1 1\r\n\r\n"), H1_ERR_CONTENT_LENGTH },
	{ "length empty", T(REQ "Content-Length:\r\n\r\n"), H1_ERR_CONTENT_LENGTH },
	{ "length huge", T(REQ "Content-Length: 99999999999999999999\r\n\r\n"),
	  H1_ERR_CONTENT_LENGTH },
	{ "chunked", T(REQ "Transfer-Encoding: Chunked\r\n\r\n"), 0, MSG_F_CHUNKED, 2 },
	{ "chunked and length", T(REQ "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"), 0,
	  MSG_F_CHUNKED | MSG_F_CONN_CLOSE, 2 },
	{ "chunked in 1.0", T("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  H1_ERR_TE_10 },
	{ "gzip, chunked", T(REQ "Transfer-Encoding: gzip, chunked\r\n\r\n"), H1_ERR_TE_UNKNOWN },
	{ "chunked, gzip", T(REQ "Transfer-Encoding: chunked, gzip\r\n\r\n"),
	  H1_ERR_TRANSFER_ENCODING },
	{ "chunked twice",
	  T(REQ "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n"),
	  H1_ERR_TRANSFER_ENCODING },
	{ "xchunked", T(REQ "Transfer-Encoding: xchunked\r\n\r\n"), H1_ERR_TRANSFER_ENCODING },
	{ "vertical tab",
	  T(REQ "Transfer-Encoding: \x0b"
		"chunked\r\n\r\n"),
	  H1_ERR_VALUE },
	{ "empty coding", T(REQ "Transfer-Encoding:\r\n\r\n"), H1_ERR_TRANSFER_ENCODING },
	{ "expect", T(REQ "Expect: 100-Continue\r\n\r\n"), 0, MSG_F_EXPECT_100, 2 },
	{ "upgrade", T(REQ "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n\r\n"), 0,
	  MSG_F_CONN_KA | MSG_F_CONN_UPG | MSG_F_UPGRADE, 3 },
	{ "response", T("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"), 0,
	  MSG_F_LENGTH | MSG_F_LINE_RAW, 1, true },
	{ "response without reason", T("HTTP/1.1 200\r\n\r\n"), 0, MSG_F_CLOSE_DELIM, 0, true },
	{ "204 has no length", T("HTTP/1.1 204 No\r\nContent-Length: 2\r\n\r\n"), 0, MSG_F_NO_BODY,
	  0, true },
	{ "304 keeps its length", T("HTTP/1.1 304 No\r\nContent-Length: 2\r\n\r\n"), 0,
	  MSG_F_NO_BODY, 1, true },
	{ "interim", T("HTTP/1.1 103 Early\r\nLink: x\r\n\r\n"), 0, MSG_F_INTERIM | MSG_F_NO_BODY,
	  1, true },
	{ "101", T("HTTP/1.1 101 Sw\r\n\r\n"), 0, MSG_F_TUNNEL, 0, true },
	{ "two digits", T("HTTP/1.1 20 OK\r\n\r\n"), H1_ERR_STATUS, 0, 0, true },
	{ "four digits", T("HTTP/1.1 2000 OK\r\n\r\n"), H1_ERR_STATUS, 0, 0, true },
	{ "099", T("HTTP/1.1 099 OK\r\n\r\n"), H1_ERR_STATUS, 0, 0, true },
	{ "ICY", T("ICY 200 OK\r\n\r\n"), H1_ERR_VERSION, 0, 0, true },
	{ "HTTP/2 response", T("HTTP/2.0 200 OK\r\n\r\n"), H1_ERR_VERSION_OTHER, 0, 0, true },
};

static void head_verdicts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
		const struct head_case *c = &heads[i];

		for (size_t cut = 0; cut <= c->n; cut++) {
			struct segment *s = segment_new();
			struct http_msg m;
			struct h1_head h;
			enum h1_result r =
				parse(&m, &h, s, c->text, c->n, cut, c->response, c->relax);

			if (r != (c->error ? H1_BAD : H1_OK) || h.error != c->error ||
			    (!c->error && ((m.flags & c->flags) != c->flags ||
					   http_hdr_count(&m) != c->headers)))
				fail_msg("%s, cut at %zu: result %d, error '%s', flags %x, %d "
					 "headers",
					 c->what, cut, r, h1_error_text(h.error), m.flags,
					 http_hdr_count(&m));
			if (r == H1_OK)
				assert_int_equal(s->start, s->end);
			http_msg_fini(&m);
			segment_put(s);
		}
	}
}

static void head_limits(void **state)
{
	char text[16384], *w;

	for (int headers = 99; headers <= 101; headers++) {
		struct segment *s = segment_new();
		struct http_msg m;
		struct h1_head h;

		w = text + sprintf(text, "GET / HTTP/1.1\r\n");
		for (int i = 0; i < headers; i++)
			w += sprintf(w, "x%d: a\r\n", i);
		w += sprintf(w, "\r\n");
		assert_int_equal(parse(&m, &h, s, text, w - text, w - text, false, 0),
				 headers <= 100 ? H1_OK : H1_BAD);
		if (headers > 100)
			assert_int_equal(h.error, H1_ERR_TOO_MANY_HEADERS);
		else
			assert_int_equal(http_hdr_count(&m), headers);
		http_msg_fini(&m);
		segment_put(s);
	}
}

/* What is left of the body after decoding, as text; NULL when refused. */
static char *decode(const char *wire, size_t n, size_t cut, bool *complete, size_t *left)
{
	struct segment *s = segment_new();
	struct http_msg m;
	struct h1_body b;
	enum h1_result r;
	char *out = arena_zalloc(&arena, 4096);
	size_t o = 0;

	http_msg_init(&m, &arena, false);
	m.flags |= MSG_F_CHUNKED;
	h1_body_start(&b, &m);
	fill(s, wire, cut);
	r = h1_body_decode(&b, &m, s);
	if (r == H1_MORE) {
		fill(s, wire + cut, n - cut);
		r = h1_body_decode(&b, &m, s);
	}
	for (int i = 0; i < m.body.count; i++) {
		struct body_part *p = &m.body.part[(m.body.first + i) & (BODY_PARTS - 1)];

		memcpy(out + o, p->p, p->n);
		o += p->n;
	}
	assert_int_equal(o, m.body.queued);
	*complete = r == H1_OK;
	*left = segment_len(s);
	http_msg_fini(&m);
	segment_put(s);
	return r == H1_BAD ? NULL : out;
}

static const struct chunk_case {
	const char *what, *wire, *data; /* data NULL: refused */
	bool complete;
	size_t left;
} chunks[] = {
	{ "one", "2\r\nhi\r\n0\r\n\r\n", "hi", true, 0 },
	{ "two", "2\r\nhi\r\n3\r\nyou\r\n0\r\n\r\n", "hiyou", true, 0 },
	{ "capitals", "A\r\n0123456789\r\n0\r\n\r\n", "0123456789", true, 0 },
	{ "next request stays", "1\r\na\r\n0\r\n\r\nGET", "a", true, 3 },
	{ "extension", "2;a=\"b\"\r\nhi\r\n0;c\r\n\r\n", "hi", true, 0 },
	{ "blank behind the size", "2 \r\nhi\r\n0\r\n\r\n", "hi", true, 0 },
	{ "leading zeros", "0002\r\nhi\r\n000\r\n\r\n", "hi", true, 0 },
	{ "trailer", "2\r\nhi\r\n0\r\nX-T: v\r\n\r\n", "hi", true, 0 },
	{ "incomplete", "5\r\nhi", "hi", false, 0 },
	{ "LF behind the size", "2\nhi\r\n0\r\n\r\n", NULL },
	{ "LF behind the data", "2\r\nhi\n0\r\n\r\n", NULL },
	{ "LF behind an extension", "2;a\nhi\r\n0\r\n\r\n", NULL },
	{ "CR in an extension", "2;a\rb\r\nhi\r\n0\r\n\r\n", NULL },
	{ "data longer than said", "2\r\nhix\r\n0\r\n\r\n", NULL },
	{ "no size", "\r\nhi\r\n0\r\n\r\n", NULL },
	{ "0x", "0x2\r\nhi\r\n0\r\n\r\n", NULL },
	{ "sign", "-2\r\nhi\r\n0\r\n\r\n", NULL },
	{ "blank first", " 2\r\nhi\r\n0\r\n\r\n", NULL },
	{ "too large", "fffffffffffffffff\r\n", NULL },
	{ "bad trailer", "0\r\nbad\r\n\r\n", NULL },
	{ "trailer with LF", "0\r\nX: a\n\r\n", NULL },
	{ "trailer blank before colon", "0\r\nX : a\r\n\r\n", NULL },
};

static void chunk_verdicts(void **state)
{
	for (size_t i = 0; i < ARRAY_SIZE(chunks); i++) {
		const struct chunk_case *c = &chunks[i];
		size_t n = strlen(c->wire), left;
		bool complete;

		for (size_t cut = 0; cut <= n; cut++) {
			char *out = decode(c->wire, n, cut, &complete, &left);

			if (!c->data != !out ||
			    (out && (strcmp(out, c->data) || complete != c->complete)))
				fail_msg("%s, cut at %zu: '%s', complete %d", c->what, cut,
					 out ? out : "(refused)", complete);
			if (out && complete && cut == n)
				assert_int_equal(left, c->left);
		}
	}
}

/* A body of thousands of 1-byte chunks needs one place in the ring. */
static void tiny_chunks(void **state)
{
	struct segment *s = segment_new();
	struct http_msg m;
	struct h1_body b;
	int n = 0;

	http_msg_init(&m, &arena, false);
	m.flags |= MSG_F_CHUNKED;
	h1_body_start(&b, &m);
	while (segment_room(s) > 20) {
		fill(s, "1\r\nx\r\n", 6);
		n++;
	}
	fill(s, "0\r\n\r\n", 5);
	assert_int_equal(h1_body_decode(&b, &m, s), H1_OK);
	assert_int_equal(m.body.queued, n);
	assert_int_equal(m.body.count, 1);
	http_msg_fini(&m);
	segment_put(s);
}

/* The message on the wire, written @step bytes at a time. */
static char *encode(struct http_msg *m, size_t step)
{
	char *out = arena_zalloc(&arena, 8192);
	struct iovec iov[H1_OUT_IOV];
	struct h1_out o;
	size_t n = 0;

	h1_out_start(&o);
	while (!o.done) {
		int k = h1_out_gather(&o, m, iov);
		size_t room = step;

		for (int i = 0; i < k && room; i++) {
			size_t part = iov[i].iov_len < room ? iov[i].iov_len : room;

			memcpy(out + n, iov[i].iov_base, part);
			n += part;
			room -= part;
		}
		h1_out_sent(&o, m, step - room);
		if (!k && !o.done)
			break;
	}
	out[n] = 0;
	return out;
}

static void edits_on_the_wire(void **state)
{
	static const char text[] =
		"GET /a?b=1 HTTP/1.1\r\nHost: a\r\nX-One: 1\r\nx-two:2\r\nX-Three: 3\r\n\r\n";
	static const char want[] =
		"PUT /n?b=1 HTTP/1.1\r\nhost: a\r\nx-two: 2\r\nx-three: three\r\nx-four: 4\r\n\r\n";

	for (size_t step = 1; step < 100; step++) {
		struct segment *s = segment_new();
		struct http_msg m;
		struct h1_head h;

		assert_int_equal(parse(&m, &h, s, text, sizeof(text) - 1, sizeof(text) - 1, false,
				       0),
				 H1_OK);
		assert_int_equal(http_hdr_delete_all(&m, HDR_OTHER, SLICE("x-one")), 1);
		assert_null(http_hdr_find(&m, HDR_OTHER, SLICE("x-one"), NULL));
		assert_int_equal(
			http_hdr_replace(&m, http_hdr_find(&m, HDR_OTHER, SLICE("x-three"), NULL),
					 SLICE("three")),
			0);
		assert_int_equal(http_hdr_append(&m, SLICE("x-four"), SLICE("4")), 0);
		assert_int_equal(http_hdr_append(&m, SLICE("x-bad"), SLICE("4\r\nevil: 1")), -22);
		http_set_path(&m, SLICE("/n"), false);
		http_set_method(&m, SLICE("PUT"));
		m.body.eom = true;
		assert_string_equal(encode(&m, step), want);
		http_msg_fini(&m);
		segment_put(s);
	}
}

static void untouched_is_one_run(void **state)
{
	static const char text[] =
		"GET / HTTP/1.1\r\nHost: a\r\nAccept: */*\r\nCookie: a=b\r\n\r\n";
	struct segment *s = segment_new();
	struct iovec iov[H1_OUT_IOV];
	struct http_msg m;
	struct h1_head h;
	struct h1_out o;

	assert_int_equal(parse(&m, &h, s, text, sizeof(text) - 1, sizeof(text) - 1, false, 0),
			 H1_OK);
	m.body.eom = true;
	h1_out_start(&o);
	assert_int_equal(h1_out_gather(&o, &m, iov), 1);
	assert_int_equal(iov[0].iov_len, sizeof(text) - 1);
	http_msg_fini(&m);
	segment_put(s);
}

static void chunked_on_the_wire(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: "
				   "chunked\r\n\r\n2\r\nhi\r\n3;x\r\nyou\r\n0\r\nT: v\r\n\r\n";
	static const char want[] = "HTTP/1.1 200 OK\r\ntransfer-encoding: "
				   "chunked\r\n\r\n5\r\nhiyou\r\n0\r\nt: v\r\n\r\n";

	for (size_t step = 1; step < 120; step++) {
		struct segment *s = segment_new();
		struct http_msg m;
		struct h1_head h;
		struct h1_body b;

		assert_int_equal(
			parse(&m, &h, s, text, sizeof(text) - 1, sizeof(text) - 1, true, 0), H1_OK);
		h1_body_start(&b, &m);
		assert_int_equal(h1_body_decode(&b, &m, s), H1_OK);
		m.flags |= MSG_F_XFER_CHUNK;
		assert_string_equal(encode(&m, step), want);
		http_msg_fini(&m);
		segment_put(s);
	}
}

static void many_edits(void **state)
{
	char text[8192], want[8192], *w = text, *v = want;
	struct segment *s = segment_new();
	struct http_hdr *x = NULL;
	struct http_msg m;
	struct h1_head h;

	w += sprintf(w, "GET / HTTP/1.1\r\n");
	v += sprintf(v, "GET / HTTP/1.1\r\n");
	for (int i = 0; i < 60; i++) {
		w += sprintf(w, "h%d: v%d\r\n", i, i);
		if (i % 3)
			v += sprintf(v, "h%d: v%d\r\n", i, i);
	}
	w += sprintf(w, "\r\n");
	sprintf(v, "\r\n");
	assert_int_equal(parse(&m, &h, s, text, w - text, w - text, false, 0), H1_OK);
	for (int i = 0; (x = http_hdr_next(&m, x)); i++)
		if (i % 3 == 0)
			http_hdr_delete(x);
	m.body.eom = true;
	assert_string_equal(encode(&m, 37), want);
	http_msg_fini(&m);
	segment_put(s);
}

static void targets(void **state)
{
	static const struct {
		const char *method, *target, *path, *query, *authority;
	} rows[] = {
		{ "GET", "/", "/", "", "" },
		{ "GET", "/a/b?x=1&y", "/a/b", "x=1&y", "" },
		{ "GET", "http://h:81/p?q", "/p", "q", "h:81" },
		{ "GET", "http://h", "", "", "h" },
		{ "OPTIONS", "*", "", "", "" },
		{ "CONNECT", "h:443", "", "", "h:443" },
		{ "GET", "/a://b/c", "/a://b/c", "", "" },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct http_msg m;

		http_msg_init(&m, &arena, false);
		http_set_method(&m, slice_z(rows[i].method));
		http_set_target(&m, slice_z(rows[i].target));
		assert_true(slice_eq_z(http_path(&m), rows[i].path));
		assert_true(slice_eq_z(http_query(&m), rows[i].query));
		assert_true(slice_eq_z(http_authority(&m), rows[i].authority));
	}
}

static void value_lists(void **state)
{
	struct slice rest = SLICE(" a, \"b,\\\"c\" ,,d "), e;

	assert_true(http_value_next(&rest, &e) && slice_eq_z(e, "a"));
	assert_true(http_value_next(&rest, &e) && slice_eq_z(e, "\"b,\\\"c\""));
	assert_true(http_value_next(&rest, &e) && slice_eq_z(e, ""));
	assert_true(http_value_next(&rest, &e) && slice_eq_z(e, "d"));
	assert_false(http_value_next(&rest, &e));
	assert_true(http_value_has(SLICE("x, Close"), SLICE("close")));
	assert_false(http_value_has(SLICE("closed"), SLICE("close")));
}

static void known_names(void **state)
{
	for (int id = 1; id < HDR_IDS; id++)
		assert_int_equal(http_hdr_id(http_hdr_name((enum http_hdr_id)id)), id);
	assert_int_equal(http_hdr_id(SLICE("hosx")), HDR_OTHER);
	assert_int_equal(http_hdr_id(SLICE("")), HDR_OTHER);
	assert_int_equal(http_meth_id(SLICE("PATCH")), METH_OTHER);
	assert_int_equal(http_meth_id(SLICE("get")), METH_OTHER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(head_verdicts),
		cmocka_unit_test(head_limits),
		cmocka_unit_test(chunk_verdicts),
		cmocka_unit_test(tiny_chunks),
		cmocka_unit_test(edits_on_the_wire),
		cmocka_unit_test(untouched_is_one_run),
		cmocka_unit_test(chunked_on_the_wire),
		cmocka_unit_test(many_edits),
		cmocka_unit_test(targets),
		cmocka_unit_test(value_lists),
		cmocka_unit_test(known_names),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests_name("HTTP/1 messages", tests, setup, teardown);
}
