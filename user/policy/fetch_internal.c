// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_internal.c - fetches of constants and of the process's own state: backends, servers, queues, time, chance.
 * Any worker; what other threads count is read as it is at that moment.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "base/coverage.h"
#include "policy/cond.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "process/start.h"
#include "stream/queue.h"
#include "stream/stream.h"

/* ---- constants ---- */

static bool fetch_const_bool(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	return smp_bool(out, args[SMP_MAX_ARGS - 1].i);
}

static bool fetch_arg_bool(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	return smp_bool(out, args[0].i);
}

static int check_bool(struct cfg_line *l, int word, struct smp_arg *args)
{
	bool yes = slice_eq_z(args[0].s, "true") || slice_eq_z(args[0].s, "1");

	if (!yes && !slice_eq_z(args[0].s, "false") && !slice_eq_z(args[0].s, "0"))
		return cfg_error(l, word, "fetch 'bool': '%.*s' must be true, false, 1 or 0",
				 SLICE_FMT(args[0].s));
	args[0].i = yes;
	return 0;
}

static bool fetch_arg_int(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, args[0].i);
}

static bool fetch_arg_str(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_str(out, args[0].s);
}

static bool fetch_arg_meth(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	out->type = SMP_METH;
	out->u.s = args[0].s;
	return true;
}

static bool fetch_arg_bin(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_bin(out, args[0].s);
}

static int hex_digit(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c ? strchr(digits, c | 0x20) : NULL;

	return at && (c >= 'A' || c <= '9') ? (int)(at - digits) : -1;
}

static int check_hex(struct cfg_line *l, int word, struct smp_arg *args)
{
	struct slice s = args[0].s;
	char *out = arena_alloc(l->arena, s.n / 2 + 1);

	for (size_t i = 0; i < s.n; i += 2) {
		int hi = hex_digit(s.p[i]), lo = i + 1 < s.n ? hex_digit(s.p[i + 1]) : -1;

		if (hi < 0 || lo < 0)
			return cfg_error(
				l, word,
				"fetch 'bin': '%.*s' must be an even number of hexadecimal digits",
				SLICE_FMT(s));
		out[i / 2] = (char)(hi * 16 + lo);
	}
	args[0].s = slice_make(out, s.n / 2);
	return 0;
}

static bool fetch_arg_ip(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_addr(out, &args[0].a);
}

static int check_ip4(struct cfg_line *l, int word, struct smp_arg *args)
{
	return args[0].a.family == ADDR_IP4
		       ? 0
		       : cfg_error(l, word, "fetch 'ipv4' needs an IPv4 address, not '%.*s'",
				   SLICE_FMT(args[0].s));
}

static int check_ip6(struct cfg_line *l, int word, struct smp_arg *args)
{
	return args[0].a.family == ADDR_IP6
		       ? 0
		       : cfg_error(l, word, "fetch 'ipv6' needs an IPv6 address, not '%.*s'",
				   SLICE_FMT(args[0].s));
}

/* ---- the process ---- */

static bool fetch_env(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const char *z = getenv(args[0].s.p);

	if (z)
		coverage_note("env", args[0].s.p);
	return z && smp_str(out, slice_z(z));
}

/* A shared name lives as long as the process: what gethostname() says changes rarely and is asked per call. */
static bool fetch_hostname(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	char *buf = smp_alloc(ctx, 256);

	if (!buf || gethostname(buf, 256))
		return false;
	buf[255] = 0;
	return smp_str(out, slice_z(buf));
}

static bool fetch_proc(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, 1);
}

static bool fetch_thread(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, this_loop ? this_loop->tid : 0);
}

static bool fetch_pid(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, getpid());
}

static bool fetch_stopping(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	return smp_bool(out, sessions_draining() || process_is_stopping());
}

/* ---- time and chance ---- */

static const struct {
	const char *name;
	int64_t per_second;
} units[] = { { "s", 1 }, { "ms", 1000 }, { "us", 1000000 } };

static int check_date(struct cfg_line *l, int word, struct smp_arg *args)
{
	args[1].i = 1;
	if (!arg_given(args, 1))
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
		if (slice_eq_z(args[1].s, units[i].name)) {
			args[1].i = units[i].per_second;
			return 0;
		}
	}
	return cfg_error(l, word, "fetch 'date': the unit must be s, ms or us, not '%.*s'",
			 SLICE_FMT(args[1].s));
}

