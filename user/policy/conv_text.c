// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_text.c - converters that cut, join and rewrite text. Any worker; what is made lies in the context's scratch.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/regex.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "policy/vars.h"

#define MOST_TEXT (1u << 20) /* of a result */

/* ---- case, length, ends ---- */

static bool conv_case(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	bool up = args[SMP_MAX_ARGS - 1].i;
	char *buf = smp_alloc(ctx, smp->u.s.n);

	if (!buf)
		return false;
	for (size_t i = 0; i < smp->u.s.n; i++)
		buf[i] = (char)(up ? toupper((unsigned char)smp->u.s.p[i])
				   : tolower((unsigned char)smp->u.s.p[i]));
	smp->u.s.p = buf;
	return true;
}

static bool conv_length(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_int(smp, (int64_t)smp->u.s.n);
}

static bool conv_ltrim(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	while (smp->u.s.n && slice_chr(args[0].s, smp->u.s.p[0]) >= 0)
		smp->u.s = slice_from(smp->u.s, 1);
	return true;
}

static bool conv_rtrim(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	while (smp->u.s.n && slice_chr(args[0].s, smp->u.s.p[smp->u.s.n - 1]) >= 0)
		smp->u.s.n--;
	return true;
}

static bool conv_cut_crlf(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	for (size_t i = 0; i < smp->u.s.n; i++)
		if (smp->u.s.p[i] == '\r' || smp->u.s.p[i] == '\n')
			smp->u.s.n = i;
	return true;
}

static bool conv_reverse(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	char *buf = smp_alloc(ctx, smp->u.s.n);

	if (!buf)
		return false;
	for (size_t i = 0; i < smp->u.s.n; i++)
		buf[i] = smp->u.s.p[smp->u.s.n - 1 - i];
	smp->u.s.p = buf;
	return true;
}

static bool conv_bytes(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	if (args[0].i < 0)
		return false;
	smp->u.s = slice_from(smp->u.s, (size_t)args[0].i);
	if (arg_given(args, 1) && args[1].i >= 0)
		smp->u.s = slice_first(smp->u.s, (size_t)args[1].i);
	return true;
}

/* ---- fields (empty ones count) and words (they do not) ---- */

struct parts {
	struct slice text, delims;
	size_t at;
	bool words, done;
};

static bool is_delim(const struct parts *p, size_t i)
{
	return slice_chr(p->delims, p->text.p[i]) >= 0;
}

/* The next part from the left. */
static bool next_part(struct parts *p, size_t *start, size_t *end)
{
	size_t i = p->at;

	if (p->words)
		while (i < p->text.n && is_delim(p, i))
			i++;
	if (p->done || (p->words && i == p->text.n))
		return false;
	*start = i;
	while (i < p->text.n && !is_delim(p, i))
		i++;
	*end = i;
	p->done = i == p->text.n;
	p->at = i + 1;
	return true;
}

static bool next_part_back(struct parts *p, size_t *start, size_t *end)
{
	size_t i = p->at;

	if (p->words)
		while (i > 0 && is_delim(p, i - 1))
			i--;
	if (p->done || (p->words && !i))
		return false;
	*end = i;
	while (i > 0 && !is_delim(p, i - 1))
		i--;
	*start = i;
	p->done = !i;
	p->at = i ? i - 1 : 0;
	return true;
}

/* (index, delimiters, count): index from 1, negative: from the right; count: how many, 0: to the end. */
static bool conv_parts(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	bool back = args[0].i < 0;
	int64_t skip = (back ? -args[0].i : args[0].i) - 1,
		count = arg_given(args, 2) ? args[2].i : 1;
	struct parts p = { .text = smp->u.s,
			   .delims = args[1].s,
			   .at = back ? smp->u.s.n : 0,
			   .words = args[SMP_MAX_ARGS - 1].i };
	size_t start, end, first = 0, last = 0;
	bool any = false;

	for (int64_t i = 0; !count || i < skip + count; i++) {
		if (!(back ? next_part_back(&p, &start, &end) : next_part(&p, &start, &end)))
			break;
		if (i < skip)
			continue;
		if (!any || back)
			first = start;
		if (!any || !back)
			last = end;
		any = true;
	}
	if (!any) {
		smp->u.s.n = 0;
		return !p.words;
	}
	smp->u.s = slice_make(smp->u.s.p + first, last - first);
	return true;
}

static int check_parts(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (!args[0].i)
		return cfg_error(
			l, word,
			"the index counts from 1, or from -1 for the right end; it cannot be 0");
	if (arg_given(args, 2) && args[2].i < 0)
		return cfg_error(l, word, "the count must be 0 (all to the end) or more");
	return 0;
}

