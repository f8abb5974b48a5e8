// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * exchange.c - the steps between "connected to the server" and "everything has been forwarded": request out, response head in, 1xx,
 * response rules, both bodies, tunnel. Both directions move in one step until nothing moves any more. Runs in the transaction's worker.
 */
#include "http/splice.h"
#include "check/observe.h"
#include "http/steps.h"
#include "http/stick_events.h"

#include "log/log.h"
#include "policy/vars.h"
#include "stick/sticking.h"

static struct conn *server_conn(struct http_txn *t)
{
	return &t->s.up->conn;
}

static struct conn *client_conn(struct http_txn *t)
{
	return &t->s.sess->client;
}

/* Shut one way by the peer is no end (it may wait for the answer); reset or closed both ways is. */
static bool client_left(struct http_txn *t)
{
	uint32_t f = client_conn(t)->flags;

	/* with our side shut (tunnel), "both ways closed" is the regular end */
	return (f & CONN_ERROR) || ((f & CONN_HUP) && !(f & CONN_WR_SHUT));
}

static enum step_result client_aborted(struct http_txn *t, char phase)
{
	struct be_counters *be = http_be_count(t), *srv = http_srv_count(t);

	if (be)
		count_add(&be->cli_aborts, 1);
	if (srv)
		count_add(&srv->cli_aborts, 1);
	t->flags |= TXN_CLIENT_GONE;
	return http_abort(t, 'C', phase);
}

static void count_server_failure(struct http_txn *t, bool aborted)
{
	struct be_counters *be = http_be_count(t), *srv = http_srv_count(t);

	count_add(&be->failed_resp, 1);
	count_add(&srv->failed_resp, 1);
	if (aborted) {
		count_add(&be->srv_aborts, 1);
		count_add(&srv->srv_aborts, 1);
	}
}

/* ---- request: client -> server ---- */

enum flow { FLOW_STILL, FLOW_MOVED, FLOW_CLIENT_BAD, FLOW_CLIENT_END };

/* Something of the request is still to be read or sent. */
static bool request_open(const struct http_txn *t)
{
	return !t->sv.out.done && !(t->flags & TXN_SERVER_GONE);
}

/* The server takes no more: what it may have answered before can still be read. */
static void server_refuses(struct http_txn *t)
{
	struct conn *c = server_conn(t);

	t->flags |= TXN_SERVER_GONE | TXN_SERVER_CLOSE;
	c->flags &= ~CONN_ERROR;
	c->flags |= CONN_CAN_READ;
}

static enum flow move_request(struct http_txn *t)
{
	uint64_t sent = t->sv.out.bytes, in = t->s.bytes_in, none = 0;
	enum http_io r;

	if (!request_open(t))
		return FLOW_STILL;
	if ((t->flags & TXN_TUNNEL) && http_splice_active(t, DIR_REQUEST)) {
		bool moved = false;

		r = http_splice_move(t, DIR_REQUEST, &moved);
		if (r == IO_ERROR)
			server_refuses(t);
		return r == IO_EOF ? FLOW_CLIENT_END : moved ? FLOW_MOVED : FLOW_STILL;
	}
	if (t->req.state == MSG_BODY && !body_full(&t->req.body)) {
		r = t->client->pull(t);
		if (t->s.bytes_in != in)
			t->client_heard_ms = this_loop->now_ms;
		if (r == IO_BAD || r == IO_NOMEM)
			return FLOW_CLIENT_BAD;
		if (r == IO_EOF || r == IO_ERROR)
			return FLOW_CLIENT_END;
	}
	r = h1_push(server_conn(t), &t->sv, &t->req, &none);
	if (t->sv.out.bytes != sent) {
		t->flags |= TXN_REQ_STARTED;
		t->server_heard_ms = this_loop->now_ms;
	}
	if (r == IO_ERROR)
		server_refuses(t);
	return t->sv.out.bytes != sent || t->s.bytes_in != in ? FLOW_MOVED : FLOW_STILL;
}

