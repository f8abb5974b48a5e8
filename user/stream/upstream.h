/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream.h - from "this backend" to "this open connection": pick, queue, connect, retry, redispatch.
 * Shared by mode tcp and mode http as three ready-made steps. Limits are exact across threads (atomics in server_load).
 */
#ifndef LBD_STREAM_UPSTREAM_H
#define LBD_STREAM_UPSTREAM_H

#include "balance/balance.h"
#include "stream/stream.h"

/* A connection to a server; outlives the stream when it is pooled (http). */
struct upstream {
	struct conn conn;
	struct server *srv;
	struct stream *stream; /* whose it is now; NULL: idle in the pool */
	struct list pool_node; /* this worker's idle connections of the server */
	struct list own_node;  /* idle and private: the session's (struct session.kept) */
	uint32_t requests;     /* served on it */
	uint32_t
		addr_version; /* server.live.addr_version when it was connected: another one means an old address */
	uint64_t key; /* upstream_key() when it was made */
	uint16_t flags;
	uint16_t source_port; /* taken from a range of `source`; 0: none */
	struct timer idle_timer;
};
/* UP_PRIVATE: when idle it waits for the next stream of the same session, and ends with it. */
enum { UP_REUSED = 1, UP_PRIVATE = 2 };

/* Which idle connections a stream may take. UP_TAKE_OWN: those its own session has kept. */
enum upstream_take { UP_TAKE_NONE, UP_TAKE_OWN, UP_TAKE_ANY };

/*
 * Steps for both protocols' tables. They keep the counters (served, queued, retries, redispatches, connect), the
 * termination state and the times; on final failure they return stream_goto(s, fail_step).
 */
struct upstream_hooks {
	uint16_t
		fail_step; /* where to go when there is no server/connection (s->term_* says why) */
	/* For algorithms that evaluate an expression: completes @c, in which session and stream are filled in. May be NULL. */
	void (*sample_ctx)(struct stream *s, struct smp_ctx *c);
	/* http: which idle connection may be taken. NULL: none. */
	enum upstream_take (*may_reuse)(struct stream *s);
	/* Has the client given up, so that waiting in the queue or for the connection makes no sense? NULL: only a reset or
	 * full close counts. Asked whenever the stream runs while it waits. */
	bool (*client_gone)(struct stream *s);
	/* Will something be written as soon as the connection stands? NULL: with may_reuse always, else never. */
	bool (*has_data)(struct stream *s);
	/* conn.on_ready of established connections */
	void (*on_server_ready)(struct conn *c);
};
/* Set by the protocol right after stream_init(), constant. */
const struct upstream_hooks *stream_upstream_hooks(struct stream *s);
void stream_set_upstream_hooks(struct stream *s, const struct upstream_hooks *h);

enum step_result
step_pick_server(struct stream *s); /* sets s->srv or queues; may come back after the queue */
enum step_result
step_connect_server(struct stream *s); /* STEP_NEXT: s->up is established (or reused: UP_REUSED) */

/* Where s->srv is reached: its address; 0.0.0.0 is the address that the client asked for; a port without a number is relative to
 * the client's. */
void stream_server_addr(struct stream *s, struct addr *to);
/* use-server, force-persist, ignore-persist, once per stream: before cookies and stick tables; step_pick_server does it when
 * nobody has. */
void upstream_persist_rules(struct stream *s);

/* The stream needs no server any more: gives the slot back, wakes the next in the queue. */
void upstream_release_slot(struct stream *s);
/* Closes s->up (if any) and detaches it. */
void upstream_close(struct stream *s);
/* http: s->up is idle and clean: into the pool (limit: pool-max-conn), a private one to its session (UP_KEPT_MAX at most,
 * the manual's max-session-srv-conns); the slot must be released by the caller. */
#define UP_KEPT_MAX 5
void upstream_park(struct stream *s);
/* A reused connection died before the first response byte: may the request be sent again on a fresh one? Caller decides;
 * this detaches and prepares step_connect_server to connect anew without counting a retry. */
void upstream_forget(struct stream *s);

/* A server option row of its own: pool-max-conn, pool-purge-delay. Before the configuration is read. */
void upstream_init(void);
/* Makes the pools of all servers. Control thread, before the workers start. */
void upstreams_prepare(struct config *cfg);
/*
 * A number that differs between connections to s->srv which must not stand for each other; 0 where nothing is special.
 */
uint64_t upstream_key(struct stream *s);
/* Idle connections of @srv in this worker that may be shared, from the newest (struct upstream.pool_node). */
struct list *upstream_idle_list(struct server *srv);

#endif
