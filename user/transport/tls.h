/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls.h - TLS connections by OpenSSL 3: the transport row, what it is set up with, and what can be asked about a
 * connection. What the configuration says is in tls_conf.h, certificates in tls_cert.h. Not for: the words of it.
 */
#ifndef LBD_TRANSPORT_TLS_H
#define LBD_TRANSPORT_TLS_H

#include "base/slice.h"
#include "transport/conn.h"

typedef struct ssl_st SSL;
typedef struct ssl_ctx_st SSL_CTX;
struct global;

/* TLS on a connection: conn.setup->xprt. conn.setup->xprt_conf is a struct tls_end. */
extern const struct transport transport_tls;

/* One end's part of the set-up. A bind line and a server embed one; constant once the workers run. */
struct tls_end {
	SSL_CTX *ctx;
	bool is_client; /* towards a server */
	/* Called before the handshake begins: names, sessions. 0 or -errno. May be NULL. */
	int (*prepare)(struct conn *c, SSL *ssl, const struct tls_end *e);
};

/* Verification errors as the application's data of a connection: what was found and what was let pass. */
struct tls_verdict {
	int ca_err, ca_depth; /* first error above the certificate itself, and where */
	int crt_err;          /* first error of the certificate itself */
};

/* The connection's TLS, NULL for a plain one or before the handshake has begun. */
SSL *tls_of(const struct conn *c);
static inline bool tls_is_on(const struct conn *c)
{
	return c->xprt == &transport_tls;
}
const struct tls_verdict *tls_verdict_of(const struct conn *c);
struct conn *tls_conn_of(const SSL *ssl);
/* OpenSSL's code of what ended the handshake, 0: none. */
unsigned long tls_error_of(const struct conn *c);
/* The protocol that was agreed on by ALPN, empty without. */
struct slice tls_alpn_of(const struct conn *c);

/* ---- numbers for `show info` (any thread) ---- */
struct tls_numbers {
	uint64_t total;                 /* connections since the start, both ends */
	uint64_t rate, rate_max;        /* client connections per second */
	uint64_t front_keys, back_keys; /* full handshakes in the last second */
	uint64_t front_keys_max, back_keys_max;
	uint64_t reuse_percent; /* client connections of the last second without a new key */
	uint64_t cache_lookups, cache_misses;
};
void tls_numbers(struct tls_numbers *n);

/* Rows of bind, server and global lines. Before the configuration is read. */
void tls_module_init(void);

#endif