static bool fetch_date(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return smp_int(out, ts.tv_sec * args[1].i + (int64_t)ts.tv_nsec * args[1].i / 1000000000 +
				    args[0].i);
}

static bool fetch_date_us(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return smp_int(out, ts.tv_nsec / 1000);
}

/* xorshift: for spreading, not for secrets */
static uint64_t chance(void)
{
	static __thread uint64_t state;

	if (!state && (getrandom(&state, sizeof(state), GRND_NONBLOCK) != sizeof(state) || !state))
		state = (uintptr_t)&state ^ (uint64_t)time(NULL);
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static bool fetch_rand(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	uint64_t r = chance() >> 32;

	return smp_int(out,
		       arg_given(args, 0) ? (int64_t)(r * (uint64_t)args[0].i >> 32) : (int64_t)r);
}

static int check_rand(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (arg_given(args, 0) && (args[0].i <= 0 || args[0].i > UINT32_MAX))
		return cfg_error(l, word, "fetch 'rand': the range must be 1..4294967295");
	return 0;
}

static bool fetch_uuid(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	char *buf = smp_alloc(ctx, 37);
	uint64_t a, b;

	if (!buf || getrandom(&a, sizeof(a), 0) != sizeof(a) ||
	    getrandom(&b, sizeof(b), 0) != sizeof(b))
		return false;
	snprintf(buf, 37, "%08x-%04x-%04x-%04x-%012llx", (unsigned int)(a >> 32),
		 (unsigned int)(a >> 16 & 0xffff), (unsigned int)(a & 0xfff) | 0x4000,
		 (unsigned int)(b >> 48 & 0x3fff) | 0x8000,
		 (unsigned long long)(b & 0xffffffffffffull));
	return smp_str(out, slice_make(buf, 36));
}

static int check_uuid(struct cfg_line *l, int word, struct smp_arg *args)
{
	return arg_given(args, 0) && args[0].i != 4
		       ? cfg_error(l, word, "fetch 'uuid': only version 4 is known")
		       : 0;
}

/* ---- backends and servers ---- */

/* How many servers take new connections: of the backups only the first counts, unless all are used. */
int64_t backend_usable_servers(const struct proxy *px)
{
	uint32_t active = px->up_active, backup = px->up_backup;

	if (active)
		return active;
	return backup && !(px->options & PX_O_ALLBACKUPS) ? 1 : backup;
}

static bool fetch_nbsrv(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, backend_usable_servers(args[0].ptr));
}

static int64_t queued(struct proxy *px)
{
	int64_t n = queue_length(px->queue);
	struct server *s;

	list_for_each_entry(s, &px->servers, node)
		n += s->load.queued;
	return n;
}

static bool fetch_queue(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, queued(args[0].ptr));
}

static bool fetch_avg_queue(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	int64_t n = queued(args[0].ptr), servers = backend_usable_servers(args[0].ptr);

	return smp_int(out, servers ? (n + servers - 1) / servers : n * 2);
}

static bool fetch_be_conn(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, ((struct proxy *)args[0].ptr)->be_conns);
}

static bool fetch_fe_conn(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, ((struct proxy *)args[0].ptr)->fe_conns);
}

/* -1: a server without a limit. @queue: count its queue's room as well. */
static int64_t free_slots(struct proxy *px, bool queue)
{
	int64_t n = 0;
	struct server *s;

	list_for_each_entry(s, &px->servers, node) {
		int64_t most = s->live.maxconn, left = most - s->load.served;

		if (!server_is_usable(s) || (s->backup && px->up_active))
			continue;
		if (!most || (queue && !s->maxqueue))
			return -1;
		if (queue)
			left += (int64_t)s->maxqueue - s->load.queued;
		n += left > 0 ? left : 0;
	}
	return n;
}

static bool fetch_free_slots(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	return smp_int(out, free_slots(args[0].ptr, args[SMP_MAX_ARGS - 1].i));
}