/* ---- joining ---- */

static int check_var(struct cfg_line *l, int word, struct smp_arg *arg)
{
	if (!arg->s.n)
		return 0;
	arg->ptr = vars_name(l, word, arg->s);
	return arg->ptr ? 0 : -1;
}

static int check_concat(struct cfg_line *l, int word, struct smp_arg *args)
{
	return check_var(l, word, &args[1]);
}

static struct slice var_text(const struct smp_arg *arg, const struct smp_ctx *ctx)
{
	struct sample s;

	if (!arg->ptr || !vars_get(arg->ptr, ctx, &s) || !sample_cast(&s, SMP_STR, ctx))
		return SLICE_NONE;
	return s.u.s;
}

static bool join(struct sample *smp, const struct smp_ctx *ctx, const struct slice *parts, int n)
{
	size_t total = smp->u.s.n;
	char *buf, *at;

	for (int i = 0; i < n; i++)
		total += parts[i].n;
	buf = total <= MOST_TEXT ? smp_alloc(ctx, total) : NULL;
	if (!buf)
		return false;
	at = buf;
	if (smp->u.s.n)
		memcpy(at, smp->u.s.p, smp->u.s.n);
	at += smp->u.s.n;
	for (int i = 0; i < n; i++) {
		if (parts[i].n)
			memcpy(at, parts[i].p, parts[i].n);
		at += parts[i].n;
	}
	smp->u.s = slice_make(buf, total);
	return true;
}

static bool conv_concat(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice parts[] = { args[0].s, var_text(&args[1], ctx), args[2].s };

	return join(smp, ctx, parts, 3);
}

/* The delimiter only where there is something on both sides of it. */
static bool conv_add_item(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice parts[] = { args[0].s, var_text(&args[1], ctx), args[2].s };

	if (!smp->u.s.n || !(parts[1].n + parts[2].n))
		parts[0].n = 0;
	return join(smp, ctx, parts, 3);
}

static int check_strcmp(struct cfg_line *l, int word, struct smp_arg *args)
{
	return check_var(l, word, &args[0]);
}

static bool conv_strcmp(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct sample other;
	size_t n, i = 0;

	if (!vars_get(args[0].ptr, ctx, &other) || !sample_cast(&other, SMP_STR, ctx))
		return false;
	n = smp->u.s.n < other.u.s.n ? smp->u.s.n : other.u.s.n;
	while (i < n && smp->u.s.p[i] == other.u.s.p[i])
		i++;
	if (i < n)
		return smp_int(smp, (unsigned char)smp->u.s.p[i] - (unsigned char)other.u.s.p[i]);
	return smp_int(smp, (smp->u.s.n > other.u.s.n) - (smp->u.s.n < other.u.s.n));
}

/* ---- regsub(regex,replacement[,flags]) ---- */

struct regsub {
	struct regex *re;
	bool global;
};

static int check_regsub(struct cfg_line *l, int word, struct smp_arg *args)
{
	struct regsub *r = ARENA_NEW(l->arena, struct regsub);
	bool icase = false;
	char why[200];

	if (!args[0].s.n)
		return cfg_error(l, word, "converter 'regsub': the regular expression is empty");
	for (size_t i = 0; i < args[2].s.n; i++) {
		char c = args[2].s.p[i];

		if (c != 'i' && c != 'g')
			return cfg_error(l, word,
					 "converter 'regsub': flag '%c' is unknown; there are i "
					 "(ignore case) and g (all)",
					 c);
		icase |= c == 'i';
		r->global |= c == 'g';
	}
	r->re = regex_compile(l->arena, args[0].s.p, icase, true, why, sizeof(why));
	if (!r->re)
		return cfg_error(l, word, "converter 'regsub': regular expression '%s': %s",
				 args[0].s.p, why);
	args[0].ptr = r;
	return 0;
}

/* One replacement; the result grows in @buf of @size. */
static bool regsub_one(struct slice s, size_t from, struct slice with, const struct regex_groups *g,
		       char *buf, size_t size, size_t *used)
{
	size_t before = g->at[0] - from;
	ptrdiff_t n;

	if (*used + before > size)
		return false;
	memcpy(buf + *used, s.p + from, before);
	*used += before;
	n = regex_expand(buf + *used, size - *used, s, with, g);
	if (n < 0)
		return false;
	*used += (size_t)n;
	return true;
}

