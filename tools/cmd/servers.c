/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * servers.c - `lbadm servers`: the real servers in the kernel's maps, their share of the tables, flows and bytes.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbadm_out.h"
#include "lbadm_set.h"

/* How many slots of @service's table are @server's; the share of a ring is that of its arcs. */
static double table_share(struct lbdmap_set *set, const struct lbd_service *s, uint32_t server)
{
	uint32_t n = LBD_TABLE_SIZE(s->table), hits = 0;
	bool ring = LBD_TABLE_FORM(s->table) == LBD_FORM_RING;
	const uint32_t *w = lbdmap_words(set, LBD_TABLE_OFFSET(s->table), ring ? 2 * n : n);
	double arc = 0;

	if (!w || !n)
		return 0;
	if (!ring) {
		for (uint32_t i = 0; i < n; i++)
			hits += w[i] == server;
		return (double)hits / n;
	}
	for (uint32_t i = 0; i < n; i++) /* half way to both neighbours: the nearest point wins */
		if (w[n + i] == server)
			arc += ((double)(uint32_t)(w[i] - w[(i + n - 1) % n]) +
				(double)(uint32_t)(w[(i + 1) % n] - w[i])) /
			       2;
	return n == 1 ? 1 : arc / 4294967296.0;
}

static const char *server_state(struct lbdmap_set *set, const struct lbd_server *s, uint32_t slot)
{
	if (s->flags & LBD_SRV_RESET)
		return "DOWN, flows cut";
	if (s->flags & LBD_SRV_UP)
		return "UP";
	return lbdmap_load(set, slot)->flows > 0 ? "no new, draining" : "no new";
}

static void nexthop_text(struct lbdmap_set *set, const struct lbd_server *s, char *buf, size_t size)
{
	const struct lbd_nexthop *n = s->nexthop ? lbdmap_nexthop(set, s->nexthop) : NULL;

	if (!n || !(n->flags & LBD_NH_USED))
		snprintf(buf, size, "asks the kernel");
	else if (!(n->flags & LBD_NH_MAC))
		snprintf(buf, size, "if%u, MAC unknown", n->ifindex);
	else
		snprintf(buf, size, "if%u %02x:%02x:%02x:%02x:%02x:%02x", n->ifindex, n->dmac[0],
			 n->dmac[1], n->dmac[2], n->dmac[3], n->dmac[4], n->dmac[5]);
}

static json_t *server_row(struct lbdmap_set *set, const struct lbd_service *sv, uint32_t slot)
{
	const struct lbd_server *s = lbdmap_server(set, slot);
	char service[NAME_MAX_TEXT], name[NAME_MAX_TEXT], addr[LBDMAP_ADDR_TEXT], text[80], hop[64];
	struct lbd_server_count c;

	snprintf(text, sizeof(text), lbdmap_addr_is_v4(&s->addr) ? "%s:%u" : "[%s]:%u",
		 lbdmap_addr_text(&s->addr, addr), ntohs(s->port_be));
	nexthop_text(set, s, hop, sizeof(hop));
	if (lbdmap_server_count(set, slot, &c))
		memset(&c, 0, sizeof(c));
	return json_pack("{s:s, s:s, s:s, s:s, s:I, s:f, s:I, s:I, s:I, s:I, s:s}", "service",
			 adm_name(set, LBD_META_SERVICE, sv->id, service), "server",
			 adm_name(set, LBD_META_SERVER, s->id, name), "address", text, "state",
			 server_state(set, s, slot), "weight", (json_int_t)s->weight, "share",
			 table_share(set, sv, slot), "flows",
			 (json_int_t)lbdmap_load(set, slot)->flows, "new", (json_int_t)c.flows_new,
			 "in", (json_int_t)c.in_bytes, "out", (json_int_t)c.out_bytes, "nexthop",
			 hop);
}

static const struct out_column columns[] = {
	{ "SERVICE", "service", OUT_TEXT },  { "SERVER", "server", OUT_TEXT },
	{ "ADDRESS", "address", OUT_TEXT },  { "STATE", "state", OUT_TEXT },
	{ "WEIGHT", "weight", OUT_COUNT },   { "SHARE", "share", OUT_SHARE },
	{ "FLOWS", "flows", OUT_COUNT },     { "NEW", "new", OUT_COUNT },
	{ "IN", "in", OUT_BYTES },           { "OUT", "out", OUT_BYTES },
	{ "NEXT HOP", "nexthop", OUT_LONG },
};

/* A server belongs to a service when its backend's name stands in front of its own in meta, and the service's meta names it. */
static bool belongs(struct lbdmap_set *set, const struct lbd_service *sv,
		    const struct lbd_server *s)
{
	char name[NAME_MAX_TEXT];
	struct lbd_meta backend;
	char *slash;

	if (lbdmap_meta_get(set, LBD_META_BACKEND, sv->id, 0, &backend))
		return false;
	adm_name(set, LBD_META_SERVER, s->id, name);
	slash = strchr(name, '/');
	return slash && strlen(backend.text) == (size_t)(slash - name) &&
	       strncmp(name, backend.text, (size_t)(slash - name)) == 0;
}

static int run_servers(struct adm *a, int argc, char **argv)
{
	const struct lbd_service *sv;
	const struct lbd_server *s;
	struct lbdmap_set *set;
	json_t *rows = json_array();
	char name[NAME_MAX_TEXT];

	if (argc > 1)
		return adm_usage("servers", "at most one service may be named");
	set = adm_open(a, false);
	if (!set)
		return ADM_FAILED;
	for (uint32_t i = 1; (sv = lbdmap_service(set, i)); i++) {
		if (!(sv->flags & LBD_S_USED) ||
		    (argc && strcmp(adm_name(set, LBD_META_SERVICE, sv->id, name), argv[0]) != 0))
			continue;
		for (uint32_t slot = 1; (s = lbdmap_server(set, slot)); slot++)
			if ((s->flags & LBD_SRV_USED) && belongs(set, sv, s))
				json_array_append_new(rows, server_row(set, sv, slot));
	}
	if (a->json) {
		out_json(rows);
	} else {
		out_table(columns, sizeof(columns) / sizeof(columns[0]), rows);
		adm_print_source(set);
		json_decref(rows);
	}
	lbdmap_close(set);
	return ADM_OK;
}

COMMAND_TABLE(cmd_servers, { "servers", "[SERVICE]",
			     "Real servers: state, share of the table, flows, bytes, next hop.",
			     run_servers, 0 });
