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

#include "check/tcp_rules.h"
#include "loop/thread.h"
#include "process/start.h"
#include "stream/socks4.h"
#include "stream/source.h"

#define ANSWER_MAX 65536

/* ---- the end of a check ---- */

/* By a reset, so that thousands of checks leave no TIME_WAIT; a step may ask for a proper end. */
static void close_conn(struct check *c)
{
	if (conn_is_open(&c->conn)) {
		if (!c->linger)
			c->conn.flags |= CONN_NO_LINGER;
		conn_close(&c->conn);
	}
	source_give_back(c->srv, c->source_port);
	c->source_port = 0;
}

static void close_check(struct check *c)
{
	close_conn(c);
	if (c->type->stop)
		c->type->stop(c);
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
	bool is_agent = c->type->note;
	int health = is_agent ? f->rise : atomic_load(&c->srv->live.health);
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

/* In maintenance only agents go on: they may end it. */
static bool may_run(const struct check *c)
{
	return c->enabled && (c->type->note || !(atomic_load(&c->srv->live.admin) & SRV_ADM_MAINT));
}

/* Starts are a fixed distance apart, whatever a check takes. */
static void finish(struct check *c, enum check_status st, int code, const char *info)
{
	uint64_t took = (control_loop.now_us - c->started_us) / 1000;
	char words[256];
	uint32_t ms;

	/* the words may lie in what closing frees */
	snprintf(words, sizeof(words), "%s", info ? info : "");
	close_check(c);
	if (c->type->note)
		c->type->note(c, st, code, words);
	else
		health_note(c, st, code, words);
	if (!may_run(c) || c->running)
		return;
	ms = check_interval(c);
	check_schedule(c, ms - (uint32_t)(took % ms));
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
	if (c->in.n || c->eof || c->type->stepwise)
		c->type->judge(c, strbuf_slice(&c->in), c->eof);
}

static void on_established(struct check *c)
{
	c->asked = true;
	if (!c->type->request && !c->type->established) {
		finish(c, c->conn.xprt->raw ? CHECK_L4OK : CHECK_L6OK, 0, NULL);
		return;
	}
	if (c->srv->px->timeout.check)
		timer_set(&control_loop, &c->timer,
			  control_loop.now_ms + c->srv->px->timeout.check);
	if (c->type->established)
		c->type->established(c);
	else
		c->type->request(c, &c->out);
}

/* The connection or the time failed: the type may have words of its own. */
static void fail(struct check *c, enum check_status st, const char *info)
{
	char words[256];

	if (c->type->failed) {
		st = c->type->failed(c, st, info, words, sizeof(words));
		info = words;
	}
	finish(c, st, st == CHECK_PROCTOUT ? c->code : 0, info);
}

/* Sends, reads and judges until nothing moves: a step that was met may have more to send. */
static void go_on(struct check *c)
{
	const struct tcp_step *step;
	size_t out;

	do {
		step = c->step;
		out = c->out.n;
		if (!send_request(c))
			return;
		receive(c);
	} while (c->running && c->asked && c->type->stepwise &&
		 (c->step != step || c->out.n != out) && established(c));
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
	fail(c, CHECK_L6RSP, words);
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
	if ((conn->flags & CONN_ERROR) && !c->asked) {
		fail(c, CHECK_L4CON, conn->err ? strerror(conn->err) : NULL);
		return;
	}
	if (!established(c))
		return;
	if (!c->asked) {
		on_established(c);
		if (!c->running || !c->asked)
			return;
	}
	go_on(c);
}

static void on_deadline(struct check *c)
{
	enum check_status st = CHECK_L7TOUT;

	if (c->conn.flags & CONN_CONNECTING)
		st = CHECK_L4TOUT;
	else if (c->conn.flags & CONN_HANDSHAKE)
		st = CHECK_L6TOUT;
	fail(c, st, NULL);
}

void check_target(const struct check *c, struct addr *to)
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
	if (c->type->target)
		c->type->target(c, to);
}

static void open_conn(struct check *c)
{
	struct conn_origin from = { .data_ready = false };
	struct server *s = c->srv;
	struct addr to;
	int err;

	c->eof = c->asked = false;
	check_target(c, &to);
	if (socks4_proxy_of(s, true))
		to = *socks4_proxy_of(s, true);
	err = source_for_check(s, &from);
	/* who speaks first, or only connects, need not acknowledge the server's SYN at once: a check that only connects is then
	 * over before the server's program sees it */
	from.data_ready = from.smart_connect = !c->type->established;
	c->source_port = source_port_of(s, &from);
	if (!err)
		err = conn_connect(&c->conn, &to, s->path, &from, &c->conf->setup, on_ready, c);
	if (err)
		fail(c,
		     err == -ECONNREFUSED || err == -ENETUNREACH || err == -EHOSTUNREACH ||
				     err == -ENOENT
			     ? CHECK_L4CON
			     : CHECK_SOCKERR,
		     strerror(-err));
}

