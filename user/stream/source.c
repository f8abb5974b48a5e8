// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * source.c - where connections to servers come from. See source.h. Not for: binding (transport/conn_out.c).
 */
#include "stream/source.h"
#include "base/arena.h"
#include "base/coverage.h"
#include "config/address.h"
#include "policy/sample.h"
#include "stream/ends.h"
#include "stream/upstream.h"
#include <errno.h>
#include <linux/capability.h>
#include <stdlib.h>

/* A port is used by one connection at a time, whichever worker made it. */
struct port_range {
	uint16_t low;
	uint32_t n;
	_Atomic uint32_t next; /* where the search begins: ports rest as long as possible */
	_Atomic bool used[];
};

static uint16_t port_take(struct port_range *r)
{
	for (uint32_t tries = 0; tries < r->n; tries++) {
		uint32_t i = atomic_fetch_add(&r->next, 1) % r->n;

		if (!atomic_exchange(&r->used[i], true))
			return (uint16_t)(r->low + i);
	}
	return 0;
}

const struct source_conf *source_of(const struct server *srv)
{
	return srv->source ? srv->source : srv->px->source;
}

uint16_t source_port_of(const struct server *srv, const struct conn_origin *from)
{
	const struct source_conf *c = source_of(srv);

	return c && c->ports && !from->foreign ? from->addr.port : 0;
}

void source_give_back(const struct server *srv, uint16_t port)
{
	const struct source_conf *c = source_of(srv);

	if (port && c && c->ports)
		atomic_store(&c->ports->used[port - c->ports->low], false);
}

static int own_address(const struct source_conf *c, struct conn_origin *out)
{
	out->addr = c->addr;
	if (!c->ports)
		return 0;
	out->addr.port = port_take(c->ports);
	return out->addr.port ? 0 : -EADDRNOTAVAIL;
}

int source_for_check(const struct server *srv, struct conn_origin *out)
{
	const struct source_conf *c = source_of(srv);

	if (!c)
		return 0;
	out->iface = c->iface;
	return own_address(c, out);
}

/* false: nobody to pretend to be. */
static bool pretended(struct stream *s, const struct source_conf *c, struct addr *a)
{
	struct smp_ctx ctx = {
		.sess = s->sess, .stream = s, .final = true, .scratch = worker_scratch()
	};
	struct sample smp;
	bool found;

	switch (c->pretend) {
	case SOURCE_OWN:
		return false;
	case SOURCE_FIXED:
		*a = c->pretended;
		return true;
	case SOURCE_CLIENT:
	case SOURCE_CLIENTIP:
		*a = *stream_src(s);
		if (c->pretend == SOURCE_CLIENTIP)
			a->port = 0;
		return a->family == ADDR_IP4 || a->family == ADDR_IP6;
	case SOURCE_HEADER:
		if (s->hooks->sample_ctx)
			s->hooks->sample_ctx(s, &ctx);
		found = expr_eval(c->header, &ctx, SMP_ADDR, &smp);
		*a = smp.u.a;
		a->port = 0;
		arena_reset(worker_scratch());
		return found;
	}
	return false;
}

bool source_pretends(struct stream *s, struct addr *out)
{
	const struct source_conf *c = source_of(s->srv);

	return c && pretended(s, c, out);
}

int source_for_stream(struct stream *s, struct conn_origin *out)
{
	const struct source_conf *c = source_of(s->srv);

	if (!c)
		return 0;
	out->iface = c->iface;
	if (c->pretend != SOURCE_OWN && pretended(s, c, &out->addr)) {
		out->foreign = true;
		return 0;
	}
	return own_address(c, out);
}

/* ---- words ---- */

#define SOURCE_USAGE                                       \
	"source <address>[:<port>[-<port>]] [usesrc "      \
	"<address>[:<port>]|client|clientip|hdr_ip(<name>" \
	"[,<occurrence>])] [interface <name>]"

static int take_address(struct cfg_line *l, int i, struct source_conf *c, bool range)
{
	unsigned int flags =
		CFG_ADDR_PORT | CFG_ADDR_STAR | CFG_ADDR_NAME | (range ? CFG_ADDR_RANGE : 0);
	struct cfg_address a;

	if (i >= l->nwords)
		return cfg_error(l, l->nwords - 1, "'source' needs an address: " SOURCE_USAGE);
	if (cfg_address_parse(l, i, l->words[i].z, flags, &a) < 0)
		return -1;
	if (!a.is_any || a.addr.port)
		c->addr = a.addr;
	if (a.port_kind == CFG_PORT_RANGE) {
		uint32_t n = (uint32_t)(a.port_end - a.addr.port + 1);

		c->ports = arena_zalloc(l->arena, sizeof(*c->ports) + n * sizeof(_Atomic bool));
		c->ports->low = a.addr.port;
		c->ports->n = n;
	}
	return 0;
}

