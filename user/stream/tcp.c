/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp.c - mode tcp: the protocol "tcp" of sessions, one stream per connection: choose the backend, pick, connect, copy both
 * ways until both sides have ended, log. Not for: moving bytes (relay.c), picking and connecting (upstream.c).
 * Runs in the session's worker.
 *
 * Timeouts as the manual has them: a side is alive while something is read from it or written to it. `timeout tunnel`
 * replaces client and server once both sides are connected; a side that was shut in one direction has client-fin or
 * server-fin. An expired side is treated as ended: what was read is still delivered, the other side sees the end.
 */
#include "base/arena.h"
#include "datapath/plan.h"
#include "log/log.h"
#include "policy/rules.h"
#include "stream/queue.h"
#include "stream/init.h"
#include "stream/splice.h"
#include "stream/stream.h"
#include "stick/sticking.h"
#include "stream/tcp_inspect.h"
#include "stream/tuning.h"
#include "stream/upstream.h"

struct side {
	uint64_t active_ms; /* last read or write */
	bool fin;           /* shut in one direction: the -fin timeout counts */
};

struct tcp_stream {
	struct stream s; /* first */
	struct relay req, res;
	struct side client, server;
	struct tcp_inspect inspect, answer;  /* the client's first bytes, the server's */
	const struct rule_set *answer_rules; /* NULL: there are none, or they have decided */
	uint64_t armed_ms;                   /* when the timer fires */
	bool quiet; /* both directions are in the kernel's hands: only ends are reported */
	bool soon;  /* a direction has to be looked at again, without an event */
};

static struct tcp_stream *tcp_of(struct stream *s)
{
	return container_of(s, struct tcp_stream, s);
}

enum {
	STEP_RULES,
	STEP_BACKEND,
	STEP_BACKEND_RULES,
	STEP_STICK,
	STEP_PICK,
	STEP_CONNECT,
	STEP_COPY,
	STEP_CLOSE
};

/* ---- events ---- */

static void on_client_ready(struct conn *c)
{
	struct session *sess = c->owner;
	struct tcp_stream *t = session_part(sess);

	stream_wake(&t->s);
}

static void on_server_ready(struct conn *c)
{
	struct upstream *up = c->owner;

	stream_wake(up->stream);
}

static bool client_gone(struct stream *s)
{
	return conn_peer_is_gone(&s->sess->client, s->be->options & PX_O_ABORTONCLOSE);
}

/* Rules on the first bytes, as use-server has them, see what the inspection has kept. */
static void sample_ctx(struct stream *s, struct smp_ctx *c)
{
	c->data = tcp_inspect_data(&tcp_of(s)->inspect);
}

static bool has_data(struct stream *s)
{
	return tcp_inspect_data(&tcp_of(s)->inspect).n;
}

static const struct upstream_hooks hooks = {
	.sample_ctx = sample_ctx,
	.fail_step = STEP_CLOSE,
	.client_gone = client_gone,
	.has_data = has_data,
	.on_server_ready = on_server_ready,
};

/* ---- steps before the copy ---- */

static enum step_result tcp_frontend_rules(struct stream *s)
{
	return tcp_inspect_run(s, s->sess->fe, &tcp_of(s)->inspect);
}

static enum step_result tcp_backend_rules(struct stream *s)
{
	return s->be == s->sess->fe ? STEP_NEXT : tcp_inspect_run(s, s->be, &tcp_of(s)->inspect);
}

static enum step_result tcp_choose_backend(struct stream *s)
{
	struct smp_ctx ctx = {
		.sess = s->sess, .stream = s, .final = true, .scratch = worker_scratch()
	};
	struct proxy *be;
	bool more = false;

	if (s->flags & STREAM_KILLED)
		return STEP_END;
	ctx.data = tcp_inspect_data(&tcp_of(s)->inspect);
	be = policy_choose_backend(s->sess->fe, &ctx, &more);
	arena_reset(worker_scratch());
	if (!be && (s->sess->fe->caps & PX_BACKEND))
		be = s->sess->fe;
	if (!be) {
		stream_set_term(s, 'S', 'C');
		count_add(&s->sess->fe->fe_count[this_loop->tid].failed_req, 1);
		return STEP_END;
	}
	stream_set_backend(s, be);
	return STEP_NEXT;
}