void check_reconnect(struct check *c)
{
	close_conn(c);
	c->in.n = c->out.n = c->sent = 0;
	open_conn(c);
}

static void start(struct check *c)
{
	const struct proxy_timeouts *t = &c->srv->px->timeout;
	uint32_t limit = c->conf->inter_ms;

	if (t->check && t->connect && t->connect < limit)
		limit = t->connect;
	c->running = true;
	c->sent = 0;
	c->linger = false;
	c->started_us = control_loop.now_us;
	timer_set(&control_loop, &c->timer, control_loop.now_ms + limit);
	if (c->type->begin)
		c->type->begin(c);
	if (c->type->start)
		c->type->start(c);
	else
		open_conn(c);
}

static void on_timer(struct timer *t)
{
	struct check *c = container_of(t, struct check, timer);

	if (c->running)
		on_deadline(c);
	else if (may_run(c))
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

struct arena *check_scratch(void)
{
	static struct arena scratch;

	return &scratch;
}

struct check *check_make(struct server *s, struct check_conf *f, const struct check_type *t)
{
	struct check_proxy *p = proxy_ext(s->px, &check_proxy_ext);
	struct check *c = xzalloc(sizeof(*c));

	if (!t)
		t = p->type ? p->type : &check_tcp;
	c->srv = s;
	c->conf = f;
	c->type = t;
	c->status = CHECK_INI;
	c->enabled = true;
	c->conn.io.fd = -1;
	timer_init(&c->timer, on_timer);
	return c;
}

/* @n-th of the checks of a server: its own, its agent's; NULL. */
static struct check *nth_check(const struct server *s, int n)
{
	return n ? agent_conf_of(s)->conf.check : check_of(s);
}
#define CHECKS_PER_SERVER 2

/* First starts are spread over the smallest interval, so that no server or network is hit by all at once. */
static void start_all(void)
{
	uint32_t smallest = UINT32_MAX, limit = config->global.max_spread_checks_ms;
	struct proxy *px;
	struct server *s;
	uint64_t n = 0, i = 0;

	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			for (int k = 0; k < CHECKS_PER_SERVER && !px->disabled; k++) {
				struct check *c = nth_check(s, k);

				if (!c)
					continue;
				n++;
				smallest =
					c->conf->inter_ms < smallest ? c->conf->inter_ms : smallest;
			}
	if (!n)
		return;
	if (limit && limit < smallest)
		smallest = limit;
	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			for (int k = 0; k < CHECKS_PER_SERVER && !px->disabled; k++)
				if (nth_check(s, k))
					check_schedule(nth_check(s, k),
						       (uint32_t)(smallest * i++ / n));
}

static void stop_all(void)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			for (int k = 0; k < CHECKS_PER_SERVER; k++)
				if (nth_check(s, k))
					check_stop(nth_check(s, k));
}

/* Health of a server before its first check, and behind a maintenance. */
int health_at_start(const struct server *s)
{
	const struct check_conf *f = check_conf_of(s);

	switch ((enum server_init_state)s->init_state) {
	case INIT_FULLY_UP:
		return f->rise + f->fall - 1;
	case INIT_DOWN:
		return f->rise - 1;
	case INIT_FULLY_DOWN:
		return 0;
	case INIT_UP:
		break;
	}
	return f->rise;
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
			agent_make(s);
			if (!f->enabled)
				continue;
			atomic_store(&s->live.health,
				     s->disabled || s->unresolved ? 0 : health_at_start(s));
			if (s->init_state >= INIT_DOWN && !s->disabled)
				server_begin_down(s);
			if (s->port_is_offset && !s->path && !f->addr.port)
				diag_error(d, s->at,
					   "backend '%s', server '%s': has neither service port "
					   "nor check port: add 'port <port>' for the check",
					   px->name, s->name);
			f->check = check_make(s, f, NULL);
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
	tcp_words_init();
	protocols_init();
	agent_init();
	external_init();
	observe_init();
	check_watch();
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	track_init();
	start_register(&hooks);
}
