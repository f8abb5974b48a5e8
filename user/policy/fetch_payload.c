// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_payload.c - fetches of the bytes under inspection (tcp-request content, tcp-response content): lengths, parts, the RDP cookie.
 * What is not there yet asks to wait. Any worker.
 */
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

/* More bytes may come and change the answer. */
static bool incomplete(const struct smp_ctx *ctx, struct sample *out)
{
	out->flags |= SMP_F_MAY_CHANGE;
	return false;
}

static bool fetch_len(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	out->flags |= SMP_F_MAY_CHANGE;
	return smp_int(out, (int64_t)ctx->data.n);
}

/* (offset, length; 0: all that is there) */
static bool fetch_payload(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	uint64_t offset = (uint64_t)args[0].i, n = (uint64_t)args[1].i;

	if (args[0].i < 0 || args[1].i < 0)
		return false;
	if (offset + n > ctx->data.n)
		return incomplete(ctx, out);
	if (!n) {
		out->flags |= SMP_F_MAY_CHANGE;
		n = ctx->data.n - offset;
	}
	return smp_bin(out, slice_make(ctx->data.p + offset, n));
}

/* (offset of the length, its bytes[, offset of the data: absolute, or relative to the end of the length with a sign]) */
static bool fetch_payload_lv(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	uint64_t at = (uint64_t)args[0].i, size = (uint64_t)args[1].i, n = 0, from = at + size;

	if (at + size > ctx->data.n)
		return incomplete(ctx, out);
	for (uint64_t i = 0; i < size; i++)
		n = n << 8 | (unsigned char)ctx->data.p[at + i];
	if (arg_given(args, 2)) {
		bool relative = args[2].s.p[0] == '+' || args[2].s.p[0] == '-';
		int64_t offset = args[2].i + (relative ? (int64_t)from : 0);

		if (offset < 0)
			return false;
		from = (uint64_t)offset;
	}
	if (!n || n > UINT32_MAX || from > UINT32_MAX)
		return false;
	if (from + n > ctx->data.n)
		return incomplete(ctx, out);
	return smp_bin(out, slice_make(ctx->data.p + from, n));
}

static int check_payload_lv(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (args[0].i < 0 || args[1].i < 1 || args[1].i > 8)
		return cfg_error(l, word,
				 "fetch 'payload_lv': the offset must not be negative, and a "
				 "length has 1 to 8 bytes");
	if (arg_given(args, 2))
		slice_to_int(args[2].s, &args[2].i);
	return 0;
}

/*
 * TPKT (RFC 1006) and X.224 connection request, then "Cookie: NAME=VALUE\r\n" (MS-RDPBCGR 2.2.1.1). The whole value,
 * or nothing: other protocols fail in the first bytes.
 */
static bool rdp_cookie(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out,
		       struct slice *value)
{
	static const char lead[] = "Cookie:";
	struct slice s = ctx->data;
	ptrdiff_t end, eq;

	if (s.n < 11 && (!s.n || s.p[0] == 3))
		return incomplete(ctx, out);
	if (s.n < 11 || s.p[0] != 3 || s.p[1] != 0 || ((unsigned char)s.p[5] & 0xf0) != 0xe0)
		return false;
	s = slice_from(s, 11);
	end = s.n ? (ptrdiff_t)(memmem(s.p, s.n, "\r\n", 2)
					? (const char *)memmem(s.p, s.n, "\r\n", 2) - s.p
					: -1)
		  : -1;
	if (end < 0)
		return incomplete(ctx, out);
	s.n = (size_t)end;
	if (s.n < sizeof(lead) - 1 || strncasecmp(s.p, lead, sizeof(lead) - 1))
		return false;
	s = slice_trim(slice_from(s, sizeof(lead) - 1));
	eq = slice_chr(s, '=');
	if (eq < 0 ||
	    (arg_given(args, 0) && args[0].s.n && !slice_eq_case(slice_first(s, eq), args[0].s)))
		return false;
	*value = slice_from(s, eq + 1);
	return true;
}

static bool fetch_rdp_cookie(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	struct slice value;

	return rdp_cookie(args, ctx, out, &value) && smp_str(out, value);
}

static bool fetch_rdp_cookie_cnt(const struct smp_arg *args, const struct smp_ctx *ctx,
				 struct sample *out)
{
	struct slice value;

