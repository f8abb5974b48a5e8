// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_fetch_uri.c - fetches of the start line: method, url, path, query parameters, version, status. Any worker; the
 * results are slices of the message.
 */
#include <lbd/hash.h>

#include "policy/http_policy.h"

static struct http_msg *request(const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);

	return t ? &t->req : NULL;
}

static bool fetch_method(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = request(ctx);

	if (!m)
		return false;
	out->type = SMP_METH;
	out->u.m.s = m->method_text;
	out->u.m.meth = m->method;
	return true;
}

enum uri_part { URI_PATH, URI_PATHQ, URI_URL, URI_QUERY };

static bool fetch_part(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = request(ctx);
	struct slice s;

	if (!m)
		return false;
	switch ((enum uri_part)args[SMP_MAX_ARGS - 1].i) {
	case URI_PATH:
		s = http_path(m);
		return s.n && smp_str(out, s);
	case URI_PATHQ:
		s = http_path_query(m);
		return s.n && smp_str(out, s);
	case URI_URL:
		return smp_str(out, m->target);
	case URI_QUERY:
		s = http_query(m);
		return s.p && smp_str(out, s);
	}
	return false;
}

/* The first Host header and the path, with or without the query. */
static bool base(const struct smp_ctx *ctx, bool query, struct slice *out)
{
	struct http_msg *m = request(ctx);
	struct http_hdr *h = m ? http_hdr_find_id(m, HDR_HOST) : NULL;
	struct slice host, path;
	char *buf;

	if (!m)
		return false;
	host = h ? http_hdr_value(h) : SLICE_NONE;
	path = query ? http_path_query(m) : http_path(m);
	buf = smp_alloc(ctx, host.n + path.n);
	if (!buf || !(host.n + path.n))
		return false;
	if (host.n)
		memcpy(buf, host.p, host.n);
	if (path.n)
		memcpy(buf + host.n, path.p, path.n);
	*out = slice_make(buf, host.n + path.n);
	return true;
}

static bool fetch_base(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct slice s;

	return base(ctx, args[SMP_MAX_ARGS - 1].i, &s) && smp_str(out, s);
}

static bool fetch_base32(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct slice s;

	return base(ctx, args[SMP_MAX_ARGS - 1].i, &s) &&
	       smp_int(out, lbd_mix32(lbd_sdbm((const __u8 *)s.p, (__u32)s.n)));
}

/* ---- an absolute URL's host ---- */

static bool authority_parts(const struct smp_ctx *ctx, struct addr *a, int64_t *port)
{
	struct http_msg *m = request(ctx);
	struct slice host = m ? http_authority(m) : SLICE_NONE;
	ptrdiff_t at, end;

	if (!host.n)
		return false;
	at = slice_chr(host, '@');
	if (at >= 0)
		host = slice_from(host, (size_t)at + 1);
	end = host.p[0] == '[' ? slice_chr(host, ']') : -1;
	*port = 80;
	if (end > 0) {
		slice_to_int(slice_from(host, (size_t)end + 2), port);
		return slice_to_ip6(slice_make(host.p + 1, (size_t)end - 1), a);
	}
	end = slice_chr(host, ':');
	if (end >= 0)
		slice_to_int(slice_from(host, (size_t)end + 1), port);
	return slice_to_ip4(end >= 0 ? slice_first(host, (size_t)end) : host, a);
}

static bool fetch_url_ip(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct addr a;
	int64_t port;

	return authority_parts(ctx, &a, &port) && smp_addr(out, &a);
}

static bool fetch_url_port(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	struct addr a;
	int64_t port;

	return authority_parts(ctx, &a, &port) && smp_int(out, port);
}

/* ---- parameters: name=value between '&' or ';' behind '?' (or another delimiter) ---- */

static bool fetch_param(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = request(ctx);
	char delim = arg_given(args, 1) && args[1].s.n ? args[1].s.p[0] : '?';
	struct slice rest;

	if (!m)
		return false;
	if (out->iter[0]) {
		rest = slice_make((const char *)(uintptr_t)out->iter[0], out->iter[1]);
	} else {
		ptrdiff_t at = slice_chr(m->target, delim);

		rest = at < 0 ? SLICE_NONE : slice_from(m->target, (size_t)at + 1);
	}
	while (rest.n) {
		size_t n = 0, eq;
		struct slice pair;

		while (n < rest.n && rest.p[n] != '&' && rest.p[n] != ';' && rest.p[n] != delim)
			n++;
		pair = slice_first(rest, n);
		rest = slice_from(rest, n + 1);
		for (eq = 0; eq < pair.n && pair.p[eq] != '=';)
			eq++;
		if (eq == pair.n || (args[0].s.n && !slice_eq(slice_first(pair, eq), args[0].s)))
			continue;
		out->iter[0] = (uintptr_t)rest.p;
		out->iter[1] = rest.n;
		if (rest.n)
			out->flags |= SMP_F_MORE;
		return smp_str(out, slice_from(pair, eq + 1));
	}
	return false;
}

static bool fetch_param_val(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	int64_t v;

	return fetch_param(args, ctx, out) && slice_to_int(out->u.s, &v) && smp_int(out, v);
}

/* ---- version and status ---- */

static bool version(const struct http_msg *m, struct sample *out)
{
	if (m->flags & MSG_F_H2)
		return smp_str(out, SLICE("2.0"));
	return smp_str(out, m->flags & MSG_F_HTTP10 ? SLICE("1.0") : SLICE("1.1"));
}

static bool fetch_req_ver(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_msg *m = request(ctx);

	return m && version(m, out);
}

