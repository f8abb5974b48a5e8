// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * steps_end.c - how transactions end: failures and what is answered to them, sending replies made here, log, counters, giving
 * both connections back. Runs in the transaction's worker.
 */
#include "http/steps.h"
#include "http/reply.h"
#include "http/splice.h"
#include "log/log.h"
#include <errno.h>
#include "stream/queue.h"

/* ---- failures ---- */

/* The server side is not needed any more. */
static void drop_server(struct http_txn *t)
{
	upstream_close(&t->s);
	upstream_release_slot(&t->s);
	if (t->srv_rx)
		segment_put(t->srv_rx);
	t->srv_rx = NULL;
}

enum step_result http_abort(struct http_txn *t, char cause, char phase)
{
	stream_set_term(&t->s, cause, phase);
	t->flags |= TXN_CLIENT_CLOSE | TXN_SERVER_CLOSE;
	return stream_goto(&t->s, HS_END);
}

enum step_result http_fail(struct http_txn *t, char cause, char phase, unsigned int status)
{
	if (!status)
		return http_abort(t, cause, phase);
	stream_set_term(&t->s, cause, phase);
	drop_server(t);
	t->flags |= TXN_SERVER_CLOSE;
	http_reply_error(t, status);
	return stream_goto(&t->s, HS_REPLY);
}

/* No server, or no connection: the shared steps have set cause and phase. */
enum step_result http_step_fail(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);

	switch (s->term_cause) {
	case 'C':
	case 'K':
		t->flags |= s->term_cause == 'C' ? TXN_CLIENT_GONE : 0;
		return http_abort(t, s->term_cause, s->term_phase);
	default:
		return http_fail(t, s->term_cause, s->term_phase, 503);
	}
}

/* ---- replies ---- */

static uint64_t *class_counter(uint64_t *rsp_1xx, unsigned int status)
{
	unsigned int class = status / 100;

	return rsp_1xx +
	       (class >= 1 && class <= 5 ? class - 1 : 5); /* rsp_1xx .. rsp_5xx, rsp_other */
}

void http_count_status(struct http_txn *t)
{
	struct be_counters *be = http_be_count(t);

	count_add(class_counter(&http_fe_count(t)->rsp_1xx, t->status), 1);
	if (be)
		count_add(class_counter(&be->rsp_1xx, t->status), 1);
}

void http_count_server_status(struct http_txn *t)
{
	count_add(class_counter(&http_srv_count(t)->rsp_1xx, t->status), 1);
}

/* What is left of the request's body is read away as far as it is there; a client that has more to send is told to close. */
static void drain_request(struct http_txn *t)
{
	while (t->req.state == MSG_BODY && !(t->flags & TXN_CLIENT_GONE)) {
		uint64_t before = t->req.body.produced;

		body_clear(&t->req.body);
		if (t->client->pull(t) != IO_OK || t->req.body.produced == before)
			break;
	}
	body_clear(&t->req.body);
	if (t->req.state != MSG_DONE)
		t->flags |= TXN_CLIENT_CLOSE;
}

/* A page of our own does not go on. */
static void end_page(struct http_txn *t)
{
	if (t->produce_fini)
		t->produce_fini(t->produce_ctx);
	t->produce_fini = NULL;
	t->produce = NULL;
}

static void start_reply(struct http_txn *t)
{
	drop_server(t);
	drain_request(t);
	if (!(t->flags & TXN_SILENT_END) && !http_after_rules(t)) {
		end_page(t);
		http_reply_error(t, 500);
	}
	http_count_status(t);
	http_prepare_response(t);
	t->flags |= TXN_REQ_STARTED; /* started: not again */
	t->client_heard_ms = this_loop->now_ms;
	if (!t->produce_fini)        /* but a page of our own has its times */
		t->s.t.response = 0; /* no server's response was used: %Tr is -1 */
}

static void produce(struct http_txn *t)
{
	while (t->produce && !body_full(&t->rsp.body)) {
		if (!t->produce(t, t->produce_ctx))
			break;
		t->produce = NULL;
		t->rsp.body.eom = true;
		t->rsp.state = MSG_DONE;
	}
}

