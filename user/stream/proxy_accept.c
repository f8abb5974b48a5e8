// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proxy_accept.c - PROXY and NetScaler headers of clients: bind options, the rules expect-proxy and expect-netscaler-cip, the
 * handshakes that read them, fetches of what they said. Not for: their bytes (proxy_header.c). Runs in the session's worker.
 *
 * A line (version 1, NetScaler) is looked at in the socket and taken out when it is complete; a binary header, which may be long, is
 * collected, for its first 16 bytes tell its length. So no byte behind a header is ever read, however it was cut into packets.
 */
#include "stream/proxy_accept.h"
#include "base/arena.h"
#include "policy/rules.h"
#include "policy/sample_util.h"
#include "stream/ends.h"
#include "stream/proxy_header.h"

#include <errno.h>
#include <stdlib.h>

struct accept_conf { /* in a bind line */
	bool proxy, cip;
	uint32_t magic;
	struct conn_setup
		expect[4]; /* the line's setup with what rules add: bit 0 PROXY, bit 1 NetScaler */
};

static struct ext accept_ext = { .name = "PROXY headers", .bytes = sizeof(struct accept_conf) };

static int failed(struct conn *c, enum conn_reason reason)
{
	c->reason = (uint8_t)reason;
	return -EPROTO;
}

/* What lies in the socket: > 0 bytes; 0: nothing yet; < 0: the end or an error, with the reason. */
static ssize_t look(struct conn *c, void *buf, size_t n, enum conn_reason closed)
{
	ssize_t r;

	if (!(c->flags & CONN_CAN_READ))
		return 0;
	do
		r = recv(c->io.fd, buf, n, MSG_PEEK);
	while (r < 0 && errno == EINTR);
	if (r > 0)
		return r;
	if (r < 0 && errno == EAGAIN) {
		c->flags &= ~CONN_CAN_READ;
		return 0;
	}
	return failed(c, r == 0 ? closed : closed + 1); /* the reasons stand in this order */
}

/* More must come; when the client has ended its side, it will not. */
static int more(struct conn *c, enum conn_reason truncated)
{
	if (c->flags & CONN_RDHUP)
		return failed(c, truncated);
	c->flags &= ~CONN_CAN_READ;
	return -EAGAIN;
}

/* Takes @n bytes out that were seen there. */
static int take(struct conn *c, void *buf, size_t n, enum conn_reason truncated)
{
	ssize_t r;

	do
		r = recv(c->io.fd, buf, n, 0);
	while (r < 0 && errno == EINTR);
	return r == (ssize_t)n ? 0 : failed(c, truncated);
}

/* From here on src and dst are the announced ones; fc_src and fc_dst stay those of the socket. */
static void announce(struct session *s, const struct proxy_header *h)
{
	if (!h->announces)
		return;
	ends_set(s, NULL, ENDS_SESSION, true, &h->src);
	ends_set(s, NULL, ENDS_SESSION, false, &h->dst);
}

/* ---- PROXY ---- */

static int v2_begin(struct conn *c, const unsigned char *p, size_t n)
{
	struct session_more *m = session_more(c->owner);
	struct proxy_header h;
	enum conn_reason why = CONN_PROXY_INVALID;

	if (!m)
		return -ENOMEM;
	if (proxy_header_parse(p, n, &h, &why) < 0) /* refused by its first bytes alone */
		return failed(c, why);
	m->header_size = (uint16_t)proxy_v2_length(p, n);
	m->header = malloc(m->header_size);
	return m->header ? 0 : -ENOMEM;
}

static int v2_end(struct conn *c, struct session_more *m)
{
	struct session *s = c->owner;
	struct proxy_header h;
	enum conn_reason why = CONN_PROXY_INVALID;

	if (proxy_header_parse(m->header, m->header_size, &h, &why) <= 0)
		return failed(c, why);
	announce(s, &h);
	m->rcvd_proxy = true;
	m->tlvs = h.tlvs;
	if (!h.tlvs.n) {
		free(m->header);
		m->header = NULL;
	}
	return 0;
}

