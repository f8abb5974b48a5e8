// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions_stream.c - actions that change how one stream is handled: log level, timeouts, retries, its place in queues, a
 * pause, a log line at once, the end of the server's connection. Parsing: control thread; running: the stream's worker.
 */
#include "base/units.h"
#include "log/log.h"
#include "policy/expr.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "stream/tuning.h"

#define SETS_CONTENT (RULESET_TCP_CONTENT | RULESET_TCP_RESPONSE)
#define SETS_HTTP    (RULESET_HTTP_REQ | RULESET_HTTP_RES)
#define SAYS_STREAM  "connections in the kernel are no streams"

/* A number, a time, or an expression that gives it. */
struct number_arg {
	struct expr *expr; /* NULL: @value */
	int64_t value;
};

static bool number_of(const struct number_arg *n, const struct smp_ctx *ctx, int64_t *out)
{
	struct sample s;

	*out = n->value;
	if (!n->expr)
		return true;
	if (!expr_eval(n->expr, ctx, SMP_INT, &s))
		return false;
	*out = s.u.i;
	return true;
}

static int64_t clamp(int64_t v, int64_t min, int64_t max)
{
	return v < min ? min : v > max ? max : v;
}

static int missing(struct cfg_line *l, int i, const char *what)
{
	return cfg_error(l, i - 1, "%s is missing behind '%s'", what, l->words[i - 1].z);
}

/* ---- set-log-level ---- */

static const char *const levels[] = { "emerg",  "alert", "crit",  "err",   "warning",
				      "notice", "info",  "debug", "silent" };

static int parse_log_level(struct cfg_line *l, int *i, struct rule *r)
{
	if (*i >= l->nwords)
		return missing(l, *i, "a level");
	for (size_t k = 0; k < ARRAY_SIZE(levels); k++) {
		if (!strcmp(l->words[*i].z, levels[k])) {
			r->num[0] = (int64_t)k;
			++*i;
			return 0;
		}
	}
	return cfg_error(l, *i,
			 "set-log-level: '%s' is no level; there are emerg, alert, crit, err, "
			 "warning, notice, info, debug and silent",
			 l->words[*i].z);
}

static enum rule_verdict run_log_level(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_tuning *t = ctx->stream ? stream_tune(ctx->stream) : NULL;

	if (t)
		t->log_level = (int8_t)r->num[0];
	return RULE_CONTINUE;
}

/* ---- set-timeout {client|server|tunnel} <time>|<expression> ---- */

enum timeout_of { OF_CLIENT, OF_SERVER, OF_TUNNEL };

static int parse_time_or_expr(struct cfg_line *l, int *i, struct rule *r)
{
	struct number_arg *n = ARENA_NEW(l->arena, struct number_arg);
	const char *z;
	uint32_t ms;

	if (*i >= l->nwords)
		return missing(l, *i, "a time or an expression");
	z = l->words[*i].z;
	r->priv = n;
	if (*z >= '0' && *z <= '9') {
		if (parse_time_ms(slice_z(z), &ms))
			return cfg_error(l, *i, "%s: '%s' is no time, like 500 (ms), 5s or 2m",
					 r->action->name, z);
		n->value = ms;
	} else {
		n->expr = expr_parse(l, *i, z, r->where);
		if (!n->expr)
			return -1;
	}
	++*i;
	return 0;
}

static int parse_timeout(struct cfg_line *l, int *i, struct rule *r)
{
	static const char *const names[] = { "client", "server", "tunnel" };
	const char *z = *i < l->nwords ? l->words[*i].z : "";
	const struct number_arg *n;

	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		if (!strcmp(z, names[k]))
			r->num[0] = (int64_t)k + 1;
	if (!r->num[0])
		return cfg_error(l, *i < l->nwords ? *i : *i - 1,
				 "set-timeout: which one? client, server or tunnel, not '%s'", z);
	if (--r->num[0] != OF_CLIENT && !(r->px->caps & PX_BACKEND))
		return cfg_error(l, *i,
				 "set-timeout %s is the backend's matter; '%s' is a frontend", z,
				 r->px->name);
	++*i;
	if (parse_time_or_expr(l, i, r))
		return -1;
	n = r->priv;
	if (!n->expr && !n->value)
		return cfg_error(l, *i - 1, "set-timeout %s: the time cannot be 0", z);
	return 0;
}

