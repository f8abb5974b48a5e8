/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan_print.c - the plan as a table for people and as JSON. For `lbd -c -V`, the start's log and `show datapath`.
 */
#include "datapath/plan.h"
#include <stdio.h>

#define COLUMNS 7

struct cells {
	char *cell[COLUMNS];
};

static char *prefix_text(const struct bind_address *ba, struct arena *a)
{
	char ip[INET6_ADDRSTRLEN];
	bool v6 = ba->addr.family == ADDR_IP6;

	return arena_printf(a, "%s%s/%u%s:%u", v6 ? "[" : "",
			    addr_ip_text(&ba->addr, ip, sizeof(ip)), ba->prefix_bits, v6 ? "]" : "",
			    ba->addr.port);
}

static char *listens_text(const struct proxy *fe, struct arena *a)
{
	const struct bind_conf *b;
	const struct bind_address *ba;
	char buf[ADDR_TEXT_MAX];
	const char *first = NULL;
	int n = 0;

	list_for_each_entry(b, &fe->binds, node) {
		list_for_each_entry(ba, &b->addresses, node) {
			if (n++)
				continue;
			if (ba->path)
				first = ba->path;
			else if (ba->fd >= 0)
				first = arena_printf(a, "fd@%d", ba->fd);
			else if (ba->is_prefix)
				first = prefix_text(ba, a);
			else
				first = arena_strdup(a, addr_text(&ba->addr, buf, sizeof(buf)));
			if (ba->port_end > ba->addr.port)
				first = arena_printf(a, "%s-%u", first, ba->port_end);
		}
	}
	if (n > 1)
		return arena_printf(a, "%s +%d", first, n - 1);
	return arena_strdup(a, first ? first : "-");
}

static void fill_row(struct cells *r, const struct service_plan *p, struct arena *a)
{
	char buf[64];

	r->cell[0] = arena_strdup(a, p->fe->name);
	r->cell[1] = listens_text(p->fe, a);
	r->cell[2] = arena_strdup(a, proxy_mode_name(p->fe->mode));
	r->cell[3] = arena_strdup(a, path_text(p, buf, sizeof(buf)));
	r->cell[4] = arena_strdup(a, p->forward);
	r->cell[5] = arena_printf(a, "%d", p->nservers);
	r->cell[6] = arena_printf(a, "%s%s", p->why, p->changed ? "  CHANGED" : "");
}

static void print_table(struct strbuf *out, const struct cells *rows, int n)
{
	size_t width[COLUMNS] = { 0 };

	for (int i = 0; i < n; i++)
		for (int c = 0; c < COLUMNS - 1; c++)
			if (strlen(rows[i].cell[c]) > width[c])
				width[c] = strlen(rows[i].cell[c]);
	for (int i = 0; i < n; i++) {
		for (int c = 0; c < COLUMNS - 1; c++)
			strbuf_addf(out, "%-*s  ", (int)width[c], rows[i].cell[c]);
		strbuf_addf(out, "%s\n", rows[i].cell[COLUMNS - 1]);
	}
}

static void print_differences(struct strbuf *out, const struct service_plan *p)
{
	const struct plan_cause *c;
	int n = 0;

	if (p->path != PATH_KERNEL)
		return;
	list_for_each_entry(c, &p->causes, node) {
		if (c->kind != CAUSE_DIFFERENT)
			continue;
		if (n++ == 0)
			strbuf_addf(out, "Different from a proxy on %s:\n", p->fe->name);
		strbuf_addf(out, "  '%s'", c->keyword);
		if (c->at.line)
			strbuf_addf(out, " (:%d)", c->at.line);
		strbuf_addf(out, ": %s\n", c->text);
	}
}

#define REMEDIES_MAX 12 /* lines; the JSON form has all */

static const struct plan_cause *next_cause(const struct service_plan *p, const struct plan_cause *c)
{
	const struct list *n = c ? c->node.next : p->causes.next;

	return n == &p->causes ? NULL : list_entry(n, struct plan_cause, node);
}

