/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream.c - pick, queue, connect, retry, redispatch: the steps that both modes share. See upstream.h.
 * Not for: idle connections (pool.c), slots and queues (queue.c). Runs in the stream's worker.
 */
#include "stream/upstream.h"
#include "check/observe.h"
#include "policy/persist.h"
#include "policy/sample.h"
#include "stream/ends.h"
#include "stream/proxy_send.h"
#include "stream/bypass.h"
#include "stream/queue.h"
#include "stream/tuning.h"
#include "stream/socket_options.h"
#include "stream/socks4.h"
#include "stream/source.h"
#include "stream/upstream_pool.h"
#include "stream/upstream_sni.h"
#include "transport/conn.h"
#include "transport/tls.h"
#include <errno.h>
#include <stdlib.h>

#define DEFAULT_RETRIES 3
#define TURN_AROUND_MS  1000
#define PICK_TRIES      8

enum connect_state { CONNECT_START, CONNECT_ROOM, CONNECT_WAITING, CONNECT_PAUSE };

const struct upstream_hooks *stream_upstream_hooks(struct stream *s)
{
	return s->hooks;
}

void stream_set_upstream_hooks(struct stream *s, const struct upstream_hooks *h)
{
	s->hooks = h;
}

static struct be_counters *be_count(struct stream *s)
{
	return &s->be->be_count[this_loop->tid];
}

static struct srv_counters *srv_count(struct stream *s)
{
	return &s->srv->count[this_loop->tid];
}

static bool client_gone(struct stream *s)
{
	if (s->flags & STREAM_KILLED)
		return true;
	if (s->hooks->client_gone)
		return s->hooks->client_gone(s);
	return s->sess->client.flags & (CONN_ERROR | CONN_HUP);
}

static enum step_result give_up(struct stream *s, char cause, char phase)
{
	stream_set_term(s, cause, phase);
	stream_arm(s, 0);
	upstream_close(s);
	upstream_release_slot(s);
	return stream_goto(s, s->hooks->fail_step);
}

static enum step_result give_up_counted(struct stream *s, char cause, char phase)
{
	count_add(&be_count(s)->failed_conns, 1);
	if (s->srv)
		count_add(&srv_count(s)->failed_conns, 1);
	return give_up(s, cause, phase);
}

static enum step_result client_left(struct stream *s, char phase)
{
	count_add(&be_count(s)->cli_aborts, 1);
	count_add(&s->sess->fe->fe_count[this_loop->tid].failed_req, 1);
	return give_up(s, 'C', phase);
}

/* ---- slots and queues ---- */

static void count_second_pick(struct stream *s);
static enum step_result connect_again(struct stream *s);

/* Returns the server whose slot was granted meanwhile: it is the caller's. */
static struct server *leave_queue(struct stream *s)
{
	struct server *granted;
	uint64_t position;

	granted = queue_leave(s->queued, &position);
	s->queued = NULL;
	s->flags &= ~STREAM_IN_QUEUE;
	if (s->srv) {
		atomic_fetch_sub(&s->srv->load.queued, 1);
		balance_freed(s->be);
		s->queue_pos_srv += position;
	} else {
		s->queue_pos_be += position;
	}
	return granted;
}

/* The slot of @srv is ours. */
static enum step_result got_server(struct stream *s, struct server *srv)
{
	struct srv_counters *c;

	s->srv = srv;
	s->flags |= STREAM_HOLDS_SLOT;
	s->t.queue_done = this_loop->now_us;
	s->connect_state = CONNECT_START;
	stream_arm(s, 0);
	balance_took(srv);
	if (s->avoid)
		count_second_pick(s);
	c = srv_count(s);
	count_add(&c->cum_sess, 1);
	count_add(&c->cum_lbconn, !s->persistent);
	count_set(&c->last_session_s, (uint64_t)s->start_wall_us / 1000000);
	rate_note(&c->sess_sec, &c->sess_cur, &c->sess_prev, &c->sess_max,
		  this_loop->now_ms / 1000);
	count_add(&be_count(s)->cum_lbconn, !s->persistent);
	count_set(&be_count(s)->last_session_s, c->last_session_s);
	return STEP_NEXT;
}

