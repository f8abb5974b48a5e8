/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * explain.c - `lbadm explain CLIENT SERVICE tcp`: the program itself is asked, by a dry-run load that shares the maps
 * and writes none.
 */
#include <arpa/inet.h>
#include <net/if.h>
#include <netlink/netlink.h>
#include <netlink/route/route.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbadm_out.h"
#include "lbadm_set.h"

enum { EXIT_FORWARD = 0, EXIT_DROP = 1, EXIT_HOST = 2 };

/* "192.0.2.1:80" or "[2001:db8::1]:80" */
static int parse_endpoint(const char *text, union lbd_addr *a, uint16_t *port_be)
{
	char host[80];
	const char *colon = strrchr(text, ':');
	size_t n = colon ? (size_t)(colon - text) : 0;
	char *end;
	unsigned long port;

	if (!n || n >= sizeof(host))
		return -1;
	if (text[0] == '[' && text[n - 1] == ']') {
		text++;
		n -= 2;
	}
	memcpy(host, text, n);
	host[n] = 0;
	port = strtoul(colon + 1, &end, 10);
	if (*end || !port || port > 65535 || lbdmap_addr_parse(a, host))
		return -1;
	*port_be = htons((uint16_t)port);
	return 0;
}

static int tcp_flags_of(const char *word)
{
	static const struct {
		const char *name;
		int flags;
	} rows[] = { { "syn", 0x02 },
		     { "ack", 0x10 },
		     { "fin", 0x11 },
		     { "rst", 0x04 },
		     { "synack", 0x12 } };

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (strcmp(rows[i].name, word) == 0)
			return rows[i].flags;
	return -1;
}

/* The interface behind which the client lives, as this host routes; 0: unknown. */
static uint32_t interface_towards(const union lbd_addr *a)
{
	struct nl_sock *sock = nl_socket_alloc();
	struct nl_addr *dst = lbdmap_addr_is_v4(a) ? nl_addr_build(AF_INET, a->b + 12, 4)
						   : nl_addr_build(AF_INET6, a->b, 16);
	struct rtnl_route *route = NULL;
	uint32_t ifindex = 0;

	if (sock && dst && nl_connect(sock, NETLINK_ROUTE) == 0 &&
	    rtnl_route_lookup(sock, dst, &route) == 0) {
		struct rtnl_nexthop *nh = rtnl_route_nexthop_n(route, 0);

		ifindex = nh ? (uint32_t)rtnl_route_nh_get_ifindex(nh) : 0;
		rtnl_route_put(route);
	}
	nl_addr_put(dst);
	nl_socket_free(sock);
	return ifindex;
}

/* Where it comes in: --in NAME, else where this host would send an answer, else any interface with a program of ours. */
static int find_ingress(const struct adm *a, const char *name, struct lbdmap_question *q)
{
	struct lbdmap_link links[64];
	int n = lbdmap_links(a->pin, links, 64), at = 0;
	uint32_t want = name ? if_nametoindex(name) : interface_towards(&q->src);

	if (n < 1)
		return adm_fail("no program is attached, so no packet takes the kernel path ('lbd "
				"-c -V -f FILE' says why)");
	while (at < n && at < 64 && links[at].ifindex != want)
		at++;
	if (at == n || at == 64) {
		if (name)
			return adm_fail("no program of lbd is attached to '%s'", name);
		at = 0;
	}
	q->ifindex = links[at].ifindex;
	q->hook = links[at].hook;
	return 0;
}

static void line(const char *step, const char *what, const char *more)
{
	printf(" %-9s %-28s %s\n", step, what, more);
}

static void print_service(struct lbdmap_set *set, const struct lbd_explain *x)
{
	const struct lbd_service *sv = lbdmap_service(set, x->service);
	char name[NAME_MAX_TEXT], place[NAME_MAX_TEXT];

	if (!(x->steps & LBD_X_SERVICE) || !sv) {
		line("service", "none", "");
		return;
	}
	adm_name(set, LBD_META_SERVICE, sv->id, name);
	adm_place(set, sv->id, place);
	line("service", name, x->steps & LBD_X_WILDCARD ? "by wildcard address" : place);
	line("guard", x->steps & LBD_X_DENIED ? "DENY" : "allow",
	     x->steps & LBD_X_DENIED ? "deny list" : "no deny entry");
}

