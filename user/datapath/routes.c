/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * routes.c - the ways back to clients (map `route`), this host's addresses (map `local`), devices. See mirror.h. Control thread.
 * What is wanted is computed anew on every change of the network and compared with what was put: both sorted.
 */
#include "datapath/mirror.h"
#include <errno.h>
#include <stdlib.h>

#define ROUTES_MAX 16000 /* the map has room for 16,384 */

struct route_entry {
	union lbd_addr to;
	uint32_t len; /* as written: 24 of 192.0.2.0/24 */
	struct lbd_nexthop hop;
	uint32_t slot;
};

struct entries {
	struct route_entry *e;
	size_t n;
};

static struct entries routes_now;
static union lbd_addr *locals_now;
static size_t nlocals_now;

static int compare_entry(const void *a, const void *b)
{
	const struct route_entry *x = a, *y = b;
	int c = memcmp(&x->to, &y->to, sizeof(x->to));

	return c ? c : x->len < y->len ? -1 : x->len > y->len;
}

static bool is_ours(int ifindex)
{
	for (int i = 0; i < mirror.nifaces; i++)
		if (mirror.iface[i].link.ifindex == ifindex)
			return true;
	return false;
}

static void add_entry(struct entries *to, const struct addr *a, uint32_t len, int ifindex,
		      const uint8_t mac[6])
{
	struct route_entry *e;
	struct net_link link;

	if (to->n == ROUTES_MAX || a->family != ADDR_IP4 || !is_ours(ifindex) ||
	    net_link_by_index(ifindex, &link))
		return;
	e = &to->e[to->n++];
	memset(e, 0, sizeof(*e));
	mirror_addr(&e->to, a);
	e->len = len;
	e->hop.ifindex = (uint32_t)ifindex;
	e->hop.flags = LBD_NH_USED | LBD_NH_MAC;
	e->hop.mtu = link.mtu > 65535 ? 65535 : (uint16_t)link.mtu;
	memcpy(e->hop.smac, link.mac, 6);
	memcpy(e->hop.dmac, mac, 6);
}

/* A neighbour on the link: the way to it is its own MAC. */
static void add_neighbour(void *ctx, const struct net_neighbour *n)
{
	add_entry(ctx, &n->ip, 32, n->ifindex, n->mac);
}

#define GATEWAYS_AGAIN_MS \
	60000 /* a table with too many routes is read again after that: a million take a second */

static void add_gateways(struct entries *to)
{
	static struct net_gateway_route gw[1024];
	static uint64_t not_before_ms;
	uint8_t mac[6];
	int n;

	if (control_loop.now_ms < not_before_ms)
		return;
	n = net_gateway_routes(gw, (int)ARRAY_SIZE(gw));
	if (n > (int)ARRAY_SIZE(gw)) /* too many to copy: the program asks the kernel's routing */
		not_before_ms = control_loop.now_ms + GATEWAYS_AGAIN_MS;
	if (n < 0 || n > (int)ARRAY_SIZE(gw))
		return;
	for (int i = 0; i < n; i++) {
		const struct addr *via = &gw[i].via.gateway;

		if (net_neighbour_get(gw[i].via.ifindex, via, mac) == 0)
			add_entry(to, &gw[i].to, (uint32_t)gw[i].prefix, gw[i].via.ifindex, mac);
		else if (is_ours(gw[i].via.ifindex))
			net_neighbour_manage(gw[i].via.ifindex, via);
	}
}

/* In the map or not at all: an entry that could not be written has no slot, and the next change tries it again. */
static void put_entry(struct route_entry *e)
{
	int64_t slot = lbdmap_slot_take(mirror.set, LBDMAP_NEXTHOP, 1);
	int err = slot < 0 ? (int)slot : lbdmap_nexthop_put(mirror.set, (uint32_t)slot, &e->hop);

	if (!err)
		err = lbdmap_route_put(mirror.set, &e->to, e->len, (uint32_t)slot);
	if (!mirror_failed("route", err))
		e->slot = (uint32_t)slot;
	else if (slot > 0)
		lbdmap_slot_give(mirror.set, LBDMAP_NEXTHOP, (uint32_t)slot);
}

/* @replaced: the map's element names another slot already; else it goes first, so that nothing names a slot given back. */
static void drop_entry(const struct route_entry *e, bool replaced)
{
	if (!e->slot)
		return;
	if (!replaced)
		lbdmap_route_del(mirror.set, &e->to, e->len);
	lbdmap_slot_give(mirror.set, LBDMAP_NEXTHOP, e->slot);
}

