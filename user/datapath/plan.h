/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.h - which path each service takes, and why. A pure function of the configuration and of what the host can do:
 * no system call, no global state, so `-c`, tests and another host's capabilities work alike. Control thread.
 */
#ifndef LBD_DATAPATH_PLAN_H
#define LBD_DATAPATH_PLAN_H

#include "base/strbuf.h"
#include "model/server.h"

enum path { PATH_USER, PATH_SPLICE, PATH_KERNEL };
enum path_wish { WISH_AUTO, WISH_USER, WISH_SPLICE, WISH_KERNEL };
enum forward_mode { FORWARD_UNSET, FORWARD_NAT, FORWARD_DSR, FORWARD_IPIP, FORWARD_GUE };
enum hook_wish { HOOK_AUTO, HOOK_XDP, HOOK_XDP_GENERIC, HOOK_TC };

#define DATAPATH_IFACES 16

/* `global`: datapath ... lines (conf.c). Lives in global.datapath; NULL when there is no such line. */
struct datapath_conf {
	struct {
		const char *name;
		enum hook_wish hook;
		struct place at;
	} iface[DATAPATH_IFACES];
	int nifaces;
	const char *pin;           /* default "/sys/fs/bpf/lbd" */
	uint32_t flows;            /* default 1,000,000 */
	uint16_t port_lo, port_hi; /* default 1024-32767 */
	struct place at;           /* first line */
};

/* A proxy's own wishes (EXT_PROXY). */
struct datapath_px {
	enum path_wish wish;
	bool require; /* `datapath require kernel|splice` */
	struct place at;
	const char **accept; /* names whose approximation is accepted; NULL-terminated */
	enum forward_mode forward;
	struct place forward_at;
};
struct datapath_px *datapath_px(const struct proxy *px);

/* What this host (or the one described) can do. */
struct host_caps {
	char release[64];
	bool bpf;          /* maps and programs can be made */
	char bpf_why[160]; /* why not */
	bool bpffs;        /* the pin directory is on a bpffs (or its mount point can be made) */
	char bpffs_why[160];
	struct {
		char name[32];
		bool exists, up;
		char driver[32];
		const char *
			hook; /* "xdp", "xdp-generic", "tc": what would be used; NULL: unknown until attached */
	} iface[DATAPATH_IFACES];
	int nifaces;
	/* established SSH sessions and this host's own addresses, for the refusals */
	struct ssh_session {
		struct addr local, peer;
	} ssh[64];
	int nssh;
	const struct addr *locals; /* this host's addresses, port 0 */
	int nlocals;
};

enum cause_kind {
	CAUSE_BLOCKS,    /* keeps the service from a higher path */
	CAUSE_DIFFERENT, /* honoured differently on the chosen path */
	CAUSE_REFUSED,   /* dangerous: `datapath kernel` is an error */
};
struct plan_cause {
	struct list node;
	enum cause_kind kind;
	bool acceptable; /* CAUSE_BLOCKS: only a difference that `datapath kernel` would take */
	bool removable;  /* CAUSE_BLOCKS: a word of the line @at, which the remedy removes */
	struct place at;
	const char *keyword; /* 'retries 3' ; NULL */
	const char *text;    /* "a loopback server cannot be reached by packets" */
	const char *remedy;  /* what would change it; NULL */
};

struct service_plan {
	struct proxy *fe;
	struct proxy *be; /* the one backend of a kernel service */
	enum path path;
	const char *engine;  /* "xdp", "tc", "auto", "pipe"; NULL for user */
	const char *forward; /* "nat" or "-" */
	int nservers;
	const char *why; /* one line */
	struct list causes;
	bool changed; /* differs from the last start */
	bool error;   /* the wish cannot be honoured: said to the diag */
};

/* Plans one frontend. Never fails: what cannot be is in the result. Memory from @a. */
struct service_plan *plan_service(const struct config *cfg, struct proxy *fe,
				  const struct host_caps *host, struct arena *a);
/* Plans all, stores proxy.plan, says unhonourable wishes as errors. */
void plan_all(struct config *cfg, const struct host_caps *host, struct diag *d);
/* Looks at this host: needs no privilege, says what it lacks. */
void host_caps_probe(const struct config *cfg, struct host_caps *out, struct arena *a);

/* The tables of operator.md. */
void plan_print(const struct config *cfg, const struct host_caps *host, struct strbuf *out);
void plan_print_json(const struct config *cfg, const struct host_caps *host, struct strbuf *out);
const char *path_name(enum path p);
/* "kernel: xdp", "splice: auto", "user" */
const char *path_text(const struct service_plan *p, char *buf, size_t size);
/* file:line, without directories; into @buf */
const char *place_text(const struct place *at, char *buf, size_t size);

#endif
