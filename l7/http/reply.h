/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reply.h - responses made here: error pages, redirects, `return`, the statistics page. A reply is written into t->rsp; the steps send
 * it with back-pressure. Rule actions call these and return RULE_DONE; services (pages) are rows.
 */
#ifndef LBD_HTTP_REPLY_H
#define LBD_HTTP_REPLY_H

#include "http/txn.h"

/* Starts a reply: t->rsp becomes an empty response with this status; @reason NULL: the standard text. */
void http_reply_start(struct http_txn *t, unsigned int status, const char *reason);
/* A header; name (lower case) and value must live as long as the request (see http_hdr_append). */
void http_reply_header(struct http_txn *t, struct slice name, struct slice value);
/* The whole body, copied when it is not constant; sets content-length. Ends the reply. */
void http_reply_body(struct http_txn *t, struct slice body, bool constant);
/* A body of unknown length: @produce is called whenever there is room, @fini once at the end (also when the client left). */
void http_reply_stream(struct http_txn *t, http_produce_fn produce, void (*fini)(void *),
		       void *ctx);
/* The standard page of @status (errorfile of the proxy, if it has one). */
void http_reply_error(struct http_txn *t, unsigned int status);
/* Redirect to @location (text lives as long as the request) with 301, 302, 303, 307 or 308. */
void http_reply_redirect(struct http_txn *t, unsigned int status, struct slice location);
/* 401 (or 407) with the realm. */
void http_reply_auth(struct http_txn *t, unsigned int status, struct slice realm);

/* Decodes "Authorization: Basic ..." of the request into the arena; false when there is none or it is malformed. */
bool http_basic_auth(struct http_txn *t, struct slice *user, struct slice *password);

/* A page of our own, asked for every request behind the http-request rules of the frontend and of the backend. */
struct http_service {
	const char *name;
	/* Does this request ask for it? If so it answers with http_reply_*() and returns true. */
	bool (*serve)(struct http_txn *t, struct proxy *px);
	const char *help;
	/* Must the request's body be there (as far as it fits into the queue) before it is served? NULL: no. */
	bool (*wants_body)(struct http_txn *t, struct proxy *px);
};
void http_service_register(const struct http_service *row);

#endif
