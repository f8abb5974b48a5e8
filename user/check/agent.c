// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * agent.c - `agent-check`: a second check per server, which connects to an agent and reads one line of words from it: weight,
 * maxconn, administrative state, up or down (manual, "agent-check"). Control thread.
 */
#include <stdlib.h>

#include "base/units.h"
#include "check/private.h"
#include "config/address.h"
#include "config/kw_server.h"
#include "loop/thread.h"

#define DEFAULT_INTER_MS 2000
#define LINE_MAX_BYTES   4096

static void agent_part_init(void *mem)
{
	struct agent_conf *a = mem;

	a->conf.inter_ms = DEFAULT_INTER_MS;
	a->conf.rise = a->conf.fall = 1;
	a->health = 1;
}

static struct ext agent_ext = { .name = "agent-check",
				.bytes = sizeof(struct agent_conf),
				.init = agent_part_init };

struct agent_conf *agent_conf_of(const struct server *s)
{
	return server_ext(s, &agent_ext);
}

bool agent_wanted(const struct server *s)
{
	return agent_conf_of(s)->enabled;
}

struct check *check_agent_of(const struct server *s)
{
	return agent_conf_of(s)->conf.check;
}

/* ---- what it says ---- */

/* What the words of a line amount to. */
struct report {
	bool ready, drain, maint;
	struct slice weight, maxconn;
	struct slice state; /* "up", "down", ... as written */
	bool up;
	struct slice about; /* what stands behind '#' */
	struct slice unknown;
};

static bool is_percentage(struct slice w)
{
	for (size_t i = 0; i + 1 < w.n; i++)
		if (w.p[i] < '0' || w.p[i] > '9')
			return false;
	return w.n > 1 && w.p[w.n - 1] == '%';
}

static bool is_word(struct slice w, const char *z)
{
	return w.n == strlen(z) && strncasecmp(w.p, z, w.n) == 0;
}

static void take_word(struct report *r, struct slice w)
{
	if (is_percentage(w)) {
		r->weight = w;
	} else if (w.n > 8 && strncasecmp(w.p, "maxconn:", 8) == 0) {
		r->maxconn = slice_from(w, 8);
	} else if (is_word(w, "ready")) {
		r->ready = true;
	} else if (is_word(w, "drain")) {
		r->drain = true;
	} else if (is_word(w, "maint")) {
		r->maint = true;
	} else if (is_word(w, "up")) {
		r->up = true;
		r->state = w;
	} else if (is_word(w, "down") || is_word(w, "stopped") || is_word(w, "fail")) {
		r->up = false;
		r->state = w;
	} else {
		r->unknown = w;
	}
}

static void read_line(struct slice line, struct report *r)
{
	size_t i = 0, from;

	while (i < line.n) {
		if (strchr(" \t,", line.p[i])) {
			i++;
			continue;
		}
		if (line.p[i] == '#') {
			r->about = slice_trim(slice_from(line, i + 1));
			return;
		}
		for (from = i; i < line.n && !strchr(" \t,#", line.p[i]); i++)
			;
		take_word(r, slice_make(line.p + from, i - from));
	}
}

static void set_admin(struct server *s, const struct report *r)
{
	if (r->maint)
		server_set_admin(s, SRV_ADM_FMAINT, SRV_ADM_FDRAIN, NULL);
	else if (r->drain)
		server_set_admin(s, SRV_ADM_FDRAIN, SRV_ADM_FMAINT, NULL);
	else if (r->ready)
		server_set_admin(s, 0, SRV_ADM_FMAINT | SRV_ADM_FDRAIN, NULL);
}

/* NULL, or what was wrong with the numbers. */
static const char *set_numbers(struct server *s, const struct report *r)
{
	const char *wrong = NULL;
	char text[24];
	uint32_t n;

	if (r->weight.n) {
		snprintf(text, sizeof(text), "%.*s", SLICE_FMT(r->weight));
		wrong = server_set_weight(s, text);
	}
	if (r->maxconn.n) {
		if (parse_u32(r->maxconn, INT32_MAX, &n))
			wrong = "maxconn is no number";
		else
			server_set_maxconn(s, n);
	}
	return wrong;
}

