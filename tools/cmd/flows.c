/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flows.c - `lbadm flows`: the flow table, filtered, counted, or cut.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbadm_out.h"
#include "lbadm_set.h"

#define SHOW_DEFAULT 1000

struct filter {
	const char *service, *server, *state;
	union lbd_addr client;
	bool has_client, count, kill;
	uint64_t max;
};

static int parse_filter(struct filter *f, int argc, char **argv)
{
	memset(f, 0, sizeof(*f));
	f->max = SHOW_DEFAULT;
	for (int i = 0; i < argc; i++) {
		const char *next = i + 1 < argc ? argv[i + 1] : NULL;

		if (strcmp(argv[i], "--count") == 0) {
			f->count = true;
		} else if (strcmp(argv[i], "--kill") == 0) {
			f->kill = true;
		} else if (!next) {
			return adm_usage("flows", "'%s' wants a value", argv[i]);
		} else if (strcmp(argv[i], "--service") == 0) {
			f->service = argv[++i];
		} else if (strcmp(argv[i], "--server") == 0) {
			f->server = argv[++i];
		} else if (strcmp(argv[i], "--state") == 0) {
			f->state = argv[++i];
		} else if (strcmp(argv[i], "--max") == 0) {
			f->max = strtoull(argv[++i], NULL, 10);
		} else if (strcmp(argv[i], "--client") == 0) {
			if (lbdmap_addr_parse(&f->client, argv[++i]))
				return adm_usage("flows", "'%s' is no address", argv[i]);
			f->has_client = true;
		} else {
			return adm_usage("flows", "'%s' is no filter", argv[i]);
		}
	}
	if (f->kill && !f->service && !f->server && !f->has_client)
		return adm_usage(
			"flows",
			"--kill wants --service, --server or --client: it does not cut everything");
	return 0;
}

static uint64_t id_of(struct lbdmap_set *set, enum lbd_meta_kind kind, uint32_t slot)
{
	if (kind == LBD_META_SERVICE)
		return lbdmap_service(set, slot) ? lbdmap_service(set, slot)->id : 0;
	return lbdmap_server(set, slot) ? lbdmap_server(set, slot)->id : 0;
}

static bool passes(struct lbdmap_set *set, const struct filter *f, const struct lbd_flow *flow)
{
	char name[NAME_MAX_TEXT];

	if (f->has_client && memcmp(&f->client, &flow->client, sizeof(f->client)) != 0)
		return false;
	if (f->state && strcmp(f->state, lbdmap_flow_state_name(LBD_FLOW_STATE(flow->word))) != 0)
		return false;
	if (f->service &&
	    strcmp(f->service, adm_name(set, LBD_META_SERVICE,
					id_of(set, LBD_META_SERVICE, flow->service), name)) != 0)
		return false;
	return !f->server ||
	       strcmp(f->server, adm_name(set, LBD_META_SERVER,
					  id_of(set, LBD_META_SERVER, flow->server), name)) == 0;
}

static json_t *flow_row(struct lbdmap_set *set, const struct lbd_flow *f)
{
	const struct lbd_source *src = lbdmap_source(set, f->source);
	char client[80], vip[80], nat[80] = "-", a[LBDMAP_ADDR_TEXT], service[NAME_MAX_TEXT],
				  server[NAME_MAX_TEXT];
	uint32_t now = lbdmap_tick();

	snprintf(client, sizeof(client), "%s:%u", lbdmap_addr_text(&f->client, a),
		 ntohs(f->cport_be));
	snprintf(vip, sizeof(vip), "%s:%u", lbdmap_addr_text(&f->vip, a), ntohs(f->vport_be));
	if (f->nport_be && src)
		snprintf(nat, sizeof(nat), "%s:%u", lbdmap_addr_text(&src->addr, a),
			 ntohs(f->nport_be));
	return json_pack(
		"{s:s, s:s, s:s, s:s, s:s, s:s, s:f, s:f}", "service",
		adm_name(set, LBD_META_SERVICE, id_of(set, LBD_META_SERVICE, f->service), service),
		"client", client, "to", vip, "server",
		adm_name(set, LBD_META_SERVER, id_of(set, LBD_META_SERVER, f->server), server),
		"nat", nat, "state", lbdmap_flow_state_name(LBD_FLOW_STATE(f->word)), "idle_s",
		(double)lbdmap_ms_ticks(now - f->tick) / 1000.0, "age_s",
		(double)lbdmap_ms_ticks(now - f->born) / 1000.0);
}

