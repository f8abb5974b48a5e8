// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The start sequence.
 */
#include "process/start.h"

#include <stdio.h>
#include <string.h>

#include "config/reader.h"

int lbd_main(int argc, char **argv)
{
	struct diag d;
	int rc = 0;

	diag_init(&d);
	config = config_new(&d);
	for (int i = 1; i < argc; i++)
		if (!strcmp(argv[i], "-f") && i + 1 < argc)
			rc |= config_read(config, argv[++i]);
	rc |= config_finish(config);
	if (!rc)
		puts("Configuration file is valid");
	diag_print(&d, stderr, DIAG_NOTICE);
	return rc ? 1 : 0;
}
