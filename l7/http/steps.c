// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steps.c - the table of a transaction's steps, and those that handle the request before a server is known: read the head, frontend
 * rules, choose the backend, backend rules, prepare. Runs in the transaction's worker.
 */
#include "http/steps.h"
#include "http/reply.h"
#include "http/service.h"
#include "stick/sticking.h"
#include "stick/track.h"

/* ---- waiting ---- */

static uint64_t deadline(uint64_t heard_ms, uint32_t timeout_ms)
{
	return timeout_ms ? heard_ms + timeout_ms : UINT64_MAX;
}

bool http_expired(struct http_txn *t, uint64_t heard_ms, uint32_t timeout_ms)
{
	return (t->s.flags & STREAM_EXPIRED) && this_loop->now_ms >= deadline(heard_ms, timeout_ms);
}

enum step_result http_wait(struct http_txn *t, unsigned int waits, uint32_t client_ms,
			   uint32_t server_ms)
{
	uint64_t at = deadline(t->client_heard_ms, client_ms),
		 srv = deadline(t->server_heard_ms, server_ms);

	if (srv < at)
		at = srv;
	t->s.waits = waits | WAIT_TIMER;
	if (at == UINT64_MAX) {
		t->s.waits &= ~WAIT_TIMER;
		if (timer_armed(&t->s.timer))
			stream_arm(&t->s, 0);
	} else if (!timer_armed(&t->s.timer) || t->s.timer.at_ms > at) {
		stream_arm(&t->s, at > this_loop->now_ms ? (uint32_t)(at - this_loop->now_ms) : 1);
	}
	t->s.flags &= ~STREAM_EXPIRED;
	return STEP_WAIT;
}

/* ---- the request's head ---- */

/* timeout http-request counts from the accept for the first request, from the first byte for others. */
static uint32_t request_timeout(const struct http_txn *t)
{
	const struct proxy_timeouts *to = &t->s.sess->fe->timeout;

	return to->http_request ? to->http_request : to->client;
}

static enum step_result bad_head(struct http_txn *t)
{
	unsigned int status =
		h1_error_status(t->cl.head.error ? t->cl.head.error : t->cl.body.error);

	count_add(&http_fe_count(t)->failed_req, 1);
	stick_note(&t->s, STICK_EV_HTTP_ERR);
	return http_fail(t, 'P', 'R', status);
}

static void note_request(struct http_txn *t)
{
	struct fe_counters *c = http_fe_count(t);

	stick_note(&t->s, STICK_EV_HTTP_REQ);
	count_add(&c->cum_req, 1);
	rate_note(&c->req_sec, &c->req_cur, &c->req_prev, &c->req_max, this_loop->now_ms / 1000);
}

static enum step_result head_complete(struct http_txn *t)
{
	t->s.t.request = this_loop->now_us;
	t->request_line = slice_first(t->req.line, http_log_uri_max);
	t->rsp.method = t->req.method;
	t->client_heard_ms = this_loop->now_ms;
	note_request(t);
	stream_arm(&t->s, 0);
	return STEP_NEXT;
}

/* The connection ended (C) or the time was up (c) before a request was complete. */
static enum step_result no_request(struct http_txn *t, char cause, unsigned int status)
{
	bool nothing = t->req.state == MSG_EMPTY;

	if (nothing && (t->s.sess->fe->options & PX_O_DONTLOGNULL))
		t->flags |= TXN_NOT_LOGGED;
	count_add(&http_fe_count(t)->failed_req, 1);
	note_request(t);
	if (cause == 'C')
		stick_note(&t->s, STICK_EV_HTTP_ERR);
	if (cause == 'c' || !nothing)
		return http_fail(t, cause, 'R', status);
	t->status = status; /* nobody is there to read it */
	return http_abort(t, cause, 'R');
}