enum step_result http_step_reply(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);
	enum http_io r;
	uint64_t sent;

	if (!(t->flags & TXN_REPLY)) {
		t->flags |= TXN_REPLY;
		start_reply(t);
	}
	if (s->flags & STREAM_KILLED)
		return http_abort(t, t->kill_cause ? t->kill_cause : 'K', 'D');
	if (t->flags & TXN_SILENT_END)
		return http_abort(t, s->term_cause, s->term_phase);
	do {
		sent = s->bytes_out;
		produce(t);
		r = t->flags & TXN_CLIENT_GONE ? IO_ERROR : t->client->push(t);
		if (s->bytes_out != sent)
			t->client_heard_ms = this_loop->now_ms;
	} while (r == IO_OK && t->produce && s->bytes_out != sent);

	if (r == IO_ERROR) {
		t->flags |= TXN_CLIENT_GONE;
		return http_abort(t, 'C', 'D');
	}
	if (t->cl.out.done)
		return STEP_END;
	if (http_expired(t, t->client_heard_ms, stream_client_ms(s)))
		return http_abort(t, 'c', 'D');
	return http_wait(t, WAIT_CLIENT_ROOM, stream_client_ms(s), 0);
}

/* ---- the end ---- */

static uint64_t ms_between(uint64_t from_us, uint64_t to_us)
{
	return from_us && to_us > from_us ? (to_us - from_us) / 1000 : 0;
}

static void note_time(uint64_t *sum, uint64_t *max, uint64_t ms)
{
	count_add(sum, ms);
	count_max(max, ms);
}

static void count_times(struct http_txn *t, struct be_counters *c)
{
	const struct stream_times *w = &t->s.t;

	if (!c)
		return;
	count_add(&c->time_n, 1);
	note_time(&c->q_time_sum, &c->q_time_max, ms_between(w->request, w->queue_done));
	note_time(&c->c_time_sum, &c->c_time_max, ms_between(w->queue_done, w->connected));
	note_time(&c->d_time_sum, &c->d_time_max, ms_between(w->connected, w->response));
	note_time(&c->t_time_sum, &c->t_time_max, ms_between(w->start, w->end));
}

/* An exact number of bytes was taken out of the socket: does it really hold no more? */
static bool nothing_more(struct conn *c)
{
	char byte;

	return !(c->flags & CONN_CAN_READ) || conn_recv(c, &byte, 1) == -EAGAIN;
}

/* The server connection is clean: both messages are through, and nobody asked to close. */
static bool server_reusable(const struct http_txn *t)
{
	const struct upstream *up = t->s.up;

	if (!up || (t->flags & (TXN_SERVER_CLOSE | TXN_SERVER_GONE | TXN_TUNNEL)))
		return false;
	if (t->rsp.state != MSG_DONE || !t->sv.out.done ||
	    (t->rsp.flags & (MSG_F_CLOSE_DELIM | MSG_F_CONN_CLOSE)))
		return false;
	if (t->srv_rx && segment_len(t->srv_rx))
		return false;
	return !(up->conn.flags & (CONN_EOF | CONN_ERROR)) && nothing_more(&t->s.up->conn);
}

static void give_server_back(struct http_txn *t)
{
	if (!t->s.up)
		return;
	if (!server_reusable(t)) {
		upstream_close(&t->s);
		return;
	}
	if (http_conf(t->s.be)->reuse == REUSE_NEVER)
		t->s.up->flags |= UP_PRIVATE;
	upstream_park(&t->s);
}

enum step_result http_step_end(struct stream *s)
{
	struct http_txn *t = http_txn_of(s);

	http_splice_end(t);
	s->t.end = this_loop->now_us;
	stream_count_bytes(s, s->bytes_in, s->bytes_out);
	if (s->srv) {
		count_times(t, http_be_count(t));
		count_times(t, http_srv_count(t));
	}
	if (s->srv && server_slot_limit(s->srv))
		give_server_back(
			t); /* before the next one gets the slot: idle connections count against maxconn */
	stream_release(s);
	if (!(t->flags & TXN_NOT_LOGGED))
		log_stream(s, t);
	end_page(t);
	give_server_back(t);
	stream_fini(s);
	t->client->release(t);
	http_txn_free(t);
	return STEP_END;
}