static void tcp_smp_ctx(struct tcp_stream *t, const struct tcp_inspect *in, struct smp_ctx *ctx)
{
	*ctx = (struct smp_ctx){ .sess = t->s.sess,
				 .stream = &t->s,
				 .response = in == &t->answer,
				 .final = true,
				 .data = tcp_inspect_data(in),
				 .scratch = worker_scratch() };
}

static enum step_result tcp_stick(struct stream *s)
{
	struct smp_ctx ctx;

	upstream_persist_rules(s);
	if (!sticking_has_rules(s->be))
		return STEP_NEXT;
	tcp_smp_ctx(tcp_of(s), &tcp_of(s)->inspect, &ctx);
	sticking_request(s, &ctx);
	arena_reset(worker_scratch());
	return STEP_NEXT;
}

/* The server has accepted, and the response rules, if any, have seen its first bytes. */
static void tcp_stick_answer(struct tcp_stream *t)
{
	struct smp_ctx ctx;

	if (!sticking_has_rules(t->s.be))
		return;
	tcp_smp_ctx(t, &t->answer, &ctx);
	sticking_response(&t->s, &ctx);
	arena_reset(worker_scratch());
}

/* ---- copying ---- */

static uint32_t side_timeout(const struct stream *s, const struct side *side)
{
	const struct proxy_timeouts *fe = &s->sess->fe->timeout, *be = &s->be->timeout;
	bool client = side == &container_of(s, struct tcp_stream, s)->client;

	if (side->fin && (client ? fe->client_fin : be->server_fin))
		return client ? fe->client_fin : be->server_fin;
	if (stream_tunnel_ms(s))
		return stream_tunnel_ms(s);
	return client ? stream_client_ms(s) : stream_server_ms(s);
}

/* Is anything awaited from this side: bytes to read with room for them, or room to write what is held? */
static bool side_is_awaited(const struct relay *from, const struct relay *to)
{
	return (!from->eof && !relay_held(from)) || relay_held(to);
}

static uint64_t side_due_ms(const struct stream *s, const struct side *side,
			    const struct relay *from, const struct relay *to)
{
	uint32_t timeout = side_timeout(s, side);

	return timeout && side_is_awaited(from, to) ? side->active_ms + timeout : UINT64_MAX;
}

/* The timer is moved only when it would come too late; when it comes too early it is set anew. */
static void tcp_arm(struct tcp_stream *t)
{
	uint64_t c = side_due_ms(&t->s, &t->client, &t->req, &t->res);
	uint64_t d = side_due_ms(&t->s, &t->server, &t->res, &t->req);
	uint64_t due = c < d ? c : d;

	if (t->soon && due > this_loop->now_ms + RELAY_SOON_MS)
		due = this_loop->now_ms + RELAY_SOON_MS;

	if (t->answer.due_ms && t->answer.due_ms < due)
		due = t->answer.due_ms;
	if (due == UINT64_MAX || (timer_armed(&t->s.timer) && t->armed_ms <= due))
		return;
	t->armed_ms = due;
	timer_set(this_loop, &t->s.timer, due);
}

/* The side said nothing for too long: its input counts as ended, output that it does not take is given up. */
static void side_expired(struct stream *s, char cause, struct relay *from, struct relay *to)
{
	stream_set_term(s, cause, 'D');
	relay_stop_reading(from);
	if (relay_held(to)) {
		to->to->flags |= CONN_NO_LINGER;
		to->ended = true;
	}
}

/* Bytes that the kernel has moved keep both sides alive, from the moment at which they came. */
static void tcp_sync(struct relay *r, struct side *from, struct side *to)
{
	uint64_t read = r->read, at = relay_sync(r);

	if (!at || r->read == read)
		return;
	from->active_ms = at > from->active_ms ? at : from->active_ms;
	to->active_ms = at > to->active_ms ? at : to->active_ms;
}