static enum rule_verdict run_timeout(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_tuning *t = ctx->stream ? stream_tune(ctx->stream) : NULL;
	uint32_t *at;
	int64_t ms;

	if (!t || !number_of(r->priv, ctx, &ms) || ms < 0)
		return RULE_CONTINUE;
	at = r->num[0] == OF_CLIENT   ? &t->client_ms
	     : r->num[0] == OF_SERVER ? &t->server_ms
				      : &t->tunnel_ms;
	*at = (uint32_t)clamp(ms, 0, INT32_MAX);
	return RULE_CONTINUE;
}

/* ---- set-retries, set-priority-class, set-priority-offset: a number or an expression ---- */

#define CLASS_MOST  2047
#define OFFSET_MOST 524287

static int parse_retries(struct cfg_line *l, int *i, struct rule *r)
{
	struct number_arg *n = ARENA_NEW(l->arena, struct number_arg);
	const char *z;

	if (*i >= l->nwords)
		return missing(l, *i, "a number or an expression");
	z = l->words[*i].z;
	r->priv = n;
	if ((*z >= '0' && *z <= '9') || *z == '-') {
		if (parse_i64(slice_z(z), 0, 100, &n->value))
			return cfg_error(l, *i, "set-retries: must be 0..100, not '%s'", z);
	} else {
		n->expr = expr_parse(l, *i, z, r->where);
		if (!n->expr)
			return -1;
	}
	++*i;
	return 0;
}

static int parse_expr_only(struct cfg_line *l, int *i, struct rule *r)
{
	struct number_arg *n = ARENA_NEW(l->arena, struct number_arg);

	if (*i >= l->nwords)
		return missing(l, *i, "an expression");
	r->priv = n;
	n->expr = expr_parse(l, *i, l->words[*i].z, r->where);
	++*i;
	return n->expr ? 0 : -1;
}

static enum rule_verdict run_retries(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_tuning *t = ctx->stream ? stream_tune(ctx->stream) : NULL;
	int64_t n;

	if (t && number_of(r->priv, ctx, &n) && n >= 0)
		t->retries = (int16_t)clamp(n, 0, 100);
	return RULE_CONTINUE;
}

static enum rule_verdict run_prio_class(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_tuning *t = ctx->stream ? stream_tune(ctx->stream) : NULL;
	int64_t n;

	if (t && number_of(r->priv, ctx, &n))
		t->prio_class = (int32_t)clamp(n, -CLASS_MOST, CLASS_MOST);
	return RULE_CONTINUE;
}

static enum rule_verdict run_prio_offset(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_tuning *t = ctx->stream ? stream_tune(ctx->stream) : NULL;
	int64_t n;

	if (t && number_of(r->priv, ctx, &n))
		t->prio_offset_ms = (int32_t)clamp(n, -OFFSET_MOST, OFFSET_MOST);
	return RULE_CONTINUE;
}

/* ---- pause, do-log, close, wait-for-handshake ---- */

static enum rule_verdict run_pause(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_tuning *t = ctx->stream ? stream_tune(ctx->stream) : NULL;
	int64_t ms;

	if (!t)
		return RULE_CONTINUE;
	if (!t->pause_until_ms) {
		if (!number_of(r->priv, ctx, &ms) || ms <= 0)
			return RULE_CONTINUE;
		t->pause_until_ms = this_loop->now_ms + (uint64_t)clamp(ms, 0, INT32_MAX);
	}
	if (this_loop->now_ms < t->pause_until_ms)
		return RULE_YIELD;
	t->pause_until_ms = 0;
	return RULE_CONTINUE;
}

static enum rule_verdict run_do_log(const struct rule *r, const struct smp_ctx *ctx)
{
	log_now(ctx);
	return RULE_CONTINUE;
}

static enum rule_verdict run_close(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_tuning *t = ctx->stream ? stream_tune(ctx->stream) : NULL;

	if (t)
		t->close_server = true;
	return RULE_STOP;
}

/* Rules of a request run when the handshake is over, because early data is not accepted. */
static enum rule_verdict run_wait_handshake(const struct rule *r, const struct smp_ctx *ctx)
{
	return RULE_CONTINUE;
}

