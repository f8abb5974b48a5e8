/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * plan.c - deciding each service's path. See plan.h: pure, control thread.
 * plan_service() is a list of questions; each either adds a cause or is content. The path is the highest that no cause rules out.
 */
#include "datapath/plan.h"
#include "balance/balance.h"
#include <stdio.h>

struct planning {
	const struct config *cfg;
	const struct host_caps *host;
	struct arena *arena;
	struct service_plan *plan;
	const struct datapath_px *wish;
	struct proxy *fe, *be;
};

static struct plan_cause *add_cause(struct planning *p, enum cause_kind kind, struct place at,
				    const char *keyword, const char *text, const char *remedy)
{
	struct plan_cause *c = ARENA_NEW(p->arena, struct plan_cause);

	c->kind = kind;
	c->at = at;
	c->keyword = keyword;
	c->text = text;
	c->remedy = remedy;
	list_add_tail(&p->plan->causes, &c->node);
	return c;
}

#define blocks(p, at, text, remedy) add_cause(p, CAUSE_BLOCKS, at, NULL, text, remedy)

/* ---- the questions ---- */

static void ask_host(struct planning *p)
{
	const struct datapath_conf *dp = p->cfg->global.datapath;

	if (!dp || !dp->nifaces) {
		blocks(p, p->fe->at, "no 'datapath interface' line allows attaching",
		       "add 'datapath interface <name>' to global");
		return;
	}
	if (!p->host->bpf)
		blocks(p, dp->at,
		       arena_printf(p->arena, "this host cannot load packet programs: %s",
				    p->host->bpf_why),
		       NULL);
	else if (!p->host->bpffs)
		blocks(p, dp->at,
		       arena_printf(p->arena, "'%s' cannot hold pinned maps: %s", dp->pin,
				    p->host->bpffs_why),
		       "mount -t bpf bpf /sys/fs/bpf, or name another directory with 'datapath "
		       "pin'");
	for (int i = 0; i < p->host->nifaces; i++)
		if (!p->host->iface[i].exists)
			blocks(p, dp->iface[i].at,
			       arena_printf(p->arena, "interface '%s' does not exist",
					    p->host->iface[i].name),
			       "correct the 'datapath interface' line");
}

static bool accepts(const struct datapath_px *w, const char *name)
{
	char dashed[64];
	size_t i;

	for (i = 0; name[i] && i < sizeof(dashed) - 1; i++)
		dashed[i] = name[i] == ' ' ? '-' : name[i];
	dashed[i] = 0;
	for (const char **a = w->accept; a && *a; a++)
		if (strcmp(*a, dashed) == 0)
			return true;
	return false;
}

static void ask_difference(struct planning *p, struct place at, const char *name, const char *says)
{
	add_cause(p, CAUSE_DIFFERENT, at, name, says, NULL);
	if (p->wish->wish == WISH_KERNEL || accepts(p->wish, name))
		return;
	add_cause(p, CAUSE_BLOCKS, at, name,
		  "means something else in the kernel, and 'datapath auto' takes only exact ones",
		  "use 'datapath kernel' or 'datapath accept' to take the difference")
		->acceptable = true;
}

static void ask_uses(struct planning *p, const struct list *uses)
{
	const struct cfg_use *u;

	list_for_each_entry(u, uses, node) {
		if (u->kernel == KERNEL_NEVER)
			add_cause(p, CAUSE_BLOCKS, u->at, u->name, u->kernel_says,
				  u->at.line ? arena_printf(p->arena, "remove '%s' at line %d",
							    u->name, u->at.line)
					     : NULL)
				->removable = u->at.line != 0;
		else if (u->kernel == KERNEL_APPROX)
			ask_difference(p, u->at, u->name, u->kernel_says);
	}
}

static void ask_address(struct planning *p, const struct bind_conf *b, const struct bind_address *a)
{
	if (a->path || a->fd >= 0 || a->is_udp) {
		blocks(p, b->at,
		       a->is_udp ? "udp is not on the kernel path yet"
		       : a->path
			       ? "a unix socket has no packets"
			       : "an inherited descriptor's address is not known before the start",
		       NULL);
	} else if (a->is_prefix) {
		blocks(p, b->at, "a network as a listening address is steered to sockets",
		       "bind single addresses");
	} else if (a->addr.family == ADDR_IP6) {
		blocks(p, b->at, "IPv6 listeners are not on the kernel path yet",
		       "bind an IPv4 address");
	} else if (addr_is_loopback(&a->addr)) {
		blocks(p, b->at, "a loopback address is never on the wire",
		       "bind an address of the interface");
	}
}

