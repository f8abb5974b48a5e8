/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.h - a server of a backend: what the file says (immutable), and its live part, which checks and the runtime
 * API change. Only the control thread changes a live part's state, through server_set_*(); workers read.
 */
#ifndef LBD_MODEL_SERVER_H
#define LBD_MODEL_SERVER_H

#include "model/proxy.h"

/* Operational state as `show servers state` numbers it. */
enum server_oper { SRV_STOPPED = 0, SRV_STARTING = 1, SRV_RUNNING = 2, SRV_STOPPING = 3 };
/* Administrative flags as `show servers state` numbers them (manual, "show servers state"). */
enum server_admin {
	SRV_ADM_FMAINT = 0x01, /* forced maintenance (CLI) */
	SRV_ADM_IMAINT = 0x02, /* inherited by track */
	SRV_ADM_CMAINT =
		0x04, /* `disabled` in the file: remembered, not maintenance by itself (FMAINT is set too) */
	SRV_ADM_FDRAIN = 0x08,
	SRV_ADM_IDRAIN = 0x10,
	SRV_ADM_RMAINT = 0x20, /* no resolution */
	SRV_ADM_HMAINT = 0x40,
	SRV_ADM_MAINT = 0x01 | 0x02 | 0x20 | 0x40,
	SRV_ADM_DRAIN = 0x08 | 0x10,
};

/* What an agent says, for the words of the state. */
enum server_agent { SERVER_NO_AGENT, SERVER_AGENT_UP, SERVER_AGENT_DOWN };

/* What workers touch for every connection: on lines of its own. */
struct server_load {
	_Atomic uint32_t served; /* connections or requests in progress: what maxconn limits */
	_Atomic uint32_t queued; /* waiting in this server's own queue */
	_Atomic uint32_t served_max, queued_max;
	_Atomic uint32_t idle;        /* idle pooled connections, all threads */
	_Atomic uint32_t connections; /* established or connecting, idle included */
} CACHE_ALIGNED;

/*
 * Run-time part. Written by the control thread, read by everybody. The plain numbers (times,
 * counts, rise and fall) are for statistics only, whose readers in workers take what the memory says.
 */
struct server_live {
	_Atomic int oper;         /* enum server_oper */
	_Atomic uint32_t admin;   /* enum server_admin bits */
	_Atomic uint32_t uweight; /* user weight now (0..256): configured value is server.weight */
	_Atomic uint32_t eweight; /* effective weight now, in sixteenths: SERVER_WEIGHT_SCALE */
	_Atomic uint32_t maxconn; /* now; configured value is server.maxconn */
	struct addr
		addr; /* now; configured value is server.addr. Changed under rcu: see server_addr() */
	uint64_t last_change_s; /* wall clock */
	uint64_t down_time_s, down_trans;
	uint64_t failed_checks;
	_Atomic uint32_t addr_version; /* odd while addr is being written */
	/* Published by the module that checks the server, for the words of its state ("UP 2/3"). */
	bool checked;       /* has checks or is tracked: else "no check" */
	_Atomic int agent;  /* enum server_agent */
	_Atomic int health; /* 0 .. rise + fall - 1; below rise: down */
	int rise, fall;
};

/* `hash-key`: what places it on a ring. */
enum server_hash_key { HASH_KEY_ID, HASH_KEY_ADDR, HASH_KEY_ADDR_PORT };

/* `init-state`: what a checked server is taken for until its checks have spoken. */
enum server_init_state { INIT_UP, INIT_FULLY_UP, INIT_DOWN, INIT_FULLY_DOWN };

struct server {
	struct list node; /* proxy.servers */
	const char *name;
	uint32_t puid; /* HAProxy's server id (balance/ids.h) */
	bool id_explicit;
	uint64_t stable_id; /* XXH64 of backend and server name */
	struct place at;
	struct addr
		addr; /* as configured (after host name resolution); port 0 with +offset below */
	const char *path;      /* unix@ server */
	const char *host_name; /* as written */
	const char *fqdn;      /* the same if it is a name, else NULL */
	bool unresolved;       /* its name has no address: it starts in maintenance (RMAINT) */
	bool port_is_offset; /* "+100", "-20" or none: relative to the client's destination port */
	int32_t port_offset;
	uint32_t weight;            /* 0..256, default 1 */
	uint32_t maxconn, maxqueue; /* 0: no limit */
	bool backup, disabled;
	uint8_t hash_key;         /* enum server_hash_key */
	uint8_t init_state;       /* enum server_init_state */
	bool shutdown_on_down;    /* on-marked-down shutdown-sessions */
	bool clear_backups_on_up; /* on-marked-up shutdown-backup-sessions */
	uint32_t slowstart_ms;    /* 0: at once at full weight */
	const char *cookie;       /* value of `cookie`, for l7 and stats */
	struct server *track;     /* whose state it follows; NULL: its own */
	struct server *trackers,
		*next_tracker;      /* who follows this one; the next who follows the same */
	struct conn_setup setup;    /* transport and handshakes of connections to it */
	struct source_conf *source; /* `source` (stream/source.h), NULL: the backend's */
	struct server_load load;
	/* With the first words of `live` on the next line: among many servers each further line that a pick reads is a miss. */
	struct proxy *px;
	uint32_t index;   /* position in the backend, 0-based, stable for the process's life */
	uint32_t minconn; /* 0: no ramp */
	struct server_live live;
	struct timer warmup;            /* the next step of a slow start (control thread) */
	struct kernel_counters *kernel; /* on the kernel path, else NULL */
	struct srv_counters *count;     /* [worker_count + 1] */
	struct queue *queue;            /* this server's own queue (persistence, maxconn) */
	struct list uses;
	void *ext; /* ext_total(EXT_SERVER) bytes */
};

