/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net.c - the host's network over netlink. See net.h. Control thread.
 * Addresses and neighbours are libnl caches kept by its cache manager. Links and routes are only listened to and asked for
 * one by one: a full routing table may have a million entries, and libnl 3.7's link cache keeps a deleted veth.
 */
#include "net/net.h"
#include "loop/loop.h"
#include <errno.h>
#include <linux/fib_rules.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/neighbour.h>
#include <netlink/route/route.h>
#include <netlink/route/rule.h>
#include <stdio.h>
#include <unistd.h>

static struct nl_cache_mngr *manager;
static struct nl_cache *addrs, *neighbours;
static struct nl_sock *ask;  /* synchronous requests */
static struct nl_sock *news; /* link, route and rule notifications */
static struct loop *net_loop;
static struct io manager_io, news_io;
static struct task tell_task;
static unsigned int pending;
static struct list watchers = LIST_INIT(watchers);

/* ---- telling the watchers, once a round ---- */

static void net_tell(struct task *t)
{
	struct net_watcher *w, *tmp;
	unsigned int events = pending;

	pending = 0;
	list_for_each_entry_safe(w, tmp, &watchers, node)
		w->changed(w, events);
}

static void net_note(unsigned int event)
{
	pending |= event;
	task_wake(net_loop, &tell_task);
}

void net_watch(struct net_watcher *w)
{
	list_add_tail(&watchers, &w->node);
}

static void on_addr(struct nl_cache *c, struct nl_object *o, int action, void *ctx)
{
	net_note(NET_EV_ADDR);
}

static void on_neighbour(struct nl_cache *c, struct nl_object *o, int action, void *ctx)
{
	net_note(NET_EV_NEIGH);
}

static int on_news(struct nl_msg *m, void *ctx)
{
	int type = nlmsg_hdr(m)->nlmsg_type;

	net_note(type == RTM_NEWLINK || type == RTM_DELLINK ? NET_EV_LINK : NET_EV_ROUTE);
	return NL_OK;
}

static void on_manager_readable(struct io *io, uint32_t ep)
{
	/* an overrun (-NLE_NOMEM) means lost news: everything may have changed */
	if (nl_cache_mngr_data_ready(manager) < 0) {
		nl_cache_refill(ask, addrs);
		nl_cache_refill(ask, neighbours);
		net_note(NET_EV_ADDR | NET_EV_NEIGH);
	}
}

static void on_news_readable(struct io *io, uint32_t ep)
{
	int err;

	do {
		err = nl_recvmsgs_default(news);
	} while (err >= 0);
	if (err == -NLE_NOMEM) /* overrun */
		net_note(NET_EV_ROUTE | NET_EV_LINK);
}

/* ---- opening ---- */

static int nle_to_errno(int nle)
{
	switch (-nle) {
	case NLE_PERM:
	case NLE_NOACCESS:
		return -EPERM;
	case NLE_NOMEM:
		return -ENOMEM;
	case NLE_OBJ_NOTFOUND:
		return -ENOENT;
	case NLE_NODEV:
		return -ENODEV;
	case NLE_EXIST:
		return -EEXIST;
	default:
		return -EIO;
	}
}

static int open_caches(void)
{
	int err = nl_cache_mngr_alloc(NULL, NETLINK_ROUTE, 0, &manager);

	if (err)
		return err;
	err = nl_cache_mngr_add(manager, "route/addr", on_addr, NULL, &addrs);
	if (!err)
		err = nl_cache_mngr_add(manager, "route/neigh", on_neighbour, NULL, &neighbours);
	return err;
}

