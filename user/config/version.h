/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * version.h - what this program calls itself, which HAProxy language it speaks, what it was built with. Constants.
 */
#ifndef LBD_CONFIG_VERSION_H
#define LBD_CONFIG_VERSION_H

#include <stdbool.h>

#define LBD_VERSION "0.1.0"
#define LBD_DATE    "2026/11/20"
/* What version_atleast() compares with, and what programs see that look for HAProxy's version. */
#define LANGUAGE_VERSION "2.6.12"
#define LANGUAGE_BRANCH  "2.6"

struct feature {
	const char *name; /* as HAProxy's `-vv` lists it */
	bool present;
};
/* Ended by a NULL name. */
extern const struct feature features[];
bool feature_present(const char *name);

#endif