static enum check_verdict act_on(struct check *c, struct slice line)
{
	struct report r = { 0 };
	const char *wrong;
	char info[256];

	read_line(line, &r);
	wrong = set_numbers(c->srv, &r);
	set_admin(c->srv, &r);
	if (wrong)
		snprintf(info, sizeof(info), "agent reports an error : %.*s",
			 (int)strcspn(wrong, "\n"), wrong);
	else if (r.unknown.n)
		snprintf(info, sizeof(info), "agent reports an error : %.*s", SLICE_FMT(r.unknown));
	else if (r.state.n && r.about.n)
		snprintf(info, sizeof(info), "via agent : %.*s (%.*s)", SLICE_FMT(r.state),
			 SLICE_FMT(r.about));
	else if (r.state.n)
		snprintf(info, sizeof(info), "via agent : %.*s", SLICE_FMT(r.state));
	else
		info[0] = 0;
	if (!r.state.n)
		return check_say(c, CHECK_CHECKED, 0, info);
	return check_say(c, r.up ? CHECK_L7OK : CHECK_L7STS, 0, info);
}

static enum check_verdict judge(struct check *c, struct slice data, bool eof)
{
	size_t n = 0;

	while (n < data.n && data.p[n] != '\r' && data.p[n] != '\n')
		n++;
	if (n < data.n)
		return act_on(c, slice_first(data, n));
	if (!data.n && eof)
		return check_say(c, CHECK_L7RSP, 0, "TCPCHK got an empty response at step 2");
	if (eof || data.n > LINE_MAX_BYTES)
		return check_say(c, CHECK_L7RSP, 0, "Ignoring incomplete line from agent");
	return CHECK_MORE;
}

static void greet(struct check *c)
{
	const struct agent_conf *a = agent_conf_of(c->srv);

	if (a->send.n)
		strbuf_add_slice(&c->out, a->send);
}

/* ---- the result: only "up" and "down" count; an agent that does not answer says nothing ---- */

static void show(struct server *s)
{
	const struct agent_conf *a = agent_conf_of(s);
	const struct check *c = a->conf.check;

	atomic_store(&s->live.agent, !c || !c->enabled ? SERVER_NO_AGENT
				     : a->health       ? SERVER_AGENT_UP
						       : SERVER_AGENT_DOWN);
}

static void set_health(struct server *s, bool up, const char *why)
{
	agent_conf_of(s)->health = up;
	show(s);
	if (!up)
		server_set_oper(s, SRV_STOPPED, why);
	else if (health_is_good(s))
		server_set_oper(s, SRV_RUNNING, why);
}

static void note(struct check *c, enum check_status st, int code, const char *info)
{
	struct server *s = c->srv;
	struct agent_conf *a = agent_conf_of(s);
	bool changed = c->status != st, was_up = a->health,
	     logged = s->px->options & PX_O_LOG_HEALTH;
	char why[384];

	health_result(c, st, code, info);
	if (st == CHECK_CHECKED)
		return;
	if (st == CHECK_L7OK || st == CHECK_L7STS)
		a->health = st == CHECK_L7OK;
	health_why(c, why, sizeof(why));
	if (logged && (changed || (st == CHECK_L7OK ? !was_up : was_up && changed)))
		health_say(c, "Agent", a->health, a->health ? 1 : 0);
	if (st == CHECK_L7OK || st == CHECK_L7STS)
		set_health(s, a->health, logged ? NULL : why);
}

static const struct check_type agent_type = {
	.name = "agent-check",
	.established = greet,
	.judge = judge,
	.note = note,
	.help = "an agent on the server says how it is",
};

void agent_make(struct server *s)
{
	struct agent_conf *a = agent_conf_of(s);

	if (!a->enabled)
		return;
	a->conf.addr.port = a->port;
	a->conf.check = check_make(s, &a->conf, &agent_type);
	show(s);
}

/* ---- at run time ---- */

