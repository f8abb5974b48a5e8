// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * status.c - the names and words of check results, as statistics and logs print them (manual 9.1 check_status).
 */
#include "check/check.h"

static const struct check_status_row rows[] = {
	{ CHECK_UNKNOWN, "UNK", "Unknown", CHECK_NEUTRAL },
	{ CHECK_INI, "INI", "Initializing", CHECK_NEUTRAL },
	{ CHECK_CHECKED, "CHECKED", "No status change", CHECK_NEUTRAL },
	{ CHECK_HANA, "HANA", "Health analyze", CHECK_FAILED },
	{ CHECK_SOCKERR, "SOCKERR", "Socket error", CHECK_FAILED },
	{ CHECK_L4OK, "L4OK", "Layer4 check passed", CHECK_PASSED },
	{ CHECK_L4TOUT, "L4TOUT", "Layer4 timeout", CHECK_FAILED },
	{ CHECK_L4CON, "L4CON", "Layer4 connection problem", CHECK_FAILED },
	{ CHECK_L6OK, "L6OK", "Layer6 check passed", CHECK_PASSED },
	{ CHECK_L6TOUT, "L6TOUT", "Layer6 timeout", CHECK_FAILED },
	{ CHECK_L6RSP, "L6RSP", "Layer6 invalid response", CHECK_FAILED },
	{ CHECK_L7TOUT, "L7TOUT", "Layer7 timeout", CHECK_FAILED },
	{ CHECK_L7RSP, "L7RSP", "Layer7 invalid response", CHECK_FAILED },
	{ CHECK_L7OK, "L7OK", "Layer7 check passed", CHECK_PASSED },
	{ CHECK_L7OKC, "L7OKC", "Layer7 check conditionally passed", CHECK_CONDPASS },
	{ CHECK_L7STS, "L7STS", "Layer7 wrong status", CHECK_FAILED },
	{ CHECK_PROCERR, "PROCERR", "External check error", CHECK_FAILED },
	{ CHECK_PROCTOUT, "PROCTOUT", "External check timeout", CHECK_FAILED },
	{ CHECK_PROCOK, "PROCOK", "External check passed", CHECK_PASSED },
};

const struct check_status_row *check_status_row(int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].status == status)
			return &rows[i];
	return &rows[0];
}
