// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_fetch_hdr.c - fetches of headers: whole lines (fhdr) or comma-separated values (hdr), one, all, counted, as number
 * or address. Any worker; the results are slices of the message.
 */
#include "policy/http_policy.h"

enum hdr_side { SIDE_REQ = 0, SIDE_RSP = 1, SIDE_EITHER = 2, SIDE_MASK = 3, HDR_FULL = 4 };

static struct http_msg *side_msg(const struct smp_arg *args, const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);
	int side = args[SMP_MAX_ARGS - 1].i & SIDE_MASK;

	if (!t)
		return NULL;
	if (side == SIDE_EITHER)
		side = ctx->response ? SIDE_RSP : SIDE_REQ;
	return side == SIDE_RSP ? &t->rsp : &t->req;
}

/* Parse time: the name in lower case, and its number. */
int http_check_header_name(struct cfg_line *l, int word, struct smp_arg *args)
{
	struct slice name = args[0].s;
	char *z;

	args[0].i = HDR_OTHER;
	if (!name.n)
		return 0;
	z = arena_alloc(l->arena, name.n + 1);
	for (size_t i = 0; i < name.n; i++)
		z[i] = (char)(name.p[i] >= 'A' && name.p[i] <= 'Z' ? name.p[i] | 0x20 : name.p[i]);
	z[name.n] = 0;
	args[0].s = slice_make(z, name.n);
	args[0].i = http_hdr_id(args[0].s);
	return 0;
}

/* ---- walking: one header after the other, one value after the other ---- */

struct walk {
	struct http_msg *m;
	const struct smp_arg *args;
	struct http_hdr *h;
	struct slice rest;
	bool full;
};

static bool walk_next(struct walk *w, struct slice *value)
{
	for (;;) {
		if (!w->full && w->rest.p && http_value_next(&w->rest, value))
			return true;
		w->h = w->args[0].s.n ? http_hdr_find(w->m, (enum http_hdr_id)w->args[0].i,
						      w->args[0].s, w->h)
				      : http_hdr_next(w->m, w->h);
		if (!w->h)
			return false;
		*value = http_hdr_value(w->h);
		if (w->full)
			return true;
		w->rest = value->p ? *value : SLICE("");
	}
}

static struct walk walk_start(struct http_msg *m, const struct smp_arg *args)
{
	return (struct walk){ .m = m, .args = args, .full = args[SMP_MAX_ARGS - 1].i & HDR_FULL };
}

static int64_t count(struct http_msg *m, const struct smp_arg *args)
{
	struct walk w = walk_start(m, args);
	struct slice v;
	int64_t n = 0;

	while (walk_next(&w, &v))
		n++;
	return n;
}

/* The value number @occ, from 1, or from -1 for the last. */
static bool nth(struct http_msg *m, const struct smp_arg *args, int64_t occ, struct slice *v)
{
	struct walk w = walk_start(m, args);

	if (occ < 0)
		occ += count(m, args) + 1;
	if (occ <= 0)
		return false;
	while (walk_next(&w, v))
		if (!--occ)
			return true;
	return false;
}

static bool next_value(struct http_msg *m, const struct smp_arg *args, struct sample *out,
		       struct slice *v)
{
	struct walk w = walk_start(m, args);

	w.h = (struct http_hdr *)(uintptr_t)out->iter[0];
	w.rest = slice_make((const char *)(uintptr_t)out->iter[1], out->iter[2]);
	if (!walk_next(&w, v))
		return false;
	out->iter[0] = (uintptr_t)w.h;
	out->iter[1] = (uintptr_t)w.rest.p;
	out->iter[2] = w.rest.n;
	out->flags |= SMP_F_MORE;
	return true;
}

static bool fetch_text(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = side_msg(args, ctx);
	int64_t occ = arg_given(args, 1) ? args[1].i : 0;
	struct slice v;
	bool ok;

	if (!m)
		return false;
	if (!occ && (out->flags & SMP_F_ITERATE))
		ok = next_value(m, args, out, &v);
	else
		ok = nth(m, args, occ ? occ : -1, &v);
	return ok && smp_str(out, v);
}

