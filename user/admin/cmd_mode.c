// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_mode.c - switches of one conversation: expert-mode and experimental-mode (what needs them asks cli_request), and echo.
 * Control thread.
 */
#include "admin/private.h"

static enum cli_result run_echo(struct cli_request *r)
{
	for (int i = r->first_arg; i < r->nwords; i++)
		strbuf_addf(r->out, "%s%s", i > r->first_arg ? " " : "", r->words[i]);
	strbuf_addc(r->out, '\n');
	return CLI_DONE;
}

/* Without "on" and "off" it says what it is. */
static enum cli_result show_or_set(struct cli_request *r, bool *mode, const char *name)
{
	if (!*cli_arg(r, 0))
		return cli_say(r, "%s is %s", name, *mode ? "ON" : "OFF");
	*mode = !strcmp(cli_arg(r, 0), "on");
	return CLI_DONE;
}

static enum cli_result run_expert(struct cli_request *r)
{
	return show_or_set(r, &cli_client_of(r)->expert, "expert-mode");
}

static enum cli_result run_experimental(struct cli_request *r)
{
	return show_or_set(r, &cli_client_of(r)->experimental, "experimental-mode");
}

static const struct cli_command rows[] = {
	{ "echo", CLI_USER, run_echo, "echo <text>", "print the text" },
	{ "expert-mode", CLI_ADMIN, run_expert, NULL, NULL },
	{ "experimental-mode", CLI_ADMIN, run_experimental, NULL, NULL },
};

void cmd_mode_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
