// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_server.c - commands that change or kill at a server: state, weight, address, limit, health. The change itself
 * is the model's (server_set_*), which tells balance, queues, data path and log. Control thread.
 */
#include "admin/private.h"

#include <stdlib.h>

#include "base/units.h"
#include "check/check.h"
#include "stream/session.h"

/* ---- state ---- */

static void to_ready(struct server *s)
{
	server_set_admin(s, 0, SRV_ADM_FMAINT | SRV_ADM_FDRAIN, NULL);
}

static void to_drain(struct server *s)
{
	server_set_admin(s, SRV_ADM_FDRAIN, SRV_ADM_FMAINT, NULL);
}

static void to_maint(struct server *s)
{
	server_set_admin(s, SRV_ADM_FMAINT, SRV_ADM_FDRAIN, NULL);
}

static const struct {
	const char *name;
	void (*go)(struct server *s);
} states[] = { { "ready", to_ready }, { "drain", to_drain }, { "maint", to_maint } };

static enum cli_result set_state(struct cli_request *r, struct server *s, const char *value)
{
	for (size_t i = 0; i < ARRAY_SIZE(states); i++)
		if (strcmp(value, states[i].name) == 0) {
			states[i].go(s);
			return CLI_DONE;
		}
	return cli_say(r, "'set server <srv> state' expects 'ready', 'drain' and 'maint'.");
}

static enum cli_result run_disable_server(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (s)
		server_set_admin(s, SRV_ADM_FMAINT, 0, NULL);
	return CLI_DONE;
}

static enum cli_result run_enable_server(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (s)
		server_set_admin(s, 0, SRV_ADM_FMAINT, NULL);
	return CLI_DONE;
}

/* ---- health ---- */

static enum cli_result set_health(struct cli_request *r, struct server *s, const char *value)
{
	static const struct {
		const char *name;
		enum server_oper oper;
	} names[] = { { "up", SRV_RUNNING },
		      { "stopping", SRV_STOPPING },
		      { "down", SRV_STOPPED } };

	if (s->track)
		return cli_say(r, "cannot change health on a tracking server.");
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if (strcmp(value, names[i].name) == 0) {
			check_force(s, names[i].oper);
			return CLI_DONE;
		}
	return cli_say(r, "'set server <srv> health' expects 'up', 'stopping', or 'down'.");
}

static enum cli_result run_enable_health(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (s && !check_enable(s, true))
		return cli_say(r, "Health check was not configured on this server, cannot enable.");
	return CLI_DONE;
}

static enum cli_result run_disable_health(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (s)
		check_enable(s, false);
	return CLI_DONE;
}

static enum cli_result set_check_port(struct cli_request *r, struct server *s, const char *value)
{
	struct check *c = check_of(s);
	uint32_t port;

	if (!c) {
		strbuf_adds(r->out, "health checks are not enabled on this server");
		return CLI_DONE;
	}
	if (parse_u32(slice_z(value), UINT32_MAX, &port)) {
		strbuf_adds(r->out, "provided port is not an integer");
		return CLI_DONE;
	}
	if (!port || port > 65535) {
		strbuf_adds(r->out, "provided port is not valid");
		return CLI_DONE;
	}
	c->conf->addr.port = (uint16_t)port;
	return CLI_DONE;
}

static enum cli_result set_check_addr(struct cli_request *r, struct server *s, const char *value)
{
	struct check *c = check_of(s);
	struct addr a = { .family = ADDR_NONE };

	if (!c) {
		strbuf_adds(r->out, "health checks are not enabled on this server");
		return CLI_DONE;
	}
	if (addr_parse_ip(&a, slice_z(value)))
		return cli_say(r, "invalid addr '%s'", value);
	a.port = c->conf->addr.port;
	c->conf->addr = a;
	c->conf->addr_set = true;
	return CLI_DONE;
}

/* ---- agent ---- */

static enum cli_result set_agent(struct cli_request *r, struct server *s, const char *value)
{
	bool up = !strcmp(value, "up");

