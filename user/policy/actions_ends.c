// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions_ends.c - actions on the connection itself: its addresses (set-src, set-dst, ...), what its packets carry (set-tos,
 * set-mark), and silent-drop. Parsing: control thread; running: worker.
 */
#include "policy/rules_priv.h"
#include "stream/ends.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>

#define SETS_REQ (RULESET_TCP_CONN | RULESET_TCP_SESS | RULESET_TCP_CONTENT | RULESET_HTTP_REQ)
#define SETS_ALL (SETS_REQ | RULESET_TCP_RESPONSE | RULESET_HTTP_RES)
#define SETS_BC  (RULESET_TCP_CONTENT | RULESET_HTTP_REQ)

/* ---- set-src, set-src-port, set-dst, set-dst-port ---- */

static int parse_expr(struct cfg_line *l, int *i, struct rule *r)
{
	if (*i >= l->nwords)
		return cfg_error(l, *i - 1, "an expression is missing behind '%s'",
				 l->words[*i - 1].z);
	r->priv = expr_parse(l, *i, l->words[*i].z, r->where);
	++*i;
	return r->priv ? 0 : -1;
}

static enum ends_layer layer_of(const struct rule *r)
{
	return r->set == RULESET_TCP_CONN   ? ENDS_CONNECTION
	       : r->set == RULESET_TCP_SESS ? ENDS_SESSION
					    : ENDS_STREAM;
}

static const struct addr *present(const struct rule *r, const struct smp_ctx *ctx, bool source)
{
	struct stream *st = layer_of(r) == ENDS_STREAM ? ctx->stream : NULL;

	return source ? ends_src(ctx->sess, st) : ends_dst(ctx->sess, st);
}

static bool has_port(const struct addr *a)
{
	return a->family == ADDR_IP4 || a->family == ADDR_IP6;
}

static enum rule_verdict set_ip(const struct rule *r, const struct smp_ctx *ctx, bool source)
{
	const struct addr *old = present(r, ctx, source);
	struct sample s;

	if (expr_eval(r->priv, ctx, SMP_ADDR, &s)) {
		struct addr a = s.u.a;

		a.port = has_port(old) ? old->port : 0;
		ends_set(ctx->sess, ctx->stream, layer_of(r), source, &a);
	}
	return RULE_CONTINUE;
}

static enum rule_verdict set_port(const struct rule *r, const struct smp_ctx *ctx, bool source)
{
	struct addr a = *present(r, ctx, source);
	struct sample s;

	if (expr_eval(r->priv, ctx, SMP_INT, &s)) {
		if (!has_port(&a))
			a = (struct addr){ .family = ADDR_IP4 };
		a.port = (uint16_t)s.u.i;
		ends_set(ctx->sess, ctx->stream, layer_of(r), source, &a);
	}
	return RULE_CONTINUE;
}

static enum rule_verdict run_set_src(const struct rule *r, const struct smp_ctx *ctx)
{
	return set_ip(r, ctx, true);
}

static enum rule_verdict run_set_dst(const struct rule *r, const struct smp_ctx *ctx)
{
	return set_ip(r, ctx, false);
}

static enum rule_verdict run_set_src_port(const struct rule *r, const struct smp_ctx *ctx)
{
	return set_port(r, ctx, true);
}

static enum rule_verdict run_set_dst_port(const struct rule *r, const struct smp_ctx *ctx)
{
	return set_port(r, ctx, false);
}

/* ---- set-tos, set-mark: a number, or an expression that gives one ---- */

static int parse_number(struct cfg_line *l, int *i, struct rule *r, uint64_t max)
{
	const char *z = *i < l->nwords ? l->words[*i].z : "";
	unsigned long long v;
	char *end;

	if (*z < '0' || *z > '9')
		return parse_expr(l, i, r);
	errno = 0;
	v = strtoull(z, &end, 0);
	if (*end || errno || v > max)
		return cfg_error(l, *i,
				 "'%s' takes a number from 0 to %llu (0x%llx) or an expression, "
				 "not '%s'",
				 r->action->name, (unsigned long long)max, (unsigned long long)max,
				 z);
	r->num[0] = (int64_t)v;
	++*i;
	return 0;
}

static int parse_tos(struct cfg_line *l, int *i, struct rule *r)
{
	return parse_number(l, i, r, 255);
}

static int parse_mark(struct cfg_line *l, int *i, struct rule *r)
{
	return parse_number(l, i, r, UINT32_MAX);
}

/* false: the expression gave nothing. */
static bool number(const struct rule *r, const struct smp_ctx *ctx, uint32_t *out)
{
	struct sample s;

	if (!r->priv) {
		*out = (uint32_t)r->num[0];
		return true;
	}
	if (!expr_eval(r->priv, ctx, SMP_INT, &s))
		return false;
	*out = (uint32_t)s.u.i;
	return true;
}

static enum rule_verdict run_fc_tos(const struct rule *r, const struct smp_ctx *ctx)
{
	uint32_t v;

	if (number(r, ctx, &v))
		ends_set_tos(ctx->sess->client.io.fd, (uint8_t)v);
	return RULE_CONTINUE;
}

static enum rule_verdict run_fc_mark(const struct rule *r, const struct smp_ctx *ctx)
{
	uint32_t v;

