// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * run.c - doing the checks: when, the connection, sending, receiving, deadlines. One timer and one small struct per
 * checked server; descriptors and buffers only exist while a check runs. Not for: what a result means (health.c).
 * Control thread.
 */
#include "check/private.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "loop/thread.h"
#include "process/start.h"
#include "stream/source.h"

#define ANSWER_MAX 65536

/* ---- the end of a check ---- */

static void close_check(struct check *c)
{
	if (conn_is_open(&c->conn))
		conn_close(&c->conn);
	source_give_back(c->srv, c->source_port);
	c->source_port = 0;
	strbuf_fini(&c->in);
	strbuf_fini(&c->out);
	strbuf_init(&c->in);
	strbuf_init(&c->out);
	c->running = false;
}

/* Fully up: `inter`; fully down: `downinter`; between: `fastinter`. With `spread-checks` some randomness. */
uint32_t check_interval(const struct check *c)
{
	const struct check_conf *f = c->conf;
	int health = atomic_load(&c->srv->live.health);
	uint32_t ms = f->inter_ms, spread = config->global.spread_checks;

	if (health == 0 && f->downinter_ms)
		ms = f->downinter_ms;
	else if (health && health < f->rise + f->fall - 1 && f->fastinter_ms)
		ms = f->fastinter_ms;
	if (spread)
		ms = ms - ms * spread / 100 + (uint32_t)random() % (ms * spread / 50 + 1);
	return ms;
}

void check_schedule(struct check *c, uint32_t ms)
{
	timer_set(&control_loop, &c->timer, control_loop.now_ms + ms);
}

void check_stop(struct check *c)
{
	close_check(c);
	timer_cancel(&control_loop, &c->timer);
}

/* Starts are a fixed distance apart, whatever a check takes. */
static void finish(struct check *c, enum check_status st, int code, const char *info)
{
	uint64_t took = (control_loop.now_us - c->started_us) / 1000;
	uint32_t ms;

	close_check(c);
	health_note(c, st, code, info);
	if (!c->enabled || (atomic_load(&c->srv->live.admin) & SRV_ADM_MAINT))
		return;
	ms = check_interval(c);
	check_schedule(c, ms > took ? ms - (uint32_t)took : 1);
}

enum check_verdict check_say(struct check *c, enum check_status st, int code, const char *info)
{
	finish(c, st, code, info);
	return CHECK_SAID;
}

/* ---- a check ---- */

static bool established(const struct check *c)
{
	return conn_is_open(&c->conn) && !(c->conn.flags & (CONN_CONNECTING | CONN_HANDSHAKE));
}

static bool send_request(struct check *c)
{
	while (c->sent < c->out.n) {
		ssize_t r = conn_send(&c->conn, c->out.p + c->sent, c->out.n - c->sent);

		if (r == -EAGAIN)
			return true;
		if (r < 0) {
			finish(c, CHECK_SOCKERR, 0, strerror((int)-r));
			return false;
		}
		c->sent += (size_t)r;
	}
	return true;
}

static void receive(struct check *c)
{
	ssize_t r = 0;

	while (c->in.n < ANSWER_MAX && strbuf_reserve(&c->in, 4096)) {
		r = conn_recv(&c->conn, c->in.p + c->in.n, 4096);
		if (r <= 0)
			break;
		c->in.n += (size_t)r;
		c->in.p[c->in.n] = 0;
	}
	if (r < 0 && r != -EAGAIN && !c->in.n) {
		finish(c, CHECK_SOCKERR, 0, strerror((int)-r));
		return;
	}
	c->eof = r == 0 || (r < 0 && r != -EAGAIN) || c->in.n >= ANSWER_MAX;
	if (c->in.n || c->eof)
		c->type->judge(c, strbuf_slice(&c->in), c->eof);
}

static void on_established(struct check *c)
{
	if (!c->type->request) {
		finish(c, c->conn.xprt->raw ? CHECK_L4OK : CHECK_L6OK, 0, NULL);
		return;
	}
	if (c->srv->px->timeout.check)
		timer_set(&control_loop, &c->timer,
			  control_loop.now_ms + c->srv->px->timeout.check);
	c->type->request(c, &c->out);
}

/* In HAProxy's words, with those of the network when it has any. */
static void handshake_failed(struct check *c)
{
	const char *text = conn_reason_text(c->conn.reason);
	char words[128];

	if (c->conn.err && c->conn.err != EPROTO)
		snprintf(words, sizeof(words), "%s (%s)", text, strerror(c->conn.err));
	else
		snprintf(words, sizeof(words), "%s", text);
	finish(c, CHECK_L6RSP, 0, words);
}