static int v2_collect(struct conn *c, struct session_more *m)
{
	while (m->header_got < m->header_size) {
		ssize_t r;

		if (!(c->flags & CONN_CAN_READ))
			return -EAGAIN;
		r = recv(c->io.fd, m->header + m->header_got, m->header_size - m->header_got, 0);
		if (r > 0)
			m->header_got += (uint16_t)r;
		else if (r == 0)
			return failed(c, CONN_PROXY_TRUNCATED);
		else if (errno == EAGAIN)
			c->flags &= ~CONN_CAN_READ;
		else if (errno != EINTR)
			return failed(c, CONN_PROXY_ERROR);
	}
	return v2_end(c, m);
}

static int read_proxy(struct conn *c)
{
	struct session *s = c->owner;
	unsigned char buf[PROXY_V1_MAX];
	enum conn_reason why;
	struct proxy_header h;
	ssize_t n;
	int r;

	if (s->more && s->more->header)
		return v2_collect(c, s->more);
	n = look(c, buf, sizeof(buf), CONN_PROXY_CLOSED);
	if (n <= 0)
		return n ? (int)n : -EAGAIN;
	if (proxy_v2_length(buf, (size_t)n)) {
		r = v2_begin(c, buf, (size_t)n);
		return r ? r : v2_collect(c, s->more);
	}
	r = proxy_header_parse(buf, (size_t)n, &h, &why);
	if (r < 0)
		return failed(c, why);
	if (r == 0)
		return more(c, CONN_PROXY_TRUNCATED);
	if (!session_more(s))
		return -ENOMEM;
	s->more->rcvd_proxy = true;
	announce(s, &h);
	return take(c, buf, (size_t)r, CONN_PROXY_TRUNCATED);
}

static const struct conn_stage stage_proxy = { "PROXY header", read_proxy, CONN_PROXY_TIMEOUT };

/* ---- NetScaler ---- */

static int read_cip(struct conn *c)
{
	struct session *s = c->owner;
	const struct accept_conf *conf = bind_ext(s->listener->bind, &accept_ext);
	unsigned char buf[PROXY_CIP_MAX];
	enum conn_reason why;
	struct proxy_header h;
	ssize_t n = look(c, buf, sizeof(buf), CONN_CIP_CLOSED);
	int r;

	if (n <= 0)
		return n ? (int)n : -EAGAIN;
	r = proxy_cip_parse(buf, (size_t)n, conf->magic, &h, &why);
	if (r < 0)
		return failed(c, why);
	if (r == 0)
		return more(c, CONN_CIP_TRUNCATED);
	announce(s, &h);
	return take(c, buf, (size_t)r, CONN_CIP_TRUNCATED);
}

static const struct conn_stage stage_cip = { "NetScaler header", read_cip, CONN_CIP_TIMEOUT };

/* ---- what a connection begins with ---- */

enum { EXPECT_PROXY = 1, EXPECT_CIP = 2 };

static void add_stage(struct conn_setup *setup, const struct conn_stage *stage)
{
	int i = 0;

	while (setup->stages[i])
		i++;
	setup->stages[i] = stage;
}

const struct conn_setup *proxy_accept_setup(const struct session *s)
{
	const struct bind_conf *b = s->listener->bind;
	unsigned int e = (s->flags & SESS_EXPECT_PROXY ? EXPECT_PROXY : 0) |
			 (s->flags & SESS_EXPECT_CIP ? EXPECT_CIP : 0);

	return e ? &((struct accept_conf *)bind_ext(b, &accept_ext))->expect[e] : &b->setup;
}

/* In front of what other modules have put there: the header comes before all else. */
static void derive_bind(struct bind_conf *b)
{
	struct accept_conf *c = bind_ext(b, &accept_ext);
	struct conn_setup inner = b->setup;

	for (int e = 0; e < 4; e++) {
		struct conn_setup *s = &c->expect[e];

		*s = inner;
		memset(s->stages, 0, sizeof(s->stages));
		if (c->proxy || (e & EXPECT_PROXY))
			add_stage(s, &stage_proxy);
		if (c->cip || (e & EXPECT_CIP))
			add_stage(s, &stage_cip);
		for (int i = 0; inner.stages[i]; i++)
			add_stage(s, inner.stages[i]);
	}
	b->setup = c->expect[0];
}

