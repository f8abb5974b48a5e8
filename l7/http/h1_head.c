// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h1_head.c - the HTTP/1 head parser (RFC 9112 sections 2 to 5): one pass, line by line, resumable at any byte. Header names are
 * lowered in place; nothing is copied. What it refuses is in Documentation/http-strictness.md. Any thread.
 */
#include "http/h1.h"

#ifdef __SSE2__
#include <ctype.h>
#include <emmintrin.h>
#endif

enum { PHASE_BLANK, PHASE_START, PHASE_HEADERS };

static const struct {
	uint16_t status;
	const char *text;
} error_rows[H1_ERRORS] = {
#define X(id, status, text) { status, text },
	H1_ERROR_TABLE(X)
#undef X
};

const char *h1_error_text(enum h1_error e)
{
	return error_rows[e].text;
}

unsigned int h1_error_status(enum h1_error e)
{
	return error_rows[e].status;
}

/* Token characters (RFC 9110 section 5.6.2) give their lower case, all others 0. */
static const char token_lower[256] = {
	['!'] = '!', ['#'] = '#', ['$'] = '$', ['%'] = '%', ['&'] = '&', ['\''] = '\'', ['*'] = '*',
	['+'] = '+', ['-'] = '-', ['.'] = '.', ['^'] = '^', ['_'] = '_', ['`'] = '`',   ['|'] = '|',
	['~'] = '~', ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4',   ['5'] = '5',
	['6'] = '6', ['7'] = '7', ['8'] = '8', ['9'] = '9', ['A'] = 'a', ['B'] = 'b',   ['C'] = 'c',
	['D'] = 'd', ['E'] = 'e', ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i',   ['J'] = 'j',
	['K'] = 'k', ['L'] = 'l', ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p',   ['Q'] = 'q',
	['R'] = 'r', ['S'] = 's', ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w',   ['X'] = 'x',
	['Y'] = 'y', ['Z'] = 'z', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c', ['d'] = 'd',   ['e'] = 'e',
	['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j', ['k'] = 'k',   ['l'] = 'l',
	['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q', ['r'] = 'r',   ['s'] = 's',
	['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x', ['y'] = 'y',   ['z'] = 'z',
};

static inline bool is_token(char c)
{
	return token_lower[(unsigned char)c] != 0;
}

/* The first byte from @p on that is below @low (unsigned) or DEL; @end when there is none. */
static const char *find_control(const char *p, const char *end, unsigned char low)
{
#ifdef __SSE2__
	const __m128i max = _mm_set1_epi8((char)(low - 1)), del = _mm_set1_epi8(0x7f);

	for (; end - p >= 16; p += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)p);
		__m128i ctl = _mm_cmpeq_epi8(_mm_min_epu8(v, max), v);
		unsigned int mask = _mm_movemask_epi8(_mm_or_si128(ctl, _mm_cmpeq_epi8(v, del)));

		if (mask)
			return p + __builtin_ctz(mask);
	}
#endif
	for (; p < end; p++)
		if ((unsigned char)*p < low || *p == 0x7f)
			return p;
	return end;
}

static enum h1_result bad(struct h1_head *h, struct segment *seg, enum h1_error e, const char *at)
{
	h->error = e;
	h->error_at = at - seg->data;
	return H1_BAD;
}

/* [p, end) begins a line. *eol: where its CRLF or LF begins, *next: behind it. Finds the first byte that is below 0x20 except
 * tab; @relax lets other control characters but NUL pass. */
static enum h1_result find_eol(struct h1_head *h, struct segment *seg, const char *p,
			       const char *end, enum h1_error char_error, const char **eol,
			       const char **next)
{
	for (;; p++) {
		p = find_control(p, end, 0x20);
		if (p == end)
			return H1_MORE;
		if (*p == '\n') {
			*eol = p;
			*next = p + 1;
			return H1_OK;
		}
		if (*p == '\r') {
			if (p + 1 == end)
				return H1_MORE;
			if (p[1] != '\n')
				return bad(h, seg, H1_ERR_BARE_CR, p);
			*eol = p;
			*next = p + 2;
			return H1_OK;
		}
		if (*p == '\t' && char_error == H1_ERR_VALUE)
			continue;
		if (!(h->relax & H1_RELAX_CHARS) || *p == 0)
			return bad(h, seg, char_error, p);
	}
}

/* ---- start lines ---- */

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* "HTTP/1.x" at @p, which has at least 8 bytes. Minor versions above 1 are spoken to as 1.1. */
static enum h1_error parse_version(const char *p, struct http_msg *m)
{
	if (memcmp(p, "HTTP/", 5) != 0 || !is_digit(p[5]) || p[6] != '.' || !is_digit(p[7]))
		return H1_ERR_VERSION;
	if (p[5] != '1')
		return H1_ERR_VERSION_OTHER;
	if (p[7] == '0')
		m->flags |= MSG_F_HTTP10;
	if (p[7] <= '1')
		m->flags |= MSG_F_LINE_RAW;
	return H1_ERR_NONE;
}

/* Targets are visible ASCII without the characters that RFC 3986 leaves out and that peers treat differently. */
static const char *bad_target_char(struct slice t, uint8_t relax)
{
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = t.p[i];

		if (c <= 0x20 || c == 0x7f)
			return t.p + i;
		if ((c >= 0x80 || c == '#') && !(relax & H1_RELAX_CHARS))
			return t.p + i;
	}
	return NULL;
}

