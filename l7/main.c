// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The program's entry. The order of initialisation is this visible list: each call registers rows in tables, and
 * stations in the life of the process (process/start.h), which run in this order and end in the reverse one.
 */
#include "admin/cli.h"
#include "balance/balance.h"
#include "balance_http.h"
#include "check/check.h"
#include "check/state_file.h"
#include "check_http.h"
#include "config/reader.h"
#include "datapath/datapath.h"
#include "health_mode.h"
#include "http/conf.h"
#include "log/log.h"
#include "policy/http_policy.h"
#include "policy/pattern_ref.h"
#include "policy/rules.h"
#include "policy/vars.h"
#include "process/start.h"
#include "stats_page.h"
#include "stick/config.h"
#include "stream/session.h"
#include "stream/steering.h"
#include "transport/tls.h"

int main(int argc, char **argv)
{
	/* the configuration language */
	config_language_init();
	balance_init();
	policy_init();
	stick_init();

	/* the operator's side: logs are open before anything can happen */
	log_init();
	admin_init();
	pattern_cli_init();
	vars_cli_init();

	/* connections and streams */
	tls_module_init();
	stream_module_init();
	http_init();
	health_mode_init();
	http_policy_init();
	balance_http_init();
	check_init();
	check_http_init();
	stats_page_init();

	/* behind all that listen: it has to know their addresses */
	steering_init();

	/* the kernel path: after the listeners, which take the ports */
	datapath_init();

	/* what was before: told to everything above */
	state_file_init();

	return lbd_main(argc, argv);
}
