// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cmd_handover.c - `_getsocks`: a starting process (-x, or the master's reload) asks for the listening sockets. Allowed
 * where the stats socket says `expose-fd listeners`. Control thread; the client that asks is waited for, at most 2 s.
 */
#include "admin/private.h"

#include "stream/handover.h"

static enum cli_result run_getsocks(struct cli_request *r)
{
	struct cli_client *c = cli_client_of(r);

	if (!c->sock->bind->expose_fd)
		return cli_say(r, "This socket hands over no listening sockets: write 'expose-fd "
				  "listeners' on its 'stats socket' line.");
	handover_send(c->io.fd);
	c->quit = true;
	return CLI_DONE;
}

static const struct cli_command commands[] = {
	{ "_getsocks", CLI_ADMIN, run_getsocks, NULL, NULL },
};

void cmd_handover_init(void)
{
	cli_register(commands, ARRAY_SIZE(commands));
}