static bool target_form_ok(struct http_msg *m)
{
	struct slice t = m->target, a;

	if (!t.n)
		return false;
	if (m->method == METH_CONNECT) /* authority form: host:port */
		return t.p[0] != '/' && slice_chr(t, ':') > 0 && slice_chr(t, '/') < 0;
	if (t.p[0] == '/')
		return true;
	if (t.n == 1 && t.p[0] == '*')
		return m->method == METH_OPTIONS;
	a = http_authority(m);
	if (!a.n)
		return false;
	m->flags |= MSG_F_ABS_URI;
	return true;
}

static enum h1_result request_line(struct h1_head *h, struct http_msg *m, struct segment *seg,
				   const char *p, const char *eol)
{
	const char *sp = p, *v = eol - 8, *at;
	enum h1_error e;

	while (sp < eol && is_token(*sp))
		sp++;
	m->method_text = slice_make(p, sp - p);
	if (sp == p || sp == eol || *sp != ' ')
		return bad(h, seg,
			   sp > p && (sp == eol || *sp == '\t') ? H1_ERR_START_LINE : H1_ERR_METHOD,
			   sp);
	m->method = http_meth_id(m->method_text);
	sp++;
	if (v <= sp || v[-1] != ' ')
		return bad(h, seg, H1_ERR_START_LINE, sp);
	e = parse_version(v, m);
	if (e != H1_ERR_NONE)
		return bad(h, seg, e, v);
	m->target = slice_make(sp, v - 1 - sp);
	at = bad_target_char(m->target, h->relax);
	if (at)
		return bad(h, seg, *at == ' ' || *at == '\t' ? H1_ERR_START_LINE : H1_ERR_TARGET,
			   at);
	if (!target_form_ok(m))
		return bad(h, seg, H1_ERR_TARGET, sp);
	return H1_OK;
}

static enum h1_result status_line(struct h1_head *h, struct http_msg *m, struct segment *seg,
				  const char *p, const char *eol)
{
	const char *d = p + 9;
	enum h1_error e;

	e = eol - p < 8 ? H1_ERR_VERSION : parse_version(p, m);
	if (e != H1_ERR_NONE)
		return bad(h, seg, e, p);
	if (eol - p < 12 || p[8] != ' ')
		return bad(h, seg, H1_ERR_STATUS, p + 8 < eol ? p + 8 : eol);
	for (int i = 0; i < 3; i++)
		if (!is_digit(d[i]))
			return bad(h, seg, H1_ERR_STATUS, d + i);
	m->status = (d[0] - '0') * 100 + (d[1] - '0') * 10 + (d[2] - '0');
	if (m->status < 100 || (d + 3 < eol && d[3] != ' '))
		return bad(h, seg, H1_ERR_STATUS, d);
	m->reason = d + 4 < eol ? slice_make(d + 4, eol - d - 4) : SLICE_NONE;
	return H1_OK;
}

/* ---- headers with a meaning for the framing ---- */

static enum h1_error on_content_length(struct http_msg *m, struct http_hdr *hdr)
{
	struct slice rest = http_hdr_value(hdr), e;
	bool list = false;

