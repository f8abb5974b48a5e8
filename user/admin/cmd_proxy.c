// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_proxy.c - commands about frontends, the whole process's limits, and sessions. Control thread.
 */
#include "admin/private.h"

#include <stdlib.h>

#include "stream/session.h"

static struct proxy *find_frontend(struct cli_request *r, int k)
{
	const char *name = cli_arg(r, k);
	struct proxy *px = NULL;

	if (!*name) {
		cli_say(r, "A frontend name is expected.");
		return NULL;
	}
	px = config_find_proxy(config, name, PX_FRONTEND);
	if (!px)
		cli_say(r, "No such frontend.");
	return px;
}

/* Are all its sockets in that state? */
static bool all_disabled(const struct proxy *px, bool disabled)
{
	struct listener *l;

	list_for_each_entry(l, listeners(), node)
		if (l->px == px && atomic_load(&l->disabled) != disabled)
			return false;
	return true;
}

static enum cli_result pause_frontend(struct cli_request *r, bool pause)
{
	struct proxy *px = find_frontend(r, 0);

	if (!px)
		return CLI_DONE;
	if (px->disabled || px->stopped)
		return cli_say(r, pause ? "Frontend was previously shut down, cannot disable."
					: "Frontend was previously shut down, cannot enable.");
	if (all_disabled(px, pause))
		return cli_say(r, pause ? "All sockets are already disabled."
					: "All sockets are already enabled.");
	listeners_pause(px, pause);
	return CLI_DONE;
}

static enum cli_result run_disable(struct cli_request *r)
{
	return pause_frontend(r, true);
}

static enum cli_result run_enable(struct cli_request *r)
{
	return pause_frontend(r, false);
}

static enum cli_result run_shutdown(struct cli_request *r)
{
	struct proxy *px = find_frontend(r, 0);

	if (!px)
		return CLI_DONE;
	if (px->disabled || px->stopped)
		return cli_say(r, "Frontend was already shut down.");
	listeners_close(px);
	return CLI_DONE;
}

static enum cli_result run_frontend_maxconn(struct cli_request *r)
{
	struct proxy *px = find_frontend(r, 0);
	int n = atoi(cli_arg(r, 1));

	if (!px)
		return CLI_DONE;
	if (!*cli_arg(r, 1))
		return cli_say(r, "Integer value expected.");
	if (n < 0)
		return cli_say(r, "Value out of range.");
	atomic_store(&px->maxconn, (uint32_t)n);
	listeners_limit_changed();
	return CLI_DONE;
}

/* Lower limits only slow accepting down; higher ones than the descriptors allow are refused. */
static uint32_t highest_maxconn;

static enum cli_result run_global_maxconn(struct cli_request *r)
{
	uint32_t n = (uint32_t)atoi(cli_arg(r, 0));

	if (!*cli_arg(r, 0))
		return cli_say(r, "Expects an integer value.");
	if (!highest_maxconn)
		highest_maxconn = config->global.maxconn;
	if (n > highest_maxconn)
		return cli_say(r, "Value out of range.");
	atomic_store(&config->global.maxconn, n ? n : highest_maxconn);
	listeners_limit_changed();
	return CLI_DONE;
}

/* ---- sessions ---- */

static enum cli_result run_shutdown_session(struct cli_request *r)
{
	char *end;
	uint64_t id = strtoull(cli_arg(r, 0), &end, 0);

	if (!id)
		return cli_say(r, "Session pointer expected (use 'show sess').");
	if (*end)
		return cli_say(r, "No such session (use 'show sess').");
	sessions_kill_stream(id, 'K');
	return CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "disable frontend", CLI_ADMIN, run_disable, "disable frontend <frontend>",
	  "temporarily disable specific frontend" },
	{ "enable frontend", CLI_ADMIN, run_enable, "enable frontend <frontend>",
	  "re-enable specific frontend" },
	{ "set maxconn frontend", CLI_ADMIN, run_frontend_maxconn,
	  "set maxconn frontend <frontend> <value>", "change a frontend's maxconn setting" },
	{ "set maxconn global", CLI_ADMIN, run_global_maxconn, "set maxconn global <value>",
	  "change the per-process maxconn setting" },
	{ "shutdown frontend", CLI_ADMIN, run_shutdown, "shutdown frontend <frontend>",
	  "stop a specific frontend" },
	{ "shutdown session", CLI_ADMIN, run_shutdown_session, "shutdown session [id]",
	  "kill a specific session" },
};

void cmd_proxy_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