/* Effective weights are in sixteenths of a configured unit, so that a slow start has steps. */
#define SERVER_WEIGHT_SCALE 16
/* The effective weight as the statistics show it: whole units, rounded up. */
static inline uint32_t server_shown_weight(const struct server *s)
{
	return (atomic_load_explicit(&s->live.eweight, memory_order_relaxed) + SERVER_WEIGHT_SCALE -
		1) /
	       SERVER_WEIGHT_SCALE;
}

static inline void *server_ext(const struct server *s, const struct ext *e)
{
	return ext_at(s->ext, e);
}

/* A server of @px with what its default-server set; not yet in px->servers: server_attach(). */
struct server *server_new(struct config *cfg, struct proxy *px, const char *name, struct place at);

/* Appends it to its backend and gives it its index. */
void server_attach(struct server *s);
/* Starts its live part from the configured values; counts it in its backend. Once, when all is read. */
void server_live_init(struct server *s);
/* Waiting in its own queue now. */
uint32_t server_queued(const struct server *s);

/* May new connections be sent there (running or starting, not in maintenance, not drained, weight > 0)? */
bool server_is_usable(const struct server *s);
/* May persistent connections still go there (drain allows them)? */
bool server_is_willing(const struct server *s);
/* Down or in maintenance, and `on-marked-down shutdown-sessions` says that its connections end with that. */
bool server_cuts_sessions(const struct server *s);
/* "UP", "DOWN", "MAINT", "DRAIN", "NOLB", "no check" ... as the statistics' status column says. */
const char *server_state_text(const struct server *s, char *buf, size_t size);

/* Gives all proxies and servers their counters, for worker_count workers and the control thread. Once, at start. */
void model_counters_alloc(struct config *cfg);

/* Where words about changes go, level as in log/log.h; @px NULL: the global log targets. Set by the start sequence (the log module). */
extern void (*server_say)(const struct proxy *px, int level, const char *text);

/* ---- changes: control thread only. Each logs in HAProxy's words, updates proxy counts, and tells the listeners. ---- */
enum server_event {
	SERVER_EV_STATE = 1, /* oper or admin changed */
	SERVER_EV_WEIGHT = 2,
	SERVER_EV_ADDR = 4,
	SERVER_EV_MAXCONN = 8,
	SERVER_EV_ADDED = 16,
	SERVER_EV_DELETED = 32,
	SERVER_EV_CAME_UP = 64, /* with STATE: it takes new connections again */
};
/* @why: words of the cause ("Layer4 timeout, check duration: 2001ms", "by admin") or NULL. */
void server_set_oper(struct server *s, enum server_oper oper, const char *why);
void server_set_admin(struct server *s, uint32_t set, uint32_t clear, const char *why);
/* "50%", "20", "0": HAProxy's rules incl. static algorithms; NULL, or the reply's error text. */
const char *server_set_weight(struct server *s, const char *text);
void server_set_addr(struct server *s, const struct addr *a, const char *why);
void server_set_maxconn(struct server *s, uint32_t maxconn);
/*
 * @s follows @tracked from now on: its operational state, and as IMAINT and IDRAIN its administrative one. When all is
 * read, after server_live_init() of both.
 */
void server_follow(struct server *s, struct server *tracked);
/* The server at the end of the chain of `track`, whose checks decide; without `track` @s itself. */
const struct server *server_decided_by(const struct server *s);
/* It begins down (init-state), or in maintenance because whom it tracks is: when all is read, nothing is said. */
void server_begin_down(struct server *s);
void server_begin_inherited(struct server *s);
/* server_warmup.c: the effective weight of this moment; arms the timer of the next step while the server starts. */
void server_reweigh(struct server *s);
/* Seconds that the slow start of @s has been under way; -1: it is not starting. Any thread. */
int64_t server_starting_since(const struct server *s);
/* The length of its slow start in whole seconds. */
static inline uint32_t server_slowstart_s(const struct server *s)
{
	return (s->slowstart_ms + 999) / 1000;
}
/* Told after every change, in registration order: balance first, queue, data path, log. Control thread. */
struct server_watcher {
	struct list node;
	void (*changed)(struct server *s, unsigned int events);
};
void server_watch(struct server_watcher *w);
/* The current address, safe against a concurrent change. Any thread. */
void server_addr(const struct server *s, struct addr *out);

#endif
