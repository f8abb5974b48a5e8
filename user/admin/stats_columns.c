// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats_columns.c - the columns of statistics as rows, in HAProxy's order (manual 9.1): 0 to 102, then what modules add
 * behind a column "-". A row says for frontends, backends and servers where the value comes from. Any thread.
 */
#include "admin/stats.h"
#include "admin/stats_columns.h"

#include <time.h>

#include "balance/balance.h"
#include "check/check.h"
#include "stream/queue.h"

/* ---- values that are no plain counter ---- */

static uint64_t wall_s(void)
{
	return (uint64_t)time(NULL);
}

static uint32_t get(const _Atomic uint32_t *v)
{
	return atomic_load_explicit(v, memory_order_relaxed);
}

static void w_pxname(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_adds(o, s->px->name);
}

static void w_svname(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_adds(o, s->type == STAT_FE    ? "FRONTEND"
		       : s->type == STAT_BE  ? "BACKEND"
		       : s->type == STAT_SRV ? s->srv->name
		       : s->bind->name       ? s->bind->name
					     : "sock-1");
}

static uint32_t queued_of(const struct stat_obj *o)
{
	const struct server *s;
	uint32_t n = 0;

	if (o->type == STAT_SRV)
		return queue_length(o->srv->queue);
	list_for_each_entry(s, &o->px->servers, node)
		n += queue_length(s->queue);
	return n + queue_length(o->px->queue);
}

static void w_qcur(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, queued_of(s));
}

static void w_qmax(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, queue_length_max(s->type == STAT_SRV ? s->srv->queue : s->px->queue));
}

static void w_scur(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->kernel_flows + get(s->type == STAT_FE   ? &s->px->fe_conns
						: s->type == STAT_BE ? &s->px->be_conns
								     : &s->srv->load.served));
}

static void w_smax(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o,
		       s->kernel_flows_max + get(s->type == STAT_FE   ? &s->px->fe_conns_max
						 : s->type == STAT_BE ? &s->px->be_conns_max
								      : &s->srv->load.served_max));
}

static void w_slim(struct strbuf *o, const struct stat_obj *s)
{
	uint32_t n;

	if (s->type == STAT_SRV) {
		n = get(&s->srv->live.maxconn);
		if (n)
			strbuf_add_u64(o, n);
		return;
	}
	if (s->type == STAT_FE)
		n = s->px->maxconn ? s->px->maxconn : config->global.maxconn;
	else
		n = s->px->fullconn ? s->px->fullconn : (config->global.maxconn + 9) / 10;
	strbuf_add_u64(o, n);
}

static void servers_count(const struct proxy *px, int *up, int *all)
{
	const struct server *s;

	*up = *all = 0;
	list_for_each_entry(s, &px->servers, node) {
		(*all)++;
		*up += server_is_willing(s);
	}
}

static void w_status(struct strbuf *o, const struct stat_obj *s)
{
	char buf[128];
	int up, all;

	switch (s->type) {
	case STAT_FE:
	case STAT_LISTENER:
		strbuf_adds(o, s->px->stopped || s->px->disabled ? "STOP"
			       : frontend_is_paused(s->px)       ? "PAUSED"
			       : s->px->maxconn && get(&s->px->fe_conns) >= s->px->maxconn
				       ? "FULL"
				       : "OPEN");
		return;
	case STAT_BE:
		strbuf_adds(o, s->px->nservers && !get(&s->px->up_active) && !get(&s->px->up_backup)
				       ? "DOWN"
				       : "UP");
		if (s->flags & (STAT_HIDE_DOWN | STAT_HIDE_MAINT)) {
			servers_count(s->px, &up, &all);
			strbuf_addf(o, " (%d/%d)", up, all);
		}
		return;
	case STAT_SRV:
		strbuf_adds(o, server_state_text(s->srv, buf, sizeof(buf)));
		return;
	}
}

/* The backend's: of the servers that get connections now. */
static uint64_t backend_weight(const struct proxy *px, bool user)
{
	const struct server *s;
	bool backup = !get(&px->up_active);
	uint64_t sum = 0;

	list_for_each_entry(s, &px->servers, node) {
		if (!server_is_usable(s) || s->backup != backup)
			continue;
		sum += user ? get(&s->live.uweight) : server_shown_weight(s);
		if (backup && !(px->options & PX_O_ALLBACKUPS))
			break;
	}
	return sum;
}