static const struct action_row rows[] = {
	{ .name = "set-log-level",
	  .sets = SETS_CONTENT | SETS_HTTP | RULESET_HTTP_AFTER,
	  .parse = parse_log_level,
	  .run = run_log_level,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_STREAM,
	  .usage = "set-log-level <level>|silent",
	  .help = "The level of this stream's log line; silent: there is none." },
	{ .name = "set-timeout",
	  .sets = SETS_HTTP,
	  .parse = parse_timeout,
	  .run = run_timeout,
	  .kernel = KERNEL_HTTP,
	  .usage = "set-timeout {client|server|tunnel} <time>|<expression>",
	  .help = "Another timeout for this stream; an expression gives milliseconds." },
	{ .name = "set-retries",
	  .sets = RULESET_TCP_CONTENT | RULESET_HTTP_REQ,
	  .parse = parse_retries,
	  .run = run_retries,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_STREAM,
	  .usage = "set-retries <number>|<expression>",
	  .help = "Another number of retries for this stream, 0 to 100." },
	{ .name = "set-priority-class",
	  .sets = RULESET_TCP_CONTENT | RULESET_HTTP_REQ,
	  .parse = parse_expr_only,
	  .run = run_prio_class,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_STREAM,
	  .usage = "set-priority-class <expression>",
	  .help = "The class of this stream in queues, -2047 to 2047: lower ones are served "
		  "first." },
	{ .name = "set-priority-offset",
	  .sets = RULESET_TCP_CONTENT | RULESET_HTTP_REQ,
	  .parse = parse_expr_only,
	  .run = run_prio_offset,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_STREAM,
	  .usage = "set-priority-offset <expression>",
	  .help = "Milliseconds, -524287 to 524287, by which this stream counts as having entered "
		  "a "
		  "queue later." },
	{ .name = "pause",
	  .sets = SETS_HTTP,
	  .parse = parse_time_or_expr,
	  .run = run_pause,
	  .kernel = KERNEL_HTTP,
	  .usage = "pause <time>|<expression>",
	  .help = "Waits before the next rule; an expression gives milliseconds." },
	{ .name = "do-log",
	  .sets = RULESET_TCP_CONN | RULESET_TCP_SESS | SETS_CONTENT | SETS_HTTP |
		  RULESET_HTTP_AFTER,
	  .run = run_do_log,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_STREAM,
	  .usage = "do-log",
	  .help = "Writes a line in the frontend's log format now; the usual line still comes." },
	{ .name = "close",
	  .sets = RULESET_TCP_RESPONSE,
	  .run = run_close,
	  .final = true,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_STREAM,
	  .usage = "close",
	  .help = "Ends the server's connection; what it has sent is still delivered." },
	{ .name = "wait-for-handshake",
	  .sets = RULESET_HTTP_REQ,
	  .run = run_wait_handshake,
	  .kernel = KERNEL_HTTP,
	  .usage = "wait-for-handshake",
	  .help = "Goes on when the TLS handshake is over, which is always so here: early data is "
		  "not accepted." },
};

/* ---- what was set, as fetches ---- */

enum tuned { TUNED_CLIENT, TUNED_SERVER, TUNED_TUNNEL, TUNED_CLASS, TUNED_OFFSET };

static bool fetch_tuned(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct stream *s = ctx->stream;

	if (!s)
		return false;
	switch ((enum tuned)args[SMP_MAX_ARGS - 1].i) {
	case TUNED_CLIENT:
		return smp_int(out, stream_client_ms(s));
	case TUNED_SERVER:
		return s->be && smp_int(out, stream_server_ms(s));
	case TUNED_TUNNEL:
		return s->be && smp_int(out, stream_tunnel_ms(s));
	case TUNED_CLASS:
		return smp_int(out, stream_prio_class(s));
	case TUNED_OFFSET:
		return smp_int(out, stream_prio_offset_ms(s));
	}
	return false;
}

#define TUNED_ROW(n, k, w, p)                                                              \
	.name = n, .kind = k, .out = SMP_INT, .where = w, .fetch = fetch_tuned, .priv = p, \
	.flags = FETCH_NO_INDEX, .kernel = KERNEL_NEVER, .kernel_says = SAYS_STREAM

static const struct fetch_row fetches[] = {
	{ TUNED_ROW("cur_client_timeout", "fetch-L4", SMP_W_L4_CLIENT, TUNED_CLIENT),
	  .help = "The client timeout of this stream, ms." },
	{ TUNED_ROW("cur_server_timeout", "fetch-L4", SMP_W_BACKEND | SMP_W_L4_SERVER,
		    TUNED_SERVER),
	  .help = "The server timeout of this stream, ms." },
	{ TUNED_ROW("cur_tunnel_timeout", "fetch-L4", SMP_W_BACKEND | SMP_W_L4_SERVER,
		    TUNED_TUNNEL),
	  .help = "The tunnel timeout of this stream, ms." },
	{ TUNED_ROW("prio_class", "fetch-internal", SMP_W_INTERNAL, TUNED_CLASS),
	  .help = "The class that set-priority-class gave." },
	{ TUNED_ROW("prio_offset", "fetch-internal", SMP_W_INTERNAL, TUNED_OFFSET),
	  .help = "The offset that set-priority-offset gave, ms." },
};

void actions_stream_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
	fetch_register(fetches, ARRAY_SIZE(fetches));
}
