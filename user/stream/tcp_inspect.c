/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_inspect.c - `tcp-request content` and `tcp-response content` in mode tcp: the first bytes of a side are kept in one
 * segment until the rules have decided, inspect-delay is over, the side has ended or the segment is full. Runs in the
 * stream's worker.
 */
#include "stream/tcp_inspect.h"
#include "base/arena.h"
#include "stream/upstream.h"

struct slice tcp_inspect_data(const struct tcp_inspect *in)
{
	return in->data ? slice_make(in->data->data + in->data->start, segment_len(in->data))
			: SLICE_NONE;
}

void tcp_inspect_fini(struct tcp_inspect *in)
{
	if (in->data)
		segment_put(in->data);
	in->data = NULL;
}

static void read_more(struct tcp_inspect *in, struct conn *c)
{
	while (c->flags & CONN_CAN_READ) {
		ssize_t n;

		if (!in->data) {
			in->data = segment_new();
			if (!in->data)
				return;
			in->data->start = in->data->end = 0;
		}
		if (!segment_room(in->data))
			return;
		n = conn_recv(c, in->data->data + in->data->end, segment_room(in->data));
		if (n <= 0)
			return;
		in->data->end += (uint32_t)n;
	}
}

/* No more data will come, or no more is waited for: fetches must answer with what is there. */
static bool is_final(const struct tcp_inspect *in, const struct conn *c, uint32_t delay_ms)
{
	return !delay_ms || (in->due_ms && this_loop->now_ms >= in->due_ms) ||
	       (c->flags & (CONN_EOF | CONN_ERROR)) || (in->data && !segment_room(in->data));
}

/* The verdict on what is there. NEXT and END are final; in WAIT the delay runs. */
static enum step_result judge(struct tcp_inspect *in, const struct rule_set *rs,
			      struct smp_ctx *ctx, const struct conn *c, uint32_t delay_ms)
{
	enum rule_verdict v;

	ctx->data = tcp_inspect_data(in);
	ctx->final = is_final(in, c, delay_ms);
	v = rules_run(rs, ctx, &in->progress);
	arena_reset(worker_scratch());
	if (v == RULE_YIELD && !ctx->final) {
		if (!in->due_ms)
			in->due_ms = this_loop->now_ms + delay_ms;
		return STEP_WAIT;
	}
	in->due_ms = 0;
	in->progress = (struct rule_progress){ NULL, NULL };
	return v == RULE_CONTINUE || v == RULE_STOP || v == RULE_YIELD ? STEP_NEXT : STEP_END;
}

/* ---- the client's bytes ---- */

static enum step_result refused(struct stream *s, char cause)
{
	if (cause == 'P')
		count_add(&s->sess->fe->fe_count[this_loop->tid].denied_req, 1);
	stream_set_term(s, cause, 'R');
	return STEP_END;
}

static enum step_result wait_for_data(struct stream *s, const struct tcp_inspect *in)
{
	if (!timer_armed(&s->timer))
		timer_set(this_loop, &s->timer, in->due_ms);
	s->waits = WAIT_CLIENT_DATA | WAIT_TIMER;
	return STEP_WAIT;
}

enum step_result tcp_inspect_run(struct stream *s, const struct proxy *px, struct tcp_inspect *in)
{
	const struct rule_set *rs = rule_set_find(px, RULESET_TCP_CONTENT);
	struct conn *c = &s->sess->client;
	struct smp_ctx ctx = { .sess = s->sess, .stream = s, .scratch = worker_scratch() };
	bool waited = in->due_ms != 0;
	enum step_result r;

	if (!rs)
		return STEP_NEXT;
	if (s->flags & STREAM_KILLED)
		return STEP_END;
	read_more(in, c);
	if (c->flags & CONN_ERROR)
		return refused(s, 'C');
	r = judge(in, rs, &ctx, c, policy_inspect_delay(px, false));
	if (r == STEP_WAIT)
		return wait_for_data(s, in);
	if (waited)
		stream_arm(s, 0);
	return r == STEP_END ? refused(s, 'P') : STEP_NEXT;
}

/* ---- the server's bytes ---- */

static enum step_result response_refused(struct stream *s)
{
	count_add(&s->sess->fe->fe_count[this_loop->tid].denied_resp, 1);
	count_add(&s->be->be_count[this_loop->tid].denied_resp, 1);
	stream_set_term(s, 'P', 'D');
	return STEP_END;
}

enum step_result tcp_inspect_response(struct stream *s, const struct rule_set *rs,
				      struct tcp_inspect *in)
{
	struct conn *c = &s->up->conn;
	struct smp_ctx ctx = {
		.sess = s->sess, .stream = s, .response = true, .scratch = worker_scratch()
	};
	enum step_result r;

	read_more(in, c);
	if (c->flags & CONN_ERROR)
		return STEP_END;
	r = judge(in, rs, &ctx, c, policy_inspect_delay(s->be, true));
	return r == STEP_END ? response_refused(s) : r;
}