static bool conv_regsub(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	const struct regsub *r = args[0].ptr;
	struct slice s = smp->u.s, with = args[1].s;
	size_t size = s.n * 2 + with.n * (s.n + 1) + 256, used = 0, from = 0;
	struct regex_groups g;
	char *buf;

	if (size > 65536)
		size = 65536 > s.n * 2 ? 65536 : s.n * 2;
	buf = smp_alloc(ctx, size);
	if (!buf)
		return false;
	while (from <= s.n && regex_match(r->re, s, from, &g)) {
		if (!regsub_one(s, from, with, &g, buf, size, &used))
			return false;
		from = g.at[1];
		if (g.at[1] == g.at[0] && r->global) { /* an empty match: one byte goes through */
			if (from < s.n && used < size)
				buf[used++] = s.p[from];
			from++;
		}
		if (!r->global)
			break;
	}
	if (from < s.n) {
		if (used + s.n - from > size)
			return false;
		memcpy(buf + used, s.p + from, s.n - from);
		used += s.n - from;
	}
	return smp_str(smp, slice_make(buf, used));
}

/* ---- host:port ---- */

/* The part behind the host: ":80", or nothing. */
static size_t host_bytes(struct slice s)
{
	size_t i = 0;

	if (s.n && s.p[0] == '[') {
		ptrdiff_t close = slice_chr(s, ']');

		if (close >= 0)
			i = close + 1;
	}
	while (i < s.n && s.p[i] != ':')
		i++;
	return i;
}

static bool conv_host_only(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	smp->u.s.n = host_bytes(smp->u.s);
	return true;
}

static bool conv_port_only(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	struct slice port = slice_from(smp->u.s, host_bytes(smp->u.s) + 1);
	int64_t n = 0;

	slice_to_int(port, &n);
	return smp_int(smp, n);
}

#define TEXT(n, fn) .name = n, .in = SMP_STR, .out = SMP_STR, .convert = fn

static const struct converter_row rows[] = {
	{ TEXT("lower", conv_case), .priv = 0, .help = "In lower case." },
	{ TEXT("upper", conv_case), .priv = 1, .help = "In upper case." },
	{ .name = "length",
	  .in = SMP_STR,
	  .out = SMP_INT,
	  .convert = conv_length,
	  .help = "How many bytes it has." },
	{ TEXT("ltrim", conv_ltrim), .min_args = 1, .max_args = 1, .args = { ARG_STR },
	  .help = "Without these characters at the start." },
	{ TEXT("rtrim", conv_rtrim), .min_args = 1, .max_args = 1, .args = { ARG_STR },
	  .help = "Without these characters at the end." },
	{ TEXT("cut_crlf", conv_cut_crlf), .help = "Up to the first end of line." },
	{ TEXT("reverse", conv_reverse), .help = "Backwards." },
	{ .name = "bytes",
	  .in = SMP_BIN,
	  .out = SMP_BIN,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_INT, ARG_INT },
	  .convert = conv_bytes,
	  .help = "From an offset on, at most that many bytes." },
	{ TEXT("field", conv_parts), .priv = 0, .min_args = 2, .max_args = 3,
	  .args = { ARG_INT, ARG_STR, ARG_INT }, .check = check_parts,
	  .help = "The n-th part between delimiters; empty parts count." },
	{ TEXT("word", conv_parts), .priv = 1, .min_args = 2, .max_args = 3,
	  .args = { ARG_INT, ARG_STR, ARG_INT }, .check = check_parts,
	  .help = "The n-th part between delimiters; several delimiters count as one." },
	{ TEXT("concat", conv_concat), .min_args = 0, .max_args = 3,
	  .args = { ARG_STR, ARG_STR, ARG_STR }, .check = check_concat, .flags = FETCH_NO_INDEX,
	  .help = "Appends a text, a variable and a text." },
	{ TEXT("add_item", conv_add_item), .min_args = 2, .max_args = 3,
	  .args = { ARG_STR, ARG_STR, ARG_STR }, .check = check_concat, .flags = FETCH_NO_INDEX,
	  .help = "Appends a variable and a text behind a delimiter." },
	{ .name = "strcmp",
	  .in = SMP_STR,
	  .out = SMP_INT,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_STR },
	  .convert = conv_strcmp,
	  .check = check_strcmp,
	  .flags = FETCH_NO_INDEX,
	  .help = "Compares with a variable: 0 when equal, else below or above 0." },
	{ TEXT("regsub", conv_regsub), .min_args = 2, .max_args = 3,
	  .args = { ARG_STR, ARG_STR, ARG_STR }, .check = check_regsub,
	  .help = "Replaces what a regular expression matches; flags: g (all), i (ignore case)." },
	{ TEXT("host_only", conv_host_only), .help = "The host of host:port." },
	{ .name = "port_only",
	  .in = SMP_STR,
	  .out = SMP_INT,
	  .convert = conv_port_only,
	  .help = "The port of host:port, else 0." },
};

void conv_text_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
