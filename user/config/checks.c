// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Checks over the whole configuration once it is read: names to proxies, ids, live state. What is doubtful: warnings.c.
 * Control thread, before the workers start.
 */
#include <stdlib.h>

#include "balance/build.h"
#include "config/language.h"
#include "model/server.h"

/* ---- resolve ---- */

static void resolve_default_backend(struct config *cfg, struct diag *d, struct proxy *px)
{
	struct proxy *be;

	if (!(px->caps & PX_FRONTEND) || px->disabled || !px->default_backend_name)
		return;
	be = config_find_proxy(cfg, px->default_backend_name, PX_BACKEND);
	if (!be) {
		char near[128];
		bool is_frontend = config_find_proxy(cfg, px->default_backend_name, PX_FRONTEND);

		diag_error(d, px->default_backend_at, "%s '%s': default_backend: %s '%s'%s",
			   proxy_kind(px), px->name,
			   is_frontend ? "this is a frontend, not a backend:"
				       : "there is no backend",
			   px->default_backend_name,
			   is_frontend ? ""
				       : config_did_you_mean(cfg, px->default_backend_name,
							     PX_BACKEND, near, sizeof(near)));
		return;
	}
	if (be->mode == MODE_HTTP && px->mode == MODE_TCP) {
		diag_error(d, px->default_backend_at,
			   "%s '%s' (mode tcp) cannot use %s '%s' (mode http, %s:%d): to turn a "
			   "tcp connection into http is "
			   "HAProxy's, lbd does not have it yet\nuse 'mode http' in both",
			   proxy_kind(px), px->name, proxy_kind(be), be->name, be->at.file,
			   be->at.line);
		return;
	}
	if (be->mode != px->mode) {
		diag_error(d, px->default_backend_at,
			   "%s '%s' (mode %s) cannot use %s '%s' (mode %s, %s:%d): both must have "
			   "the same mode",
			   proxy_kind(px), px->name, proxy_mode_name(px->mode), proxy_kind(be),
			   be->name, proxy_mode_name(be->mode), be->at.file, be->at.line);
		return;
	}
	px->default_backend = be;
}

/* Datagrams belong to mode udp, and nothing else does. */
static void check_bind_kinds(const struct proxy *px, struct diag *d)
{
	const struct bind_conf *b;
	const struct bind_address *x;

	list_for_each_entry(b, &px->binds, node) {
		list_for_each_entry(x, &b->addresses, node) {
			if (x->is_udp == (px->mode == MODE_UDP))
				continue;
			diag_error(d, b->at,
				   x->is_udp ? "%s '%s': 'bind %s' is for datagrams, which need "
					       "'mode udp', not 'mode %s'"
					     : "%s '%s': 'bind %s' is no address for datagrams\nin "
					       "'mode %s' write udp@ADDRESS:PORT",
				   proxy_kind(px), px->name, b->spec, proxy_mode_name(px->mode));
			break;
		}
	}
}

static void check_bind_ids(const struct proxy *px, struct diag *d)
{
	const struct bind_conf *b, *other;

	list_for_each_entry(b, &px->binds, node) {
		if (!b->id)
			continue;
		list_for_each_entry(other, &px->binds, node) {
			if (other == b)
				break;
			if (other->id == b->id)
				diag_error(d, b->at,
					   "%s '%s': 'bind %s' has the same id %u as 'bind %s' at "
					   "%s:%d",
					   proxy_kind(px), px->name, b->spec, b->id, other->spec,
					   other->at.file, other->at.line);
		}
	}
}

static void check_resolve(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		resolve_default_backend(cfg, d, px);
		check_bind_kinds(px, d);
		check_bind_ids(px, d);
	}
}

/* ---- derive ---- */

struct id_holder {
	uint32_t id;
	const struct proxy *px;
};

