// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_show.c - commands that list: backends, the servers' state in the form that `load-server-state-from-file` reads,
 * their connections, sessions. Control thread; sessions are described by their workers.
 */
#include "admin/private.h"

#include <stdlib.h>
#include <time.h>

#include "check/check.h"
#include "loop/thread.h"
#include "stream/stream.h"

/* ---- walking over servers, over several replies ---- */

struct server_walk {
	struct proxy *only;
	struct list *at_px, *at_srv; /* where to go on */
	bool started;
};

/* The command's walk; NULL: the argument names no backend, and that was said. */
static struct server_walk *walk_of(struct cli_request *r)
{
	struct server_walk *w = r->cursor;

	if (w)
		return w;
	w = r->cursor = xzalloc(sizeof(*w));
	r->cursor_free = free;
	if (*cli_arg(r, 0)) {
		w->only = config_find_proxy(config, cli_arg(r, 0), PX_BACKEND);
		if (!w->only) {
			cli_say(r, "Can't find backend.");
			return NULL;
		}
	}
	w->at_px = w->only ? &w->only->node : config->proxies.next;
	return w;
}

static struct server *walk_next(struct server_walk *w)
{
	while (w->at_px != &config->proxies) {
		struct proxy *px = list_entry(w->at_px, struct proxy, node);

		if (!w->at_srv)
			w->at_srv = px->servers.next;
		if (w->at_srv != &px->servers && !(px->caps & PX_INTERNAL)) {
			struct server *s = list_entry(w->at_srv, struct server, node);

			w->at_srv = w->at_srv->next;
			return s;
		}
		w->at_srv = NULL;
		w->at_px = w->only ? &config->proxies : w->at_px->next;
	}
	return NULL;
}

static enum cli_result each_server(struct cli_request *r, const char *header,
				   void (*write)(struct strbuf *o, const struct server *s))
{
	struct server_walk *w = walk_of(r);
	size_t from = r->out->n;
	struct server *s;

	if (!w)
		return CLI_DONE;
	if (!w->started)
		strbuf_adds(r->out, header);
	w->started = true;
	while ((s = walk_next(w))) {
		write(r->out, s);
		if (r->out->n - from > 32768)
			return CLI_MORE;
	}
	return CLI_DONE;
}

/* ---- show servers state ---- */

enum {
	STATE_RUNNING = 1,
	STATE_CONFIGURED = 2,
	STATE_ENABLED = 4,
	STATE_PAUSED = 8,
	STATE_AGENT = 16
};

static int run_state_of(const struct check *c)
{
	return STATE_CONFIGURED | (c->enabled ? STATE_ENABLED : 0) |
	       (c->running ? STATE_RUNNING : 0);
}

static int check_state(const struct server *s)
{
	const struct check *c = check_of(s);
	bool paused = c && c->enabled ? atomic_load(&s->live.admin) & SRV_ADM_MAINT : s->disabled;

	return (paused ? STATE_PAUSED : 0) | (c ? run_state_of(c) : 0);
}

static int agent_state(const struct server *s)
{
	const struct check *c = check_agent_of(s);

	return c ? STATE_AGENT | run_state_of(c) : 0;
}

static void write_state(struct strbuf *o, const struct server *s)
{
	const struct check *c = check_of(s), *agent = check_agent_of(s);
	uint32_t admin = atomic_load(&s->live.admin);
	struct addr a;
	char ip[INET6_ADDRSTRLEN];

	server_addr(s, &a);
	strbuf_addf(o, "%u %s %u %s %s ", s->px->uuid, s->px->name, s->puid, s->name,
		    a.family == ADDR_NONE || s->path ? "-" : addr_ip_text(&a, ip, sizeof(ip)));
	strbuf_addf(o, "%d %u %u %u %llu ",
		    admin & SRV_ADM_MAINT ? SRV_STOPPED : atomic_load(&s->live.oper), admin,
		    atomic_load(&s->live.uweight), s->weight,
		    (unsigned long long)((uint64_t)time(NULL) - s->live.last_change_s));
	strbuf_addf(o, "%d %d %d %d %d ", c ? c->status : CHECK_INI,
		    c && !c->running ? c->result : CHECK_NEUTRAL, atomic_load(&s->live.health),
		    check_state(s), agent_state(s));
	strbuf_addf(o, "0 %d %s %u - 0 ", s->id_explicit, s->fqdn ? s->fqdn : "-", a.port);
	strbuf_addf(o, "%u ", c ? c->conf->addr.port : 0);
	strbuf_addf(o, "%s ",
		    c && c->conf->addr_set ? addr_ip_text(&c->conf->addr, ip, sizeof(ip)) : "-");
	strbuf_addf(o, "%s %u\n",
		    agent && agent->conf->addr_set
			    ? addr_ip_text(&agent->conf->addr, ip, sizeof(ip))
			    : "-",
		    agent ? agent->conf->addr.port : 0);
}

static enum cli_result run_state(struct cli_request *r)
{
	return each_server(r,
			   "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state "
			   "srv_admin_state srv_uweight srv_iweight "
			   "srv_time_since_last_change srv_check_status srv_check_result "
			   "srv_check_health srv_check_state "
			   "srv_agent_state bk_f_forced_id srv_f_forced_id srv_fqdn srv_port "
			   "srvrecord srv_use_ssl "
			   "srv_check_port srv_check_addr srv_agent_addr srv_agent_port\n",
			   write_state);
}

