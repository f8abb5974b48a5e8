// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_l4.c - fetches of connections, frontends and backends: src, dst, fe_name, srv_id ... Any worker.
 */
#include <unistd.h>

#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "stream/ends.h"
#include "stream/upstream.h"

/* ---- the client's connection ---- */

static const struct addr *ip_or_null(const struct addr *a)
{
	return a->family == ADDR_IP4 || a->family == ADDR_IP6 ? a : NULL;
}

static const struct addr *src_of(const struct smp_ctx *ctx)
{
	return ctx->sess ? ip_or_null(ends_src(ctx->sess, ctx->stream)) : NULL;
}

static const struct addr *dst_of(const struct smp_ctx *ctx)
{
	return ctx->sess ? ip_or_null(ends_dst(ctx->sess, ctx->stream)) : NULL;
}

static const struct addr *fc_src_of(const struct smp_ctx *ctx)
{
	return ctx->sess ? ip_or_null(session_fc_src(ctx->sess)) : NULL;
}

static const struct addr *fc_dst_of(const struct smp_ctx *ctx)
{
	return ctx->sess ? ip_or_null(session_fc_dst(ctx->sess)) : NULL;
}

/* Is @a an address of this host? As the oracle does: a socket can be bound to it. Costs three system calls. */
static bool is_local(const struct addr *a)
{
	struct sockaddr_storage ss;
	struct addr any = *a;
	socklen_t n;
	int fd;
	bool ok;

	any.port = 0;
	n = addr_to_sockaddr(&any, &ss);
	fd = n ? socket(ss.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0) : -1;
	if (fd < 0)
		return false;
	ok = !bind(fd, (struct sockaddr *)&ss, n);
	close(fd);
	return ok;
}

#define ADDR_FETCHES(name, get)                                                                    \
	static bool fetch_##name(const struct smp_arg *args, const struct smp_ctx *ctx,            \
				 struct sample *out)                                               \
	{                                                                                          \
		const struct addr *a = get(ctx);                                                   \
                                                                                                   \
		return a && smp_addr(out, a);                                                      \
	}                                                                                          \
	static bool fetch_##name##_port(const struct smp_arg *args, const struct smp_ctx *ctx,     \
					struct sample *out)                                        \
	{                                                                                          \
		const struct addr *a = get(ctx);                                                   \
                                                                                                   \
		return a && smp_int(out, a->port);                                                 \
	}                                                                                          \
	static bool fetch_##name##_is_local(const struct smp_arg *args, const struct smp_ctx *ctx, \
					    struct sample *out)                                    \
	{                                                                                          \
		const struct addr *a = get(ctx);                                                   \
                                                                                                   \
		return a && smp_bool(out, is_local(a));                                            \
	}
ADDR_FETCHES(src, src_of)
ADDR_FETCHES(dst, dst_of)
ADDR_FETCHES(fc_src, fc_src_of)
ADDR_FETCHES(fc_dst, fc_dst_of)

static bool fetch_dst_conn(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	return ctx->sess && ctx->sess->fe && smp_int(out, ctx->sess->fe->fe_conns);
}

/* Its `id`, or its place among the frontend's bind lines. */
static bool fetch_so_id(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct bind_conf *b,
		*own = ctx->sess && ctx->sess->listener ? ctx->sess->listener->bind : NULL;
	int64_t n = 1;

	if (!own || !own->px)
		return false;
	if (own->id)
		return smp_int(out, own->id);
	list_for_each_entry(b, &own->px->binds, node) {
		if (b == own)
			break;
		n++;
	}
	return smp_int(out, n);
}

static bool fetch_so_name(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const char *name =
		ctx->sess && ctx->sess->listener ? ctx->sess->listener->bind->name : NULL;

	return name && smp_str(out, slice_z(name));
}

/* ---- the proxies it goes through ---- */

enum px_value {
	PX_ID,
	PX_NAME,
	PX_DEFBE,
	PX_T_CLIENT,
	PX_T_SERVER,
	PX_T_TUNNEL,
	PX_T_CONNECT,
	PX_T_QUEUE,
	PX_T_TARPIT
};

static bool px_value(const struct proxy *px, enum px_value what, struct sample *out)
{
	if (!px)
		return false;
	switch (what) {
	case PX_ID:
		return smp_int(out, px->uuid);
	case PX_NAME:
		return smp_str(out, slice_z(px->name));
	case PX_DEFBE:
		return px->default_backend && smp_str(out, slice_z(px->default_backend->name));
	case PX_T_CLIENT:
		return smp_int(out, px->timeout.client);
	case PX_T_SERVER:
		return smp_int(out, px->timeout.server);
	case PX_T_TUNNEL:
		return smp_int(out, px->timeout.tunnel);
	case PX_T_CONNECT:
		return smp_int(out, px->timeout.connect);
	case PX_T_QUEUE:
		return smp_int(out, px->timeout.queue);
	case PX_T_TARPIT:
		return smp_int(out, px->timeout.tarpit ? px->timeout.tarpit : px->timeout.connect);
	}
	return false;
}

static bool fetch_fe(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return ctx->sess && px_value(ctx->sess->fe, args[SMP_MAX_ARGS - 1].i, out);
}

static bool fetch_be(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	const struct stream *s = ctx->stream;

	/* before a backend is chosen it is the frontend, as in HAProxy */
	return s && px_value(s->be ? s->be : s->sess->fe, args[SMP_MAX_ARGS - 1].i, out);
}

static bool fetch_srv_id(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return ctx->stream && ctx->stream->srv && smp_int(out, ctx->stream->srv->puid);
}