static const struct out_column columns[] = {
	{ "SERVICE", "service", OUT_TEXT }, { "CLIENT", "client", OUT_TEXT },
	{ "TO", "to", OUT_TEXT },           { "SERVER", "server", OUT_TEXT },
	{ "NAT", "nat", OUT_TEXT },         { "STATE", "state", OUT_TEXT },
	{ "IDLE s", "idle_s", OUT_COUNT },  { "AGE s", "age_s", OUT_COUNT },
};

struct result {
	uint64_t found, killed;
	json_t *rows;
};

static void walk(struct adm *a, struct lbdmap_set *set, const struct filter *f, struct result *r)
{
	struct lbd_flow flow;
	uint32_t cursor = 0, place;

	while (lbdmap_flow_next(set, &cursor, &flow, &place) == 1) {
		if (!passes(set, f, &flow))
			continue;
		r->found++;
		if (f->kill && !a->dry_run)
			r->killed += lbdmap_flow_kill(set, place, &flow) == 0;
		else if (!f->count && r->found <= f->max)
			json_array_append_new(r->rows, flow_row(set, &flow));
	}
}

static int report(struct adm *a, struct lbdmap_set *set, const struct filter *f, struct result *r)
{
	char n[32], all[32];

	if (f->kill) {
		adm_audit("flows --kill%s%s: %llu flows", f->service ? " --service " : "",
			  f->service ? f->service : "", (unsigned long long)r->killed);
		adm_say(a, "%s %s flow%s: the next packet of either side is answered by a reset",
			a->dry_run ? "would cut" : "cut",
			out_count(n, a->dry_run ? r->found : r->killed), r->found == 1 ? "" : "s");
	} else if (a->json) {
		json_t *o =
			json_pack("{s:I, s:I, s:O}", "found", (json_int_t)r->found, "guaranteed",
				  (json_int_t)lbdmap_control(set)->flows, "flows", r->rows);
		out_json(o);
	} else {
		if (!f->count)
			out_table(columns, sizeof(columns) / sizeof(columns[0]), r->rows);
		printf("%s flows of %s guaranteed%s\n", out_count(n, r->found),
		       out_count(all, lbdmap_control(set)->flows),
		       !f->count && r->found > f->max ? "; --max N shows more" : "");
		adm_print_source(set);
	}
	return ADM_OK;
}

static int run_flows(struct adm *a, int argc, char **argv)
{
	struct result r = { 0, 0, NULL };
	struct lbdmap_set *set;
	struct filter f;
	int rc = parse_filter(&f, argc, argv);

	if (rc)
		return rc;
	if (a->dry_run && !f.kill)
		return adm_usage("flows", "--dry-run goes with --kill");
	set = adm_open(a, f.kill && !a->dry_run);
	if (!set)
		return ADM_FAILED;
	r.rows = json_array();
	walk(a, set, &f, &r);
	rc = report(a, set, &f, &r);
	json_decref(r.rows);
	lbdmap_close(set);
	return rc;
}

COMMAND_TABLE(
	cmd_flows,
	{ "flows",
	  "[--service S] [--server B/S] [--client ADDR] [--state STATE] [--count] [--max N] "
	  "[--kill [--dry-run]]",
	  "The flow table: who is connected to which server; --kill resets the flows that fit.",
	  run_flows, CMD_CHANGES });