static bool host_has(const struct host_caps *h, const struct addr *a)
{
	for (int i = 0; i < h->nlocals; i++)
		if (h->locals[i].family == a->family && memcmp(h->locals[i].ip, a->ip, 16) == 0)
			return true;
	return false;
}

static bool same_ip(const struct addr *service, const struct addr *local)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	if (addr_is_any(service))
		return true;
	if (service->family == ADDR_IP4 && local->family == ADDR_IP6)
		return memcmp(local->ip, mapped, 12) == 0 &&
		       memcmp(local->ip + 12, service->ip, 4) == 0;
	return service->family == local->family && memcmp(service->ip, local->ip, 16) == 0;
}

/* Safety (operator.md): never the way on which somebody is logged in. */
static void ask_ssh(struct planning *p, const struct bind_conf *b, const struct bind_address *a)
{
	char peer[ADDR_TEXT_MAX], local[ADDR_TEXT_MAX];

	for (int i = 0; i < p->host->nssh; i++) {
		const struct addr *s = &p->host->ssh[i].local;

		if (s->port < a->addr.port || s->port > a->port_end || !same_ip(&a->addr, s))
			continue;
		add_cause(p, CAUSE_REFUSED, b->at, NULL,
			  arena_printf(p->arena,
				       "it would take the established SSH session %s -> %s",
				       addr_text(&p->host->ssh[i].peer, peer, sizeof(peer)),
				       addr_text(s, local, sizeof(local))),
			  "use another port or address");
		return;
	}
	if (a->addr.port <= 22 && a->port_end >= 22 &&
	    (addr_is_any(&a->addr) || host_has(p->host, &a->addr)))
		add_cause(p, CAUSE_REFUSED, b->at, NULL,
			  "port 22 of this host's own address is how one logs in here",
			  "use another port or address");
}

static void ask_binds(struct planning *p)
{
	const struct bind_conf *b;
	const struct bind_address *a;

	if (list_empty(&p->fe->binds))
		blocks(p, p->fe->at, "it listens nowhere", "add a 'bind' line");
	list_for_each_entry(b, &p->fe->binds, node) {
		ask_uses(p, &b->uses);
		list_for_each_entry(a, &b->addresses, node) {
			ask_address(p, b, a);
			if (!a->path && a->fd < 0)
				ask_ssh(p, b, a);
		}
	}
}

static void ask_server(struct planning *p, const struct server *s)
{
	const char *name = arena_printf(p->arena, "server %s", s->name);
	const char *text = NULL, *remedy = NULL;

	if (s->path || s->addr.family == ADDR_NONE)
		text = s->path ? "is a unix socket" : "has no address yet";
	else if (s->addr.family == ADDR_IP6)
		text = "is IPv6, which is not on the kernel path yet";
	else if (s->port_is_offset)
		text = "takes its port from the client's";
	else if (addr_is_loopback(&s->addr))
		text = "is loopback", remedy = "an address that other hosts can reach";
	else if (host_has(p->host, &s->addr))
		text = "is this host itself", remedy = "an address of another host";
	if (text)
		add_cause(p, CAUSE_BLOCKS, s->at, name, text,
			  remedy ? arena_printf(p->arena, "give %s %s", s->name, remedy) : NULL);
	ask_uses(p, &s->uses);
}

static void ask_backend(struct planning *p)
{
	const struct balance *b;
	const struct server *s;

	if (!p->be) {
		blocks(p, p->fe->at, "it has no backend that is always used",
		       "add 'default_backend'");
		return;
	}
	if (p->be != p->fe)
		ask_uses(p, &p->be->uses);
	if (!p->be->nservers)
		blocks(p, p->be->at, "its backend has no server", "add a 'server' line");
	b = p->be->balance;
	if (b && b->algo && !balance_kernel_form(b))
		add_cause(p, CAUSE_BLOCKS, p->be->at,
			  arena_printf(p->arena, "balance %s", b->algo->name),
			  b->algo->kernel_says ? b->algo->kernel_says : "is not in the kernel",
			  "use roundrobin, source, random or leastconn");
	else if (b && b->algo && b->algo->kernel == KERNEL_APPROX)
		ask_difference(p, p->be->at, arena_printf(p->arena, "balance %s", b->algo->name),
			       b->algo->kernel_says);
	list_for_each_entry(s, &p->be->servers, node)
		ask_server(p, s);
}

