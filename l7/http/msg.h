/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * msg.h - an HTTP message: start line, header list, trailers, body queue. HTTP/1 and HTTP/2 produce and consume it, rules read
 * and edit it. Text is never moved: headers are slices of the receive segment or of the request's arena; deleting leaves
 * a tombstone. Owned by one worker. Why so: Documentation/decisions/2026-11-20-http-message-model.md
 */
#ifndef LBD_HTTP_MSG_H
#define LBD_HTTP_MSG_H

#include "base/arena.h"
#include "base/list.h"
#include "http/body.h"
#include "http/names.h"

#define HTTP_INLINE_HDRS      40
#define HTTP_MAX_HDRS_DEFAULT 101 /* tune.http.maxhdr */
extern uint32_t http_max_hdrs;

struct http_hdr {
	const char *name;  /* lower case */
	const char *value; /* without surrounding blanks */
	uint32_t value_len;
	uint16_t name_len;
	uint8_t id;    /* enum http_hdr_id */
	uint8_t flags; /* enum http_hdr_flag */
};
_Static_assert(sizeof(struct http_hdr) == 24, "the header list is walked for each request");

enum http_hdr_flag {
	HDR_F_DELETED = 1, /* a tombstone: skip it */
	HDR_F_RAW =
		2, /* in its segment stands exactly "name: value\r\n", untouched: may be sent as one run */
};

struct http_hdrs {
	struct http_hdr *h; /* inline_hdrs, or in the arena */
	uint16_t n, cap;    /* n counts tombstones too */
};

enum http_msg_flag {
	MSG_F_RESPONSE = 1 << 0,
	MSG_F_LINE_RAW = 1 << 1,    /* the start line in the segment is canonical and untouched */
	MSG_F_HTTP10 = 1 << 2,      /* the peer speaks 1.0 */
	MSG_F_CHUNKED = 1 << 3,     /* as received: transfer-encoding: chunked */
	MSG_F_LENGTH = 1 << 4,      /* as received: content-length, in `length` */
	MSG_F_CLOSE_DELIM = 1 << 5, /* the body ends with the connection */
	MSG_F_NO_BODY = 1 << 6,     /* HEAD, 1xx, 204, 304, or a request without length */
	MSG_F_CONN_CLOSE = 1 << 7,  /* "connection: close" was said (or 1.0 without keep-alive) */
	MSG_F_CONN_KA = 1 << 8,     /* "connection: keep-alive" was said */
	MSG_F_CONN_UPG = 1 << 9,    /* "connection: upgrade" was said */
	MSG_F_UPGRADE = 1 << 10,    /* an upgrade header is there */
	MSG_F_EXPECT_100 = 1 << 11,
	MSG_F_INTERIM = 1 << 12, /* a 1xx other than 101 */
	MSG_F_LOCAL = 1 << 13,   /* made here (error page, redirect, statistics) */
	MSG_F_TUNNEL = 1 << 14,  /* what follows is no HTTP: 101, 2xx of CONNECT */
	MSG_F_TE_SEEN = 1 << 15,
	MSG_F_HOST_SEEN = 1 << 16,
	MSG_F_ABS_URI = 1 << 17,    /* target was scheme://authority/path */
	MSG_F_XFER_CHUNK = 1 << 18, /* to be sent chunked (decided by the sender's framing step) */
	MSG_F_XFER_LEN = 1 << 19,
	MSG_F_H2 = 1 << 20,
};

enum http_msg_state { MSG_EMPTY, MSG_HEAD, MSG_BODY, MSG_DONE, MSG_BAD };

struct http_msg {
	struct arena *arena; /* the request's */
	struct segment
		*head_seg; /* the head's text lies here; one reference; NULL: all in the arena */
	uint32_t flags;    /* enum http_msg_flag */
	uint8_t state;     /* enum http_msg_state: how far it was received */
	uint8_t method;    /* request: enum http_meth (a response keeps its request's) */
	uint16_t status;   /* response; for MSG_BAD what to answer */
	struct slice line; /* the start line as received, without CRLF; for the log */
	struct slice method_text; /* "GET" */
	struct slice target;      /* "/path?query", "http://host/path", "*", "host:port" */
	struct slice reason;      /* response */
	uint64_t length;          /* of the body, with MSG_F_LENGTH */
	struct http_hdrs hdrs;
	struct http_hdrs trailers;
	struct http_body body;
	struct list stages; /* body consumers between pull and push; empty: none */
	struct http_hdr inline_hdrs[HTTP_INLINE_HDRS];
};

