/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.h - moving bytes from one connection to another, one direction at a time, by interchangeable engines (rows):
 * copy for small messages, pipe (splice(2)) for bulk. The traffic decides, both ways, within one connection. Used by
 * mode tcp and by tunnels of mode http. A relay belongs to its stream's worker; it owns memory only while bytes wait in it.
 */
#ifndef LBD_STREAM_SPLICE_H
#define LBD_STREAM_SPLICE_H

#include "base/segment.h"
#include "transport/conn.h"

struct relay;
struct pipe_pair;

enum relay_result {
	RELAY_IDLE,       /* everything passed on; waits for the sender */
	RELAY_BLOCKED,    /* the receiver takes no more; bytes may be held */
	RELAY_MORE,       /* used up its turn: call again in the next round */
	RELAY_SOON,       /* the kernel is at it and will not tell: call again in RELAY_SOON_MS */
	RELAY_END,        /* end of stream, everything passed on */
	RELAY_FROM_ERROR, /* the sender's connection failed */
	RELAY_TO_ERROR,   /* the receiver's connection failed */
};

#define RELAY_BULK_READS 4 /* segments filled in a row: bulk */
#define RELAY_SOON_MS    1

struct splice_engine {
	const char *name;
	/* Moves until something blocks or @budget bytes are through. */
	enum relay_result (*move)(struct relay *r, size_t budget);
	const char *help;
};
extern const struct splice_engine engine_copy, engine_pipe, engine_sockmap;

struct relay {
	struct conn *from, *to;
	const struct splice_engine *engine;
	struct segment *held;   /* read and not yet written (copy) */
	struct pipe_pair *pipe; /* the same (pipe): NULL while empty */
	struct sockmap_dir
		*sockmap;       /* since the kernel has taken over (sockmap), until relay_fini() */
	uint64_t read, written; /* bytes */
	uint64_t
		left; /* bytes that may still be read: all of a tcp stream, the rest of an http body */
	uint32_t piped;   /* bytes in the pipe */
	uint8_t streak;   /* full (copy) or small (pipe) moves in a row */
	bool may_pipe;    /* the traffic may use the pipe engine */
	bool may_sockmap; /* and the sockmap engine, as soon as nothing is half read */
	bool eof;         /* nothing more is read: end of stream, or relay_stop_reading() */
	bool ended;       /* RELAY_END was returned */
};

/* @may_pipe: the configuration allows splice(2) in this direction. */
void relay_init(struct relay *r, struct conn *from, struct conn *to, bool may_pipe);
/* For whole connections, before the first byte of the relay's own: the sockmap engine may be used, if it was asked for. */
void relay_allow_sockmap(struct relay *r);
/* Bytes that were read before the relay took over; takes the reference. */
void relay_preload(struct relay *r, struct segment *s);
enum relay_result relay_run(struct relay *r);
/* What is held is still written, then RELAY_END. */
void relay_stop_reading(struct relay *r);
/* Gives back everything that is held. Before the connections are closed. */
void relay_fini(struct relay *r);
/* Counts what the kernel has moved meanwhile. Returns when the last bytes came, in loop milliseconds; 0: now. */
uint64_t relay_sync(struct relay *r);
/* Does the kernel move its bytes, so that nothing but the end needs the daemon? */
static inline bool relay_is_quiet(const struct relay *r)
{
	return r->sockmap && r->engine == &engine_sockmap;
}
static inline uint64_t relay_held(const struct relay *r)
{
	return r->read - r->written;
}

/* ---- of engine_sockmap.c, for relay.c; r->sockmap is set ---- */
void sockmap_sync(struct relay *r);
uint64_t sockmap_last_ms(const struct relay *r);
void sockmap_stop_reading(struct relay *r);
void sockmap_leave(struct relay *r);
/* The daemon has read @n bytes of what the kernel left to it; is there more, which a read may not see yet? */
bool sockmap_has_more(struct relay *r, ssize_t n);

/* ---- limits of the pipe engine; any thread ---- */
extern _Atomic uint32_t pipes_used, pipes_free;
extern _Atomic uint64_t spliced_bytes;
/* `nosplice`, `maxpipes`, `tune.pipesize`, `tune.splice`: rows in splice_config.c. */
extern bool splice_enabled, splice_always;
extern uint32_t splice_max_pipes, splice_pipe_bytes;
void splice_init(void);
/* Pipe of this thread's stock; NULL: none to be had. */
struct pipe_pair *pipe_take(void);
void pipe_give(struct pipe_pair *p, bool empty);
/* Closes this thread's stock. */
void pipes_trim(void);
struct pipe_pair {
	int in, out;    /* write end, read end */
	uint32_t bytes; /* capacity */
	struct pipe_pair *next;
};

#endif