/* ---- the answer ---- */

/* The first that nothing but another file would change, before those that `datapath kernel` would take. */
static const struct plan_cause *first_cause(const struct service_plan *plan, enum cause_kind kind)
{
	const struct plan_cause *c, *soft = NULL;

	list_for_each_entry(c, &plan->causes, node) {
		if (c->kind == kind && !c->acceptable)
			return c;
		if (c->kind == kind && !soft)
			soft = c;
	}
	return soft;
}

static const char *cause_sentence(struct planning *p, const struct plan_cause *c)
{
	char at[64];

	return arena_printf(p->arena, "%s%s%s%s%s",
			    c->at.line ? place_text(&c->at, at, sizeof(at)) : "",
			    c->at.line ? " " : "", c->keyword ? c->keyword : "",
			    c->keyword ? ": " : "", c->text);
}

static const char *engine_of(struct planning *p)
{
	const char *hook = NULL;

	for (int i = 0; i < p->host->nifaces; i++)
		if (p->host->iface[i].hook)
			hook = p->host->iface[i].hook;
	return hook ? hook : "auto";
}

static void answer_kernel(struct planning *p)
{
	p->plan->path = PATH_KERNEL;
	p->plan->be = p->be;
	p->plan->engine = engine_of(p);
	p->plan->forward = "nat";
	p->plan->why = "nothing has to read the stream";
}

/* TLS on every address or towards every server: no connection is left that the kernel could copy. */
static bool tls_everywhere(const struct planning *p)
{
	const struct bind_conf *b;
	const struct server *s;
	int plain = 0, plain_servers = 0;

	list_for_each_entry(b, &p->fe->binds, node)
		plain += !b->setup.xprt || b->setup.xprt->raw;
	if (!plain && !list_empty(&p->fe->binds))
		return true;
	if (!p->be || !p->be->nservers)
		return false;
	list_for_each_entry(s, &p->be->servers, node)
		plain_servers += !s->setup.xprt || s->setup.xprt->raw;
	return !plain_servers;
}

static const char *splice_off_says(const struct planning *p)
{
	if (p->wish->wish == WISH_USER)
		return "datapath user";
	if (p->cfg->global.no_splice)
		return "nosplice in global";
	if (tls_everywhere(p))
		return "TLS: the daemon reads every byte";
	return "tune.splice copy in global";
}

static void answer_tcp(struct planning *p)
{
	const struct plan_cause *refused = first_cause(p->plan, CAUSE_REFUSED);
	const struct plan_cause *blocked = first_cause(p->plan, CAUSE_BLOCKS);
	const char *engine = p->cfg->global.splice_engine ? p->cfg->global.splice_engine : "auto";
	bool no_engine = p->cfg->global.no_splice || strcmp(engine, "copy") == 0;
	bool splice_off = p->wish->wish == WISH_USER || no_engine || tls_everywhere(p);

	if ((p->wish->wish == WISH_AUTO || p->wish->wish == WISH_KERNEL) && !refused && !blocked) {
		answer_kernel(p);
		return;
	}
	p->plan->path = splice_off ? PATH_USER : PATH_SPLICE;
	p->plan->engine = splice_off ? NULL : engine;
	if (splice_off)
		p->plan->why = splice_off_says(p);
	else if (p->wish->wish == WISH_SPLICE)
		p->plan->why = "datapath splice";
	else
		p->plan->why = cause_sentence(p, refused ? refused : blocked);
	p->plan->error = p->wish->wish == WISH_KERNEL ||
			 (p->wish->wish == WISH_SPLICE && p->wish->require && splice_off);
	if (p->plan->error && p->wish->wish == WISH_SPLICE)
		blocks(p, p->fe->at, p->plan->why, NULL);
}