void upstream_release_slot(struct stream *s)
{
	if (s->queued) {
		struct server *granted = leave_queue(s);

		if (granted)
			server_return_slot(granted);
	}
	if (s->flags & STREAM_HOLDS_SLOT) {
		s->flags &= ~STREAM_HOLDS_SLOT;
		balance_dropped(s->srv);
		server_return_slot(s->srv);
	}
}

/* Into the queue of @srv, or (NULL) of the backend. */
static enum step_result enter_queue(struct stream *s, struct server *srv,
				    const struct pick_request *r)
{
	uint32_t wait_ms = s->be->timeout.queue ? s->be->timeout.queue : s->be->timeout.connect;
	uint32_t now;

	s->srv = srv;
	s->queued = queue_enter(srv ? srv->queue : s->be->queue, s);
	if (!s->queued)
		return give_up_counted(s, 'R', 'Q');
	s->flags |= STREAM_IN_QUEUE;
	s->waits = WAIT_QUEUE | WAIT_TIMER;
	stream_arm(s, wait_ms);
	if (srv) {
		now = atomic_fetch_add(&srv->load.queued, 1) + 1;
		note_max(&srv->load.queued_max, now);
	} else {
		srv = balance_pick(s->be,
				   r); /* has one become free between the pick and the queue? */
	}
	if (srv)
		queue_feed(srv);
	return STEP_WAIT;
}

/* The server is full: wait for it, or choose again when that is allowed, or fail. */
static enum step_result wait_for_server(struct stream *s, struct server *srv,
					const struct pick_request *r)
{
	if (!srv->maxqueue || queue_length(srv->queue) < srv->maxqueue)
		return enter_queue(s, srv, r);
	if (s->persistent && (s->be->options & PX_O_REDISPATCH)) {
		s->persistent = false;
		s->redispatched = true;
		s->srv = NULL;
		return stream_goto(s, s->step);
	}
	s->srv = srv;
	return give_up_counted(s, 'S', 'Q');
}

/* `option prefer-last-server`: whose connection the session still holds for itself; NULL: none of this backend. */
static struct server *last_server(const struct stream *s)
{
	const struct upstream *up;

	if (!s->sess->kept.next)
		return NULL;
	list_for_each_entry(up, &s->sess->kept, own_node)
		if (up->srv->px == s->be)
			return up->srv;
	return NULL;
}

/*
 * The server that has just asked this client for a login (401, 407), when the algorithm leaves the choice free: schemes like NTLM
 * speak to a connection (manual, option prefer-last-server). Its slot is ours; NULL: choose by the algorithm.
 */
static struct server *stay_with(struct stream *s)
{
	struct server *srv = s->sess->stay;

	if (!srv && (s->be->options & PX_O_PREFER_LAST))
		srv = last_server(s);
	if (!srv || srv->px != s->be || srv == s->avoid || s->be->balance->algo->takes_avoided ||
	    !server_is_usable(srv) || queue_length(srv->queue) || queue_length(s->be->queue))
		return NULL;
	return server_take_slot(srv) ? srv : NULL;
}

void upstream_persist_rules(struct stream *s)
{
	struct smp_ctx smp = {
		.sess = s->sess, .stream = s, .final = true, .scratch = worker_scratch()
	};

	if ((s->flags & STREAM_PERSIST_RAN) || !persist_has_rules(s->be))
		return;
	arena_reset(worker_scratch());
	if (s->hooks->sample_ctx)
		s->hooks->sample_ctx(s, &smp);
	persist_run_rules(s, &smp);
}

static enum step_result choose_server(struct stream *s)
{
	struct pick_request r = { .client = stream_src(s) };
	struct smp_ctx smp;
	struct server *srv = s->srv;

