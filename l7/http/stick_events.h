/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stick_events.h - what requests and responses mean to the counters of stick tables.
 */
#ifndef LBD_HTTP_STICK_EVENTS_H
#define LBD_HTTP_STICK_EVENTS_H

#include "stick/track.h"

/* Events of a server's response with that status: http-err-codes, http-fail-codes. */
unsigned int http_stick_status(unsigned int status);

void http_stick_init(void);

#endif
