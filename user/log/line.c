// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * line.c - which line is written when: one per stream, one per connection that failed before, and the daemon's own
 * words. Not for: formats (logformat.c), sending (target.c). Streams: their worker. Daemon's lines: control thread.
 */
#include "log/private.h"
#include "model/server.h"
#include "policy/sample.h"
#include "process/start.h"
#include "stream/tuning.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

struct log_http_hooks log_http_hooks;

struct scratch {
	struct strbuf text, sd;
	struct arena arena;
	bool ready;
};
static __thread struct scratch scratch;

static struct scratch *scratch_get(void)
{
	if (!scratch.ready) {
		arena_init(&scratch.arena, 4096);
		scratch.ready = true;
	}
	arena_reset(&scratch.arena);
	strbuf_reset(&scratch.text);
	strbuf_reset(&scratch.sd);
	return &scratch;
}

static void send_all(const struct proxy *px, const struct log_message *m)
{
	const struct log_proxy_part *p = log_part(px);
	struct log_target *t;

	if (p->use_global)
		list_for_each_entry(t, &config->global.log_targets, node)
			log_target_send(t, m);
	for (int i = 0; i < p->ntargets; i++)
		log_target_send(p->targets[i], m);
}

/* ---- streams ---- */

static int http_status(void *http)
{
	return http && log_http_hooks.status ? log_http_hooks.status(http) : 0;
}

/* What "dontlog-normal" keeps and "log-separate-errors" raises: error, timeout, retry, redispatch, 5xx. */
static bool is_error(const struct stream *s, int status)
{
	return s->term_cause || s->retries || s->redispatched || status >= 500;
}

/* For `dontlognull`: the client has said nothing, whatever was sent to him. */
static bool nothing_was_said(const struct stream *s, void *http)
{
	if (s->bytes_in)
		return false;
	return !http || !(s->t.request || (log_http_hooks.heard && log_http_hooks.heard(http)));
}

static void write_line(struct stream *s, void *http, const struct logformat *f, int level,
		       bool asap)
{
	struct proxy *fe = s->sess->fe;
	struct log_proxy_part *p = log_part(fe);
	struct scratch *sc = scratch_get();
	struct log_ctx c = {
		.sess = s->sess, .stream = s, .http = http, .fe = fe, .be = s->be, .asap = asap
	};
	struct smp_ctx smp = {
		.sess = s->sess, .stream = s, .http = http, .final = true, .scratch = &sc->arena
	};
	struct log_message m = { .level = level, .tag = p->tag };

	logformat_write(f, &sc->text, &c, &smp);
	if (p->c_sd)
		logformat_write(p->c_sd, &sc->sd, &c, &smp);
	atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
	m.text = strbuf_slice(&sc->text);
	m.sd = strbuf_slice(&sc->sd);
	send_all(fe, &m);
}

static void log_once(struct stream *s, void *http, bool asap)
{
	struct proxy *fe = s->sess->fe;
	struct log_proxy_part *p = log_part(fe);
	int status, level;
	bool error;

	if ((s->flags & STREAM_LOGGED) || !p->c_format || !log_has_target(fe))
		return;
	status = http_status(http);
	level = s->tune ? s->tune->log_level : -1;
	error = is_error(s, status);
	if (level > LOG_L_DEBUG ||
	    ((fe->options & PX_O_DONTLOGNULL) && !asap && nothing_was_said(s, http)) ||
	    ((fe->options & PX_O_DONTLOG_NORMAL) && !error))
		return;
	if (level < 0)
		level = error && (fe->options & PX_O_LOG_SEPARATE_ERRORS) ? LOG_L_ERR : LOG_L_INFO;
	s->flags |= STREAM_LOGGED;
	write_line(s, http, p->c_format, level, asap);
}

void log_stream(struct stream *s, void *http)
{
	log_once(s, http, false);
}

void log_now(const struct smp_ctx *ctx)
{
	struct proxy *fe = ctx->sess ? ctx->sess->fe : NULL;
	struct log_proxy_part *p = fe ? log_part(fe) : NULL;
	struct scratch *sc;
	struct log_ctx c = {
		.sess = ctx->sess, .stream = ctx->stream, .http = ctx->http, .fe = fe
	};
	struct log_message m = { .level = LOG_L_INFO };
	struct smp_ctx smp = *ctx;

	if (!fe || !p->c_format || !log_has_target(fe))
		return;
	c.be = ctx->stream ? ctx->stream->be : NULL;
	if (ctx->stream && ctx->stream->tune && ctx->stream->tune->log_level >= 0)
		m.level = ctx->stream->tune->log_level;
	if (m.level > LOG_L_DEBUG)
		return;
	sc = scratch_get();
	m.tag = p->tag;
	smp.final = true;
	smp.scratch = &sc->arena;
	logformat_write(p->c_format, &sc->text, &c, &smp);
	if (p->c_sd)
		logformat_write(p->c_sd, &sc->sd, &c, &smp);
	atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
	m.text = strbuf_slice(&sc->text);
	m.sd = strbuf_slice(&sc->sd);
	send_all(fe, &m);
}

