// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_pick.c - converters that pick one thing out of a text: a parameter, the best language, a part of a Forwarded header
 * (RFC 7239); and small tests of texts. Any worker.
 */
#include <ctype.h>
#include <stdio.h>

#include "base/units.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

/* ---- param(name[,delimiter]) ---- */

static int check_param(struct cfg_line *l, int word, struct smp_arg *args)
{
	args[1].i = '&';
	if (!arg_given(args, 1))
		return 0;
	if (args[1].s.n != 1)
		return cfg_error(
			l, word,
			"converter 'param': the delimiter must be one character, not '%.*s'",
			SLICE_FMT(args[1].s));
	args[1].i = (unsigned char)args[1].s.p[0];
	return 0;
}

static bool conv_param(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice rest = smp->u.s, name = args[0].s;

	for (;;) {
		ptrdiff_t end = slice_chr(rest, (char)args[1].i);
		struct slice one = slice_first(rest, end < 0 ? rest.n : (size_t)end);

		if (one.n >= name.n && !memcmp(one.p, name.p, name.n) &&
		    (one.n == name.n || one.p[name.n] == '=')) {
			smp->u.s = slice_from(one, name.n + (one.n > name.n));
			return true;
		}
		if (end < 0)
			return false;
		rest = slice_from(rest, (size_t)end + 1);
	}
}

/* ---- language(list[,default]) ---- */

/* "0.8" in thousandths; without a q it is 1. */
static int quality(struct slice params)
{
	ptrdiff_t q = slice_chr(params, '=');
	struct slice v;
	int n = 0;

	if (q < 0)
		return 1000;
	v = slice_trim(slice_from(params, (size_t)q + 1));
	for (size_t i = 0, digits = 0; i < v.n && digits < 4; i++) {
		if (v.p[i] == '.')
			continue;
		if (!isdigit((unsigned char)v.p[i]))
			break;
		n += (v.p[i] - '0') * (digits == 0   ? 1000
				       : digits == 1 ? 100
				       : digits == 2 ? 10
						     : 1);
		digits++;
	}
	return n > 1000 ? 1000 : n;
}

/* The entry of the ';' list @choices that @tag, or its part before '-', is equal to. */
static struct slice choice_of(struct slice choices, struct slice tag)
{
	for (int base = 0; base < 2; base++) {
		struct slice rest = choices;
		ptrdiff_t dash = slice_chr(tag, '-');

		if (base) {
			if (dash < 0)
				break;
			tag = slice_first(tag, (size_t)dash);
		}
		while (rest.n) {
			ptrdiff_t end = slice_chr(rest, ';');
			struct slice one = slice_first(rest, end < 0 ? rest.n : (size_t)end);

			if (one.n && slice_eq(one, tag))
				return one;
			rest = slice_from(rest, one.n + 1);
		}
	}
	return SLICE_NONE;
}

static bool conv_language(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice rest = smp->u.s, best = SLICE_NONE;
	int best_q = 0;

	while (rest.n) {
		ptrdiff_t end = slice_chr(rest, ',');
		struct slice one = slice_first(rest, end < 0 ? rest.n : (size_t)end);
		ptrdiff_t semi = slice_chr(one, ';');
		struct slice tag = slice_trim(slice_first(one, semi < 0 ? one.n : (size_t)semi));
		struct slice found = choice_of(args[0].s, tag);
		int q = semi < 0 ? 1000 : quality(slice_from(one, (size_t)semi + 1));

		if (found.p && q > best_q) {
			best = found;
			best_q = q;
		}
		rest = slice_from(rest, one.n + 1);
	}
	if (!best.p && arg_given(args, 1))
		best = args[1].s;
	return best.p && smp_str(smp, best);
}

/* ---- reverse_dom, has_ctl ---- */

/* "www.example.com" -> "com.example.www" */
static bool conv_reverse_dom(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *smp)
{
	struct slice s = smp->u.s;
	char *buf = smp_alloc(ctx, s.n);
	size_t used = 0, end = s.n;

	if (!buf)
		return false;
	for (size_t i = s.n + 1; i-- > 0;) {
		if (i && s.p[i - 1] != '.')
			continue;
		memcpy(buf + used, s.p + i, end - i);
		used += end - i;
		if (i) {
			buf[used++] = '.';
			end = i - 1;
		}
	}
	return smp_str(smp, slice_make(buf, used));
}

