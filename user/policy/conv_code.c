// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_code.c - encodings: base64, hexadecimal, URL, big-endian bytes, dates. Any worker.
 */
#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "policy/rules_priv.h"
#include "policy/sample_util.h"

/* ---- base64 ---- */

static const char alphabets[2][65] = {
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/",
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
};

/* priv: the alphabet; that of URLs goes without padding */
static bool conv_b64enc(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	int url = (int)args[SMP_MAX_ARGS - 1].i;
	const unsigned char *p = (const unsigned char *)smp->u.s.p;
	size_t n = smp->u.s.n, used = 0;
	char *buf = smp_alloc(ctx, (n + 2) / 3 * 4);

	if (!buf)
		return false;
	for (size_t i = 0; i < n; i += 3) {
		size_t left = n - i;
		uint32_t v =
			p[i] << 16 | (left > 1 ? p[i + 1] << 8 : 0) | (left > 2 ? p[i + 2] : 0);

		for (size_t c = 0; c < 4; c++) {
			if (c <= left)
				buf[used++] = alphabets[url][v >> (18 - 6 * c) & 63];
			else if (!url)
				buf[used++] = '=';
		}
	}
	return smp_str(smp, slice_make(buf, used));
}

static bool conv_b64dec(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	int url = (int)args[SMP_MAX_ARGS - 1].i, bits = 0;
	struct slice s = smp->u.s;
	size_t pad = 0, used = 0;
	char *buf = smp_alloc(ctx, s.n);
	uint32_t v = 0;

	if (!buf || (!url && s.n % 4))
		return false;
	for (; !url && pad < 2 && s.n && s.p[s.n - 1] == '='; pad++)
		s.n--;
	if (s.n % 4 == 1)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		const char *at = s.p[i] ? strchr(alphabets[url], s.p[i]) : NULL;

		if (!at)
			return false;
		v = v << 6 | (uint32_t)(at - alphabets[url]);
		bits += 6;
		if (bits >= 8) {
			bits -= 8;
			buf[used++] = (char)(v >> bits);
		}
	}
	return smp_bin(smp, slice_make(buf, used));
}

/* ---- hexadecimal and big-endian bytes ---- */

static const char hex_digits[] = "0123456789ABCDEF";

static bool conv_hex(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	char *buf = smp_alloc(ctx, smp->u.s.n * 2);

	if (!buf)
		return false;
	for (size_t i = 0; i < smp->u.s.n; i++) {
		buf[2 * i] = hex_digits[(unsigned char)smp->u.s.p[i] >> 4];
		buf[2 * i + 1] = hex_digits[smp->u.s.p[i] & 15];
	}
	return smp_str(smp, slice_make(buf, smp->u.s.n * 2));
}

static int hex_value(char c)
{
	const char *at = c ? strchr(hex_digits, toupper((unsigned char)c)) : NULL;

	return at ? (int)(at - hex_digits) : -1;
}

static bool conv_hex2i(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	uint64_t v = 0;

	for (size_t i = 0; i < smp->u.s.n; i++) {
		int d = hex_value(smp->u.s.p[i]);

		if (d < 0)
			return false;
		v = v << 4 | (uint64_t)d;
	}
	return smp_int(smp, (int64_t)v);
}

/* (separator, bytes per part, only whole parts); priv: in decimal */
static bool conv_big_endian(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *smp)
{
	bool dec = args[SMP_MAX_ARGS - 1].i;
	size_t chunk = (size_t)args[1].i, used = 0, n = smp->u.s.n;
	size_t most = (n / chunk + 1) * (args[0].s.n + (dec ? 21 : 2 * chunk));
	char *buf = smp_alloc(ctx, most + 1);

	if (!buf)
		return false;
	for (size_t i = 0; i < n; i += chunk) {
		uint64_t v = 0;
		size_t end = i + chunk < n ? i + chunk : n;

		if (args[2].i && end - i < chunk)
			break;
		if (i) {
			memcpy(buf + used, args[0].s.p, args[0].s.n);
			used += args[0].s.n;
		}
		for (size_t k = i; k < end; k++) {
			unsigned char c = (unsigned char)smp->u.s.p[k];

			v = v << 8 | c;
			if (!dec)
				used += (size_t)snprintf(buf + used, most + 1 - used, "%02X", c);
		}
		if (dec)
			used += (size_t)snprintf(buf + used, most + 1 - used, "%llu",
						 (unsigned long long)v);
	}
	return smp_str(smp, slice_make(buf, used));
}

static int check_big_endian(struct cfg_line *l, int word, struct smp_arg *args)
{
	bool dec = args[SMP_MAX_ARGS - 1].i;
	int64_t most = dec ? 8 : 4096;

	if (!arg_given(args, 1))
		args[1].i = 1;
	if (!args[0].s.p)
		args[0].s = SLICE("");
	if (args[1].i < 1 || args[1].i > most)
		return cfg_error(l, word, "the number of bytes per part must be 1..%d", (int)most);
	return 0;
}

