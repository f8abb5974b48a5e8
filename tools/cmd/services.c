/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * services.c - `lbadm services`: what is served in the kernel, from the pinned maps alone.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "lbadm_out.h"
#include "lbadm_set.h"

/* Addresses of the service in @slot: "192.0.2.10:443 +2" */
static void listens_text(struct lbdmap_set *set, uint32_t slot, char *buf, size_t size)
{
	const struct lbdmap_map *m = lbdmap_map_find("services");
	struct lbd_service_ref ref;
	struct lbd_service_key k;
	char addr[LBDMAP_ADDR_TEXT];
	bool started = false;
	int n = 0;

	snprintf(buf, size, "-");
	while (lbdmap_map_next(set, m, &started, &k) == 1) {
		if (lbdmap_map_get(set, m, &k, &ref) || ref.service != slot)
			continue;
		if (n++ == 0)
			snprintf(buf, size, "%s:%u", lbdmap_addr_text(&k.addr, addr),
				 ntohs(k.port_be));
	}
	if (n > 1)
		snprintf(buf + strlen(buf), size - strlen(buf), " +%d", n - 1);
}

static const char *pick_name(const struct lbd_service *s)
{
	switch (s->pick) {
	case LBD_PICK_WALK:
		return "walk";
	case LBD_PICK_DRAW:
		return "draw";
	default:
		return LBD_TABLE_FORM(s->table) == LBD_FORM_RING ? "ring" : "table";
	}
}

static json_t *service_row(struct lbdmap_set *set, uint32_t slot, const struct lbd_service *s)
{
	struct lbd_service_count c;
	char name[NAME_MAX_TEXT], place[NAME_MAX_TEXT], listens[128];

	listens_text(set, slot, listens, sizeof(listens));
	if (lbdmap_service_count(set, slot, &c))
		memset(&c, 0, sizeof(c));
	return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:s}", "service",
			 adm_name(set, LBD_META_SERVICE, s->id, name), "listens", listens, "pick",
			 pick_name(s), "slots", (json_int_t)LBD_TABLE_SIZE(s->table), "flows",
			 (json_int_t)(c.flows_new - c.flows_closed), "new", (json_int_t)c.flows_new,
			 "in", (json_int_t)c.in_bytes, "out", (json_int_t)c.out_bytes, "dropped",
			 (json_int_t)0, "place", adm_place(set, s->id, place));
}

/* Packets that were dropped, over all reasons that drop. */
static uint64_t dropped(struct lbdmap_set *set, uint32_t slot)
{
	struct lbd_service_count c;
	uint64_t n = 0;

	if (lbdmap_service_count(set, slot, &c))
		return 0;
	for (int r = 0; r < LBD_R_MAX; r++)
		if (lbdmap_reasons[r].verdict == LBD_DROP)
			n += c.reason[r];
	return n;
}

static json_t *reasons_object(struct lbdmap_set *set, uint32_t slot)
{
	struct lbd_service_count c;
	json_t *o = json_object();

	if (lbdmap_service_count(set, slot, &c))
		return o;
	for (int r = 0; r < LBD_R_MAX; r++)
		if (c.reason[r])
			json_object_set_new(o, lbdmap_reasons[r].name,
					    json_integer((json_int_t)c.reason[r]));
	return o;
}

static const struct out_column columns[] = {
	{ "SERVICE", "service", OUT_TEXT },  { "LISTENS", "listens", OUT_TEXT },
	{ "PICK", "pick", OUT_TEXT },        { "SLOTS", "slots", OUT_COUNT },
	{ "FLOWS", "flows", OUT_COUNT },     { "NEW", "new", OUT_COUNT },
	{ "IN", "in", OUT_BYTES },           { "OUT", "out", OUT_BYTES },
	{ "DROPPED", "dropped", OUT_COUNT }, { "WHERE", "place", OUT_LONG },
};

static void print_reasons(const json_t *rows)
{
	const json_t *row, *n;
	const char *reason;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		json_t *r = json_object_get(row, "reasons");

		printf("%s packets:", json_string_value(json_object_get(row, "service")));
		json_object_foreach(r, reason, n)
			printf(" %s %lld", reason, (long long)json_integer_value(n));
		printf("\n");
	}
}

static int run_services(struct adm *a, int argc, char **argv)
{
	struct lbdmap_set *set;
	const struct lbd_service *s;
	json_t *rows = json_array();

	if (argc > 1)
		return adm_usage("services", "at most one service may be named");
	set = adm_open(a, false);
	if (!set)
		return ADM_FAILED;
	for (uint32_t slot = 1; (s = lbdmap_service(set, slot)); slot++) {
		json_t *row;

		if (!(s->flags & LBD_S_USED))
			continue;
		row = service_row(set, slot, s);
		if (argc &&
		    strcmp(argv[0], json_string_value(json_object_get(row, "service"))) != 0) {
			json_decref(row);
			continue;
		}
		json_object_set_new(row, "dropped", json_integer((json_int_t)dropped(set, slot)));
		json_object_set_new(row, "reasons", reasons_object(set, slot));
		json_array_append_new(rows, row);
	}
	if (a->json) {
		out_json(rows);
	} else {
		out_table(columns, sizeof(columns) / sizeof(columns[0]), rows);
		print_reasons(rows);
		adm_print_source(set);
		json_decref(rows);
	}
	lbdmap_close(set);
	return ADM_OK;
}

COMMAND_TABLE(cmd_services,
	      { "services", "[SERVICE]",
		"What is served in the kernel: addresses, flows, bytes, packets by reason.",
		run_services, 0 });
