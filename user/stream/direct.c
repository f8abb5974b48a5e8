// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * direct.c - `dispatch` and `option transparent`: a backend without `balance` sends what belongs to no server to one address, or to
 * the one that the client asked for. That is a server without a name (proxy.direct): in no list, no statistics, never checked.
 * Control thread, before the workers start.
 */
#include "stream/direct.h"
#include "balance/private.h"
#include "config/address.h"

struct direct_conf {
	bool dispatch, transparent;
	struct addr addr; /* of dispatch */
};

static struct ext direct_ext = { .name = "direct", .bytes = sizeof(struct direct_conf) };

static struct direct_conf *conf_of(const struct proxy *px)
{
	return proxy_ext(px, &direct_ext);
}

static struct server *direct_server(struct config *cfg, struct proxy *px,
				    const struct direct_conf *c)
{
	struct server *usual = px->default_server, *s;

	px->default_server = NULL; /* it is none of the section's servers */
	s = server_new(cfg, px, "<NOSRV>", px->at);
	px->default_server = usual;
	if (c->dispatch) {
		s->addr = c->addr;
	} else {
		s->addr.family = ADDR_IP4; /* 0.0.0.0: where the client wanted to go */
		s->port_is_offset = true;
	}
	atomic_store(&s->live.oper, SRV_RUNNING);
	atomic_store(&s->live.uweight, 1);
	atomic_store(&s->live.eweight, 1);
	s->live.addr = s->addr;
	return s;
}

static void derive(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		const struct direct_conf *c = conf_of(px);

		if ((px->caps & PX_BACKEND) && (c->dispatch || c->transparent) &&
		    !balance_conf_of(px)->algo)
			px->direct = direct_server(cfg, px, c);
	}
}

static int parse_dispatch(struct cfg_line *l)
{
	const unsigned int flags =
		CFG_ADDR_PORT | CFG_ADDR_NEED_PORT | CFG_ADDR_NAME | CFG_ADDR_STAR;
	struct direct_conf *c = conf_of(l->px);
	struct cfg_address a;

	if (cfg_want_args(l, 1, 1, "dispatch <address>:<port>") ||
	    cfg_address_parse(l, l->first_arg, cfg_arg(l, 0), flags, &a))
		return -1;
	c->dispatch = true;
	c->addr = a.addr;
	return 0;
}

static int parse_transparent(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option transparent"))
		return -1;
	conf_of(l->px)->transparent = !l->negated && !l->is_default;
	return 0;
}

#define SAYS "the packet program has no server to send to"

static const struct cfg_keyword keywords[] = {
	{ "dispatch", CFG_BACKEND, parse_dispatch, KERNEL_NEVER, SAYS, "dispatch <address>:<port>",
	  "Where connections go that belong to no server, in a backend without 'balance'." },
	{ "option transparent", CFG_DEFAULTS | CFG_BACKEND, parse_transparent, KERNEL_NEVER, SAYS,
	  "option transparent",
	  "Connections that belong to no server go where the client wanted to go, in a backend "
	  "without 'balance'.",
	  CFG_CAN_NEGATE },
	{ "transparent", CFG_DEFAULTS | CFG_BACKEND, parse_transparent, KERNEL_NEVER, SAYS,
	  "transparent", "write 'option transparent'", CFG_CAN_NEGATE | CFG_DEPRECATED },
};

static const struct cfg_check checks[] = {
	{ "dispatch", CFG_PHASE_DERIVE, derive },
};

static void walk(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	emit(ctx, "legacy-removed", "dispatch");
	emit(ctx, "legacy-removed", "option transparent");
}

void direct_init(void)
{
	static const struct name_walker walker = { "cfg", walk };

	names_register(&walker);
	ext_register(EXT_PROXY, &direct_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
