/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bypass.h - server option `bypass`: what a server on this host sends goes from socket to socket, past TCP.
 */
#ifndef LBD_STREAM_BYPASS_H
#define LBD_STREAM_BYPASS_H

#include "base/strbuf.h"
#include "model/server.h"

/*
 * Will connections to this address, whichever server line they are for, bypass TCP? Then conn.flags gets CONN_SHORT_READS, and
 * as what lies in such sockets is seen by recv() only, splice(2) and sockmap stay away.
 */
bool bypass_takes(const struct addr *to);
/* Adds its lines to `show splice`. */
void bypass_show(struct strbuf *out);
void bypass_init(void);

#endif