/* "remove 'src', 'track-sc0' at line 26": all words of one line that keep the service from the kernel. Returns the last. */
static const struct plan_cause *print_removal(struct strbuf *out, const struct service_plan *p,
					      const struct plan_cause *c)
{
	const struct plan_cause *last = c, *next;

	strbuf_addf(out, "  remove '%s'", c->keyword);
	while ((next = next_cause(p, last)) && next->removable && next->at.line == c->at.line) {
		strbuf_addf(out, ", '%s'", next->keyword);
		last = next;
	}
	strbuf_addf(out, " at line %d\n", c->at.line);
	return last;
}

/* The differences that keep a service of `datapath auto` out, and the two lines that take them. */
static void print_acceptable(struct strbuf *out, const struct service_plan *p)
{
	const struct plan_cause *c = NULL, *d;
	struct strbuf words = STRBUF_INIT;

	while ((c = next_cause(p, c))) {
		if (!c->acceptable)
			continue;
		for (d = next_cause(p, NULL); d != c; d = next_cause(p, d))
			if (d->acceptable && strcmp(d->keyword, c->keyword) == 0)
				break;
		if (d != c)
			continue;
		if (words.n)
			strbuf_addc(&words, ',');
		for (const char *k = c->keyword; *k; k++)
			strbuf_addc(&words, *k == ' ' ? '-' : *k);
	}
	if (words.n)
		strbuf_addf(out,
			    "  accept what differs in the kernel: 'datapath kernel', or "
			    "'datapath accept %s'\n",
			    strbuf_z(&words));
	strbuf_fini(&words);
}

static void print_remedies(struct strbuf *out, const struct service_plan *p)
{
	const struct plan_cause *c = NULL;
	const char *said[REMEDIES_MAX];
	int n = 0, more = 0, i;

	if (p->path == PATH_KERNEL || list_empty(&p->causes))
		return;
	strbuf_addf(out, "To move %s to the kernel:\n", p->fe->name);
	while ((c = next_cause(p, c))) {
		if (c->kind == CAUSE_DIFFERENT || !c->remedy || c->acceptable)
			continue;
		for (i = 0; i < n && strcmp(said[i], c->remedy) != 0; i++)
			;
		if (i < n)
			continue;
		if (n == REMEDIES_MAX) {
			more++;
			continue;
		}
		said[n++] = c->remedy;
		if (c->removable)
			c = print_removal(out, p, c);
		else
			strbuf_addf(out, "  %s\n", c->remedy);
	}
	if (more)
		strbuf_addf(out, "  and %d more: 'show datapath json' on the stats socket\n", more);
	print_acceptable(out, p);
}

static void each_plan(const struct config *cfg, struct strbuf *out,
		      void (*fn)(struct strbuf *, const struct service_plan *))
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		if (px->plan)
			fn(out, px->plan);
}

static int count_plans(const struct config *cfg)
{
	struct proxy *px;
	int n = 0;

	list_for_each_entry(px, &cfg->proxies, node)
		n += px->plan != NULL;
	return n;
}

/* "this host (6.1.0-28, eth0 mlx5 native XDP)" */
static void print_host(struct strbuf *out, const struct host_caps *h)
{
	strbuf_addf(out, "planned for: this host (%s", h->release);
	for (int i = 0; i < h->nifaces; i++) {
		strbuf_addf(out, ", %s", h->iface[i].name);
		if (!h->iface[i].exists)
			strbuf_adds(out, " missing");
		else if (h->iface[i].driver[0])
			strbuf_addf(out, " %s", h->iface[i].driver);
	}
	strbuf_adds(out, ")\n");
}

