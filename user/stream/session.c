/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.c - an accepted connection from its first rule to its end; the protocols' registry; ending sessions from
 * outside. Not for: accepting (listener.c), what is said on it (protocols). Runs in the session's worker; the functions
 * about the whole process in the control thread.
 */
#include "stream/session.h"
#include "base/arena.h"
#include "base/pool.h"
#include "log/log.h"
#include "policy/rules.h"
#include "policy/vars.h"
#include "stream/process_rate.h"
#include "stick/track.h"
#include "stream/proxy_accept.h"
#include "stream/session_new.h"
#include "stream/socket_options.h"
#include "stream/stream.h"
#include "transport/tls.h"
#include <netinet/tcp.h>
#include <time.h>
#include <unistd.h>

#define MAX_PROTOS 16
#define MAX_HOOKS  4
#define SPARE      256

struct own_load { /* written by its worker only */
	uint64_t accepted;
	uint64_t sec, cur, prev, max;
} CACHE_ALIGNED;

_Atomic uint32_t sessions_active;
_Atomic uint64_t sessions_limit_hits;
struct worker_load worker_loads[MAX_WORKERS];
static struct own_load own_loads[MAX_WORKERS + 1];

static const struct session_proto *protos[MAX_PROTOS];
static void (*fini_hooks[MAX_HOOKS])(struct session *s);
static __thread struct list sessions;
static __thread uint32_t next_id;
static __thread struct pool pools[MAX_PROTOS];
static __thread struct arena scratch;

/* ---- protocols ---- */

void session_proto_register(const struct session_proto *p)
{
	for (int i = 0; i < MAX_PROTOS; i++) {
		if (!protos[i]) {
			protos[i] = p;
			return;
		}
	}
	abort(); /* our own table is too small */
}

const struct session_proto *session_proto_find(const char *name)
{
	for (int i = 0; i < MAX_PROTOS && protos[i]; i++)
		if (strcmp(protos[i]->name, name) == 0)
			return protos[i];
	return NULL;
}

const struct session_proto *session_proto_for_mode(enum proxy_mode mode)
{
	for (int i = 0; i < MAX_PROTOS && protos[i]; i++)
		if (protos[i]->mode == mode)
			return protos[i];
	return NULL;
}

/* What was agreed on in the TLS handshake, among protocols whose sessions are of the same size. */
static const struct session_proto *proto_by_alpn(const struct session *s)
{
	struct slice name = tls_alpn_of(&s->client);

	for (int i = 0; name.n && i < MAX_PROTOS && protos[i]; i++)
		if (protos[i]->alpn && protos[i]->mode == s->proto->mode &&
		    protos[i]->bytes == s->proto->bytes && slice_eq_z(name, protos[i]->alpn))
			return protos[i];
	return s->proto;
}

static struct pool *pool_of(const struct session_proto *p)
{
	int i = 0;

	while (protos[i] != p)
		i++;
	return &pools[i];
}

/* ---- one session ---- */

struct list *worker_sessions(void)
{
	if (!sessions.next)
		list_init(&sessions);
	return &sessions;
}

void session_on_fini(void (*fn)(struct session *s))
{
	for (int i = 0; i < MAX_HOOKS; i++) {
		if (!fini_hooks[i]) {
			fini_hooks[i] = fn;
			return;
		}
	}
	abort(); /* our own table is too small */
}

const struct addr *session_dst(struct session *s)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);

	if (!(s->flags & SESS_DST_KNOWN)) {
		s->flags |= SESS_DST_KNOWN;
		if (getsockname(s->client.io.fd, (struct sockaddr *)&ss, &len) == 0)
			addr_from_sockaddr(&s->dst, &ss);
	}
	return &s->dst;
}