static uint64_t flows_in_table(struct lbdmap_set *set)
{
	uint64_t n = 0;
	const struct lbd_server *s;

	for (uint32_t slot = 1; (s = lbdmap_server(set, slot)); slot++)
		if ((s->flags & LBD_SRV_USED) && lbdmap_load(set, slot)->flows > 0)
			n += (uint64_t)lbdmap_load(set, slot)->flows;
	return n;
}

static void print_flow(struct lbdmap_set *set, const struct lbd_explain *x)
{
	char now[32], all[32], text[96];

	snprintf(text, sizeof(text), "%s of %s", out_count(now, flows_in_table(set)),
		 out_count(all, lbdmap_control(set)->flows));
	if (x->steps & LBD_X_FLOW)
		line("flow", lbdmap_flow_state_name(LBD_FLOW_STATE(x->flow_word)),
		     x->steps & LBD_X_REPLY ? "this is the server's side" : text);
	else
		line("flow", x->steps & LBD_X_NEW ? "none, would be made" : "none", text);
}

static void print_pick(struct lbdmap_set *set, const struct lbd_explain *x)
{
	const struct lbd_service *sv = lbdmap_service(set, x->service);
	const struct lbd_server *s = x->server ? lbdmap_server(set, x->server) : NULL;
	char name[NAME_MAX_TEXT], text[200], addr[LBDMAP_ADDR_TEXT], flows[32];

	if (s)
		adm_name(set, LBD_META_SERVER, s->id, name);
	if ((x->steps & LBD_X_PICK) && sv) {
		if (sv->pick == LBD_PICK_WALK)
			snprintf(text, sizeof(text), "slot %u -> %s (the next of this CPU)",
				 x->slot, s ? name : "none");
		else if (sv->pick == LBD_PICK_DRAW)
			snprintf(text, sizeof(text),
				 "slot %u -> %s (drawn by chance: the next draw may differ)",
				 x->slot, s ? name : "none");
		else if (LBD_TABLE_FORM(x->table) == LBD_FORM_RING)
			snprintf(text, sizeof(text), "number 0x%08x -> point 0x%08x -> %s",
				 x->number, x->point, s ? name : "none");
		else
			snprintf(text, sizeof(text), "number 0x%08x -> slot %u of %u -> %s",
				 x->number, x->slot, LBD_TABLE_SIZE(x->table), s ? name : "none");
		line("pick",
		     sv->pick == LBD_PICK_HASH   ? "source"
		     : sv->pick == LBD_PICK_WALK ? "roundrobin"
						 : "by load",
		     text);
	}
	if (!s)
		return;
	snprintf(text, sizeof(text), "%s:%u, %s flows, %s", lbdmap_addr_text(&s->addr, addr),
		 ntohs(s->port_be),
		 out_count(flows, (uint64_t)(lbdmap_load(set, x->server)->flows)),
		 s->flags & LBD_SRV_UP ? "takes new ones" : "takes no new ones");
	line("server", name, text);
}

static void print_way(struct lbdmap_set *set, const struct lbd_explain *x)
{
	char text[160], addr[LBDMAP_ADDR_TEXT], dev[IF_NAMESIZE] = "?";

	if (x->nat_port_be) {
		snprintf(text, sizeof(text), "%s:%u", lbdmap_addr_text(&x->nat_addr, addr),
			 ntohs(x->nat_port_be));
		line("forward", "nat from", text);
	}
	if (!(x->steps & LBD_X_NEXTHOP))
		return;
	if_indextoname(x->ifindex, dev);
	snprintf(text, sizeof(text), "%s %02x:%02x:%02x:%02x:%02x:%02x", dev, x->dmac[0],
		 x->dmac[1], x->dmac[2], x->dmac[3], x->dmac[4], x->dmac[5]);
	line("next hop", text,
	     x->steps & LBD_X_NEXTHOP_FIB ? "asked of the kernel's routes"
					  : "resolved by the daemon");
}

