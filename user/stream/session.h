/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session.h - an accepted client connection, from accept to close. What is said on it belongs to a protocol (row):
 * "tcp" in user/stream/, "h1" and "h2" in l7/. Owned by one worker.
 */
#ifndef LBD_STREAM_SESSION_H
#define LBD_STREAM_SESSION_H

#include "model/proxy.h"
#include "base/strbuf.h"
#include "transport/conn.h"

struct session;
struct listener;
struct stream;
struct vars;
struct session_more;

struct session_proto {
	const char *name; /* `proto NAME` on bind lines; "tcp", "h1", "h2" */
	enum proxy_mode mode;
	const char *alpn; /* the name that chooses it in a TLS handshake; NULL: none does */
	size_t bytes;     /* the protocol's part behind struct session, in one allocation */
	/* The connection is accepted, L4 rules passed, transport established. Must not free the session before returning. */
	void (*start)(struct session *s);
	/* Soft stop or frontend shutdown: finish what runs, close when idle. */
	void (*drain)(struct session *s);
	/* Stop now (shutdown sessions, process end): log, close. Must not free a session or stream before returning:
	 * mark and wake. */
	void (*kill)(struct session *s, char term_cause);
	/* NULL, or: brings a stream's byte counts up to date, and says more in its line of `show sess`. In its worker. */
	void (*describe)(struct stream *s, struct strbuf *out);
};
/* The first one registered for a mode is that mode's default. */
void session_proto_register(const struct session_proto *p);
const struct session_proto *session_proto_find(const char *name);
/* NULL: no protocol speaks this mode. */
const struct session_proto *session_proto_for_mode(enum proxy_mode mode);

struct session {
	struct list node; /* the worker's sessions */
	struct conn client;
	const struct session_proto *proto;
	struct listener *listener;
	struct proxy *fe;
	struct addr src,
		dst; /* as rules see them (stream/ends.h); dst is read from the socket when first asked for: session_dst() */
	uint64_t accept_us;     /* loop time */
	int64_t accept_wall_us; /* CLOCK_REALTIME */
	uint32_t id;            /* unique per process with the thread in it */
	uint32_t flags;
	struct vars *vars; /* policy: sess scope; NULL when empty */
	void *tracked;     /* policy: stick counters */
	struct handshake_wait
		*handshake; /* not yet started: the client's handshakes are under way */
	struct list
		kept; /* idle server connections that only this session may use; next NULL: none yet */
	struct server *
		stay; /* asked for a login that is tied to the connection: later requests go there; NULL: none */
	struct session_more *more; /* stream/ends.h; NULL: nothing of it */
	char proto_part[] __attribute__((aligned(8)));
};
enum {
	SESS_DST_KNOWN = 1,
	SESS_COUNTED_FE = 2,
	SESS_DRAINING = 4,
	SESS_KILLED = 8,
	SESS_EXPECT_PROXY = 16,
	SESS_EXPECT_CIP = 32 /* rules say that such a header comes */
};

const struct addr *session_dst(struct session *s);
/* This worker's sessions (struct session.node). */
struct list *worker_sessions(void);
/* This worker's memory for an evaluation (smp_ctx.scratch): reset it afterwards. */
struct arena *worker_scratch(void);
/* A module's clean-up for every session that ends (variables, stick counters). Before the workers start. */
void session_on_fini(void (*fn)(struct session *s));
/* Closes the client side, runs the accounting, frees. The protocol has freed its own part before. */
void session_free(struct session *s);
static inline void *session_part(struct session *s)
{
	return s->proto_part;
}

/* ---- the whole process: control thread ---- */
/* Connections now open, over all threads; and since the start. */
extern _Atomic uint32_t sessions_active;
/* How often the process's maxconn stopped a listener. */
extern _Atomic uint64_t sessions_limit_hits;
uint64_t sessions_accepted(void);
/* New connections in the last second, and the highest so far (`show info` ConnRate, MaxConnRate; SessRate is the same). */
uint32_t sessions_rate(void);
uint32_t sessions_rate_max(void);
/* Soft stop: no new connections (queued ones are accepted first), sessions finish; @idle is called once none is left. */
void sessions_drain(void (*idle)(void));
bool sessions_draining(void);
/* Sessions are open, or the soft stop has not yet emptied the accept queues. */
bool sessions_busy(void);
/* Ends sessions now; the termination state says @cause: K (operator), D (server went down), U (server came up). */
void sessions_kill_all(char cause);
void sessions_kill_frontend(struct proxy *fe, char cause);
void sessions_kill_server(struct server *srv, char cause);
/* The stream of `shutdown session`; @id as struct stream.id. */
void sessions_kill_stream(uint64_t id, char cause);

/* ---- listeners ---- */
/* One worker's registration of a listening socket. */
struct listener_tap {
	struct io io;
	struct listener *listener;
	struct timer
		again;  /* descriptors are short, or the session rate is reached: try again later */
	uint32_t batch; /* connections to accept per event */
	uint64_t last_poll; /* loop.polls at the last event */
	bool off;           /* taken out of epoll: a limit is reached */
	struct list node;   /* the worker's taps */
};

/* A listening socket of this process: one per bind address (and thread with reuseport). */
struct listener {
	int fd;
	struct bind_conf *bind;
	struct proxy *px;
	const struct session_proto *proto;
	struct addr addr;
	const char *path;
	int tid;               /* -1: shared by all workers */
	uint64_t threads;      /* `thread`: bit per worker that may accept */
	bool is_ip6;           /* the family decides the words of address hashes */
	bool accepts_mapped;   /* IPv6 that takes IPv4 clients too */
	_Atomic bool paused;   /* a limit is reached in at least one worker */
	_Atomic bool disabled; /* `disable frontend`, SIGTTOU */
	bool deaf;             /* its socket does not listen meanwhile (control thread) */
	int backlog;
	_Atomic bool closed;
	_Atomic uint32_t conns, conns_max;
	struct steered *steered; /* one of the sockets of a wide address (steering.h), else NULL */
	uint32_t steered_place;
	struct listener_tap *taps; /* [worker_count] */
	struct list node;          /* listeners() */
};
/* All listening sockets. */
struct list *listeners(void);
/* Binds everything of all frontends before privileges are dropped; says errors to @d
 * ("cannot bind 0.0.0.0:80: address in use by ..."). 0 or -1. */
int listeners_bind(struct config *cfg, struct diag *d);
/* In each worker: registers its listeners. */
void listeners_start(struct loop *l);
/* In each worker: stops accepting on all (soft stop); queued connections are accepted first. sessions_drain() calls it. */
void listeners_stop(struct loop *l);
/* Stops (true) or starts (false) accepting on one frontend (`disable frontend`), NULL: on all. Control thread. */
void listeners_pause(struct proxy *fe, bool pause);
/* A limit (maxconn of the process or a frontend) was raised: who stopped at it looks again. Control thread. */
void listeners_limit_changed(void);
/* Ends listening on one frontend for good (`shutdown frontend`); its sessions go on. Control thread. */
void listeners_close(struct proxy *fe);

/* In each worker, at the end of the process: gives back what lies spare. */
void sessions_trim(void);

/* Rows of this module: protocols tcp and health, keywords. Before the configuration is read. */
void stream_module_init(void);

#endif
