// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_fetch_cookie.c - fetches of cookies: of Cookie in requests, of Set-Cookie in responses. Any worker.
 */
#include "policy/http_policy.h"

enum cookie_side { COOKIE_REQ, COOKIE_RSP, COOKIE_EITHER };

struct walk {
	struct http_msg *m;
	bool response;
	struct http_hdr *h;
	struct slice rest;
};

static bool side(const struct smp_arg *args, const struct smp_ctx *ctx, struct walk *w)
{
	struct http_txn *t = http_txn_ctx(ctx);
	enum cookie_side s = (enum cookie_side)args[SMP_MAX_ARGS - 1].i;

	*w = (struct walk){ .response = s == COOKIE_EITHER ? ctx->response : s == COOKIE_RSP };
	if (!t)
		return false;
	w->m = w->response ? &t->rsp : &t->req;
	return true;
}

/* Set-Cookie has one cookie, whose attributes follow behind ';'. */
static bool walk_next(struct walk *w, struct slice *name, struct slice *value)
{
	for (;;) {
		if (w->rest.p && http_cookie_next(&w->rest, name, value)) {
			if (w->response)
				w->rest = SLICE_NONE;
			return true;
		}
		w->h = http_hdr_find(w->m, w->response ? HDR_SET_COOKIE : HDR_COOKIE, SLICE_NONE,
				     w->h);
		if (!w->h)
			return false;
		w->rest = http_hdr_value(w->h);
	}
}

static bool wanted(const struct smp_arg *args, struct slice name)
{
	return !args[0].s.n || slice_eq(args[0].s, name);
}

/* All one by one for conditions; else the last of that name, or the first of all. */
static bool fetch_cook(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	bool iterate = out->flags & SMP_F_ITERATE, found = false;
	struct slice name, value;
	struct walk w;

	if (!side(args, ctx, &w))
		return false;
	w.h = (struct http_hdr *)(uintptr_t)out->iter[0];
	w.rest = slice_make((const char *)(uintptr_t)out->iter[1], out->iter[2]);
	while (walk_next(&w, &name, &value)) {
		if (!wanted(args, name))
			continue;
		found = true;
		smp_str(out, value);
		if (iterate || !args[0].s.n)
			break;
	}
	if (found && iterate) {
		out->iter[0] = (uintptr_t)w.h;
		out->iter[1] = (uintptr_t)w.rest.p;
		out->iter[2] = w.rest.n;
		out->flags |= SMP_F_MORE;
	}
	return found;
}

static bool fetch_cook_val(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	int64_t v = 0;

	if (!fetch_cook(args, ctx, out))
		return false;
	slice_to_int(out->u.s, &v);
	return smp_int(out, v);
}

static bool fetch_cook_cnt(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	struct slice name, value;
	struct walk w;
	int64_t n = 0;

	if (!side(args, ctx, &w))
		return false;
	while (walk_next(&w, &name, &value))
		n += wanted(args, name);
	return smp_int(out, n);
}

#define COOK(n, t, fn, side, bits)                                                         \
	.name = n, .kind = "fetch-L7", .out = t, .fetch = fn, .priv = side, .where = bits, \
	.max_args = 1, .args = { ARG_STR }, .kernel = KERNEL_HTTP
#define REQ SMP_W_REQ_HTTP
#define RSP SMP_W_RSP_HTTP

static const struct fetch_row rows[] = {
	{ COOK("cook", SMP_STR, fetch_cook, COOKIE_REQ, REQ), .help = "Older name of req.cook." },
	{ COOK("cook_cnt", SMP_INT, fetch_cook_cnt, COOKIE_REQ, REQ),
	  .help = "Older name of req.cook_cnt." },
	{ COOK("cook_val", SMP_INT, fetch_cook_val, COOKIE_REQ, REQ),
	  .help = "Older name of req.cook_val." },
	{ COOK("req.cook", SMP_STR, fetch_cook, COOKIE_REQ, REQ),
	  .help = "A cookie of the request: the last of that name." },
	{ COOK("req.cook_cnt", SMP_INT, fetch_cook_cnt, COOKIE_REQ, REQ),
	  .help = "How many cookies of that name the request has." },
	{ COOK("req.cook_val", SMP_INT, fetch_cook_val, COOKIE_REQ, REQ),
	  .help = "A cookie of the request as a number." },
	{ COOK("scook", SMP_STR, fetch_cook, COOKIE_RSP, RSP), .help = "Older name of res.cook." },
	{ COOK("scook_cnt", SMP_INT, fetch_cook_cnt, COOKIE_RSP, RSP),
	  .help = "Older name of res.cook_cnt." },
	{ COOK("scook_val", SMP_INT, fetch_cook_val, COOKIE_RSP, RSP),
	  .help = "Older name of res.cook_val." },
	{ COOK("res.cook", SMP_STR, fetch_cook, COOKIE_RSP, RSP),
	  .help = "A cookie that the response sets." },
	{ COOK("res.cook_cnt", SMP_INT, fetch_cook_cnt, COOKIE_RSP, RSP),
	  .help = "How many cookies of that name the response sets." },
	{ COOK("res.cook_val", SMP_INT, fetch_cook_val, COOKIE_RSP, RSP),
	  .help = "A cookie that the response sets, as a number." },
	{ COOK("cookie", SMP_STR, fetch_cook, COOKIE_EITHER, REQ | RSP),
	  .help = "A cookie of the request or response." },
};

void http_fetch_cookie_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
