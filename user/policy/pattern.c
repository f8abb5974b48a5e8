// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern.c - parsing the values of ACLs and the keys of maps: numbers and ranges, networks, hexadecimal bytes, text, regular
 * expressions. Not for files of them (pattern_file.c). Control thread; at run time also workers (`set-map` and its like).
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "policy/pattern.h"
#include "policy/pattern_index.h"
#include "policy/sample_util.h"

/* One value under the parser. */
struct value {
	const char *text;
	const struct pattern_words *w;
	struct arena *arena; /* NULL: what is made lies on the heap */
	struct pattern_error *err;
};

static int bad(const struct value *v, const char *advice, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int bad(const struct value *v, const char *advice, const char *fmt, ...)
{
	va_list ap;

	v->err->advice = advice;
	va_start(ap, fmt);
	vsnprintf(v->err->what, sizeof(v->err->what), fmt, ap);
	va_end(ap);
	return -1;
}

/* ---- numbers ---- */

static bool number(struct slice s, bool version, int64_t *out)
{
	ptrdiff_t dot = version ? slice_chr(s, '.') : -1;
	int64_t major, minor;

	if (dot < 0) {
		if (parse_i64(s, version ? INT32_MIN : INT64_MIN, version ? INT32_MAX : INT64_MAX,
			      out))
			return false;
		if (version)
			*out *= 65536;
		return true;
	}
	if (parse_i64(slice_first(s, dot), 0, 65535, &major) ||
	    parse_i64(slice_from(s, dot + 1), 0, 65535, &minor))
		return false;
	*out = major * 65536 + minor;
	return true;
}

/* An operator in front of a range says nothing: the range holds (as in the oracle). */
static void apply_operator(struct pattern *p, const char *op, int64_t n)
{
	p->has_min = p->has_max = true;
	p->min = p->max = n;
	if (!op || !strcmp(op, "eq"))
		return;
	if (op[0] == 'g') {
		p->has_max = false;
		if (op[1] == 't' && n == INT64_MAX)
			p->has_max = true, p->max = INT64_MIN; /* nothing is greater */
		p->min = op[1] == 't' && n < INT64_MAX ? n + 1 : n;
	} else {
		p->has_min = false;
		if (op[1] == 't' && n == INT64_MIN)
			p->has_min = true, p->min = INT64_MAX;
		p->max = op[1] == 't' && n > INT64_MIN ? n - 1 : n;
	}
}

/* "3:9", and as in the oracle also "3-9": so "-5" is all up to 5, and only what stands behind ':' can be negative. */
static int parse_int(const struct value *v, struct pattern *p, bool version)
{
	struct slice s = slice_z(v->text), low, high;
	size_t at = strcspn(v->text, ":-");
	ptrdiff_t colon = at < s.n ? (ptrdiff_t)at : -1;
	int64_t n;

	if (colon < 0) {
		if (!number(s, version, &n))
			return bad(v,
				   "write a number, a range <low>:<high>, or one behind eq, ge, "
				   "gt, le or lt",
				   "'%s' is not a number", v->text);
		apply_operator(p, v->w->op, n);
		return 0;
	}
	low = slice_first(s, colon);
	high = slice_from(s, colon + 1);
	p->has_min = low.n;
	p->has_max = high.n;
	if ((!low.n && !high.n) || (low.n && !number(low, version, &p->min)) ||
	    (high.n && !number(high, version, &p->max)) || (low.n && high.n && p->min > p->max))
		return bad(v, "write <low>:<high>, with one of them left out for an open end",
			   "'%s' is not a valid number range", v->text);
	if (version && high.n && slice_chr(high, '.') < 0)
		p->max += 65535;
	return 0;
}

/* ---- addresses ---- */

static int host_address(const char *host, struct addr *a)
{
	struct addrinfo hints = { .ai_family = AF_INET, .ai_socktype = SOCK_STREAM }, *found;

	if (getaddrinfo(host, NULL, &hints, &found))
		return -1;
	memset(a, 0, sizeof(*a));
	a->family = ADDR_IP4;
	memcpy(a->ip, &((struct sockaddr_in *)found->ai_addr)->sin_addr, 4);
	freeaddrinfo(found);
	return 0;
}

/* "10.12" is 10.0.0.12, as inet_aton() and the manual have it; where names are not allowed that is none, either (as in the
 * oracle). */
static int parse_address(const char *text, bool dns, struct addr *a)
{
	struct in_addr in;

	memset(a, 0, sizeof(*a));
	if (strchr(text, ':'))
		return slice_to_ip6(slice_z(text), a) ? 0 : -1;
	if (dns ? inet_aton(text, &in) : inet_pton(AF_INET, text, &in)) {
		a->family = ADDR_IP4;
		memcpy(a->ip, &in, 4);
		return 0;
	}
	return dns ? host_address(text, a) : -1;
}

static int parse_mask(const char *text, const struct addr *a, struct pattern *p)
{
	int64_t bits, most = a->family == ADDR_IP4 ? 32 : 128;
	struct in_addr in;

	if (!parse_i64(slice_z(text), 0, most, &bits)) {
		p->bits = (uint8_t)bits;
		p->mask_is_prefix = true;
		for (int i = 0; i < bits; i++)
			p->mask[i / 8] |= 0x80 >> (i % 8);
		return 0;
	}
	if (a->family != ADDR_IP4 || !strchr(text, '.') || !inet_aton(text, &in))
		return -1;
	memcpy(p->mask, &in, 4);
	while (p->bits < 32 && (p->mask[p->bits / 8] & (0x80 >> (p->bits % 8))))
		p->bits++;
	p->mask_is_prefix = ntohl(in.s_addr) == (p->bits ? ~0u << (32 - p->bits) : 0);
	return 0;
}

static int parse_ip(const struct value *v, struct pattern *p)
{
	char host[300];
	const char *slash = strchr(v->text, '/');
	size_t n = slash ? (size_t)(slash - v->text) : strlen(v->text);

	if (n < sizeof(host)) {
		memcpy(host, v->text, n);
		host[n] = 0;
		if (!parse_address(host, !v->w->no_dns, &p->net) &&
		    !parse_mask(slash                       ? slash + 1
				: p->net.family == ADDR_IP4 ? "32"
							    : "128",
				&p->net, p)) {
			for (int i = 0; i < 16; i++)
				p->net.ip[i] &= p->mask[i];
			return 0;
		}
	}
	return bad(v,
		   v->w->no_dns ? "write all four numbers of an IPv4 address, or an IPv6 address, "
				  "with /<bits> for a network; no host name here, which -n forbids"
				: "write an IPv4 or IPv6 address, with /<bits> for a network, or "
				  "an IPv4 host name that resolves",
		   "'%s' is not a valid IPv4 or IPv6 address", v->text);
}

/* ---- the rest ---- */

static int parse_hex(const struct value *v, struct pattern *p)
{
	size_t n = strlen(v->text);
	char *out;

	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)v->text[i]))
			return bad(v, "bytes are written as 0-9, a-f and A-F",
				   "an hex digit is expected (found '%c')", v->text[i]);
	if (n % 2)
		return bad(v, "two stand for a byte", "an even number of hex digit is expected");
	out = v->arena ? arena_alloc(v->arena, n / 2 + 1) : xmalloc(n / 2 + 1);
	for (size_t i = 0; i < n / 2; i++) {
		char two[3] = { v->text[2 * i], v->text[2 * i + 1], 0 };

		out[i] = (char)strtoul(two, NULL, 16);
	}
	p->text = slice_make(out, n / 2);
	return 0;
}

