// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proxy_tls.c - what a PROXY header says about the client's TLS. Runs in the session's worker.
 */
#include "base/arena.h"
#include "stream/proxy_send.h"
#include "transport/tls.h"

#include <openssl/ssl.h>

static struct slice text_of(const char *z)
{
	return z ? slice_z(z) : SLICE_NONE;
}

/* The common name of the client's certificate. */
static struct slice common_name(X509 *crt, struct arena *a)
{
	X509_NAME *name = X509_get_subject_name(crt);
	int n = X509_NAME_get_text_by_NID(name, NID_commonName, NULL, 0);
	char *z;

	if (n <= 0 || n > 255)
		return SLICE_NONE;
	z = arena_alloc(a, (size_t)n + 1);
	X509_NAME_get_text_by_NID(name, NID_commonName, z, n + 1);
	return slice_make(z, (size_t)n);
}

/* "RSA2048", "EC256" */
static struct slice key_name(X509 *crt, struct arena *a)
{
	EVP_PKEY *key = X509_get0_pubkey(crt);
	const char *kind;

	switch (key ? EVP_PKEY_get_base_id(key) : 0) {
	case EVP_PKEY_RSA:
		kind = "RSA";
		break;
	case EVP_PKEY_EC:
		kind = "EC";
		break;
	case EVP_PKEY_DSA:
		kind = "DSA";
		break;
	default:
		return SLICE_NONE;
	}
	return slice_z(arena_printf(a, "%s%d", kind, EVP_PKEY_get_bits(key)));
}

static void from_tls(const struct conn *client, struct proxy_tls *out, struct arena *a)
{
	SSL *ssl = tls_of(client);
	X509 *peer, *own;

	if (!ssl)
		return;
	peer = SSL_get0_peer_certificate(ssl);
	own = SSL_get_certificate(ssl);
	out->tls = true;
	out->cert_session = peer;
	out->cert_now = peer && !SSL_session_reused(ssl);
	out->verify = (uint32_t)SSL_get_verify_result(ssl);
	out->version = text_of(SSL_get_version(ssl));
	out->cipher = text_of(SSL_get_cipher_name(ssl));
	out->sni = text_of(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
	out->alpn = tls_alpn_of(client);
	if (peer)
		out->cn = common_name(peer, a);
	if (!own)
		return;
	out->key_alg = key_name(own, a);
	out->sig_alg = text_of(OBJ_nid2sn(X509_get_signature_nid(own)));
}

void proxy_tls_init(void)
{
	proxy_tls_of = from_tls;
}