static enum step_result step_read_head(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	const struct http_conf *c = http_conf(s->sess->fe);
	enum http_io r;

	if (s->flags & STREAM_KILLED)
		return http_abort(t, t->kill_cause ? t->kill_cause : 'K', 'R');
	t->cl.head.relax = c->relax_request ? H1_RELAX_CHARS | H1_RELAX_FOLD | H1_RELAX_HOST : 0;
	r = t->client->pull(t);
	if (t->req.state == MSG_BODY || t->req.state == MSG_DONE)
		return head_complete(t);
	switch (r) {
	case IO_OK:
	case IO_WAIT:
		if (http_expired(t, t->client_heard_ms, request_timeout(t)))
			break;
		return http_wait(t, WAIT_CLIENT_DATA, request_timeout(t), 0);
	case IO_BAD:
		note_request(t);
		return bad_head(t);
	case IO_NOMEM:
		return http_fail(t, 'R', 'R', 500);
	default:
		return no_request(t, 'C', 400);
	}
	return no_request(t, 'c', 408);
}

/* ---- rules ---- */

static enum step_result rule_deny(struct http_txn *t, bool response)
{
	struct be_counters *be = http_be_count(t);

	if (response) {
		struct be_counters *srv = http_srv_count(t);

		count_add(&http_fe_count(t)->denied_resp, 1);
		if (be)
			count_add(&be->denied_resp, 1);
		if (srv)
			count_add(&srv->denied_resp, 1);
		return http_fail(t, 'P', 'H', t->deny_status ? t->deny_status : 502);
	}
	stick_note(&t->s, STICK_EV_HTTP_ERR);
	count_add(&http_fe_count(t)->denied_req, 1);
	if (be && t->s.be != t->s.sess->fe)
		count_add(&be->denied_req, 1);
	return http_fail(t, 'P', 'R', t->deny_status ? t->deny_status : 403);
}

/* The rule wrote t->rsp: redirect, return. */
static enum step_result rule_answered(struct http_txn *t, bool response)
{
	if (!response)
		count_add(&http_fe_count(t)->intercepted_req, 1);
	stream_set_term(&t->s, 'L', response ? 'H' : 'R');
	return stream_goto(&t->s, HS_REPLY);
}

/* A rule wants time to go by, whatever arrives meanwhile. */
static enum step_result http_pause(struct http_txn *t)
{
	uint64_t until = stream_paused_until(&t->s);

	t->s.waits = WAIT_TIMER;
	stream_arm(&t->s, until > this_loop->now_ms ? (uint32_t)(until - this_loop->now_ms) : 1);
	return STEP_WAIT;
}

enum step_result http_run_rules(struct http_txn *t, struct proxy *px, unsigned int set)
{
	bool response = set == RULESET_HTTP_RES || set == RULESET_TCP_RESPONSE, paused;
	struct rule_set *rs = rule_set_find(px, set);
	enum rule_verdict verdict;
	struct smp_ctx ctx;

	if (!rs)
		return STEP_NEXT;
	paused = stream_paused_until(&t->s) != 0;
	http_txn_smp_ctx(t, &ctx, response);
	verdict = rules_run(rs, &ctx, &t->progress);
	if (paused && !stream_paused_until(&t->s)) { /* nobody else was silent meanwhile */
		stream_arm(&t->s, 0);
		t->client_heard_ms = t->server_heard_ms = this_loop->now_ms;
	}
	switch (verdict) {
	case RULE_CONTINUE:
	case RULE_STOP:
		break;
	case RULE_DENY:
		return rule_deny(t, response);
	case RULE_DROP:
		return http_abort(t, 'P', response ? 'H' : 'R');
	case RULE_DONE:
		return rule_answered(t, response);
	case RULE_YIELD:
		if (stream_paused_until(&t->s))
			return http_pause(t);
		return http_wait(t, WAIT_CLIENT_DATA | WAIT_OTHER, t->s.sess->fe->timeout.client,
				 0);
	case RULE_ERROR:
		count_add(&http_fe_count(t)->internal_errors, 1);
		return http_fail(t, 'I', response ? 'H' : 'R', 500);
	}
	t->progress = (struct rule_progress){ NULL, NULL };
	return STEP_NEXT;
}

/*
 * `http-after-response`: on every response, the server's and our own, just before it goes out; the backend's rules, then the
 * frontend's. They cannot wait or answer. False: a rule failed, 500 has to be said instead. Requests that were no HTTP are
 * answered below the rules, as in HAProxy.
 */
