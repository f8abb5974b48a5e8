/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * txn.h - one request with its response: the transaction. It is a struct stream (user/stream) with two messages, and what both codecs,
 * the rules and the log share. Owned by one worker; from a per-thread pool.
 */
#ifndef LBD_HTTP_TXN_H
#define LBD_HTTP_TXN_H

#include "http/codec.h"
#include "policy/rules.h"
#include "stream/stream.h"

struct http_txn;
struct relay;

#define HTTP_MAX_CAPTURES 16

enum http_txn_flag {
	TXN_CLIENT_CLOSE = 1 << 0, /* the client connection ends with this response */
	TXN_SERVER_CLOSE = 1 << 1, /* the server connection is not reused */
	TXN_FIRST = 1 << 2,        /* first request on its connection */
	TXN_RSP_STARTED = 1 << 3,  /* a byte of the final response went to the client */
	TXN_REQ_SENT = 1 << 4,     /* the request has left completely */
	TXN_REQ_STARTED = 1 << 5,  /* a byte of the request went to the server */
	TXN_LOCAL = 1 << 6,        /* answered here */
	TXN_CLIENT_GONE = 1 << 7,
	TXN_SERVER_GONE = 1 << 8,
	TXN_KILL_CONN = 1 << 10,     /* close without an answer (silent-drop, drop) */
	TXN_CONTINUE_SENT = 1 << 11, /* 100 went out */
	TXN_DRAIN_REQ = 1 << 12,     /* swallow the rest of the request's body */
	TXN_NO_REUSE = 1 << 13,      /* connect anew: a pooled connection turned out to be dead */
	TXN_SILENT_END =
		1 << 14, /* the client is closed without a word, so that it repeats its request */
	TXN_NOT_LOGGED = 1 << 15, /* an idle connection's end */
	TXN_TUNNEL = 1 << 16,
	TXN_RSP_HEAD = 1 << 17, /* the server's final head was counted and its rules have run */
	TXN_HEARD = 1 << 18,    /* a byte of the request has come, even if it became no request */
	TXN_AFTER_FAILED =
		1 << 19,     /* a rule on responses failed: none runs on the 500 that says so */
	TXN_REPLY = 1 << 20, /* a reply of our own is being sent */
};

/* Produces a generated body bit by bit: called whenever there is room in t->rsp.body; puts what fits (body_copy, body_put) and returns
 * true when it has put the last. */
typedef bool (*http_produce_fn)(struct http_txn *t, void *ctx);

struct http_txn {
	struct stream s; /* first */
	struct http_msg req, rsp;
	struct arena arena;              /* dies with the request */
	const struct http_codec *client; /* the client side's codec */
	void *client_ctx;                /* its own (h2: the stream) */
	struct segment *srv_rx;          /* bytes from the server, not consumed */
	struct h1_side cl, sv;           /* HTTP/1 state of both sides (h2 uses only sv) */
	uint64_t idle_from_us;           /* accept, or the end of the request before */
	uint64_t client_heard_ms,
		server_heard_ms; /* loop time of the last progress, for the timeouts */
	uint32_t flags;          /* enum http_txn_flag */
	uint16_t deny_status;    /* what RULE_DENY answers; set by the action, else 403 */
	uint8_t rule_phase;      /* which of the sets is being run */
	uint16_t interims;       /* 1xx responses so far */
	uint16_t status;         /* as logged; 0: none ("-1") */
	struct rule_progress progress;
	struct slice request_line; /* as received, for the log: "GET /x HTTP/1.1" */
	http_produce_fn produce;   /* streaming generated body */
	void *produce_ctx;
	void (*produce_fini)(void *ctx); /* called once, also when the client goes away */
	struct relay *
		relay[2]; /* splice.c: request, response; NULL: the body goes through the message */
	struct slice auth_user; /* policy: last http_auth user */
	char kill_cause;        /* ended from outside: K, D or U */
	char cookie_status,
		server_cookie; /* termination state, third and fourth character; 0: '-' */
};

static inline struct http_txn *http_txn_of(const struct stream *s)
{
	return container_of(s, struct http_txn, s);
}
static inline struct http_txn *http_txn_ctx(const struct smp_ctx *c)
{
	return (struct http_txn *)c->http;
}

/* From this thread's pool, in step 0, already a stream of @sess; NULL: memory is out. */
struct http_txn *http_txn_new(struct session *sess, const struct http_codec *client,
			      void *client_ctx);
/* After stream_fini(). */
void http_txn_free(struct http_txn *t);
/* Gives this thread's spare transactions back to the system. */
void http_txn_trim(void);
/* Wall clock in microseconds, from the loop's clock. */
int64_t http_wall_us(void);

/* The surroundings for evaluating samples in @t. */
void http_txn_smp_ctx(struct http_txn *t, struct smp_ctx *c, bool response);

#endif