static void print_needs(const struct config *cfg, struct strbuf *out)
{
	const struct datapath_conf *dp = cfg->global.datapath;
	struct proxy *px;
	bool kernel = false;

	list_for_each_entry(px, &cfg->proxies, node)
		kernel |= px->plan && px->plan->path == PATH_KERNEL;
	if (!kernel)
		return;
	/* Documentation/decisions: 128 + 4 + 24 bytes a guaranteed flow */
	strbuf_addf(out, "Needs: flows %u = %u MB; NAT ports %u per source and server.\n",
		    dp->flows, (unsigned int)((uint64_t)dp->flows * 156 >> 20),
		    dp->port_hi - dp->port_lo + 1u);
}

void plan_print(const struct config *cfg, const struct host_caps *host, struct strbuf *out)
{
	static char *const head[COLUMNS] = { (char *)"SERVICE", (char *)"LISTENS",
					     (char *)"MODE",    (char *)"PATH",
					     (char *)"FORWARD", (char *)"SERVERS",
					     (char *)"WHY" };
	int n = count_plans(cfg), i = 0;
	struct arena a;
	struct cells *rows;
	struct proxy *px;

	arena_init(&a, 0);
	rows = arena_zalloc(&a, sizeof(*rows) * (size_t)(n + 1));
	memcpy(rows[i++].cell, head, sizeof(head));
	list_for_each_entry(px, &cfg->proxies, node)
		if (px->plan)
			fill_row(&rows[i++], px->plan, &a);
	if (host)
		print_host(out, host);
	strbuf_addc(out, '\n');
	print_table(out, rows, i);
	strbuf_addc(out, '\n');
	each_plan(cfg, out, print_differences);
	each_plan(cfg, out, print_remedies);
	print_needs(cfg, out);
	arena_fini(&a);
}

static void json_cause(struct strbuf *o, const struct plan_cause *c, bool first)
{
	static const char *const kinds[] = { "blocks", "different", "refused" };
	char at[64];

	strbuf_adds(o, first ? "{\"kind\":" : ",{\"kind\":");
	strbuf_add_json(o, slice_z(kinds[c->kind]));
	if (c->at.line) {
		strbuf_adds(o, ",\"place\":");
		strbuf_add_json(o, slice_z(place_text(&c->at, at, sizeof(at))));
	}
	if (c->keyword) {
		strbuf_adds(o, ",\"keyword\":");
		strbuf_add_json(o, slice_z(c->keyword));
	}
	strbuf_adds(o, ",\"text\":");
	strbuf_add_json(o, slice_z(c->text));
	if (c->remedy) {
		strbuf_adds(o, ",\"remedy\":");
		strbuf_add_json(o, slice_z(c->remedy));
	}
	strbuf_addc(o, '}');
}

static void json_field(struct strbuf *o, const char *name, const char *value)
{
	strbuf_addc(o, ',');
	strbuf_add_json(o, slice_z(name));
	strbuf_addc(o, ':');
	strbuf_add_json(o, slice_z(value));
}

void plan_print_json(const struct config *cfg, const struct host_caps *host, struct strbuf *o)
{
	struct proxy *px;
	struct arena a;
	bool first = true;

	arena_init(&a, 0);
	strbuf_adds(o, "{\"services\":[");
	list_for_each_entry(px, &cfg->proxies, node) {
		const struct service_plan *p = px->plan;
		const struct plan_cause *c;
		bool first_cause = true;

		if (!p)
			continue;
		strbuf_adds(o, first ? "{\"service\":" : ",{\"service\":");
		first = false;
		strbuf_add_json(o, slice_z(px->name));
		json_field(o, "listens", listens_text(px, &a));
		json_field(o, "mode", proxy_mode_name(px->mode));
		json_field(o, "path", path_name(p->path));
		json_field(o, "engine", p->engine ? p->engine : "");
		json_field(o, "forward", p->forward);
		json_field(o, "why", p->why);
		strbuf_addf(o, ",\"servers\":%d,\"changed\":%s,\"causes\":[", p->nservers,
			    p->changed ? "true" : "false");
		list_for_each_entry(c, &p->causes, node) {
			json_cause(o, c, first_cause);
			first_cause = false;
		}
		strbuf_adds(o, "]}");
	}
	strbuf_adds(o, "]}\n");
	arena_fini(&a);
}
