// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The program's entry. The order of initialisation is this visible list: each call registers rows in tables.
 */
#include "balance/balance.h"
#include "admin/cli.h"
#include "config/reader.h"
#include "policy/rules.h"
#include "datapath/datapath.h"
#include "process/start.h"

int main(int argc, char **argv)
{
	/* the configuration language */
	config_language_init();
	balance_init();
	policy_init();

	/* the operator's side */
	admin_init();

	/* the kernel path */
	datapath_init();

	return lbd_main(argc, argv);
}
