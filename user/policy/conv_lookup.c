// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_lookup.c - converters that look up what a text names (a backend, a frontend, a server), that let a sample pass
 * only in certain states (when), and that show it to whoever debugs (debug, `show events`). Any worker.
 * Cost: a hash for a proxy, O(n) in its servers for a server.
 */
#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "admin/cli.h"
#include "policy/registry.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "stream/stream.h"

/* ---- names ---- */

static struct proxy *proxy_named(struct slice name, unsigned int caps)
{
	char z[256];

	if (!config || !name.n || name.n >= sizeof(z) || memchr(name.p, 0, name.n))
		return NULL;
	memcpy(z, name.p, name.n);
	z[name.n] = 0;
	return config_find_proxy(config, z, caps);
}

/* "backend/server", or a server of the stream's backend. */
static struct server *server_named(struct slice name, const struct smp_ctx *ctx)
{
	ptrdiff_t slash = slice_chr(name, '/');
	struct proxy *px = slash >= 0    ? proxy_named(slice_first(name, (size_t)slash), PX_BACKEND)
			   : ctx->stream ? ctx->stream->be
					 : NULL;
	struct server *s;

	if (!px || !(px->caps & PX_BACKEND))
		return NULL;
	name = slice_from(name, (size_t)(slash + 1));
	list_for_each_entry(s, &px->servers, node)
		if (slice_eq_z(name, s->name))
			return s;
	return NULL;
}

static bool conv_nbsrv(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	const struct proxy *px = proxy_named(smp->u.s, PX_BACKEND);

	return px && smp_int(smp, backend_usable_servers(px));
}

static bool conv_fe_exists(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	return smp_bool(smp, proxy_named(smp->u.s, PX_FRONTEND) != NULL);
}

static bool conv_srv_queue(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	const struct server *s = server_named(smp->u.s, ctx);

	return s && smp_int(smp, s->load.queued);
}

static bool conv_srv_is_up(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *smp)
{
	const struct server *s = server_named(smp->u.s, ctx);

	return s && smp_bool(smp, !(s->live.admin & SRV_ADM_MAINT) && s->live.oper != SRV_STOPPED);
}

/* ---- when([!]condition) ---- */

enum when {
	WHEN_ERROR,
	WHEN_FORWARDED,
	WHEN_NORMAL,
	WHEN_PROCESSED,
	WHEN_STOPPING,
	WHEN_LOCAL,
	WHENS
};
static const char *const whens[WHENS] = { "error",     "forwarded", "normal",
					  "processed", "stopping",  "toapplet" };

static int check_when(struct cfg_line *l, int word, struct smp_arg *args)
{
	struct slice s = args[0].s;

	args[1].i = s.n && s.p[0] == '!';
	if (args[1].i)
		s = slice_from(s, 1);
	for (int w = 0; w < WHENS; w++) {
		if (slice_eq_z(s, whens[w])) {
			args[0].i = w;
			return 0;
		}
	}
	return cfg_error(
		l, word,
		"converter 'when': the conditions are error, forwarded, normal, processed, "
		"stopping and toapplet, each with or without '!', not '%.*s'",
		SLICE_FMT(args[0].s));
}

static bool when_holds(enum when w, const struct stream *s)
{
	bool local, forwarded;

	if (w == WHEN_STOPPING)
		return sessions_draining();
	if (!s)
		return false;
	local = s->term_cause == 'L';
	forwarded = s->t.connected != 0;
	switch (w) {
	case WHEN_ERROR:
		return s->term_cause && !local;
	case WHEN_NORMAL:
		return !s->term_cause || local;
	case WHEN_FORWARDED:
		return forwarded;
	case WHEN_PROCESSED:
		return forwarded || local;
	default:
		return local;
	}
}

static bool conv_when(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return when_holds((enum when)args[0].i, ctx->stream) != args[1].i;
}

/* ---- debug([prefix][,destination]) ---- */

#define RING_BYTES 65536

enum sink { SINK_RING, SINK_STDOUT, SINK_STDERR };
static const char *const sinks[] = { "buf0", "stdout", "stderr" };

static struct {
	pthread_mutex_t lock;
	char bytes[RING_BYTES];
	size_t start, used; /* whole lines */
} ring = { .lock = PTHREAD_MUTEX_INITIALIZER };

static void ring_drop_line(void)
{
	while (ring.used) {
		char c = ring.bytes[ring.start];

		ring.start = (ring.start + 1) % RING_BYTES;
		ring.used--;
		if (c == '\n')
			return;
	}
}

