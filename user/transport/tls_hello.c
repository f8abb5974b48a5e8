// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_hello.c - the beginning of a client's handshake: what the hello asks for, and the certificate that answers it. Not
 * for: the table of names (tls_sni.c). Runs in the connection's worker.
 */
#include "transport/tls_bind.h"

#include <openssl/ssl.h>

struct reader {
	const unsigned char *p, *end;
};

static unsigned int take16(struct reader *r)
{
	unsigned int v;

	if (r->end - r->p < 2) {
		r->p = r->end;
		return 0;
	}
	v = (unsigned int)r->p[0] << 8 | r->p[1];
	r->p += 2;
	return v;
}

/* server_name (RFC 6066): a list with one host_name. */
static struct slice hello_name(SSL *ssl)
{
	struct reader r;
	size_t n;
	unsigned int len;

	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_server_name, &r.p, &n))
		return SLICE_NONE;
	r.end = r.p + n;
	if (take16(&r) != r.end - r.p || r.p == r.end || *r.p++ != TLSEXT_NAMETYPE_host_name)
		return SLICE_NONE;
	len = take16(&r);
	return len <= r.end - r.p ? slice_make(r.p, len) : SLICE_NONE;
}

/* signature_algorithms: the second byte is the kind of key up to TLSv1.2, the pair a name in TLSv1.3 (RFC 8446, 4.2.3). */
static void hello_signatures(SSL *ssl, struct tls_wish *w)
{
	struct reader r;
	size_t n;

	if (!SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_signature_algorithms, &r.p, &n)) {
		w->rsa = true;
		return;
	}
	r.end = r.p + n;
	take16(&r);
	while (r.end - r.p >= 2) {
		unsigned int alg = take16(&r), key = alg & 0xff;

		if (alg == 0x0807 || alg == 0x0808 || (alg < 0x0700 && key == 3))
			w->ecdsa = true;
		else if ((alg >= 0x0804 && alg <= 0x080b && alg != 0x0807 && alg != 0x0808) ||
			 (alg < 0x0700 && key == 1))
			w->rsa = true;
	}
}

/* Up to TLSv1.2 the kind of key belongs to the cipher suite. */
static bool offers_ecdsa_cipher(SSL *ssl)
{
	const unsigned char *list;
	size_t n = SSL_client_hello_get0_ciphers(ssl, &list);
	STACK_OF(SSL_CIPHER) *ciphers = NULL, *signals = NULL;
	bool found = false;

	if (!n ||
	    !SSL_bytes_to_cipher_list(ssl, list, n, SSL_client_hello_isv2(ssl), &ciphers, &signals))
		return false;
	for (int i = 0; i < sk_SSL_CIPHER_num(ciphers) && !found; i++) {
		int auth = SSL_CIPHER_get_auth_nid(sk_SSL_CIPHER_value(ciphers, i));

		found = auth == NID_auth_ecdsa || auth == NID_auth_any;
	}
	sk_SSL_CIPHER_free(ciphers);
	sk_SSL_CIPHER_free(signals);
	return found;
}

static const struct tls_choice *fallback(const struct tls_bind *b, const struct tls_wish *w)
{
	const struct tls_choice *const *d = b->defaults;

	if (d[TLS_KEY_ECDSA] && w->ecdsa)
		return d[TLS_KEY_ECDSA];
	if (d[TLS_KEY_RSA] && w->rsa)
		return d[TLS_KEY_RSA];
	for (int k = 0; k < TLS_KEY_KINDS; k++)
		if (d[k])
			return d[k];
	return NULL;
}

/* What SSL_set_SSL_CTX() does not carry over, for certificates with options of their own. */
static void present(SSL *ssl, const struct tls_choice *c)
{
	const struct tls_options *o = c->own;

	SSL_set_SSL_CTX(ssl, c->ctx);
	if (!o)
		return;
	SSL_set_verify(ssl, SSL_CTX_get_verify_mode(c->ctx), SSL_CTX_get_verify_callback(c->ctx));
	SSL_set_min_proto_version(ssl, (int)SSL_CTX_get_min_proto_version(c->ctx));
	SSL_set_max_proto_version(ssl, (int)SSL_CTX_get_max_proto_version(c->ctx));
	if (o->curves || o->ecdhe)
		SSL_set1_groups_list(ssl, o->curves ? o->curves : o->ecdhe);
}

int tls_on_hello(SSL *ssl, int *alert, void *bind)
{
	const struct tls_bind *b = bind;
	struct tls_wish w = { .name = hello_name(ssl) };
	const struct tls_choice *c;

	hello_signatures(ssl, &w);
	if (w.ecdsa)
		w.ecdsa = offers_ecdsa_cipher(ssl);
	c = tls_names_find(b->names, &w);
	if (!c && !b->strict_sni)
		c = fallback(b, &w);
	if (!c) {
		*alert = SSL_AD_UNRECOGNIZED_NAME;
		return SSL_CLIENT_HELLO_ERROR;
	}
	present(ssl, c);
	return SSL_CLIENT_HELLO_SUCCESS;
}

/* The hello's callback has chosen; this one makes the library acknowledge the name. */
int tls_on_name(SSL *ssl, int *alert, void *bind)
{
	return SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) ? SSL_TLSEXT_ERR_OK
								  : SSL_TLSEXT_ERR_NOACK;
}