	if (srv) { /* forced: cookie, stick table, use-server */
		if (!queue_length(srv->queue) && server_take_slot(srv))
			return got_server(s, srv);
		return wait_for_server(s, srv, &r);
	}
	if (s->be->direct && server_take_slot(s->be->direct))
		return got_server(s, s->be->direct);
	if (!s->be->balance->algo->takes_avoided) /* a hash stays with its server */
		r.avoid = s->avoid;
	srv = stay_with(s);
	if (srv)
		return got_server(s, srv);
	r.listener_is_ip6 = s->sess->listener && s->sess->listener->is_ip6;
	if (s->be->balance->algo->wants_dst)
		r.dst = stream_dst(s);
	if (s->be->balance->algo->wants_sample) {
		arena_reset(worker_scratch());
		smp = (struct smp_ctx){
			.sess = s->sess, .stream = s, .final = true, .scratch = worker_scratch()
		};
		if (s->hooks->sample_ctx)
			s->hooks->sample_ctx(s, &smp);
		r.smp = &smp;
	}
	/* who comes while others wait stands behind them */
	for (int i = 0; i < PICK_TRIES; i++) {
		srv = balance_pick(s->be, &r);
		if (!srv)
			break;
		if (queue_length(srv->queue) || queue_length(s->be->queue)) {
			if (server_slot_limit(srv))
				break;
		}
		if (server_take_slot(srv))
			return got_server(s, srv);
		if (s->be->balance->algo->takes_avoided)
			break;
	}
	if (srv && s->be->balance->algo->takes_avoided)
		return wait_for_server(s, srv, &r);
	if (!srv && !(atomic_load(&s->be->up_active) + atomic_load(&s->be->up_backup)))
		return give_up_counted(s, 'S', 'C'); /* no server at all */
	return enter_queue(s, NULL, &r);
}

static enum step_result leave_queue_by_state(struct stream *s)
{
	struct server *granted;

	switch (queue_entry_state(s->queued)) {
	case QUEUE_GRANTED:
		granted = leave_queue(s);
		return got_server(s, granted);
	case QUEUE_REPICK:
		leave_queue(s);
		s->srv = NULL;
		s->persistent = false;
		s->redispatched = true;
		return choose_server(s);
	case QUEUE_WAITING:
		break;
	}
	if (client_gone(s))
		return client_left(s, 'Q');
	if (s->flags & STREAM_EXPIRED)
		return give_up_counted(s, 's', 'Q');
	s->waits = WAIT_QUEUE | WAIT_TIMER;
	return STEP_WAIT;
}

enum step_result step_pick_server(struct stream *s)
{
	if (s->flags & STREAM_HOLDS_SLOT)
		return STEP_NEXT;
	if (!(s->flags & STREAM_COUNTED_BE))
		stream_set_backend(s, s->be);
	if (s->flags & STREAM_KILLED)
		return give_up(s, 'K', 'Q');
	upstream_persist_rules(s);
	return s->queued ? leave_queue_by_state(s) : choose_server(s);
}

/* ---- connecting ---- */

static void on_server_connecting(struct conn *c)
{
	struct upstream *up = container_of(c, struct upstream, conn);

	stream_wake(up->stream);
}

void stream_server_addr(struct stream *s, struct addr *to)
{
	const struct server *srv = s->srv;

	server_addr(srv, to);
	if (addr_is_any(to)) {
		uint16_t port = to->port;

		*to = *stream_dst(s);
		if (port)
			to->port = port;
	}
	if (srv->port_is_offset)
		to->port = (uint16_t)(stream_dst(s)->port + srv->port_offset);
}

/* Which character of the termination state an errno of connect() means (manual 8.5: R is a resource of ours). */
static char cause_of(int err)
{
	switch (err) {
	case EMFILE:
	case ENFILE:
	case ENOBUFS:
	case ENOMEM:
	case EAGAIN:
	case EADDRINUSE:
	case EADDRNOTAVAIL:
		return 'R';
	case ETIMEDOUT:
		return 's';
	default:
		return 'S';
	}
}

static int max_retries(const struct stream *s)
{
	if (s->tune && s->tune->retries >= 0)
		return s->tune->retries;
	return s->be->retries < 0 ? DEFAULT_RETRIES : s->be->retries;
}