/* Events per second: those of the last whole second, or of the present one when they are more already. */
static int64_t rate(const uint64_t *sec_at, const uint64_t *cur_at, const uint64_t *prev_at)
{
	uint64_t sec = count_get(sec_at), cur = count_get(cur_at), prev = count_get(prev_at);
	uint64_t now_s = this_loop ? this_loop->now_ms / 1000 : 0;
	uint64_t part = this_loop ? this_loop->now_ms % 1000 : 0;

	if (sec + 1 == now_s) {
		prev = cur;
		cur = 0;
	} else if (sec != now_s) {
		return 0;
	}
	return (int64_t)(cur + prev * (1000 - part) / 1000);
}

static bool fetch_fe_rate(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct fe_counters *c = ((struct proxy *)args[0].ptr)->fe_count;
	bool requests = args[SMP_MAX_ARGS - 1].i;
	int64_t n = 0;

	for (int t = 0; c && t <= worker_count; t++)
		n += requests ? rate(&c[t].req_sec, &c[t].req_cur, &c[t].req_prev)
			      : rate(&c[t].sess_sec, &c[t].sess_cur, &c[t].sess_prev);
	return smp_int(out, n);
}

static int64_t be_rate(const struct be_counters *c)
{
	int64_t n = 0;

	for (int t = 0; c && t <= worker_count; t++)
		n += rate(&c[t].sess_sec, &c[t].sess_cur, &c[t].sess_prev);
	return n;
}

static bool fetch_be_rate(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return smp_int(out, be_rate(((struct proxy *)args[0].ptr)->be_count));
}

static bool fetch_srv_rate(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	return smp_int(out, be_rate(((struct server *)args[0].ptr)->count));
}

static bool fetch_srv_is_up(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	const struct server *s = args[0].ptr;

	return smp_bool(out, !(s->live.admin & SRV_ADM_MAINT) && s->live.oper != SRV_STOPPED);
}

enum srv_number { SRV_CONN, SRV_CONN_FREE, SRV_QUEUE, SRV_UWEIGHT, SRV_IWEIGHT, SRV_WEIGHT };

static bool fetch_srv_number(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	const struct server *s = args[0].ptr;
	int64_t most = s->live.maxconn, served = s->load.served;

	switch ((enum srv_number)args[SMP_MAX_ARGS - 1].i) {
	case SRV_CONN:
		return smp_int(out, served);
	case SRV_CONN_FREE:
		return smp_int(out, !most ? -1 : most > served ? most - served : 0);
	case SRV_QUEUE:
		return smp_int(out, s->load.queued);
	case SRV_UWEIGHT:
		return smp_int(out, s->live.uweight);
	case SRV_IWEIGHT:
		return smp_int(out, s->weight);
	case SRV_WEIGHT:
		return smp_int(out, server_shown_weight(s));
	}
	return false;
}

/* ---- acl(name,...) ---- */

/* The names become a condition: all of them, each with or without '!'. */
static int check_acl(struct cfg_line *l, int word, struct smp_arg *args)
{
	struct cfg_line line = *l;
	int n = 0;

	line.words = arena_zalloc(l->arena, sizeof(*line.words) * (SMP_MAX_ARGS + 3));
	line.words[n++].z = "if";
	for (int i = 0; i < SMP_MAX_ARGS - 1 && arg_given(args, i); i++) {
		if (!args[i].s.n || args[i].s.p[0] == '{')
			return cfg_error(l, word, "fetch 'acl' takes names of ACLs");
		line.words[n++] = (struct cfg_word){ .z = args[i].s.p,
						     .n = args[i].s.n,
						     .column = l->words[word].column };
	}
	line.words[n].z = "";
	line.nwords = n;
	args[0].ptr = cond_parse(&line, 0, SMP_WHERE_LOG);
	return args[0].ptr ? 0 : -1;
}

static bool fetch_acl(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	enum acl_result r = cond_eval(args[0].ptr, ctx);

	if (r == ACL_MORE) {
		out->flags |= SMP_F_MAY_CHANGE;
		return false;
	}
	return smp_bool(out, r == ACL_YES);
}

/* The end of the inspection: no more data will come. */
static bool fetch_wait_end(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	if (!ctx->final) {
		out->flags |= SMP_F_MAY_CHANGE;
		return false;
	}
	return smp_bool(out, true);
}

#define INTERNAL(n, t, fn) \
	.name = n, .kind = "fetch-internal", .out = t, .where = SMP_W_INTERNAL, .fetch = fn