static void w_weight(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type == STAT_SRV ? server_shown_weight(s->srv)
					      : backend_weight(s->px, false));
}

static void w_uweight(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type == STAT_SRV ? get(&s->srv->live.uweight)
					      : backend_weight(s->px, true));
}

static void w_act(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type == STAT_SRV ? !s->srv->backup : get(&s->px->up_active));
}

static void w_bck(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type == STAT_SRV ? s->srv->backup : get(&s->px->up_backup));
}

/* The check whose columns are shown: not in maintenance, not switched off. */
static const struct check *shown_check(const struct stat_obj *s)
{
	const struct check *c = check_of(s->srv);

	return c && c->enabled && !(get(&s->srv->live.admin) & SRV_ADM_MAINT) ? c : NULL;
}

/* Counts go on being shown in maintenance. */
static bool is_checked(const struct stat_obj *s)
{
	const struct check *c = check_of(s->srv);

	return c && c->enabled;
}

static void w_chkfail(struct strbuf *o, const struct stat_obj *s)
{
	if (is_checked(s))
		strbuf_add_u64(o, s->srv->live.failed_checks);
}

static void w_chkdown(struct strbuf *o, const struct stat_obj *s)
{
	if (s->type == STAT_BE)
		strbuf_add_u64(o, s->px->down_trans);
	else if (is_checked(s))
		strbuf_add_u64(o, s->srv->live.down_trans);
}

static void w_lastchg(struct strbuf *o, const struct stat_obj *s)
{
	uint64_t at = s->type == STAT_SRV ? s->srv->live.last_change_s : s->px->last_change_s;

	strbuf_add_u64(o, wall_s() - (at ? at : wall_s()));
}

static void w_downtime(struct strbuf *o, const struct stat_obj *s)
{
	if (s->type == STAT_BE) {
		bool down = s->px->nservers && !get(&s->px->up_active) && !get(&s->px->up_backup);

		strbuf_add_u64(o,
			       s->px->down_time_s + (down ? wall_s() - s->px->last_change_s : 0));
	} else if (is_checked(s)) {
		bool down = !server_is_willing(s->srv);

		strbuf_add_u64(o, s->srv->live.down_time_s +
					  (down ? wall_s() - s->srv->live.last_change_s : 0));
	}
}

static void w_qlimit(struct strbuf *o, const struct stat_obj *s)
{
	if (s->srv->maxqueue)
		strbuf_add_u64(o, s->srv->maxqueue);
}

static void w_one(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_addc(o, '1');
}

static void w_zero(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_addc(o, '0');
}

static void w_iid(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->px->uuid);
}

static void w_sid(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type == STAT_SRV        ? s->srv->puid
			  : s->type == STAT_LISTENER ? s->bind->id
						     : 0);
}

static void w_throttle(struct strbuf *o, const struct stat_obj *s)
{
	uint32_t u = get(&s->srv->live.uweight), e = get(&s->srv->live.eweight);

	if (server_is_usable(s->srv) && e < u)
		strbuf_add_u64(o, e * 100 / u);
}

static void w_tracked(struct strbuf *o, const struct stat_obj *s)
{
	if (s->srv->track)
		strbuf_addf(o, "%s/%s", s->srv->track->px->name, s->srv->track->name);
}

static void w_type(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type);
}

static void w_rate(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type == STAT_FE ? s->fe_rate : s->be_rate);
}

static void w_rate_lim(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->px->rate_limit_sessions);
}

static void w_rate_max(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->type == STAT_FE ? s->fe.sess_max : s->be.sess_max);
}

static void w_req_rate(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->fe_req_rate);
}

static void w_conn_rate(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->fe_conn_rate);
}

static void w_conn_rate_max(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->fe.conn_max);
}

/* The code of results that have one, as an unsigned number: an ended program has -1. */
static void add_code(struct strbuf *o, const struct check *c)
{
	if (c && c->status >= CHECK_L7OK)
		strbuf_add_u64(o, (uint32_t)c->code);
}

static void w_check_status(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_check(s);

	if (c)
		strbuf_addf(o, "%s%s", c->running ? "* " : "", check_status_row(c->status)->name);
}

static void w_check_code(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_check(s);

	add_code(o, c);
}

static void w_check_duration(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_check(s);

	if (c && c->status != CHECK_INI)
		strbuf_add_u64(o, c->duration_ms);
}