static int start_connect(struct stream *s, uint64_t key)
{
	struct server *srv = s->srv;
	struct upstream *up = upstream_new(srv, s);
	struct conn_origin from = { .data_ready = false };
	struct addr to;
	int err;

	if (!up) {
		atomic_fetch_sub(&srv->load.connections, 1);
		return -ENOMEM;
	}
	s->up = up;
	up->key = key;
	/* read before the address: a change in between costs a pooling */
	up->addr_version = atomic_load(&srv->live.addr_version);
	stream_server_addr(s, &to);
	ends_origin(s, &from);
	from.data_ready = s->hooks->may_reuse || proxy_send_wanted(srv) ||
			  (s->hooks->has_data && s->hooks->has_data(s));
	from.smart_connect = proxy_smart_connect(s->be);
	err = source_for_stream(s, &from);
	if (err)
		return err;
	up->source_port = source_port_of(srv, &from);
	if (socks4_proxy_of(srv, false))
		to = *socks4_proxy_of(srv, false);
	err = conn_connect(&up->conn, &to, srv->path, &from, &srv->setup, on_server_connecting, up);
	if (err)
		return err;
	if (!srv->path && bypass_takes(&to))
		up->conn.flags |= CONN_SHORT_READS;
	if (s->be->options & PX_O_TCP_SRV_KA)
		socket_keepalive(&up->conn, s->be, false);
	return 0;
}

/* Does `option redispatch <interval>` name this retry (the s->retries-th)? A server that went down is left at once. */
static bool redispatch_due(const struct stream *s)
{
	int every = s->be->redispatch_after ? s->be->redispatch_after : -1;

	if (!(s->be->options & PX_O_REDISPATCH) || (s->flags & STREAM_FORCE_PERSIST))
		return false;
	if (!server_is_willing(s->srv))
		return true;
	if (every < 0)
		every += max_retries(s) + 1;
	return every > 0 && s->retries % every == 0;
}

/* Nothing speaks for the server that failed (no hash, no persistence) and there are others: every retry goes elsewhere. */
static bool any_server_will_do(const struct stream *s)
{
	return (s->be->options & PX_O_REDISPATCH) && !s->persistent &&
	       !s->be->balance->algo->takes_avoided;
}

/* Back to the pick; whether it counts as retry or redispatch depends on what is picked. */
static enum step_result pick_again(struct stream *s)
{
	uint16_t i = s->step;

	upstream_release_slot(s);
	s->avoid = s->srv;
	s->srv = NULL;
	s->persistent = false;
	while (i && s->steps[i].run != step_pick_server)
		i--;
	return stream_goto(s, i);
}

static void count_retry(struct stream *s)
{
	count_add(&be_count(s)->retries, 1);
	count_add(&srv_count(s)->retries, 1);
}

/* A pick after a failed connection: the same server, or another one. */
static void count_second_pick(struct stream *s)
{
	if (s->srv == s->avoid) {
		count_retry(s);
	} else {
		s->redispatched = true;
		count_add(&be_count(s)->redispatches, 1);
		s->avoid->count[this_loop->tid].redispatches++;
	}
	s->avoid = NULL;
}

/*
 * As the reference does it: with other servers up and nothing that speaks for this one, at once elsewhere. Else a refused
 * connection is followed by a pause; after it the interval decides whether the server is picked again or only tried again.
 */
static enum step_result connect_failed(struct stream *s, char cause)
{
	uint32_t pause = s->be->timeout.connect;
	bool others = atomic_load_explicit(&s->be->up_active, memory_order_relaxed) > 1;

	upstream_close(s);
	if (cause != 'R')
		observe_note(s->srv, OBSERVE_LAYER4, OBSERVED_L4_ERROR);
	if (s->retries >= max_retries(s))
		return give_up_counted(s, cause, 'C');
	s->retries++;
	if (others && (any_server_will_do(s) || redispatch_due(s)))
		return pick_again(s);
	if (cause == 's') /* it has taken its time already */
		return connect_again(s);
	s->connect_state = CONNECT_PAUSE;
	s->waits = WAIT_TIMER;
	stream_arm(s, !pause || pause > TURN_AROUND_MS ? TURN_AROUND_MS : pause);
	return STEP_WAIT;
}

