// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Warns about servers whose address one of our own listeners accepts: traffic would come back to this process. It is a
 * warning because chained proxies on purpose look the same. Control thread, before the workers start.
 */
#include <ifaddrs.h>

#include "config/language.h"
#include "model/server.h"

/* Ports that any listener has: most servers are told apart by this alone, so ten thousand servers cost little. */
struct port_set {
	uint64_t word[65536 / 64];
};

static bool port_is_in(const struct port_set *set, uint16_t port)
{
	return set->word[port / 64] >> (port % 64) & 1;
}

static void ports_of(struct config *cfg, struct port_set *set)
{
	struct bind_address *a;
	struct bind_conf *b;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(b, &px->binds, node)
			list_for_each_entry(a, &b->addresses, node)
				for (uint32_t p = a->addr.port; p && p <= a->port_end; p++)
					set->word[p / 64] |= 1ULL << (p % 64);
}

/* Whether packets to @ip stay on this host: loopback, or an address of an interface now. */
static bool ip_is_local(const struct addr *ip)
{
	struct ifaddrs *all, *i;
	bool found = false;

	if (addr_is_loopback(ip))
		return true;
	if (getifaddrs(&all))
		return false;
	for (i = all; i && !found; i = i->ifa_next) {
		struct sockaddr_storage ss = { 0 };
		struct addr own;

		if (!i->ifa_addr ||
		    (i->ifa_addr->sa_family != AF_INET && i->ifa_addr->sa_family != AF_INET6))
			continue;
		memcpy(&ss, i->ifa_addr,
		       i->ifa_addr->sa_family == AF_INET ? sizeof(struct sockaddr_in)
							 : sizeof(struct sockaddr_in6));
		found = !addr_from_sockaddr(&own, &ss) && own.family == ip->family &&
			!memcmp(own.ip, ip->ip, sizeof(own.ip));
	}
	freeifaddrs(all);
	return found;
}

static bool listener_accepts(const struct bind_address *a, const struct addr *to)
{
	if (a->is_udp || to->port < a->addr.port || to->port > a->port_end)
		return false;
	if (a->is_prefix)
		return addr_in_net(to, &a->addr, a->prefix_bits);
	if (a->is_any || addr_is_any(&a->addr))
		return (a->addr.family == to->family || a->addr.family == ADDR_IP6) &&
		       ip_is_local(to);
	return a->addr.family == to->family && !memcmp(a->addr.ip, to->ip, sizeof(to->ip));
}

static const struct bind_conf *listener_for(struct config *cfg, const struct addr *to)
{
	struct bind_address *a;
	struct bind_conf *b;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (px->disabled)
			continue;
		list_for_each_entry(b, &px->binds, node)
			list_for_each_entry(a, &b->addresses, node)
				if (listener_accepts(a, to))
					return b;
	}
	return NULL;
}

void check_warn_loops(struct config *cfg, struct diag *d)
{
	struct port_set ports = { 0 };
	struct proxy *px;
	struct server *s;

	ports_of(cfg, &ports);
	list_for_each_entry(px, &cfg->proxies, node) {
		list_for_each_entry(s, &px->servers, node) {
			char text[ADDR_TEXT_MAX];
			const struct bind_conf *b;

			if ((s->addr.family != ADDR_IP4 && s->addr.family != ADDR_IP6) ||
			    s->port_is_offset || !port_is_in(&ports, s->addr.port))
				continue;
			b = listener_for(cfg, &s->addr);
			if (b)
				diag_warning(d, s->at,
					     "%s '%s', server '%s': its address %s is one that %s "
					     "'%s' listens on (%s:%d): connections come back here\n"
					     "if this chain is on purpose, nothing is wrong; else "
					     "correct the address or the port",
					     proxy_kind(px), px->name, s->name,
					     addr_text(&s->addr, text, sizeof(text)),
					     proxy_kind(b->px), b->px->name, b->at.file,
					     b->at.line);
		}
	}
}