void log_stream_started(struct stream *s, void *http)
{
	if (log_part(s->sess->fe)->early &&
	    !(s->sess->fe->options & (PX_O_DONTLOGNULL | PX_O_DONTLOG_NORMAL)))
		log_once(s, http, false);
}

void log_stream_asap(struct stream *s, void *http)
{
	if (s->sess->fe->options & PX_O_LOGASAP)
		log_once(s, http, true);
}

/* "127.0.0.1:56059 [03/Dec/2012:17:35:10.380] frt/f1: Connection error during SSL handshake" (manual 8.2.5) */
void log_session_error(struct session *s, const char *text)
{
	struct proxy *fe = s->fe;
	struct log_proxy_part *p = log_part(fe);
	struct log_message m = { .level = fe->options & PX_O_LOG_SEPARATE_ERRORS ? LOG_L_ERR
										 : LOG_L_INFO,
				 .tag = p->tag };
	struct log_ctx c = { .sess = s, .fe = fe };
	struct scratch *sc;
	char ip[INET6_ADDRSTRLEN];

	if (!log_has_target(fe) || (fe->options & PX_O_DONTLOGNULL))
		return;
	sc = scratch_get();
	if (p->c_error) {
		struct smp_ctx smp = { .sess = s, .final = true, .scratch = &sc->arena };

		logformat_write(p->c_error, &sc->text, &c, &smp);
	} else {
		const struct bind_conf *b = s->listener ? s->listener->bind : NULL;

		strbuf_addf(&sc->text, "%s:%u [%s.%03d] %s/%s: %s",
			    s->src.family == ADDR_UNIX ? "unix"
						       : addr_ip_text(&s->src, ip, sizeof(ip)),
			    s->src.family == ADDR_UNIX && b ? b->id : s->src.port,
			    log_date(s->accept_wall_us / 1000000)->local,
			    (int)(s->accept_wall_us / 1000 % 1000), fe->name,
			    b && b->name ? b->name : "1", text);
	}
	atomic_fetch_add_explicit(&p->count, 1, memory_order_relaxed);
	m.text = strbuf_slice(&sc->text);
	send_all(fe, &m);
}

/* ---- the daemon's own words ---- */

/* While a terminal watches (no -D, no -q) what matters is also said on stderr, as HAProxy does. */
static void say_on_stderr(enum log_level level, const char *text)
{
	const struct global *g = config ? &config->global : NULL;

	if (g && (g->daemon || g->quiet))
		return;
	fprintf(stderr, "[%s(%d) : %s\n", level == LOG_L_EMERG ? "ALERT]    " : "WARNING]  ",
		(int)getpid(), text);
}

void log_proxy(const struct proxy *px, enum log_level level, const char *fmt, ...)
{
	struct scratch *sc = scratch_get();
	struct log_message m = { .level = level };
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sc->text, fmt, ap);
	va_end(ap);
	if (level != LOG_L_INFO)
		say_on_stderr(level, strbuf_z(&sc->text));
	m.text = strbuf_slice(&sc->text);
	if (px) {
		m.tag = log_part(px)->tag;
		send_all(px, &m);
	}
}

void log_global(enum log_level level, const char *fmt, ...)
{
	struct scratch *sc = scratch_get();
	struct log_message m = { .level = level };
	struct log_target *t;
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&sc->text, fmt, ap);
	va_end(ap);
	if (level != LOG_L_INFO)
		say_on_stderr(level, strbuf_z(&sc->text));
	m.text = strbuf_slice(&sc->text);
	if (config)
		list_for_each_entry(t, &config->global.log_targets, node)
			log_target_send(t, &m);
}

/* The model's words about servers and proxies come here. */
static void say(const struct proxy *px, int level, const char *text)
{
	if (px)
		log_proxy(px, (enum log_level)level, "%s", text);
	else
		log_global((enum log_level)level, "%s", text);
}

static struct start_hooks hooks = { .name = "log", .open = log_open_targets };

void log_init(void)
{
	tzset();
	server_say = say;
	start_register(&hooks);
	log_alias_init();
	log_config_init();
}
