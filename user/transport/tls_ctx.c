// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_ctx.c - an OpenSSL context made of options and a certificate, and what is verified about the other side. Not for:
 * which certificate is chosen (tls_sni.c). Contexts: control thread. Verification: the connection's worker.
 */
#include "transport/tls_conf.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

static int options_index = -1; /* of an SSL_CTX: its struct tls_options, for the verify callback */

static SSL_CTX *refuse(const struct tls_maker *m, SSL_CTX *ctx, const char *what, const char *value,
		       const char *hint)
{
	unsigned long e = ERR_peek_last_error();
	const char *reason = e ? ERR_reason_error_string(e) : NULL;

	diag_error(m->d, m->at, "%s: %s '%s' cannot be used%s%s%s%s", m->who, what, value,
		   reason ? ": " : "", reason ? reason : "", hint ? "\n" : "", hint ? hint : "");
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}

/* A file that OpenSSL did not take: the system's reason where there is one. */
static SSL_CTX *refuse_file(const struct tls_maker *m, SSL_CTX *ctx, const char *what,
			    const char *path)
{
	if (strcmp(path, "@system-ca") == 0 || access(path, R_OK) == 0)
		return refuse(m, ctx, what, path, NULL);
	diag_error(m->d, m->at, "%s: %s '%s' cannot be read: %s", m->who, what, path,
		   strerror(errno));
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}

const char *tls_path(struct arena *a, const char *base, const char *path)
{
	return !base || path[0] == '/' ? path : arena_printf(a, "%s/%s", base, path);
}

/* ---- verification ---- */

static bool is_ignored(const uint64_t *bits, int err)
{
	return err < 128 ? bits[err / 64] >> (err % 64) & 1 : bits[0] == ~0ull;
}

/* Notes the first error above the certificate and the first of the certificate itself; ignored ones go through. */
static int on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct conn *c = ssl ? tls_conn_of(ssl) : NULL;
	const struct tls_options *o =
		ssl ? SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), options_index) : NULL;
	int err = X509_STORE_CTX_get_error(store), depth = X509_STORE_CTX_get_error_depth(store);
	struct tls_verdict *v = c ? (struct tls_verdict *)tls_verdict_of(c) : NULL;

	if (ok || !v || !o)
		return ok;
	if (depth > 0) {
		if (!v->ca_err) {
			v->ca_err = err;
			v->ca_depth = depth;
		}
		if (is_ignored(o->ca_ignore, err)) {
			ERR_clear_error();
			return 1;
		}
		if (SSL_is_server(ssl))
			c->reason = CONN_TLS_CA_CHAIN;
		return 0;
	}
	if (!v->crt_err)
		v->crt_err = err;
	if (is_ignored(o->crt_ignore, err)) {
		ERR_clear_error();
		return 1;
	}
	if (SSL_is_server(ssl))
		c->reason = CONN_TLS_UNTRUSTED;
	else if (err == X509_V_ERR_HOSTNAME_MISMATCH)
		c->reason = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name)
				    ? CONN_TLS_NOT_EXPECTED
				    : CONN_TLS_NOT_CONFIGURED;
	return 0;
}

static bool load_directory(X509_STORE *store, const char *dir)
{
	static const char *const ends[] = { ".pem", ".crt", ".cer", ".crl" };
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort), loaded = 0;
	char path[4096];

	for (int i = 0; i < n; i++) {
		const char *dot = strrchr(names[i]->d_name, '.');

		for (size_t k = 0; dot && names[i]->d_name[0] != '.' && k < ARRAY_SIZE(ends); k++)
			if (!strcmp(dot, ends[k]) && snprintf(path, sizeof(path), "%s/%s", dir,
							      names[i]->d_name) < (int)sizeof(path))
				loaded += X509_STORE_load_file(store, path);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	if (loaded)
		ERR_clear_error();
	return loaded > 0;
}

static bool load_authorities(SSL_CTX *ctx, const char *path)
{
	X509_STORE *store = SSL_CTX_get_cert_store(ctx);
	struct stat st;

	if (!strcmp(path, "@system-ca"))
		return SSL_CTX_set_default_verify_paths(ctx);
	if (stat(path, &st)) {
		ERR_raise_data(ERR_LIB_SYS, errno, "stat");
		return false;
	}
	return S_ISDIR(st.st_mode) ? load_directory(store, path)
				   : X509_STORE_load_file(store, path);
}