static void on_ready(struct conn *conn)
{
	struct check *c = container_of(conn, struct check, conn);

	if (!c->running)
		return;
	if ((conn->flags & CONN_ERROR) && conn->reason) { /* a handshake failed */
		handshake_failed(c);
		return;
	}
	if ((conn->flags & CONN_ERROR) && !c->out.n) {
		finish(c, CHECK_L4CON, 0, conn->err ? strerror(conn->err) : NULL);
		return;
	}
	if (!established(c))
		return;
	if (!c->out.n) {
		on_established(c);
		if (!c->running)
			return;
	}
	if (send_request(c))
		receive(c);
}

static void on_deadline(struct check *c)
{
	enum check_status st = CHECK_L7TOUT;

	if (c->conn.flags & CONN_CONNECTING)
		st = CHECK_L4TOUT;
	else if (c->conn.flags & CONN_HANDSHAKE)
		st = CHECK_L6TOUT;
	finish(c, st, 0, NULL);
}

static void target_of(const struct check *c, struct addr *to)
{
	const struct server *s = c->srv;

	server_addr(s, to);
	if (c->conf->addr_set) {
		uint16_t port = to->port;

		*to = c->conf->addr;
		to->port = port;
	}
	if (c->conf->addr.port)
		to->port = c->conf->addr.port;
}

static void start(struct check *c)
{
	struct server *s = c->srv;
	const struct proxy_timeouts *t = &s->px->timeout;
	uint32_t limit = c->conf->inter_ms;
	struct conn_origin from = { .data_ready = false };
	struct addr to;
	int err;

	if (t->check && t->connect && t->connect < limit)
		limit = t->connect;
	c->running = true;
	c->eof = false;
	c->sent = 0;
	c->started_us = control_loop.now_us;
	timer_set(&control_loop, &c->timer, control_loop.now_ms + limit);
	target_of(c, &to);
	err = source_for_check(s, &from);
	c->source_port = source_port_of(s, &from);
	if (!err)
		err = conn_connect(&c->conn, &to, s->path, &from, &c->conf->setup, on_ready, c);
	if (err)
		finish(c,
		       err == -ECONNREFUSED || err == -ENETUNREACH || err == -EHOSTUNREACH ||
				       err == -ENOENT
			       ? CHECK_L4CON
			       : CHECK_SOCKERR,
		       0, strerror(-err));
}

static void on_timer(struct timer *t)
{
	struct check *c = container_of(t, struct check, timer);

	if (c->running)
		on_deadline(c);
	else if (c->enabled && !(atomic_load(&c->srv->live.admin) & SRV_ADM_MAINT))
		start(c);
}

/* ---- all of them ---- */

struct check_conf *check_conf_of(const struct server *s)
{
	return server_ext(s, &check_server_ext);
}

struct check *check_of(const struct server *s)
{
	return check_conf_of(s)->check;
}

static struct check *check_new(struct server *s)
{
	struct check_conf *f = check_conf_of(s);
	struct check_proxy *p = proxy_ext(s->px, &check_proxy_ext);
	struct check *c = xzalloc(sizeof(*c));

	c->srv = s;
	c->conf = f;
	c->type = p->type ? p->type : &check_tcp;
	c->status = CHECK_INI;
	c->enabled = true;
	c->conn.io.fd = -1;
	timer_init(&c->timer, on_timer);
	f->check = c;
	return c;
}

/* First starts are spread over the smallest interval, so that no server or network is hit by all at once. */
static void start_all(void)
{
	uint32_t smallest = UINT32_MAX, limit = config->global.max_spread_checks_ms;
	struct proxy *px;
	struct server *s;
	uint64_t n = 0, i = 0;

	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(s, &px->servers, node) {
			struct check *c = check_of(s);

			if (!c || px->disabled)
				continue;
			n++;
			smallest = c->conf->inter_ms < smallest ? c->conf->inter_ms : smallest;
		}
	if (!n)
		return;
	if (limit && limit < smallest)
		smallest = limit;
	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			if (check_of(s) && !px->disabled)
				check_schedule(check_of(s), (uint32_t)(smallest * i++ / n));
}

static void stop_all(void)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			if (check_of(s))
				check_stop(check_of(s));
}

/* When all is read: the checks of servers that want one. */
static void make_checks(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node) {
			struct check_conf *f = check_conf_of(s);

			s->live.rise = f->rise;
			s->live.fall = f->fall;
			s->live.checked = f->enabled;
			atomic_store(&s->live.health, s->disabled ? 0 : f->rise);
			if (!f->enabled)
				continue;
			if (s->port_is_offset && !f->addr.port)
				diag_error(d, s->at,
					   "server '%s': has neither service port nor check port: "
					   "add 'port <port>' for "
					   "the check",
					   s->name);
			check_new(s);
		}
}

static const struct cfg_check checks[] = {
	{ "health checks", CFG_PHASE_DERIVE, make_checks },
};

static struct start_hooks hooks = {
	.name = "checks",
	.control_start = start_all,
	.soft_stop = stop_all,
	.close = stop_all,
};

void check_init(void)
{
	check_words_init();
	check_watch();
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	start_register(&hooks);
}