/* "hdr_ip(name[,occ])" */
static int take_header(struct cfg_line *l, int i, struct source_conf *c)
{
	const char *z = l->words[i].z;
	size_t n = strlen(z);

	if (n < 9 || z[n - 1] != ')')
		return cfg_error(l, i,
				 "'usesrc hdr_ip' needs the name of a header in parentheses: "
				 "hdr_ip(<name>[,<occurrence>])");
	c->pretend = SOURCE_HEADER;
	c->header = expr_parse(l, i, arena_printf(l->arena, "req.%s", z),
			       SMP_WHERE_HTTP_REQ | SMP_W_BACKEND);
	return c->header ? 0 : -1;
}

static int take_usesrc(struct cfg_line *l, int i, struct source_conf *c)
{
	const char *z = i < l->nwords ? l->words[i].z : "";
	struct cfg_address a;

	if (c->ports)
		return cfg_error(l, i - 1, "'usesrc' and a range of ports do not go together");
	c->at = cfg_place(l, i - 1);
	cfg_note_use(l, "server-option/source", "usesrc", KERNEL_NEVER,
		     "connections under another address are made by the daemon");
	if (!*z)
		return cfg_error(l, i - 1,
				 "'usesrc' needs an address, client, clientip or hdr_ip(<name>)");
	if (!strcmp(z, "client")) {
		c->pretend = SOURCE_CLIENT;
	} else if (!strcmp(z, "clientip")) {
		c->pretend = SOURCE_CLIENTIP;
	} else if (!strncmp(z, "hdr_ip(", 7)) {
		return take_header(l, i, c);
	} else {
		if (cfg_address_parse(l, i, z, CFG_ADDR_PORT | CFG_ADDR_NAME, &a) < 0)
			return -1;
		c->pretend = SOURCE_FIXED;
		c->pretended = a.addr;
	}
	return 0;
}

/* From the address at word *@i on. */
static int take_source(struct cfg_line *l, int *i, bool range, struct source_conf **out)
{
	struct source_conf *c = ARENA_NEW(l->arena, struct source_conf);

	if (take_address(l, *i, c, range) < 0)
		return -1;
	++*i;
	while (*i < l->nwords) {
		const char *z = l->words[*i].z;

		if (!strcmp(z, "usesrc")) {
			if (take_usesrc(l, *i + 1, c) < 0)
				return -1;
		} else if (!strcmp(z, "interface")) {
			if (*i + 1 >= l->nwords)
				return cfg_error(l, *i,
						 "'interface' needs the name of an interface");
			c->iface = l->words[*i + 1].z;
			cfg_note_use(l, "server-option/source", "interface", KERNEL_NEVER,
				     "the packet program sends by the routing table");
		} else {
			break;
		}
		coverage_note("server-option/source", z);
		*i += 2;
	}
	*out = c;
	return 0;
}

static int parse_source(struct cfg_line *l)
{
	int i = l->first_arg;

	if (take_source(l, &i, false, &l->px->source) < 0)
		return -1;
	if (i < l->nwords)
		return cfg_error(l, i, "'%s' is not expected here; usage: " SOURCE_USAGE,
				 l->words[i].z);
	return 0;
}

static int parse_server_source(struct cfg_line *l, int *i, struct server *s)
{
	++*i;
	return take_source(l, i, true, &s->source);
}

/* Connections are made long after privileges were given up. */
static void check_one(const struct config *cfg, const struct source_conf *c, struct diag *d)
{
	const uint64_t enough = 1ull << CAP_NET_ADMIN | 1ull << CAP_NET_RAW;

	if (c && c->pretend != SOURCE_OWN && cfg->global.uid &&
	    !(cfg->global.kept_capabilities & enough))
		diag_error(d, c->at,
			   "'usesrc' needs CAP_NET_ADMIN, which 'user %s' gives up: write 'setcap "
			   "cap_net_admin' in the global section, or leave 'user' out",
			   cfg->global.user ? cfg->global.user : "");
}

static void check_privileges(struct config *cfg, struct diag *d)
{
	struct server *srv;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (px->caps & PX_BACKEND)
			check_one(cfg, px->source, d);
		list_for_each_entry(srv, &px->servers, node)
			check_one(cfg, srv->source, d);
	}
}

static const struct cfg_check checks[] = {
	{ "usesrc", CFG_PHASE_WARN, check_privileges },
};

static const struct cfg_keyword keywords[] = {
	{ "source", CFG_DEFAULTS | CFG_BACKEND, parse_source, KERNEL_EXACT, NULL, SOURCE_USAGE,
	  "The address that connections to servers come from; with usesrc they pretend another "
	  "one, "
	  "which the servers must route back through this host (CAP_NET_ADMIN).",
	  0 },
};

static const struct server_option server_options[] = {
	{ "source", parse_server_source, KERNEL_EXACT, NULL, SOURCE_USAGE,
	  "The address that connections to this server come from; a range of ports is used one "
	  "connection a port." },
};

static void walk(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	emit(ctx, "server-option/source", "interface");
	emit(ctx, "server-option/source", "usesrc");
}

void source_init(void)
{
	static const struct name_walker walker = { "cfg", walk };

	names_register(&walker);
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_server_options(server_options, ARRAY_SIZE(server_options));
}