static void derive(struct config *cfg, struct diag *d)
{
	struct bind_conf *b;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(b, &px->binds, node)
			derive_bind(b);
}

static enum rule_verdict expect_proxy(const struct rule *r, const struct smp_ctx *ctx)
{
	ctx->sess->flags |= SESS_EXPECT_PROXY;
	return RULE_CONTINUE;
}

static enum rule_verdict expect_cip(const struct rule *r, const struct smp_ctx *ctx)
{
	ctx->sess->flags |= SESS_EXPECT_CIP;
	return RULE_CONTINUE;
}

/* ---- fetches ---- */

static bool fetch_rcvd(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return ctx->sess && smp_bool(out, ctx->sess->more && ctx->sess->more->rcvd_proxy);
}

/* @type's values one by one, when all are wanted. */
static bool fetch_value(const struct smp_ctx *ctx, unsigned int type, bool text, struct sample *out)
{
	const struct session_more *m = ctx->sess ? ctx->sess->more : NULL;
	size_t at = out->iter[0], peek;
	struct slice v, next;

	if (!m || !proxy_tlv_next(m->tlvs, type, &at, &v))
		return false;
	peek = out->iter[0] = at;
	if (proxy_tlv_next(m->tlvs, type, &peek, &next))
		out->flags |= SMP_F_MORE;
	else
		out->flags &= ~(unsigned int)SMP_F_MORE;
	return text ? smp_str(out, v) : smp_bin(out, v);
}

static bool fetch_authority(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	return fetch_value(ctx, PP_AUTHORITY, true, out);
}

static bool fetch_unique_id(const struct smp_arg *args, const struct smp_ctx *ctx,
			    struct sample *out)
{
	return fetch_value(ctx, PP_UNIQUE_ID, true, out);
}

static bool fetch_tlv(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	return fetch_value(ctx, (unsigned int)args[0].i, false, out);
}

static const struct tlv_name {
	const char *name;
	unsigned int type;
} tlv_names[] = {
	{ "ALPN", PP_ALPN },
	{ "AUTHORITY", PP_AUTHORITY },
	{ "CRC32C", PP_CRC32C },
	{ "NOOP", PP_NOOP },
	{ "UNIQUE_ID", PP_UNIQUE_ID },
	{ "SSL", PP_SSL },
	{ "SSL_VERSION", PP_SSL_VERSION },
	{ "SSL_CN", PP_SSL_CN },
	{ "SSL_CIPHER", PP_SSL_CIPHER },
	{ "SSL_SIG_ALG", PP_SSL_SIG_ALG },
	{ "SSL_KEY_ALG", PP_SSL_KEY_ALG },
	{ "NETNS", PP_NETNS },
};

static int check_tlv(struct cfg_line *l, int word, struct smp_arg *args)
{
	struct slice s = args[0].s;
	char z[16], *end;
	unsigned long v;

	for (size_t i = 0; i < ARRAY_SIZE(tlv_names); i++) {
		if (slice_eq_z(s, tlv_names[i].name)) {
			args[0].i = tlv_names[i].type;
			return 0;
		}
	}
	snprintf(z, sizeof(z), "%.*s", (int)(s.n < 15 ? s.n : 15), s.p);
	v = strtoul(z, &end, 0);
	if (!*z || *end || v > 255)
		return cfg_error(l, word,
				 "'fc_pp_tlv' takes a type: 0..255, or ALPN, AUTHORITY, CRC32C, "
				 "NETNS, NOOP, SSL, SSL_CIPHER, SSL_CN, SSL_KEY_ALG, SSL_SIG_ALG, "
				 "SSL_VERSION, UNIQUE_ID, not '%.*s'",
				 (int)s.n, s.p);
	args[0].i = (int64_t)v;
	return 0;
}

#define PP(n, t, fn)                                                                    \
	.name = n, .kind = "fetch-L4", .out = t, .fetch = fn, .where = SMP_W_L4_CLIENT, \
	.kernel = KERNEL_NEVER, .kernel_says = "rules on it run in the daemon"