	if (!up && strcmp(value, "down") != 0) {
		if (check_agent_of(s))
			return cli_say(r, "'set server <srv> agent' expects 'up' or 'down'.");
	} else if (agent_force(s, up)) {
		return CLI_DONE;
	}
	return cli_say(r, "agent checks are not enabled on this server.");
}

/* NULL, or CLI_DONE with the reply said. */
static bool has_agent(struct cli_request *r, struct server *s)
{
	if (check_agent_of(s))
		return true;
	strbuf_adds(r->out, "agent checks are not enabled on this server");
	return false;
}

static enum cli_result set_agent_addr(struct cli_request *r, struct server *s, const char *value)
{
	struct addr a = { .family = ADDR_NONE };

	if (!has_agent(r, s))
		return CLI_DONE;
	if (addr_parse_ip(&a, slice_z(value))) {
		strbuf_addf(r->out, "invalid addr '%s'", value);
		return CLI_DONE;
	}
	agent_set_target(s, &a, 0);
	return CLI_DONE;
}

static enum cli_result set_agent_port(struct cli_request *r, struct server *s, const char *value)
{
	uint32_t port;

	if (!has_agent(r, s))
		return CLI_DONE;
	if (parse_u32(slice_z(value), UINT32_MAX, &port)) {
		strbuf_adds(r->out, "provided port is not an integer");
		return CLI_DONE;
	}
	if (!port || port > 65535) {
		strbuf_adds(r->out, "provided port is invalid");
		return CLI_DONE;
	}
	agent_set_target(s, NULL, (uint16_t)port);
	return CLI_DONE;
}

static enum cli_result set_agent_send(struct cli_request *r, struct server *s, const char *value)
{
	if (has_agent(r, s))
		agent_set_send(s, value);
	return CLI_DONE;
}

static enum cli_result set_fqdn(struct cli_request *r, struct server *s, const char *value)
{
	if (!*value)
		return cli_say(r, "set server <b>/<s> fqdn requires a FQDN.");
	return cli_say(r, "set server <b>/<s> fqdn failed because no resolution is configured.");
}

static enum cli_result run_enable_agent(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (s && !agent_enable(s, true))
		return cli_say(r, "Agent was not configured on this server, cannot enable.");
	return CLI_DONE;
}

static enum cli_result run_disable_agent(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (s)
		agent_enable(s, false);
	return CLI_DONE;
}

/* ---- weight ---- */

static enum cli_result set_weight(struct cli_request *r, struct server *s, const char *value)
{
	const char *wrong = server_set_weight(s, value);

	if (wrong)
		strbuf_adds(r->out, wrong);
	return CLI_DONE;
}

static enum cli_result run_set_weight(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	return s ? set_weight(r, s, cli_arg(r, 1)) : CLI_DONE;
}

static enum cli_result run_get_weight(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (!s)
		return CLI_DONE;
	return cli_say(r, "%u (initial %u)", atomic_load(&s->live.uweight), s->weight);
}

/* ---- address ---- */

/* "IP changed from 'x' to 'y', port changed from 'a' to 'b' by 'stats socket command'" */
static enum cli_result set_addr(struct cli_request *r, struct server *s, const char *value)
{
	struct addr now, want;
	char from[INET6_ADDRSTRLEN], to[INET6_ADDRSTRLEN];
	uint32_t port;
	bool has_port = strcmp(cli_arg(r, 3), "port") == 0;

	if (!*value || (*cli_arg(r, 3) && !has_port))
		return cli_say(
			r, "set server <b>/<s> addr requires an address and optionally a port.");
	server_addr(s, &now);
	want = now;
	memset(want.ip, 0, sizeof(want.ip));
	if (addr_parse_ip(&want, slice_z(value)))
		return cli_say(r, "Invalid addr '%s' by 'stats socket command'", value);
	want.port = now.port;
	if (has_port && (parse_u32(slice_z(cli_arg(r, 4)), 65535, &port) || !port))
		return cli_say(r, "Invalid port '%s' by 'stats socket command'", cli_arg(r, 4));
	if (has_port)
		want.port = (uint16_t)port;
	if (memcmp(want.ip, now.ip, sizeof(now.ip)) == 0 && want.family == now.family)
		strbuf_adds(r->out, "no need to change the addr");
	else
		strbuf_addf(r->out, "IP changed from '%s' to '%s'",
			    addr_ip_text(&now, from, sizeof(from)),
			    addr_ip_text(&want, to, sizeof(to)));
	if (has_port && want.port == now.port)
		strbuf_adds(r->out, ", no need to change the port");
	else if (has_port)
		strbuf_addf(r->out, ", port changed from '%u' to '%u'", now.port, want.port);
	strbuf_adds(r->out, " by 'stats socket command'\n");
	server_set_addr(s, &want, "stats socket command");
	return CLI_DONE;
}