static bool conv_has_ctl(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	bool found = false;

	for (size_t i = 0; i < smp->u.s.n && !found; i++)
		found = (unsigned char)smp->u.s.p[i] < 0x20 || smp->u.s.p[i] == 0x7f;
	return smp_bool(smp, found);
}

/* ---- RFC 7239: for=192.0.2.60;proto=http;by="[2001:db8::1]:8080", for=_hidden ---- */

static bool is_token_char(char c)
{
	return c && (isalnum((unsigned char)c) || strchr("!#$%&'*+-.^_`|~", c));
}

/* A token or a quoted string at *@s; @out without quotes. */
static bool take_value(struct slice *s, struct slice *out)
{
	size_t n = 0;

	if (!s->n || s->p[0] != '"') {
		while (n < s->n && is_token_char(s->p[n]))
			n++;
		*out = slice_first(*s, n);
		*s = slice_from(*s, n);
		return n > 0;
	}
	for (n = 1; n < s->n && s->p[n] != '"'; n++) {
		unsigned char c = (unsigned char)s->p[n];

		if ((c < 0x20 && c != '\t') || c == 0x7f)
			return false;
		if (c == '\\')
			n++;
	}
	if (n >= s->n)
		return false;
	*out = slice_make(s->p + 1, n - 1);
	*s = slice_from(*s, n + 1);
	return true;
}

static void skip_blanks(struct slice *s)
{
	while (s->n && (s->p[0] == ' ' || s->p[0] == '\t'))
		*s = slice_from(*s, 1);
}

static bool obfuscated(struct slice s)
{
	if (s.n < 2 || s.p[0] != '_')
		return false;
	for (size_t i = 1; i < s.n; i++)
		if (!isalnum((unsigned char)s.p[i]) && !strchr("._-", s.p[i]))
			return false;
	return true;
}

/* node = nodename [ ":" node-port ]. @port.p is NULL without a port. */
struct node {
	struct slice name, port;
	struct addr addr; /* family ADDR_NONE: unknown or obfuscated */
};

static bool node_split(struct slice s, struct node *n)
{
	ptrdiff_t end;

	memset(n, 0, sizeof(*n));
	if (s.n && s.p[0] == '[') {
		end = slice_chr(s, ']');
		if (end < 0)
			return false;
		n->name = slice_make(s.p + 1, (size_t)end - 1);
		s = slice_from(s, (size_t)end + 1);
	} else {
		end = slice_chr(s, ':');
		n->name = slice_first(s, end < 0 ? s.n : (size_t)end);
		s = slice_from(s, n->name.n);
	}
	if (!s.n)
		return true;
	if (s.p[0] != ':')
		return false;
	n->port = slice_from(s, 1);
	return n->port.n > 0;
}

static bool node_parse(struct slice s, struct node *n)
{
	int64_t port;
	bool ip6 = s.n && s.p[0] == '[';

	if (!node_split(s, n))
		return false;
	if (n->port.p && !obfuscated(n->port) && parse_i64(n->port, 0, 65535, &port))
		return false;
	if (!ip6 && (slice_eq_z(n->name, "unknown") || obfuscated(n->name)))
		return true;
	return !addr_parse_ip(&n->addr, n->name) && n->addr.family == (ip6 ? ADDR_IP6 : ADDR_IP4);
}

enum forwarded_field { FW_PROTO, FW_HOST, FW_FOR, FW_BY, FW_FIELDS };
static const char *const forwarded_names[FW_FIELDS] = { "proto", "host", "for", "by" };

/* "example.com", "192.0.2.1:80", "[::1]:80" */
static bool host_ok(struct slice v)
{
	for (size_t i = 0; i < v.n; i++)
		if (!isalnum((unsigned char)v.p[i]) && !strchr("-._~!$&'()*+,;=%:[]", v.p[i]))
			return false;
	return v.n > 0;
}

static bool field_ok(enum forwarded_field f, struct slice v)
{
	struct node n;

	switch (f) {
	case FW_PROTO:
		return slice_eq_case(v, SLICE("http")) || slice_eq_case(v, SLICE("https"));
	case FW_HOST:
		return host_ok(v);
	default:
		return node_parse(v, &n);
	}
}

