// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_rate.c - `set rate-limit`: the process's limits on what arrives in a second. Control thread.
 */
#include "admin/private.h"

#include <stdlib.h>

#include "stream/process_rate.h"
#include "stream/session.h"

static const struct {
	const char *name;
	enum process_rate_kind kind;
} rows[] = {
	{ "connections", RATE_CONN },
	{ "sessions", RATE_SESS },
	{ "ssl-sessions", RATE_SSL },
};

static enum cli_result run_rate_limit(struct cli_request *r)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows) && r->nwords > 3; i++) {
		int n;

		if (strcmp(rows[i].name, r->words[2]) || strcmp(r->words[3], "global"))
			continue;
		if (r->nwords < 5)
			return cli_say(r, "Expects an integer value.");
		n = atoi(r->words[4]);
		if (n < 0)
			return cli_say(r, "Value out of range.");
		process_rate_set(rows[i].kind, (uint32_t)n);
		listeners_limit_changed();
		return CLI_DONE;
	}
	return cli_say(
		r, "'set rate-limit' only supports :\n"
		   "   - 'connections global' to set the per-process maximum connection rate\n"
		   "   - 'sessions global' to set the per-process maximum session rate\n"
		   "   - 'ssl-sessions global' to set the per-process maximum SSL session rate");
}

/* HAProxy's help has the first only. */
static const struct cli_command commands[] = {
	{ "set rate-limit", CLI_ADMIN, run_rate_limit, "set rate-limit <setting> <value>",
	  "change a rate limiting value" },
	{ "set rate-limit connections global", CLI_ADMIN, run_rate_limit, NULL, NULL },
	{ "set rate-limit sessions global", CLI_ADMIN, run_rate_limit, NULL, NULL },
	{ "set rate-limit ssl-sessions global", CLI_ADMIN, run_rate_limit, NULL, NULL },
};

void cmd_rate_init(void)
{
	cli_register(commands, ARRAY_SIZE(commands));
}
