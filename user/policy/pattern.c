// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern.c - parsing the values of ACLs: numbers and ranges, networks, hexadecimal bytes, text, regular expressions,
 * and files with one value a line. Control thread, while the configuration is read.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "policy/pattern.h"
#include "policy/pattern_index.h"
#include "policy/sample_util.h"

/* One value under the parser, with what an error has to name. */
struct value {
	struct cfg_line *l;
	int word;
	const char *text;
	const struct pattern_words *w;
	const char *file;
	int file_line;
};

static int bad(const struct value *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static int bad(const struct value *v, const char *fmt, ...)
{
	va_list ap;
	char why[512];

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	if (v->file)
		return cfg_error(v->l, v->word, "%s:%d: %s", v->file, v->file_line, why);
	return cfg_error(v->l, v->word, "%s", why);
}

/* ---- numbers ---- */

static bool number(struct slice s, bool version, int64_t *out)
{
	ptrdiff_t dot = version ? slice_chr(s, '.') : -1;
	int64_t major, minor;

	if (dot < 0) {
		if (parse_i64(s, INT64_MIN, INT64_MAX, out))
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

static int parse_int(const struct value *v, struct pattern *p, bool version)
{
	struct slice s = slice_z(v->text), low, high;
	ptrdiff_t colon = slice_chr(s, ':');
	int64_t n;

	if (colon < 0) {
		if (!number(s, version, &n))
			return bad(v,
				   "'%s' is no number; write a number, a range <low>:<high>, or "
				   "one behind eq, ge, gt, "
				   "le or lt",
				   v->text);
		apply_operator(p, v->w->op, n);
		return 0;
	}
	low = slice_first(s, colon);
	high = slice_from(s, colon + 1);
	p->has_min = low.n;
	p->has_max = high.n;
	if ((!low.n && !high.n) || (low.n && !number(low, version, &p->min)) ||
	    (high.n && !number(high, version, &p->max)) || (low.n && high.n && p->min > p->max))
		return bad(v,
			   "'%s' is no range; write <low>:<high>, with one of them left out for an "
			   "open end",
			   v->text);
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

/* "10.12" is 10.0.0.12, as inet_aton() and the manual have it. */
static int parse_address(const char *text, bool dns, struct addr *a)
{
	struct in_addr in;

	memset(a, 0, sizeof(*a));
	if (strchr(text, ':'))
		return slice_to_ip6(slice_z(text), a) ? 0 : -1;
	if (inet_aton(text, &in)) {
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
		   "'%s' is no address; write an IPv4 or IPv6 address, with /<bits> for a network, "
		   "or an IPv4 host name%s",
		   v->text, v->w->no_dns ? " (which -n forbids)" : " that resolves");
}

/* ---- the rest ---- */

static int parse_hex(const struct value *v, struct pattern *p)
{
	size_t n = strlen(v->text);
	char *out = arena_alloc(v->l->arena, n / 2 + 1);

	for (size_t i = 0; i < n; i++)
		if (!isxdigit((unsigned char)v->text[i]))
			return bad(v, "'%s': '%c' is no hexadecimal digit", v->text, v->text[i]);
	if (n % 2)
		return bad(v, "'%s': bytes need an even number of hexadecimal digits", v->text);
	for (size_t i = 0; i < n / 2; i++) {
		char two[3] = { v->text[2 * i], v->text[2 * i + 1], 0 };

		out[i] = (char)strtoul(two, NULL, 16);
	}
	p->text = slice_make(out, n / 2);
	return 0;
}

static int parse_regex(const struct value *v, struct pattern *p)
{
	char why[200];

	p->re = regex_compile(v->l->arena, v->text, p->icase, v->w->groups, why, sizeof(why));
	return p->re ? 0 : bad(v, "regular expression '%s': %s", v->text, why);
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

int patterns_add(struct patterns *p, struct cfg_line *l, int i, const char *text,
		 const struct pattern_words *w, const char *from_file, int file_line)
{
	struct value v = { l, i, text, w, from_file, file_line };
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
	memset(pat, 0, sizeof(*pat));
	pat->icase = w->icase;
	pat->text = arena_dup(l->arena, slice_z(text));
	if (parse_value(p->kind, &v, pat))
		return -1;
	p->n++;
	return 0;
}

int patterns_add_file(struct patterns *p, struct cfg_line *l, int i, const char *path,
		      const struct pattern_words *w, bool map)
{
	FILE *f = fopen(path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int nr = 0, r = 0;

	if (!f)
		return cfg_error(l, i, "cannot open '%s': %s", path, strerror(errno));
	while (!r && (n = getline(&line, &cap, f)) >= 0) {
		char *at = line;

		nr++;
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = 0;
		if (*at == '#')
			continue;
		while (*at == ' ' || *at == '\t')
			at++;
		if (map)
			at[strcspn(at, " \t")] = 0;
		if (*at)
			r = patterns_add(p, l, i, at, w, path, nr);
	}
	if (!r && ferror(f))
		r = cfg_error(l, i, "cannot read '%s': %s", path, strerror(errno));
	free(line);
	fclose(f);
	return r;
}
