/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_sni.h - which certificate a client gets: a table of names of one bind line. Built by the control thread before
 * the workers start; workers look up.
 */
#ifndef LBD_TRANSPORT_TLS_SNI_H
#define LBD_TRANSPORT_TLS_SNI_H

#include "base/slice.h"
#include "transport/tls_cert.h"

#define TLS_NAME_MAX 255

/* A certificate with the options it is presented with. */
struct tls_choice {
	SSL_CTX *ctx;
	struct tls_cert *cert;
	const struct tls_options
		*own; /* options of its line in a crt-list, NULL: the bind line's */
	int line;     /* what belongs together: names and their negations */
};

struct tls_names; /* the table */

struct tls_names *tls_names_new(void);
void tls_names_free(struct tls_names *t);
/* @name: "www.example.org", "*.example.org"; case is ignored. @negated: @c's wildcards do not match it. The first one added for
 * a name and kind of key wins. */
void tls_names_add(struct tls_names *t, struct slice name, bool negated,
		   const struct tls_choice *c);
/* What the client said. */
struct tls_wish {
	struct slice name; /* empty: none */
	bool ecdsa, rsa;   /* kinds of certificates that the client can verify */
};
/* The exact name first, then the wildcard; among them a kind that the client can verify. NULL: none. */
const struct tls_choice *tls_names_find(const struct tls_names *t, const struct tls_wish *w);
/* Is there any certificate for @name, whatever its kind? */
size_t tls_names_count(const struct tls_names *t);

#endif
