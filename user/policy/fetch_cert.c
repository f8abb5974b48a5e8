// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_cert.c - fetches of certificates: ssl_c_* the client's, ssl_f_* the one shown to it, ssl_s_* the server's; and what
 * verification found. Any worker.
 */
#include "policy/fetch_ssl.h"

#include <openssl/objects.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

enum cert_of { OF_CLIENT, OF_FRONT, OF_SERVER };

/* priv: whose. The certificate belongs to the connection. */
static X509 *cert_of(const struct smp_arg *args, const struct smp_ctx *ctx)
{
	enum cert_of whose = (enum cert_of)args[SMP_MAX_ARGS - 1].i;
	const struct conn *c = fetch_ssl_conn(whose == OF_SERVER ? BACK : FRONT, ctx);
	SSL *ssl = c ? tls_of(c) : NULL;

	if (!ssl)
		return NULL;
	return whose == OF_FRONT ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
}

static bool fetch_der(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);
	int n = x ? i2d_X509(x, NULL) : 0;
	unsigned char *p = n > 0 ? (unsigned char *)smp_alloc(ctx, (size_t)n) : NULL;
	unsigned char *end = p;

	return p && i2d_X509(x, &end) == n && smp_bin(out, slice_make(p, (size_t)n));
}

/* The chain as the other side sent it: a client's is without its own certificate, as in HAProxy. */
static bool fetch_chain_der(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	enum cert_of whose = (enum cert_of)args[SMP_MAX_ARGS - 1].i;
	const struct conn *c = fetch_ssl_conn(whose == OF_SERVER ? BACK : FRONT, ctx);
	SSL *ssl = c ? tls_of(c) : NULL;
	STACK_OF(X509) *chain = ssl ? SSL_get_peer_cert_chain(ssl) : NULL;
	unsigned char *p, *end;
	int n = 0;

	for (int i = 0; chain && i < sk_X509_num(chain); i++)
		n += i2d_X509(sk_X509_value(chain, i), NULL);
	p = end = n > 0 ? (unsigned char *)smp_alloc(ctx, (size_t)n) : NULL;
	for (int i = 0; p && i < sk_X509_num(chain); i++)
		i2d_X509(sk_X509_value(chain, i), &end);
	return p && smp_bin(out, slice_make(p, (size_t)(end - p)));
}

static bool fetch_serial(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);
	const ASN1_INTEGER *n = x ? X509_get0_serialNumber(x) : NULL;

	return n &&
	       smp_bin(out, slice_make(ASN1_STRING_get0_data(n), (size_t)ASN1_STRING_length(n)));
}

static bool fetch_sha1(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);
	unsigned char *p = x ? (unsigned char *)smp_alloc(ctx, EVP_MAX_MD_SIZE) : NULL;
	unsigned int n = 0;

	return p && X509_digest(x, EVP_sha1(), p, &n) && smp_bin(out, slice_make(p, n));
}

/* YYMMDDhhmmssZ: a date behind 2049 has its century in front in the certificate. */
static bool date(const ASN1_TIME *t, struct sample *out)
{
	struct slice s;

	if (!t)
		return false;
	s = slice_make(ASN1_STRING_get0_data(t), (size_t)ASN1_STRING_length(t));
	if (ASN1_STRING_type(t) == V_ASN1_GENERALIZEDTIME)
		s = slice_from(s, 2);
	return s.n && smp_str(out, s);
}

static bool fetch_not_before(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	X509 *x = cert_of(args, ctx);

	return x && date(X509_get0_notBefore(x), out);
}

static bool fetch_not_after(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	X509 *x = cert_of(args, ctx);

	return x && date(X509_get0_notAfter(x), out);
}

static bool fetch_version(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);

	return x && smp_int(out, X509_get_version(x) + 1);
}

static bool fetch_key_alg(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);
	ASN1_OBJECT *alg = NULL;

	if (!x || !X509_PUBKEY_get0_param(&alg, NULL, NULL, NULL, X509_get_X509_PUBKEY(x)))
		return false;
	return smp_str(out, slice_z(OBJ_nid2sn(OBJ_obj2nid(alg))));
}

static bool fetch_sig_alg(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);

	return x && smp_str(out, slice_z(OBJ_nid2sn(X509_get_signature_nid(x))));
}

/* ---- names ---- */

#define DN_BYTES 8192

struct dn_text {
	char *p;
	size_t n;
	bool full;
};

