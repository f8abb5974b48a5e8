/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socks4.h - servers that are reached through a SOCKS 4 proxy.
 */
#ifndef LBD_STREAM_SOCKS4_H
#define LBD_STREAM_SOCKS4_H

#include "model/server.h"

/* Where to connect to instead of @srv, for its traffic or for its checks; NULL: to itself. */
const struct addr *socks4_proxy_of(const struct server *srv, bool for_check);

void socks4_init(void);

#endif