/* What to wait for on the request's side. */
static unsigned int request_waits(const struct http_txn *t)
{
	unsigned int w = 0;

	if (!request_open(t))
		return 0;
	if (t->relay[DIR_REQUEST])
		return http_splice_waits(t, DIR_REQUEST);
	if (t->req.state == MSG_BODY && !body_full(&t->req.body))
		w |= WAIT_CLIENT_DATA;
	if (!body_empty(&t->req.body) || !t->sv.out.bytes)
		w |= WAIT_SERVER_ROOM;
	return w;
}

/* ---- response head ---- */

/* A pooled connection that the server closed just when we wrote: nothing was processed. A request whose body was not touched and that may be
 * repeated (RFC 9110 section 9.2.2) goes out again on a fresh connection. */
static bool may_repeat(const struct http_txn *t)
{
	static const unsigned int idempotent = 1 << METH_GET | 1 << METH_HEAD | 1 << METH_OPTIONS |
					       1 << METH_PUT | 1 << METH_DELETE | 1 << METH_TRACE;

	return (t->s.up->flags & UP_REUSED) && t->rsp.state == MSG_EMPTY && !t->req.body.consumed &&
	       (1u << t->req.method & idempotent);
}

static enum step_result repeat_request(struct http_txn *t)
{
	struct segment *rx = t->srv_rx;

	if (rx)
		segment_put(rx);
	t->srv_rx = NULL;
	upstream_forget(&t->s);
	t->flags &= ~(TXN_SERVER_GONE | TXN_REQ_STARTED);
	t->flags |= TXN_NO_REUSE;
	h1_out_start(&t->sv.out);
	t->sv.head = (struct h1_head){ 0 };
	return stream_goto(&t->s, HS_CONNECT);
}

static enum step_result no_response(struct http_txn *t)
{
	if (may_repeat(t))
		return repeat_request(t);
	stick_note(&t->s, STICK_EV_HTTP_FAIL);
	count_server_failure(t, true);
	observe_note(t->s.srv, OBSERVE_LAYER7, OBSERVED_HTTP_CLOSED);
	/* Nobody knows whether it was processed: as for any dead keep-alive connection, the client decides. */
	if ((t->s.up->flags & UP_REUSED) && !(t->flags & TXN_FIRST) && t->rsp.state == MSG_EMPTY) {
		t->flags |= TXN_SILENT_END;
		return http_abort(t, 'S', 'H');
	}
	return http_fail(t, 'S', 'H', 502);
}

static enum step_result bad_response(struct http_txn *t)
{
	stick_note(&t->s, STICK_EV_HTTP_FAIL);
	count_server_failure(t, false);
	observe_note(t->s.srv, OBSERVE_LAYER7, OBSERVED_HTTP_HEADERS);
	return http_fail(t, 'P', 'H', 502);
}

static void next_response(struct http_txn *t)
{
	http_msg_fini(&t->rsp);
	http_msg_init(&t->rsp, &t->arena, true);
	t->rsp.method = t->req.method;
	t->sv.head = (struct h1_head){ .relax = t->sv.head.relax };
	h1_out_start(&t->cl.out);
}

/* A server that never comes to the point: every 1xx costs memory of the request, and turns of this loop. */
#define MAX_INTERIMS 1000

/* 100, 102, 103: passed on as they come; HTTP/1.0 clients do not know them. */
static enum http_io pass_interim(struct http_txn *t)
{
	enum http_io r = t->req.flags & MSG_F_HTTP10 ? IO_OK : t->client->push(t);

	if (r == IO_OK) {
		t->interims++;
		next_response(t);
	}
	return r;
}

static bool unasked_101(const struct http_txn *t)
{
	unsigned int asked = MSG_F_CONN_UPG | MSG_F_UPGRADE;

	return t->rsp.status == 101 && (t->req.flags & asked) != asked;
}

