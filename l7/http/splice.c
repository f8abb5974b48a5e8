// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * splice.c - when a body may bypass the message, and how it comes back: allowed exactly when there is no body consumer, both
 * connections are raw, the encoding is not chunked, and everything read so far has been sent. Runs in the transaction's worker.
 */
#include "http/splice.h"
#include "http/h1_client.h"
#include "stream/splice.h"

#include <stdlib.h>

/* A pipe costs two more system calls per round than it saves on bodies that fit into a few segments. */
#define SPLICE_BODY_MIN (256 * 1024)

struct end {
	struct http_msg *m;
	struct h1_side *from; /* decodes */
	struct h1_side *to;   /* encodes */
	struct conn *in, *out;
	uint32_t off; /* PX_O_SPLICE_*: switched off by `no option` */
};

static struct end ends(struct http_txn *t, enum http_direction dir)
{
	struct conn *c = &t->s.sess->client, *s = &t->s.up->conn;

	if (dir == DIR_REQUEST)
		return (struct end){ &t->req, &t->cl, &t->sv,
				     c,       s,      PX_O_SPLICE_AUTO | PX_O_SPLICE_REQ };
	return (struct end){ &t->rsp, &t->sv, &t->cl, s, c, PX_O_SPLICE_AUTO | PX_O_SPLICE_RTR };
}

static bool head_is_out(const struct h1_out *o)
{
	return o->head_built && o->head_first == o->head_n;
}

static bool allowed(struct http_txn *t, enum http_direction dir, const struct end *e)
{
	bool tunnel = t->flags & TXN_TUNNEL;

	if (t->s.up->conn.flags & CONN_SHORT_READS)
		return false;
	if (t->client != &h1_client_codec || e->m->state != MSG_BODY || !body_empty(&e->m->body) ||
	    !head_is_out(&e->to->out) || !list_empty(&e->m->stages) || !e->in->xprt->raw ||
	    !e->out->xprt->raw || e->to->out.done)
		return false;
	/* what the connection's segment still holds has to go first */
	if (dir == DIR_REQUEST ? h1_client_holds(t->s.sess) : t->srv_rx && segment_len(t->srv_rx))
		return false;
	if (tunnel)
		return e->from->body.state == H1B_UNTIL_CLOSE;
	return dir == DIR_RESPONSE && splice_enabled && e->from->body.state == H1B_LENGTH &&
	       e->from->body.left >= SPLICE_BODY_MIN &&
	       !((t->s.be->no_options | t->s.sess->fe->no_options) & e->off);
}

bool http_splice_active(struct http_txn *t, enum http_direction dir)
{
	struct end e;
	struct relay *r;

	if (t->relay[dir])
		return true;
	e = ends(t, dir);
	if (!allowed(t, dir, &e) || !(r = malloc(sizeof(*r))))
		return false;
	relay_init(r, e.in, e.out, !((t->s.be->no_options | t->s.sess->fe->no_options) & e.off));
	if (!(t->flags & TXN_TUNNEL)) {
		r->left = e.from->body.left;
		if (r->may_pipe)
			r->engine = &engine_pipe;
	}
	t->relay[dir] = r;
	return true;
}

static void body_complete(struct end *e)
{
	e->from->body.left = 0;
	e->from->body.state = H1B_DONE;
	e->m->state = MSG_DONE;
	e->m->body.eom = true;
	h1_out_sent(&e->to->out, e->m, 0);
}

enum http_io http_splice_move(struct http_txn *t, enum http_direction dir, bool *moved)
{
	struct relay *r = t->relay[dir];
	struct end e = ends(t, dir);
	uint64_t read = r->read, written = r->written;
	enum relay_result result;

	if (e.to->out.done)
		return IO_OK;
	result = relay_run(r);
	written = r->written - written;
	e.to->out.bytes += written;
	*(dir == DIR_REQUEST ? &t->s.bytes_in : &t->s.bytes_out) += written;
	if (r->read != read)
		*(dir == DIR_REQUEST ? &t->client_heard_ms : &t->server_heard_ms) =
			this_loop->now_ms;
	if (written)
		*(dir == DIR_REQUEST ? &t->server_heard_ms : &t->client_heard_ms) =
			this_loop->now_ms;
	*moved |= written != 0 && result != RELAY_MORE;
	switch (result) {
	case RELAY_MORE: /* others get their turn */
		stream_wake(&t->s);
		return IO_WAIT;
	case RELAY_END:
		if (e.from->body.state == H1B_LENGTH && r->left) {
			e.m->state = MSG_BAD;
			return IO_EOF;
		}
		body_complete(&e);
		return IO_OK;
	case RELAY_FROM_ERROR:
		return IO_EOF;
	case RELAY_TO_ERROR:
		return IO_ERROR;
	default:
		return IO_WAIT;
	}
}

unsigned int http_splice_waits(const struct http_txn *t, enum http_direction dir)
{
	const struct relay *r = t->relay[dir];
	bool held = relay_held(r) || !(r->to->flags & CONN_CAN_WRITE);

	if (dir == DIR_REQUEST)
		return held ? WAIT_SERVER_ROOM : WAIT_CLIENT_DATA;
	return held ? WAIT_CLIENT_ROOM : WAIT_SERVER_DATA;
}

void http_splice_end(struct http_txn *t)
{
	for (int dir = DIR_REQUEST; dir <= DIR_RESPONSE; dir++) {
		if (!t->relay[dir])
			continue;
		relay_fini(t->relay[dir]);
		free(t->relay[dir]);
		t->relay[dir] = NULL;
	}
}