	if (number(r, ctx, &v))
		ends_set_mark(ctx->sess->client.io.fd, v);
	return RULE_CONTINUE;
}

static enum rule_verdict run_bc_tos(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_more *m = stream_more(ctx->stream);
	uint32_t v;

	if (m && number(r, ctx, &v)) {
		m->has_bc_tos = true;
		m->bc_tos = (uint8_t)v;
	}
	return RULE_CONTINUE;
}

static enum rule_verdict run_bc_mark(const struct rule *r, const struct smp_ctx *ctx)
{
	struct stream_more *m = stream_more(ctx->stream);
	uint32_t v;

	if (m && number(r, ctx, &v)) {
		m->has_bc_mark = true;
		m->bc_mark = v;
	}
	return RULE_CONTINUE;
}

/* ---- silent-drop ---- */

static int parse_silent_drop(struct cfg_line *l, int *i, struct rule *r)
{
	char *end;
	long v;

	if (*i >= l->nwords || strcmp(l->words[*i].z, "rst-ttl"))
		return 0;
	if (*i + 1 >= l->nwords)
		return cfg_error(l, *i, "'rst-ttl' needs a time to live from 1 to 255");
	v = strtol(l->words[*i + 1].z, &end, 10);
	if (*end || v < 1 || v > 255)
		return cfg_error(l, *i + 1,
				 "'rst-ttl' takes a time to live from 1 to 255, not '%s'",
				 l->words[*i + 1].z);
	r->num[0] = v;
	*i += 2;
	return 0;
}

static enum rule_verdict run_silent_drop(const struct rule *r, const struct smp_ctx *ctx)
{
	ends_vanish(ctx->sess, (int)r->num[0]);
	return RULE_DROP;
}

#define SAYS_RULE "connection rules run in the daemon"
#define SAYS_SOCK "it is an option of the daemon's socket"

static const struct action_row rows[] = {
	{ .name = "set-src",
	  .sets = SETS_REQ,
	  .parse = parse_expr,
	  .run = run_set_src,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .usage = "set-src <expression>",
	  .help = "The client's address from here on: for rules, logs, headers, balance, PROXY "
		  "headers and 'usesrc'." },
	{ .name = "set-src-port",
	  .sets = SETS_REQ,
	  .parse = parse_expr,
	  .run = run_set_src_port,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .usage = "set-src-port <expression>",
	  .help = "The client's port from here on." },
	{ .name = "set-dst",
	  .sets = SETS_REQ,
	  .parse = parse_expr,
	  .run = run_set_dst,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .usage = "set-dst <expression>",
	  .help = "The address that the client connected to from here on; a server 0.0.0.0:0 is "
		  "reached there." },
	{ .name = "set-dst-port",
	  .sets = SETS_REQ,
	  .parse = parse_expr,
	  .run = run_set_dst_port,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .usage = "set-dst-port <expression>",
	  .help = "The port that the client connected to from here on." },
	{ .name = "set-tos",
	  .sets = SETS_ALL,
	  .parse = parse_tos,
	  .run = run_fc_tos,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_SOCK,
	  .usage = "set-tos <number>|<expression>",
	  .help = "TOS (DSCP) of packets to the client." },
	{ .name = "set-fc-tos",
	  .sets = SETS_ALL,
	  .parse = parse_tos,
	  .run = run_fc_tos,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_SOCK,
	  .usage = "set-fc-tos <number>|<expression>",
	  .help = "TOS (DSCP) of packets to the client." },
	{ .name = "set-bc-tos",
	  .sets = SETS_BC,
	  .parse = parse_tos,
	  .run = run_bc_tos,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_SOCK,
	  .usage = "set-bc-tos <number>|<expression>",
	  .help = "TOS (DSCP) of packets to the server." },
	{ .name = "set-mark",
	  .sets = SETS_ALL,
	  .parse = parse_mark,
	  .run = run_fc_mark,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_SOCK,
	  .usage = "set-mark <number>|<expression>",
	  .help = "Netfilter mark of packets to the client; needs CAP_NET_ADMIN." },
	{ .name = "set-fc-mark",
	  .sets = SETS_ALL,
	  .parse = parse_mark,
	  .run = run_fc_mark,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_SOCK,
	  .usage = "set-fc-mark <number>|<expression>",
	  .help = "Netfilter mark of packets to the client; needs CAP_NET_ADMIN." },
	{ .name = "set-bc-mark",
	  .sets = SETS_BC,
	  .parse = parse_mark,
	  .run = run_bc_mark,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_SOCK,
	  .usage = "set-bc-mark <number>|<expression>",
	  .help = "Netfilter mark of packets to the server; needs CAP_NET_ADMIN." },
	{ .name = "silent-drop",
	  .sets = SETS_ALL,
	  .parse = parse_silent_drop,
	  .run = run_silent_drop,
	  .final = true,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS_RULE,
	  .usage = "silent-drop [rst-ttl <ttl>]",
	  .help = "The connection is forgotten without a word to the client (CAP_NET_ADMIN); with "
		  "rst-ttl, or without the capability, a reset with a short time to live is "
		  "sent." },
};

void actions_ends_register(void)
{
	action_register(rows, ARRAY_SIZE(rows));
}