static enum http_io read_response_head(struct http_txn *t)
{
	uint64_t got = 0;
	enum http_io r;

	for (;;) {
		if (t->rsp.state == MSG_DONE && (t->rsp.flags & MSG_F_INTERIM)) {
			if (t->interims == MAX_INTERIMS)
				return IO_BAD;
			r = pass_interim(t);
			if (r != IO_OK)
				return r == IO_WAIT ? IO_WAIT : IO_EOF;
		}
		r = h1_pull(server_conn(t), &t->srv_rx, &t->sv, &t->rsp, &got);
		if (got)
			t->server_heard_ms = this_loop->now_ms;
		if (t->rsp.state != MSG_DONE || !(t->rsp.flags & MSG_F_INTERIM))
			return r;
	}
}

/* For `observe layer7`, as the manual has it: 100 to 499, 501 and 505 are what a healthy server says. */
static enum observation judged_status(unsigned int status)
{
	return (status >= 100 && status < 500) || status == 501 || status == 505
		       ? OBSERVED_OK
		       : OBSERVED_HTTP_STATUS;
}

static enum step_result response_head_complete(struct http_txn *t)
{
	observe_note(t->s.srv, OBSERVE_LAYER7, judged_status(t->rsp.status));
	t->s.t.response = this_loop->now_us;
	t->server_heard_ms = t->client_heard_ms = this_loop->now_ms;
	return STEP_NEXT;
}

/* As long as there is no response, a client that stalls in its body is the server's matter: it may answer any time, and its timeout
 * counts from the last byte it was sent (HAProxy: sH, 504). */
static bool server_answers_for_both(const struct http_txn *t)
{
	return stream_server_ms(&t->s) && !t->s.t.response;
}

/* Later, while the client is being waited for, the server cannot be blamed for silence. */
static bool server_is_timed(const struct http_txn *t, unsigned int waits)
{
	return (waits & WAIT_SERVER_ROOM) || !(waits & (WAIT_CLIENT_DATA | WAIT_CLIENT_ROOM)) ||
	       server_answers_for_both(t);
}

static uint32_t tunnel_ms(const struct http_txn *t)
{
	uint32_t ms = stream_tunnel_ms(&t->s);

	return ms ? ms : stream_server_ms(&t->s);
}

/* The timer fired: whose time is over? STEP_WAIT: nobody's. */
static enum step_result timed_out(struct http_txn *t, char phase)
{
	unsigned int waits = t->s.waits;

	if (!(t->s.flags & STREAM_EXPIRED))
		return STEP_WAIT;
	if (t->flags & TXN_TUNNEL) {
		uint64_t heard = t->client_heard_ms > t->server_heard_ms ? t->client_heard_ms
									 : t->server_heard_ms;

		if (http_expired(t, heard, tunnel_ms(t)))
			return http_abort(t, 's', 'D');
		return STEP_WAIT;
	}
	if ((waits & (WAIT_CLIENT_DATA | WAIT_CLIENT_ROOM)) && !server_answers_for_both(t) &&
	    http_expired(t, t->client_heard_ms, stream_client_ms(&t->s))) {
		bool head = phase == 'H';

		return head ? http_fail(t, 'c', 'D', 408) : http_abort(t, 'c', 'D');
	}
	if ((waits & (WAIT_SERVER_DATA | WAIT_SERVER_ROOM)) && server_is_timed(t, waits) &&
	    http_expired(t, t->server_heard_ms, stream_server_ms(&t->s))) {
		count_server_failure(t, false);
		observe_note(t->s.srv, OBSERVE_LAYER7, OBSERVED_HTTP_TIMEOUT);
		return phase == 'H' ? http_fail(t, 's', 'H', 504) : http_abort(t, 's', 'D');
	}
	return STEP_WAIT;
}