/* ---- set server ---- */

static const struct {
	const char *name;
	enum cli_result (*set)(struct cli_request *r, struct server *s, const char *value);
} settings[] = {
	{ "addr", set_addr },
	{ "agent", set_agent },
	{ "agent-addr", set_agent_addr },
	{ "agent-port", set_agent_port },
	{ "agent-send", set_agent_send },
	{ "check-addr", set_check_addr },
	{ "check-port", set_check_port },
	{ "fqdn", set_fqdn },
	{ "health", set_health },
	{ "state", set_state },
	{ "weight", set_weight },
};

static enum cli_result run_set_server(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (!s)
		return CLI_DONE;
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		if (strcmp(cli_arg(r, 1), settings[i].name) == 0)
			return settings[i].set(r, s, cli_arg(r, 2));
	strbuf_adds(r->out, "usage: set server <backend>/<server>");
	for (size_t i = 0; i < ARRAY_SIZE(settings); i++)
		strbuf_addf(r->out, "%s %s", i ? " |" : "", settings[i].name);
	strbuf_addc(r->out, '\n');
	return CLI_DONE;
}

static enum cli_result run_maxconn(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);
	const char *value = cli_arg(r, 1);
	char *end;
	long n;

	if (!s)
		return CLI_DONE;
	if (!*value)
		return cli_say(r, "Require <maxconn>.");
	n = strtol(value, &end, 10);
	if (end == value) {
		strbuf_adds(r->out, "maxconn string empty or preceded by garbage");
		return CLI_DONE;
	}
	if (*end) {
		strbuf_adds(r->out, "Trailing garbage in maxconn string");
		return CLI_DONE;
	}
	server_set_maxconn(s, n < 0 ? 0 : (uint32_t)n);
	return CLI_DONE;
}

static enum cli_result run_shutdown(struct cli_request *r)
{
	struct server *s = cli_find_server(r, 0);

	if (s)
		sessions_kill_server(s, 'K');
	return CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "set server", CLI_ADMIN, run_set_server, "set server <bk>/<srv> [opts]",
	  "change a server's state, weight, address or ssl" },
	{ "set weight", CLI_ADMIN, run_set_weight, "set weight <bk>/<srv>  (DEPRECATED)",
	  "change a server's weight (use 'set server' instead)" },
	{ "get weight", CLI_USER, run_get_weight, "get weight <bk>/<srv>",
	  "report a server's current weight" },
	{ "set maxconn server", CLI_ADMIN, run_maxconn, "set maxconn server <bk>/<srv>",
	  "change a server's maxconn setting" },
	{ "disable server", CLI_ADMIN, run_disable_server, "disable server (DEPRECATED)",
	  "disable a server for maintenance (use 'set server' instead)" },
	{ "enable server", CLI_ADMIN, run_enable_server, "enable server  (DEPRECATED)",
	  "enable a disabled server (use 'set server' instead)" },
	{ "disable health", CLI_ADMIN, run_disable_health, "disable health",
	  "disable health checks" },
	{ "enable health", CLI_ADMIN, run_enable_health, "enable health", "enable health checks" },
	{ "disable agent", CLI_ADMIN, run_disable_agent, "disable agent", "disable agent checks" },
	{ "enable agent", CLI_ADMIN, run_enable_agent, "enable agent", "enable agent checks" },
	{ "shutdown sessions server", CLI_ADMIN, run_shutdown,
	  "shutdown sessions server <bk>/<srv>", "kill sessions on a server" },
};

void cmd_server_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