static int open_news(void)
{
	int err;

	news = nl_socket_alloc();
	if (!news)
		return -NLE_NOMEM;
	nl_socket_disable_seq_check(news);
	nl_socket_modify_cb(news, NL_CB_VALID, NL_CB_CUSTOM, on_news, NULL);
	err = nl_connect(news, NETLINK_ROUTE);
	if (!err)
		err = nl_socket_add_memberships(news, RTNLGRP_LINK, RTNLGRP_IPV4_ROUTE,
						RTNLGRP_IPV6_ROUTE, RTNLGRP_IPV4_RULE,
						RTNLGRP_IPV6_RULE, 0);
	if (!err)
		err = nl_socket_set_nonblocking(news);
	return err;
}

int net_open(void)
{
	int err;

	if (ask)
		return 0;
	ask = nl_socket_alloc();
	if (!ask)
		return -ENOMEM;
	err = nl_connect(ask, NETLINK_ROUTE);
	if (!err)
		err = open_caches();
	if (!err)
		err = open_news();
	if (err)
		net_close();
	return err ? nle_to_errno(err) : 0;
}

int net_follow(struct loop *l)
{
	int err;

	net_loop = l;
	task_init(&tell_task, net_tell);
	manager_io.fd = nl_cache_mngr_get_fd(manager);
	manager_io.on_event = on_manager_readable;
	news_io.fd = nl_socket_get_fd(news);
	news_io.on_event = on_news_readable;
	err = loop_io_add(l, &manager_io, EPOLLIN);
	if (!err)
		err = loop_io_add(l, &news_io, EPOLLIN | EPOLLET);
	return err;
}

void net_close(void)
{
	if (net_loop) {
		loop_io_del(net_loop, &manager_io);
		loop_io_del(net_loop, &news_io);
		task_cancel(net_loop, &tell_task);
	}
	if (manager)
		nl_cache_mngr_free(manager);
	if (news)
		nl_socket_free(news);
	if (ask)
		nl_socket_free(ask);
	manager = NULL;
	addrs = neighbours = NULL;
	news = ask = NULL;
	net_loop = NULL;
}

/* ---- links ---- */

/* RFC 2863 operational states, as linux/if.h numbers them (it cannot be included beside net/if.h). */
#define OPER_UNKNOWN 0
#define OPER_UP      6

static void fill_link(struct rtnl_link *from, struct net_link *out)
{
	struct nl_addr *mac = rtnl_link_get_addr(from);
	unsigned int flags = rtnl_link_get_flags(from);
	uint8_t oper = rtnl_link_get_operstate(from);

	memset(out, 0, sizeof(*out));
	out->ifindex = rtnl_link_get_ifindex(from);
	snprintf(out->name, sizeof(out->name), "%s", rtnl_link_get_name(from));
	out->mtu = rtnl_link_get_mtu(from);
	out->loopback = flags & IFF_LOOPBACK;
	out->veth = rtnl_link_get_type(from) && strcmp(rtnl_link_get_type(from), "veth") == 0;
	out->up = (flags & IFF_UP) && (oper == OPER_UP || oper == OPER_UNKNOWN);
	if (mac && nl_addr_get_len(mac) == 6) {
		memcpy(out->mac, nl_addr_get_binary_addr(mac), 6);
		out->has_mac = !out->loopback;
	}
}

static int ask_link(int ifindex, const char *name, struct net_link *out)
{
	struct rtnl_link *link;

	if (rtnl_link_get_kernel(ask, ifindex, name, &link))
		return -ENODEV;
	fill_link(link, out);
	rtnl_link_put(link);
	return 0;
}

int net_link_by_name(const char *name, struct net_link *out)
{
	return ask_link(0, name, out);
}

int net_link_by_index(int ifindex, struct net_link *out)
{
	return ask_link(ifindex, NULL, out);
}

/* ---- addresses ---- */

static bool addr_from_nl(struct addr *a, const struct nl_addr *from)
{
	unsigned int len = nl_addr_get_len(from);

	memset(a, 0, sizeof(*a));
	if (nl_addr_get_family(from) == AF_INET && len == 4)
		a->family = ADDR_IP4;
	else if (nl_addr_get_family(from) == AF_INET6 && len == 16)
		a->family = ADDR_IP6;
	else
		return false;
	memcpy(a->ip, nl_addr_get_binary_addr(from), len);
	return true;
}