static void dn_add(struct dn_text *t, const void *p, size_t n)
{
	if (n > DN_BYTES - t->n) {
		t->full = true;
		return;
	}
	memcpy(t->p + t->n, p, n);
	t->n += n;
}

static struct slice entry_name(const X509_NAME_ENTRY *e, char *buf, size_t size)
{
	const ASN1_OBJECT *o = X509_NAME_ENTRY_get_object(e);
	int nid = OBJ_obj2nid(o), n;

	if (nid != NID_undef)
		return slice_z(OBJ_nid2sn(nid));
	n = OBJ_obj2txt(buf, (int)size, o, 1);
	return n > 0 && (size_t)n < size ? slice_make(buf, (size_t)n) : SLICE_NONE;
}

static struct slice entry_value(const X509_NAME_ENTRY *e)
{
	const ASN1_STRING *s = X509_NAME_ENTRY_get_data(e);

	return slice_make(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* /C=DE/O=Some Org/CN=name */
static bool whole_dn(X509_NAME *name, const struct smp_ctx *ctx, struct sample *out)
{
	struct dn_text t = { .p = smp_alloc(ctx, DN_BYTES) };
	char buf[128];

	for (int i = 0; t.p && i < X509_NAME_entry_count(name); i++) {
		const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, i);
		struct slice n = entry_name(e, buf, sizeof(buf)), v = entry_value(e);

		dn_add(&t, "/", 1);
		dn_add(&t, n.p, n.n);
		dn_add(&t, "=", 1);
		dn_add(&t, v.p, v.n);
	}
	return t.n && !t.full && smp_str(out, slice_make(t.p, t.n));
}

/* As LDAP writes it (RFC 2253): the last part first. */
static bool rfc2253_dn(X509_NAME *name, const struct smp_ctx *ctx, struct sample *out)
{
	BIO *b = BIO_new(BIO_s_mem());
	char *p = NULL, *copy;
	long n;

	if (!b)
		return false;
	X509_NAME_print_ex(b, name, 0, XN_FLAG_RFC2253);
	n = BIO_get_mem_data(b, &p);
	copy = n > 0 ? smp_alloc(ctx, (size_t)n) : NULL;
	if (copy)
		memcpy(copy, p, (size_t)n);
	BIO_free(b);
	return copy && smp_str(out, slice_make(copy, (size_t)n));
}

/* The @which-th entry called @key, from the end when negative; 0 is the first. */
static bool one_entry(X509_NAME *name, struct slice key, int64_t which, struct sample *out)
{
	int n = X509_NAME_entry_count(name);
	char buf[128];

	for (int i = 0; i < n; i++) {
		const X509_NAME_ENTRY *e = X509_NAME_get_entry(name, which < 0 ? n - 1 - i : i);

		if (!slice_eq_case(entry_name(e, buf, sizeof(buf)), key))
			continue;
		if (which > 1)
			which--;
		else if (which < -1)
			which++;
		else
			return smp_str(out, entry_value(e));
	}
	return false;
}

static bool dn(X509_NAME *name, const struct smp_arg *args, const struct smp_ctx *ctx,
	       struct sample *out)
{
	if (arg_given(args, 0) && args[0].s.n)
		return one_entry(name, args[0].s, arg_given(args, 1) ? args[1].i : 1, out);
	return arg_given(args, 2) && args[2].s.n ? rfc2253_dn(name, ctx, out)
						 : whole_dn(name, ctx, out);
}

static bool fetch_subject(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);

	return x && dn(X509_get_subject_name(x), args, ctx, out);
}

static bool fetch_issuer(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	X509 *x = cert_of(args, ctx);

	return x && dn(X509_get_issuer_name(x), args, ctx, out);
}

static int check_dn(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (arg_given(args, 2) && args[2].s.n && !slice_eq_z(args[2].s, "rfc2253"))
		return cfg_error(
			l, word,
			"the format of a distinguished name is rfc2253 or nothing, not '%.*s'",
			SLICE_FMT(args[2].s));
	return 0;
}

/* ---- the client's verification ---- */

static const struct conn *front(const struct smp_ctx *ctx)
{
	const struct conn *c = fetch_ssl_conn(FRONT, ctx);

	return c && tls_of(c) ? c : NULL;
}

static bool fetch_used(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = front(ctx);

	return smp_bool(out, c && SSL_get0_peer_certificate(tls_of(c)));
}

static bool fetch_has_crt(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = front(ctx);

	return smp_bool(out, c && SSL_get0_peer_certificate(tls_of(c)) &&
				     !SSL_session_reused(tls_of(c)));
}

