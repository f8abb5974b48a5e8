/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * socket_options.h - what configuration says about sockets beside their addresses: namespaces, congestion control, keep-alive times,
 * quick ACKs, which threads accept. Set up in the control thread, read by workers.
 */
#ifndef LBD_STREAM_SOCKET_OPTIONS_H
#define LBD_STREAM_SOCKET_OPTIONS_H

#include "model/server.h"
#include "stream/session.h"
#include "transport/conn.h"

/* Of a bind line: `namespace` (0: our own), `cc` (NULL: the system's), `mss` may be negative, `thread`: bit per worker. */
int bind_netns(const struct bind_conf *b);
const char *bind_congestion(const struct bind_conf *b);
uint64_t bind_threads(const struct bind_conf *b);
/* The ACK that only says that a request has come is left out: option tcp-smart-accept, by default in mode http. */
bool bind_smart_accept(const struct bind_conf *b);
bool proxy_smart_connect(const struct proxy *px);

/* SO_KEEPALIVE with the times of clitcpka-* or srvtcpka-*. */
void socket_keepalive(struct conn *c, const struct proxy *px, bool client);

void socket_options_init(void);

#endif