static enum step_result connect_again(struct stream *s)
{
	s->connect_state = CONNECT_START;
	if (redispatch_due(s))
		return pick_again(s);
	count_retry(s);
	return stream_goto(s, s->step);
}

static enum step_result connect_done(struct stream *s)
{
	struct upstream *up = s->up;

	stream_arm(s, 0);
	s->t.connected = this_loop->now_us;
	s->connect_state = CONNECT_START;
	conn_set_owner(&up->conn, s->hooks->on_server_ready, up);
	if (!(up->flags & UP_REUSED))
		observe_note(s->srv, OBSERVE_LAYER4, OBSERVED_OK);
	if (up->flags & UP_REUSED) {
		count_add(&srv_count(s)->reuse, 1);
		count_add(&be_count(s)->reuse, 1);
	} else {
		count_add(&srv_count(s)->connect, 1);
		count_add(&be_count(s)->connect, 1);
	}
	return STEP_NEXT;
}

static enum step_result connect_start(struct stream *s)
{
	enum upstream_take take = s->hooks->may_reuse ? s->hooks->may_reuse(s) : UP_TAKE_NONE;
	uint64_t key = s->hooks->may_reuse ? upstream_key(s) : 0;
	int err;

	if (take != UP_TAKE_NONE)
		s->up = upstream_take_idle(s->srv, s, take, key);
	if (s->up)
		return connect_done(s);
	if (!upstream_make_room(s->srv, s)) {
		s->connect_state = CONNECT_ROOM;
		s->waits = WAIT_OTHER;
		return STEP_WAIT;
	}
	err = start_connect(s, key);
	if (err)
		return connect_failed(s, cause_of(-err));
	if (!(s->up->conn.flags & (CONN_CONNECTING | CONN_HANDSHAKE)))
		return connect_done(s);
	s->connect_state = CONNECT_WAITING;
	s->waits = WAIT_CONNECT | WAIT_TIMER;
	stream_arm(s, s->be->timeout.connect);
	return STEP_WAIT;
}

static enum step_result connect_wait(struct stream *s)
{
	struct conn *c = &s->up->conn;

	if (c->flags & CONN_ERROR)
		return connect_failed(s, cause_of(c->err));
	if (!(c->flags & (CONN_CONNECTING | CONN_HANDSHAKE)))
		return connect_done(s);
	if (s->flags & STREAM_EXPIRED)
		return connect_failed(s, 's');
	s->waits = WAIT_CONNECT | WAIT_TIMER;
	return STEP_WAIT;
}

static bool still_connecting(const struct stream *s)
{
	return s->connect_state == CONNECT_PAUSE || s->connect_state == CONNECT_ROOM ||
	       (s->connect_state == CONNECT_WAITING &&
		(s->up->conn.flags & (CONN_CONNECTING | CONN_HANDSHAKE)));
}

enum step_result step_connect_server(struct stream *s)
{
	if (still_connecting(s) && client_gone(s))
		return client_left(s, 'C');
	switch ((enum connect_state)s->connect_state) {
	case CONNECT_ROOM: /* whoever woke us: the old request answers nobody any more */
		upstream_stop_waiting_for_room(s);
		return connect_start(s);
	case CONNECT_START:
		return connect_start(s);
	case CONNECT_WAITING:
		return connect_wait(s);
	case CONNECT_PAUSE:
		if (s->flags & STREAM_EXPIRED)
			return connect_again(s);
		s->waits = WAIT_TIMER;
		return STEP_WAIT;
	}
	return STEP_END;
}

void upstream_close(struct stream *s)
{
	struct upstream *up = s->up;

	if (s->connect_state == CONNECT_ROOM)
		upstream_stop_waiting_for_room(s);
	if (!up)
		return;
	if (tls_error_of(&up->conn) && stream_more(s)) /* logs ask for it later */
		s->more->bc_tls_error = tls_error_of(&up->conn);
	s->up = NULL;
	upstream_free(up);
}

void upstream_forget(struct stream *s)
{
	upstream_close(s);
	s->connect_state = CONNECT_START;
}