static void w_lastsess(struct strbuf *o, const struct stat_obj *s)
{
	if (s->be.last_session_s)
		strbuf_add_u64(o, wall_s() - s->be.last_session_s);
	else
		strbuf_adds(o, "-1");
}

static void w_last_chk(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_check(s);

	if (c && !c->running)
		strbuf_adds(o, c->info);
}

static void average(struct strbuf *o, uint64_t sum, const struct stat_obj *s)
{
	strbuf_add_u64(o, s->be.time_n ? sum / s->be.time_n : 0);
}

static void w_qtime(struct strbuf *o, const struct stat_obj *s)
{
	average(o, s->be.q_time_sum, s);
}

static void w_ctime(struct strbuf *o, const struct stat_obj *s)
{
	average(o, s->be.c_time_sum, s);
}

static void w_rtime(struct strbuf *o, const struct stat_obj *s)
{
	average(o, s->be.d_time_sum, s);
}

static void w_ttime(struct strbuf *o, const struct stat_obj *s)
{
	average(o, s->be.t_time_sum, s);
}

static void w_check_desc(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_check(s);

	if (c)
		strbuf_adds(o, check_status_row(c->status)->text);
}

static void w_check_rise(struct strbuf *o, const struct stat_obj *s)
{
	if (shown_check(s))
		strbuf_add_u64(o, (uint64_t)s->srv->live.rise);
}

static void w_check_fall(struct strbuf *o, const struct stat_obj *s)
{
	if (shown_check(s))
		strbuf_add_u64(o, (uint64_t)s->srv->live.fall);
}

static void w_check_health(struct strbuf *o, const struct stat_obj *s)
{
	if (shown_check(s))
		strbuf_add_u64(o, (uint64_t)atomic_load(&s->srv->live.health));
}

/* ---- the agent's: also in maintenance, which it may end ---- */

static const struct check *shown_agent(const struct stat_obj *s)
{
	const struct check *c = check_agent_of(s->srv);

	return c && c->enabled ? c : NULL;
}

static void w_agent_status(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_agent(s);

	if (c)
		strbuf_addf(o, "%s%s", c->running ? "* " : "", check_status_row(c->status)->name);
}

static void w_agent_code(struct strbuf *o, const struct stat_obj *s)
{
	add_code(o, shown_agent(s));
}

static void w_agent_duration(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_agent(s);

	if (c && c->status != CHECK_INI)
		strbuf_add_u64(o, c->duration_ms);
}

static void w_agent_desc(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_agent(s);

	if (c)
		strbuf_adds(o, check_status_row(c->status)->text);
}

static void w_last_agt(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_agent(s);

	if (c && !c->running)
		strbuf_adds(o, c->info);
}

static void w_agent_rise(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_agent(s);

	if (c)
		strbuf_add_u64(o, (uint64_t)c->conf->rise);
}

static void w_agent_fall(struct strbuf *o, const struct stat_obj *s)
{
	const struct check *c = shown_agent(s);

	if (c)
		strbuf_add_u64(o, (uint64_t)c->conf->fall);
}

static void w_agent_health(struct strbuf *o, const struct stat_obj *s)
{
	if (shown_agent(s))
		strbuf_add_u64(o, atomic_load(&s->srv->live.agent) == SERVER_AGENT_UP);
}

static void w_addr(struct strbuf *o, const struct stat_obj *s)
{
	struct addr a;
	char buf[ADDR_TEXT_MAX];

	if (!(s->flags & STAT_LEGENDS))
		return;
	server_addr(s->srv, &a);
	if (s->srv->path)
		strbuf_adds(o, "unix");
	else if (a.family != ADDR_NONE)
		strbuf_adds(o, addr_text(&a, buf, sizeof(buf)));
}

static void w_cookie(struct strbuf *o, const struct stat_obj *s)
{
	if ((s->flags & STAT_LEGENDS) && s->srv->cookie)
		strbuf_adds(o, s->srv->cookie);
}

static void w_mode(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_adds(o, proxy_mode_name(s->px->mode));
}

static void w_algo(struct strbuf *o, const struct stat_obj *s)
{
	if ((s->flags & STAT_LEGENDS) && s->px->balance && s->px->balance->algo)
		strbuf_adds(o, s->px->balance->algo->name);
}

