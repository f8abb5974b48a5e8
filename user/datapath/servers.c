/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * servers.c - real servers in the maps: slot, source address, next hop. See mirror.h. Control thread.
 */
#include "stream/source.h"
#include "datapath/mirror.h"
#include "log/log.h"
#include <errno.h>
#include <stdlib.h>

void mirror_addr(union lbd_addr *out, const struct addr *a)
{
	if (a->family == ADDR_IP4)
		lbdmap_addr4(out, a->ip);
	else
		lbdmap_addr6(out, a->ip);
}

/* ---- next hops: immutable slots, shared by servers with the same way. O(distinct next hops) a look-up. ---- */

struct hop_slot {
	struct lbd_nexthop hop;
	uint32_t users;
};
static struct hop_slot *hops; /* by slot */
static uint32_t hops_top;     /* above: never used */

/* A slot with @hop, one more user; 0 when there is no room: then the program asks the kernel's routing. */
static uint32_t hop_take(const struct lbd_nexthop *hop)
{
	int64_t fresh;

	if (!hops)
		hops = xzalloc(sizeof(*hops) * lbdmap_entries(mirror.set, LBDMAP_NEXTHOP));
	for (uint32_t i = 1; i < hops_top; i++) {
		if (hops[i].users && memcmp(&hops[i].hop, hop, sizeof(*hop)) == 0) {
			hops[i].users++;
			return i;
		}
	}
	fresh = lbdmap_slot_take(mirror.set, LBDMAP_NEXTHOP, 1);
	if (fresh < 0 ||
	    mirror_failed("next hop", lbdmap_nexthop_put(mirror.set, (uint32_t)fresh, hop)))
		return 0;
	hops[fresh].hop = *hop;
	hops[fresh].users = 1;
	if ((uint32_t)fresh >= hops_top)
		hops_top = (uint32_t)fresh + 1;
	return (uint32_t)fresh;
}

static void hop_give(uint32_t slot)
{
	if (slot && --hops[slot].users == 0)
		lbdmap_slot_give(mirror.set, LBDMAP_NEXTHOP, slot);
}

/* What netlink says about the way to @to. false: no route. */
static bool hop_resolve(const struct addr *to, struct lbd_nexthop *hop, struct net_route *route)
{
	const struct addr *via;
	struct net_link link;

	memset(hop, 0, sizeof(*hop));
	if (net_route_get(to, route) || route->local || net_link_by_index(route->ifindex, &link))
		return false;
	via = route->gateway.family != ADDR_NONE ? &route->gateway : to;
	hop->ifindex = (uint32_t)route->ifindex;
	hop->flags = LBD_NH_USED;
	hop->mtu = link.mtu > 65535 ? 65535 : (uint16_t)link.mtu;
	memcpy(hop->smac, link.mac, 6);
	if (net_neighbour_get(route->ifindex, via, hop->dmac) == 0)
		hop->flags |= LBD_NH_MAC;
	else
		net_neighbour_manage(route->ifindex, via);
	return true;
}

void mirror_neighbours_manage(void)
{
	struct net_route route;
	struct addr to;

	for (int b = 0; b < mirror.nbackends; b++) {
		for (int i = 0; i < mirror.backends[b].be->nservers; i++) {
			server_addr(mirror.backends[b].servers[i].server, &to);
			to.port = 0;
			if (net_route_get(&to, &route) == 0 && !route.local)
				net_neighbour_manage(
					route.ifindex,
					route.gateway.family != ADDR_NONE ? &route.gateway : &to);
		}
	}
}

static bool is_our_device(uint32_t ifindex)
{
	for (int i = 0; i < mirror.nifaces; i++)
		if (mirror.iface[i].link.ifindex == (int)ifindex)
			return true;
	return false;
}