/* "error at offset 3": as the runtime API of the oracle parts it. */
static const char *offset_apart(char why[200])
{
	char *at = strstr(why, " at offset ");
	int offset = at ? atoi(at + 11) : 0;

	if (at)
		snprintf(at, 200 - (size_t)(at - why), ", erroffset=%d", offset);
	return why;
}

static int parse_regex(const struct value *v, struct pattern *p)
{
	char why[200];

	p->re = regex_compile(v->arena, v->text, p->icase, v->w->groups, why, sizeof(why));
	return p->re ? 0
		     : bad(v, "the syntax is Perl's (PCRE2)", "regex '%s' is invalid (error=%s)",
			   v->text, offset_apart(why));
}

static int parse_value(enum match_kind kind, const struct value *v, struct pattern *p)
{
	switch (kind) {
	case MATCH_INT:
	case MATCH_LEN:
	case MATCH_VERSION:
		return parse_int(v, p, kind == MATCH_VERSION);
	case MATCH_IP:
		return parse_ip(v, p);
	case MATCH_BIN:
		return parse_hex(v, p);
	case MATCH_REG:
		return parse_regex(v, p);
	case MATCH_DIR:
		p->text = match_trim(p->text, MATCH_DIR_DELIMS);
		return 0;
	case MATCH_DOM:
		p->text = match_trim(p->text, MATCH_DOM_DELIMS);
		return 0;
	default:
		return 0;
	}
}

int pattern_parse(enum match_kind kind, const char *text, const struct pattern_words *w,
		  struct arena *a, struct pattern *out, struct pattern_error *err)
{
	struct value v = { text, w, a, err };

	memset(out, 0, sizeof(*out));
	out->icase = w->icase;
	out->text = slice_z(text);
	return parse_value(kind, &v, out);
}

/* "gt 3" is kept as "4:", as the runtime API shows it. */
static const char *as_written(struct arena *a, const struct pattern *p, const char *text,
			      const char *op)
{
	if (!op || !strcmp(op, "eq") || strpbrk(text, ":-") || p->has_min == p->has_max)
		return text;
	if (p->has_min)
		return arena_printf(a, "%lld:", (long long)p->min);
	return arena_printf(a, ":%lld", (long long)p->max);
}

static bool numbers_of(enum match_kind k)
{
	return k == MATCH_INT || k == MATCH_LEN;
}

int patterns_add(struct patterns *p, struct cfg_line *l, int i, const char *text,
		 const struct pattern_words *w)
{
	struct pattern_error err;
	struct pattern *pat;

	if (p->n == p->cap) {
		int cap = p->cap ? p->cap * 2 : 4;
		struct pattern *more = arena_alloc(l->arena, sizeof(*more) * cap);

		if (p->n)
			memcpy(more, p->v, sizeof(*more) * p->n);
		p->v = more;
		p->cap = cap;
	}
	pat = &p->v[p->n];
	text = arena_strdup(l->arena, text);
	if (pattern_parse(p->kind, text, w, l->arena, pat, &err))
		return cfg_error(l, i, "%s; %s", err.what, err.advice);
	if (text[0] == '-' && isdigit((unsigned char)text[1]) && numbers_of(p->kind))
		cfg_warn(l, i, "'%s' means every number up to %s; ':%s' means those up to %s", text,
			 text + 1, text, text);
	pat->written = as_written(l->arena, pat, text, w->op);
	p->n++;
	return 0;
}
