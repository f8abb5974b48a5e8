/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * h1_client.h - registers the session protocol "h1".
 */
#ifndef LBD_HTTP_H1_CLIENT_H
#define LBD_HTTP_H1_CLIENT_H

#include <stdbool.h>

void h1_client_init(void);
struct session;
/* Are there bytes of this client read and not consumed? Sessions of protocol "h1" only. */
bool h1_client_holds(struct session *s);
/* Bytes behind struct session of every protocol of mode http: one can become the other. */
#define H1_CLIENT_BYTES 72

#endif