bool http_after_rules(struct http_txn *t)
{
	struct proxy *fe = t->s.sess->fe, *px[] = { t->s.be == fe ? NULL : t->s.be, fe };

	if (!t->s.t.request || (t->flags & TXN_AFTER_FAILED))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(px); i++) {
		struct rule_set *rs = px[i] ? rule_set_find(px[i], RULESET_HTTP_AFTER) : NULL;
		struct rule_progress progress = { NULL, NULL };
		struct smp_ctx ctx;

		if (!rs)
			continue;
		http_txn_smp_ctx(t, &ctx, true);
		if (rules_run(rs, &ctx, &progress) != RULE_ERROR)
			continue;
		count_add(&http_fe_count(t)->internal_errors, 1);
		t->flags |= TXN_AFTER_FAILED;
		return false;
	}
	return true;
}

/* A page of our own may need the request's body, at most what a queue takes. */
static enum step_result page_body(struct http_txn *t, struct proxy *px)
{
	uint32_t client_ms = t->s.sess->fe->timeout.client;

	while (http_service_wants_body(t, px) && t->req.state == MSG_BODY &&
	       !body_full(&t->req.body)) {
		bool expired = t->s.flags & STREAM_EXPIRED;
		uint64_t before = t->req.body.produced;
		enum http_io io = t->client->pull(t);

		if (io == IO_OK && (t->req.state != MSG_BODY || t->req.body.produced != before))
			continue;
		switch (io) {
		case IO_OK:
		case IO_WAIT:
			if (expired)
				return http_fail(t, 'c', 'D', 408);
			return http_wait(t, WAIT_CLIENT_DATA, client_ms, 0);
		default:
			return http_fail(t, 'C', 'D', 400);
		}
	}
	return STEP_NEXT;
}

/* Rules that look at bytes come first, as the manual orders them; then http-request rules; then pages of our own. */
static enum step_result request_rules(struct http_txn *t, struct proxy *px)
{
	static const unsigned int sets[] = { RULESET_TCP_CONTENT, RULESET_HTTP_REQ,
					     RULESET_HTTP_REDIRECT };
	enum step_result r;

	for (size_t i = t->rule_phase; i < ARRAY_SIZE(sets); i++) {
		t->rule_phase = i;
		r = http_run_rules(t, px, sets[i]);
		if (r != STEP_NEXT)
			return r;
	}
	t->rule_phase = ARRAY_SIZE(sets); /* they are over, should the body have to be waited for */
	r = page_body(t, px);
	if (r != STEP_NEXT)
		return r;
	t->rule_phase = 0;
	if (http_service_serve(t, px)) {
		stream_set_term(&t->s, 'L', 'R');
		count_add(&http_fe_count(t)->intercepted_req, 1);
		return stream_goto(&t->s, HS_REPLY);
	}
	return STEP_NEXT;
}

/* `monitor fail` */
static unsigned int monitor_status(struct http_txn *t)
{
	struct cond *const *c = http_conf(t->s.sess->fe)->monitor_fails;
	struct smp_ctx ctx;

	http_txn_smp_ctx(t, &ctx, false);
	for (; c && *c; c++)
		if (cond_eval(*c, &ctx) == ACL_YES)
			return 503;
	return 200;
}

static enum step_result step_fe_rules(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	struct proxy *fe = s->sess->fe;
	const char *monitor = http_conf(fe)->monitor_uri;

	if (s->flags & STREAM_KILLED)
		return http_abort(t, t->kill_cause ? t->kill_cause : 'K', 'R');
	if (monitor && slice_eq_z(t->req.target, monitor)) {
		http_reply_error(t, monitor_status(t));
		stream_set_term(s, 'L', 'R');
		count_add(&http_fe_count(t)->intercepted_req, 1);
		return stream_goto(s, HS_REPLY);
	}
	return request_rules(t, fe);
}

static enum step_result step_choose_backend(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	struct proxy *fe = s->sess->fe, *be;
	struct smp_ctx ctx;
	bool more = false;

	http_txn_smp_ctx(t, &ctx, false);
	be = policy_choose_backend(fe, &ctx, &more);
	if (!be && (fe->caps & PX_BACKEND))
		be = fe;
	if (!be)
		return http_fail(t, 'S', 'C', 503);
	stream_set_backend(s, be);
	count_add(&be->be_count[this_loop->tid].cum_req, 1);
	return STEP_NEXT;
}