static enum step_result wait_for(struct http_txn *t, unsigned int waits)
{
	uint32_t client =
		(waits & (WAIT_CLIENT_DATA | WAIT_CLIENT_ROOM)) && !server_answers_for_both(t)
			? stream_client_ms(&t->s)
			: 0;
	uint32_t server = server_is_timed(t, waits) ? stream_server_ms(&t->s) : 0;

	if (t->flags & TXN_TUNNEL) {
		client = server = tunnel_ms(t);
	}
	return http_wait(t, waits, client, server);
}

enum step_result http_step_exchange(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	enum step_result over;
	enum http_io r;
	enum flow f;

	if (s->flags & STREAM_KILLED)
		return http_abort(t, t->kill_cause ? t->kill_cause : 'K', 'H');
	if ((s->be->options & PX_O_ABORTONCLOSE) && http_upstream_hooks.client_gone(s))
		return client_aborted(t, 'D');
	if (!(t->flags & TXN_REQ_STARTED))
		t->server_heard_ms = this_loop->now_ms;
	t->sv.head.relax = http_conf(s->be)->relax_response ? H1_RELAX_CHARS | H1_RELAX_FOLD : 0;
	do {
		f = move_request(t);
		if (f == FLOW_CLIENT_BAD) {
			count_add(&http_fe_count(t)->failed_req, 1);
			return http_fail(t, 'P', 'D', 400);
		}
		if (f == FLOW_CLIENT_END)
			return client_aborted(t, 'D');
		r = read_response_head(t);
	} while (f == FLOW_MOVED && r == IO_WAIT && request_open(t));

	/* A body that was cut off right behind the head is passed on as far as it came. */
	if (t->rsp.state == MSG_BODY || t->rsp.state == MSG_DONE ||
	    (r == IO_EOF && t->rsp.head_seg))
		return unasked_101(t) ? bad_response(t) : response_head_complete(t);
	if (r == IO_BAD)
		return bad_response(t);
	if (r == IO_NOMEM)
		return http_fail(t, 'R', 'H', 500);
	if (r == IO_EOF || r == IO_ERROR || (t->flags & TXN_SERVER_GONE && r != IO_WAIT))
		return no_response(t);
	over = timed_out(t, 'H');
	if (over != STEP_WAIT)
		return over;
	return wait_for(t, WAIT_SERVER_DATA | request_waits(t));
}

/* ---- response rules ---- */

/*
 * NTLM and Negotiate log a connection in, not a request: from such a challenge on it is this client's alone. Whoever asks for
 * a login gets the client's next requests, too.
 */
static void note_login(struct http_txn *t)
{
	static const struct {
		uint16_t status;
		const char *header;
	} challenges[] = {
		{ 401, "www-authenticate" },
		{ 407, "proxy-authenticate" },
	};
	struct session *sess = t->s.sess;
	struct http_hdr *h = NULL;

	for (size_t i = 0; i < ARRAY_SIZE(challenges); i++) {
		if (t->status != challenges[i].status)
			continue;
		sess->stay = t->s.srv;
		while ((h = http_hdr_find(&t->rsp, HDR_OTHER, slice_z(challenges[i].header), h))) {
			struct slice v = http_hdr_value(h);

			if (slice_has_prefix_case(v, SLICE("NTLM")) ||
			    slice_has_prefix_case(v, SLICE("Negotiate")))
				t->s.up->flags |= UP_PRIVATE;
		}
	}
}

/* The backend's rules come first, then the frontend's. */
static enum step_result response_rules(struct http_txn *t)
{
	static const struct {
		unsigned int set;
		bool frontend;
	} phases[] = { { RULESET_TCP_RESPONSE, false },
		       { RULESET_HTTP_RES, false },
		       { RULESET_HTTP_RES, true } };
	struct proxy *fe = t->s.sess->fe;
	enum step_result r;

