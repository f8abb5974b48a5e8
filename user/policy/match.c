// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * match.c - how a sample is compared with one value, a function per method of -m. Any worker.
 */
#include "policy/pattern.h"
#include "base/coverage.h"
#include "policy/pattern_index.h"
#include "policy/sample_util.h"

__thread uint64_t pattern_compares;

static const struct match_row rows[] = {
	{ "found", MATCH_FOUND, SMP_ANY, "The value exists, whatever it is." },
	{ "bool", MATCH_BOOL, SMP_BOOL, "The value is true, or a number other than 0." },
	{ "int", MATCH_INT, SMP_INT, "A number, a range a:b, or eq ge gt le lt in front of one." },
	{ "ip", MATCH_IP, SMP_ADDR, "An address or a network, IPv4 or IPv6." },
	{ "bin", MATCH_BIN, SMP_BIN, "Bytes, written as hexadecimal digits." },
	{ "len", MATCH_LEN, SMP_STR, "The length is that number, or in the range." },
	{ "str", MATCH_STR, SMP_STR, "The whole text is equal." },
	{ "beg", MATCH_BEG, SMP_STR, "The text begins so." },
	{ "sub", MATCH_SUB, SMP_STR, "The text contains it." },
	{ "dir", MATCH_DIR, SMP_STR, "A part between slashes is equal." },
	{ "dom", MATCH_DOM, SMP_STR, "A part between dots, colons, slashes is equal." },
	{ "end", MATCH_END, SMP_STR, "The text ends so." },
	{ "reg", MATCH_REG, SMP_STR, "The regular expression matches somewhere." },
};
static const struct match_row version_row = { "version", MATCH_VERSION, SMP_INT,
					      "Two numbers with a dot." };

const struct match_row *match_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, name)) {
			coverage_note("acl-match -m", name);
			return &rows[i];
		}
	return NULL;
}

const struct match_row *match_of(enum match_kind kind)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].kind == kind)
			return &rows[i];
	return kind == MATCH_VERSION ? &version_row : NULL;
}

enum match_kind match_default(enum smp_type t)
{
	static const enum match_kind kinds[SMP_ANY + 1] = {
		[SMP_BOOL] = MATCH_BOOL, [SMP_INT] = MATCH_INT, [SMP_IP4] = MATCH_IP,
		[SMP_IP6] = MATCH_IP,    [SMP_ADDR] = MATCH_IP, [SMP_STR] = MATCH_STR,
		[SMP_METH] = MATCH_STR,
	};

	return kinds[t];
}

static bool int_matches(const struct pattern *v, int64_t i)
{
	return (!v->has_min || i >= v->min) && (!v->has_max || i <= v->max);
}

static bool net_matches(const struct pattern *v, const struct addr *a, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		if ((a->ip[i] ^ v->net.ip[i]) & v->mask[i])
			return false;
	return true;
}

/* The four combinations of families are those of the manual, section 7.1.6. */
static bool ip_matches(const struct pattern *v, const struct addr *a)
{
	struct addr other = *a;

	if (v->net.family == ADDR_IP4) {
		if (a->family == ADDR_IP6 && !addr_ip6_to_ip4(&other))
			return false;
		return net_matches(v, &other, 4);
	}
	if (a->family == ADDR_IP4)
		addr_ip4_to_ip6(&other);
	return net_matches(v, &other, 16);
}

static bool same(struct slice a, struct slice b, bool icase)
{
	return icase ? slice_eq_case(a, b) : slice_eq(a, b);
}

static bool contains(struct slice s, struct slice part, bool icase)
{
	if (!icase)
		return !part.n || (s.n >= part.n && memmem(s.p, s.n, part.p, part.n));
	for (size_t i = 0; i + part.n <= s.n; i++)
		if (!strncasecmp(s.p + i, part.p, part.n))
			return true;
	return false;
}

static bool is_delim(char c, const char *delims)
{
	return c && strchr(delims, c);
}

struct slice match_trim(struct slice s, const char *delims)
{
	while (s.n && is_delim(s.p[0], delims)) {
		s.p++;
		s.n--;
	}
	while (s.n && is_delim(s.p[s.n - 1], delims))
		s.n--;
	return s;
}

/* @part stands in @s between delimiters (or its ends). */
static bool has_word(struct slice s, struct slice part, bool icase, const char *delims)
{
	bool starts = true;

	for (size_t i = 0; i + part.n <= s.n; i++) {
		if (i < s.n && is_delim(s.p[i], delims)) {
			starts = true;
			continue;
		}
		if (starts && same(slice_make(s.p + i, part.n), part, icase) &&
		    (i + part.n == s.n || is_delim(s.p[i + part.n], delims)))
			return true;
		starts = false;
	}
	return false;
}

bool pattern_matches(enum match_kind kind, const struct pattern *v, const struct sample *s)
{
	struct slice t = s->u.s;

	pattern_compares++;
	switch (kind) {
	case MATCH_INT:
	case MATCH_VERSION:
		return int_matches(v, s->u.i);
	case MATCH_LEN:
		return int_matches(v, (int64_t)t.n);
	case MATCH_IP:
		return ip_matches(v, &s->u.a);
	case MATCH_BIN:
		return slice_eq(t, v->text);
	case MATCH_STR:
		return same(t, v->text, v->icase);
	case MATCH_BEG:
		return t.n >= v->text.n && same(slice_first(t, v->text.n), v->text, v->icase);
	case MATCH_END:
		return t.n >= v->text.n && same(slice_from(t, t.n - v->text.n), v->text, v->icase);
	case MATCH_SUB:
		return contains(t, v->text, v->icase);
	case MATCH_DIR:
		return has_word(t, v->text, v->icase, MATCH_DIR_DELIMS);
	case MATCH_DOM:
		return has_word(t, v->text, v->icase, MATCH_DOM_DELIMS);
	case MATCH_REG:
		return regex_match(v->re, t, 0, NULL);
	case MATCH_BOOL:
		return s->u.i != 0;
	case MATCH_FOUND:
	case MATCH_NONE:
		break;
	}
	return true;
}

bool patterns_match(const struct patterns *p, const struct sample *s)
{
	if (p->kind == MATCH_FOUND)
		return true;
	if (p->kind == MATCH_BOOL)
		return s->u.i != 0;
	if (p->index)
		return pattern_index_has(p->index, s);
	for (int i = 0; i < p->n; i++)
		if (pattern_matches(p->kind, &p->v[i], s))
			return true;
	return false;
}