	while (http_value_next(&rest, &e)) {
		uint64_t v = 0;

		if (!e.n || e.n > 18)
			return H1_ERR_CONTENT_LENGTH;
		for (size_t i = 0; i < e.n; i++) {
			if (e.p[i] < '0' || e.p[i] > '9')
				return H1_ERR_CONTENT_LENGTH;
			v = v * 10 + (e.p[i] - '0');
		}
		if ((m->flags & MSG_F_LENGTH) && m->length != v)
			return H1_ERR_CONTENT_LENGTH;
		if (m->flags & MSG_F_LENGTH)
			list = true;
		m->flags |= MSG_F_LENGTH;
		m->length = v;
		if (rest.p || list) { /* one plain number is what goes on */
			hdr->value = e.p;
			hdr->value_len = (uint32_t)e.n;
			hdr->flags &= ~HDR_F_RAW;
		}
	}
	if (list && http_hdr_find_id(m, HDR_CONTENT_LENGTH) != hdr)
		http_hdr_delete(hdr);
	return H1_ERR_NONE;
}

static enum h1_error on_transfer_encoding(struct http_msg *m, struct http_hdr *hdr)
{
	if (m->flags & MSG_F_TE_SEEN)
		return H1_ERR_TRANSFER_ENCODING;
	m->flags |= MSG_F_TE_SEEN;
	if (!slice_eq_case(http_hdr_value(hdr), SLICE("chunked"))) {
		struct slice rest = http_hdr_value(hdr), e = SLICE_NONE;
		int n = 0;

		while (http_value_next(&rest, &e))
			if (slice_eq_case(e, SLICE("chunked")))
				n++;
		return n == 1 && slice_eq_case(e, SLICE("chunked")) ? H1_ERR_TE_UNKNOWN
								    : H1_ERR_TRANSFER_ENCODING;
	}
	m->flags |= MSG_F_CHUNKED;
	return H1_ERR_NONE;
}

static enum h1_error on_connection(struct http_msg *m, struct http_hdr *hdr)
{
	struct slice rest = http_hdr_value(hdr), e;

	while (http_value_next(&rest, &e)) {
		if (slice_eq_case(e, SLICE("close")))
			m->flags |= MSG_F_CONN_CLOSE;
		else if (slice_eq_case(e, SLICE("keep-alive")))
			m->flags |= MSG_F_CONN_KA;
		else if (slice_eq_case(e, SLICE("upgrade")))
			m->flags |= MSG_F_CONN_UPG;
	}
	return H1_ERR_NONE;
}

static bool host_char_ok(unsigned char c)
{
	/* RFC 3986 reg-name, IP literal and port; "_" is common */
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c && strchr("-._~%!$&'()*+,;=:[]", c));
}

static bool host_chars_ok(const struct http_hdr *hdr, uint8_t relax)
{
	if (relax & H1_RELAX_HOST)
		return true;
	for (uint32_t i = 0; i < hdr->value_len; i++)
		if (!host_char_ok(hdr->value[i]))
			return false;
	return true;
}

static enum h1_error on_host(struct http_msg *m, struct http_hdr *hdr, uint8_t relax)
{
	struct http_hdr *first;

	if (m->flags & MSG_F_RESPONSE)
		return H1_ERR_NONE;
	if (!host_chars_ok(hdr, relax))
		return H1_ERR_HOST;
	if (m->flags & MSG_F_HOST_SEEN) {
		first = http_hdr_find_id(m, HDR_HOST);
		if (first != hdr && !slice_eq_case(http_hdr_value(first), http_hdr_value(hdr)))
			return H1_ERR_HOST;
		http_hdr_delete(hdr);
	}
	m->flags |= MSG_F_HOST_SEEN;
	return H1_ERR_NONE;
}

static enum h1_error header_meaning(struct h1_head *h, struct http_msg *m, struct http_hdr *hdr)
{
	switch (hdr->id) {
	case HDR_CONTENT_LENGTH:
		return on_content_length(m, hdr);
	case HDR_TRANSFER_ENCODING:
		return on_transfer_encoding(m, hdr);
	case HDR_CONNECTION:
		return on_connection(m, hdr);
	case HDR_HOST:
		return on_host(m, hdr, h->relax);
	case HDR_UPGRADE:
		m->flags |= MSG_F_UPGRADE;
		return H1_ERR_NONE;
	case HDR_EXPECT:
		if (slice_eq_case(http_hdr_value(hdr), SLICE("100-continue")))
			m->flags |= MSG_F_EXPECT_100;
		return H1_ERR_NONE;
	default:
		return H1_ERR_NONE;
	}
}

