// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_jwt.c - JSON Web Tokens in the compact form "header.payload.signature" (RFC 7515, 7518, 7519): what they say, and
 * whether the signature is right. Certificates are read when the file is read. Any worker.
 */
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "policy/conv_crypto.h"
#include "policy/conv_json.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

/* What jwt_verify gives (manual). */
enum jwt_result {
	JWT_BAD_SIGNATURE = 0,
	JWT_GOOD = 1,
	JWT_ALG_UNKNOWN = -1,
	JWT_ALG_UNMANAGED = -2,
	JWT_BAD_TOKEN = -3,
	JWT_NO_MEMORY = -4,
	JWT_NO_CERT = -5,
};

#define MOST_TOKEN 65536

struct jwt {
	struct slice header, payload, signature; /* base64url */
	struct slice signed_part;                /* header.payload */
};

static bool jwt_split(struct slice s, struct jwt *t)
{
	ptrdiff_t a = slice_chr(s, '.'), b;

	if (a <= 0 || s.n > MOST_TOKEN)
		return false;
	b = slice_chr(slice_from(s, (size_t)a + 1), '.');
	if (b <= 0)
		return false;
	t->header = slice_first(s, (size_t)a);
	t->payload = slice_first(slice_from(s, (size_t)a + 1), (size_t)b);
	t->signed_part = slice_first(s, (size_t)(a + 1 + b));
	t->signature = slice_from(s, (size_t)(a + 1 + b) + 1);
	return t->signature.n && slice_chr(t->signature, '.') < 0;
}

static bool base64url(struct slice s, const struct smp_ctx *ctx, struct slice *out)
{
	char *buf = smp_alloc(ctx, s.n + 4);
	size_t n = s.n;

	if (!buf || !n || n % 4 == 1)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (s.p[i] == '+' || s.p[i] == '/' || s.p[i] == '=')
			return false;
		buf[i] = s.p[i] == '-' ? '+' : s.p[i] == '_' ? '/' : s.p[i];
	}
	while (n % 4)
		buf[n++] = '=';
	return base64_decode(slice_make(buf, n), ctx, out);
}

/* ---- jwt_header_query, jwt_payload_query ---- */

static bool conv_query(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct jwt t;
	struct slice part;

	if (!jwt_split(smp->u.s, &t) ||
	    !base64url(args[SMP_MAX_ARGS - 1].i ? t.payload : t.header, ctx, &part))
		return false;
	smp_str(smp, part);
	return !args[0].s.n || json_query(args, ctx, smp);
}

/* ---- jwt_verify(algorithm,key) ---- */

enum jwt_kind { JWT_HMAC, JWT_RSA, JWT_EC, JWT_PSS };

static const struct jwt_alg {
	const char *name;
	enum jwt_kind kind;
	const char *digest;
	size_t ec_bytes; /* of each number of a signature */
} algs[] = {
	{ "HS256", JWT_HMAC, "sha256", 0 }, { "HS384", JWT_HMAC, "sha384", 0 },
	{ "HS512", JWT_HMAC, "sha512", 0 }, { "RS256", JWT_RSA, "sha256", 0 },
	{ "RS384", JWT_RSA, "sha384", 0 },  { "RS512", JWT_RSA, "sha512", 0 },
	{ "ES256", JWT_EC, "sha256", 32 },  { "ES384", JWT_EC, "sha384", 48 },
	{ "ES512", JWT_EC, "sha512", 66 },  { "PS256", JWT_PSS, "sha256", 0 },
	{ "PS384", JWT_PSS, "sha384", 0 },  { "PS512", JWT_PSS, "sha512", 0 },
};

static const struct jwt_alg *alg_find(struct slice name)
{
	for (size_t i = 0; i < ARRAY_SIZE(algs); i++)
		if (slice_eq_z(name, algs[i].name))
			return &algs[i];
	return NULL;
}

/* All certificates that configuration lines name; constant once the workers run. */
struct jwt_cert {
	struct jwt_cert *next;
	const char *path;
	EVP_PKEY *key;
};
static struct jwt_cert *certs;

static const struct jwt_cert *cert_find(struct slice path)
{
	for (const struct jwt_cert *c = certs; c; c = c->next)
		if (slice_eq_z(path, c->path))
			return c;
	return NULL;
}

/* A certificate, or a public key alone, in PEM. */
static EVP_PKEY *key_read(const char *path)
{
	BIO *file = BIO_new_file(path, "r");
	EVP_PKEY *key = NULL;
	X509 *cert;

	if (!file)
		return NULL;
	cert = PEM_read_bio_X509(file, NULL, NULL, NULL);
	if (cert) {
		key = X509_get_pubkey(cert);
		X509_free(cert);
	} else if (BIO_reset(file) == 0) {
		key = PEM_read_bio_PUBKEY(file, NULL, NULL, NULL);
	}
	BIO_free(file);
	return key;
}

static int cert_load(struct cfg_line *l, int word, struct slice path)
{
	struct jwt_cert *c;

	if (cert_find(path))
		return 0;
	c = ARENA_NEW(l->arena, struct jwt_cert);
	c->path = arena_dup(l->arena, path).p;
	c->key = key_read(c->path);
	if (!c->key)
		return cfg_error(l, word,
				 "converter 'jwt_verify': '%s' cannot be read as a certificate or "
				 "public key in PEM",
				 c->path);
	c->next = certs;
	certs = c;
	return 0;
}

