// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_ssl.c - fetches of TLS that ends or begins here: ssl_fc_* of the client's connection, ssl_bc_* of the server's. Not for:
 * certificates (fetch_cert.c), hellos that are passed on (fetch_tls.c). Any worker.
 */
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "stream/stream.h"
#include "stream/upstream.h"
#include "transport/tls.h"

/* The connection that a row means: priv says which end. */
enum end { FRONT, BACK };

static const struct conn *conn_of(const struct smp_arg *args, const struct smp_ctx *ctx)
{
	if (args[SMP_MAX_ARGS - 1].i == FRONT)
		return ctx->sess ? &ctx->sess->client : NULL;
	return ctx->stream && ctx->stream->up ? &ctx->stream->up->conn : NULL;
}

static bool fetch_is_tls(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct conn *c = conn_of(args, ctx);

	return smp_bool(out, c && tls_is_on(c));
}

#define SAYS "TLS is the daemon's"
#define FC(n, t, fn, h)                                                                         \
	{                                                                                       \
		.name = n, .kind = "fetch-L5", .out = t, .fetch = fn, .where = SMP_W_L5_CLIENT, \
		.priv = FRONT, .kernel = KERNEL_NEVER, .kernel_says = SAYS, .help = h           \
	}

static const struct fetch_row rows[] = {
	FC("ssl_fc", SMP_BOOL, fetch_is_tls, "The client's connection is TLS that ends here."),
};

void fetch_ssl_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
