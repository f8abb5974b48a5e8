// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The configuration of this process: making it, and finding things in it. Built by the control thread, immutable
 * once the workers run.
 */
#include "model/config.h"

#include <stdio.h>
#include <xxhash.h>

#include "model/proxy.h"

struct config *config;
const char *option_localpeer;

struct config *config_new(struct diag *d)
{
	struct config *cfg = xzalloc(sizeof(*cfg));
	struct global *g = &cfg->global;

	arena_init(&cfg->arena, 256 * 1024);
	list_init(&cfg->proxies);
	list_init(&cfg->defaults);
	list_init(&cfg->pattern_refs);
	list_init(&g->log_targets);
	list_init(&g->stats_listeners);
	cfg->diag = d;
	g->bufsize = 16384;
	g->maxrewrite = 1024;
	g->stats_timeout_ms = 10000;
	g->stats_maxconn = 10;
	g->uid = g->gid = 0;
	g->unix_uid = g->unix_gid = g->unix_mode = (uint32_t)-1;
	return cfg;
}

static struct proxy **bucket(struct config *cfg, const char *name)
{
	return &cfg->by_name[XXH64(name, strlen(name), 0) % CONFIG_NAME_BUCKETS];
}

void config_add_proxy(struct config *cfg, struct proxy *px)
{
	struct proxy **at = bucket(cfg, px->name);

	list_add_tail(&cfg->proxies, &px->node);
	while (*at)
		at = &(*at)->name_next;
	*at = px;
}

struct proxy *config_find_proxy(struct config *cfg, const char *name, unsigned int caps)
{
	for (struct proxy *px = *bucket(cfg, name); px; px = px->name_next)
		if ((px->caps & caps) && !strcmp(px->name, name))
			return px;
	return NULL;
}

struct proxy_cursor {
	const struct list *all, *at;
	unsigned int caps;
};

static const char *next_proxy_name(void *ctx)
{
	struct proxy_cursor *c = ctx;

	while ((c->at = c->at->next) != c->all) {
		const struct proxy *px = list_entry(c->at, struct proxy, node);

		if (px->caps & c->caps)
			return px->name;
	}
	return NULL;
}

const char *config_did_you_mean(const struct config *cfg, const char *name, unsigned int caps,
				char *buf, size_t size)
{
	struct proxy_cursor c = { &cfg->proxies, &cfg->proxies, caps };
	const char *near = diag_nearest(name, next_proxy_name, &c);

	snprintf(buf, size, "%s%s%s", near ? "; did you mean '" : "", near ? near : "",
		 near ? "'?" : "");
	return buf;
}
