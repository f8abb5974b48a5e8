// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_times.c - what a stream and its connections have done so far: the log's timers as numbers, dates, bytes, retries,
 * termination state, the last rule, what the kernel measured (TCP_INFO), why a connection failed. Any worker.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <time.h>

#include "log/log.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "stream/upstream.h"

static int64_t priv_of(const struct smp_arg *args)
{
	return args[SMP_MAX_ARGS - 1].i;
}

/* ---- the log's timers: one definition for both ---- */

/* priv: the log variable's name */
static bool fetch_timer(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct log_ctx c = { .sess = ctx->sess,
				   .stream = ctx->stream,
				   .http = ctx->http,
				   .fe = ctx->sess ? ctx->sess->fe : NULL,
				   .be = ctx->stream ? ctx->stream->be : NULL };
	struct strbuf text = STRBUF_INIT;
	int64_t ms = -1;
	bool ok;

	if (!ctx->stream)
		return false;
	ok = log_alias_write(slice_z((const char *)priv_of(args)), &text, &c) &&
	     slice_to_int(strbuf_slice(&text), &ms);
	strbuf_fini(&text);
	return ok && smp_int(out, ms);
}

/* ---- dates ---- */

static const struct {
	const char *name;
	int64_t us;
} units[] = { { "s", 1000000 }, { "ms", 1000 }, { "us", 1 } };

static int check_unit(struct cfg_line *l, int word, struct smp_arg *args)
{
	args[0].i = units[0].us;
	if (!arg_given(args, 0) || !args[0].s.n)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (slice_eq_z(args[0].s, units[i].name)) {
			args[0].i = units[i].us;
			return 0;
		}
	}
	return cfg_error(l, word, "the unit must be s, ms or us, not '%.*s'", SLICE_FMT(args[0].s));
}

static bool fetch_accept_date(const struct smp_arg *args, const struct smp_ctx *ctx,
			      struct sample *out)
{
	return ctx->sess && smp_int(out, ctx->sess->accept_wall_us / args[0].i);
}

static bool fetch_request_date(const struct smp_arg *args, const struct smp_ctx *ctx,
			       struct sample *out)
{
	return ctx->stream && smp_int(out, ctx->stream->start_wall_us / args[0].i);
}

/* ---- the stream ---- */

enum stream_value { SV_BYTES_IN, SV_BYTES_OUT, SV_RETRIES, SV_ID32, SV_RULE_LINE };

static bool fetch_stream(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct stream *s = ctx->stream;

	if (!s)
		return false;
	switch ((enum stream_value)priv_of(args)) {
	case SV_BYTES_IN:
		return smp_int(out, (int64_t)s->bytes_in);
	case SV_BYTES_OUT:
		return smp_int(out, (int64_t)s->bytes_out);
	case SV_RETRIES:
		return smp_int(out, s->retries);
	case SV_ID32:
		return smp_int(out, (uint32_t)(s->id ^ s->id >> 32));
	case SV_RULE_LINE:
		return s->last_rule && smp_int(out, s->last_rule->at.line);
	}
	return false;
}

static bool fetch_redispatched(const struct smp_arg *args, const struct smp_ctx *ctx,
			       struct sample *out)
{
	return ctx->stream && smp_bool(out, ctx->stream->redispatched);
}

static bool fetch_rule_file(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	const struct rule *r = ctx->stream ? ctx->stream->last_rule : NULL;

	return r && r->at.file && smp_str(out, slice_z(r->at.file));
}

/* As %ts, in mode http as %tsc. */
static bool fetch_state(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct log_ctx c = { .sess = ctx->sess, .stream = ctx->stream, .http = ctx->http };
	struct strbuf text = STRBUF_INIT;
	char *buf = smp_alloc(ctx, 8);
	size_t n = 0;

	if (ctx->stream && log_alias_write(ctx->http ? SLICE("tsc") : SLICE("ts"), &text, &c))
		n = text.n;
	if (buf && n && n <= 8)
		memcpy(buf, text.p, n);
	strbuf_fini(&text);
	return buf && n && n <= 8 && smp_str(out, slice_make(buf, n));
}

/* ---- the process ---- */

