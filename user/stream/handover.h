/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * handover.h - listening sockets from one process to the next, so that a reload loses no connection: the old process sends them
 * over a unix socket, the new one uses them instead of binding (Documentation/decisions/2026-11-28-handover.md). Control thread.
 */
#ifndef LBD_STREAM_HANDOVER_H
#define LBD_STREAM_HANDOVER_H

#include "model/proxy.h"

/* The old process: sends all sockets that listen over @sock and ends with a line "end". 0 or -errno; at most 2 s. */
int handover_send(int sock);

/* The new process, before it binds: asks over @sock (a stats socket with `expose-fd listeners`) and keeps what it gets, at
 * most 5 s. The number of sockets, or -errno. */
int handover_receive(int sock);
/* One of them for this address of @b, which is the caller's from then on; -1: there is none (more). */
int handover_take(const struct bind_conf *b, const struct addr *a, const char *path);
/* Closes those that nobody took. */
void handover_end(void);

#endif
