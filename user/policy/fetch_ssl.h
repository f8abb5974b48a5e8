/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fetch_ssl.h - what fetch_ssl.c and fetch_cert.c share. Not for other rooms.
 */
#ifndef LBD_POLICY_FETCH_SSL_H
#define LBD_POLICY_FETCH_SSL_H

#include "policy/acl.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "stream/stream.h"
#include "stream/upstream.h"
#include "transport/tls.h"

enum fetch_end { FRONT, BACK };
/* The connection of that end, NULL: there is none (yet). */
const struct conn *fetch_ssl_conn(enum fetch_end end, const struct smp_ctx *ctx);

void fetch_cert_register(void);

#endif