static void tcp_check_timeouts(struct tcp_stream *t)
{
	uint64_t now = this_loop->now_ms;
	struct be_counters *be = &t->s.be->be_count[this_loop->tid];
	struct srv_counters *srv = &t->s.srv->count[this_loop->tid];

	tcp_sync(&t->req, &t->client, &t->server);
	tcp_sync(&t->res, &t->server, &t->client);
	if (side_due_ms(&t->s, &t->client, &t->req, &t->res) <= now) {
		side_expired(&t->s, 'c', &t->req, &t->res);
		count_add(&be->cli_aborts, 1);
		count_add(&srv->cli_aborts, 1);
	}
	if (side_due_ms(&t->s, &t->server, &t->res, &t->req) <= now) {
		if (stream_tunnel_ms(&t->s) && !t->server.fin)
			t->s.up->conn.flags |=
				CONN_NO_LINGER; /* a dead tunnel is cut, as haproxy does it */
		side_expired(&t->s, 's', &t->res, &t->req);
		count_add(&be->srv_aborts, 1);
		count_add(&srv->srv_aborts, 1);
	}
}

/* A connection failed in the data phase; L: the server had finished, only the client's last bytes were missing. */
static void tcp_note_abort(struct tcp_stream *t, const struct conn *c)
{
	struct be_counters *be = &t->s.be->be_count[this_loop->tid];
	struct srv_counters *srv = &t->s.srv->count[this_loop->tid];
	bool client = c == &t->s.sess->client;

	stream_set_term(&t->s, client ? 'C' : 'S', t->res.eof && t->req.ended ? 'L' : 'D');
	if (client) {
		count_add(&be->cli_aborts, 1);
		count_add(&srv->cli_aborts, 1);
		t->s.up->conn.flags |= CONN_NO_LINGER; /* an abort is passed on as one */
	} else {
		count_add(&be->srv_aborts, 1);
		count_add(&srv->srv_aborts, 1);
	}
}

/* One direction: false when the stream is over by an error. */
static bool tcp_move(struct tcp_stream *t, struct relay *r, struct side *from, struct side *to,
		     bool *again)
{
	uint64_t read, written;
	enum relay_result result;

	if (r->ended)
		return true;
	tcp_sync(r, from, to);
	read = r->read;
	written = r->written;
	result = relay_run(r);
	if (r->read != read)
		from->active_ms = this_loop->now_ms;
	if (r->written != written)
		to->active_ms = this_loop->now_ms;
	switch (result) {
	case RELAY_MORE:
		*again = true;
		return true;
	case RELAY_SOON:
		t->soon = true;
		return true;
	case RELAY_FROM_ERROR:
	case RELAY_TO_ERROR:
		tcp_note_abort(t, result == RELAY_FROM_ERROR ? r->from : r->to);
		return false;
	default:
		return true;
	}
}

static uint32_t to_options(const struct tcp_stream *t, const struct side *to)
{
	return to == &t->client ? t->s.sess->fe->options : t->s.be->options;
}

/* A direction has ended: the receiver is told, unless all is over and close() tells both. Only a -fin timeout starts anew. */
static void tcp_pass_end(struct tcp_stream *t, struct relay *r, struct relay *other,
			 struct side *to)
{
	uint32_t fin =
		to == &t->client ? t->s.sess->fe->timeout.client_fin : t->s.be->timeout.server_fin;

	if (!r->ended || other->ended || (r->to->flags & CONN_WR_SHUT))
		return;
	if (to_options(t, to) & PX_O_NOLINGER) {
		other->ended = true; /* close() tells it, by a reset */
		return;
	}
	conn_shut_write(r->to);
	to->fin = true;
	if (fin)
		to->active_ms = this_loop->now_ms;
}

/* A reset closes a side that had already ended without a byte to tell of it. */
static bool side_was_reset(const struct relay *from)
{
	const struct conn *c = from->from;

	return from->eof && (c->flags & CONN_HUP) && !(c->flags & CONN_WR_SHUT);
}

