/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror.h - what the daemon has put into the kernel's maps: which slot stands for which server, service, source and
 * next hop. Private to user/datapath/. Control thread only.
 *
 * One struct mirror per process. The maps are the truth for the programs, the configuration and the servers' live state for
 * us; mirror_*() functions bring the maps to what these say, and are called again whenever something changes.
 */
#ifndef LBD_DATAPATH_MIRROR_H
#define LBD_DATAPATH_MIRROR_H

#include "base/strbuf.h"
#include "datapath/plan.h"
#include "datapath/tables.h"
#include "loop/loop.h"
#include "net/net.h"
#include <lbdmap/lbdmap.h>

struct mirror_server {
	struct server *server;
	uint32_t slot;            /* 0: none */
	uint32_t nexthop, source; /* slots */
	struct lbd_nexthop hop;   /* what is in slot `nexthop` */
	bool reachable;           /* the MAC is known */
	bool warned_device;
};

struct mirror_backend {
	struct proxy *be;
	struct mirror_server *servers; /* [be->nservers], by server.index */
	uint32_t *slot_of;             /* [be->nservers], for the table builders */
	bool dirty;                    /* tables are to be built again */
};

struct mirror_service {
	struct proxy *fe;
	struct mirror_backend *backend;
	uint32_t slot;
};

struct mirror_iface {
	struct net_link link;
	enum lbd_hook hook,
		second; /* second: TC beside XDP where XDP cannot send everywhere; LBD_HOOK_NONE */
};

struct mirror {
	struct config *cfg;
	const struct datapath_conf *conf;
	struct lbdmap_set *set;
	struct lbdmap_prog *xdp, *tc;
	struct mirror_service *services;
	int nservices;
	struct mirror_backend *backends;
	int nbackends;
	struct mirror_iface iface[DATAPATH_IFACES];
	int nifaces;
	bool adopted, running, detached;
	uint32_t adopted_flows;
	int retiring; /* addresses and services of an earlier process that still have flows */
	struct task publish;        /* tables of dirty backends */
	struct timer publish_again; /* some could not be published */
	struct task follow;         /* routes, neighbours, addresses */
	struct timer heartbeat, sweep;
	uint32_t sweep_cursor;
};
extern struct mirror mirror;

/* A failed map write: logged once a second at most, counted. Returns @err. */
int mirror_failed(const char *what, int err);

/* ---- services.c ---- */
int mirror_services_init(void);  /* the arrays, from the plan */
void mirror_services_fill(void); /* everything into the maps; then orphans out */
void mirror_publish_dirty(struct task *t);
void mirror_publish_again(struct timer *t); /* the timer's */
void mirror_server_changed(struct server *s, unsigned int events);
struct mirror_server *mirror_server_find(const struct server *s);
struct mirror_service *mirror_service_find(const struct proxy *fe);

/* ---- retire.c ---- */
/* After the first filling of an adopted set: takes out what @is_ours denies. */
void mirror_retire_begin(bool (*is_ours)(const struct lbd_service_key *k));
/* Removes what has no flow any more; returns how many are still waited for. */
int mirror_retire_go_on(void);

/* ---- servers.c ---- */
int mirror_server_put(struct mirror_backend *b, struct mirror_server *m);
void mirror_server_follow(struct mirror_server *m); /* next hop anew */
/* Asks the kernel to keep every server's neighbour resolved; needs CAP_NET_ADMIN, so before privileges are dropped. */
void mirror_neighbours_manage(void);
void mirror_server_free_slot(struct mirror_server *m);
void mirror_orphan_servers_remove(void);

/* ---- routes.c ---- */
void mirror_routes_follow(void); /* route, local */
void mirror_devices_put(void);

/* ---- attach.c ---- */
int mirror_attach(struct strbuf *why); /* 0, or -errno with the sentence */

/* ---- counts.c ---- */
void mirror_counts_start(void);
void mirror_counts_stop(void);

void mirror_addr(union lbd_addr *out, const struct addr *a);

#endif