static uint64_t started_ms; /* on the loops' clock */

static bool fetch_uptime(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return this_loop && smp_int(out, (int64_t)((this_loop->now_ms - started_ms) / 1000));
}

static bool fetch_act_conn(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	return smp_int(out, atomic_load_explicit(&sessions_active, memory_order_relaxed));
}

/* ---- the connections ---- */

static const struct conn *conn_of(const struct smp_ctx *ctx, bool server)
{
	const struct conn *c = !server ? ctx->sess ? &ctx->sess->client : NULL
			       : ctx->stream && ctx->stream->up ? &ctx->stream->up->conn
								: NULL;

	return c && conn_is_open(c) ? c : NULL;
}

enum { OF_SERVER = 256 }; /* in priv: of the server's connection */
enum tcp_value {
	TCP_RTT,
	TCP_RTTVAR,
	TCP_RETRANS,
	TCP_LOST,
	TCP_UNACKED,
	TCP_SACKED,
	TCP_FACKETS,
	TCP_REORDERING
};

static int check_rtt(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (arg_given(args, 0) && args[0].s.n && !slice_eq_z(args[0].s, "ms") &&
	    !slice_eq_z(args[0].s, "us"))
		return cfg_error(l, word, "the unit must be ms or us, not '%.*s'",
				 SLICE_FMT(args[0].s));
	args[0].i = slice_eq_z(args[0].s, "us") ? 1 : 1000;
	return 0;
}

/* Costs one system call. */
static bool fetch_tcp(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = conn_of(ctx, priv_of(args) & OF_SERVER);
	struct tcp_info ti;
	socklen_t n = sizeof(ti);

	if (!c || getsockopt(c->io.fd, IPPROTO_TCP, TCP_INFO, &ti, &n))
		return false;
	switch ((enum tcp_value)(priv_of(args) & ~OF_SERVER)) {
	case TCP_RTT:
		return smp_int(out, ti.tcpi_rtt / args[0].i);
	case TCP_RTTVAR:
		return smp_int(out, ti.tcpi_rttvar / args[0].i);
	case TCP_RETRANS:
		return smp_int(out, ti.tcpi_retrans);
	case TCP_LOST:
		return smp_int(out, ti.tcpi_lost);
	case TCP_UNACKED:
		return smp_int(out, ti.tcpi_unacked);
	case TCP_SACKED:
		return smp_int(out, ti.tcpi_sacked);
	case TCP_FACKETS:
		return smp_int(out, ti.tcpi_fackets);
	case TCP_REORDERING:
		return smp_int(out, ti.tcpi_reordering);
	}
	return false;
}

/* priv: the peer's address instead of our own */
static bool server_conn_addr(const struct smp_arg *args, const struct smp_ctx *ctx, struct addr *a)
{
	const struct conn *c = conn_of(ctx, true);
	struct sockaddr_storage ss;
	socklen_t n = sizeof(ss);

	memset(a, 0, sizeof(*a));
	if (!c || (priv_of(args) ? getpeername(c->io.fd, (struct sockaddr *)&ss, &n)
				 : getsockname(c->io.fd, (struct sockaddr *)&ss, &n)))
		return false;
	addr_from_sockaddr(a, &ss);
	return a->family == ADDR_IP4 || a->family == ADDR_IP6;
}

static bool fetch_bc_addr(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct addr a;

	return server_conn_addr(args, ctx, &a) && smp_addr(out, &a);
}

static bool fetch_bc_port(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct addr a;

	return server_conn_addr(args, ctx, &a) && smp_int(out, a.port);
}

static bool fetch_http_major(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	if (priv_of(args) & OF_SERVER) /* towards servers HTTP/1 is spoken */
		return ctx->stream && ctx->stream->up && smp_int(out, 1);
	return ctx->sess && ctx->sess->proto &&
	       smp_int(out, strcmp(ctx->sess->proto->name, "h2") ? 1 : 2);
}

static bool fetch_err(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = !(priv_of(args) & OF_SERVER) ? ctx->sess ? &ctx->sess->client : NULL
			       : ctx->stream && ctx->stream->up ? &ctx->stream->up->conn
								: NULL;

	return c && smp_int(out, c->reason);
}

