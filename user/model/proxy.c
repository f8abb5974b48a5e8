// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Making proxies and handing down what a defaults section says. Control thread, before the workers start.
 */
#include "model/proxy.h"

#include <xxhash.h>

static const char *const mode_names[] = {
	[MODE_TCP] = "tcp",
	[MODE_HTTP] = "http",
	[MODE_UDP] = "udp",
	[MODE_HEALTH] = "health",
};

const char *proxy_mode_name(enum proxy_mode m)
{
	return mode_names[m];
}

const char *proxy_kind(const struct proxy *px)
{
	if (px->caps & PX_DEFAULTS)
		return "defaults";
	if ((px->caps & (PX_FRONTEND | PX_BACKEND)) == (PX_FRONTEND | PX_BACKEND))
		return "listen";
	return px->caps & PX_FRONTEND ? "frontend" : "backend";
}

/* Identity over reloads: kind and name, so that a frontend and a backend of one name differ. */
static uint64_t stable_id(const struct proxy *px)
{
	uint64_t h = XXH64(proxy_kind(px), strlen(proxy_kind(px)), 0);

	return XXH64(px->name, strlen(px->name), h);
}

struct proxy *proxy_new(struct config *cfg, const char *name, unsigned int caps, struct place at)
{
	struct proxy *px = ARENA_NEW(&cfg->arena, struct proxy);

	list_init(&px->node);
	list_init(&px->binds);
	list_init(&px->servers);
	list_init(&px->rule_sets);
	list_init(&px->acls);
	list_init(&px->log_targets);
	list_init(&px->uses);
	px->name = name;
	px->caps = caps;
	px->at = at;
	px->retries = -1;
	px->stable_id = stable_id(px);
	px->ext = arena_zalloc(&cfg->arena, ext_total(EXT_PROXY));
	ext_init_all(EXT_PROXY, px->ext);
	return px;
}

/* The planner sees an inherited line with its own place, as long as the section does not say the same itself. */
static void inherit_uses(struct proxy *px, const struct proxy *from, struct arena *a)
{
	const struct cfg_use *u;

	list_for_each_entry(u, &from->uses, node) {
		struct cfg_use *copy = ARENA_NEW(a, struct cfg_use);

		*copy = *u;
		copy->inherited = true;
		list_add_tail(&px->uses, &copy->node);
	}
}

void proxy_inherit(struct proxy *px, const struct proxy *from, struct arena *a)
{
	px->mode = from->mode;
	px->disabled = from->disabled;
	px->options = from->options;
	px->no_options = from->no_options;
	px->timeout = from->timeout;
	px->source = from->source;
	px->log_global = from->log_global;
	px->log_tag = from->log_tag;
	px->log_format = from->log_format;
	px->log_format_sd = from->log_format_sd;
	px->error_log_format = from->error_log_format;
	if (px->caps & (PX_FRONTEND | PX_DEFAULTS)) {
		px->maxconn = from->maxconn;
		px->backlog = from->backlog;
		px->rate_limit_sessions = from->rate_limit_sessions;
		px->default_backend_name = from->default_backend_name;
		px->default_backend_at = from->default_backend_at;
	}
	if (px->caps & (PX_BACKEND | PX_DEFAULTS)) {
		px->retries = from->retries;
		px->redispatch_after = from->redispatch_after;
		px->fullconn = from->fullconn;
		px->default_server = from->default_server;
	}
	ext_inherit_all(EXT_PROXY, px->ext, from->ext, a);
	inherit_uses(px, from, a);
}