static void answer_reader(struct planning *p)
{
	p->plan->path = PATH_USER;
	p->plan->why = arena_printf(p->arena, "mode %s", proxy_mode_name(p->fe->mode));
	p->plan->error = p->wish->wish == WISH_KERNEL || p->wish->wish == WISH_SPLICE;
	if (p->plan->error)
		add_cause(p, CAUSE_BLOCKS, p->fe->at, NULL,
			  arena_printf(p->arena, "in mode %s the daemon reads every byte",
				       proxy_mode_name(p->fe->mode)),
			  "use 'mode tcp', or remove the 'datapath' line");
}

static int count_servers(const struct planning *p)
{
	return p->be ? p->be->nservers : 0;
}

struct service_plan *plan_service(const struct config *cfg, struct proxy *fe,
				  const struct host_caps *host, struct arena *a)
{
	struct planning p = {
		.cfg = cfg,
		.host = host,
		.arena = a,
		.fe = fe,
		.wish = datapath_px(fe),
		.plan = ARENA_NEW(a, struct service_plan),
	};

	list_init(&p.plan->causes);
	p.plan->fe = fe;
	p.plan->forward = "-";
	p.be = fe->default_backend ? fe->default_backend : fe->caps & PX_BACKEND ? fe : NULL;
	p.plan->nservers = count_servers(&p);
	if (fe->mode != MODE_TCP && fe->mode != MODE_UDP) {
		answer_reader(&p);
		return p.plan;
	}
	if (p.wish->wish == WISH_AUTO || p.wish->wish == WISH_KERNEL) {
		ask_host(&p);
		ask_uses(&p, &fe->uses);
		ask_binds(&p);
		ask_backend(&p);
	}
	answer_tcp(&p);
	return p.plan;
}

/* ---- all services ---- */

static void say_error(struct diag *d, const struct service_plan *plan)
{
	const struct datapath_px *w = datapath_px(plan->fe);
	const char *wanted = w->wish == WISH_KERNEL ? "kernel" : "splice";
	struct strbuf t = STRBUF_INIT;
	const struct plan_cause *c;
	char at[64];

	strbuf_addf(&t, "%s '%s': 'datapath %s%s' cannot be honoured", proxy_kind(plan->fe),
		    plan->fe->name, w->require ? "require " : "", wanted);
	list_for_each_entry(c, &plan->causes, node) {
		if (c->kind == CAUSE_DIFFERENT)
			continue;
		strbuf_addf(&t, "\nbecause %s%s",
			    c->at.line ? place_text(&c->at, at, sizeof(at)) : "",
			    c->at.line ? " " : "");
		if (c->keyword)
			strbuf_addf(&t, "'%s': ", c->keyword);
		strbuf_adds(&t, c->text);
		if (c->remedy)
			strbuf_addf(&t, "\n  %s", c->remedy);
	}
	strbuf_adds(&t, "\nor use 'datapath auto', which takes the highest path that is possible");
	diag_error(d, w->at, "%s", strbuf_z(&t));
	strbuf_fini(&t);
}

void plan_all(struct config *cfg, const struct host_caps *host, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (!(px->caps & PX_FRONTEND) || px->disabled)
			continue;
		px->plan = plan_service(cfg, px, host, &cfg->arena);
		if (px->plan->error)
			say_error(d, px->plan);
		if (px->mode == MODE_UDP && px->plan->path != PATH_KERNEL)
			diag_error(d, px->at,
				   "%s '%s': mode udp has no path but the kernel, and %s",
				   proxy_kind(px), px->name, px->plan->why);
	}
}

const char *path_name(enum path p)
{
	static const char *const names[] = { "user", "splice", "kernel" };

	return names[p];
}

const char *path_text(const struct service_plan *p, char *buf, size_t size)
{
	snprintf(buf, size, "%s%s%s", path_name(p->path), p->engine ? ": " : "",
		 p->engine ? p->engine : "");
	return buf;
}

const char *place_text(const struct place *at, char *buf, size_t size)
{
	const char *slash = at->file ? strrchr(at->file, '/') : NULL;

	snprintf(buf, size, "%s:%d", slash ? slash + 1 : at->file ? at->file : "", at->line);
	return buf;
}