static bool fetch_err_str(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const char *text;

	if (!fetch_err(args, ctx, out))
		return false;
	text = conn_reason_text((unsigned int)out->u.i);
	return text && smp_str(out, slice_z(text));
}

#define IN_DAEMON .kernel = KERNEL_NEVER, .kernel_says = "the value exists in the daemon only"
#define ROW(n, k, t, w, fn, p)                                                                   \
	.name = n, .kind = "fetch-" k, .out = t, .where = w, .fetch = fn, .priv = (intptr_t)(p), \
	.flags = FETCH_NO_INDEX, IN_DAEMON
#define TIMER(n, k, alias) ROW(n, k, SMP_INT, SMP_W_INTERNAL, fetch_timer, alias)
#define UNIT               .max_args = 1, .args = { ARG_STR }, .check = check_unit
#define CLIENT             SMP_W_L4_CLIENT
#define SERVER             SMP_W_L4_SERVER
#define TCP(n, w, p)       ROW(n, "L4", SMP_INT, w, fetch_tcp, p)
#define RTT                .max_args = 1, .args = { ARG_STR }, .check = check_rtt

static const struct fetch_row rows[] = {
	{ TIMER("bc.timer.connect", "L4", "Tc"), .help = "%Tc: ms to connect to the server." },
	{ TIMER("fc.timer.handshake", "L4", "Th"), .help = "%Th: ms of the client's handshakes." },
	{ TIMER("fc.timer.total", "L4", "Tt"), .help = "%Tt: ms from the accept to now." },
	{ TIMER("res.timer.data", "L4", "Td"), .help = "%Td: ms of the response's data." },
	{ TIMER("txn.timer.user", "L5", "Tu"), .help = "%Tu: ms as the client sees it." },
	{ TIMER("req.timer.idle", "L7", "Ti"), .help = "%Ti: ms idle before the request." },
	{ TIMER("req.timer.queue", "L7", "Tw"), .help = "%Tw: ms in queues." },
	{ TIMER("req.timer.tq", "L7", "Tq"), .help = "%Tq: ms from the accept to the request." },
	{ TIMER("req.timer.hdr", "L7", "TR"), .help = "%TR: ms of the request's head." },
	{ TIMER("res.timer.hdr", "L7", "Tr"),
	  .help = "%Tr: ms from the connection to the response." },
	{ TIMER("txn.timer.total", "L7", "Ta"), .help = "%Ta: ms the request is active." },
	{ ROW("accept_date", "L4", SMP_INT, CLIENT, fetch_accept_date, 0), UNIT,
	  .help = "When the connection was accepted, since 1970 in s, ms or us." },
	{ ROW("request_date", "L7", SMP_INT, SMP_W_INTERNAL, fetch_request_date, 0), UNIT,
	  .help = "When the request began, since 1970 in s, ms or us." },

	{ ROW("bytes_in", "L4", SMP_INT, SMP_W_INTERNAL, fetch_stream, SV_BYTES_IN),
	  .help = "Bytes from the client to the server; in mode tcp known at the end." },
	{ ROW("bytes_out", "L4", SMP_INT, SMP_W_INTERNAL, fetch_stream, SV_BYTES_OUT),
	  .help = "Bytes from the server to the client; in mode tcp known at the end." },
	{ ROW("req.bytes_in", "L4", SMP_INT, SMP_W_INTERNAL, fetch_stream, SV_BYTES_IN),
	  .help = "The same as bytes_in." },
	{ ROW("res.bytes_in", "L4", SMP_INT, SMP_W_INTERNAL, fetch_stream, SV_BYTES_OUT),
	  .help = "The same as bytes_out." },
	{ ROW("txn.conn_retries", "L4", SMP_INT, SMP_W_L4_SERVER, fetch_stream, SV_RETRIES),
	  .help = "How often connecting to a server was tried again." },
	{ ROW("txn.redispatched", "L4", SMP_BOOL, SMP_W_L4_SERVER, fetch_redispatched, 0),
	  .help = "Another server was taken than the first one." },
	{ ROW("txn.id32", "internal", SMP_INT, SMP_W_INTERNAL, fetch_stream, SV_ID32),
	  .help = "A number of 32 bits for the stream; not unique, but rarely the same." },
	{ ROW("txn.sess_term_state", "internal", SMP_STR, SMP_W_INTERNAL, fetch_state, 0),
	  .help = "The termination state so far, as in the log." },
	{ ROW("last_rule_file", "internal", SMP_STR, SMP_W_INTERNAL, fetch_rule_file, 0),
	  .help = "The file of the last rule that ended its set." },
	{ ROW("last_rule_line", "internal", SMP_INT, SMP_W_INTERNAL, fetch_stream, SV_RULE_LINE),
	  .help = "The line of the last rule that ended its set." },
	{ ROW("uptime", "internal", SMP_INT, SMP_W_INTERNAL, fetch_uptime, 0),
	  .help = "Seconds since the process started." },
	{ ROW("act_conn", "internal", SMP_INT, SMP_W_INTERNAL, fetch_act_conn, 0),
	  .help = "Connections of the process now." },

	{ TCP("fc_rtt", CLIENT, TCP_RTT), RTT,
	  .help = "The client's round trip time as the kernel has it, in ms or us." },
	{ TCP("fc_rttvar", CLIENT, TCP_RTTVAR), RTT, .help = "Its variance, in ms or us." },
	{ TCP("fc_retrans", CLIENT, TCP_RETRANS),
	  .help = "Segments to the client that are on their way again." },
	{ TCP("fc_lost", CLIENT, TCP_LOST), .help = "Segments to the client that count as lost." },
	{ TCP("fc_unacked", CLIENT, TCP_UNACKED),
	  .help = "Segments to the client that are not acknowledged." },
	{ TCP("fc_sacked", CLIENT, TCP_SACKED),
	  .help = "Segments to the client that are acknowledged out of order." },
	{ TCP("fc_fackets", CLIENT, TCP_FACKETS), .help = "The kernel's fackets counter." },
	{ TCP("fc_reordering", CLIENT, TCP_REORDERING),
	  .help = "The kernel's reordering counter." },
	{ TCP("bc_rtt", SERVER, TCP_RTT | OF_SERVER), RTT,
	  .help = "The server's round trip time as the kernel has it, in ms or us." },
	{ TCP("bc_rttvar", SERVER, TCP_RTTVAR | OF_SERVER), RTT,
	  .help = "Its variance, in ms or us." },
	{ ROW("bc_src", "L4", SMP_ADDR, SERVER, fetch_bc_addr, 0),
	  .help = "The address from which the server's connection comes." },
	{ ROW("bc_src_port", "L4", SMP_INT, SERVER, fetch_bc_port, 0), .help = "Its port." },
	{ ROW("bc_dst", "L4", SMP_ADDR, SERVER, fetch_bc_addr, 1),
	  .help = "The address to which the server's connection goes." },
	{ ROW("bc_dst_port", "L4", SMP_INT, SERVER, fetch_bc_port, 1), .help = "Its port." },
	{ ROW("fc_http_major", "L4", SMP_INT, CLIENT, fetch_http_major, 0),
	  .help = "1 for HTTP/1, 2 for HTTP/2 on the client's connection." },
	{ ROW("bc_http_major", "L4", SMP_INT, SERVER, fetch_http_major, OF_SERVER),
	  .help = "1: HTTP/1 is what servers are spoken to in." },
	{ ROW("fc_err", "L4", SMP_INT, CLIENT, fetch_err, 0),
	  .help = "Why the client's handshakes failed, as a number; 0: they did not." },
	{ ROW("fc_err_str", "L4", SMP_STR, CLIENT, fetch_err_str, 0),
	  .help = "Why the client's handshakes failed, in words." },
	{ ROW("bc_err", "L4", SMP_INT, SERVER, fetch_err, OF_SERVER),
	  .help = "Why the server's handshakes failed, as a number; 0: they did not." },
	{ ROW("bc_err_str", "L4", SMP_STR, SERVER, fetch_err_str, OF_SERVER),
	  .help = "Why the server's handshakes failed, in words." },
};

void fetch_times_register(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	started_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
	fetch_register(rows, ARRAY_SIZE(rows));
}