static struct nl_addr *addr_to_nl(const struct addr *a)
{
	return a->family == ADDR_IP4 ? nl_addr_build(AF_INET, a->ip, 4)
				     : nl_addr_build(AF_INET6, a->ip, 16);
}

void net_addrs_each(void (*fn)(void *ctx, const struct addr *a, int ifindex), void *ctx)
{
	for (struct nl_object *o = nl_cache_get_first(addrs); o; o = nl_cache_get_next(o)) {
		struct rtnl_addr *ra = (struct rtnl_addr *)o;
		struct nl_addr *local = rtnl_addr_get_local(ra);
		struct addr a;

		if (local && addr_from_nl(&a, local))
			fn(ctx, &a, rtnl_addr_get_ifindex(ra));
	}
}

struct is_local {
	const struct addr *wanted;
	bool found;
};

static void compare_local(void *ctx, const struct addr *a, int ifindex)
{
	struct is_local *q = ctx;

	if (a->family == q->wanted->family && memcmp(a->ip, q->wanted->ip, 16) == 0)
		q->found = true;
}

bool net_addr_is_local(const struct addr *a)
{
	struct is_local q = { a, addr_is_loopback(a) };

	if (!q.found && addrs)
		net_addrs_each(compare_local, &q);
	return q.found;
}

/* ---- routes ---- */

int net_route_get(const struct addr *to, struct net_route *out)
{
	struct nl_addr *dst = addr_to_nl(to), *via, *src;
	struct rtnl_route *r = NULL;
	struct rtnl_nexthop *nh;
	int err;

	memset(out, 0, sizeof(*out));
	if (!dst)
		return -ENOMEM;
	err = rtnl_route_lookup(ask, dst, &r);
	nl_addr_put(dst);
	if (err)
		return -ENETUNREACH;
	nh = rtnl_route_nexthop_n(r, 0);
	if (!nh || rtnl_route_get_type(r) > RTN_LOCAL) {
		rtnl_route_put(r);
		return -EHOSTUNREACH;
	}
	out->ifindex = rtnl_route_nh_get_ifindex(nh);
	out->local = rtnl_route_get_type(r) == RTN_LOCAL;
	via = rtnl_route_nh_get_gateway(nh);
	if (via)
		addr_from_nl(&out->gateway, via);
	src = rtnl_route_get_pref_src(r);
	if (src)
		addr_from_nl(&out->source, src);
	rtnl_route_put(r);
	return 0;
}

static bool fill_gateway_route(struct rtnl_route *r, struct net_gateway_route *out)
{
	struct rtnl_nexthop *nh = rtnl_route_nexthop_n(r, 0);
	struct nl_addr *dst = rtnl_route_get_dst(r), *via;

	if (rtnl_route_get_table(r) != RT_TABLE_MAIN || rtnl_route_get_type(r) != RTN_UNICAST ||
	    !nh || rtnl_route_get_nnexthops(r) != 1 || !dst)
		return false;
	via = rtnl_route_nh_get_gateway(nh);
	memset(out, 0, sizeof(*out));
	if (!via || !addr_from_nl(&out->via.gateway, via))
		return false;
	out->prefix = (int)nl_addr_get_prefixlen(dst);
	if (!addr_from_nl(&out->to, dst)) { /* a default route has an empty destination */
		if (out->prefix)
			return false;
		out->to.family = out->via.gateway.family;
	}
	out->via.ifindex = rtnl_route_nh_get_ifindex(nh);
	return true;
}

