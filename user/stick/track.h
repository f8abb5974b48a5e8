/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * track.h - entries that a session or stream tracks, and what is counted in them. A session's belong to its whole life, a
 * stream's (rules on content) end with the stream, and stand in front of the session's of the same number.
 * All in the session's worker; costs a comparison or two where nothing is tracked.
 */
#ifndef LBD_STICK_TRACK_H
#define LBD_STICK_TRACK_H

#include "stick/table.h"
#include "stream/stream.h"

struct stick_track {
	struct stick_table *table; /* NULL: nothing is tracked here */
	struct stick_entry *entry;
};

/* What happens on a session or stream. A set of bits. */
enum stick_event {
	STICK_EV_SESSION = 1,
	STICK_EV_HTTP_REQ = 2,
	STICK_EV_HTTP_ERR = 4,  /* the client's */
	STICK_EV_HTTP_FAIL = 8, /* the server's */
};

/* The one of that number, of the stream or else of the session. NULL: nothing is tracked. */
struct stick_track *stick_track_get(const struct smp_ctx *ctx, uint32_t number);

/* Begins to track @key as @number; what has happened already that counts for it is @events. Nothing when it is taken. */
void stick_track_start(const struct smp_ctx *ctx, bool by_stream, uint32_t number,
		       struct stick_table *t, const struct stick_key *key, unsigned int events);
bool stick_track_taken(const struct smp_ctx *ctx, bool by_stream, uint32_t number);

void stick_note_slow(struct session *sess, struct stream *s, unsigned int events);
void stick_bytes_slow(struct stream *s, uint64_t in, uint64_t out);

/* For those who serve sessions and streams: */
static inline void stick_note_session(struct session *sess)
{
	if (sess->tracked)
		stick_note_slow(sess, NULL, STICK_EV_SESSION);
}
static inline void stick_note(struct stream *s, unsigned int events)
{
	if (s->tracked || s->sess->tracked)
		stick_note_slow(s->sess, s, events);
}
static inline void stick_note_bytes(struct stream *s, uint64_t in, uint64_t out)
{
	if (s->tracked || s->sess->tracked)
		stick_bytes_slow(s, in, out);
}

/* Which events of the stream's protocol a track that starts in rule set @set takes over; set by the protocol, may be NULL. */
extern unsigned int (*stick_events_so_far)(const struct smp_ctx *ctx, unsigned int set);

#endif