static SSL_CTX *set_verify(const struct tls_maker *m, SSL_CTX *ctx, const struct tls_options *o)
{
	static const int modes[] = {
		[TLS_VERIFY_NONE] = SSL_VERIFY_NONE,
		[TLS_VERIFY_OPTIONAL] = SSL_VERIFY_PEER,
		[TLS_VERIFY_REQUIRED] = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
	};
	const char *ca = o->ca_file ? tls_path(m->arena, tls_settings.ca_base, o->ca_file) : NULL;
	const char *more = o->ca_verify_file
				   ? tls_path(m->arena, tls_settings.ca_base, o->ca_verify_file)
				   : NULL;
	const char *crl =
		o->crl_file ? tls_path(m->arena, tls_settings.ca_base, o->crl_file) : NULL;
	bool asks = o->verify > TLS_VERIFY_NONE;

	SSL_CTX_set_verify(ctx, asks ? modes[o->verify] : SSL_VERIFY_NONE, asks ? on_verify : NULL);
	if (!asks)
		return ctx;
	if (!ca && !more) {
		diag_error(m->d, m->at, "%s: 'verify %s' needs 'ca-file'\n%s", m->who,
			   o->verify == TLS_VERIFY_OPTIONAL ? "optional" : "required",
			   m->is_client
				   ? "name the authorities of the server's certificate, "
				     "'ca-file @system-ca' for those of the system, or say 'verify "
				     "none'"
				   : "name the authorities that clients' certificates are from");
		SSL_CTX_free(ctx);
		return NULL;
	}
	if (ca && !load_authorities(ctx, ca))
		return refuse_file(m, ctx, "ca-file", ca);
	if (more && !load_authorities(ctx, more))
		return refuse_file(m, ctx, "ca-verify-file", more);
	if (ca && !m->is_client && !o->no_ca_names && strcmp(ca, "@system-ca") && access(ca, X_OK))
		SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(ca));
	if (crl) {
		if (!X509_STORE_load_file(SSL_CTX_get_cert_store(ctx), crl))
			return refuse_file(m, ctx, "crl-file", crl);
		X509_STORE_set_flags(SSL_CTX_get_cert_store(ctx),
				     X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
	}
	ERR_clear_error();
	return ctx;
}

/* ---- algorithms ---- */

static SSL_CTX *set_algorithms(const struct tls_maker *m, SSL_CTX *ctx, const struct tls_options *o)
{
	const char *groups = o->curves ? o->curves : o->ecdhe;
	int lo, hi;

	if (!tls_versions_of(o, &lo, &hi)) {
		diag_error(m->d, m->at,
			   "%s: no version of TLS is left between 'ssl-min-ver', 'ssl-max-ver', "
			   "'force-...' and "
			   "'no-tls...'",
			   m->who);
		SSL_CTX_free(ctx);
		return NULL;
	}
	SSL_CTX_set_min_proto_version(ctx, tls_version_number(lo));
	SSL_CTX_set_max_proto_version(ctx, tls_version_number(hi));
	for (int v = lo + 1; v < hi; v++) {
		static const uint64_t no[TLS_VERSIONS] = { SSL_OP_NO_SSLv3, SSL_OP_NO_TLSv1,
							   SSL_OP_NO_TLSv1_1, SSL_OP_NO_TLSv1_2,
							   SSL_OP_NO_TLSv1_3 };

		if (o->no_versions & (1 << v))
			SSL_CTX_set_options(ctx, no[v]);
	}
	if (tls_settings.security_level >= 0)
		SSL_CTX_set_security_level(ctx, tls_settings.security_level);
	if (o->ciphers && !SSL_CTX_set_cipher_list(ctx, o->ciphers))
		return refuse(m, ctx, "ciphers", o->ciphers, NULL);
	if (o->ciphersuites && !SSL_CTX_set_ciphersuites(ctx, o->ciphersuites))
		return refuse(m, ctx, "ciphersuites", o->ciphersuites, NULL);
	if (groups && !SSL_CTX_set1_groups_list(ctx, groups))
		return refuse(m, ctx, o->curves ? "curves" : "ecdhe", groups, NULL);
	if (o->sigalgs && !SSL_CTX_set1_sigalgs_list(ctx, o->sigalgs))
		return refuse(m, ctx, "sigalgs", o->sigalgs, NULL);
	if (o->client_sigalgs && !SSL_CTX_set1_client_sigalgs_list(ctx, o->client_sigalgs))
		return refuse(m, ctx, "client-sigalgs", o->client_sigalgs, NULL);
	return ctx;
}