/* A line that begins with a blank belongs to the header before it (RFC 9112 section 5.2). */
static enum h1_result folded_line(struct h1_head *h, struct http_msg *m, struct segment *seg,
				  char *p, const char *eol)
{
	struct http_hdr *hdr = m->hdrs.n ? &m->hdrs.h[m->hdrs.n - 1] : NULL;

	if (!hdr || !(h->relax & H1_RELAX_FOLD) || hdr->id == HDR_CONTENT_LENGTH ||
	    hdr->id == HDR_TRANSFER_ENCODING || hdr->id == HDR_HOST || hdr->id == HDR_CONNECTION)
		return bad(h, seg, H1_ERR_FOLDED, p);
	for (char *w = (char *)hdr->value + hdr->value_len; w <= p; w++)
		*w = ' ';
	hdr->flags &= ~HDR_F_RAW;
	struct slice v = slice_trim(slice_make(hdr->value, eol - hdr->value));

	hdr->value = v.p;
	hdr->value_len = (uint32_t)v.n;
	return H1_OK;
}

/* The options accept-invalid-http-...: any character in a name but what parts lines, words and name from value. */
static bool name_relaxed(char c)
{
	return (unsigned char)c > ' ' && c != ':' && c != 127;
}

/* One header line at @p; *next is set behind it. */
static enum h1_result header_line(struct h1_head *h, struct http_msg *m, struct segment *seg,
				  char *p, const char *end, const char **next)
{
	const char *eol, *v;
	struct http_hdr *hdr;
	enum h1_result r;
	enum h1_error e;
	char *name = p;

	if (*p == ' ' || *p == '\t') {
		r = find_eol(h, seg, p, end, H1_ERR_VALUE, &eol, next);
		return r == H1_OK ? folded_line(h, m, seg, p, eol) : r;
	}
	for (char c; p < end && (c = token_lower[(unsigned char)*p]); p++)
		*p = c;
	if (h->relax & H1_RELAX_CHARS) /* whatever is left of a name that is none */
		while (p < end && name_relaxed(*p)) {
			*p = (char)tolower((unsigned char)*p);
			p++;
		}
	if (p == end)
		return H1_MORE;
	if (*p != ':' || p == name)
		return bad(h, seg, H1_ERR_NAME, p);
	v = p + 1;
	r = find_eol(h, seg, v, end, H1_ERR_VALUE, &eol, next);
	if (r != H1_OK)
		return r;

	/* tune.http.maxhdr counts the start line too */
	hdr = m->hdrs.n + 1u < http_max_hdrs ? http_hdrs_add(m, &m->hdrs) : NULL;
	if (!hdr)
		return bad(h, seg, H1_ERR_TOO_MANY_HEADERS, name);
	hdr->name = name;
	hdr->name_len = p - name;
	hdr->id = http_hdr_id(slice_make(name, p - name));
	hdr->flags = 0;
	if (eol - v >= 2 && v[0] == ' ' && v[1] > ' ' && eol[-1] > ' ' && *next - eol == 2) {
		hdr->flags = HDR_F_RAW;
		hdr->value = v + 1;
		hdr->value_len = (uint32_t)(eol - v - 1);
	} else {
		struct slice t = slice_trim(slice_make(v, eol - v));

		hdr->value = t.p;
		hdr->value_len = (uint32_t)t.n;
	}
	if (hdr->id == HDR_OTHER)
		return H1_OK;
	e = header_meaning(h, m, hdr);
	return e == H1_ERR_NONE ? H1_OK : bad(h, seg, e, hdr->value);
}

/* ---- what the whole head says ---- */

/* RFC 9112 section 3.2.2: the authority of the target is the host; a Host that differs is an attempt at confusion. */
static bool host_matches_target(struct http_msg *m)
{
	struct slice a = http_authority(m), host, ah, hh;
	struct http_hdr *hdr = http_hdr_find_id(m, HDR_HOST);
	ptrdiff_t at;

	if (!a.n || !hdr)
		return true;
	at = slice_chr(a, '@');
	if (at >= 0)
		a = slice_from(a, at + 1);
	host = http_hdr_value(hdr);
	if (slice_eq_case(a, host))
		return true;
	/* A default port may be left out on one side. */
	ah = slice_has_suffix(a, SLICE(":80"))    ? slice_first(a, a.n - 3)
	     : slice_has_suffix(a, SLICE(":443")) ? slice_first(a, a.n - 4)
						  : a;
	hh = slice_has_suffix(host, SLICE(":80"))    ? slice_first(host, host.n - 3)
	     : slice_has_suffix(host, SLICE(":443")) ? slice_first(host, host.n - 4)
						     : host;
	return slice_eq_case(ah, hh);
}

