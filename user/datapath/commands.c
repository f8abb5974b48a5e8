/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * commands.c - `show datapath [json]` on the stats socket. Control thread.
 */
#include "admin/cli.h"
#include "datapath/datapath.h"
#include "datapath/mirror.h"

static void add_kernel_state(struct strbuf *o)
{
	const struct lbd_control *c;

	if (!mirror.set)
		return;
	c = lbdmap_control(mirror.set);
	strbuf_addf(o, "Kernel: pinned in %s, generation %u, ", lbdmap_pin(mirror.set),
		    c->generation);
	strbuf_addf(o, "%u flows guaranteed, %u MB of maps%s.\n", c->flows,
		    (unsigned int)(lbdmap_memory(mirror.set) >> 20),
		    mirror.adopted ? ", adopted from an earlier process" : "");
	for (int i = 0; i < mirror.nifaces; i++)
		strbuf_addf(o, "Attached: %s as %s. Off switch: lbadm -p %s detach %s --now\n",
			    mirror.iface[i].link.name, lbdmap_hook_name(mirror.iface[i].hook),
			    lbdmap_pin(mirror.set), mirror.iface[i].link.name);
}

static enum cli_result show_datapath(struct cli_request *r)
{
	if (r->first_arg < r->nwords && strcmp(r->words[r->first_arg], "json") == 0) {
		datapath_print_plan_json(config, r->out);
	} else {
		datapath_print_plan(config, r->out);
		add_kernel_state(r->out);
	}
	return CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "show datapath", 0, show_datapath, "show datapath [json]",
	  "which path each service takes, and why" },
};

void datapath_commands_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