static void w_srv_icur(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, get(&s->srv->load.idle));
}

/* `pool-max-conn`: nothing when it is not limited. */
static void w_src_ilim(struct strbuf *o, const struct stat_obj *s)
{
}

static void w_used_conn(struct strbuf *o, const struct stat_obj *s)
{
	uint32_t all = get(&s->srv->load.connections), idle = get(&s->srv->load.idle);

	strbuf_add_u64(o, all > idle ? all - idle : 0);
}

/* How many connections the server needed at once lately. */
static void w_need_conn(struct strbuf *o, const struct stat_obj *s)
{
	strbuf_add_u64(o, get(&s->srv->load.served_max));
}

/* ---- the rows ---- */

#define NO                        \
	{                         \
		SRC_NONE, 0, NULL \
	}
#define FE(f)                                                 \
	{                                                     \
		SRC_FE, offsetof(struct fe_counters, f), NULL \
	}
#define BE(f)                                                 \
	{                                                     \
		SRC_BE, offsetof(struct be_counters, f), NULL \
	}
#define HFE(f)                                                     \
	{                                                          \
		SRC_FE_HTTP, offsetof(struct fe_counters, f), NULL \
	}
#define HBE(f)                                                     \
	{                                                          \
		SRC_BE_HTTP, offsetof(struct be_counters, f), NULL \
	}
#define F(name)                     \
	{                           \
		SRC_FN, 0, w_##name \
	}

