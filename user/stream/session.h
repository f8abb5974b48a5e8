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
struct vars;

struct session_proto {
	const char *name;          /* `proto NAME` on bind lines; "tcp", "h1", "h2" */
	enum proxy_mode mode;
	size_t bytes;              /* the protocol's part behind struct session, in one allocation */
	/* The connection is accepted, L4 rules passed, transport established. Must not free the session before returning. */
	void (*start)(struct session *s);
	/* Soft stop or frontend shutdown: finish what runs, close when idle. */
	void (*drain)(struct session *s);
	/* Stop now (shutdown sessions, process end): log, close. */
	void (*kill)(struct session *s, char term_cause);
	/* One line of `show sess`. */
	void (*describe)(struct session *s, struct strbuf *out);
};
void session_proto_register(const struct session_proto *p);
const struct session_proto *session_proto_find(const char *name);

struct session {
	struct list node;            /* the worker's sessions */
	struct conn client;
	const struct session_proto *proto;
	struct listener *listener;
	struct proxy *fe;
	struct addr src, dst;        /* dst is read from the socket when first asked for: session_dst() */
	uint64_t accept_us;          /* loop time */
	int64_t accept_wall_us;      /* CLOCK_REALTIME */
	uint32_t id;                 /* unique per process with the thread in it */
	uint32_t flags;
	struct vars *vars;           /* policy: sess scope; NULL when empty */
	void *tracked;               /* policy: stick counters */
	char proto_part[] __attribute__((aligned(8)));
};
enum { SESS_DST_KNOWN = 1, SESS_COUNTED_FE = 2, SESS_DRAINING = 4 };

const struct addr *session_dst(struct session *s);
/* Closes the client side, runs the accounting, frees. The protocol has freed its own part before. */
void session_free(struct session *s);
static inline void *session_part(struct session *s)
{
	return s->proto_part;
}

/* ---- listeners ---- */
/* A listening socket of this process: one per bind address (and thread with reuseport). */
struct listener {
	struct io io;
	struct bind_conf *bind;
	struct proxy *px;
	struct addr addr;
	const char *path;
	int tid;                     /* -1: shared by all workers */
	struct loop *loop;
	_Atomic bool paused;         /* maxconn reached */
	struct list node;
};
/* Binds everything of all frontends before privileges are dropped; says errors to @d
 * ("cannot bind 0.0.0.0:80: address in use by ..."). 0 or -1. */
int listeners_bind(struct config *cfg, struct diag *d);
/* In each worker: registers its listeners. */
void listeners_start(struct loop *l);
/* Stops accepting on all (soft stop): queued connections are accepted first. */
void listeners_stop(struct loop *l);

#endif