static enum step_result step_be_rules(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);

	if (s->flags & STREAM_KILLED)
		return http_abort(t, t->kill_cause ? t->kill_cause : 'K', 'R');
	return s->be == s->sess->fe ? STEP_NEXT : request_rules(t, s->be);
}

static enum step_result step_prepare(struct stream *s)
{
	http_prepare_request(http_txn_of(s));
	return STEP_NEXT;
}

static enum step_result step_stick(struct stream *s)
{
	struct smp_ctx ctx;

	upstream_persist_rules(s);
	if (!sticking_has_rules(s->be))
		return STEP_NEXT;
	http_txn_smp_ctx(http_txn_of(s), &ctx, false);
	sticking_request(s, &ctx);
	return STEP_NEXT;
}

/* ---- the server side's conditions ---- */

enum http_conn_mode http_conn_mode(const struct http_txn *t)
{
	enum http_conn_mode fe = http_conf(t->s.sess->fe)->conn_mode;
	enum http_conn_mode be = t->s.be ? http_conf(t->s.be)->conn_mode : CONN_KEEP_ALIVE;

	return fe > be ? fe : be;
}

static void sample_ctx(struct stream *s, struct smp_ctx *c)
{
	http_txn_smp_ctx(http_txn_of(s), c, false);
}

/* http-reuse (manual): the first request of a connection has nobody to repeat it, should the idle connection be dead. */
static enum upstream_take may_reuse(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	struct list *idle;

	if ((t->flags & TXN_NO_REUSE) || t->req.method == METH_CONNECT ||
	    http_conn_mode(t) != CONN_KEEP_ALIVE)
		return UP_TAKE_NONE;
	switch (http_conf(s->be)->reuse) {
	case REUSE_NEVER:
		break;
	case REUSE_SAFE:
		return t->flags & TXN_FIRST ? UP_TAKE_OWN : UP_TAKE_ANY;
	case REUSE_AGGRESSIVE:
		idle = upstream_idle_list(s->srv);
		if (!(t->flags & TXN_FIRST) ||
		    (!list_empty(idle) &&
		     list_first(idle, struct upstream, pool_node)->requests > 1))
			return UP_TAKE_ANY;
		break;
	case REUSE_ALWAYS:
		return UP_TAKE_ANY;
	}
	return UP_TAKE_OWN;
}

static bool client_gone(struct stream *s)
{
	/* Without the option the server gets and finishes its request, as in HAProxy. */
	return (s->be->options & PX_O_ABORTONCLOSE) &&
	       (s->sess->client.flags & (CONN_ERROR | CONN_HUP | CONN_RDHUP | CONN_EOF));
}

static void on_server_ready(struct conn *c)
{
	struct upstream *up = container_of(c, struct upstream, conn);

	stream_run(up->stream);
}

const struct upstream_hooks http_upstream_hooks = {
	.fail_step = HS_FAIL,
	.sample_ctx = sample_ctx,
	.may_reuse = may_reuse,
	.client_gone = client_gone,
	.on_server_ready = on_server_ready,
};

/* Order: enum http_step. */
const struct stream_step http_steps[] = {
	[HS_READ_HEAD] = { "read request head", step_read_head },
	[HS_FE_RULES] = { "frontend rules", step_fe_rules },
	[HS_CHOOSE_BACKEND] = { "choose backend", step_choose_backend },
	[HS_BE_RULES] = { "backend rules", step_be_rules },
	[HS_PREPARE] = { "prepare request", step_prepare },
	[HS_STICK] = { "stick", step_stick },
	[HS_PICK] = { "pick server", step_pick_server },
	[HS_CONNECT] = { "connect", step_connect_server },
	[HS_EXCHANGE] = { "send request, read response head", http_step_exchange },
	[HS_RSP_RULES] = { "response rules", http_step_response_rules },
	[HS_FORWARD] = { "forward", http_step_forward },
	[HS_FAIL] = { "fail", http_step_fail },
	[HS_REPLY] = { "reply", http_step_reply },
	[HS_END] = { "end", http_step_end },
	{ NULL, NULL },
};