	for (size_t i = t->rule_phase; i < ARRAY_SIZE(phases); i++) {
		t->rule_phase = i;
		if (phases[i].frontend && t->s.be == fe)
			continue;
		r = http_run_rules(t, phases[i].frontend ? fe : t->s.be, phases[i].set);
		if (r != STEP_NEXT)
			return r;
	}
	return STEP_NEXT;
}

static void stick_answer(struct http_txn *t)
{
	struct smp_ctx ctx;

	if (!sticking_has_rules(t->s.be))
		return;
	http_txn_smp_ctx(t, &ctx, true);
	sticking_response(&t->s, &ctx);
}

enum step_result http_step_response_rules(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	enum step_result r;

	if (s->flags & STREAM_KILLED)
		return http_abort(t, t->kill_cause ? t->kill_cause : 'K', 'H');
	if (!(t->flags & TXN_RSP_HEAD)) {
		t->flags |= TXN_RSP_HEAD;
		vars_drop_scope(&s->vars, VAR_REQ);
		t->status = t->rsp.status;
		s->up->requests++;
		note_login(t);
		http_count_server_status(t);
		stick_note(s, http_stick_status(t->status));
		stick_answer(t);
	}
	r = response_rules(t);
	if (r != STEP_NEXT)
		return r;
	t->rule_phase = 0;
	if (!http_after_rules(t))
		return http_fail(t, 'I', 'H', 500);
	http_count_status(t);
	if ((t->rsp.flags & MSG_F_CONN_CLOSE) || (s->tune && s->tune->close_server))
		t->flags |= TXN_SERVER_CLOSE;
	http_prepare_response(t);
	h1_out_start(&t->cl.out);
	log_stream_asap(s, t);
	return STEP_NEXT;
}

/* ---- bodies ---- */

static bool response_open(const struct http_txn *t)
{
	return !t->cl.out.done;
}

/* server -> client. */
static enum http_io move_response(struct http_txn *t, bool *moved)
{
	uint64_t got = 0, sent = t->s.bytes_out;
	enum http_io r = t->rsp.state == MSG_BAD ? IO_BAD : IO_OK;

	if (http_splice_active(t, DIR_RESPONSE)) {
		r = http_splice_move(t, DIR_RESPONSE, moved);
		if (r == IO_ERROR)
			t->flags |= TXN_CLIENT_GONE;
		if (t->s.bytes_out != sent)
			t->flags |= TXN_RSP_STARTED;
		return r;
	}
	if (t->rsp.state == MSG_BODY && !body_full(&t->rsp.body)) {
		r = h1_pull(server_conn(t), &t->srv_rx, &t->sv, &t->rsp, &got);
		if (got)
			t->server_heard_ms = this_loop->now_ms;
	}
	if (response_open(t)) {
		enum http_io w = t->client->push(t);

		if (t->s.bytes_out != sent) {
			t->client_heard_ms = this_loop->now_ms;
			t->flags |= TXN_RSP_STARTED;
		}
		if (w == IO_ERROR)
			t->flags |= TXN_CLIENT_GONE;
	}
	*moved |= got || t->s.bytes_out != sent;
	return r;
}

/* After 101 or a 2xx of CONNECT both directions are bytes until their end. */
static void become_tunnel(struct http_txn *t)
{
	struct h1_side *side[] = { &t->cl, &t->sv };
	struct http_msg *msg[] = { &t->req, &t->rsp };

	t->flags |= TXN_TUNNEL | TXN_CLIENT_CLOSE | TXN_SERVER_CLOSE;
	for (int i = 0; i < 2; i++) {
		side[i]->body = (struct h1_body){ .state = H1B_UNTIL_CLOSE };
		h1_out_start(&side[i]->out);
		side[i]->out.head_built = true;
		msg[i]->flags &= ~(MSG_F_XFER_CHUNK | MSG_F_NO_BODY | MSG_F_CHUNKED);
		msg[i]->state = MSG_BODY;
		msg[i]->body.eom = false;
	}
}

