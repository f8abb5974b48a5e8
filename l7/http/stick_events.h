/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stick_events.h - what requests and responses mean to the counters of stick tables.
 */
#ifndef LBD_HTTP_STICK_EVENTS_H
#define LBD_HTTP_STICK_EVENTS_H

#include "stick/track.h"

/* Events of a server's response with that status. */
static inline unsigned int http_stick_status(unsigned int status)
{
	if (status >= 400 && status <= 499)
		return STICK_EV_HTTP_ERR;
	if (status >= 500 && status <= 599 && status != 501 && status != 505)
		return STICK_EV_HTTP_FAIL;
	return 0;
}

void http_stick_init(void);

#endif
