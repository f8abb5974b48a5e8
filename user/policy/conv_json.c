// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_json.c - texts for JSON (json) and values out of it (json_query). Any worker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "policy/conv_json.h"
#include "policy/json.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

/* ---- json(decoder) ---- */

enum {
	DECODE_UTF8 = 1,
	DECODE_SKIP = 2 /* errors are left out */,
	DECODE_FIX = 4 /* too long forms */
};

static const struct {
	const char *name;
	int how;
} decoders[] = { { "ascii", 0 },
		 { "utf8", DECODE_UTF8 },
		 { "utf8s", DECODE_UTF8 | DECODE_SKIP },
		 { "utf8p", DECODE_UTF8 | DECODE_FIX },
		 { "utf8ps", DECODE_UTF8 | DECODE_SKIP | DECODE_FIX } };

static int check_json(struct cfg_line *l, int word, struct smp_arg *args)
{
	args[0].i = 0;
	if (!arg_given(args, 0) || !args[0].s.n)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(decoders); i++) {
		if (slice_eq_z(args[0].s, decoders[i].name)) {
			args[0].i = decoders[i].how;
			return 0;
		}
	}
	return cfg_error(l, word,
			 "converter 'json': the input is ascii, utf8, utf8s, utf8p or utf8ps, not "
			 "'%.*s'",
			 SLICE_FMT(args[0].s));
}

/* One character at @p: its code, or -1 for a bad sequence; *@len bytes belong to it. */
static int32_t take_utf8(const unsigned char *p, size_t left, int how, size_t *len)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t want = p[0] < 0x80             ? 1
		      : (p[0] & 0xe0) == 0xc0 ? 2
		      : (p[0] & 0xf0) == 0xe0 ? 3
		      : (p[0] & 0xf8) == 0xf0 ? 4
					      : 0;
	uint32_t c = want == 1 ? p[0] : want ? p[0] & (0x7fu >> want) : 0;

	*len = 1;
	if (!want)
		return -1;
	for (; *len < want; ++*len) {
		if (*len == left || (p[*len] & 0xc0) != 0x80)
			return -1;
		c = c << 6 | (p[*len] & 63);
	}
	if (c < least[want] && !(how & DECODE_FIX))
		return -1;
	if ((c >= 0xd800 && c <= 0xdfff) || c > 0xffff)
		return -1; /* no character, or one that four hexadecimal digits cannot say */
	return (int32_t)c;
}

static size_t put_escaped(char *out, uint32_t c)
{
	static const char codes[] = "\bb\ff\nn\rr\tt\"\"\\\\//";

	for (const char *code = codes; *code; code += 2) {
		if (c == (unsigned char)code[0]) {
			out[0] = '\\';
			out[1] = code[1];
			return 2;
		}
	}
	if (c >= 0x20 && c < 0x7f) {
		out[0] = (char)c;
		return 1;
	}
	return (size_t)snprintf(out, 7, "\\u%04x", c);
}

static bool conv_json(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	const unsigned char *p = (const unsigned char *)smp->u.s.p;
	int how = (int)args[0].i;
	size_t n = smp->u.s.n, used = 0;
	char *buf = n < (1u << 20) ? smp_alloc(ctx, n * 6 + 1) : NULL;

	if (!buf)
		return false;
	for (size_t i = 0, len = 1; i < n; i += len) {
		int32_t c = how & DECODE_UTF8 ? take_utf8(p + i, n - i, how, &len) : p[i];

		if (c >= 0)
			used += put_escaped(buf + used, (uint32_t)c);
		else if (!(how & DECODE_SKIP))
			return false;
	}
	return smp_str(smp, slice_make(buf, used));
}

/* ---- json_query(path[,int]) ---- */

int json_query_check(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (arg_given(args, 0) && args[0].s.n && !json_path_ok(args[0].s))
		return cfg_error(l, word,
				 "'%.*s' is no JSON path; write $.name.other[0], and '\\.' for a "
				 "dot within a name",
				 SLICE_FMT(args[0].s));
	args[1].i = 0;
	if (!arg_given(args, 1) || !args[1].s.n)
		return 0;
	if (!slice_eq_z(args[1].s, "int"))
		return cfg_error(l, word, "the only type of a JSON value is 'int', not '%.*s'",
				 SLICE_FMT(args[1].s));
	args[1].i = 1;
	return 0;
}

static bool number(struct sample *smp, const struct smp_ctx *ctx, struct slice v, bool as_int)
{
	char z[64], *buf = smp_alloc(ctx, 32);

	if (!buf || v.n >= sizeof(z))
		return false;
	memcpy(z, v.p, v.n);
	z[v.n] = 0;
	if (as_int) {
		long long i;

		errno = 0;
		i = strtoll(z, NULL, 10);
		return !errno && smp_int(smp, i);
	}
	/* six digits, as HAProxy has it: whoever wants a whole number asks for it */
	return smp_str(smp, slice_make(buf, (size_t)snprintf(buf, 32, "%g", strtod(z, NULL))));
}

bool json_query(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice v;
	ptrdiff_t n;
	char *buf;

	switch (json_find(smp->u.s, args[0].s, &v)) {
	case JSON_TRUE:
		return smp_bool(smp, true);
	case JSON_FALSE:
		return smp_bool(smp, false);
	case JSON_NUMBER:
		return number(smp, ctx, v, args[1].i);
	case JSON_ARRAY:
		return smp_str(smp, v);
	case JSON_STRING:
		buf = smp_alloc(ctx, v.n);
		n = buf ? json_unescape(v, buf) : -1;
		return n >= 0 && smp_str(smp, slice_make(buf, (size_t)n));
	default:
		return false;
	}
}

static int check_query(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (!args[0].s.n)
		return cfg_error(l, word, "converter 'json_query': the path is missing: $.name");
	return json_query_check(l, word, args);
}

static const struct converter_row rows[] = {
	{ .name = "json",
	  .in = SMP_STR,
	  .out = SMP_STR,
	  .max_args = 1,
	  .args = { ARG_STR },
	  .convert = conv_json,
	  .check = check_json,
	  .help = "Escaped for a JSON string; the input is ascii, utf8, utf8s (errors are left "
		  "out), utf8p (too long forms are accepted) or utf8ps." },
	{ .name = "json_query",
	  .in = SMP_STR,
	  .out = SMP_ANY,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = json_query,
	  .check = check_query,
	  .flags = CONV_OUT_VARIES,
	  .help = "The value at a path in a JSON text; with 'int' numbers are whole numbers." },
};

void conv_json_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