/* ---- URLs ---- */

/* '+' is a space behind '?', and everywhere with the argument 1. */
static bool conv_url_dec(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	bool in_query = args[0].i;
	char *buf = smp_alloc(ctx, smp->u.s.n);
	size_t used = 0;

	if (!buf)
		return false;
	for (size_t i = 0; i < smp->u.s.n; i++) {
		char c = smp->u.s.p[i];

		if (c == '?')
			in_query = true;
		if (c == '+' && in_query) {
			c = ' ';
		} else if (c == '%') {
			int hi = i + 2 < smp->u.s.n ? hex_value(smp->u.s.p[i + 1]) : -1;
			int lo = i + 2 < smp->u.s.n ? hex_value(smp->u.s.p[i + 2]) : -1;

			if (hi < 0 || lo < 0)
				return false;
			c = (char)(hi << 4 | lo);
			i += 2;
		}
		buf[used++] = c;
	}
	smp->u.s = slice_make(buf, used);
	return true;
}

static bool conv_url_enc(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	char *buf = smp_alloc(ctx, smp->u.s.n * 3);
	size_t used = 0;

	if (!buf)
		return false;
	for (size_t i = 0; i < smp->u.s.n; i++) {
		unsigned char c = (unsigned char)smp->u.s.p[i];

		if (isalnum(c) || (c && strchr("-._~", c))) {
			buf[used++] = (char)c;
			continue;
		}
		buf[used++] = '%';
		buf[used++] = hex_digits[c >> 4];
		buf[used++] = hex_digits[c & 15];
	}
	smp->u.s = slice_make(buf, used);
	return true;
}

static int check_url_enc(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (arg_given(args, 0) && args[0].s.n && !slice_eq_z(args[0].s, "query"))
		return cfg_error(l, word,
				 "converter 'url_enc': the only kind is 'query', not '%.*s'",
				 SLICE_FMT(args[0].s));
	return 0;
}

/* ---- dates ---- */

static const struct {
	const char *name;
	int64_t per_second;
	int digits;
} units[] = { { "s", 1, 0 }, { "ms", 1000, 3 }, { "us", 1000000, 6 } };

static int check_http_date(struct cfg_line *l, int word, struct smp_arg *args)
{
	args[2].i = 0;
	if (!arg_given(args, 1))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (slice_eq_z(args[1].s, units[i].name)) {
			args[2].i = (int64_t)i;
			return 0;
		}
	}
	return cfg_error(l, word, "converter 'http_date': the unit must be s, ms or us, not '%.*s'",
			 SLICE_FMT(args[1].s));
}

static bool conv_http_date(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	static const char days[] = "SunMonTueWedThuFriSat",
			  months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	int64_t per = units[args[2].i].per_second, v = smp->u.i + args[0].i;
	time_t t = v / per;
	struct tm tm;
	char *buf = smp_alloc(ctx, 64);
	int n;

	if (!buf || !gmtime_r(&t, &tm))
		return false;
	n = snprintf(buf, 64, "%.3s, %02d %.3s %04d %02d:%02d:%02d", days + 3 * tm.tm_wday,
		     tm.tm_mday, months + 3 * tm.tm_mon, tm.tm_year + 1900, tm.tm_hour, tm.tm_min,
		     tm.tm_sec);
	if (args[2].i)
		n += snprintf(buf + n, 64 - n, ".%d", (int)(v % per));
	n += snprintf(buf + n, 64 - n, " GMT");
	return smp_str(smp, slice_make(buf, n));
}

/* priv: local time */
static bool conv_strftime(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	time_t t = smp->u.i + args[1].i;
	char *buf = smp_alloc(ctx, 512);
	struct tm tm;

	if (!buf || !(args[SMP_MAX_ARGS - 1].i ? localtime_r(&t, &tm) : gmtime_r(&t, &tm)))
		return false;
	return smp_str(smp, slice_make(buf, strftime(buf, 512, args[0].s.p, &tm)));
}

/* strftime(3) with %N, %3N, %6N...: that many digits of the second's fraction. */
static bool expand_fraction(struct slice format, uint64_t ns, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < format.n; i++) {
		const char *p = format.p + i;
		size_t left = format.n - i;
		int digits = left > 2 && p[0] == '%' && p[1] >= '1' && p[1] <= '9' && p[2] == 'N'
				     ? p[1] - '0'
			     : left > 1 && p[0] == '%' && p[1] == 'N' ? 9
								      : 0;
		char text[16];

		if (used + 12 > size)
			return false;
		if (digits) {
			snprintf(text, sizeof(text), "%09u", (unsigned int)ns);
			memcpy(out + used, text, (size_t)digits);
			used += (size_t)digits;
			i += p[1] == 'N' ? 1 : 2;
			continue;
		}
		out[used++] = *p;
		if (*p == '%' && left > 1) { /* "%%N" is no fraction */
			out[used++] = p[1];
			i++;
		}
	}
	out[used] = 0;
	return true;
}