#define OPT_BACKEND .min_args = 1, .max_args = 1, .args = { ARG_BACKEND }
#define OF_SERVER   .min_args = 1, .max_args = 1, .args = { ARG_SERVER }
#define IN_DAEMON   .kernel = KERNEL_NEVER, .kernel_says = "the value exists in the daemon only"
#define CONSTANT    .kernel = KERNEL_EXACT

static const struct fetch_row rows[] = {
	{ INTERNAL("always_true", SMP_BOOL, fetch_const_bool), .priv = 1, CONSTANT,
	  .help = "True." },
	{ INTERNAL("always_false", SMP_BOOL, fetch_const_bool), .priv = 0, CONSTANT,
	  .help = "False." },
	{ INTERNAL("bool", SMP_BOOL, fetch_arg_bool), .min_args = 1, .max_args = 1,
	  .args = { ARG_STR }, .check = check_bool, CONSTANT,
	  .help = "The constant true, false, 1 or 0." },
	{ INTERNAL("int", SMP_INT, fetch_arg_int), .min_args = 1, .max_args = 1,
	  .args = { ARG_INT }, CONSTANT, .help = "A constant number." },
	{ INTERNAL("str", SMP_STR, fetch_arg_str), .min_args = 1, .max_args = 1,
	  .args = { ARG_STR }, CONSTANT, .help = "A constant text." },
	{ INTERNAL("bin", SMP_BIN, fetch_arg_bin), .min_args = 1, .max_args = 1,
	  .args = { ARG_STR }, .check = check_hex, CONSTANT,
	  .help = "Constant bytes, in hexadecimal." },
	{ INTERNAL("meth", SMP_METH, fetch_arg_meth), .min_args = 1, .max_args = 1,
	  .args = { ARG_STR }, CONSTANT, .help = "A constant HTTP method." },
	{ INTERNAL("ipv4", SMP_IP4, fetch_arg_ip), .min_args = 1, .max_args = 1, .args = { ARG_IP },
	  .check = check_ip4, CONSTANT, .help = "A constant IPv4 address." },
	{ INTERNAL("ipv6", SMP_IP6, fetch_arg_ip), .min_args = 1, .max_args = 1, .args = { ARG_IP },
	  .check = check_ip6, CONSTANT, .help = "A constant IPv6 address." },

	{ INTERNAL("env", SMP_STR, fetch_env), .min_args = 1, .max_args = 1, .args = { ARG_STR },
	  IN_DAEMON, .help = "An environment variable." },
	{ INTERNAL("hostname", SMP_STR, fetch_hostname), IN_DAEMON, .help = "This host's name." },
	{ INTERNAL("proc", SMP_INT, fetch_proc), IN_DAEMON, .help = "Always 1." },
	{ INTERNAL("pid", SMP_INT, fetch_pid), IN_DAEMON, .help = "The process's number." },
	{ INTERNAL("thread", SMP_INT, fetch_thread), IN_DAEMON,
	  .help = "The worker's number, from 0." },
	{ INTERNAL("stopping", SMP_BOOL, fetch_stopping), IN_DAEMON,
	  .help = "True while the process is stopping softly." },
	{ INTERNAL("date", SMP_INT, fetch_date), .max_args = 2, .args = { ARG_INT, ARG_STR },
	  .check = check_date, .flags = FETCH_NO_INDEX, IN_DAEMON,
	  .help = "The time since 1970 in s, ms or us, plus an offset." },
	{ INTERNAL("date_us", SMP_INT, fetch_date_us), .flags = FETCH_NO_INDEX, IN_DAEMON,
	  .help = "The microseconds of the current second." },
	{ INTERNAL("rand", SMP_INT, fetch_rand), .max_args = 1, .args = { ARG_INT },
	  .check = check_rand, .flags = FETCH_NO_INDEX, IN_DAEMON,
	  .help = "A random number below the argument (2^32)." },
	{ INTERNAL("uuid", SMP_STR, fetch_uuid), .max_args = 1, .args = { ARG_INT },
	  .check = check_uuid, .flags = FETCH_NO_INDEX, IN_DAEMON,
	  .help = "A random UUID (version 4)." },
	{ INTERNAL("wait_end", SMP_BOOL, fetch_wait_end), .flags = FETCH_NO_INDEX, IN_DAEMON,
	  .help = "True when the inspection is over; before, it asks to wait." },

	{ INTERNAL("acl", SMP_BOOL, fetch_acl), .min_args = 1, .max_args = 5,
	  .args = { ARG_STR, ARG_STR, ARG_STR, ARG_STR, ARG_STR }, .check = check_acl,
	  .flags = FETCH_NO_INDEX, IN_DAEMON,
	  .help = "All of the named ACLs hold; '!' in front of a name: it does not." },
	{ INTERNAL("nbsrv", SMP_INT, fetch_nbsrv), OPT_BACKEND, IN_DAEMON,
	  .help = "How many servers of the backend are usable." },
	{ INTERNAL("queue", SMP_INT, fetch_queue), OPT_BACKEND, IN_DAEMON,
	  .help = "Requests waiting in the backend's and its servers' queues." },
	{ INTERNAL("avg_queue", SMP_INT, fetch_avg_queue), OPT_BACKEND, IN_DAEMON,
	  .help = "Waiting requests per usable server." },
	{ INTERNAL("be_conn", SMP_INT, fetch_be_conn), OPT_BACKEND, IN_DAEMON,
	  .help = "Connections of the backend now." },
	{ INTERNAL("be_conn_free", SMP_INT, fetch_free_slots), OPT_BACKEND, .priv = 0, IN_DAEMON,
	  .help = "Connections the backend's servers can still take; -1: without limit." },
	{ INTERNAL("connslots", SMP_INT, fetch_free_slots), OPT_BACKEND, .priv = 1, IN_DAEMON,
	  .help = "The same with the room in the servers' queues." },
	{ INTERNAL("fe_conn", SMP_INT, fetch_fe_conn), .min_args = 1, .max_args = 1,
	  .args = { ARG_FRONTEND }, IN_DAEMON, .help = "Connections of the frontend now." },
	{ INTERNAL("fe_sess_rate", SMP_INT, fetch_fe_rate), .min_args = 1, .max_args = 1,
	  .args = { ARG_FRONTEND }, .priv = 0, IN_DAEMON,
	  .help = "New sessions of the frontend per second." },
	{ INTERNAL("fe_req_rate", SMP_INT, fetch_fe_rate), .min_args = 1, .max_args = 1,
	  .args = { ARG_FRONTEND }, .priv = 1, IN_DAEMON,
	  .help = "Requests of the frontend per second." },
	{ INTERNAL("be_sess_rate", SMP_INT, fetch_be_rate), OPT_BACKEND, IN_DAEMON,
	  .help = "New sessions of the backend per second." },
	{ INTERNAL("srv_sess_rate", SMP_INT, fetch_srv_rate), OF_SERVER, IN_DAEMON,
	  .help = "New sessions on the server per second." },
	{ INTERNAL("srv_is_up", SMP_BOOL, fetch_srv_is_up), OF_SERVER, IN_DAEMON,
	  .help = "The server is up and not in maintenance." },
	{ INTERNAL("srv_conn", SMP_INT, fetch_srv_number), OF_SERVER, .priv = SRV_CONN, IN_DAEMON,
	  .help = "Connections on the server now." },
	{ INTERNAL("srv_conn_free", SMP_INT, fetch_srv_number), OF_SERVER, .priv = SRV_CONN_FREE,
	  IN_DAEMON, .help = "Connections the server can still take; -1: without limit." },
	{ INTERNAL("srv_queue", SMP_INT, fetch_srv_number), OF_SERVER, .priv = SRV_QUEUE, IN_DAEMON,
	  .help = "Requests in the server's queue." },
	{ INTERNAL("srv_uweight", SMP_INT, fetch_srv_number), OF_SERVER, .priv = SRV_UWEIGHT,
	  IN_DAEMON, .help = "The weight set by the user." },
	{ INTERNAL("srv_iweight", SMP_INT, fetch_srv_number), OF_SERVER, .priv = SRV_IWEIGHT,
	  IN_DAEMON, .help = "The weight in the file." },
	{ INTERNAL("srv_weight", SMP_INT, fetch_srv_number), OF_SERVER, .priv = SRV_WEIGHT,
	  IN_DAEMON, .help = "The weight in effect." },
};

void fetch_internal_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
