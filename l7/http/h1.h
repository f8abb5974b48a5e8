/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * h1.h - HTTP/1.x on the wire: the head parser, the body decoder, the encoder. They work on segments and messages only, know no
 * sockets and no transactions. What is accepted: Documentation/http-strictness.md. Any thread, on its own data.
 */
#ifndef LBD_HTTP_H1_H
#define LBD_HTTP_H1_H

#include "http/msg.h"

enum h1_result { H1_OK, H1_MORE, H1_BAD };

/* Why a message was refused: rows, so that the log, `show errors` and the tests name them alike. */
#define H1_ERROR_TABLE(X)                                                                         \
	X(NONE, 0, "no error")                                                                    \
	X(TOO_LARGE, 400, "head larger than tune.bufsize - tune.maxrewrite")                      \
	X(TOO_MANY_HEADERS, 400, "more headers than tune.http.maxhdr")                            \
	X(METHOD, 400, "method is no token")                                                      \
	X(START_LINE, 400, "start line is not three words with single spaces")                    \
	X(TARGET, 400, "request target has a character that is not allowed")                      \
	X(VERSION, 400, "no HTTP version at the end of the start line")                           \
	X(VERSION_OTHER, 505, "version is not HTTP/1.x")                                          \
	X(STATUS, 502, "status is not three digits of 100 to 999")                                \
	X(NAME, 400, "header name is empty or no token")                                          \
	X(VALUE, 400, "header value has a control character")                                     \
	X(FOLDED, 400, "folded header line")                                                      \
	X(CONTENT_LENGTH, 400, "content-length is no number, or differs")                         \
	X(TRANSFER_ENCODING, 400, "transfer-encoding is not exactly 'chunked'")                   \
	X(TE_10, 400, "transfer-encoding in an HTTP/1.0 message")                                 \
	X(TE_UNKNOWN, 422, "transfer-encoding with a coding other than chunked")                  \
	X(HOST, 400, "host is malformed, repeated with another value, or not that of the target") \
	X(BARE_CR, 400, "CR without LF")                                                          \
	X(CHUNK_SIZE, 400, "chunk size is no hexadecimal number, or too large")                   \
	X(CHUNK_END, 400, "chunk does not end with CRLF")                                         \
	X(CHUNK_EXT, 400, "chunk extension has a control character or is too long")               \
	X(TRAILER, 400, "malformed trailer")                                                      \
	X(TRUNCATED, 400, "the connection ended inside the message")                              \
	X(UPGRADE, 502, "101 without an upgrade request")

enum h1_error {
#define X(id, status, text) H1_ERR_##id,
	H1_ERROR_TABLE(X)
#undef X
		H1_ERRORS
};
const char *h1_error_text(enum h1_error e);
/* What the client gets when its request has this error. */
unsigned int h1_error_status(enum h1_error e);

/* What the options accept-invalid-http-request/-response relax. */
enum h1_relax {
	H1_RELAX_CHARS = 1, /* control characters and others in targets and values */
	H1_RELAX_FOLD = 2,  /* folded lines are joined by a space */
	H1_RELAX_HOST = 4,
};

/* Progress of a head in a segment; zero it before a new message. */
struct h1_head {
	uint32_t line;    /* offset in segment.data where the line to be parsed begins */
	uint32_t scanned; /* no line end before this offset */
	uint8_t phase;    /* blank lines, start line, headers */
	uint8_t error;    /* enum h1_error */
	uint8_t relax;
	uint32_t error_at; /* offset of the offending byte */
};

/*
 * Goes on with the head that begins at seg->start. H1_OK: @m is filled, seg->start stands behind the head, @m owns a
 * reference on @seg. H1_MORE: more bytes are needed (the caller checks seg's room). H1_BAD: h->error says why.
 * @m->flags says request or response; for a response @m->method must be the request's.
 * It lowers header names and joins folded lines in place.
 */
enum h1_result h1_parse_head(struct h1_head *h, struct http_msg *m, struct segment *seg);

/* A request that came in another way (HTTP/2) and goes on as HTTP/1: are target and Host what the parser would accept? Only paths and
 * "*" are. @relaxed: option accept-invalid-http-request. */
enum h1_error h1_check_request(struct http_msg *m, bool relaxed);

/* Fields that frame, route or authenticate must not come behind the body. */
bool h1_may_be_trailer(enum http_hdr_id id);
/* One trailer line without its line end; framing fields are dropped (RFC 9110 section 6.5.1). */
enum h1_error h1_parse_trailer(struct http_msg *m, char *line, size_t n);

/* ---- body ---- */

enum h1_body_state {
	H1B_DONE,
	H1B_LENGTH,
	H1B_UNTIL_CLOSE,
	H1B_CHUNK_SIZE,
	H1B_CHUNK_DIGITS,
	H1B_CHUNK_BLANK,
	H1B_CHUNK_EXT,
	H1B_CHUNK_SIZE_LF,
	H1B_CHUNK_DATA,
	H1B_CHUNK_CR,
	H1B_CHUNK_LF,
	H1B_TRAILERS,
};
struct h1_body {
	uint64_t left;      /* of the length, or of the current chunk */
	char *line;         /* the trailer line under way, in the request's arena */
	uint32_t ext_bytes; /* of chunk extensions and trailers: bounded */
	uint16_t line_n;
	uint8_t state; /* enum h1_body_state */
	uint8_t error; /* enum h1_error */
};
/* Sets up the decoder as m's flags and length say; with no body m is MSG_DONE and its queue ended. */
void h1_body_start(struct h1_body *b, struct http_msg *m);
/*
 * Moves body bytes of [seg->start, seg->end) into m's queue until it is full or the body ends. H1_OK: the body is complete
 * (m->state MSG_DONE); H1_MORE: all was taken, or the queue is full; H1_BAD.
 */
enum h1_result h1_body_decode(struct h1_body *b, struct http_msg *m, struct segment *seg);
/* The connection ended. H1_OK when that is a regular end of this body. */
enum h1_result h1_body_eof(struct h1_body *b, struct http_msg *m);

/* ---- encoder ---- */

#define H1_HEAD_IOV 8
#define H1_OUT_IOV  (H1_HEAD_IOV + 2 + BODY_PARTS)

struct h1_out {
	struct iovec head[H1_HEAD_IOV]; /* what of the head has not gone out */
	uint8_t head_n, head_first;
	bool head_built, in_chunk, last_chunk, done;
	uint8_t pre_n, pre_off; /* "1f\r\n" before a chunk's data */
	char pre[20];
	uint64_t chunk_left; /* data bytes of the announced chunk not sent yet */
	struct slice tail;   /* framing behind the data */
	uint64_t bytes;      /* sent in all */
};
void h1_out_start(struct h1_out *o);
/* What to write next: head (unless sent) and queued body with its framing. Returns the number of entries (0: nothing to
 * send now); @iov has H1_OUT_IOV places. */
int h1_out_gather(struct h1_out *o, struct http_msg *m, struct iovec *iov);
/* @n bytes of what was gathered went out: drops body parts. Sets o->done when the message is complete. */
void h1_out_sent(struct h1_out *o, struct http_msg *m, size_t n);

#endif