/* In a tunnel the end of one direction is passed on as such. */
static void pass_half_close(struct http_txn *t)
{
	if (t->sv.out.done && !(server_conn(t)->flags & CONN_WR_SHUT))
		conn_shut_write(server_conn(t));
	if (t->cl.out.done && !(client_conn(t)->flags & CONN_WR_SHUT))
		conn_shut_write(client_conn(t));
}

static unsigned int forward_waits(struct http_txn *t)
{
	unsigned int w = request_waits(t);

	if (response_open(t) && t->relay[DIR_RESPONSE]) {
		w |= http_splice_waits(t, DIR_RESPONSE);
	} else if (response_open(t)) {
		if (t->rsp.state == MSG_BODY && !body_full(&t->rsp.body))
			w |= WAIT_SERVER_DATA;
		if (!body_empty(&t->rsp.body) || !t->cl.out.bytes)
			w |= WAIT_CLIENT_ROOM;
	}
	return w;
}

static enum step_result response_broken(struct http_txn *t)
{
	/* What came is passed on, but not as a complete message. */
	count_server_failure(t, true);
	return http_abort(t, 'S', 'D');
}

/* The response is through. A server that answered before it has read the request may still want the rest of it. */
static bool request_still_wanted(struct http_txn *t)
{
	if (t->req.flags &
	    MSG_F_H2) /* RFC 9113 section 8.1: the rest is refused by RST_STREAM(NO_ERROR) */
		return false;
	return request_open(t) && !(t->flags & TXN_TUNNEL) &&
	       !(server_conn(t)->flags & (CONN_RDHUP | CONN_HUP | CONN_EOF)) &&
	       !(client_conn(t)->flags & (CONN_EOF | CONN_HUP | CONN_ERROR));
}

static enum step_result forwarded(struct http_txn *t)
{
	if (!(t->flags & TXN_TUNNEL) && (request_open(t) || t->req.state != MSG_DONE))
		t->flags |= TXN_CLIENT_CLOSE | TXN_SERVER_CLOSE; /* nobody reads the rest */
	return STEP_END;
}

enum step_result http_step_forward(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	enum http_io r = IO_OK;
	enum step_result over;
	bool moved;
	enum flow f;

	if (s->flags & STREAM_KILLED)
		return http_abort(t, t->kill_cause ? t->kill_cause : 'K', 'D');
	do {
		moved = false;
		if (!(t->flags & TXN_CLIENT_GONE))
			r = move_response(t, &moved);
		if (t->flags & TXN_CLIENT_GONE)
			return client_aborted(t, 'D');
		if (t->cl.out.done && (t->rsp.flags & MSG_F_TUNNEL) && !(t->flags & TXN_TUNNEL)) {
			become_tunnel(t);
			moved = true;
			continue;
		}
		f = move_request(t);
		if (f == FLOW_CLIENT_BAD)
			return http_abort(t, 'P', 'D');
		if (f == FLOW_CLIENT_END)
			return client_aborted(t, 'D');
		moved |= f == FLOW_MOVED;
		if (t->flags & TXN_TUNNEL)
			pass_half_close(t);
	} while (moved && (response_open(t) || request_open(t)) && r != IO_BAD);

	if (!response_open(t) &&
	    (t->flags & TXN_TUNNEL ? !request_open(t) : !request_still_wanted(t)))
		return forwarded(t);
	if ((r == IO_EOF || r == IO_ERROR || r == IO_BAD) && body_empty(&t->rsp.body))
		return response_broken(t);
	if (client_left(t))
		return client_aborted(t, 'D');
	if (s->sess->fe->options & PX_O_CONTSTATS)
		stream_count_bytes(s, s->bytes_in, s->bytes_out);
	over = timed_out(t, 'D');
	if (over != STEP_WAIT)
		return over;
	return wait_for(t, forward_waits(t));
}
