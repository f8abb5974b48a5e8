// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_basic.c - commands about the conversation itself: prompt, quit, levels, timeout, and what the process is called.
 * Control thread.
 */
#include "base/coverage.h"
#include "admin/private.h"

#include "base/units.h"
#include "config/version.h"
#include "process/startup_log.h"

#include <stdlib.h>
#include <unistd.h>

static enum cli_result run_prompt(struct cli_request *r)
{
	struct cli_client *c = cli_client_of(r);

	c->prompt = !c->prompt;
	return CLI_DONE;
}

static enum cli_result run_quit(struct cli_request *r)
{
	cli_client_of(r)->quit = true;
	return CLI_DONE;
}

static enum cli_result lower_level(struct cli_request *r, int to)
{
	struct cli_client *c = cli_client_of(r);

	if (c->level > to)
		c->level = to;
	c->expert = false;
	return CLI_DONE;
}

static enum cli_result run_operator(struct cli_request *r)
{
	return lower_level(r, CLI_OPERATOR);
}

static enum cli_result run_user(struct cli_request *r)
{
	return lower_level(r, CLI_USER);
}

static const char *const level_names[] = { "user", "operator", "admin" };

static enum cli_result run_level(struct cli_request *r)
{
	return cli_say(r, "%s", level_names[r->level]);
}

static enum cli_result run_sockets(struct cli_request *r)
{
	struct admin_socket *s;
	char buf[ADDR_TEXT_MAX];

	strbuf_adds(r->out, "# socket lvl processes\n");
	list_for_each_entry(s, &admin_sockets, node) {
		if (s->at->path)
			strbuf_addf(r->out, "%s@%s", s->at->is_abstract ? "abns" : "unix",
				    s->at->path + s->at->is_abstract);
		else if (s->at->fd >= 0)
			strbuf_addf(r->out, "sockpair@%d", s->at->fd);
		else
			strbuf_addf(r->out, "%s@%s",
				    s->at->addr.family == ADDR_IP6 ? "ipv6" : "ipv4",
				    addr_text(&s->at->addr, buf, sizeof(buf)));
		strbuf_addf(r->out, " %s all\n", level_names[s->bind->level]);
	}
	return CLI_DONE;
}

static enum cli_result run_set_timeout(struct cli_request *r)
{
	struct cli_client *c = cli_client_of(r);
	uint64_t us;

	if (strcmp(cli_arg(r, 0), "cli") != 0)
		return cli_say(r, "'set timeout' only supports 'cli'.");
	if (!*cli_arg(r, 1))
		return cli_say(r, "Expects an integer value.");
	if (parse_time_us(slice_z(cli_arg(r, 1)), 1000000, &us) || us < 1000)
		return cli_say(r, "Invalid timeout value.");
	c->timeout_ms = us / 1000 > UINT32_MAX ? UINT32_MAX : (uint32_t)(us / 1000);
	return CLI_DONE;
}

static enum cli_result run_version(struct cli_request *r)
{
	return cli_say(r, "%s", LANGUAGE_VERSION "-lbd" LBD_VERSION);
}

static enum cli_result run_startup_logs(struct cli_request *r)
{
	strbuf_adds(r->out, startup_log_text());
	return CLI_DONE;
}

static enum cli_result run_env(struct cli_request *r)
{
	const char *name = cli_arg(r, 0);
	size_t n = strlen(name);

	for (char **e = environ; e && *e; e++) {
		if (!n)
			cli_say(r, "%s", *e);
		else if (strncmp(*e, name, n) == 0 && (*e)[n] == '=') {
			coverage_note("env", name);
			return cli_say(r, "%s", *e);
		}
	}
	return n ? cli_say(r, "Variable not found") : CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "prompt", CLI_USER, run_prompt, "prompt", "toggle interactive mode with prompt" },
	{ "quit", CLI_USER, run_quit, "quit", "disconnect" },
	{ "operator", CLI_OPERATOR, run_operator, "operator",
	  "lower the level of the current CLI session to operator" },
	{ "user", CLI_USER, run_user, "user",
	  "lower the level of the current CLI session to user" },
	{ "set timeout", CLI_USER, run_set_timeout, "set timeout [cli] <delay>",
	  "change a timeout setting" },
	{ "show cli level", CLI_USER, run_level, "show cli level",
	  "display the level of the current CLI session" },
	{ "show cli sockets", CLI_USER, run_sockets, "show cli sockets",
	  "dump list of cli sockets" },
	{ "show version", CLI_USER, run_version, "show version",
	  "show version of the current process" },
	{ "show startup-logs", CLI_USER, run_startup_logs, "show startup-logs",
	  "report logs emitted during HAProxy startup" },
	{ "show env", CLI_OPERATOR, run_env, "show env [var]",
	  "dump environment variables known to the process" },
};

void cmd_basic_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