bool agent_enable(struct server *s, bool on)
{
	struct check *c = check_agent_of(s);

	if (!c)
		return false;
	c->enabled = on;
	if (!on)
		check_stop(c);
	else if (!c->running)
		check_schedule(c, check_interval(c));
	show(s);
	return true;
}

bool agent_force(struct server *s, bool up)
{
	const struct check *c = check_agent_of(s);

	if (!c || !c->enabled)
		return false;
	set_health(s, up, "changed from CLI");
	return true;
}

void agent_set_target(struct server *s, const struct addr *ip, uint16_t port)
{
	struct agent_conf *a = agent_conf_of(s);

	if (ip) {
		uint16_t keep = a->conf.addr.port;

		a->conf.addr = *ip;
		a->conf.addr.port = keep;
		a->conf.addr_set = true;
	}
	if (port)
		a->conf.addr.port = port;
}

/* The bytes of before are the configuration's, or stay until the end: commands are rare. */
void agent_set_send(struct server *s, const char *text)
{
	agent_conf_of(s)->send = slice_z(xstrdup(text));
}

/* ---- words ---- */

static int opt_agent_check(struct cfg_line *l, int *i, struct server *s)
{
	agent_conf_of(s)->enabled = true;
	++*i;
	return 0;
}

static int opt_no_agent_check(struct cfg_line *l, int *i, struct server *s)
{
	agent_conf_of(s)->enabled = false;
	++*i;
	return 0;
}

static int opt_agent_port(struct cfg_line *l, int *i, struct server *s)
{
	uint32_t port;

	if (server_option_u32(l, i, 1, 65535, &port))
		return -1;
	agent_conf_of(s)->port = (uint16_t)port;
	return 0;
}

static int opt_agent_inter(struct cfg_line *l, int *i, struct server *s)
{
	return server_option_time(l, i, false, &agent_conf_of(s)->conf.inter_ms);
}

static int opt_agent_addr(struct cfg_line *l, int *i, struct server *s)
{
	struct agent_conf *a = agent_conf_of(s);
	int at = *i;
	const char *z = server_option_arg(l, i, "an address");
	struct cfg_address x;

	if (!z || cfg_address_parse(l, at + 1, z, CFG_ADDR_NAME, &x))
		return -1;
	a->conf.addr = x.addr;
	a->conf.addr_set = true;
	return 0;
}

static int opt_agent_send(struct cfg_line *l, int *i, struct server *s)
{
	int at = *i;
	const char *z = server_option_arg(l, i, "what is to be sent");

	if (!z)
		return -1;
	agent_conf_of(s)->send = arena_dup(l->arena, slice_make(z, l->words[at + 1].n));
	return 0;
}

static const struct server_option options[] = {
	{ "agent-check", opt_agent_check, KERNEL_EXACT, NULL, "agent-check",
	  "Asks an agent on the server for weight, limit and state." },
	{ "no-agent-check", opt_no_agent_check, KERNEL_EXACT, NULL, "no-agent-check",
	  "Takes back an inherited 'agent-check'." },
	{ "agent-port", opt_agent_port, KERNEL_EXACT, NULL, "agent-port <port>",
	  "The port of the agent." },
	{ "agent-addr", opt_agent_addr, KERNEL_EXACT, NULL, "agent-addr <address>",
	  "The address of the agent, if it is not the server's." },
	{ "agent-inter", opt_agent_inter, KERNEL_EXACT, NULL, "agent-inter <time>",
	  "Time between two questions to the agent; default 2s." },
	{ "agent-send", opt_agent_send, KERNEL_EXACT, NULL, "agent-send <text>",
	  "What is sent to the agent first." },
};

static void check_ports(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			if (agent_wanted(s) && !agent_conf_of(s)->port)
				diag_error(d, s->at,
					   "server '%s': 'agent-check' needs 'agent-port <port>'",
					   s->name);
}

static const struct cfg_check checks[] = {
	{ "agents", CFG_PHASE_RESOLVE, check_ports },
};

void agent_init(void)
{
	ext_register(EXT_SERVER, &agent_ext);
	cfg_register_server_options(options, ARRAY_SIZE(options));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
