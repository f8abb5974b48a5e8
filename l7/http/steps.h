/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steps.h - the transaction's steps, split over files by phase: steps.c (table, request), exchange.c (server, bodies, tunnel),
 * steps_end.c (failures, replies, log, counters), headers.c (what our hop changes). All run in the transaction's worker.
 */
#ifndef LBD_HTTP_STEPS_H
#define LBD_HTTP_STEPS_H

#include "http/conf.h"
#include "http/txn.h"
#include "stream/tuning.h"
#include "stream/upstream.h"

enum http_step {
	HS_READ_HEAD,
	HS_FE_RULES,
	HS_CHOOSE_BACKEND,
	HS_BE_RULES,
	HS_PREPARE,
	HS_STICK,
	HS_PICK,
	HS_CONNECT,
	HS_EXCHANGE,
	HS_RSP_RULES,
	HS_FORWARD,
	HS_FAIL,
	HS_REPLY,
	HS_END,
};
extern const struct stream_step http_steps[];
extern const struct upstream_hooks http_upstream_hooks;

/* exchange.c */
enum step_result http_step_exchange(struct stream *s);
enum step_result http_step_response_rules(struct stream *s);
enum step_result http_step_forward(struct stream *s);
/* steps_end.c */
enum step_result http_step_fail(struct stream *s);
enum step_result http_step_reply(struct stream *s);
enum step_result http_step_end(struct stream *s);

/* Sets the termination state and answers with @status (0: closes without a word). */
enum step_result http_fail(struct http_txn *t, char cause, char phase, unsigned int status);
/* The transaction ends here and now, the client connection with it. */
enum step_result http_abort(struct http_txn *t, char cause, char phase);
/* t->status into the rsp_Nxx columns: what the client is sent (frontend, backend), what the server has sent. */
void http_count_status(struct http_txn *t);
void http_count_server_status(struct http_txn *t);
/* Rule sets of one proxy; STEP_NEXT when they let it pass, else where to go. */
enum step_result http_run_rules(struct http_txn *t, struct proxy *px, unsigned int set);
/* `http-after-response` rules of both proxies on t->rsp; false: one failed, answer 500. Once per response. */
bool http_after_rules(struct http_txn *t);

/* headers.c: what this hop takes out and puts in before the message goes on (RFC 9110 section 7.6). */
void http_prepare_request(struct http_txn *t);
void http_prepare_response(struct http_txn *t);

/* The mode of both sides together. */
enum http_conn_mode http_conn_mode(const struct http_txn *t);

/* Waits: for @waits, until the client's or server's timeout (0: none) since it was last heard. The timer is only touched when it
 * would fire too late. */
enum step_result http_wait(struct http_txn *t, unsigned int waits, uint32_t client_ms,
			   uint32_t server_ms);
/* After STREAM_EXPIRED: has this side's time really run out? (The timer is not moved at each byte.) */
bool http_expired(struct http_txn *t, uint64_t heard_ms, uint32_t timeout_ms);

static inline struct fe_counters *http_fe_count(struct http_txn *t)
{
	return &t->s.sess->fe->fe_count[this_loop->tid];
}
/* NULL before a backend was chosen. */
static inline struct be_counters *http_be_count(struct http_txn *t)
{
	return (t->s.flags & STREAM_COUNTED_BE) ? &t->s.be->be_count[this_loop->tid] : NULL;
}
static inline struct srv_counters *http_srv_count(struct http_txn *t)
{
	return t->s.srv ? &t->s.srv->count[this_loop->tid] : NULL;
}

#endif
