// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * persist.c - `use-server`, `force-persist`, `ignore-persist`. Parsing and resolving: control thread; running: the stream's
 * worker. Cost: O(n) in the rules; a name made at run time is searched among the backend's servers.
 */
#include "log/log.h"
#include "model/server.h"
#include "policy/acl.h"
#include "policy/persist.h"
#include "policy/rules_priv.h"
#include "stream/stream.h"

struct server_rule {
	struct list node;
	const char *name;
	struct place at;
	struct server *srv; /* NULL: by @format */
	struct logformat *format;
	struct cond *cond;
};

struct persist_rule {
	struct list node;
	struct cond *cond;
	uint16_t flag; /* STREAM_FORCE_PERSIST or STREAM_IGNORE_PERSIST */
};

struct persist_conf {
	struct list servers, persist; /* set up by the first rule of either kind */
	bool any;
};
static struct ext persist_ext = { .name = "use-server", .bytes = sizeof(struct persist_conf) };

/* Backend rules run when the request is there and the backend is known. */
#define WHERE_PICK (SMP_WHERE_TCP_REQ | SMP_W_BACKEND)

static struct persist_conf *conf_of(struct proxy *px)
{
	struct persist_conf *pc = proxy_ext(px, &persist_ext);

	if (!pc->any) {
		list_init(&pc->servers);
		list_init(&pc->persist);
		pc->any = true;
	}
	return pc;
}

/* ---- parsing ---- */

/* The condition, which these keywords cannot do without, from argument @k. */
static struct cond *needed_cond(struct cfg_line *l, int k, const char *usage)
{
	const char *z = cfg_arg(l, k);

	if (strcmp(z, "if") && strcmp(z, "unless")) {
		cfg_error(l, cfg_argc(l) > k ? l->first_arg + k : l->nwords - 1,
			  "a condition is needed here: %s", usage);
		return NULL;
	}
	return cond_parse(l, l->first_arg + k, WHERE_PICK);
}

static int parse_use_server(struct cfg_line *l)
{
	static const char usage[] = "use-server <server> {if|unless} <condition>";
	struct server_rule *r = ARENA_NEW(l->arena, struct server_rule);

	if (cfg_want_args(l, 1, -1, usage))
		return -1;
	r->name = cfg_arg(l, 0);
	r->at = cfg_place(l, l->first_arg);
	if (strchr(r->name, '%')) {
		r->format = logformat_parse(l, l->first_arg, r->name, WHERE_PICK);
		if (!r->format)
			return -1;
	}
	r->cond = needed_cond(l, 1, usage);
	if (!r->cond)
		return -1;
	list_add_tail(&conf_of(l->px)->servers, &r->node);
	return 0;
}

static int parse_persist(struct cfg_line *l, uint16_t flag, const char *usage)
{
	struct persist_rule *r = ARENA_NEW(l->arena, struct persist_rule);

	r->flag = flag;
	r->cond = needed_cond(l, 0, usage);
	if (!r->cond)
		return -1;
	list_add_tail(&conf_of(l->px)->persist, &r->node);
	return 0;
}

static int parse_force(struct cfg_line *l)
{
	return parse_persist(l, STREAM_FORCE_PERSIST, "force-persist {if|unless} <condition>");
}

static int parse_ignore(struct cfg_line *l)
{
	return parse_persist(l, STREAM_IGNORE_PERSIST, "ignore-persist {if|unless} <condition>");
}

#define SAYS "rules choose the server of each connection"

static const struct cfg_keyword keywords[] = {
	{ .name = "use-server",
	  .sections = CFG_BACKEND,
	  .parse = parse_use_server,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "use-server <server> {if|unless} <condition>",
	  .help = "Sends the stream to this server when the condition holds and the server is up; "
		  "the first rule that holds wins. The name may be a log-format." },
	{ .name = "force-persist",
	  .sections = CFG_BACKEND,
	  .parse = parse_force,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "force-persist {if|unless} <condition>",
	  .help = "Streams for which the condition holds reach the server that use-server, a "
		  "cookie "
		  "or a stick table names even when it is down." },
	{ .name = "ignore-persist",
	  .sections = CFG_BACKEND,
	  .parse = parse_ignore,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "ignore-persist {if|unless} <condition>",
	  .help = "Cookies choose no server for streams for which the condition holds; stick "
		  "tables and "
		  "use-server still do." },
};

/* ---- names ---- */

static struct server *server_named(const struct proxy *px, struct slice name)
{
	struct server *s;

	list_for_each_entry(s, &px->servers, node)
		if (slice_eq_z(name, s->name))
			return s;
	return NULL;
}

static void check_names(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server_rule *r;

	list_for_each_entry(px, &cfg->proxies, node) {
		struct persist_conf *pc = proxy_ext(px, &persist_ext);

		if (!pc->any)
			continue;
		list_for_each_entry(r, &pc->servers, node) {
			if (r->format)
				continue;
			r->srv = server_named(px, slice_z(r->name));
			if (!r->srv)
				diag_error(d, r->at,
					   "%s '%s': use-server: there is no server '%s' here",
					   proxy_kind(px), px->name, r->name);
		}
	}
}

static const struct cfg_check checks[] = { { "use-server", CFG_PHASE_RESOLVE, check_names } };

/* ---- running ---- */

bool persist_has_rules(const struct proxy *be)
{
	return ((const struct persist_conf *)proxy_ext(be, &persist_ext))->any ||
	       persist_rdp_wanted(be);
}

bool persist_may_use(const struct stream *s, const struct server *srv)
{
	return (srv->live.oper != SRV_STOPPED && !(srv->live.admin & SRV_ADM_MAINT)) ||
	       (s->be->options & PX_O_PERSIST) || (s->flags & STREAM_FORCE_PERSIST);
}

static struct server *chosen(const struct server_rule *r, struct stream *s,
			     const struct smp_ctx *ctx)
{
	struct log_ctx lc = {
		.sess = s->sess, .stream = s, .http = ctx->http, .fe = s->sess->fe, .be = s->be
	};
	struct strbuf name = STRBUF_INIT;
	struct server *srv = r->srv;

	if (r->format) {
		logformat_write(r->format, &name, &lc, ctx);
		srv = name.n ? server_named(s->be, strbuf_slice(&name)) : NULL;
		strbuf_fini(&name);
	}
	return srv && persist_may_use(s, srv) ? srv : NULL;
}

static void run_rules(struct persist_conf *pc, struct stream *s, const struct smp_ctx *ctx)
{
	const struct persist_rule *p;
	const struct server_rule *r;

	list_for_each_entry(p, &pc->persist, node) {
		if (cond_eval(p->cond, ctx) == ACL_YES) {
			s->flags |= p->flag;
			break;
		}
	}
	list_for_each_entry(r, &pc->servers, node) {
		struct server *srv = cond_eval(r->cond, ctx) == ACL_YES ? chosen(r, s, ctx) : NULL;

		if (srv) {
			s->srv = srv;
			s->persistent = true;
			return;
		}
	}
}

void persist_run_rules(struct stream *s, const struct smp_ctx *ctx)
{
	struct persist_conf *pc = proxy_ext(s->be, &persist_ext);

	if (s->flags & STREAM_PERSIST_RAN)
		return;
	s->flags |= STREAM_PERSIST_RAN;
	if (pc->any)
		run_rules(pc, s, ctx);
	if (!s->srv && !(s->flags & STREAM_IGNORE_PERSIST) && persist_rdp_wanted(s->be))
		persist_rdp_run(s, ctx);
}

void persist_register(void)
{
	ext_register(EXT_PROXY, &persist_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	persist_rdp_register();
}