static int check_verify(struct cfg_line *l, int word, struct smp_arg *args)
{
	const struct jwt_alg *alg = NULL;

	if (!text_or_var_check(l, word, &args[0], false) ||
	    !text_or_var_check(l, word, &args[1], false))
		return -1;
	if (!args[0].ptr) {
		alg = alg_find(args[0].s);
		if (!alg)
			return cfg_error(
				l, word,
				"converter 'jwt_verify': '%.*s' is no algorithm; there are "
				"HS256, HS384, HS512, RS..., ES..., or a variable",
				SLICE_FMT(args[0].s));
	}
	if (args[1].ptr || (alg && alg->kind != JWT_RSA && alg->kind != JWT_EC))
		return 0;
	if (!alg && args[1].s.n && args[1].s.p[0] != '/')
		return 0; /* the algorithm is not known yet: it may be a secret */
	return cert_load(l, word, args[1].s);
}

static enum jwt_result verify_hmac(const struct jwt *t, const EVP_MD *md, struct slice secret,
				   struct slice signature)
{
	unsigned char mac[EVP_MAX_MD_SIZE];
	unsigned int n = 0;

	if (!HMAC(md, secret.p, (int)secret.n, (const unsigned char *)t->signed_part.p,
		  t->signed_part.n, mac, &n))
		return JWT_NO_MEMORY;
	return n == signature.n && !CRYPTO_memcmp(mac, signature.p, n) ? JWT_GOOD
								       : JWT_BAD_SIGNATURE;
}

/* Two numbers of fixed size become the DER form that OpenSSL takes (RFC 7518 section 3.4). */
static bool ec_to_der(struct slice raw, size_t bytes, const struct smp_ctx *ctx, struct slice *der)
{
	unsigned char *buf = (unsigned char *)smp_alloc(ctx, raw.n + 16), *at = buf;
	const unsigned char *p = (const unsigned char *)raw.p;
	ECDSA_SIG *sig;
	BIGNUM *r, *s;
	int n = -1;

	if (!buf || raw.n != 2 * bytes)
		return false;
	sig = ECDSA_SIG_new();
	r = BN_bin2bn(p, (int)bytes, NULL);
	s = BN_bin2bn(p + bytes, (int)bytes, NULL);
	if (sig && r && s && ECDSA_SIG_set0(sig, r, s)) {
		r = s = NULL; /* the signature's now */
		n = i2d_ECDSA_SIG(sig, &at);
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(sig);
	*der = slice_make((char *)buf, n > 0 ? (size_t)n : 0);
	return n > 0;
}

static enum jwt_result verify_key(const struct jwt *t, const EVP_MD *md, EVP_PKEY *key,
				  struct slice signature)
{
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	enum jwt_result r = JWT_NO_MEMORY;

	if (c && EVP_DigestVerifyInit(c, NULL, md, NULL, key) == 1)
		r = EVP_DigestVerify(c, (const unsigned char *)signature.p, signature.n,
				     (const unsigned char *)t->signed_part.p, t->signed_part.n) == 1
			    ? JWT_GOOD
			    : JWT_BAD_SIGNATURE;
	EVP_MD_CTX_free(c);
	return r;
}

static enum jwt_result verify(struct slice token, struct slice alg_name, struct slice key,
			      const struct smp_ctx *ctx)
{
	const struct jwt_alg *alg = alg_find(alg_name);
	const struct jwt_cert *cert;
	struct slice signature;
	const EVP_MD *md;
	struct jwt t;

	if (!alg)
		return JWT_ALG_UNKNOWN;
	if (alg->kind == JWT_PSS)
		return JWT_ALG_UNMANAGED;
	if (!jwt_split(token, &t) || !base64url(t.signature, ctx, &signature))
		return JWT_BAD_TOKEN;
	md = EVP_get_digestbyname(alg->digest);
	if (alg->kind == JWT_HMAC)
		return verify_hmac(&t, md, key, signature);
	cert = cert_find(key);
	if (!cert)
		return JWT_NO_CERT;
	if (EVP_PKEY_base_id(cert->key) != (alg->kind == JWT_EC ? EVP_PKEY_EC : EVP_PKEY_RSA))
		return JWT_BAD_SIGNATURE;
	if (alg->kind == JWT_EC && !ec_to_der(signature, alg->ec_bytes, ctx, &signature))
		return JWT_BAD_SIGNATURE;
	return verify_key(&t, md, cert->key, signature);
}

static bool conv_verify(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice alg, key;

	if (!text_or_var(&args[0], ctx, &alg) || !text_or_var(&args[1], ctx, &key))
		return false;
	return smp_int(smp, verify(smp->u.s, alg, key, ctx));
}

#define QUERY(n, p)                                                                            \
	.name = n, .in = SMP_BIN, .out = SMP_ANY, .max_args = 2, .args = { ARG_STR, ARG_STR }, \
	.convert = conv_query, .check = json_query_check, .priv = p, .flags = CONV_OUT_VARIES

static const struct converter_row rows[] = {
	{ QUERY("jwt_header_query", 0),
	  .help = "A token's header, or the value at a JSON path in it." },
	{ QUERY("jwt_payload_query", 1),
	  .help = "A token's payload, or the value at a JSON path in it." },
	{ .name = "jwt_verify",
	  .in = SMP_BIN,
	  .out = SMP_INT,
	  .min_args = 2,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = conv_verify,
	  .check = check_verify,
	  .flags = FETCH_NO_INDEX,
	  .help = "1 when the token's signature is right, 0 when not; below 0: -1 unknown "
		  "algorithm, "
		  "-2 PS..., -3 no token, -4 memory, -5 a certificate that no line names." },
};

void conv_jwt_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