static bool fetch_cnt(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = side_msg(args, ctx);

	return m && smp_int(out, count(m, args));
}

static bool fetch_val(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	int64_t v = 0;

	if (!fetch_text(args, ctx, out))
		return false;
	slice_to_int(out->u.s, &v);
	return smp_int(out, v);
}

/* RFC 7239's forms: an IPv4 address, which a port may follow; an IPv6 address without brackets. */
static bool text_to_addr(struct slice s, struct addr *a)
{
	ptrdiff_t colon = slice_chr(s, ':');
	struct slice host = colon >= 0 ? slice_first(s, (size_t)colon) : s;
	struct slice port = colon >= 0 ? slice_from(s, (size_t)colon + 1) : SLICE_NONE;
	int64_t n = 0;

	if (slice_to_ip6(s, a))
		return true;
	if (colon >= 0) {
		for (size_t i = 0; i < port.n; i++) {
			if (port.p[i] < '0' || port.p[i] > '9' || n > 65535)
				return false;
			n = n * 10 + port.p[i] - '0';
		}
		if (!port.n || n > 65535)
			return false;
	}
	return !addr_parse_ip(a, host) && a->family == ADDR_IP4;
}

/* Values that are no address are passed over where all are wanted. */
static bool fetch_ip(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct addr a;

	while (fetch_text(args, ctx, out)) {
		memset(&a, 0, sizeof(a));
		if (text_to_addr(out->u.s, &a))
			return smp_addr(out, &a);
		if (!(out->flags & SMP_F_MORE))
			return false;
	}
	return false;
}

static bool fetch_names(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = side_msg(args, ctx);
	char delim = arg_given(args, 0) && args[0].s.n ? args[0].s.p[0] : ',';
	size_t total = 0, used = 0;
	char *buf;

	if (!m)
		return false;
	for (struct http_hdr *h = http_hdr_next(m, NULL); h; h = http_hdr_next(m, h))
		total += h->name_len + 1;
	buf = smp_alloc(ctx, total);
	if (!buf)
		return false;
	for (struct http_hdr *h = http_hdr_next(m, NULL); h; h = http_hdr_next(m, h)) {
		if (used)
			buf[used++] = delim;
		memcpy(buf + used, h->name, h->name_len);
		used += h->name_len;
	}
	return smp_str(out, slice_make(buf, used));
}

static size_t put(char *to, size_t at, struct slice s)
{
	if (s.n)
		memcpy(to + at, s.p, s.n);
	return at + s.n;
}

static bool fetch_all(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = side_msg(args, ctx);
	size_t total = 2, used = 0;
	char *buf;

	if (!m)
		return false;
	for (struct http_hdr *h = http_hdr_next(m, NULL); h; h = http_hdr_next(m, h))
		total += h->name_len + h->value_len + 4u;
	buf = smp_alloc(ctx, total);
	if (!buf)
		return false;
	for (struct http_hdr *h = http_hdr_next(m, NULL); h; h = http_hdr_next(m, h)) {
		used = put(buf, used, http_hdr_get_name(h));
		used = put(buf, used, SLICE(": "));
		used = put(buf, used, http_hdr_value(h));
		used = put(buf, used, SLICE("\r\n"));
	}
	used = put(buf, used, SLICE("\r\n"));
	return smp_bin(out, slice_make(buf, used));
}

#define HDR(n, t, fn, side, bits)                                                          \
	.name = n, .kind = "fetch-L7", .out = t, .fetch = fn, .priv = side, .where = bits, \
	.kernel = KERNEL_HTTP
#define NAME_OCC .max_args = 2, .args = { ARG_STR, ARG_INT }, .check = http_check_header_name
#define NAME     .max_args = 1, .args = { ARG_STR }, .check = http_check_header_name
#define REQ      SMP_W_REQ_HTTP
#define RSP      SMP_W_RSP_HTTP
#define BOTH     SMP_W_REQ_HTTP | SMP_W_RSP_HTTP

