// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What is legal but doubtful: missing timeouts, frontends that nothing reaches, servers that are ourselves.
 * Control thread, before the workers start; only for a configuration without errors.
 */
#include <stdio.h>

#include "config/language.h"
#include "config/registry.h"
#include "model/server.h"

/* As HAProxy: a frontend needs 'client', a backend with servers 'connect' and 'server'. */
static void warn_timeouts(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		bool fe = px->caps & PX_FRONTEND, be = (px->caps & PX_BACKEND) && px->nservers;

		if (px->disabled || px->mode == MODE_HEALTH || px->mode == MODE_UDP)
			continue;
		if ((!fe || px->timeout.client) &&
		    (!be || (px->timeout.connect && px->timeout.server)))
			continue;
		diag_warning(d, px->at,
			     "missing timeouts for %s '%s'\n"
			     "Without them, a client or server that falls silent keeps its "
			     "connection for ever.\n"
			     "Set 'timeout client', 'timeout connect' and 'timeout server', best "
			     "in 'defaults'.",
			     proxy_kind(px), px->name);
	}
}

static void warn_frontends(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (!(px->caps & PX_FRONTEND) || px->disabled)
			continue;
		if (list_empty(&px->binds))
			diag_warning(d, px->at, "%s '%s' has no 'bind' line: nothing can reach it",
				     proxy_kind(px), px->name);
	}
}

/* A defaults section that one proxy names and another gets because it is the last: soon one of them is surprised. */
static void warn_mixed_defaults(struct config *cfg, struct diag *d)
{
	const struct proxy *px, *other;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (!px->from || px->from_explicit || !*px->from->name)
			continue;
		list_for_each_entry(other, &cfg->proxies, node) {
			if (other->from != px->from || !other->from_explicit)
				continue;
			diag_warning_once(d,
					  arena_printf(&cfg->arena, "mixed defaults %p",
						       (const void *)px->from),
					  px->at,
					  "%s '%s' uses 'defaults %s' because it is the last one, "
					  "%s '%s' names it: "
					  "don't mix both\nsay 'from %s' here, too, or add a last "
					  "defaults section that nobody names",
					  proxy_kind(px), px->name, px->from->name,
					  proxy_kind(other), other->name, px->from->name);
			break;
		}
	}
}

static void warn_http_only(struct config *cfg, struct diag *d)
{
	const struct proxy *px;
	const struct cfg_use *u, *last = NULL;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (px->mode == MODE_HTTP || px->mode == MODE_HEALTH)
			continue;
		list_for_each_entry(u, &px->uses, node) {
			const struct cfg_keyword *k =
				registry_keyword_named(u->name, CFG_ANY_PROXY);
			char cause[160];

			/* a line may be noted twice: by the reader and by the module that read it */
			if (!k || !(k->flags & CFG_HTTP_ONLY) ||
			    (last && last->at.text == u->at.text && !u->inherited))
				continue;
			last = u;
			snprintf(cause, sizeof(cause), "%s in mode tcp, line %d of %s", u->name,
				 u->at.line, u->at.file);
			diag_warning_once(d, cause, u->at,
					  "'%s' ignored for %s '%s' as it requires HTTP mode",
					  u->name, proxy_kind(px), px->name);
		}
	}
}

static const struct cfg_check checks[] = {
	{ "bind lines", CFG_PHASE_WARN, warn_frontends },
	{ "mixed defaults", CFG_PHASE_WARN, warn_mixed_defaults },
	{ "http only", CFG_PHASE_WARN, warn_http_only },
	{ "loops", CFG_PHASE_WARN, check_warn_loops },
	{ "timeouts", CFG_PHASE_WARN, warn_timeouts },
};

void warnings_init(void)
{
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
