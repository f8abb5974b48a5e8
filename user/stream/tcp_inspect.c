/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_inspect.c - `tcp-request content` in mode tcp: the first bytes of the client are kept in one segment until the rules
 * have decided, inspect-delay is over, the client has ended or the segment is full. Runs in the stream's worker.
 */
#include "stream/tcp_inspect.h"
#include "base/arena.h"

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
	return in->ended || !delay_ms || (c->flags & (CONN_EOF | CONN_ERROR)) ||
	       (in->data && !segment_room(in->data));
}

static enum step_result refused(struct stream *s, char cause)
{
	if (cause == 'P')
		count_add(&s->sess->fe->fe_count[this_loop->tid].denied_req, 1);
	stream_set_term(s, cause, 'R');
	return STEP_END;
}

static enum step_result wait_for_data(struct stream *s, struct tcp_inspect *in, uint32_t delay_ms)
{
	if (!in->armed)
		stream_arm(s, delay_ms);
	in->armed = true;
	s->waits = WAIT_CLIENT_DATA | WAIT_TIMER;
	return STEP_WAIT;
}

enum step_result tcp_inspect_run(struct stream *s, const struct proxy *px, struct tcp_inspect *in)
{
	const struct rule_set *rs = rule_set_find(px, RULESET_TCP_CONTENT);
	uint32_t delay_ms = policy_inspect_delay(px, false);
	struct conn *c = &s->sess->client;
	struct smp_ctx ctx = { .sess = s->sess, .stream = s, .scratch = worker_scratch() };
	enum rule_verdict v;

	if (!rs)
		return STEP_NEXT;
	if (s->flags & STREAM_KILLED)
		return STEP_END;
	if (in->armed && (s->flags & STREAM_EXPIRED))
		in->ended = true;
	read_more(in, c);
	if (c->flags & CONN_ERROR)
		return refused(s, 'C');
	ctx.data = tcp_inspect_data(in);
	ctx.final = is_final(in, c, delay_ms);
	v = rules_run(rs, &ctx, &in->progress);
	arena_reset(worker_scratch());
	switch (v) {
	case RULE_CONTINUE:
	case RULE_STOP:
		break;
	case RULE_YIELD:
		if (!ctx.final)
			return wait_for_data(s, in, delay_ms);
		break;
	default:
		return refused(s, 'P');
	}
	if (in->armed)
		stream_arm(s, 0);
	in->armed = in->ended = false;
	in->progress = (struct rule_progress){ NULL, NULL };
	return STEP_NEXT;
}
