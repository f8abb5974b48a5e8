/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * relay.c - one direction of a connection: which engine moves its bytes now. See splice.h.
 * Not for: how an engine moves them, when a direction is shut. Runs in the stream's worker.
 */
#include "stream/sockmap.h"
#include "stream/splice.h"

#define TURN_BYTES (1 << 20) /* of one direction per round, so that others get theirs */

#define SMALL_MOVES 3 /* turns in a row that moved less than SMALL_BYTES: messages again */
#define SMALL_BYTES 8192

void relay_init(struct relay *r, struct conn *from, struct conn *to, bool may_pipe)
{
	memset(r, 0, sizeof(*r));
	r->from = from;
	r->to = to;
	r->left = UINT64_MAX;
	r->engine = &engine_copy;
	r->may_pipe = may_pipe && splice_enabled && from->xprt->raw && to->xprt->raw;
	r->eof = from->flags & CONN_EOF; /* seen by who read before us */
	if (r->may_pipe && splice_always)
		r->engine = &engine_pipe;
}

void relay_allow_sockmap(struct relay *r)
{
	r->may_sockmap = sockmap_ready && r->may_pipe;
	if (r->may_sockmap)
		r->engine = &engine_sockmap;
}

uint64_t relay_sync(struct relay *r)
{
	if (!r->sockmap || r->engine != &engine_sockmap)
		return 0;
	sockmap_sync(r);
	return sockmap_last_ms(r);
}

void relay_preload(struct relay *r, struct segment *s)
{
	r->held = s;
	r->engine = &engine_copy;
	r->read += segment_len(s);
}

void relay_stop_reading(struct relay *r)
{
	r->eof = true;
	if (r->sockmap)
		sockmap_stop_reading(r);
}

static void choose_engine(struct relay *r, uint64_t moved)
{
	if (r->engine == &engine_sockmap)
		return;
	if (r->may_sockmap) { /* began with bytes that were read for rules */
		if (!r->held && !(r->from->flags & CONN_CAN_READ))
			r->engine = &engine_sockmap;
		r->streak = 0;
		return;
	}
	if (r->engine == &engine_copy) {
		/* the streak is counted by the engine: reads that filled a segment */
		if (r->may_pipe && !r->held && r->streak >= RELAY_BULK_READS) {
			r->engine = &engine_pipe;
			r->streak = 0;
		}
		return;
	}
	r->streak = moved < SMALL_BYTES ? r->streak + 1 : 0;
	if (r->streak >= SMALL_MOVES && !r->pipe && !splice_always) {
		r->engine = &engine_copy;
		r->streak = 0;
	}
}

enum relay_result relay_run(struct relay *r)
{
	uint64_t before = r->written;
	enum relay_result result;

	if (r->ended)
		return RELAY_END;
	do {
		const struct splice_engine *e = r->engine;

		result = e->move(r, TURN_BYTES - (size_t)(r->written - before));
		choose_engine(r, r->written - before);
		if (r->engine == e)
			break;
	} while ((result == RELAY_MORE && r->written - before < TURN_BYTES) ||
		 (result == RELAY_IDLE && r->engine == &engine_sockmap));
	if (result == RELAY_END)
		r->ended = true;
	return result;
}

void relay_fini(struct relay *r)
{
	if (r->held)
		segment_put(r->held);
	if (r->pipe)
		pipe_give(r->pipe, r->piped == 0);
	if (r->sockmap)
		sockmap_leave(r);
	r->held = NULL;
	r->pipe = NULL;
}
