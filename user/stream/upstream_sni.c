// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * upstream_sni.c - `sni <expression>` of server lines. See upstream_sni.h. The option: control thread; names: the stream's
 * worker.
 */
#include "stream/upstream_sni.h"
#include "policy/sample.h"
#include "stream/upstream.h"
#include "transport/tls_server.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* The value lives until the worker's scratch is reset. */
static struct slice evaluate(struct stream *s, const struct expr *e)
{
	struct smp_ctx ctx = {
		.sess = s->sess, .stream = s, .final = true, .scratch = worker_scratch()
	};
	struct sample out;

	arena_reset(worker_scratch());
	if (s->hooks->sample_ctx)
		s->hooks->sample_ctx(s, &ctx);
	return expr_eval(e, &ctx, SMP_STR, &out) ? out.u.s : SLICE_NONE;
}

static struct slice name_of(struct conn *c, const struct tls_server *t)
{
	struct upstream *up = c->owner;

	return up->stream ? evaluate(up->stream, t->name_expr) : SLICE_NONE;
}

uint64_t upstream_sni_key(struct stream *s)
{
	const struct tls_server *t = tls_server_of(s->srv);
	struct slice name;

	if (!t->name_expr || !t->ssl)
		return 0;
	name = evaluate(s, t->name_expr);
	return name.n ? XXH3_64bits(name.p, name.n) | 1 : 0;
}

static int opt_sni(struct cfg_line *l, int *i, struct server *s)
{
	struct tls_server *t = tls_server_of(s);
	int at = *i;
	const char *z = tls_word_arg(
		l, i, "an expression, as in 'ssl_fc_sni', 'req.hdr(host)' or 'str(name)'");

	if (!z)
		return -1;
	t->name_expr = expr_parse(l, at + 1, z, SMP_WHERE_HTTP_REQ | SMP_W_BACKEND);
	t->name_of = name_of;
	return t->name_expr ? 0 : -1;
}

static const struct server_option options[] = {
	{ "sni", opt_sni, KERNEL_EXACT, NULL, "sni <expression>",
	  "The server name to ask for over TLS, also the one that its certificate must have." },
};

void upstream_sni_init(void)
{
	cfg_register_server_options(options, ARRAY_SIZE(options));
}