static bool fetch_res_ver(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_txn *t = http_txn_ctx(ctx);

	return t && ctx->response && version(&t->rsp, out);
}

static bool fetch_status(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct http_txn *t = http_txn_ctx(ctx);

	return t && ctx->response && t->rsp.status && smp_int(out, t->rsp.status);
}

static bool fetch_first_req(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	struct http_txn *t = http_txn_ctx(ctx);

	return t && smp_bool(out, t->flags & TXN_FIRST);
}

static bool fetch_proto_http(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	return ctx->http && smp_bool(out, true);
}

/* The request's first line in words, also while the response is there. */
enum request_word { WORD_METHOD, WORD_URI, WORD_VERSION };

static bool fetch_captured(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	struct http_msg *m = request(ctx);

	if (!m)
		return false;
	switch ((enum request_word)args[SMP_MAX_ARGS - 1].i) {
	case WORD_METHOD:
		return smp_str(out, m->method_text);
	case WORD_URI:
		return smp_str(out, http_path_query(m).n ? http_path_query(m) : m->target);
	case WORD_VERSION:
		break;
	}
	return smp_str(out, m->flags & MSG_F_HTTP10 ? SLICE("HTTP/1.0") : SLICE("HTTP/1.1"));
}

#define L7(n, t, fn) .name = n, .kind = "fetch-L7", .out = t, .fetch = fn, .kernel = KERNEL_HTTP
#define L6(n, t, fn) .name = n, .kind = "fetch-L6", .out = t, .fetch = fn, .kernel = KERNEL_HTTP
#define REQUEST      .where = SMP_W_REQ_HTTP
#define EITHER       .where = SMP_W_REQ_HTTP | SMP_W_RSP_HTTP
/* kept for the log line, too */
#define CAPTURED   .where = SMP_W_REQ_HTTP | SMP_W_RSP_HTTP | SMP_W_LOG
#define RESPONSE   .where = SMP_W_RSP_HTTP
#define PARAM_ARGS .max_args = 2, .args = { ARG_STR, ARG_STR }

static const struct fetch_row rows[] = {
	{ L7("method", SMP_METH, fetch_method), EITHER, .help = "The request's method." },
	{ L7("path", SMP_STR, fetch_part), REQUEST, .priv = URI_PATH,
	  .help = "The path, from the first slash to the question mark." },
	{ L7("pathq", SMP_STR, fetch_part), REQUEST, .priv = URI_PATHQ,
	  .help = "The path with the query." },
	{ L7("url", SMP_STR, fetch_part), REQUEST, .priv = URI_URL,
	  .help = "The request's target as it was sent." },
	{ L7("query", SMP_STR, fetch_part), REQUEST, .priv = URI_QUERY,
	  .help = "What stands behind the question mark." },
	{ L7("base", SMP_STR, fetch_base), REQUEST, .priv = 0,
	  .help = "The Host header followed by the path." },
	{ L7("baseq", SMP_STR, fetch_base), REQUEST, .priv = 1,
	  .help = "The Host header followed by path and query." },
	{ L7("base32", SMP_INT, fetch_base32), REQUEST, .priv = 0, .help = "base,sdbm(1)." },
	{ L7("url32", SMP_INT, fetch_base32), REQUEST, .priv = 1, .help = "baseq,sdbm(1)." },
	{ L7("url_ip", SMP_ADDR, fetch_url_ip), REQUEST,
	  .help = "The address in an absolute URL." },
	{ L7("url_port", SMP_INT, fetch_url_port), REQUEST,
	  .help = "The port in an absolute URL, else 80." },
	{ L7("urlp", SMP_STR, fetch_param), REQUEST, PARAM_ARGS,
	  .help = "A parameter's value, not decoded: name and where parameters begin (?)." },
	{ L7("url_param", SMP_STR, fetch_param), REQUEST, PARAM_ARGS, .help = "The same as urlp." },
	{ L7("urlp_val", SMP_INT, fetch_param_val), REQUEST, PARAM_ARGS,
	  .help = "A parameter's value as a number." },
	{ L7("req.ver", SMP_STR, fetch_req_ver), REQUEST,
	  .help = "The request's version: 1.0, 1.1, 2.0." },
	{ L7("req_ver", SMP_STR, fetch_req_ver), REQUEST, .help = "Older name of req.ver." },
	{ L7("res.ver", SMP_STR, fetch_res_ver), RESPONSE, .help = "The response's version." },
	{ L7("resp_ver", SMP_STR, fetch_res_ver), RESPONSE, .help = "Older name of res.ver." },
	{ L7("capture.req.method", SMP_STR, fetch_captured), CAPTURED, .priv = WORD_METHOD,
	  .help = "The request's method, also in responses." },
	{ L7("capture.req.uri", SMP_STR, fetch_captured), CAPTURED, .priv = WORD_URI,
	  .help = "The request's path and query, also in responses." },
	{ L7("capture.req.ver", SMP_STR, fetch_captured), CAPTURED, .priv = WORD_VERSION,
	  .help = "HTTP/1.0 or HTTP/1.1, also in responses." },
	{ L7("status", SMP_INT, fetch_status), RESPONSE, .help = "The response's status." },
	{ L7("http_first_req", SMP_BOOL, fetch_first_req), EITHER,
	  .help = "True for the first request of a connection." },
	{ L6("req.proto_http", SMP_BOOL, fetch_proto_http), EITHER,
	  .help = "The request is HTTP." },
	{ L6("req_proto_http", SMP_BOOL, fetch_proto_http), EITHER,
	  .help = "Older name of req.proto_http." },
};

void http_fetch_uri_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