/* priv: parts per second, negative for local time */
static bool conv_fine_time(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	int64_t per = args[SMP_MAX_ARGS - 1].i, v;
	bool local = per < 0;
	char format[512], *buf = smp_alloc(ctx, 512);
	struct tm tm;
	time_t t;

	if (local)
		per = -per;
	v = smp->u.i + args[1].i;
	t = v / per - (v % per < 0);
	v = (v % per + per) % per;
	if (!buf ||
	    !expand_fraction(args[0].s, (uint64_t)v * (1000000000 / (uint64_t)per), format,
			     sizeof(format)) ||
	    !(local ? localtime_r(&t, &tm) : gmtime_r(&t, &tm)))
		return false;
	return smp_str(smp, slice_make(buf, strftime(buf, 512, format, &tm)));
}

#define FINE_TIME(n, per)                                                       \
	.name = n, .in = SMP_INT, .out = SMP_STR, .min_args = 1, .max_args = 2, \
	.args = { ARG_STR, ARG_INT }, .convert = conv_fine_time, .priv = per
#define TIME(n, local)                                                          \
	.name = n, .in = SMP_INT, .out = SMP_STR, .min_args = 1, .max_args = 2, \
	.args = { ARG_STR, ARG_INT }, .convert = conv_strftime, .priv = local
#define BE_PARTS(n, dec)                                                   \
	.name = n, .in = SMP_BIN, .out = SMP_STR, .max_args = 3,           \
	.args = { ARG_STR, ARG_INT, ARG_INT }, .convert = conv_big_endian, \
	.check = check_big_endian, .priv = dec

static const struct converter_row rows[] = {
	{ .name = "base64",
	  .in = SMP_BIN,
	  .out = SMP_STR,
	  .convert = conv_b64enc,
	  .priv = 0,
	  .help = "Base64." },
	{ .name = "b64dec",
	  .in = SMP_STR,
	  .out = SMP_BIN,
	  .convert = conv_b64dec,
	  .priv = 0,
	  .help = "The bytes of a base64 text." },
	{ .name = "ub64enc",
	  .in = SMP_BIN,
	  .out = SMP_STR,
	  .convert = conv_b64enc,
	  .priv = 1,
	  .help = "Base64 for URLs, without padding." },
	{ .name = "ub64dec",
	  .in = SMP_STR,
	  .out = SMP_BIN,
	  .convert = conv_b64dec,
	  .priv = 1,
	  .help = "The bytes of a base64url text." },
	{ .name = "hex",
	  .in = SMP_BIN,
	  .out = SMP_STR,
	  .convert = conv_hex,
	  .help = "In hexadecimal digits." },
	{ .name = "hex2i",
	  .in = SMP_STR,
	  .out = SMP_INT,
	  .convert = conv_hex2i,
	  .help = "The number that hexadecimal digits make." },
	{ BE_PARTS("be2hex", 0),
	  .help = "In hexadecimal, in parts of some bytes with a separator between them." },
	{ BE_PARTS("be2dec", 1), .min_args = 1,
	  .help = "In decimal, in parts of some bytes with a separator between them." },
	{ .name = "url_dec",
	  .in = SMP_STR,
	  .out = SMP_STR,
	  .max_args = 1,
	  .args = { ARG_INT },
	  .convert = conv_url_dec,
	  .help = "With %xx resolved; + is a space behind ? or with the argument 1." },
	{ .name = "url_enc",
	  .in = SMP_BIN,
	  .out = SMP_STR,
	  .max_args = 1,
	  .args = { ARG_STR },
	  .convert = conv_url_enc,
	  .check = check_url_enc,
	  .help = "With all but letters, digits and -._~ as %xx." },
	{ .name = "http_date",
	  .in = SMP_INT,
	  .out = SMP_STR,
	  .max_args = 2,
	  .args = { ARG_INT, ARG_STR },
	  .convert = conv_http_date,
	  .check = check_http_date,
	  .help = "A time as HTTP writes it; an offset; the unit s, ms or us." },
	{ TIME("utime", 0), .help = "A time by strftime(3), in UTC." },
	{ TIME("ltime", 1), .help = "A time by strftime(3), in local time." },
	{ FINE_TIME("ms_utime", 1000),
	  .help = "A time in milliseconds by strftime(3) with %N for the fraction, in UTC." },
	{ FINE_TIME("ms_ltime", -1000), .help = "The same in local time." },
	{ FINE_TIME("us_utime", 1000000),
	  .help = "A time in microseconds by strftime(3) with %N for the fraction, in UTC." },
	{ FINE_TIME("us_ltime", -1000000), .help = "The same in local time." },
};

void conv_code_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