/* ---- show servers conn ---- */

static void write_conn(struct strbuf *o, const struct server *s)
{
	uint32_t idle = atomic_load(&s->load.idle), all = atomic_load(&s->load.connections);
	struct addr a;
	char ip[INET6_ADDRSTRLEN];

	server_addr(s, &a);
	strbuf_addf(o, "%s/%s %u/%u %s %u - 5000 %u %u %u 0 %u -1 %u", s->px->name, s->name,
		    s->px->uuid, s->puid,
		    a.family == ADDR_NONE ? "-" : addr_ip_text(&a, ip, sizeof(ip)), a.port,
		    all > idle ? all - idle : 0, atomic_load(&s->load.served_max),
		    atomic_load(&s->load.served_max), idle, idle);
	strbuf_addc(o, '\n');
}

static enum cli_result run_conn(struct cli_request *r)
{
	return each_server(r,
			   "# bkname/svname bkid/svid addr port - purge_delay used_cur used_max "
			   "need_est unsafe_nb safe_nb "
			   "idle_lim idle_cur\n",
			   write_conn);
}

static enum cli_result run_backend(struct cli_request *r)
{
	const struct proxy *px;

	strbuf_adds(r->out, "# name\n");
	list_for_each_entry(px, &config->proxies, node)
		if ((px->caps & PX_BACKEND) && !(px->caps & PX_INTERNAL))
			cli_say(r, "%s", px->name);
	return CLI_DONE;
}

/* ---- show sess ---- */

/* Each worker describes its own; the reply is put together in the control thread. */
struct sess_dump {
	struct cli_request *req;
	uint64_t only; /* its id; 0: all */
	struct strbuf part[MAX_WORKERS];
};

static void describe_stream(struct strbuf *o, struct stream *s, uint64_t now_us)
{
	struct strbuf more = STRBUF_INIT;
	const struct session *ss = s->sess;
	char src[ADDR_TEXT_MAX];
	unsigned long age = (unsigned long)((now_us - ss->accept_us) / 1000000);

	if (ss->proto->describe)
		ss->proto->describe(s, &more);
	strbuf_addf(o, "0x%llx: proto=%s src=%s fe=%s be=%s srv=%s", (unsigned long long)s->id,
		    ss->src.family == ADDR_UNIX  ? "unix_stream"
		    : ss->src.family == ADDR_IP6 ? "tcpv6"
						 : "tcpv4",
		    ss->src.family == ADDR_UNIX ? "unix:1" : addr_text(&ss->src, src, sizeof(src)),
		    ss->fe->name, s->be ? s->be->name : "<NONE>", s->srv ? s->srv->name : "<none>");
	strbuf_addf(o, " age=%lus step=%s waits=%02x in=%llu out=%llu rc=%u", age,
		    s->steps && s->steps[s->step].name ? s->steps[s->step].name : "-", s->waits,
		    (unsigned long long)s->bytes_in, (unsigned long long)s->bytes_out, s->retries);
	strbuf_add_slice(o, strbuf_slice(&more));
	strbuf_fini(&more);
	strbuf_addc(o, '\n');
}

static void describe_all(struct loop *l, void *arg)
{
	struct sess_dump *d = arg;
	struct stream *s;

	list_for_each_entry(s, worker_streams(), node)
		if (!d->only || s->id == d->only)
			describe_stream(&d->part[l->tid], s, l->now_us);
}

static void described(void *arg)
{
	struct sess_dump *d = arg;
	bool found = false;

	for (int t = 0; t < worker_count; t++) {
		found |= d->part[t].n > 0;
		strbuf_add_slice(d->req->out, strbuf_slice(&d->part[t]));
		strbuf_fini(&d->part[t]);
	}
	if (d->only && !found)
		cli_say(d->req, "Session not found.");
	cli_finish(d->req);
	free(d);
}

static enum cli_result run_sess(struct cli_request *r)
{
	struct sess_dump *d = xzalloc(sizeof(*d));

	/* worker 0's first stream has the id 1, so 0 is no stream; "all" is every one */
	d->req = r;
	d->only = *cli_arg(r, 0) && strcmp(cli_arg(r, 0), "all") ? strtoull(cli_arg(r, 0), NULL, 0)
								 : 0;
	if (*cli_arg(r, 0) && strcmp(cli_arg(r, 0), "all") && !d->only) {
		free(d);
		return cli_say(r, "Session not found.");
	}
	threads_each(describe_all, d, described);
	return CLI_LATER;
}

static const struct cli_command rows[] = {
	{ "show backend", CLI_USER, run_backend, "show backend",
	  "list backends in the current running config" },
	{ "show servers state", CLI_USER, run_state, "show servers state [<backend>]",
	  "dump volatile server information (all or for a single backend)" },
	{ "show servers conn", CLI_USER, run_conn, "show servers conn [<backend>]",
	  "dump server connections status (all or for a single backend)" },
	{ "show sess", CLI_OPERATOR, run_sess, "show sess [id]",
	  "report the list of current sessions or dump this exact session" },
};

void cmd_show_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
