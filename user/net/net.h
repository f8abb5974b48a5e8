/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.h - what this host's network looks like, followed over netlink (libnl-route): links, addresses, neighbours,
 * and the way to a destination. Control thread only. In the network namespace the process runs in.
 */
#ifndef LBD_NET_NET_H
#define LBD_NET_NET_H

#include "base/addr.h"
#include "base/list.h"
#include <net/if.h>

struct loop;

enum net_event {
	NET_EV_LINK = 1, /* a link came, went, changed state, MAC or MTU */
	NET_EV_ADDR = 2,
	NET_EV_NEIGH = 4,
	NET_EV_ROUTE = 8, /* routes or rules changed */
};

struct net_watcher {
	struct list node;
	/* Events since the last call, or-ed; called at most once a loop round. */
	void (*changed)(struct net_watcher *w, unsigned int events);
};

struct net_link {
	int ifindex;
	char name[IF_NAMESIZE];
	uint8_t mac[6];
	bool has_mac;
	bool up; /* administratively up and with carrier */
	bool loopback;
	bool veth;
	unsigned int mtu;
};

struct net_route {
	int ifindex;
	struct addr gateway; /* family ADDR_NONE: the destination is on the link */
	struct addr source;  /* preferred source address */
	bool local;          /* the destination is this host */
};

struct net_neighbour {
	int ifindex;
	struct addr ip; /* port 0 */
	uint8_t mac[6];
};

/* Reads everything once; needs no loop. 0 or -errno (-EPERM, -ENOMEM...). */
int net_open(void);
/* Follows changes in @l from now on; what came between net_open() and this is not lost. 0 or -errno. */
int net_follow(struct loop *l);
void net_close(void);
void net_watch(struct net_watcher *w);

/* 0 or -ENODEV. One system call. */
int net_link_by_name(const char *name, struct net_link *out);
int net_link_by_index(int ifindex, struct net_link *out);
/* Asks the kernel's own routing (rules included). 0, or -ENETUNREACH, -EHOSTUNREACH... O(1), one system call. */
int net_route_get(const struct addr *to, struct net_route *out);
/* The neighbour's MAC when the kernel holds it valid; 0 or -ENOENT. */
int net_neighbour_get(int ifindex, const struct addr *ip, uint8_t mac[6]);
/*
 * The unicast routes of the main table that have a gateway, at most @max: destination, prefix length, the way.
 * Returns how many there are (more than @max: the table is too large to copy), or -errno. O(routes).
 */
struct net_gateway_route {
	struct addr to; /* port 0; all zero with prefix 0: default */
	int prefix;
	struct net_route via;
};
int net_gateway_routes(struct net_gateway_route *out, int max);
/* Asks the kernel to resolve it and to keep it resolved (NTF_EXT_MANAGED, 5.16). 0 or -errno. */
int net_neighbour_manage(int ifindex, const struct addr *ip);
void net_neighbours_each(void (*fn)(void *ctx, const struct net_neighbour *n), void *ctx);
/* Is @a (port ignored) an address of this host? */
bool net_addr_is_local(const struct addr *a);
/* Every address of this host, port 0. */
void net_addrs_each(void (*fn)(void *ctx, const struct addr *a, int ifindex), void *ctx);
/* true when only the three default routing rules exist: then copying the main table says the truth. */
bool net_rules_are_default(void);

#endif