static bool fetch_srv_name(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	return ctx->stream && ctx->stream->srv && smp_str(out, slice_z(ctx->stream->srv->name));
}

#define L4(n, t, fn) .name = n, .kind = "fetch-L4", .out = t, .fetch = fn
#define OF_CLIENT    .where = SMP_W_L4_CLIENT
#define OF_BACKEND   .where = SMP_W_BACKEND | SMP_W_L4_SERVER
#define OF_SERVER    .where = SMP_W_L4_SERVER
#define IN_DAEMON    .kernel = KERNEL_NEVER, .kernel_says = "rules on it run in the daemon"

static const struct fetch_row rows[] = {
	{ L4("src", SMP_ADDR, fetch_src), OF_CLIENT, IN_DAEMON, .help = "The client's address." },
	{ L4("src_port", SMP_INT, fetch_src_port), OF_CLIENT, IN_DAEMON,
	  .help = "The client's port." },
	{ L4("src_is_local", SMP_BOOL, fetch_src_is_local), OF_CLIENT, IN_DAEMON,
	  .help = "The client's address is one of this host." },
	{ L4("dst", SMP_ADDR, fetch_dst), OF_CLIENT, IN_DAEMON,
	  .help = "The address that the client connected to." },
	{ L4("dst_port", SMP_INT, fetch_dst_port), OF_CLIENT, IN_DAEMON,
	  .help = "The port that the client connected to." },
	{ L4("dst_is_local", SMP_BOOL, fetch_dst_is_local), OF_CLIENT, IN_DAEMON,
	  .help = "That address is one of this host." },
	{ L4("fc_src", SMP_ADDR, fetch_fc_src), OF_CLIENT, IN_DAEMON,
	  .help = "The connection's source address." },
	{ L4("fc_src_port", SMP_INT, fetch_fc_src_port), OF_CLIENT, IN_DAEMON,
	  .help = "The connection's source port." },
	{ L4("fc_src_is_local", SMP_BOOL, fetch_fc_src_is_local), OF_CLIENT, IN_DAEMON,
	  .help = "The source address is one of this host." },
	{ L4("fc_dst", SMP_ADDR, fetch_fc_dst), OF_CLIENT, IN_DAEMON,
	  .help = "The connection's destination address." },
	{ L4("fc_dst_port", SMP_INT, fetch_fc_dst_port), OF_CLIENT, IN_DAEMON,
	  .help = "The connection's destination port." },
	{ L4("fc_dst_is_local", SMP_BOOL, fetch_fc_dst_is_local), OF_CLIENT, IN_DAEMON,
	  .help = "The destination address is one of this host." },
	{ L4("dst_conn", SMP_INT, fetch_dst_conn), OF_CLIENT, IN_DAEMON,
	  .help = "Connections of the frontend now, this one included." },
	{ L4("so_id", SMP_INT, fetch_so_id), OF_CLIENT, IN_DAEMON,
	  .help = "The number of the bind line." },
	{ L4("so_name", SMP_STR, fetch_so_name), OF_CLIENT, IN_DAEMON,
	  .help = "The name of the bind line." },
	{ L4("fe_id", SMP_INT, fetch_fe), OF_CLIENT, .priv = PX_ID, IN_DAEMON,
	  .help = "The frontend's number." },
	{ L4("fe_name", SMP_STR, fetch_fe), OF_CLIENT, .priv = PX_NAME, IN_DAEMON,
	  .help = "The frontend's name." },
	{ L4("fe_defbe", SMP_STR, fetch_fe), OF_CLIENT, .priv = PX_DEFBE, IN_DAEMON,
	  .help = "The name of the frontend's default backend." },
	{ L4("fe_client_timeout", SMP_INT, fetch_fe), OF_CLIENT, .priv = PX_T_CLIENT, IN_DAEMON,
	  .help = "The frontend's client timeout, ms." },
	{ L4("be_id", SMP_INT, fetch_be), OF_BACKEND, .priv = PX_ID, IN_DAEMON,
	  .help = "The backend's number." },
	{ L4("be_name", SMP_STR, fetch_be), OF_BACKEND, .priv = PX_NAME, IN_DAEMON,
	  .help = "The backend's name." },
	{ L4("be_server_timeout", SMP_INT, fetch_be), OF_BACKEND, .priv = PX_T_SERVER, IN_DAEMON,
	  .help = "The backend's server timeout, ms." },
	{ L4("be_tunnel_timeout", SMP_INT, fetch_be), OF_BACKEND, .priv = PX_T_TUNNEL, IN_DAEMON,
	  .help = "The backend's tunnel timeout, ms." },
	{ L4("be_connect_timeout", SMP_INT, fetch_be), OF_BACKEND, .priv = PX_T_CONNECT, IN_DAEMON,
	  .help = "The backend's connect timeout, ms." },
	{ L4("be_queue_timeout", SMP_INT, fetch_be), OF_BACKEND, .priv = PX_T_QUEUE, IN_DAEMON,
	  .help = "The backend's queue timeout, ms." },
	{ L4("be_tarpit_timeout", SMP_INT, fetch_be), OF_BACKEND, .priv = PX_T_TARPIT, IN_DAEMON,
	  .help = "The backend's tarpit timeout, ms." },
	{ L4("srv_id", SMP_INT, fetch_srv_id), OF_SERVER, IN_DAEMON,
	  .help = "The number of the server that was chosen." },
	{ L4("srv_name", SMP_STR, fetch_srv_name), OF_SERVER, IN_DAEMON,
	  .help = "The name of the server that was chosen." },
};

void fetch_l4_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