static void tcp_start_copy(struct tcp_stream *t)
{
	struct conn *client = &t->s.sess->client, *server = &t->s.up->conn;
	uint32_t no = t->s.be->no_options | t->s.sess->fe->no_options;
	const struct service_plan *plan = t->s.sess->fe->plan;

	if (plan && plan->path == PATH_USER) /* `datapath user`: the daemon reads every byte */
		no |= PX_O_SPLICE_AUTO;
	if (server->flags & CONN_SHORT_READS)
		no |= PX_O_SPLICE_AUTO;
	relay_init(&t->req, client, server, !(no & (PX_O_SPLICE_AUTO | PX_O_SPLICE_REQ)));
	relay_init(&t->res, server, client, !(no & (PX_O_SPLICE_AUTO | PX_O_SPLICE_RTR)));
	relay_allow_sockmap(&t->req);
	relay_allow_sockmap(&t->res);
	if (t->inspect.data) {
		relay_preload(&t->req, t->inspect.data);
		t->inspect.data = NULL;
	}
	t->answer_rules = rule_set_find(t->s.be, RULESET_TCP_RESPONSE);
	if (!t->answer_rules)
		tcp_stick_answer(t);
	t->client.active_ms = t->server.active_ms = this_loop->now_ms;
	log_stream_asap(&t->s, NULL);
}

/* `close`: the server's connection ends now, for both directions; what it has sent is still passed on. */
static void tcp_leave_server(struct tcp_stream *t)
{
	relay_stop_reading(&t->res);
	relay_stop_reading(&t->req);
	t->req.ended = true;
}

/* The server's first bytes wait until the rules have decided. false: the stream is over. */
static bool tcp_answer_rules(struct tcp_stream *t)
{
	uint32_t before = tcp_inspect_data(&t->answer).n;
	enum step_result r = tcp_inspect_response(&t->s, t->answer_rules, &t->answer);
	uint32_t n = tcp_inspect_data(&t->answer).n;

	if (n != before)
		t->server.active_ms = this_loop->now_ms;
	if (r == STEP_WAIT)
		return true;
	t->answer_rules = NULL;
	if (r == STEP_END) {
		t->res.read += n;
		t->res.written += n; /* nobody gets them */
		if (!t->s.term_cause)
			tcp_note_abort(t, &t->s.up->conn);
		return false;
	}
	tcp_stick_answer(t);
	if (t->s.up->conn.flags & CONN_EOF)
		t->res.eof = true;
	if (t->answer.data)
		relay_preload(&t->res, t->answer.data);
	t->answer.data = NULL;
	if (t->s.tune && t->s.tune->close_server)
		tcp_leave_server(t);
	return true;
}

static void tcp_watch(struct tcp_stream *t)
{
	bool quiet = relay_is_quiet(&t->req) && relay_is_quiet(&t->res);

	if (quiet == t->quiet)
		return;
	t->quiet = quiet;
	conn_watch_end_only(t->req.from, quiet);
	conn_watch_end_only(t->req.to, quiet);
}

static void tcp_wait_reasons(struct tcp_stream *t)
{
	t->s.waits = WAIT_TIMER;
	if (!t->req.ended)
		t->s.waits |= relay_held(&t->req) ? WAIT_SERVER_ROOM : WAIT_CLIENT_DATA;
	if (!t->res.ended)
		t->s.waits |= relay_held(&t->res) ? WAIT_CLIENT_ROOM : WAIT_SERVER_DATA;
}

static enum step_result tcp_copy(struct stream *s)
{
	struct tcp_stream *t = tcp_of(s);
	bool again = false;

	t->soon = false;
	if (s->flags & STREAM_KILLED)
		return STEP_END;
	if (!t->req.from)
		tcp_start_copy(t);
	if (s->flags & STREAM_EXPIRED) {
		s->flags &= ~STREAM_EXPIRED;
		tcp_check_timeouts(t);
	}
	if (!tcp_move(t, &t->req, &t->client, &t->server, &again))
		return STEP_END;
	if (t->answer_rules && !tcp_answer_rules(t))
		return STEP_END;
	if (!t->answer_rules && !tcp_move(t, &t->res, &t->server, &t->client, &again))
		return STEP_END;
	if (side_was_reset(&t->req) || side_was_reset(&t->res)) {
		tcp_note_abort(t, side_was_reset(&t->req) ? t->req.from : t->res.from);
		return STEP_END;
	}
	tcp_watch(t);
	tcp_pass_end(t, &t->req, &t->res, &t->server);
	tcp_pass_end(t, &t->res, &t->req, &t->client);
	if (t->req.ended && t->res.ended)
		return STEP_END;
	tcp_arm(t);
	if (s->sess->fe->options & PX_O_CONTSTATS)
		stream_count_bytes(s, t->req.read, t->res.read);
	if (again)
		stream_wake(s);
	tcp_wait_reasons(t);
	return STEP_WAIT;
}

