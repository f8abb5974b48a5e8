/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy_accept.h - clients that announce somebody else's addresses first (accept-proxy, expect-proxy, NetScaler). For session.c.
 */
#ifndef LBD_STREAM_PROXY_ACCEPT_H
#define LBD_STREAM_PROXY_ACCEPT_H

#include "stream/session.h"

/* How the connection of @s begins, after `tcp-request connection` rules have said what to expect. */
const struct conn_setup *proxy_accept_setup(const struct session *s);
/* Rows and checks. Before the configuration is read. */
void proxy_accept_init(void);

#endif
