// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Plain settings of a proxy: mode, limits, default_backend, retries... Control thread, before the workers start.
 */
#include "config/address.h"
#include "base/coverage.h"
#include "config/keyword.h"
#include "config/language.h"
#include "model/proxy.h"

static const struct mode_row {
	const char *name;
	enum proxy_mode mode;
	const char *old; /* what to write instead of an old mode */
} modes[] = {
	{ "tcp", MODE_TCP },
	{ "http", MODE_HTTP },
	{ "udp", MODE_UDP },
	{ "health", MODE_HEALTH, "write 'mode http' with 'http-request return status 200'" },
};

static int parse_mode(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "mode tcp|http|udp|health"))
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++) {
		if (strcmp(modes[i].name, cfg_arg(l, 0)))
			continue;
		l->px->mode = modes[i].mode;
		coverage_note("mode", modes[i].name);
		if (modes[i].old) {
			coverage_note("legacy-removed", "mode health");
			diag_warning_once(l->diag, "mode health", cfg_place(l, 1),
					  "'mode health' is an old form: %s", modes[i].old);
		}
		return 0;
	}
	return cfg_error(l, l->first_arg, "there is no mode '%s', only tcp, http, udp and health",
			 cfg_arg(l, 0));
}

static int parse_u32(struct cfg_line *l, int64_t min, const char *usage, uint32_t *out)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, usage) || cfg_arg_i64(l, 0, min, INT32_MAX, &v))
		return -1;
	*out = (uint32_t)v;
	return 0;
}

static int parse_maxconn(struct cfg_line *l)
{
	uint32_t n;

	if (parse_u32(l, 0, "maxconn <number>", &n))
		return -1;
	l->px->maxconn = n;
	return 0;
}

static int parse_backlog(struct cfg_line *l)
{
	return parse_u32(l, 1, "backlog <number>", &l->px->backlog);
}

static int parse_fullconn(struct cfg_line *l)
{
	return parse_u32(l, 0, "fullconn <number>", &l->px->fullconn);
}

static int parse_id(struct cfg_line *l)
{
	return parse_u32(l, 1, "id <number>", &l->px->uuid);
}

static int parse_retries(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "retries <number>") || cfg_arg_i64(l, 0, 0, 100, &v))
		return -1;
	l->px->retries = (int)v;
	return 0;
}

static int parse_default_backend(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "default_backend <name>"))
		return -1;
	l->px->default_backend_name = cfg_arg(l, 0);
	l->px->default_backend_at = cfg_place(l, l->first_arg);
	return 0;
}

static int parse_description(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, -1, "description <text>"))
		return -1;
	l->px->description = cfg_words_text(l, l->first_arg, l->nwords);
	return 0;
}

static int parse_disabled(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "disabled"))
		return -1;
	l->px->disabled = true;
	return 0;
}

static int parse_enabled(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "enabled"))
		return -1;
	l->px->disabled = false;
	return 0;
}

#define FE CFG_DEFAULTS | CFG_FRONTEND
#define BE CFG_DEFAULTS | CFG_BACKEND

static const struct cfg_keyword rows[] = {
	{ "mode", CFG_ANY_PROXY, parse_mode, KERNEL_EXACT, NULL, "mode tcp|http|udp|health",
	  "What the proxy understands of its traffic; default tcp." },
	{ "maxconn", FE, parse_maxconn, KERNEL_APPROX,
	  "a frontend's maxconn limits what passes through the daemon, not flows of the kernel",
	  "maxconn <number>",
	  "Most concurrent connections of a frontend; further ones wait in the system's backlog." },
	{ "backlog", FE, parse_backlog, KERNEL_EXACT, NULL, "backlog <number>",
	  "Length of the listening sockets' queues; default: maxconn." },
	{ "fullconn", BE, parse_fullconn, KERNEL_EXACT, NULL, "fullconn <number>",
	  "Number of connections of a backend at which its servers' minconn reaches maxconn." },
	{ "id", CFG_FRONTEND | CFG_BACKEND, parse_id, KERNEL_EXACT, NULL, "id <number>",
	  "Number of the proxy in statistics; default: the first free one." },
	{ "retries", BE, parse_retries, KERNEL_APPROX, "the client repeats its own SYN",
	  "retries <number>", "Further connection attempts after a failed one; default 3." },
	{ "default_backend", FE, parse_default_backend, KERNEL_EXACT, NULL,
	  "default_backend <name>", "Backend for what no use_backend rule takes." },
	{ "description", CFG_LISTEN, parse_description, KERNEL_EXACT, NULL, "description <text>",
	  "Text for the statistics page." },
	{ "disabled", CFG_ANY_PROXY, parse_disabled, KERNEL_EXACT, NULL, "disabled",
	  "The proxy is not started." },
	{ "enabled", CFG_ANY_PROXY, parse_enabled, KERNEL_EXACT, NULL, "enabled",
	  "Takes back an inherited 'disabled'." },
};

static void walk_modes(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(modes); i++)
		emit(ctx, "mode", modes[i].name);
	emit(ctx, "legacy-removed", "mode health");
}

void kw_proxy_init(void)
{
	static const struct name_walker walker = { "cfg", walk_modes };

	names_register(&walker);
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
