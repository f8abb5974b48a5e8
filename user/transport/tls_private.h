/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_private.h - what the files of the TLS transport share. Not for other rooms.
 */
#ifndef LBD_TRANSPORT_TLS_PRIVATE_H
#define LBD_TRANSPORT_TLS_PRIVATE_H

#include "transport/tls.h"

/* tls.c: counted when a handshake ends well. */
void tls_count_handshake(const struct conn *c, SSL *ssl);
void tls_count_open(const struct conn *c, bool is_client);
void tls_count_close(void);
/* tls_conf.c: how many bytes the records at the beginning of a connection carry, and any record; 0: no limit. */
extern uint32_t tls_max_record, tls_hard_max_record;
/* The library's objects that hang a connection's data on an SSL. Once. */
void tls_transport_init(void);

#endif