static json_t *explain_json(struct lbdmap_set *set, const struct lbd_explain *x)
{
	const struct lbd_service *sv =
		x->steps & LBD_X_SERVICE ? lbdmap_service(set, x->service) : NULL;
	const struct lbd_server *s = x->server ? lbdmap_server(set, x->server) : NULL;
	char service[NAME_MAX_TEXT] = "", server[NAME_MAX_TEXT] = "", dev[IF_NAMESIZE] = "",
	     nat[LBDMAP_ADDR_TEXT];

	if (sv)
		adm_name(set, LBD_META_SERVICE, sv->id, service);
	if (s)
		adm_name(set, LBD_META_SERVER, s->id, server);
	if (x->ifindex)
		if_indextoname(x->ifindex, dev);
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:I, s:I, s:I, s:s, s:i, s:s, s:I}",
			 "verdict", lbdmap_verdict_name(x->verdict), "reason",
			 lbdmap_reasons[x->reason].name, "service", service, "server", server,
			 "flow_exists", !!(x->steps & LBD_X_FLOW), "flow_would_be_made",
			 !!(x->steps & LBD_X_NEW), "number", (json_int_t)x->number, "slot",
			 (json_int_t)x->slot, "point", (json_int_t)x->point, "nat_address",
			 lbdmap_addr_text(&x->nat_addr, nat), "nat_port",
			 (int)ntohs(x->nat_port_be), "device", dev, "generation",
			 (json_int_t)x->generation);
}

static int exit_code(const struct lbd_explain *x)
{
	return x->verdict == LBD_DROP   ? EXIT_DROP
	       : x->verdict == LBD_PASS ? EXIT_HOST
					: EXIT_FORWARD;
}

static int answer(struct adm *a, struct lbdmap_set *set, const struct lbdmap_question *q)
{
	struct lbdmap_error err = { "" };
	struct lbdmap_prog *prog;
	struct lbd_explain x;
	char dev[IF_NAMESIZE] = "?";
	int rc = lbdmap_prog_load(set, q->hook, true, &prog, &err);

	if (rc)
		return adm_fail("%s", err.text);
	rc = lbdmap_explain(prog, q, &x, &err);
	lbdmap_prog_free(prog);
	if (rc)
		return adm_fail("%s", err.text);
	if (a->json) {
		out_json(explain_json(set, &x));
		return exit_code(&x);
	}
	if_indextoname(q->ifindex, dev);
	printf("asked the program itself: %s on %s, tables of generation %u\n",
	       lbdmap_hook_name(q->hook), dev, x.generation);
	print_service(set, &x);
	print_flow(set, &x);
	print_pick(set, &x);
	print_way(set, &x);
	printf("%s (%s: %s)\n", lbdmap_verdict_name(x.verdict), lbdmap_reasons[x.reason].name,
	       lbdmap_reasons[x.reason].help);
	return exit_code(&x);
}

static int run_explain(struct adm *a, int argc, char **argv)
{
	struct lbdmap_question q = { .proto = IPPROTO_TCP };
	const char *in = NULL, *words[2];
	struct lbdmap_set *set;
	int n = 0, rc;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--in") == 0 && i + 1 < argc) {
			in = argv[++i];
		} else if (n < 2) {
			words[n++] = argv[i];
		} else if (strcmp(argv[i], "tcp") != 0) {
			rc = tcp_flags_of(argv[i]);
			if (rc < 0)
				return adm_usage("explain",
						 "'%s' is none of tcp, syn, ack, fin, rst",
						 argv[i]);
			q.tcp_flags = (uint8_t)rc;
		}
	}
	if (n != 2 || parse_endpoint(words[0], &q.src, &q.sport_be) ||
	    parse_endpoint(words[1], &q.dst, &q.dport_be))
		return adm_usage("explain",
				 "two endpoints are wanted, as 198.51.100.7:51344 192.0.2.10:443");
	if (find_ingress(a, in, &q))
		return ADM_FAILED;
	set = adm_open(a, true);
	if (!set)
		return ADM_FAILED;
	rc = answer(a, set, &q);
	lbdmap_close(set);
	return rc;
}

COMMAND_TABLE(cmd_explain,
	      { "explain", "CLIENT:PORT SERVICE:PORT [tcp] [syn|ack|fin|rst] [--in IFACE]",
		"Where a packet goes and why; exit code 0 forwarded, 1 dropped, 2 to this host.",
		run_explain, 0 });