static int64_t wall_us(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

struct arena *worker_scratch(void)
{
	return &scratch;
}

/* false: the rules say no. @set: RULESET_TCP_CONN or RULESET_TCP_SESS. */
static bool rules_allow(struct session *s, unsigned int set)
{
	const struct rule_set *rs = rule_set_find(s->fe, set);
	struct rule_progress progress = { NULL, NULL };
	struct smp_ctx ctx = { .sess = s, .final = true, .scratch = &scratch };
	enum rule_verdict v;

	if (!rs)
		return true;
	v = rules_run(rs, &ctx, &progress);
	arena_reset(&scratch);
	return v == RULE_CONTINUE || v == RULE_STOP;
}

/* ---- the client's handshakes ---- */

/* Only while they are under way: sessions that have begun do not carry it. */
struct handshake_wait {
	struct timer timer;
	struct session *sess;
};

static void handshake_end(struct session *s)
{
	if (!s->handshake)
		return;
	timer_cancel(this_loop, &s->handshake->timer);
	free(s->handshake);
	s->handshake = NULL;
}

static void session_delete(struct session *s)
{
	struct listener *l = s->listener;

	handshake_end(s);
	for (int i = 0; i < MAX_HOOKS && fini_hooks[i]; i++)
		fini_hooks[i](s);
	vars_free(&s->vars);
	list_del(&s->node);
	conn_close(&s->client);
	pool_put(pool_of(s->proto), s, SPARE);
	atomic_fetch_sub_explicit(&worker_loads[this_loop->tid].sessions, 1, memory_order_relaxed);
	listener_uncount(l);
}

/* The handshakes are over, all went well. */
static void session_start(struct session *s)
{
	struct fe_counters *c = &s->fe->fe_count[this_loop->tid];

	if (!rules_allow(s, RULESET_TCP_SESS)) {
		count_add(&c->denied_sess, 1);
		session_delete(s);
		return;
	}
	stick_note_session(s);
	count_add(&c->cum_sess, 1);
	if (atomic_load_explicit(&process_limits_on, memory_order_relaxed))
		process_rate_note(RATE_SESS, this_loop->now_us);
	rate_note(&c->sess_sec, &c->sess_cur, &c->sess_prev, &c->sess_max,
		  this_loop->now_ms / 1000);
	if (tls_is_on(&s->client) && !s->listener->bind->proto)
		s->proto = proto_by_alpn(s);
	s->proto->start(s);
}

static void handshake_failed(struct session *s)
{
	const char *why = conn_reason_text(s->client.reason);

	log_session_error(s, why && s->client.reason ? why : "Connection error during handshake");
	session_delete(s);
}

static void on_handshake(struct conn *c)
{
	struct session *s = c->owner;

	if (c->flags & CONN_ERROR)
		handshake_failed(s);
	else if (!(c->flags & CONN_HANDSHAKE)) {
		handshake_end(s);
		session_start(s);
	}
}

static void on_handshake_timeout(struct timer *t)
{
	struct session *s = container_of(t, struct handshake_wait, timer)->sess;

	if (!s->client.reason)
		s->client.reason = conn_timeout_reason(&s->client);
	handshake_failed(s);
}

static bool handshake_begin(struct session *s)
{
	uint32_t ms = s->fe->timeout.client_hs ? s->fe->timeout.client_hs : s->fe->timeout.client;

	s->handshake = calloc(1, sizeof(*s->handshake));
	if (!s->handshake)
		return false;
	s->handshake->sess = s;
	timer_init(&s->handshake->timer, on_handshake_timeout);
	if (ms)
		timer_set(this_loop, &s->handshake->timer, this_loop->now_ms + ms);
	return true;
}

static struct session *session_new(struct listener *l, const struct addr *src)
{
	const struct session_proto *p = l->proto;
	struct session *s = pool_get(pool_of(p), sizeof(*s) + p->bytes);

	if (!s)
		return NULL;
	memset(s, 0, sizeof(*s) + p->bytes);
	s->client.io.fd = -1;
	s->proto = p;
	s->listener = l;
	s->fe = l->px;
	s->src = *src;
	s->accept_us = this_loop->now_us;
	s->accept_wall_us = wall_us();
	s->id = ((uint32_t)this_loop->tid << 24) | (++next_id & 0xffffff);
	list_add_tail(worker_sessions(), &s->node);
	return s;
}

void session_accept(struct listener *l, int fd, const struct addr *src)
{
	struct fe_counters *c = &l->px->fe_count[this_loop->tid];
	struct own_load *own = &own_loads[this_loop->tid];
	uint64_t now_s = this_loop->now_ms / 1000;
	struct session *s = session_new(l, src);

	count_add(&own->accepted, 1);
	rate_note(&own->sec, &own->cur, &own->prev, &own->max, now_s);
	count_add(&c->cum_conn, 1);
	rate_note(&c->conn_sec, &c->conn_cur, &c->conn_prev, &c->conn_max, now_s);
	if (!s) {
		close(fd);
		atomic_fetch_sub_explicit(&worker_loads[this_loop->tid].sessions, 1,
					  memory_order_relaxed);
		listener_uncount(l);
		return;
	}
	s->client.io.fd = fd; /* for rules that ask for the address */
	if (!rules_allow(s, RULESET_TCP_CONN)) {
		count_add(&c->denied_conn, 1);
		s->client.flags |= CONN_NO_LINGER; /* whoever is refused leaves nothing behind */
		session_delete(s);
		return;
	}
	if (conn_open(&s->client, fd, proxy_accept_setup(s), on_handshake, s)) {
		session_delete(s);
		return;
	}
	if (l->path || l->addr.family == ADDR_UNIX)
		s->client.flags |= CONN_LOCAL_UNIX;
	s->client.flags |= CONN_NODELAY; /* inherited from the listening socket */
	if (s->fe->options & PX_O_NOLINGER)
		s->client.flags |= CONN_NO_LINGER;
	if (s->fe->options & PX_O_TCP_CLI_KA)
		socket_keepalive(&s->client, s->fe, true);
	if (!(s->client.flags & CONN_HANDSHAKE))
		session_start(s);
	else if (!handshake_begin(s))
		session_delete(s);
}

void session_free(struct session *s)
{
	session_delete(s);
}

void sessions_trim(void)
{
	for (int i = 0; i < MAX_PROTOS; i++)
		pool_trim(&pools[i]);
	arena_fini(&scratch);
}

/* ---- the whole process ---- */

uint64_t sessions_accepted(void)
{
	uint64_t n = 0;

	for (int i = 0; i <= worker_count; i++)
		n += count_get(&own_loads[i].accepted);
	return n;
}

/* The events of the last full second at most, as far as one second is over. */
uint32_t sessions_rate(void)
{
	uint64_t now_s = this_loop->now_ms / 1000, n = 0;
	uint64_t past_ms = 1000 - this_loop->now_ms % 1000;

	for (int i = 0; i <= worker_count; i++) {
		const struct own_load *o = &own_loads[i];

		uint64_t sec = count_get(&o->sec);

		if (sec == now_s)
			n += count_get(&o->cur) * 1000 + count_get(&o->prev) * past_ms;
		else if (sec + 1 == now_s)
			n += count_get(&o->cur) * past_ms;
	}
	return (uint32_t)(n / 1000);
}

uint32_t sessions_rate_max(void)
{
	static _Atomic uint32_t max; /* workers ask, too: the statistics page */
	uint32_t now = sessions_rate(), seen = atomic_load_explicit(&max, memory_order_relaxed);
	uint64_t one = 0;

	for (int i = 0; i <= worker_count; i++)
		count_max(&one, count_get(&own_loads[i].max));
	while (now > seen && !atomic_compare_exchange_weak_explicit(
				     &max, &seen, now, memory_order_relaxed, memory_order_relaxed))
		;
	seen = now > seen ? now : seen;
	return seen > one ? seen : (uint32_t)one;
}

/* ---- ending sessions: a message to every worker ---- */

struct kill_request {
	enum { KILL_ALL, KILL_FRONTEND, KILL_SERVER, KILL_STREAM } what;
	const void *object;
	uint64_t id;
	char cause;
};

static bool kill_matches(const struct kill_request *k, const struct stream *s)
{
	switch (k->what) {
	case KILL_ALL:
		return true;
	case KILL_FRONTEND:
		return s->sess->fe == k->object;
	case KILL_SERVER:
		return s->srv == k->object;
	case KILL_STREAM:
		return s->id == k->id;
	}
	return false;
}

static void kill_in_worker(struct loop *l, void *arg)
{
	const struct kill_request *k = arg;
	struct session *s, *stmp;
	struct stream *t, *tmp;

	list_for_each_entry_safe(t, tmp, worker_streams(), node)
		if (kill_matches(k, t))
			stream_kill(t, k->cause);
	if (k->what != KILL_ALL && k->what != KILL_FRONTEND)
		return;
	list_for_each_entry_safe(s, stmp, worker_sessions(),
				 node) { /* also those without a stream */
		if ((k->what == KILL_FRONTEND && s->fe != k->object) || (s->flags & SESS_KILLED))
			continue;
		if (s->handshake) {
			session_delete(s);
			continue;
		}
		s->flags |= SESS_KILLED;
		s->proto->kill(s, k->cause);
	}
}

static void kill_post(int what, const void *object, uint64_t id, char cause)
{
	struct kill_request *k = xzalloc(sizeof(*k));

	*k = (struct kill_request){ what, object, id, cause };
	threads_each(kill_in_worker, k, free);
}

void sessions_kill_all(char cause)
{
	kill_post(KILL_ALL, NULL, 0, cause);
}

void sessions_kill_frontend(struct proxy *fe, char cause)
{
	kill_post(KILL_FRONTEND, fe, 0, cause);
}

void sessions_kill_server(struct server *srv, char cause)
{
	kill_post(KILL_SERVER, srv, 0, cause);
}

void sessions_kill_stream(uint64_t id, char cause)
{
	kill_post(KILL_STREAM, NULL, id, cause);
}
