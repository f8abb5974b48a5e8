/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ends.h - the two ends of a client's connection as rules, logs and servers see them: what the socket has, what a PROXY
 * header announces, what set-src and set-dst say; and what rules want of the sockets (marks, TOS, disappearing).
 * Three layers, each seen through the one above it unless it says something itself: connection (fc_src), session, stream (src).
 * Owner: the session's worker.
 */
#ifndef LBD_STREAM_ENDS_H
#define LBD_STREAM_ENDS_H

#include "stream/stream.h"

/* What few sessions have: made when first needed, ends with the session. */
struct session_more {
	struct addr fc_src, fc_dst; /* the connection's, where the session's differ */
	bool has_fc_src, has_fc_dst;
	bool ask_fc_dst; /* the socket has not been asked yet */
	bool rcvd_proxy; /* a PROXY header came */
	uint16_t header_size, header_got;
	unsigned char *header; /* of version 2: while it comes, and for its tlvs; NULL: none */
	struct slice tlvs;
};

/* What few streams have: made when first needed, ends with the stream. */
struct stream_more {
	struct addr src, dst;
	bool has_src, has_dst;
	bool has_bc_mark, has_bc_tos; /* for the connection to the server */
	uint8_t bc_tos;
	uint32_t bc_mark;
	unsigned long bc_tls_error; /* of the server's connection that has ended; 0: none */
};

/* NULL: memory is out. */
struct session_more *session_more(struct session *s);
struct stream_more *stream_more(struct stream *s);

/* Of the connection: fc_src, fc_dst. */
const struct addr *session_fc_src(const struct session *s);
const struct addr *session_fc_dst(struct session *s);
/* Of the stream: what src and dst, the log, balance, forwarding headers and PROXY headers say. */
const struct addr *stream_src(const struct stream *s);
const struct addr *stream_dst(struct stream *s);
/* Of the stream if there is one, else of the session. */
static inline const struct addr *ends_src(const struct session *s, const struct stream *st)
{
	return st ? stream_src(st) : &s->src;
}
static inline const struct addr *ends_dst(struct session *s, struct stream *st)
{
	return st ? stream_dst(st) : session_dst(s);
}

/* Whose address a rule changes. */
enum ends_layer { ENDS_CONNECTION, ENDS_SESSION, ENDS_STREAM };
/* @source: the client's end, else the one it connected to. Without a stream the session's is changed. */
void ends_set(struct session *s, struct stream *st, enum ends_layer layer, bool source,
	      const struct addr *a);

/* IP_TOS or IPV6_TCLASS of @fd; SO_MARK. Refusals (no TCP socket, no CAP_NET_ADMIN) have no effect, as in HAProxy. */
void ends_set_tos(int fd, uint8_t tos);
void ends_set_mark(int fd, uint32_t mark);
/* What rules want of the connection to the server. */
void ends_origin(const struct stream *s, struct conn_origin *from);
/*
 * The client is not to learn that its connection ends: close() will send neither FIN nor RST (TCP_REPAIR, needs CAP_NET_ADMIN;
 * without it, or with a @ttl, a reset goes out with a time to live of @ttl or 1).
 */
void ends_vanish(struct session *s, int ttl);

/* Registers the clean-up. Before the workers start. */
void ends_init(void);

#endif