static void warn_device(struct mirror_server *m, uint32_t ifindex)
{
	struct net_link link;

	if (m->warned_device || is_our_device(ifindex) || net_link_by_index((int)ifindex, &link))
		return;
	m->warned_device = true;
	log_proxy(m->server->px, LOG_L_WARNING,
		  "Server %s/%s is reached through %s, which is not in 'datapath interface': its "
		  "replies do not come back through the kernel path.",
		  m->server->px->name, m->server->name, link.name);
}

void mirror_server_follow(struct mirror_server *m)
{
	struct lbd_nexthop hop;
	struct net_route route;
	struct addr to;
	uint32_t old = m->nexthop, slot = 0;

	server_addr(m->server, &to);
	to.port = 0;
	if (hop_resolve(&to, &hop, &route)) {
		warn_device(m, hop.ifindex);
		if (old && memcmp(&hop, &m->hop, sizeof(hop)) == 0)
			return;
		slot = hop_take(&hop);
	} else {
		memset(&hop, 0, sizeof(hop));
	}
	m->nexthop = slot;
	m->hop = hop;
	m->reachable = slot && (hop.flags & LBD_NH_MAC);
	if (m->slot)
		mirror_failed("server's next hop",
			      lbdmap_server_nexthop(mirror.set, m->slot, slot));
	hop_give(old);
}

/* ---- NAT sources: one slot per address ---- */

static uint32_t source_find(const union lbd_addr *a)
{
	const struct lbd_source *s;

	for (uint32_t slot = 1; (s = lbdmap_source(mirror.set, slot)); slot++)
		if (s->port_hi && memcmp(&s->addr, a, sizeof(*a)) == 0)
			return slot;
	return 0;
}

/* `source` of the server or backend, else the address the host itself would use. */
static bool source_address(const struct server *s, struct addr *out)
{
	const struct source_conf *conf = source_of(s);
	struct net_route route;
	struct addr to;

	if (conf && conf->addr.family != ADDR_NONE && !addr_is_any(&conf->addr)) {
		*out = conf->addr;
		out->port = 0;
		return true;
	}
	server_addr(s, &to);
	to.port = 0;
	if (net_route_get(&to, &route) || route.source.family == ADDR_NONE)
		return false;
	*out = route.source;
	out->port = 0;
	return true;
}

static uint32_t source_take(const struct server *s)
{
	struct lbd_source src = { .port_lo = mirror.conf->port_lo,
				  .port_hi = mirror.conf->port_hi };
	struct addr a;
	uint32_t slot;
	int64_t fresh;

	if (!source_address(s, &a))
		return 0;
	mirror_addr(&src.addr, &a);
	slot = source_find(&src.addr);
	if (slot)
		return slot;
	if (!net_addr_is_local(&a)) {
		src.flags = LBD_SRC_DEDICATED;
		src.port_lo = 1;
		src.port_hi = 65535;
	}
	fresh = lbdmap_slot_take(mirror.set, LBDMAP_SOURCE, 1);
	if (fresh < 0 ||
	    mirror_failed("NAT source", lbdmap_source_put(mirror.set, (uint32_t)fresh, &src)))
		return 0;
	return (uint32_t)fresh;
}

/* ---- the server's entry ---- */

/* What an earlier process left, by id; and which slots are ours now. Both by slot number, made once. */
struct left_behind {
	uint64_t id;
	uint32_t slot;
};
static struct left_behind *left;
static size_t nleft;
static bool *ours;

