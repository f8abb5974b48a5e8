// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_ssl.c - fetches of TLS that ends or begins here: ssl_fc_* of the client's connection, ssl_bc_* of the server's. Not for:
 * certificates (fetch_cert.c), hellos that are passed on (fetch_tls.c). Any worker.
 */
#include "policy/fetch_ssl.h"

#include "stream/ends.h"
#include "stream/stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

const struct conn *fetch_ssl_conn(enum fetch_end end, const struct smp_ctx *ctx)
{
	if (end == FRONT)
		return ctx->sess ? &ctx->sess->client : NULL;
	return ctx->stream && ctx->stream->up ? &ctx->stream->up->conn : NULL;
}

/* priv: which end. */
static const struct conn *conn_of(const struct smp_arg *args, const struct smp_ctx *ctx)
{
	return fetch_ssl_conn((enum fetch_end)args[SMP_MAX_ARGS - 1].i, ctx);
}

static SSL *ssl_of(const struct smp_arg *args, const struct smp_ctx *ctx)
{
	const struct conn *c = conn_of(args, ctx);

	return c ? tls_of(c) : NULL;
}

static bool text(struct sample *out, const char *z)
{
	return z && smp_str(out, slice_z(z));
}

static bool fetch_is_tls(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = conn_of(args, ctx);

	return smp_bool(out, c && tls_is_on(c));
}

static bool fetch_protocol(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);

	return ssl && text(out, SSL_get_version(ssl));
}

static bool fetch_cipher(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);

	return ssl && text(out, SSL_get_cipher_name(ssl));
}

static bool fetch_alg_bits(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);
	int bits = 0;

	return ssl && SSL_get_cipher_bits(ssl, &bits) && smp_int(out, bits);
}

static bool fetch_used_bits(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);
	int bits = ssl ? SSL_get_cipher_bits(ssl, NULL) : 0;

	return bits && smp_int(out, bits);
}

static bool fetch_alpn(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = conn_of(args, ctx);
	struct slice name = c ? tls_alpn_of(c) : SLICE_NONE;

	return name.n && smp_str(out, name);
}

static bool fetch_resumed(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);

	return smp_bool(out, ssl && SSL_session_reused(ssl));
}

static bool fetch_sni(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);

	return ssl && text(out, SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
}

static bool fetch_has_sni(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);

	return smp_bool(out, ssl && SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name));
}

static bool fetch_session_id(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);
	const SSL_SESSION *s = ssl ? SSL_get_session(ssl) : NULL;
	const unsigned char *id;
	unsigned int n = 0;

	if (!s)
		return false;
	id = SSL_SESSION_get_id(s, &n);
	return n && smp_bin(out, slice_make(id, n));
}

/* The first Finished message (RFC 5929, section 3): the client's, in a resumed session the server's. */
static bool fetch_unique_id(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);
	char *p = smp_alloc(ctx, EVP_MAX_MD_SIZE);
	size_t n;

	if (!ssl || !p)
		return false;
	n = !SSL_is_server(ssl) == !SSL_session_reused(ssl)
		    ? SSL_get_finished(ssl, p, EVP_MAX_MD_SIZE)
		    : SSL_get_peer_finished(ssl, p, EVP_MAX_MD_SIZE);
	return n && smp_bin(out, slice_make(p, n));
}

static bool fetch_random(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out,
			 size_t (*get)(const SSL *, unsigned char *, size_t))
{
	SSL *ssl = ssl_of(args, ctx);
	char *p = smp_alloc(ctx, SSL3_RANDOM_SIZE);
	size_t n = ssl && p ? get(ssl, (unsigned char *)p, SSL3_RANDOM_SIZE) : 0;

	return n && smp_bin(out, slice_make(p, n));
}

static bool fetch_client_random(const struct smp_arg *args, const struct smp_ctx *ctx,
				struct sample *out)
{
	return fetch_random(args, ctx, out, SSL_get_client_random);
}

static bool fetch_server_random(const struct smp_arg *args, const struct smp_ctx *ctx,
				struct sample *out)
{
	return fetch_random(args, ctx, out, SSL_get_server_random);
}