static const struct fetch_row rows[] = {
	{ HDR("hdr", SMP_STR, fetch_text, SIDE_EITHER, BOTH), NAME_OCC,
	  .help = "A value of a header of the request or response." },
	{ HDR("hdr_cnt", SMP_INT, fetch_cnt, SIDE_REQ, REQ), NAME,
	  .help = "Older name of req.hdr_cnt." },
	{ HDR("hdr_ip", SMP_ADDR, fetch_ip, SIDE_REQ, REQ), NAME_OCC,
	  .help = "Older name of req.hdr_ip." },
	{ HDR("hdr_val", SMP_INT, fetch_val, SIDE_REQ, REQ), NAME_OCC,
	  .help = "Older name of req.hdr_val." },
	{ HDR("req.hdr", SMP_STR, fetch_text, SIDE_REQ, REQ), NAME_OCC,
	  .help = "A value of a request header, split at commas; the last, or number <occ>." },
	{ HDR("req.hdr_cnt", SMP_INT, fetch_cnt, SIDE_REQ, REQ), NAME,
	  .help = "How many values a request header has." },
	{ HDR("req.hdr_ip", SMP_ADDR, fetch_ip, SIDE_REQ, REQ), NAME_OCC,
	  .help = "A value of a request header as an address." },
	{ HDR("req.hdr_val", SMP_INT, fetch_val, SIDE_REQ, REQ), NAME_OCC,
	  .help = "A value of a request header as a number." },
	{ HDR("req.fhdr", SMP_STR, fetch_text, SIDE_REQ | HDR_FULL, REQ), NAME_OCC,
	  .help = "A request header's whole line." },
	{ HDR("req.fhdr_cnt", SMP_INT, fetch_cnt, SIDE_REQ | HDR_FULL, REQ), NAME,
	  .help = "How many lines of a request header there are." },
	{ HDR("req.hdr_names", SMP_STR, fetch_names, SIDE_REQ, REQ), .max_args = 1,
	  .args = { ARG_STR }, .help = "The request headers' names, joined." },
	{ HDR("req.hdrs", SMP_BIN, fetch_all, SIDE_REQ, REQ),
	  .help = "All request headers, as sent." },
	{ HDR("shdr", SMP_STR, fetch_text, SIDE_RSP, RSP), NAME_OCC,
	  .help = "Older name of res.hdr." },
	{ HDR("shdr_cnt", SMP_INT, fetch_cnt, SIDE_RSP, RSP), NAME,
	  .help = "Older name of res.hdr_cnt." },
	{ HDR("shdr_ip", SMP_ADDR, fetch_ip, SIDE_RSP, RSP), NAME_OCC,
	  .help = "Older name of res.hdr_ip." },
	{ HDR("shdr_val", SMP_INT, fetch_val, SIDE_RSP, RSP), NAME_OCC,
	  .help = "Older name of res.hdr_val." },
	{ HDR("res.hdr", SMP_STR, fetch_text, SIDE_RSP, RSP), NAME_OCC,
	  .help = "A value of a response header, split at commas." },
	{ HDR("res.hdr_cnt", SMP_INT, fetch_cnt, SIDE_RSP, RSP), NAME,
	  .help = "How many values a response header has." },
	{ HDR("res.hdr_ip", SMP_ADDR, fetch_ip, SIDE_RSP, RSP), NAME_OCC,
	  .help = "A value of a response header as an address." },
	{ HDR("res.hdr_val", SMP_INT, fetch_val, SIDE_RSP, RSP), NAME_OCC,
	  .help = "A value of a response header as a number." },
	{ HDR("res.fhdr", SMP_STR, fetch_text, SIDE_RSP | HDR_FULL, RSP), NAME_OCC,
	  .help = "A response header's whole line." },
	{ HDR("res.fhdr_cnt", SMP_INT, fetch_cnt, SIDE_RSP | HDR_FULL, RSP), NAME,
	  .help = "How many lines of a response header there are." },
	{ HDR("res.hdr_names", SMP_STR, fetch_names, SIDE_RSP, RSP), .max_args = 1,
	  .args = { ARG_STR }, .help = "The response headers' names, joined." },
	{ HDR("res.hdrs", SMP_BIN, fetch_all, SIDE_RSP, RSP),
	  .help = "All response headers, as sent." },
};

void http_fetch_hdr_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
