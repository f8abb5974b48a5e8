/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - the parsed configuration: immutable once the workers run, for the life of the process
 * (a reload is a new process). What changes at run time hangs in reference-counted objects beside it (server.h: live).
 */
#ifndef LBD_MODEL_CONFIG_H
#define LBD_MODEL_CONFIG_H

#include "base/addr.h"
#include "base/diag.h"
#include "base/ext.h"
#include "base/list.h"
#include "config/keyword.h"

struct log_target;
struct stats_listener;

struct global {
	_Atomic uint32_t
		maxconn; /* 0: computed from the descriptor limit. `set maxconn global` changes it */
	bool maxconn_set;
	uint32_t ulimit_n;
	uint32_t nbthread; /* 0: one per CPU allowed */
	const char *chroot, *user, *group, *pidfile, *node, *description, *localpeer;
	uint32_t uid, gid;
	bool daemon, master_worker, quiet, debug;
	bool zero_warning, set_dumpable, lax_limits; /* lax_limits: `no strict-limits` */
	uint32_t hard_stop_after_ms, grace_ms;
	uint32_t
		close_spread_ms; /* close-spread-time; UINT32_MAX: connections are never asked to end */
	uint32_t fd_hard_limit, thread_hard_limit; /* 0: none */
	bool prealloc_fd;
	bool external_check, insecure_fork, insecure_setuid;
	bool stays_without_worker;     /* master-worker no-exit-on-failure */
	uint32_t mworker_max_reloads;  /* 0: no limit */
	bool experimental, deprecated; /* expose-...-directives */
	bool reject_privileged_ports;  /* harden.reject-privileged-ports.tcp */
	uint64_t kept_capabilities;    /* setcap: bits by CAP_* number */
	/* unix-bind: what bind lines of unix sockets say unless they say it themselves */
	const char *unix_prefix;
	uint32_t unix_uid, unix_gid, unix_mode; /* -1: unset */
	uint32_t bufsize;                       /* tune.bufsize, bytes */
	uint32_t maxrewrite;                    /* tune.maxrewrite, bytes */
	uint32_t maxaccept;                     /* tune.maxaccept */
	uint32_t rcvbuf_client, sndbuf_client, rcvbuf_server, sndbuf_server;
	uint32_t notsent_lowat_client, notsent_lowat_server;
	uint32_t maxpollevents;          /* 0: the loop's own number */
	uint32_t sndbuf_backend;         /* of sockets without connection: logs */
	bool busy_polling, single_queue; /* single_queue: tune.listener.multi-queue off */
	bool reuseport_per_thread;       /* listeners: one socket per thread (else shared) */
	struct list log_targets;         /* struct log_target (log/log.h) */
	const char *log_tag, *log_send_hostname;
	uint32_t stats_timeout_ms, stats_maxconn;
	struct list stats_listeners; /* struct bind_conf of `stats socket` (admin) */
	bool no_splice;              /* nosplice */
	const char *splice_engine;   /* tune.splice: "auto" (or NULL), "pipe", "sockmap", "copy" */
	bool no_reuseport;           /* noreuseport, -dR */
	bool takes_over; /* an older process still has the addresses: a reload, -sf, -st */
	uint32_t spread_checks, max_spread_checks_ms;
	/* datapath lines (datapath/plan.h fills and reads it) */
	struct datapath_conf *datapath;
};

#define CONFIG_NAME_BUCKETS 1024

struct config {
	struct arena arena;
	struct global global;
	struct list proxies;      /* struct proxy, in file order, without defaults sections */
	struct list defaults;     /* struct proxy used as `defaults`, in file order */
	struct list pattern_refs; /* struct pat_ref (policy/pattern_ref.h) */
	int next_proxy_id;
	struct proxy *by_name[CONFIG_NAME_BUCKETS]; /* chains through proxy.name_next */
	const char **files;                         /* as given by -f, NULL-terminated */
	uint64_t hash;                              /* XXH64 of all files' contents */
	struct diag *diag;                          /* while it is read */
};

/* -L: this peer's name, which `localpeer` does not change; NULL: not given. */
extern const char *option_localpeer;
/* The configuration of this process; set once by the start sequence. */
extern struct config *config;

/* An empty configuration with its defaults; messages go to @d. */
struct config *config_new(struct diag *d);
/* Appends it to the proxies and makes it known by name. */
void config_add_proxy(struct config *cfg, struct proxy *px);
/* Finds by name among the proxies that have any of @caps; NULL: none. */
struct proxy *config_find_proxy(struct config *cfg, const char *name, unsigned int caps);
/* "; did you mean 'app'?" for a name that no proxy with any of @caps has, in @buf; "" when none is near. O(proxies). */
const char *config_did_you_mean(const struct config *cfg, const char *name, unsigned int caps,
				char *buf, size_t size);

#endif
