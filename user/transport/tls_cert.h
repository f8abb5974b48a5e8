/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_cert.h - certificates with their keys and chains as files have them, counted by reference and outside the
 * configuration's memory, so that one can be replaced while others still use it. Control thread; workers only read.
 */
#ifndef LBD_TRANSPORT_TLS_CERT_H
#define LBD_TRANSPORT_TLS_CERT_H

#include "base/list.h"
#include "base/strbuf.h"
#include <openssl/ssl.h>

enum tls_key_kind { TLS_KEY_RSA, TLS_KEY_ECDSA, TLS_KEY_DSA, TLS_KEY_KINDS };

struct tls_cert {
	struct list node; /* all that are loaded, by path */
	int refs;
	char *path;
	X509 *x509;
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* without the certificate itself; may be NULL */
	EVP_PKEY *dh;           /* parameters, may be NULL */
	enum tls_key_kind kind;
};

/* How files are looked for (global lines). */
enum { TLS_EXTRA_BUNDLE = 1, TLS_EXTRA_KEY = 2, TLS_EXTRA_OTHERS = 4, TLS_EXTRA_ALL = 7 };
struct tls_cert_rules {
	unsigned int extra;       /* TLS_EXTRA_* */
	bool del_ext;             /* foo.crt -> foo.key instead of foo.crt.key */
	const char *key_path;     /* the key's file when a line names it, else NULL */
	const char *issuers_path; /* a directory with chains, or NULL */
};

/* A reference to the certificate of @path, loaded when no one has it. NULL: @why says what is wrong ("has no private key..."). */
struct tls_cert *tls_cert_get(const char *path, const struct tls_cert_rules *r, struct strbuf *why);
void tls_cert_put(struct tls_cert *c);
/* Calls @each for every DNS name of the certificate: the alternative names and the common name. */
void tls_cert_names(const struct tls_cert *c, void (*each)(void *arg, struct slice name),
		    void *arg);
/* Is there a file, a directory, a bundle (path.rsa, path.ecdsa, path.dsa), nothing? */
enum tls_path_kind { TLS_PATH_NONE, TLS_PATH_FILE, TLS_PATH_DIR, TLS_PATH_BUNDLE };
enum tls_path_kind tls_path_look(const char *path, unsigned int extra, int *err);
extern const char *const tls_bundle_ext[TLS_KEY_KINDS];

#endif
