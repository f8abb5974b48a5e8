/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_server.h - a server's TLS: what its line says, and the contexts made of it. Made by the control thread before the
 * workers start; the kept sessions belong to their workers.
 */
#ifndef LBD_TRANSPORT_TLS_SERVER_H
#define LBD_TRANSPORT_TLS_SERVER_H

#include "model/server.h"
#include "transport/tls_conf.h"

struct expr;
struct tls_session; /* one that a worker may resume */

struct tls_server {
	struct tls_end end;       /* first: server.setup.xprt_conf */
	struct tls_end check_end; /* of health checks: other names, no kept sessions */
	bool ssl, no_ssl;
	uint8_t check_ssl; /* enum tls_switch */
	struct tls_options o;
	const char *crt, *verifyhost, *check_sni;
	struct slice check_alpn;
	bool check_alpn_said;
	struct place crt_at;
	struct tls_cert *cert;
	struct tls_session *sessions; /* [worker_count + 1] */
	const struct server *server;
	/* The name for this connection, empty: none. Set where expressions are known. */
	struct slice (*name_of)(struct conn *c, const struct tls_server *t);
	struct expr *name_expr;
};
struct tls_server *tls_server_of(const struct server *s);

#endif