/* One element of the header (the first; what is behind a comma is another hop's). @found: by field. */
static bool forwarded_parse(struct slice s, struct slice found[FW_FIELDS])
{
	memset(found, 0, sizeof(*found) * FW_FIELDS);
	for (;;) {
		struct slice name, v;
		int f = 0;

		skip_blanks(&s);
		if (!take_value(&s, &name) || !s.n || s.p[0] != '=')
			return false;
		s = slice_from(s, 1);
		if (!take_value(&s, &v))
			return false;
		while (f < FW_FIELDS && !slice_eq_case(name, slice_z(forwarded_names[f])))
			f++;
		if (f == FW_FIELDS || found[f].p || !field_ok((enum forwarded_field)f, v))
			return false;
		found[f] = v;
		skip_blanks(&s);
		if (!s.n || s.p[0] == ',')
			return true;
		if (s.p[0] != ';')
			return false;
		s = slice_from(s, 1);
	}
}

static bool conv_forwarded_ok(const struct smp_arg *args, const struct smp_ctx *ctx,
			      struct sample *smp)
{
	struct slice found[FW_FIELDS];

	return smp_bool(smp, forwarded_parse(smp->u.s, found));
}

static int check_field(struct cfg_line *l, int word, struct smp_arg *args)
{
	for (int f = 0; f < FW_FIELDS; f++) {
		if (slice_eq_z(args[0].s, forwarded_names[f])) {
			args[0].i = f;
			return 0;
		}
	}
	return cfg_error(l, word,
			 "converter 'rfc7239_field': the fields are proto, host, for and by, not "
			 "'%.*s'",
			 SLICE_FMT(args[0].s));
}

static bool conv_field(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice found[FW_FIELDS];

	return forwarded_parse(smp->u.s, found) && found[args[0].i].p &&
	       smp_str(smp, found[args[0].i]);
}

static bool conv_node_name(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	struct node n;

	if (!node_parse(smp->u.s, &n))
		return false;
	return n.addr.family == ADDR_NONE ? smp_str(smp, n.name) : smp_addr(smp, &n.addr);
}

static bool conv_node_port(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	struct node n;
	int64_t port;

	if (!node_parse(smp->u.s, &n) || !n.port.p)
		return false;
	return parse_i64(n.port, 0, 65535, &port) ? smp_str(smp, n.port) : smp_int(smp, port);
}

#define NODE(n, fn) \
	.name = n, .in = SMP_STR, .out = SMP_ANY, .convert = fn, .flags = CONV_OUT_VARIES

static const struct converter_row rows[] = {
	{ .name = "param",
	  .in = SMP_STR,
	  .out = SMP_STR,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = conv_param,
	  .check = check_param,
	  .help = "The value of the first parameter of this name in a list like a=1&b=2; the "
		  "delimiter can be chosen." },
	{ .name = "language",
	  .in = SMP_STR,
	  .out = SMP_STR,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = conv_language,
	  .help = "The language of the list (with ';') that an Accept-Language header likes best; "
		  "or "
		  "a default." },
	{ .name = "reverse_dom",
	  .in = SMP_STR,
	  .out = SMP_STR,
	  .convert = conv_reverse_dom,
	  .help = "A domain name with its labels in reverse order: com.example.www." },
	{ .name = "has_ctl",
	  .in = SMP_BIN,
	  .out = SMP_BOOL,
	  .convert = conv_has_ctl,
	  .help = "There are control characters in it." },
	{ .name = "rfc7239_is_valid",
	  .in = SMP_STR,
	  .out = SMP_BOOL,
	  .convert = conv_forwarded_ok,
	  .help = "It is a valid Forwarded header." },
	{ .name = "rfc7239_field",
	  .in = SMP_STR,
	  .out = SMP_STR,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_STR },
	  .convert = conv_field,
	  .check = check_field,
	  .help = "A field of the first element of a Forwarded header: proto, host, for or by." },
	{ NODE("rfc7239_n2nn", conv_node_name),
	  .help = "The name in a node (for, by): an address, 'unknown' or '_something'." },
	{ NODE("rfc7239_n2np", conv_node_port),
	  .help = "The port in a node: a number or '_something'." },
	{ NODE("rfc7239_nn", conv_node_name), .help = "The same as rfc7239_n2nn." },
	{ NODE("rfc7239_np", conv_node_port), .help = "The same as rfc7239_n2np." },
};

void conv_pick_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