static enum h1_error request_done(struct h1_head *h, struct http_msg *m)
{
	if ((m->flags & MSG_F_TE_SEEN) && (m->flags & MSG_F_HTTP10))
		return H1_ERR_TE_10;
	if ((m->flags & (MSG_F_ABS_URI | MSG_F_HOST_SEEN)) == (MSG_F_ABS_URI | MSG_F_HOST_SEEN) ||
	    m->method == METH_CONNECT)
		if (!(h->relax & H1_RELAX_HOST) && !host_matches_target(m))
			return H1_ERR_HOST;
	if (m->flags & MSG_F_CHUNKED)
		return H1_ERR_NONE;
	if (!(m->flags & MSG_F_LENGTH))
		m->flags |= MSG_F_NO_BODY;
	return H1_ERR_NONE;
}

enum h1_error h1_check_request(struct http_msg *m, bool relaxed)
{
	uint8_t relax = relaxed ? H1_RELAX_CHARS | H1_RELAX_HOST : 0;
	struct http_hdr *host = http_hdr_find_id(m, HDR_HOST);

	if (bad_target_char(m->target, relax) || !target_form_ok(m) || (m->flags & MSG_F_ABS_URI))
		return H1_ERR_TARGET;
	return host && !host_chars_ok(host, relax) ? H1_ERR_HOST : H1_ERR_NONE;
}

/* Messages that must not have a body must not announce one (RFC 9110 section 8.6). */
static void drop_framing(struct http_msg *m)
{
	if (m->flags & MSG_F_LENGTH)
		http_hdr_delete_all(m, HDR_CONTENT_LENGTH, SLICE_NONE);
	if (m->flags & MSG_F_TE_SEEN)
		http_hdr_delete_all(m, HDR_TRANSFER_ENCODING, SLICE_NONE);
	m->flags &= ~(MSG_F_CHUNKED | MSG_F_LENGTH);
	m->length = 0;
}

static enum h1_error response_done(struct http_msg *m)
{
	if ((m->flags & MSG_F_TE_SEEN) && (m->flags & MSG_F_HTTP10))
		return H1_ERR_TE_10;
	if (m->status < 200) {
		m->flags |= MSG_F_NO_BODY | (m->status == 101 ? MSG_F_TUNNEL : MSG_F_INTERIM);
		drop_framing(m);
		return H1_ERR_NONE;
	}
	if (m->method == METH_CONNECT && m->status < 300) {
		m->flags |= MSG_F_TUNNEL | MSG_F_NO_BODY;
		drop_framing(m);
		return H1_ERR_NONE;
	}
	if (m->status == 204)
		drop_framing(m);
	if (m->method == METH_HEAD || m->status == 204 || m->status == 304)
		m->flags |= MSG_F_NO_BODY;
	else if (!(m->flags & (MSG_F_CHUNKED | MSG_F_LENGTH)))
		m->flags |= MSG_F_CLOSE_DELIM;
	return H1_ERR_NONE;
}

static enum h1_result head_done(struct h1_head *h, struct http_msg *m, struct segment *seg,
				const char *next)
{
	enum h1_error e;

	if (!(m->flags & MSG_F_CONN_CLOSE) && (m->flags & MSG_F_HTTP10) &&
	    !(m->flags & MSG_F_CONN_KA))
		m->flags |= MSG_F_CONN_CLOSE;
	/* Both framings: the length is a lie for somebody. It goes, and so does the connection (RFC 9112 section 6.3). */
	if ((m->flags & MSG_F_CHUNKED) && (m->flags & MSG_F_LENGTH)) {
		http_hdr_delete_all(m, HDR_CONTENT_LENGTH, SLICE_NONE);
		m->flags &= ~MSG_F_LENGTH;
		m->flags |= MSG_F_CONN_CLOSE;
		m->length = 0;
	}
	e = m->flags & MSG_F_RESPONSE ? response_done(m) : request_done(h, m);
	if (e != H1_ERR_NONE)
		return bad(h, seg, e, next);
	m->head_seg = segment_get(seg);
	m->state = m->flags & MSG_F_NO_BODY ? MSG_DONE : MSG_BODY;
	seg->start = next - seg->data;
	return H1_OK;
}

/* Garbage (a TLS hello, another protocol) is recognised by its first bytes, not when a line end happens to come. */
static bool may_be_start(const struct http_msg *m, const char *p, const char *end)
{
	size_t n = end - p < 5 ? (size_t)(end - p) : 5;

	return m->flags & MSG_F_RESPONSE ? memcmp(p, "HTTP/", n) == 0 : is_token(*p);
}

