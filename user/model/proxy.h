/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy.h - a frontend, backend, listen or defaults section, its listeners, and their counters.
 * Configuration fields are immutable after start. `_Atomic` fields and `live` parts change at run time.
 */
#ifndef LBD_MODEL_PROXY_H
#define LBD_MODEL_PROXY_H

#include "loop/thread.h"
#include "model/config.h"
#include "model/counters.h"
#include "transport/conn.h"

enum proxy_mode { MODE_TCP, MODE_HTTP, MODE_UDP, MODE_HEALTH };
enum proxy_cap { PX_FRONTEND = 1, PX_BACKEND = 2, PX_DEFAULTS = 4, PX_INTERNAL = 8 };

/* options that are one bit; module-private ones live in the module's ext */
enum {
	PX_O_DONTLOGNULL = 1 << 0,
	PX_O_LOGASAP = 1 << 1,
	PX_O_REDISPATCH = 1 << 2,
	PX_O_ABORTONCLOSE = 1 << 3,
	PX_O_TCP_CLI_KA = 1 << 4,
	PX_O_TCP_SRV_KA = 1 << 5,
	PX_O_NOLINGER = 1 << 6,
	PX_O_ALLBACKUPS = 1 << 7,
	PX_O_SPLICE_AUTO = 1 << 8,
	PX_O_SPLICE_REQ = 1 << 9,
	PX_O_SPLICE_RTR = 1 << 10,
	PX_O_TCPLOG = 1 << 11,
	PX_O_HTTPLOG = 1 << 12,
	PX_O_CLFLOG = 1 << 13,
	PX_O_LOG_HEALTH = 1 << 16,
	PX_O_PERSIST = 1 << 17,
	PX_O_LOG_SEPARATE_ERRORS = 1 << 18,
	PX_O_DONTLOG_NORMAL = 1 << 19,
	PX_O_PREFER_LAST = 1 << 30,
	PX_O_CONTSTATS = 1 << 21,
};

struct proxy_timeouts { /* ms; 0: infinite (never armed) */
	uint32_t client, client_fin, client_hs, server, server_fin, connect, queue, tunnel, check,
		tarpit;
	uint32_t http_request, http_keep_alive;
};

struct rule_set;    /* policy/rules.h */
struct source_conf; /* stream/source.h */
struct balance;     /* balance/balance.h */
struct logformat;

struct proxy {
	struct list node; /* config.proxies or config.defaults */
	const char *name;
	struct proxy *name_next; /* same bucket of config.by_name */
	uint32_t uuid;           /* HAProxy's proxy id: `id`, or the first free number */
	uint64_t stable_id; /* XXH64 of kind and name: identity over reloads, used in pinned maps */
	unsigned int caps;  /* enum proxy_cap */
	enum proxy_mode mode;
	bool disabled;
	const char *description;
	struct place at;
	const struct proxy *from;     /* the defaults section it inherited from */
	bool from_explicit;           /* named by `from` */
	uint32_t options, no_options; /* PX_O_* ; no_options: switched off here by `no option` */
	struct proxy_timeouts timeout;

	/* frontend side */
	struct list binds;        /* struct bind_conf */
	_Atomic uint32_t maxconn; /* frontend limit; 0: global. `set maxconn frontend` changes it */
	uint32_t backlog;
	uint32_t rate_limit_sessions;
	const char *default_backend_name;
	struct place default_backend_at;
	struct proxy *default_backend;
	/* backend side */
	struct list servers; /* struct server, in file order */
	int nservers, nactive, nbackup;
	int retries;          /* -1: default 3 */
	int redispatch_after; /* option redispatch <n>; 0 off */
	uint32_t fullconn;
	struct server *
		direct; /* stream/direct.c: where all goes that belongs to no server; NULL: balance */
	struct server *default_server; /* a template: what `default-server` set */
	struct balance *balance;       /* made in CFG_PHASE_BALANCE */
	struct source_conf *source;    /* `source` (stream/source.h), NULL: none */