void http_msg_init(struct http_msg *m, struct arena *a, bool response);
/* Drops segments and body; the arena's memory goes with the arena. */
void http_msg_fini(struct http_msg *m);

/* ---- headers ---- */
/* Room for one more at the end, uninitialised; NULL when the list is full. For producers, which see to http_max_hdrs. */
struct http_hdr *http_hdrs_add(struct http_msg *m, struct http_hdrs *l);

/* The first header behind @after (NULL: the first of all) that is no tombstone; NULL at the end. */
static inline struct http_hdr *http_hdr_next(struct http_msg *m, struct http_hdr *after)
{
	struct http_hdr *h = after ? after + 1 : m->hdrs.h, *end = m->hdrs.h + m->hdrs.n;

	while (h < end && (h->flags & HDR_F_DELETED))
		h++;
	return h < end ? h : NULL;
}
/* The next with this name behind @after. @name lower case; @id its id (http_hdr_id()), found by number when not HDR_OTHER. */
struct http_hdr *http_hdr_find(struct http_msg *m, enum http_hdr_id id, struct slice name,
			       struct http_hdr *after);
static inline struct http_hdr *http_hdr_find_id(struct http_msg *m, enum http_hdr_id id)
{
	return http_hdr_find(m, id, SLICE_NONE, NULL);
}
static inline struct slice http_hdr_get_name(const struct http_hdr *h)
{
	return slice_make(h->name, h->name_len);
}
static inline struct slice http_hdr_value(const struct http_hdr *h)
{
	return slice_make(h->value, h->value_len);
}
/* At the end of the list. @name (lower case) and @value must live as long as the request: constants, the configuration's memory or
 * arena_dup(m->arena, ...). 0, or -ENOBUFS when the list is full. Values must contain no CR, LF or NUL: -EINVAL. */
int http_hdr_append(struct http_msg *m, struct slice name, struct slice value);
int http_hdr_append_id(struct http_msg *m, enum http_hdr_id id, struct slice value);
static inline void http_hdr_delete(struct http_hdr *h)
{
	h->flags |= HDR_F_DELETED;
}
/* All with this name; returns how many. */
int http_hdr_delete_all(struct http_msg *m, enum http_hdr_id id, struct slice name);
/* Lifetime and errors as http_hdr_append(). */
int http_hdr_replace(struct http_msg *m, struct http_hdr *h, struct slice value);
/* Headers that are not deleted. */
int http_hdr_count(const struct http_msg *m);
/* Splits a comma-separated value: the next element of *rest (blanks trimmed, commas in quotes kept), false at the end.
 * Empty elements are returned too. Start with *rest = value, a NULL pointer means finished. */
bool http_value_next(struct slice *rest, struct slice *element);
/* Is @token (lower case) an element of the comma list @value, case ignored? */
bool http_value_has(struct slice value, struct slice token);
/* "attr" of cookies: the next name=value pair of a Cookie header's value; false at the end. */
bool http_cookie_next(struct slice *rest, struct slice *name, struct slice *value);

/* ---- start line. The new text must live as long as the request. ---- */
void http_set_method(struct http_msg *m, struct slice method);
void http_set_target(struct http_msg *m, struct slice target);
/* Replaces the path (with or without the query) and keeps the rest; allocates in the arena. */
void http_set_path(struct http_msg *m, struct slice path, bool with_query);
void http_set_query(struct http_msg *m, struct slice query); /* without '?'; empty: removed */
void http_set_status(struct http_msg *m, unsigned int status, struct slice reason);

/* Parts of the target: "/a/b" without the query (empty for "*" and authority form). */
struct slice http_path(const struct http_msg *m);
/* "/a/b?x=1" */
struct slice http_path_query(const struct http_msg *m);
/* What stands behind '?', empty when there is none. */
struct slice http_query(const struct http_msg *m);
/* "host:port" of an absolute or authority-form target, else empty. */
struct slice http_authority(const struct http_msg *m);

#endif
