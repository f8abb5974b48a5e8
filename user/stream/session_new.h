/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * session_new.h - between listener.c, which accepts, and session.c, which owns what was accepted.
 */
#ifndef LBD_STREAM_SESSION_NEW_H
#define LBD_STREAM_SESSION_NEW_H

#include "stream/session.h"

/* A socket just accepted by @l in this worker, already counted against the limits and in worker_loads: rules, then its protocol. */
void session_accept(struct listener *l, int fd, const struct addr *src);
/* A connection counted by listener_count() has ended. Any worker. */
void listener_uncount(struct listener *l);
/* How many sessions each worker has or was just given, for spreading new ones; counted by who gives. */
extern struct worker_load {
	_Atomic uint32_t sessions;
} CACHE_ALIGNED worker_loads[MAX_WORKERS];

#endif
