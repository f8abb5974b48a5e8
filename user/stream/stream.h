/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream.h - one exchange between a client and a server: a whole connection in mode tcp, a request with its response
 * in mode http. It is a table of named, resumable steps; each says what it waits for. Owned by one worker.
 *
 * The protocol embeds struct stream at the start of its own, and gives the table of steps.
 */
#ifndef LBD_STREAM_STREAM_H
#define LBD_STREAM_STREAM_H

#include "stream/session.h"

struct stream;
struct upstream;
struct stream_more;
struct rule;

/* Why a stream is not running; also printed by `show sess`. Several may be set. */
enum stream_wait {
	WAIT_CLIENT_DATA = 1 << 0,
	WAIT_SERVER_DATA = 1 << 1,
	WAIT_CLIENT_ROOM = 1 << 2,
	WAIT_SERVER_ROOM = 1 << 3,
	WAIT_QUEUE = 1 << 4,
	WAIT_CONNECT = 1 << 5,
	WAIT_TIMER = 1 << 6,
	WAIT_OTHER = 1 << 7,
};

enum step_result {
	STEP_NEXT, /* go on with the next row */
	STEP_GOTO, /* s->next_step was set by stream_goto() */
	STEP_WAIT, /* s->waits says for what; the same step is called again when it happens */
	STEP_END, /* the stream is over: its last step ("end") runs, which calls stream_fini() and frees it */
};
struct stream_step {
	const char *name;
	enum step_result (*run)(struct stream *s);
};

/* Termination state, first and second character (manual 8.5). 0 means '-'. */
struct stream_times {        /* loop microseconds; 0: did not happen */
	uint64_t start;      /* accept, or first byte of the request in http after the first */
	uint64_t request;    /* request complete (http) */
	uint64_t queue_done; /* left the queue / server chosen */
	uint64_t connected;
	uint64_t response; /* response head complete (http) */
	uint64_t end;
	uint64_t idle_us; /* http: time before the request's first byte (%Ti) */
};

struct stream {
	struct list node; /* the worker's streams, for `show sess` and kills */
	struct session *sess;
	struct proxy *be;     /* the frontend itself (listen) or what use_backend chose */
	struct server *srv;   /* chosen server, NULL before */
	struct server *avoid; /* redispatch: the one that failed */
	const struct stream_step *steps; /* table, ended by a row without name */
	uint16_t step, next_step;
	uint16_t waits;
	uint16_t flags;
	char term_cause, term_phase; /* first two characters of the termination state */
	uint8_t retries;             /* done so far */
	bool redispatched,
		persistent;    /* persistent: the server was forced (cookie, stick, use-server) */
	uint8_t connect_state; /* of step_connect_server */
	struct task task;
	struct timer timer; /* the one that is next; protocols re-arm it */
	struct stream_times t;
	int64_t start_wall_us;
	uint64_t bytes_in, bytes_out;     /* client->server, server->client */
	uint64_t counted_in, counted_out; /* of them: in the counters already */
	struct upstream *up; /* connection to the server, stream/upstream.h; NULL when none */
	struct queue_entry *queued; /* waiting in a queue (stream/queue.h) */
	const struct upstream_hooks *hooks;
	uint64_t queue_pos_be, queue_pos_srv; /* for %bq/%sq */
	struct vars *vars;                    /* txn/req/res scopes (policy/vars.h) */
	const struct rule *last_rule;         /* the last one that ended its set; for logs */
	struct stream_tuning
		*tune; /* what rules set for this stream only (stream/tuning.h), or NULL */
	struct stream_more *more; /* stream/ends.h; NULL: nothing of it */
	void *tracked;            /* stick/track.h: counters of rules on content */
	struct stick_stores
		*stores; /* stick/sticking.c: keys to be stored with the server; NULL: none */
	uint64_t id;
};
enum {
	STREAM_COUNTED_BE = 1,
	STREAM_HOLDS_SLOT = 2,
	STREAM_LOGGED = 4,
	STREAM_KILLED = 8,
	STREAM_IN_QUEUE = 16,
	STREAM_EXPIRED = 32,         /* the timer fired: the step that armed it clears this */
	STREAM_PERSIST_RAN = 64,     /* use-server and the like (policy/persist.h) have decided */
	STREAM_FORCE_PERSIST = 128,  /* a server that persistence names is used even when down */
	STREAM_IGNORE_PERSIST = 256, /* cookies choose no server; stick tables still do */
};

void stream_init(struct stream *s, struct session *sess, const struct stream_step *steps);
/* Runs steps until one waits or the stream ends. After STEP_END the stream is gone: never touch it after this. */
void stream_run(struct stream *s);
/* Called from events: runs in this round's task phase. */
void stream_wake(struct stream *s);
enum step_result stream_goto(struct stream *s, uint16_t step);
/* Sets cause/phase once: the first reason wins. */
void stream_set_term(struct stream *s, char cause, char phase);
/* From now; 0: never (disarms). When it fires, STREAM_EXPIRED is set and the stream runs. */
void stream_arm(struct stream *s, uint32_t timeout_ms);
/* The backend is chosen: counts the stream there (be_conns, rates) once; a second choice moves it. */
void stream_set_backend(struct stream *s, struct proxy *be);
/* The exchange is over: gives back slot and queue place and leaves the backend's count. Call it before log_stream(): the
 * connection counts of a line do not include the stream itself. */
void stream_release(struct stream *s);
/* The end step calls it, after logging: gives back slot and queue place, closes the server side, ends the counting, unlinks.
 * The memory is the protocol's. */
void stream_fini(struct stream *s);
/* Brings the counters of frontend, backend and server up to these totals of the stream: at its end, with `option contstats` also
 * while it runs. */
void stream_count_bytes(struct stream *s, uint64_t in, uint64_t out);
/* Adds the queue, connect, response and total times to the averages of backend and server; before the end of the stream. */
void stream_count_times(struct stream *s);
/* Ends it from outside: K (operator), D (server down), U (server up): the protocol's kill is called. */
void stream_kill(struct stream *s, char cause);
/* This worker's streams (struct stream.node). */
struct list *worker_streams(void);
/* A module's clean-up for every stream that ends (variables). Before the workers start. */
void stream_on_fini(void (*fn)(struct stream *s));

#endif