int net_gateway_routes(struct net_gateway_route *out, int max)
{
	struct nl_cache *routes;
	struct net_gateway_route one;
	int n = 0, err = rtnl_route_alloc_cache(ask, AF_UNSPEC, 0, &routes);

	if (err)
		return nle_to_errno(err);
	for (struct nl_object *o = nl_cache_get_first(routes); o; o = nl_cache_get_next(o)) {
		if (!fill_gateway_route((struct rtnl_route *)o, &one))
			continue;
		if (n < max)
			out[n] = one;
		n++;
	}
	nl_cache_free(routes);
	return n;
}

bool net_rules_are_default(void)
{
	struct nl_cache *rules;
	int extra = 0;

	if (rtnl_rule_alloc_cache(ask, AF_INET, &rules))
		return false;
	for (struct nl_object *o = nl_cache_get_first(rules); o; o = nl_cache_get_next(o)) {
		uint32_t prio = rtnl_rule_get_prio((struct rtnl_rule *)o);

		if (prio != 0 && prio != 32766 && prio != 32767)
			extra++;
	}
	nl_cache_free(rules);
	return extra == 0;
}

/* ---- neighbours ---- */

#define NEIGH_VALID (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

static bool fill_neighbour(struct rtnl_neigh *from, struct net_neighbour *out)
{
	struct nl_addr *ip = rtnl_neigh_get_dst(from), *mac = rtnl_neigh_get_lladdr(from);

	if (!ip || !mac || nl_addr_get_len(mac) != 6 || !addr_from_nl(&out->ip, ip))
		return false;
	if (!(rtnl_neigh_get_state(from) & NEIGH_VALID))
		return false;
	out->ifindex = rtnl_neigh_get_ifindex(from);
	memcpy(out->mac, nl_addr_get_binary_addr(mac), 6);
	return true;
}

int net_neighbour_get(int ifindex, const struct addr *ip, uint8_t mac[6])
{
	struct nl_addr *dst = addr_to_nl(ip);
	struct rtnl_neigh *n;
	struct net_neighbour found;
	int err = -ENOENT;

	if (!dst)
		return -ENOMEM;
	n = rtnl_neigh_get(neighbours, ifindex, dst);
	nl_addr_put(dst);
	if (!n)
		return -ENOENT;
	if (fill_neighbour(n, &found)) {
		memcpy(mac, found.mac, 6);
		err = 0;
	}
	rtnl_neigh_put(n);
	return err;
}

void net_neighbours_each(void (*fn)(void *ctx, const struct net_neighbour *n), void *ctx)
{
	for (struct nl_object *o = nl_cache_get_first(neighbours); o; o = nl_cache_get_next(o)) {
		struct net_neighbour n;

		if (fill_neighbour((struct rtnl_neigh *)o, &n))
			fn(ctx, &n);
	}
}

/* libnl 3.7 has no call for the extended flags, so the message is built here (linux/neighbour.h, 5.16). */
int net_neighbour_manage(int ifindex, const struct addr *ip)
{
	struct ndmsg head = {
		.ndm_family = ip->family == ADDR_IP4 ? AF_INET : AF_INET6,
		.ndm_ifindex = ifindex,
		.ndm_state = NUD_NONE,
	};
	struct nl_msg *m = nlmsg_alloc_simple(RTM_NEWNEIGH, NLM_F_CREATE | NLM_F_ACK);
	uint32_t managed = NTF_EXT_MANAGED;
	int err = -NLE_NOMEM;

	if (!m)
		return -ENOMEM;
	if (nlmsg_append(m, &head, sizeof(head), NLMSG_ALIGNTO) == 0 &&
	    nla_put(m, NDA_DST, ip->family == ADDR_IP4 ? 4 : 16, ip->ip) == 0 &&
	    nla_put(m, NDA_FLAGS_EXT, sizeof(managed), &managed) == 0) {
		err = nl_send_auto(ask, m);
		if (err >= 0)
			err = nl_wait_for_ack(ask);
	}
	nlmsg_free(m);
	return err < 0 ? nle_to_errno(err) : 0;
}
