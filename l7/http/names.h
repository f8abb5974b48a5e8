/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * names.h - ids of the header names, methods and status texts that the code or the rules ask for often. Constant data, any thread.
 */
#ifndef LBD_HTTP_NAMES_H
#define LBD_HTTP_NAMES_H

#include "base/slice.h"

/* One row: id, lower-case name. Order is free; HDR_OTHER is 0. */
#define HTTP_HEADER_TABLE(X)                          \
	X(HOST, "host")                               \
	X(CONNECTION, "connection")                   \
	X(CONTENT_LENGTH, "content-length")           \
	X(TRANSFER_ENCODING, "transfer-encoding")     \
	X(EXPECT, "expect")                           \
	X(UPGRADE, "upgrade")                         \
	X(KEEP_ALIVE, "keep-alive")                   \
	X(PROXY_CONNECTION, "proxy-connection")       \
	X(TE, "te")                                   \
	X(TRAILER, "trailer")                         \
	X(COOKIE, "cookie")                           \
	X(SET_COOKIE, "set-cookie")                   \
	X(X_FORWARDED_FOR, "x-forwarded-for")         \
	X(X_FORWARDED_PROTO, "x-forwarded-proto")     \
	X(X_ORIGINAL_TO, "x-original-to")             \
	X(AUTHORIZATION, "authorization")             \
	X(PROXY_AUTHORIZATION, "proxy-authorization") \
	X(USER_AGENT, "user-agent")                   \
	X(REFERER, "referer")                         \
	X(ACCEPT, "accept")                           \
	X(ACCEPT_ENCODING, "accept-encoding")         \
	X(ACCEPT_LANGUAGE, "accept-language")         \
	X(CACHE_CONTROL, "cache-control")             \
	X(PRAGMA, "pragma")                           \
	X(CONTENT_TYPE, "content-type")               \
	X(CONTENT_ENCODING, "content-encoding")       \
	X(CONTENT_RANGE, "content-range")             \
	X(RANGE, "range")                             \
	X(ETAG, "etag")                               \
	X(LAST_MODIFIED, "last-modified")             \
	X(IF_MODIFIED_SINCE, "if-modified-since")     \
	X(IF_NONE_MATCH, "if-none-match")             \
	X(LOCATION, "location")                       \
	X(SERVER, "server")                           \
	X(DATE, "date")                               \
	X(VARY, "vary")                               \
	X(AGE, "age")                                 \
	X(EXPIRES, "expires")                         \
	X(ORIGIN, "origin")                           \
	X(VIA, "via")                                 \
	X(HTTP2_SETTINGS, "http2-settings")           \
	X(SEC_WEBSOCKET_KEY, "sec-websocket-key")

enum http_hdr_id {
	HDR_OTHER = 0,
#define X(id, name) HDR_##id,
	HTTP_HEADER_TABLE(X)
#undef X
		HDR_IDS
};

/* HAProxy's numbers for its methods (sample type METH, stick tables); METH_OTHER carries the text. */
enum http_meth {
	METH_OPTIONS,
	METH_GET,
	METH_HEAD,
	METH_POST,
	METH_PUT,
	METH_DELETE,
	METH_TRACE,
	METH_CONNECT,
	METH_OTHER,
};

/* @name in lower case. HDR_OTHER when unknown. */
enum http_hdr_id http_hdr_id(struct slice name);
/* "host" */
struct slice http_hdr_name(enum http_hdr_id id);
/* Case counts, as the RFC says. */
enum http_meth http_meth_id(struct slice name);
struct slice http_meth_name(enum http_meth m);
/* "Not Found"; "Other" for what has no text (RFC 9110 section 15). */
const char *http_reason(unsigned int status);

#endif