/* Parameters for DHE: of the certificate's file, of ssl-dh-param-file, or the library's for a size. */
static SSL_CTX *set_dh(const struct tls_maker *m, SSL_CTX *ctx, const struct tls_cert *cert)
{
	EVP_PKEY *dh = NULL;

	if (m->is_client)
		return ctx;
	if (cert && cert->dh) {
		EVP_PKEY_up_ref(cert->dh);
		dh = cert->dh;
	} else if (tls_settings.dh_file) {
		BIO *b = BIO_new_file(tls_settings.dh_file, "r");

		dh = b ? PEM_read_bio_Parameters(b, NULL) : NULL;
		BIO_free(b);
		if (!dh)
			return refuse(m, ctx, "ssl-dh-param-file", tls_settings.dh_file,
				      "it must be PEM: openssl dhparam -out FILE 2048");
	} else if (tls_settings.dh_bits) {
		SSL_CTX_set_dh_auto(ctx, 1);
	}
	if (dh && !SSL_CTX_set0_tmp_dh_pkey(ctx, dh)) {
		EVP_PKEY_free(dh);
		return refuse(m, ctx, "DH parameters of",
			      cert && cert->dh ? cert->path : tls_settings.dh_file, NULL);
	}
	return ctx;
}

/* ---- ALPN of a listener ---- */

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen,
		   const unsigned char *in, unsigned int inlen, void *arg)
{
	const struct tls_options *o = arg;
	unsigned char *p;

	if (SSL_select_next_proto(&p, outlen, (const unsigned char *)o->alpn.p,
				  (unsigned int)o->alpn.n, in, inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = p;
	return SSL_TLSEXT_ERR_OK;
}

/* ---- the whole ---- */

static SSL_CTX *set_cert(const struct tls_maker *m, SSL_CTX *ctx, const struct tls_cert *cert)
{
	if (!cert || SSL_CTX_use_cert_and_key(ctx, cert->x509, cert->key, cert->chain, 1) == 1)
		return ctx;
	return refuse(m, ctx, "certificate", cert->path, NULL);
}

/* A session may only be resumed where clients are verified by the same rules: with other ones it must be made anew. */
static uint64_t session_context(const struct tls_options *o)
{
	const char *const files[] = { o->ca_file, o->ca_verify_file, o->crl_file };
	uint64_t h = o->verify;

	for (size_t i = 0; i < ARRAY_SIZE(files) && o->verify > TLS_VERIFY_NONE; i++)
		if (files[i])
			h = XXH3_64bits_withSeed(files[i], strlen(files[i]), h);
	for (int i = 0; i < 2 && o->verify > TLS_VERIFY_NONE; i++)
		h ^= o->ca_ignore[i] * 3 ^ o->crt_ignore[i] * 5;
	return h;
}

static void set_sessions(const struct tls_maker *m, SSL_CTX *ctx, const struct tls_options *o)
{
	uint64_t sid = session_context(o);

	if (m->is_client) {
		SSL_CTX_set_session_cache_mode(ctx,
					       SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		return;
	}
	SSL_CTX_set_session_id_context(ctx, (const unsigned char *)&sid, sizeof(sid));
	if (tls_settings.cache_entries) {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
		SSL_CTX_sess_set_cache_size(ctx, tls_settings.cache_entries);
	} else {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	}
	SSL_CTX_set_timeout(ctx, tls_settings.lifetime_s);
}

SSL_CTX *tls_ctx_make(const struct tls_maker *m, const struct tls_options *o,
		      const struct tls_cert *cert)
{
	SSL_CTX *ctx = SSL_CTX_new(m->is_client ? TLS_client_method() : TLS_server_method());
	struct tls_options *kept;
	uint64_t options = SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
			   SSL_OP_IGNORE_UNEXPECTED_EOF | SSL_OP_SINGLE_DH_USE |
			   SSL_OP_SINGLE_ECDH_USE;

	if (options_index < 0)
		options_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	if (!ctx) {
		ERR_clear_error();
		diag_error(m->d, m->at, "%s: memory for a TLS context is missing", m->who);
		return NULL;
	}
	kept = arena_alloc(m->arena, sizeof(*kept));
	*kept = *o;
	SSL_CTX_set_ex_data(ctx, options_index, kept);
	if (!m->is_client && !o->prefer_client_ciphers)
		options |= SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA;
	if (o->tickets == TLS_OFF)
		options |= SSL_OP_NO_TICKET;
	SSL_CTX_set_options(ctx, options);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_read_ahead(ctx, 1);
	set_sessions(m, ctx, o);
	if (!(ctx = set_algorithms(m, ctx, o)) || !(ctx = set_dh(m, ctx, cert)) ||
	    !(ctx = set_cert(m, ctx, cert)) || !(ctx = set_verify(m, ctx, o)))
		return NULL;
	if (o->alpn.n && m->is_client)
		SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)o->alpn.p,
					(unsigned int)o->alpn.n);
	else if (o->alpn.n)
		SSL_CTX_set_alpn_select_cb(ctx, on_alpn, kept);
	return ctx;
}
