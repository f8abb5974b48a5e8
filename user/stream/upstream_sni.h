/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * upstream_sni.h - the server name that a TLS connection to a server asks for: `sni <expression>`, evaluated for each
 * connection. Connections made for one name are not used for another.
 */
#ifndef LBD_STREAM_UPSTREAM_SNI_H
#define LBD_STREAM_UPSTREAM_SNI_H

#include "stream/stream.h"

/* What tells connections of @s to s->srv apart: a hash of the server name, 0 without `sni`. Worker. */
uint64_t upstream_sni_key(struct stream *s);

/* The server option `sni`. Before the configuration is read. */
void upstream_sni_init(void);

#endif
