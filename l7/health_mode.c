// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `mode health`, as HAProxy 1.x had it: every connection gets "OK", or with `option httpchk` a bare HTTP 200, and is closed.
 * Nothing is logged and what the client says is not looked at. Runs in the session's worker.
 */
#include "health_mode.h"
#include "stream/session.h"

#define LINGER_MS 1000 /* for the client to take the answer and end its side */

struct health {
	struct session *sess;
	struct timer timer;
};

static const struct slice plain = { "OK\n", 3 };
static const struct slice http = { "HTTP/1.0 200 OK\r\n\r\n", 19 };

static bool wants_http(const struct proxy *px)
{
	const struct cfg_use *u;

	list_for_each_entry(u, &px->uses, node)
		if (strcmp(u->name, "option httpchk") == 0)
			return true;
	return false;
}

static void health_end(struct health *h)
{
	timer_cancel(this_loop, &h->timer);
	session_free(h->sess);
}

static void on_expire(struct timer *t)
{
	health_end(container_of(t, struct health, timer));
}

/* Reads the request away: closing with unread bytes would turn the answer into a reset. */
static void on_ready(struct conn *c)
{
	struct session *s = c->owner;
	char waste[1024];

	while (c->flags & CONN_CAN_READ)
		if (conn_recv(c, waste, sizeof(waste)) <= 0)
			break;
	if (c->flags & (CONN_EOF | CONN_ERROR))
		health_end(session_part(s));
}

static void health_start(struct session *s)
{
	struct health *h = session_part(s);
	struct slice answer = wants_http(s->fe) ? http : plain;

	h->sess = s;
	timer_init(&h->timer, on_expire);
	conn_set_owner(&s->client, on_ready, s);
	timer_set(this_loop, &h->timer, this_loop->now_ms + LINGER_MS);
	/* a fresh socket takes these few bytes whole; if the peer is gone already the next event says so */
	if (conn_send(&s->client, answer.p, answer.n) > 0)
		conn_shut_write(&s->client);
	count_add(&s->fe->fe_count[this_loop->tid].bytes_out, answer.n);
}

static void health_kill(struct session *s, char cause)
{
	struct health *h = session_part(s);

	timer_set(this_loop, &h->timer, this_loop->now_ms);
}

static const struct session_proto proto = {
	.name = "health",
	.mode = MODE_HEALTH,
	.bytes = sizeof(struct health),
	.start = health_start,
	.kill = health_kill,
};

void health_mode_init(void)
{
	session_proto_register(&proto);
}