static bool fetch_master_key(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);
	const SSL_SESSION *s = ssl ? SSL_get_session(ssl) : NULL;
	char *p = smp_alloc(ctx, SSL_MAX_MASTER_KEY_LENGTH);
	size_t n;

	if (!s || !p)
		return false;
	n = SSL_SESSION_get_master_key(s, (unsigned char *)p, SSL_MAX_MASTER_KEY_LENGTH);
	return n && smp_bin(out, slice_make(p, n));
}

static bool fetch_curve(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	SSL *ssl = ssl_of(args, ctx);
	int group = ssl ? (int)SSL_get_negotiated_group(ssl) : 0;

	return group && text(out, SSL_group_to_name(ssl, group));
}

/* The connection's, or that of the server's connection that is gone by now. */
static unsigned long error_of(const struct smp_arg *args, const struct smp_ctx *ctx)
{
	const struct conn *c = conn_of(args, ctx);
	bool server = args[SMP_MAX_ARGS - 1].i == BACK;

	if (!c && server && ctx->stream && ctx->stream->more)
		return ctx->stream->more->bc_tls_error;
	return c ? tls_error_of(c) : 0;
}

static bool fetch_err(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = conn_of(args, ctx);
	unsigned long e = error_of(args, ctx);

	return (e || (c && tls_of(c))) && smp_int(out, (int64_t)e);
}

static bool fetch_err_str(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	unsigned long e = error_of(args, ctx);
	char *p = e ? smp_alloc(ctx, 256) : NULL;

	if (!p)
		return false;
	ERR_error_string_n(e, p, 256);
	return text(out, p);
}

#define SAYS "TLS is the daemon's"
#define END(n, t, fn, end, at, h)                                                               \
	{                                                                                       \
		.name = n, .kind = "fetch-L5", .out = t, .fetch = fn, .where = at, .priv = end, \
		.kernel = KERNEL_NEVER, .kernel_says = SAYS, .help = h                          \
	}
#define FC(n, t, fn, h)   END("ssl_fc" n, t, fn, FRONT, SMP_W_L5_CLIENT, "Client: " h)
#define BC(n, t, fn, h)   END("ssl_bc" n, t, fn, BACK, SMP_W_L4_SERVER, "Server: " h)
#define BOTH(n, t, fn, h) FC(n, t, fn, h), BC(n, t, fn, h)

static const struct fetch_row rows[] = {
	BOTH("", SMP_BOOL, fetch_is_tls, "the connection is TLS that ends here."),
	BOTH("_protocol", SMP_STR, fetch_protocol, "the version, as TLSv1.3."),
	BOTH("_cipher", SMP_STR, fetch_cipher, "the cipher suite's name."),
	BOTH("_alg_keysize", SMP_INT, fetch_alg_bits, "bits of the key that the cipher has."),
	BOTH("_use_keysize", SMP_INT, fetch_used_bits, "bits of the key that are secret."),
	BOTH("_alpn", SMP_STR, fetch_alpn, "the protocol agreed on by ALPN."),
	BOTH("_is_resumed", SMP_BOOL, fetch_resumed, "the session was resumed."),
	BOTH("_session_id", SMP_BIN, fetch_session_id, "the session's number."),
	BOTH("_session_key", SMP_BIN, fetch_master_key, "the session's master key."),
	BOTH("_client_random", SMP_BIN, fetch_client_random, "the client's random bytes."),
	BOTH("_server_random", SMP_BIN, fetch_server_random, "the server's random bytes."),
	BOTH("_unique_id", SMP_BIN, fetch_unique_id, "the connection's number by RFC 5929."),
	BOTH("_curve", SMP_STR, fetch_curve, "the group of the key exchange."),
	BOTH("_err", SMP_INT, fetch_err, "OpenSSL's number of the last error, 0 without."),
	BOTH("_err_str", SMP_STR, fetch_err_str, "OpenSSL's words of the last error."),
	FC("_sni", SMP_STR, fetch_sni, "the server name it asked for."),
	FC("_has_sni", SMP_BOOL, fetch_has_sni, "it has asked for a server name."),
	BC("_sni", SMP_STR, fetch_sni, "the server name we asked for."),
};

static const struct acl_keyword acls[] = {
	{ "ssl_fc_sni_end", "ssl_fc_sni", "end", "The client's server name ends so." },
	{ "ssl_fc_sni_reg", "ssl_fc_sni", "reg", "The client's server name matches." },
};

void fetch_ssl_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
	acl_keyword_register(acls, ARRAY_SIZE(acls));
	fetch_cert_register();
}