	if (rdp_cookie(args, ctx, out, &value))
		return smp_int(out, 1);
	if (out->flags & SMP_F_MAY_CHANGE)
		return false;
	return smp_int(out, 0);
}

#define L6(n, t, fn)                                                                  \
	.name = n, .kind = "fetch-L6", .out = t, .fetch = fn, .kernel = KERNEL_NEVER, \
	.kernel_says = "it reads the stream"
#define REQUEST  .where = SMP_W_REQ_DATA
#define RESPONSE .where = SMP_W_RSP_DATA
#define EITHER   .where = SMP_W_REQ_DATA | SMP_W_RSP_DATA
#define NAMED    .max_args = 1, .args = { ARG_STR }

static const struct fetch_row rows[] = {
	{ L6("req.len", SMP_INT, fetch_len), REQUEST,
	  .help = "How many bytes of the request are there." },
	{ L6("req_len", SMP_INT, fetch_len), REQUEST, .help = "Older name of req.len." },
	{ L6("req.payload", SMP_BIN, fetch_payload), REQUEST, .min_args = 2, .max_args = 2,
	  .args = { ARG_INT, ARG_INT },
	  .help = "Bytes of the request: offset and length, 0 for all." },
	{ L6("payload", SMP_BIN, fetch_payload), EITHER, .min_args = 2, .max_args = 2,
	  .args = { ARG_INT, ARG_INT },
	  .help = "req.payload, or res.payload in rules of the response." },
	{ L6("req.payload_lv", SMP_BIN, fetch_payload_lv), REQUEST, .min_args = 2, .max_args = 3,
	  .args = { ARG_INT, ARG_INT, ARG_STR }, .check = check_payload_lv,
	  .help = "Bytes whose length stands in front of them: offset and size of the length, and "
		  "where the bytes begin." },
	{ L6("payload_lv", SMP_BIN, fetch_payload_lv), EITHER, .min_args = 2, .max_args = 3,
	  .args = { ARG_INT, ARG_INT, ARG_STR }, .check = check_payload_lv,
	  .help = "req.payload_lv, or res.payload_lv in rules of the response." },
	{ L6("res.len", SMP_INT, fetch_len), RESPONSE,
	  .help = "How many bytes of the response are there." },
	{ L6("res.payload", SMP_BIN, fetch_payload), RESPONSE, .min_args = 2, .max_args = 2,
	  .args = { ARG_INT, ARG_INT },
	  .help = "Bytes of the response: offset and length, 0 for all." },
	{ L6("res.payload_lv", SMP_BIN, fetch_payload_lv), RESPONSE, .min_args = 2, .max_args = 3,
	  .args = { ARG_INT, ARG_INT, ARG_STR }, .check = check_payload_lv,
	  .help = "Bytes of the response whose length stands in front of them." },
	{ L6("req.rdp_cookie", SMP_STR, fetch_rdp_cookie), REQUEST, NAMED,
	  .help = "The cookie of an RDP connection request." },
	{ L6("rdp_cookie", SMP_STR, fetch_rdp_cookie), REQUEST, NAMED,
	  .help = "Older name of req.rdp_cookie." },
	{ L6("req.rdp_cookie_cnt", SMP_INT, fetch_rdp_cookie_cnt), REQUEST, NAMED,
	  .help = "1 with such a cookie, else 0." },
	{ L6("rdp_cookie_cnt", SMP_INT, fetch_rdp_cookie_cnt), REQUEST, NAMED,
	  .help = "Older name of req.rdp_cookie_cnt." },
};

static const struct acl_keyword keywords[] = {
	{ "payload", "req.payload", "bin", "Bytes of the request." },
	{ "payload_lv", "req.payload_lv", "bin", "Bytes behind their length." },
};

static const struct acl_predefined predefined[] = {
	{ "TRUE", "always_true", "Always." },
	{ "FALSE", "always_false", "Never." },
	{ "LOCALHOST", "src 127.0.0.1/8 ::1", "The client is this host." },
	{ "REQ_CONTENT", "req.len gt 0", "Bytes of the request are there." },
	{ "RDP_COOKIE", "req.rdp_cookie_cnt gt 0", "The request has an RDP cookie." },
	{ "WAIT_END", "wait_end", "The inspection is over." },
};

void fetch_payload_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
	acl_keyword_register(keywords, ARRAY_SIZE(keywords));
}

void predefined_register(void)
{
	acl_predefined_register(predefined, ARRAY_SIZE(predefined));
}