static int compare_left(const void *a, const void *b)
{
	const struct left_behind *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static void index_left_behind(void)
{
	uint32_t n = lbdmap_entries(mirror.set, LBDMAP_SERVER);
	const struct lbd_server *e;

	ours = xzalloc(n * sizeof(*ours));
	left = xzalloc((size_t)n * sizeof(*left));
	for (uint32_t slot = 1; slot < n && (e = lbdmap_server(mirror.set, slot)); slot++)
		if (e->flags & LBD_SRV_USED)
			left[nleft++] = (struct left_behind){ e->id, slot };
	qsort(left, nleft, sizeof(*left), compare_left);
}

static uint32_t slot_adopt(const struct server *s, const struct lbd_server *want)
{
	struct left_behind key = { .id = s->stable_id };
	struct left_behind *l =
		nleft ? bsearch(&key, left, nleft, sizeof(*left), compare_left) : NULL;

	/* an address that changed leaves two slots of one id: look at its neighbours, too */
	while (l && l > left && l[-1].id == key.id)
		l--;
	for (; l && l < left + nleft && l->id == key.id; l++) {
		const struct lbd_server *e = lbdmap_server(mirror.set, l->slot);

		if (!ours[l->slot] && memcmp(&e->addr, &want->addr, sizeof(e->addr)) == 0 &&
		    e->port_be == want->port_be)
			return l->slot;
	}
	return 0;
}

/* "server" without a port takes the client's: of a service with one port that is a constant. */
static uint16_t server_port(const struct mirror_backend *b, const struct addr *a)
{
	if (a->port)
		return a->port;
	for (int i = 0; i < mirror.nservices; i++) {
		const struct mirror_service *sv = &mirror.services[i];

		if (sv->backend == b && !list_empty(&sv->fe->binds)) {
			const struct bind_conf *bc =
				list_first(&sv->fe->binds, struct bind_conf, node);

			return list_first(&bc->addresses, struct bind_address, node)->addr.port;
		}
	}
	return 0;
}

static void server_entry(const struct mirror_backend *b, const struct mirror_server *m,
			 struct lbd_server *e)
{
	const struct server *s = m->server;
	struct addr a;

	memset(e, 0, sizeof(*e));
	server_addr(s, &a);
	mirror_addr(&e->addr, &a);
	e->port_be = htons(server_port(b, &a));
	e->forward = LBD_FWD_NAT;
	e->flags = LBD_SRV_USED | (server_is_usable(s) ? LBD_SRV_UP : 0);
	e->nexthop = m->nexthop;
	e->source_first = (uint16_t)m->source;
	e->source_count = m->source ? 1 : 0;
	e->maxconn = atomic_load(&s->live.maxconn);
	e->weight = atomic_load(&s->live.uweight);
	if (!e->weight)
		e->weight = 1; /* draws: a server of weight 0 is in no table */
	e->id = s->stable_id;
}

int mirror_server_put(struct mirror_backend *b, struct mirror_server *m)
{
	struct lbd_server e;
	int64_t fresh;
	int err;

	if (!m->source)
		m->source = source_take(m->server);
	if (!m->nexthop)
		mirror_server_follow(m);
	server_entry(b, m, &e);
	if (!ours)
		index_left_behind();
	if (!m->slot)
		m->slot = slot_adopt(m->server, &e);
	if (!m->slot) {
		fresh = lbdmap_slot_take(mirror.set, LBDMAP_SERVER, 1);
		if (fresh < 0)
			return mirror_failed("server slot", (int)fresh);
		m->slot = (uint32_t)fresh;
	}
	ours[m->slot] = true;
	err = lbdmap_server_put(mirror.set, m->slot, &e);
	b->slot_of[m->server->index] = m->slot;
	return mirror_failed("server", err);
}

/* Servers that are no longer ours (or have another address now): no new flows; given back when the last one ends. */
void mirror_orphan_servers_remove(void)
{
	const struct lbd_server *e;

	for (uint32_t slot = 1; (e = lbdmap_server(mirror.set, slot)); slot++) {
		if (!(e->flags & LBD_SRV_USED) || (ours && ours[slot]))
			continue;
		lbdmap_server_state(mirror.set, slot, false, false);
		if (lbdmap_load(mirror.set, slot)->flows <= 0)
			lbdmap_slot_give(mirror.set, LBDMAP_SERVER, slot);
	}
}

void mirror_server_free_slot(struct mirror_server *m)
{
	if (!m->slot)
		return;
	lbdmap_server_state(mirror.set, m->slot, false, false);
	ours[m->slot] = false;
	m->slot = 0; /* mirror_orphan_servers_remove() gives it back when its flows have ended */
}