const struct core_column core_columns[] = {
	{ "pxname", "KNS", "str", { F(pxname), F(pxname), F(pxname) }, "Proxy name" },
	{ "svname", "KNS", "str", { F(svname), F(svname), F(svname) }, "Server name" },
	{ "qcur", "MGP", "u32", { NO, F(qcur), F(qcur) }, "Number of current queued connections" },
	{ "qmax",
	  "MMP",
	  "u32",
	  { NO, F(qmax), F(qmax) },
	  "Highest value of queued connections encountered since process started" },
	{ "scur",
	  "MGP",
	  "u32",
	  { F(scur), F(scur), F(scur) },
	  "Number of current sessions on the frontend, backend or server" },
	{ "smax",
	  "MMP",
	  "u32",
	  { F(smax), F(smax), F(smax) },
	  "Highest value of current sessions encountered since process started" },
	{ "slim",
	  "CLP",
	  "u32",
	  { F(slim), F(slim), F(slim) },
	  "Frontend/listener/server's maxconn, backend's fullconn" },
	{ "stot",
	  "MCP",
	  "u64",
	  { FE(cum_sess), BE(cum_sess), BE(cum_sess) },
	  "Total number of sessions since process started" },
	{ "bin",
	  "MCP",
	  "u64",
	  { FE(bytes_in), BE(bytes_in), BE(bytes_in) },
	  "Total number of request bytes since process started" },
	{ "bout",
	  "MCP",
	  "u64",
	  { FE(bytes_out), BE(bytes_out), BE(bytes_out) },
	  "Total number of response bytes since process started" },
	{ "dreq",
	  "MCP",
	  "u64",
	  { FE(denied_req), BE(denied_req), NO },
	  "Total number of denied requests since process started" },
	{ "dresp",
	  "MCP",
	  "u64",
	  { FE(denied_resp), BE(denied_resp), BE(denied_resp) },
	  "Total number of denied responses since process started" },
	{ "ereq",
	  "MCP",
	  "u64",
	  { FE(failed_req), NO, NO },
	  "Total number of invalid requests since process started" },
	{ "econ",
	  "MCP",
	  "u64",
	  { NO, BE(failed_conns), BE(failed_conns) },
	  "Total number of failed connections to server since the worker process started" },
	{ "eresp",
	  "MCP",
	  "u64",
	  { NO, BE(failed_resp), BE(failed_resp) },
	  "Total number of invalid responses since the worker process started" },
	{ "wretr",
	  "MCP",
	  "u64",
	  { NO, BE(retries), BE(retries) },
	  "Total number of server connection retries since the worker process started" },
	{ "wredis",
	  "MCP",
	  "u64",
	  { NO, BE(redispatches), BE(redispatches) },
	  "Total number of server redispatches due to connection failures since the worker process "
	  "started" },
	{ "status",
	  "SGP",
	  "str",
	  { F(status), F(status), F(status) },
	  "Frontend/listen status: OPEN/WAITING/FULL/STOP; backend: UP/DOWN; server: last check "
	  "status" },
	{ "weight",
	  "MaP",
	  "u32",
	  { NO, F(weight), F(weight) },
	  "Server's effective weight, or sum of active servers' effective weights for a backend" },
	{ "act",
	  "SGP",
	  "u32",
	  { NO, F(act), F(act) },
	  "Total number of active UP servers with a non-zero weight" },
	{ "bck",
	  "SGP",
	  "u32",
	  { NO, F(bck), F(bck) },
	  "Total number of backup UP servers with a non-zero weight" },
	{ "chkfail",
	  "MCP",
	  "u64",
	  { NO, NO, F(chkfail) },
	  "Total number of failed individual health checks per server/backend, since the worker "
	  "process started" },
	{ "chkdown",
	  "MCP",
	  "u64",
	  { NO, F(chkdown), F(chkdown) },
	  "Total number of failed checks causing UP to DOWN server transitions, per "
	  "server/backend, since the worker process started" },
	{ "lastchg",
	  "MAP",
	  "u32",
	  { NO, F(lastchg), F(lastchg) },
	  "How long ago the last server state changed, in seconds" },
	{ "downtime",
	  "MCP",
	  "u32",
	  { NO, F(downtime), F(downtime) },
	  "Total time spent in DOWN state, for server or backend" },
	{ "qlimit", "CLS", "u32", { NO, NO, F(qlimit) }, "" },
	{ "pid", "KGP", "u32", { F(one), F(one), F(one) }, "Relative worker process number (1)" },
	{ "iid",
	  "KGS",
	  "u32",
	  { F(iid), F(iid), F(iid) },
	  "Frontend or Backend numeric identifier ('id' setting)" },
	{ "sid",
	  "KGS",
	  "u32",
	  { F(sid), F(sid), F(sid) },
	  "Server numeric identifier ('id' setting)" },
	{ "throttle", "MaP", "u32", { NO, NO, F(throttle) }, "" },
	{ "lbtot",
	  "MCP",
	  "u64",
	  { NO, BE(cum_lbconn), BE(cum_lbconn) },
	  "Total number of requests routed by load balancing since the worker process started "
	  "(ignores queue pop and stickiness)" },
	{ "tracked", "CNS", "str", { NO, NO, F(tracked) }, "" },
	{ "type",
	  "CGS",
	  "u32",
	  { F(type), F(type), F(type) },
	  "Type of the object (Listener, Frontend, Backend, Server)" },
	{ "rate",
	  "MRP",
	  "u32",
	  { F(rate), F(rate), F(rate) },
	  "Total number of sessions processed by this object over the last second (sessions for "
	  "listeners/frontends, requests for backends/servers)" },
	{ "rate_lim",
	  "CLP",
	  "u32",
	  { F(rate_lim), NO, NO },
	  "Limit on the number of sessions accepted in a second (frontend only, 'rate-limit "
	  "sessions' setting)" },
	{ "rate_max",
	  "MMP",
	  "u32",
	  { F(rate_max), F(rate_max), F(rate_max) },
	  "Highest value of sessions per second observed since the worker process started" },
	{ "check_status",
	  "MOP",
	  "str",
	  { NO, NO, F(check_status) },
	  "Status report of the server's latest health check, prefixed with '*' if a check is "
	  "currently in progress" },
	{ "check_code", "MOP", "u32", { NO, NO, F(check_code) }, "" },
	{ "check_duration",
	  "MDP",
	  "u64",
	  { NO, NO, F(check_duration) },
	  "Total duration of the latest server health check, in milliseconds" },
	{ "hrsp_1xx",
	  "MCP",
	  "u64",
	  { HFE(rsp_1xx), HBE(rsp_1xx), HBE(rsp_1xx) },
	  "Total number of HTTP responses with status 100-199 returned by this object since the "
	  "worker process started" },
	{ "hrsp_2xx",
	  "MCP",
	  "u64",
	  { HFE(rsp_2xx), HBE(rsp_2xx), HBE(rsp_2xx) },
	  "Total number of HTTP responses with status 200-299 returned by this object since the "
	  "worker process started" },
	{ "hrsp_3xx",
	  "MCP",
	  "u64",
	  { HFE(rsp_3xx), HBE(rsp_3xx), HBE(rsp_3xx) },
	  "Total number of HTTP responses with status 300-399 returned by this object since the "
	  "worker process started" },
	{ "hrsp_4xx",
	  "MCP",
	  "u64",
	  { HFE(rsp_4xx), HBE(rsp_4xx), HBE(rsp_4xx) },
	  "Total number of HTTP responses with status 400-499 returned by this object since the "
	  "worker process started" },
	{ "hrsp_5xx",
	  "MCP",
	  "u64",
	  { HFE(rsp_5xx), HBE(rsp_5xx), HBE(rsp_5xx) },
	  "Total number of HTTP responses with status 500-599 returned by this object since the "
	  "worker process started" },
	{ "hrsp_other",
	  "MCP",
	  "u64",
	  { HFE(rsp_other), HBE(rsp_other), HBE(rsp_other) },
	  "Total number of HTTP responses with status <100, >599 returned by this object since the "
	  "worker process started (error -1 included)" },
	{ "hanafail", "MGP", "u32", { NO, NO, NO }, "" },
	{ "req_rate",
	  "MRP",
	  "u32",
	  { F(req_rate), NO, NO },
	  "Number of HTTP requests processed over the last second on this object" },
	{ "req_rate_max",
	  "MMP",
	  "u32",
	  { FE(req_max), NO, NO },
	  "Highest value of http requests observed since the worker process started" },
	{ "req_tot",
	  "MCP",
	  "u64",
	  { FE(cum_req), HBE(cum_req), HBE(cum_req) },
	  "Total number of HTTP requests processed by this object since the worker process "
	  "started" },
	{ "cli_abrt",
	  "MCP",
	  "u64",
	  { NO, BE(cli_aborts), BE(cli_aborts) },
	  "Total number of requests or connections aborted by the client since the worker process "
	  "started" },
	{ "srv_abrt",
	  "MCP",
	  "u64",
	  { NO, BE(srv_aborts), BE(srv_aborts) },
	  "Total number of requests or connections aborted by the server since the worker process "
	  "started" },
	{ "comp_in",
	  "MCP",
	  "u64",
	  { FE(comp_in), BE(comp_in), NO },
	  "Total number of bytes submitted to the HTTP compressor for this object since the worker "
	  "process started" },
	{ "comp_out",
	  "MCP",
	  "u64",
	  { FE(comp_out), BE(comp_out), NO },
	  "Total number of bytes emitted by the HTTP compressor for this object since the worker "
	  "process started" },
	{ "comp_byp",
	  "MCP",
	  "u64",
	  { FE(comp_byp), BE(comp_byp), NO },
	  "Total number of bytes that bypassed HTTP compression for this object since the worker "
	  "process started (CPU/memory/bandwidth limitation)" },
	{ "comp_rsp",
	  "MCP",
	  "u64",
	  { FE(comp_rsp), BE(comp_rsp), NO },
	  "Total number of HTTP responses that were compressed for this object since the worker "
	  "process started" },
	{ "lastsess",
	  "MAP",
	  "s32",
	  { NO, F(lastsess), F(lastsess) },
	  "How long ago some traffic was seen on this object on this worker process, in seconds" },
	{ "last_chk",
	  "MOP",
	  "str",
	  { NO, NO, F(last_chk) },
	  "Short description of the latest health check report for this server (see also "
	  "check_desc)" },
	{ "last_agt",
	  "MOP",
	  "str",
	  { NO, NO, F(last_agt) },
	  "Short description of the latest agent check report for this server" },
	{ "qtime",
	  "MaP",
	  "u32",
	  { NO, F(qtime), F(qtime) },
	  "Time spent in the queue, in milliseconds, averaged over the 1024 last requests "
	  "(backend/server)" },
	{ "ctime",
	  "MaP",
	  "u32",
	  { NO, F(ctime), F(ctime) },
	  "Time spent waiting for a connection to complete, in milliseconds, averaged over the "
	  "1024 last requests (backend/server)" },
	{ "rtime",
	  "MaP",
	  "u32",
	  { NO, F(rtime), F(rtime) },
	  "Time spent waiting for a server response, in milliseconds, averaged over the 1024 last "
	  "requests (backend/server)" },
	{ "ttime",
	  "MaP",
	  "u32",
	  { NO, F(ttime), F(ttime) },
	  "Total request+response time (request+queue+connect+response+processing), in "
	  "milliseconds, averaged over the 1024 last requests (backend/server)" },
	{ "agent_status",
	  "MOP",
	  "str",
	  { NO, NO, F(agent_status) },
	  "Status report for the latest agent check, prefixed with '* ' if a check is in "
	  "progress" },
	{ "agent_code",
	  "MGP",
	  "u32",
	  { NO, NO, F(agent_code) },
	  "Status code reported by the latest agent check" },
	{ "agent_duration",
	  "MGP",
	  "u32",
	  { NO, NO, F(agent_duration) },
	  "Total duration of the latest agent check, in milliseconds" },
	{ "check_desc",
	  "MOP",
	  "str",
	  { NO, NO, F(check_desc) },
	  "Textual description of the latest health check report for this server" },
	{ "agent_desc",
	  "MOP",
	  "str",
	  { NO, NO, F(agent_desc) },
	  "Textual description of the latest agent check report for this server" },
	{ "check_rise",
	  "CGS",
	  "u32",
	  { NO, NO, F(check_rise) },
	  "Number of successful health checks before declaring a server UP (server 'rise' "
	  "setting)" },
	{ "check_fall",
	  "CGS",
	  "u32",
	  { NO, NO, F(check_fall) },
	  "Number of failed health checks before declaring a server DOWN (server 'fall' setting)" },
	{ "check_health",
	  "CGS",
	  "u32",
	  { NO, NO, F(check_health) },
	  "Current server health check level (0..fall-1=DOWN, fall..rise-1=UP)" },
	{ "agent_rise",
	  "MGP",
	  "u32",
	  { NO, NO, F(agent_rise) },
	  "Number of successful agent checks before declaring a server UP (server 'rise' "
	  "setting)" },
	{ "agent_fall",
	  "MGP",
	  "u32",
	  { NO, NO, F(agent_fall) },
	  "Number of failed agent checks before declaring a server DOWN (server 'fall' setting)" },
	{ "agent_health",
	  "MGP",
	  "u32",
	  { NO, NO, F(agent_health) },
	  "Current server agent health check level" },
	{ "addr",
	  "CGS",
	  "str",
	  { NO, NO, F(addr) },
	  "Server's address:port, shown only if show-legends is set, or at levels oper/admin for "
	  "the CLI" },
	{ "cookie",
	  "CNS",
	  "str",
	  { NO, NO, F(cookie) },
	  "Backend's cookie name or Server's cookie value, shown only if show-legends is set, or "
	  "at levels oper/admin for the CLI" },
	{ "mode",
	  "CGS",
	  "str",
	  { F(mode), F(mode), F(mode) },
	  "'mode' setting (tcp/http/health/cli)" },
	{ "algo",
	  "CGS",
	  "str",
	  { NO, F(algo), NO },
	  "Backend's load balancing algorithm, shown only if show-legends is set, or at levels "
	  "oper/admin for the CLI" },
	{ "conn_rate",
	  "MRP",
	  "u32",
	  { F(conn_rate), NO, NO },
	  "Number of new connections accepted over the last second on the frontend for this worker "
	  "process" },
	{ "conn_rate_max",
	  "MMP",
	  "u32",
	  { F(conn_rate_max), NO, NO },
	  "Highest value of connections per second observed since the worker process started" },
	{ "conn_tot",
	  "MCP",
	  "u64",
	  { FE(cum_conn), NO, NO },
	  "Total number of new connections accepted on this frontend since the worker process "
	  "started" },
	{ "intercepted",
	  "MCP",
	  "u64",
	  { HFE(intercepted_req), NO, NO },
	  "Total number of HTTP requests intercepted on the frontend (redirects/stats/services) "
	  "since the worker process started" },
	{ "dcon",
	  "MCP",
	  "u64",
	  { FE(denied_conn), NO, NO },
	  "Total number of incoming connections blocked on a listener/frontend by a tcp-request "
	  "connection rule since the worker process started" },
	{ "dses",
	  "MCP",
	  "u64",
	  { FE(denied_sess), NO, NO },
	  "Total number of incoming sessions blocked on a listener/frontend by a tcp-request "
	  "connection rule since the worker process started" },
	{ "wrew",
	  "MCP",
	  "u64",
	  { FE(failed_rewrites), BE(failed_rewrites), BE(failed_rewrites) },
	  "Total number of failed HTTP header rewrites since the worker process started" },
	{ "connect",
	  "MCP",
	  "u64",
	  { NO, BE(connect), BE(connect) },
	  "Total number of outgoing connection attempts on this backend/server since the worker "
	  "process started" },
	{ "reuse",
	  "MCP",
	  "u64",
	  { NO, BE(reuse), BE(reuse) },
	  "Total number of reused connection on this backend/server since the worker process "
	  "started" },
	{ "cache_lookups",
	  "MCP",
	  "u64",
	  { HFE(cache_lookups), HBE(cache_lookups), NO },
	  "Total number of HTTP requests looked up in the cache on this frontend/backend since the "
	  "worker process started" },
	{ "cache_hits",
	  "MCP",
	  "u64",
	  { HFE(cache_hits), HBE(cache_hits), NO },
	  "Total number of HTTP requests not found in the cache on this frontend/backend since the "
	  "worker process started" },
	{ "srv_icur",
	  "MGP",
	  "u32",
	  { NO, NO, F(srv_icur) },
	  "Current number of idle connections available for reuse on this server" },
	{ "src_ilim", "MGP", "u32", { NO, NO, F(src_ilim) }, "" },
	{ "qtime_max",
	  "MMP",
	  "u32",
	  { NO, BE(q_time_max), BE(q_time_max) },
	  "Maximum observed time spent in the queue, in milliseconds (backend/server)" },
	{ "ctime_max",
	  "MMP",
	  "u32",
	  { NO, BE(c_time_max), BE(c_time_max) },
	  "Maximum observed time spent waiting for a connection to complete, in milliseconds "
	  "(backend/server)" },
	{ "rtime_max",
	  "MMP",
	  "u32",
	  { NO, BE(d_time_max), BE(d_time_max) },
	  "Maximum observed time spent waiting for a server response, in milliseconds "
	  "(backend/server)" },
	{ "ttime_max",
	  "MMP",
	  "u32",
	  { NO, BE(t_time_max), BE(t_time_max) },
	  "Maximum observed total request+response time "
	  "(request+queue+connect+response+processing), in milliseconds (backend/server)" },
	{ "eint",
	  "MCP",
	  "u64",
	  { FE(internal_errors), BE(internal_errors), BE(internal_errors) },
	  "Total number of internal errors since process started" },
	{ "idle_conn_cur",
	  "MGP",
	  "u32",
	  { NO, NO, F(zero) },
	  "Current number of unsafe idle connections" },
	{ "safe_conn_cur",
	  "MGP",
	  "u32",
	  { NO, NO, F(srv_icur) },
	  "Current number of safe idle connections" },
	{ "used_conn_cur",
	  "MGP",
	  "u32",
	  { NO, NO, F(used_conn) },
	  "Current number of connections in use" },
	{ "need_conn_est",
	  "MGP",
	  "u32",
	  { NO, NO, F(need_conn) },
	  "Estimated needed number of connections" },
	{ "uweight",
	  "MaP",
	  "u32",
	  { NO, F(uweight), F(uweight) },
	  "Server's user weight, or sum of active servers' user weights for a backend" },
	{ "agg_server_status",
	  "MGP",
	  "u32",
	  { NO, F(zero), NO },
	  "Backend's aggregated gauge of servers' status" },
	{ "agg_server_check_status",
	  "MGP",
	  "u32",
	  { NO, F(zero), NO },
	  "Backend's aggregated gauge of servers' state check status" },
	{ "agg_check_status",
	  "MGP",
	  "u32",
	  { NO, F(zero), NO },
	  "Backend's aggregated gauge of servers' state check status" },
};
const size_t core_column_count = ARRAY_SIZE(core_columns);

void core_column_write(struct strbuf *out, const struct core_column *c, const struct stat_obj *o)
{
	const struct stat_src *src = &c->src[o->type == STAT_LISTENER ? STAT_FE : o->type];
	const void *base =
		src->kind == SRC_FE || src->kind == SRC_FE_HTTP ? (const void *)&o->fe : &o->be;

	if ((src->kind == SRC_FE_HTTP || src->kind == SRC_BE_HTTP) && o->px->mode != MODE_HTTP)
		return;
	if (src->kind == SRC_FN)
		src->write(out, o);
	else if (src->kind != SRC_NONE)
		strbuf_add_u64(out,
			       *(const uint64_t *)(const void *)((const char *)base + src->offset));
}