static enum h1_result start_line(struct h1_head *h, struct http_msg *m, struct segment *seg,
				 const char *p, const char *end, const char **next)
{
	const char *eol;
	enum h1_result r;

	if (!may_be_start(m, p, end))
		return bad(h, seg, m->flags & MSG_F_RESPONSE ? H1_ERR_VERSION : H1_ERR_METHOD, p);
	r = find_eol(h, seg, p, end, H1_ERR_TARGET, &eol, next);
	if (r != H1_OK)
		return r;
	m->line = slice_make(p, eol - p);
	r = m->flags & MSG_F_RESPONSE ? status_line(h, m, seg, p, eol)
				      : request_line(h, m, seg, p, eol);
	/* "HTTP/1.1 200" without the blank behind it is completed when sent */
	if (*next - eol != 2 || ((m->flags & MSG_F_RESPONSE) && eol - p == 12))
		m->flags &= ~MSG_F_LINE_RAW;
	return r;
}

enum h1_result h1_parse_head(struct h1_head *h, struct http_msg *m, struct segment *seg)
{
	const char *end = seg->data + seg->end, *next;
	enum h1_result r;

	if (h->line < seg->start)
		h->line = seg->start;
	if (h->scanned > h->line && !memchr(seg->data + h->scanned, '\n', seg->end - h->scanned)) {
		h->scanned = seg->end;
		return H1_MORE;
	}
	for (;; h->line = next - seg->data) {
		char *p = seg->data + h->line;

		if (p == end)
			break;
		if (h->phase != PHASE_START && (*p == '\n' || *p == '\r')) {
			next = p + 1;
			if (*p == '\r') {
				if (next == end)
					break;
				if (*next++ != '\n')
					return bad(h, seg, H1_ERR_BARE_CR, p);
			}
			if (h->phase == PHASE_HEADERS)
				return head_done(h, m, seg, next);
			continue; /* blank lines before a message are skipped (RFC 9112 section 2.2) */
		}
		if (h->phase == PHASE_HEADERS) {
			r = header_line(h, m, seg, p, end, &next);
		} else {
			h->phase = PHASE_START;
			m->state = MSG_HEAD;
			r = start_line(h, m, seg, p, end, &next);
			if (r == H1_OK)
				h->phase = PHASE_HEADERS;
		}
		if (r == H1_MORE)
			break;
		if (r == H1_BAD)
			return r;
	}
	h->scanned = seg->end;
	return H1_MORE;
}

bool h1_may_be_trailer(enum http_hdr_id id)
{
	switch (id) {
	case HDR_CONTENT_LENGTH:
	case HDR_TRANSFER_ENCODING:
	case HDR_HOST:
	case HDR_CONNECTION:
	case HDR_TRAILER:
	case HDR_TE:
	case HDR_UPGRADE:
	case HDR_KEEP_ALIVE:
	case HDR_PROXY_CONNECTION:
	case HDR_AUTHORIZATION:
	case HDR_SET_COOKIE:
	case HDR_COOKIE:
	case HDR_CONTENT_ENCODING:
	case HDR_CONTENT_TYPE:
	case HDR_CONTENT_RANGE:
	case HDR_X_FORWARDED_FOR:
		return false;
	default:
		return true;
	}
}

enum h1_error h1_parse_trailer(struct http_msg *m, char *line, size_t n)
{
	struct http_hdr *hdr;
	size_t i = 0;
	char c;

	for (; i < n && (c = token_lower[(unsigned char)line[i]]); i++)
		line[i] = c;
	if (!i || i == n || line[i] != ':')
		return H1_ERR_TRAILER;
	for (size_t k = i + 1; k < n; k++)
		if (((unsigned char)line[k] < 0x20 && line[k] != '\t') || line[k] == 0x7f)
			return H1_ERR_TRAILER;
	if (!h1_may_be_trailer(http_hdr_id(slice_make(line, i))))
		return H1_ERR_NONE;
	hdr = m->trailers.n + 1u < http_max_hdrs ? http_hdrs_add(m, &m->trailers) : NULL;
	if (!hdr)
		return H1_ERR_TOO_MANY_HEADERS;
	struct slice v = slice_trim(slice_make(line + i + 1, n - i - 1));

	*hdr = (struct http_hdr){
		line, v.p, (uint32_t)v.n, (uint16_t)i, (uint8_t)http_hdr_id(slice_make(line, i)), 0
	};
	return H1_ERR_NONE;
}