static void ring_add(const char *p, size_t n)
{
	pthread_mutex_lock(&ring.lock);
	while (ring.used + n > RING_BYTES)
		ring_drop_line();
	for (size_t i = 0; i < n; i++)
		ring.bytes[(ring.start + ring.used++) % RING_BYTES] = p[i];
	pthread_mutex_unlock(&ring.lock);
}

static int check_debug(struct cfg_line *l, int word, struct smp_arg *args)
{
	args[1].i = SINK_RING;
	if (!arg_given(args, 1) || !args[1].s.n)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(sinks); i++) {
		if (slice_eq_z(args[1].s, sinks[i])) {
			args[1].i = (int64_t)i;
			return 0;
		}
	}
	return cfg_error(
		l, word,
		"converter 'debug': the destinations are buf0 ('show events buf0'), stdout "
		"and stderr, not '%.*s'",
		SLICE_FMT(args[1].s));
}

static const char *type_word(enum smp_type t)
{
	switch (t) {
	case SMP_BOOL:
		return "bool";
	case SMP_INT:
		return "sint";
	case SMP_IP4:
		return "ipv4";
	case SMP_IP6:
		return "ipv6";
	case SMP_BIN:
		return "bin";
	case SMP_METH:
		return "meth";
	default:
		return "str";
	}
}

/* One line; what cannot be printed is a dot. */
static bool conv_debug(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct sample text = *smp;
	char line[1024];
	size_t n;

	if (!sample_cast(&text, SMP_STR, ctx))
		text.u.s = SLICE("(undisplayable)");
	n = (size_t)snprintf(line, sizeof(line) - 4, "[debug] %.*s: type=%s <",
			     (int)slice_first(args[0].s, 128).n, args[0].s.n ? args[0].s.p : "",
			     type_word(smp->type));
	for (size_t i = 0; i < text.u.s.n && n < sizeof(line) - 4; i++)
		line[n++] = isprint((unsigned char)text.u.s.p[i]) ? text.u.s.p[i] : '.';
	line[n++] = '>';
	line[n++] = '\n';
	if (args[1].i == SINK_RING) {
		ring_add(line, n);
	} else {
		ssize_t done = write(args[1].i == SINK_STDOUT ? 1 : 2, line, n);

		(void)done; /* nobody listens: nothing to be done about it */
	}
	return true;
}

static enum cli_result show_events(struct cli_request *r)
{
	const char *name = r->first_arg < r->nwords ? r->words[r->first_arg] : "";

	if (!*name) {
		strbuf_adds(r->out,
			    "Event sinks: buf0 (kept: 'show events buf0'), stdout, stderr\n");
		return CLI_DONE;
	}
	if (strcmp(name, sinks[SINK_RING])) {
		strbuf_addf(r->out, "There is no event sink '%s' that keeps events; 'buf0' does.\n",
			    name);
		return CLI_DONE;
	}
	pthread_mutex_lock(&ring.lock);
	for (size_t i = 0; i < ring.used; i++)
		strbuf_addc(r->out, ring.bytes[(ring.start + i) % RING_BYTES]);
	pthread_mutex_unlock(&ring.lock);
	return CLI_DONE;
}

static const struct cli_command commands[] = {
	{ "show events", 1, show_events, "show events [<sink>]",
	  "what the converter 'debug' has noted" },
};

#define LOOKUP(n, t, fn) .name = n, .in = SMP_STR, .out = t, .convert = fn, .flags = FETCH_NO_INDEX

static const struct converter_row rows[] = {
	{ LOOKUP("nbsrv", SMP_INT, conv_nbsrv),
	  .help = "How many servers of the backend with this name are usable." },
	{ LOOKUP("fe_exists", SMP_BOOL, conv_fe_exists),
	  .help = "There is a frontend with this name." },
	{ LOOKUP("srv_queue", SMP_INT, conv_srv_queue),
	  .help = "Requests in the queue of the server with this name, [backend/]server." },
	{ LOOKUP("srv_is_up", SMP_BOOL, conv_srv_is_up),
	  .help = "The server with this name, [backend/]server, is up." },
	{ .name = "when",
	  .in = SMP_ANY,
	  .out = SMP_ANY,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_STR },
	  .convert = conv_when,
	  .check = check_when,
	  .flags = FETCH_NO_INDEX,
	  .help = "Passes the sample on when the stream is in this state: error, forwarded, "
		  "normal, "
		  "processed, stopping, toapplet; or '!' and one of them." },
	{ .name = "debug",
	  .in = SMP_ANY,
	  .out = SMP_ANY,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = conv_debug,
	  .check = check_debug,
	  .flags = FETCH_NO_INDEX,
	  .help = "Notes the sample for 'show events buf0', or prints it on stdout or stderr, and "
		  "passes it on." },
};

void conv_lookup_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
	cli_register(commands, ARRAY_SIZE(commands));
}
