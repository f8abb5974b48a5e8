/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * proxy_send.h - servers that are told whom a connection is for by a PROXY header. For upstream.c and the TLS transport.
 */
#ifndef LBD_STREAM_PROXY_SEND_H
#define LBD_STREAM_PROXY_SEND_H

#include "stream/proxy_header.h"
#include "stream/stream.h"

/* What the client's transport knows, in words of the header; empty slices: nothing. */
struct proxy_tls {
	bool tls, cert_now,
		cert_session; /* a client certificate: on this connection, in this TLS session */
	uint32_t verify;      /* 0: it was verified, or the code of the failure */
	struct slice version, cn, cipher, sig_alg, key_alg, sni, alpn;
};
/* Set by the TLS transport: fills @out (zeroed), memory of @a may be used. NULL: there is no TLS. */
extern void (*proxy_tls_of)(const struct conn *client, struct proxy_tls *out, struct arena *a);
/* Set by the module that has `unique-id-format`: the stream's id, made when first asked for. NULL: there are none. */
extern struct slice (*proxy_unique_id_of)(struct stream *s);

#define PROXY_SEND_MAX 4096 /* longest header that is sent */

/* Does a connection to @srv begin with a PROXY header? */
bool proxy_send_wanted(const struct server *srv);
/* The header for @s: its length, or -EMSGSIZE; at most PROXY_SEND_MAX bytes. */
int proxy_send_header(struct stream *s, unsigned char *buf);

void proxy_send_init(void);
/* Behind it: headers can tell of TLS. */
void proxy_tls_init(void);

#endif