static bool fetch_verify(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = front(ctx);

	return c && smp_int(out, SSL_get_verify_result(tls_of(c)));
}

static bool fetch_crt_err(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = front(ctx);

	return c && smp_int(out, tls_verdict_of(c)->crt_err);
}

static bool fetch_ca_err(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = front(ctx);

	return c && smp_int(out, tls_verdict_of(c)->ca_err);
}

static bool fetch_ca_err_depth(const struct smp_arg *args, const struct smp_ctx *ctx,
			       struct sample *out)
{
	const struct conn *c = front(ctx);

	return c && smp_int(out, tls_verdict_of(c)->ca_depth);
}

/* ---- rows ---- */

#define SAYS "TLS is the daemon's"
#define ROW(n, t, fn, whose, at, h)                                                               \
	{                                                                                         \
		.name = n, .kind = "fetch-L5", .out = t, .fetch = fn, .where = at, .priv = whose, \
		.kernel = KERNEL_NEVER, .kernel_says = SAYS, .help = h                            \
	}
#define DN(n, fn, whose, at, h)                                                          \
	{                                                                                \
		.name = n, .kind = "fetch-L5", .out = SMP_STR, .fetch = fn, .where = at, \
		.max_args = 3, .args = { ARG_STR, ARG_INT, ARG_STR }, .check = check_dn, \
		.priv = whose, .kernel = KERNEL_NEVER, .kernel_says = SAYS, .help = h    \
	}
#define CERT(p, whose, at, who)                                                                    \
	ROW("ssl_" p "_der", SMP_BIN, fetch_der, whose, at, who " as DER."),                       \
		ROW("ssl_" p "_serial", SMP_BIN, fetch_serial, whose, at, who ": serial number."), \
		ROW("ssl_" p "_sha1", SMP_BIN, fetch_sha1, whose, at, who ": SHA-1 of it."),       \
		ROW("ssl_" p "_notbefore", SMP_STR, fetch_not_before, whose, at,                   \
		    who ": valid from, YYMMDDhhmmssZ."),                                           \
		ROW("ssl_" p "_notafter", SMP_STR, fetch_not_after, whose, at,                     \
		    who ": valid until, YYMMDDhhmmssZ."),                                          \
		ROW("ssl_" p "_version", SMP_INT, fetch_version, whose, at, who ": version."),     \
		ROW("ssl_" p "_key_alg", SMP_STR, fetch_key_alg, whose, at, who ": kind of key."), \
		ROW("ssl_" p "_sig_alg", SMP_STR, fetch_sig_alg, whose, at,                        \
		    who ": algorithm of its signature."),                                          \
		DN("ssl_" p "_s_dn", fetch_subject, whose, at,                                     \
		   who ": subject, or one entry of it."),                                          \
		DN("ssl_" p "_i_dn", fetch_issuer, whose, at, who ": issuer, or one entry of it.")
#define CLIENT(n, t, fn, h) ROW(n, t, fn, OF_CLIENT, SMP_W_L5_CLIENT, h)

static const struct fetch_row rows[] = {
	CERT("c", OF_CLIENT, SMP_W_L5_CLIENT, "The client's certificate"),
	CERT("f", OF_FRONT, SMP_W_L5_CLIENT, "The certificate shown to the client"),
	CERT("s", OF_SERVER, SMP_W_L4_SERVER, "The server's certificate"),
	CLIENT("ssl_c_chain_der", SMP_BIN, fetch_chain_der, "The client's certificates as DER."),
	ROW("ssl_s_chain_der", SMP_BIN, fetch_chain_der, OF_SERVER, SMP_W_L4_SERVER,
	    "The server's certificates as DER."),
	CLIENT("ssl_c_used", SMP_BOOL, fetch_used,
	       "The client's session has a certificate, shown now or when it began."),
	CLIENT("ssl_fc_has_crt", SMP_BOOL, fetch_has_crt,
	       "The client has shown a certificate in this connection."),
	CLIENT("ssl_c_verify", SMP_INT, fetch_verify,
	       "OpenSSL's number of the verification's result, 0: good."),
	CLIENT("ssl_c_err", SMP_INT, fetch_crt_err,
	       "The first error of the client's certificate itself."),
	CLIENT("ssl_c_ca_err", SMP_INT, fetch_ca_err,
	       "The first error above the client's certificate."),
	CLIENT("ssl_c_ca_err_depth", SMP_INT, fetch_ca_err_depth, "Where that error was."),
};

void fetch_cert_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