/* ---- the end ---- */

/* No server was reached. What the client sent meanwhile is read, or close() would answer it with a reset. */
static void tcp_discard_unread(struct tcp_stream *t)
{
	struct conn *c = &t->s.sess->client;
	struct segment *seg;
	ssize_t n;

	if (!(c->flags & CONN_CAN_READ))
		return;
	seg = segment_new();
	if (!seg)
		return;
	n = conn_recv(c, seg->data, seg->size);
	if (n > 0)
		t->req.read += (uint64_t)n;
	segment_put(seg);
}

static enum step_result tcp_close(struct stream *s)
{
	struct tcp_stream *t = tcp_of(s);
	struct session *sess = s->sess;

	s->t.end = this_loop->now_us;
	if (!t->req.from) {
		t->req.read = tcp_inspect_data(&t->inspect).n;
		tcp_discard_unread(t);
	}
	relay_sync(&t->req);
	relay_sync(&t->res);
	s->bytes_in = t->req.read;
	s->bytes_out = t->res.read;
	stream_count_bytes(s, s->bytes_in, s->bytes_out);
	stream_count_times(s);
	if (s->srv && server_slot_limit(s->srv))
		upstream_close(s); /* before the next one gets the slot and connects */
	stream_release(s);
	log_stream(s, NULL);
	s->flags |= STREAM_LOGGED;
	relay_fini(&t->req);
	relay_fini(&t->res);
	tcp_inspect_fini(&t->inspect);
	tcp_inspect_fini(&t->answer);
	stream_fini(s);
	session_free(sess);
	return STEP_END;
}

static const struct stream_step steps[] = {
	[STEP_RULES] = { "frontend-rules", tcp_frontend_rules },
	[STEP_BACKEND] = { "choose-backend", tcp_choose_backend },
	[STEP_BACKEND_RULES] = { "backend-rules", tcp_backend_rules },
	[STEP_STICK] = { "stick", tcp_stick },
	[STEP_PICK] = { "pick-server", step_pick_server },
	[STEP_CONNECT] = { "connect", step_connect_server },
	[STEP_COPY] = { "copy", tcp_copy },
	[STEP_CLOSE] = { "end", tcp_close },
	{ NULL, NULL },
};

/* ---- the protocol ---- */

static void tcp_start(struct session *sess)
{
	struct tcp_stream *t = session_part(sess);

	stream_init(&t->s, sess, steps);
	t->s.t.start = sess->accept_us;
	stream_set_upstream_hooks(&t->s, &hooks);
	conn_set_owner(&sess->client, on_client_ready, sess);
	log_stream_started(&t->s, NULL);
	stream_run(&t->s);
}

static void tcp_kill(struct session *sess, char cause)
{
	struct tcp_stream *t = session_part(sess);

	t->s.flags |= STREAM_KILLED;
	stream_set_term(&t->s, cause,
			t->s.step == STEP_COPY      ? 0 /* '-', as in haproxy */
			: t->s.step == STEP_CONNECT ? 'C'
						    : 'Q');
	stream_wake(&t->s);
}

static void describe_relay(struct strbuf *out, const char *name, struct relay *r)
{
	relay_sync(r);
	strbuf_addf(out, " %s[%s,read=%llu,written=%llu%s]", name, r->engine->name,
		    (unsigned long long)r->read, (unsigned long long)r->written,
		    r->ended ? ",ended"
		    : r->eof ? ",eof"
			     : "");
}

static void tcp_describe(struct stream *s, struct strbuf *out)
{
	struct tcp_stream *t = tcp_of(s);

	if (!t->req.from || s->step != STEP_COPY)
		return;
	describe_relay(out, "rq", &t->req);
	describe_relay(out, "rp", &t->res);
	s->bytes_in = t->req.read;
	s->bytes_out = t->res.read;
}

static const struct session_proto proto_tcp = {
	.name = "tcp",
	.mode = MODE_TCP,
	.bytes = sizeof(struct tcp_stream),
	.start = tcp_start,
	.kill = tcp_kill,
	.describe = tcp_describe,
};

void tcp_init(void)
{
	session_proto_register(&proto_tcp);
}