static int by_id(const void *a, const void *b)
{
	const struct id_holder *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/* Explicit ids are kept, the others take the first free number in file order, from 2 on. */
static void derive_proxy_ids(struct config *cfg, struct diag *d)
{
	struct id_holder *used;
	size_t n = 0, at = 0;
	uint32_t next = 2;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		n++;
	used = xmalloc((n + 1) * sizeof(*used));
	n = 0;
	list_for_each_entry(px, &cfg->proxies, node)
		if (px->uuid)
			used[n++] = (struct id_holder){ px->uuid, px };
	qsort(used, n, sizeof(*used), by_id);
	for (size_t i = 1; i < n; i++)
		if (used[i].id == used[i - 1].id)
			diag_error(d, used[i].px->at,
				   "%s '%s' has the same id %u as %s '%s' at %s:%d",
				   proxy_kind(used[i].px), used[i].px->name, used[i].id,
				   proxy_kind(used[i - 1].px), used[i - 1].px->name,
				   used[i - 1].px->at.file, used[i - 1].px->at.line);
	list_for_each_entry(px, &cfg->proxies, node) {
		if (px->uuid)
			continue;
		for (; at < n && used[at].id <= next; at++)
			next += used[at].id == next;
		px->uuid = next++;
	}
	free(used);
}

static int by_name(const void *a, const void *b)
{
	const struct server *x = *(struct server *const *)a, *y = *(struct server *const *)b;
	int c = strcmp(x->name, y->name);

	return c ? c : x->index < y->index ? -1 : 1;
}

static void check_server_names(struct diag *d, const struct proxy *px, struct server **list)
{
	struct server *s;
	int n = 0;

	list_for_each_entry(s, &px->servers, node)
		list[n++] = s;
	qsort(list, n, sizeof(*list), by_name);
	for (int i = 1; i < n; i++)
		if (!strcmp(list[i]->name, list[i - 1]->name))
			diag_error(d, list[i]->at,
				   "backend '%s', server '%s': there is another server of this "
				   "name at %s:%d",
				   px->name, list[i]->name, list[i - 1]->at.file,
				   list[i - 1]->at.line);
}

static void derive_server_ids(struct diag *d, struct proxy *px, uint32_t *id, struct server **list)
{
	struct server *s;
	size_t n = 0, dup = 0;

	list_for_each_entry(s, &px->servers, node) {
		list[n] = s;
		id[n++] = s->puid;
	}
	if (lb_ids_assign(id, n, &dup)) {
		size_t first = 0;

		while (first < dup && list[first]->puid != list[dup]->puid)
			first++;
		diag_error(
			d, list[dup]->at,
			"backend '%s', server '%s': id %u is already used by server '%s' at %s:%d",
			px->name, list[dup]->name, list[dup]->puid, list[first]->name,
			list[first]->at.file, list[first]->at.line);
		return;
	}
	n = 0;
	list_for_each_entry(s, &px->servers, node)
		s->puid = id[n++];
}

static void derive_servers(struct config *cfg, struct diag *d)
{
	struct server **list = NULL;
	uint32_t *id = NULL;
	int room = 0;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (px->nservers < 1)
			continue;
		if (px->nservers > room) {
			room = px->nservers;
			list = xrealloc(list, room * sizeof(*list));
			id = xrealloc(id, room * sizeof(*id));
		}
		check_server_names(d, px, list);
		derive_server_ids(d, px, id, list);
	}
	free(list);
	free(id);
}

static void derive_live(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		struct server *s;

		list_for_each_entry(s, &px->servers, node)
			server_live_init(s);
		if (px->retries < 0)
			px->retries = 3;
		if ((px->caps & PX_BACKEND) && !px->timeout.queue)
			px->timeout.queue = px->timeout.connect;
	}
}

static const struct cfg_check checks[] = {
	{ "default_backend", CFG_PHASE_RESOLVE, check_resolve },
	{ "proxy ids", CFG_PHASE_DERIVE, derive_proxy_ids },
	{ "servers", CFG_PHASE_DERIVE, derive_servers },
	{ "live state", CFG_PHASE_DERIVE, derive_live },
};

void checks_init(void)
{
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
