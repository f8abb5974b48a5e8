/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * engine_copy.c - read into a segment, write it at once: two system calls for a message, no memory kept when the receiver
 * takes it whole. Runs in the stream's worker. See splice.h.
 */
#include "stream/splice.h"
#include <errno.h>

/* Writes what is held. IDLE: nothing left. */
static enum relay_result flush(struct relay *r)
{
	struct segment *s = r->held;
	ssize_t n;

	while (segment_len(s)) {
		if (!(r->to->flags & CONN_CAN_WRITE))
			return RELAY_BLOCKED;
		n = conn_send(r->to, s->data + s->start, segment_len(s));
		if (n == -EAGAIN)
			return RELAY_BLOCKED;
		if (n < 0)
			return RELAY_TO_ERROR;
		s->start += (uint32_t)n;
		r->written += (uint64_t)n;
	}
	segment_put(s);
	r->held = NULL;
	return RELAY_IDLE;
}

static enum relay_result fill(struct relay *r)
{
	struct segment *s = segment_new();
	ssize_t n;

	if (!s)
		return RELAY_MORE; /* memory is out: try again in the next round */
	n = conn_recv(r->from, s->data, r->left < s->size ? (size_t)r->left : s->size);
	if (r->sockmap && n >= 0 && sockmap_has_more(r, n) && n == 0) {
		r->from->flags &= ~CONN_EOF;
		segment_put(s);
		return RELAY_SOON;
	}
	if (n > 0) {
		r->left -= (uint64_t)n;
		if (!r->left)
			r->eof = true;
		s->start = 0;
		s->end = (uint32_t)n;
		r->held = s;
		r->read += (uint64_t)n;
		r->streak = s->end == s->size ? r->streak + 1 : 0;
		return RELAY_IDLE;
	}
	segment_put(s);
	if (n == 0) {
		r->eof = true;
		return RELAY_END;
	}
	return n == -EAGAIN ? RELAY_BLOCKED : RELAY_FROM_ERROR;
}

static enum relay_result copy_move(struct relay *r, size_t budget)
{
	uint64_t until = r->written + budget;
	enum relay_result result;

	for (;;) {
		if (r->held) {
			result = flush(r);
			if (result != RELAY_IDLE)
				return result;
		}
		if (r->eof)
			return RELAY_END;
		if (!(r->from->flags & CONN_CAN_READ))
			return RELAY_IDLE;
		if (!(r->to->flags & CONN_CAN_WRITE))
			return RELAY_BLOCKED;
		/* bulk: let relay_run() choose another engine */
		if (r->written >= until || (r->may_pipe && r->streak >= RELAY_BULK_READS))
			return RELAY_MORE;
		result = fill(r);
		if (result == RELAY_BLOCKED)
			return RELAY_IDLE;
		if (result != RELAY_IDLE)
			return result;
	}
}

const struct splice_engine engine_copy = {
	.name = "copy",
	.move = copy_move,
	.help = "The daemon reads and writes every byte: best for small messages and short "
		"connections.",
};