	/* rules: named sets, filled by policy/ and l7/ ("tcp-request connection", "http-request", "use_backend"...) */
	struct list rule_sets; /* struct rule_set */
	struct list acls;      /* struct acl (policy/acl.h) */

	/* logging */
	struct list log_targets; /* struct log_target */
	bool log_global;
	const char *log_tag;
	struct logformat *log_format, *log_format_sd, *error_log_format;

	struct list uses;          /* struct cfg_use, for the planner */
	struct service_plan *plan; /* datapath/plan.h; set in CFG_PHASE_PLAN for frontends */

	/* run time */
	struct queue *queue; /* stream/queue.h: requests waiting for any server of this backend */
	_Atomic uint32_t fe_conns, be_conns; /* current; fe_conns also guards maxconn */
	_Atomic uint32_t fe_conns_max, be_conns_max;
	_Atomic uint32_t up_active, up_backup; /* usable servers */
	_Atomic bool stopped;                  /* soft stop: no longer accepts */
	struct fe_counters *fe_count;          /* [worker_count + 1], cache-line aligned each */
	struct be_counters *be_count;
	struct kernel_counters
		*kernel; /* of a frontend on the kernel path (datapath/counts.c), else NULL */
	uint64_t last_change_s; /* wall clock of the last up/down change (control thread) */
	uint64_t down_time_s, down_trans;

	void *ext; /* ext_total(EXT_PROXY) bytes */
};

static inline void *proxy_ext(const struct proxy *px, const struct ext *e)
{
	return ext_at(px->ext, e);
}

/* One `bind` line. It makes one listener per address and port (and per thread with reuseport). */
struct bind_conf {
	struct list node; /* proxy.binds, or global.stats_listeners */
	struct proxy *px; /* NULL for stats sockets */
	struct place at;
	const char *spec;      /* as written */
	struct list addresses; /* struct bind_address */
	const char *name;
	uint32_t id;
	uint32_t maxconn, backlog;
	const char *interface;
	bool v6only, v4v6, transparent, defer_accept, tfo;
	uint32_t mss, tcp_ut_ms;
	uint32_t uid, gid, mode; /* unix sockets; -1 when unset */
	int level;               /* stats socket: 0 none/user, 1 operator, 2 admin */
	bool expose_fd;
	int shards;              /* 0: default; -1: by-thread; 1: one shared */
	const char *proto;       /* "h1", "h2"; NULL: by mode */
	struct conn_setup setup; /* transport and handshakes of what is accepted */
	struct list uses;
	void *ext;
};

static inline void *bind_ext(const struct bind_conf *b, const struct ext *e)
{
	return ext_at(b->ext, e);
}

/* One socket to listen on, after lists and port ranges were spread out. */
struct bind_address {
	struct list node;
	struct addr addr;                 /* family ADDR_UNIX: path below */
	uint16_t port_end;                /* of a range; else = addr.port */
	const char *path;                 /* unix@, abns@ (abstract: path[0] == '@') */
	int fd;                           /* fd@N: inherited descriptor, else -1 */
	bool is_udp, is_abstract, is_any; /* is_any: "*" or no address */
	bool is_prefix;                   /* every address of addr/prefix_bits */
	uint8_t prefix_bits;
};
/* A range of at least so many ports is one socket per thread and a steering program, where the kernel allows it. */
#define BIND_WIDE_PORTS 64
static inline bool bind_address_is_wide(const struct bind_address *a)
{
	return !a->path && a->fd < 0 && !a->is_udp &&
	       (a->is_prefix || a->port_end - a->addr.port >= BIND_WIDE_PORTS - 1);
}

/* Fresh proxy in @cfg's arena with everything initialised. */
struct proxy *proxy_new(struct config *cfg, const char *name, unsigned int caps, struct place at);
/* Takes over what a defaults section says. */
void proxy_inherit(struct proxy *px, const struct proxy *from, struct arena *a);
const char *proxy_mode_name(enum proxy_mode m);
/* "frontend", "backend", "listen", "defaults" */
const char *proxy_kind(const struct proxy *px);

#endif