/* Both sorted: what is in both stays, what is only in one goes or comes. */
static void merge(struct entries *old, struct entries *want)
{
	size_t i = 0, j = 0;

	while (i < old->n || j < want->n) {
		int c = i == old->n    ? 1
			: j == want->n ? -1
				       : compare_entry(&old->e[i], &want->e[j]);

		if (c < 0) {
			drop_entry(&old->e[i++], false);
		} else if (c > 0) {
			put_entry(&want->e[j++]);
		} else {
			if (old->e[i].slot &&
			    memcmp(&old->e[i].hop, &want->e[j].hop, sizeof(want->e[j].hop)) == 0) {
				want->e[j].slot = old->e[i].slot;
			} else {
				put_entry(&want->e[j]);
				drop_entry(&old->e[i], want->e[j].slot != 0);
			}
			i++;
			j++;
		}
	}
}

static void drop_double(struct entries *e)
{
	size_t n = 0;

	for (size_t i = 0; i < e->n; i++)
		if (!n || compare_entry(&e->e[n - 1], &e->e[i]))
			e->e[n++] = e->e[i];
	e->n = n;
}

static void follow_routes(void)
{
	struct entries want = { xzalloc(sizeof(*want.e) * ROUTES_MAX), 0 };

	/* with policy routing a copy of the main table would lie: then the program asks the kernel */
	if (net_rules_are_default()) {
		net_neighbours_each(add_neighbour, &want);
		add_gateways(&want);
	}
	qsort(want.e, want.n, sizeof(*want.e), compare_entry);
	drop_double(&want);
	merge(&routes_now, &want);
	free(routes_now.e);
	routes_now = want;
}

/* ---- this host's addresses ---- */

struct locals {
	union lbd_addr *a;
	size_t n, cap;
};

static void add_local(void *ctx, const struct addr *a, int ifindex)
{
	struct locals *l = ctx;

	if (l->n == l->cap) {
		l->cap = l->cap ? l->cap * 2 : 64;
		l->a = xrealloc(l->a, l->cap * sizeof(*l->a));
	}
	mirror_addr(&l->a[l->n++], a);
	mirror_failed("local address",
		      lbdmap_local_put(mirror.set, &l->a[l->n - 1], (uint32_t)ifindex));
}

static void follow_locals(void)
{
	struct locals want = { NULL, 0, 0 };

	net_addrs_each(add_local, &want);
	for (size_t i = 0; i < nlocals_now; i++) {
		bool still = false;

		for (size_t j = 0; j < want.n && !still; j++)
			still = memcmp(&locals_now[i], &want.a[j], sizeof(want.a[j])) == 0;
		if (!still)
			lbdmap_local_del(mirror.set, &locals_now[i]);
	}
	free(locals_now);
	locals_now = want.a;
	nlocals_now = want.n;
}

void mirror_routes_follow(void)
{
	follow_locals();
	follow_routes();
}

/* ---- devices ---- */

/* Generic XDP sends by the device's ordinary queue, so any device will do; native XDP wants a native receiver. */
static bool all_generic(void)
{
	for (int i = 0; i < mirror.nifaces; i++)
		if (mirror.iface[i].hook != LBD_HOOK_XDP_GENERIC)
			return false;
	return true;
}

void mirror_devices_put(void)
{
	for (int i = 0; i < mirror.nifaces; i++) {
		const struct mirror_iface *f = &mirror.iface[i];
		struct lbd_device d = { .mtu = f->link.mtu };

		if (f->hook == LBD_HOOK_XDP || all_generic())
			d.flags |= LBD_DEV_XMIT;
		/* veth drops XDP_TX silently unless its peer runs an XDP program, too (6.18): redirect to itself instead */
		if (f->hook == LBD_HOOK_XDP && !f->link.veth)
			d.flags |= LBD_DEV_TX;
		if (f->hook == LBD_HOOK_TCX || f->hook == LBD_HOOK_CLSACT ||
		    f->second != LBD_HOOK_NONE)
			d.flags |= LBD_DEV_TC;
		mirror_failed("device",
			      lbdmap_device_put(mirror.set, (uint32_t)f->link.ifindex, &d));
	}
}
