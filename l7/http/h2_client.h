/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * h2_client.h - registers the session protocol "h2", and takes over a connection that began as "h1".
 */
#ifndef LBD_HTTP_H2_CLIENT_H
#define LBD_HTTP_H2_CLIENT_H

#include "base/segment.h"
#include "stream/session.h"

void h2_client_init(void);
/* @first holds the connection's first bytes, "PRI * HTTP/2.0" on; the caller keeps its reference. The h1 part must be empty.
 * false: memory is out, the part is empty. */
bool h2_take_over(struct session *s, struct segment *first);

#endif