static const struct fetch_row fetches[] = {
	{ PP("fc_rcvd_proxy", SMP_BOOL, fetch_rcvd),
	  .help = "The client began with a PROXY header." },
	{ PP("fc_pp_authority", SMP_STR, fetch_authority),
	  .help = "The host name in the client's PROXY header (TLV AUTHORITY)." },
	{ PP("fc_pp_unique_id", SMP_STR, fetch_unique_id),
	  .help = "The unique id in the client's PROXY header (TLV UNIQUE_ID)." },
	{ PP("fc_pp_tlv", SMP_BIN, fetch_tlv), .min_args = 1, .max_args = 1, .args = { ARG_STR },
	  .check = check_tlv,
	  .help = "Values of a type, 0..255 or by name, in the client's PROXY header; those of "
		  "SSL_... are looked for within SSL." },
};

/* ---- words ---- */

/* Stats sockets are accepted elsewhere, and read no header. */
static int not_on_stats_socket(struct cfg_line *l, int i)
{
	return l->section == CFG_GLOBAL
		       ? cfg_error(l, i, "'%s' is not possible on a stats socket, only on 'bind'",
				   l->words[i].z)
		       : 0;
}

static int opt_accept_proxy(struct cfg_line *l, int *i, struct bind_conf *b)
{
	if (not_on_stats_socket(l, *i))
		return -1;
	((struct accept_conf *)bind_ext(b, &accept_ext))->proxy = true;
	++*i;
	return 0;
}

static int opt_accept_cip(struct cfg_line *l, int *i, struct bind_conf *b)
{
	struct accept_conf *c = bind_ext(b, &accept_ext);
	const char *z = *i + 1 < l->nwords ? l->words[*i + 1].z : "";
	char *end;
	unsigned long v = strtoul(z, &end, 0);
	int at = *i;

	if (not_on_stats_socket(l, at))
		return -1;
	*i = l->nwords;
	if (!*z)
		return cfg_error(l, at, "'accept-netscaler-cip' needs the magic number");
	if (*end || !v || v > UINT32_MAX)
		return cfg_error(l, at + 1,
				 "'accept-netscaler-cip' takes a magic number of 1..0xffffffff, "
				 "not '%s'",
				 z);
	*i = at + 2;
	c->cip = true;
	c->magic = (uint32_t)v;
	return 0;
}

static int parse_layer4(struct cfg_line *l, int *i, struct rule *r)
{
	if (*i >= l->nwords || strcmp(l->words[*i].z, "layer4"))
		return cfg_error(l, *i < l->nwords ? *i : *i - 1,
				 "'%s' is followed by 'layer4', there is no other layer",
				 r->action->name);
	++*i;
	return 0;
}

#define SAYS "the header is in the bytes, a packet program does not read them"

static const struct bind_option options[] = {
	{ "accept-proxy", opt_accept_proxy, KERNEL_NEVER, SAYS, "accept-proxy",
	  "Clients begin with a PROXY header (version 1 or 2) that says whom they speak for." },
	{ "accept-netscaler-cip", opt_accept_cip, KERNEL_NEVER, SAYS,
	  "accept-netscaler-cip <magic>",
	  "Clients begin with a NetScaler Client IP header that has this magic number." },
};

static const struct action_row actions[] = {
	{ .name = "expect-proxy",
	  .sets = RULESET_TCP_CONN,
	  .parse = parse_layer4,
	  .run = expect_proxy,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "expect-proxy layer4",
	  .help = "This client begins with a PROXY header." },
	{ .name = "expect-netscaler-cip",
	  .sets = RULESET_TCP_CONN,
	  .parse = parse_layer4,
	  .run = expect_cip,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "expect-netscaler-cip layer4",
	  .help = "This client begins with a NetScaler Client IP header; its magic number is the "
		  "one "
		  "of the bind line." },
};

static const struct cfg_check checks[] = {
	{ "PROXY headers", CFG_PHASE_BALANCE, derive }, /* behind who chooses a transport */
};

void proxy_accept_init(void)
{
	ext_register(EXT_BIND, &accept_ext);
	cfg_register_bind_options(options, ARRAY_SIZE(options));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	action_register(actions, ARRAY_SIZE(actions));
	fetch_register(fetches, ARRAY_SIZE(fetches));
}
