// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * proxy_send.c - send-proxy and its like on server lines: the handshakes that write PROXY headers, for traffic and for checks.
 * Not for: the bytes of a header (proxy_header.c). Runs in the worker that connects; checks in the control thread.
 */
#include "stream/proxy_send.h"
#include "base/arena.h"
#include "check/check.h"
#include "log/log.h"
#include "policy/sample.h"
#include "stream/ends.h"
#include "stream/upstream.h"

#include <errno.h>
#include <stdlib.h>

enum {
	SEND_V1 = 1 << 0,
	SEND_V2 = 1 << 1,
	SEND_SSL = 1 << 2,
	SEND_CN = 1 << 3,
	SEND_CIPHER = 1 << 4,
	SEND_SIG = 1 << 5,
	SEND_KEY = 1 << 6,
	SEND_AUTHORITY = 1 << 7,
	SEND_CRC32C = 1 << 8,
	SEND_UNIQUE_ID = 1 << 9,
};

struct tlv_fmt { /* set-proxy-v2-tlv-fmt */
	struct tlv_fmt *next;
	uint8_t type;
	struct logformat *format;
};

struct send_conf {      /* in a server */
	uint16_t flags; /* SEND_* */
	bool check;     /* check-send-proxy */
	struct tlv_fmt *tlvs;
};

static struct ext send_ext = { .name = "PROXY headers", .bytes = sizeof(struct send_conf) };
void (*proxy_tls_of)(const struct conn *client, struct proxy_tls *out, struct arena *a);
struct slice (*proxy_unique_id_of)(struct stream *s);

static const struct send_conf *conf_of(const struct server *srv)
{
	return server_ext(srv, &send_ext);
}

bool proxy_send_wanted(const struct server *srv)
{
	return conf_of(srv)->flags != 0;
}

/* ---- the header ---- */

static void add_tlv(struct proxy_out *o, unsigned int type, struct slice v)
{
	if (v.n)
		proxy_v2_tlv(o, type, v);
}

/* Without TLS it says just that. */
static void add_ssl(struct proxy_out *o, unsigned int flags, const struct proxy_tls *t)
{
	unsigned char buf[1024] = { 0 };
	struct proxy_out sub = { buf, 5, sizeof(buf), false };

	buf[0] = (unsigned char)((t->tls ? PP_CLIENT_SSL : 0) |
				 (t->cert_now ? PP_CLIENT_CERT_CONN : 0) |
				 (t->cert_session ? PP_CLIENT_CERT_SESS : 0));
	for (int i = 0; i < 4; i++)
		buf[1 + i] = (unsigned char)(t->verify >> (24 - 8 * i));
	add_tlv(&sub, PP_SSL_VERSION, t->version);
	if (flags & SEND_CN)
		add_tlv(&sub, PP_SSL_CN, t->cn);
	if (flags & SEND_KEY)
		add_tlv(&sub, PP_SSL_KEY_ALG, t->key_alg);
	if (flags & SEND_SIG)
		add_tlv(&sub, PP_SSL_SIG_ALG, t->sig_alg);
	if (flags & SEND_CIPHER)
		add_tlv(&sub, PP_SSL_CIPHER, t->cipher);
	o->full |= sub.full;
	proxy_v2_tlv(o, PP_SSL, slice_make((const char *)buf, sub.n));
}

static void add_formats(struct proxy_out *o, const struct send_conf *c, struct stream *s)
{
	struct smp_ctx smp = { .sess = s->sess, .stream = s, .final = true };
	struct log_ctx lc = { .sess = s->sess, .stream = s, .fe = s->sess->fe, .be = s->be };
	struct strbuf text = STRBUF_INIT;

	for (const struct tlv_fmt *f = c->tlvs; f; f = f->next) {
		smp.scratch = worker_scratch();
		if (s->hooks->sample_ctx)
			s->hooks->sample_ctx(s, &smp);
		lc.http = smp.http;
		strbuf_reset(&text);
		logformat_write(f->format, &text, &lc, &smp);
		proxy_v2_tlv(o, f->type, strbuf_slice(&text));
	}
	strbuf_fini(&text);
}

/* @s NULL: a check, nobody's connection. */
static void add_tlvs(struct proxy_out *o, const struct send_conf *c, struct stream *s)
{
	struct proxy_tls t = { .tls = false };

	if (s && proxy_tls_of)
		proxy_tls_of(&s->sess->client, &t, worker_scratch());
	if (s)
		add_formats(o, c, s);
	if (c->flags & SEND_CRC32C)
		proxy_v2_tlv(o, PP_CRC32C, SLICE("\0\0\0\0"));
	add_tlv(o, PP_ALPN, t.alpn);
	if (c->flags & SEND_AUTHORITY)
		add_tlv(o, PP_AUTHORITY, t.sni);
	if (s && (c->flags & SEND_UNIQUE_ID)) /* empty without a unique-id-format */
		proxy_v2_tlv(o, PP_UNIQUE_ID,
			     proxy_unique_id_of ? slice_first(proxy_unique_id_of(s), 128)
						: SLICE_NONE);
	if (c->flags & SEND_SSL)
		add_ssl(o, c->flags, &t);
	if (s)
		arena_reset(worker_scratch());
}

int proxy_send_header(struct stream *s, unsigned char *buf)
{
	const struct send_conf *c = conf_of(s->srv);
	struct proxy_out o = { buf, 0, PROXY_SEND_MAX, false };

	if (c->flags & SEND_V2) {
		proxy_v2_begin(&o, stream_src(s), stream_dst(s));
		add_tlvs(&o, c, s);
		proxy_v2_end(&o);
	} else {
		proxy_v1_write(&o, stream_src(s), stream_dst(s));
	}
	return o.full ? -EMSGSIZE : (int)o.n;
}

/* A fresh socket takes the header at once; one that does not is as good as broken. */
static int send_all(struct conn *c, const unsigned char *buf, int n)
{
	ssize_t r;

	if (n < 0)
		return n;
	do
		r = send(c->io.fd, buf, (size_t)n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	if (r == n)
		return 0;
	return r < 0 ? -errno : -ENOBUFS;
}

static int send_for_stream(struct conn *c)
{
	struct upstream *up = c->owner;
	unsigned char buf[PROXY_SEND_MAX];

	return send_all(c, buf, proxy_send_header(up->stream, buf));
}

static const struct conn_stage stage_stream = { "PROXY header", send_for_stream, CONN_OK };

/* A check speaks for itself: version 1 names its own socket's ends, version 2 says LOCAL. */
static int send_for_check(struct conn *c)
{
	struct check *check = c->owner;
	const struct send_conf *conf = conf_of(check->srv);
	unsigned char buf[PROXY_SEND_MAX];
	struct proxy_out o = { buf, 0, sizeof(buf), false };
	struct sockaddr_storage ss;
	struct addr src, dst;
	socklen_t len = sizeof(ss);

	if (conf->flags & SEND_V2) {
		proxy_v2_begin(&o, NULL, NULL);
		add_tlvs(&o, conf, NULL);
		proxy_v2_end(&o);
		return send_all(c, buf, (int)o.n);
	}
	if (getsockname(c->io.fd, (struct sockaddr *)&ss, &len) < 0 ||
	    addr_from_sockaddr(&src, &ss))
		src.family = ADDR_NONE;
	len = sizeof(ss);
	if (getpeername(c->io.fd, (struct sockaddr *)&ss, &len) < 0 ||
	    addr_from_sockaddr(&dst, &ss))
		dst.family = ADDR_NONE;
	proxy_v1_write(&o, &src, &dst);
	return send_all(c, buf, (int)o.n);
}

static const struct conn_stage stage_check = { "PROXY header", send_for_check, CONN_OK };

/* ---- when all is read ---- */

/* Behind a SOCKS handshake, in front of all else. */
static void add_stage(struct conn_setup *setup, const struct conn_stage *stage)
{
	int i = 0;

	while (setup->stages[i])
		i++;
	setup->stages[i] = stage;
}

static void derive(struct config *cfg, struct diag *d)
{
	struct server *srv;
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(srv, &px->servers, node) {
			const struct send_conf *c = conf_of(srv);
			struct check_conf *check = check_conf_of(srv);

			if (c->flags)
				add_stage(&srv->setup, &stage_stream);
			if (c->check || (c->flags && !check->addr_set && !check->addr.port))
				add_stage(&check->setup, &stage_check);
		}
}

/* ---- words ---- */

static struct send_conf *own(struct server *s)
{
	return server_ext(s, &send_ext);
}

/* Options that set or clear bits; one parse function serves them all, by its word. */
static const struct bits_row {
	const char *name;
	uint16_t set, clear;
} bits_rows[] = {
	{ "send-proxy", SEND_V1, 0 },
	{ "send-proxy-v2", SEND_V2, 0 },
	{ "send-proxy-v2-ssl", SEND_V2 | SEND_SSL, 0 },
	{ "send-proxy-v2-ssl-cn", SEND_V2 | SEND_SSL | SEND_CN, 0 },
	{ "no-send-proxy", 0, SEND_V1 },
	{ "no-send-proxy-v2", 0, SEND_V2 },
	{ "no-send-proxy-v2-ssl", 0, SEND_V2 | SEND_SSL },
	{ "no-send-proxy-v2-ssl-cn", 0, SEND_V2 | SEND_SSL | SEND_CN },
};

static int opt_bits(struct cfg_line *l, int *i, struct server *s)
{
	for (size_t k = 0; k < ARRAY_SIZE(bits_rows); k++) {
		if (strcmp(bits_rows[k].name, l->words[*i].z) == 0) {
			own(s)->flags |= bits_rows[k].set;
			own(s)->flags &= (uint16_t)~bits_rows[k].clear;
		}
	}
	++*i;
	return 0;
}

static int opt_check_send(struct cfg_line *l, int *i, struct server *s)
{
	own(s)->check = true;
	++*i;
	return 0;
}

static const struct {
	const char *name;
	uint16_t bits;
} v2_options[] = {
	{ "ssl", SEND_SSL },
	{ "cert-cn", SEND_SSL | SEND_CN },
	{ "cert-key", SEND_SSL | SEND_KEY },
	{ "cert-sig", SEND_SSL | SEND_SIG },
	{ "ssl-cipher", SEND_SSL | SEND_CIPHER },
	{ "authority", SEND_AUTHORITY },
	{ "crc32c", SEND_CRC32C },
	{ "unique-id", SEND_UNIQUE_ID },
};

static bool take_v2_option(const char *z, struct send_conf *c)
{
	for (size_t k = 0; k < ARRAY_SIZE(v2_options); k++) {
		if (strcmp(v2_options[k].name, z) == 0) {
			c->flags |= v2_options[k].bits;
			return true;
		}
	}
	return false;
}

static int opt_v2_options(struct cfg_line *l, int *i, struct server *s)
{
	int at = *i;
	char *list, *one;

	*i = at + 2 < l->nwords ? at + 2 : l->nwords;
	if (at + 1 >= l->nwords)
		return cfg_error(l, at,
				 "'proxy-v2-options' needs a list: authority, cert-cn, cert-key, "
				 "cert-sig, crc32c, ssl, ssl-cipher, unique-id");
	list = arena_strdup(l->arena, l->words[at + 1].z);
	while ((one = strsep(&list, ",")))
		if (!take_v2_option(one, own(s)))
			return cfg_error(
				l, at + 1,
				"'proxy-v2-options' knows authority, cert-cn, cert-key, "
				"cert-sig, crc32c, ssl, ssl-cipher and unique-id, not '%s'",
				one);
	return 0;
}

/* "set-proxy-v2-tlv-fmt(0x20)" */
static int opt_tlv_fmt(struct cfg_line *l, int *i, struct server *s)
{
	int at = *i;
	const char *open = strchr(l->words[at].z, '(');
	struct tlv_fmt *f, **to = &own(s)->tlvs;
	unsigned long v;
	char *end;

	*i = at + 2 < l->nwords ? at + 2 : l->nwords;
	v = open ? strtoul(open + 1, &end, 0) : 256;
	if (!open || end == open + 1 || strcmp(end, ")") || v > 255)
		return cfg_error(l, at,
				 "'set-proxy-v2-tlv-fmt' needs a type of 0..255 in parentheses: "
				 "set-proxy-v2-tlv-fmt(0xE0) <format>");
	if (at + 1 >= l->nwords)
		return cfg_error(l, at, "a format is missing behind '%s'", l->words[at].z);
	f = ARENA_NEW(l->arena, struct tlv_fmt);
	f->type = (uint8_t)v;
	f->format =
		logformat_parse(l, at + 1, l->words[at + 1].z, SMP_WHERE_HTTP_REQ | SMP_W_BACKEND);
	if (!f->format)
		return -1;
	while (*to)
		to = &(*to)->next;
	*to = f;
	return 0;
}

/* A server's own formats must not be hung behind those of its default-server, which others share. */
static void send_inherit(void *to, const void *from, struct arena *a)
{
	const struct send_conf *base = from;
	struct send_conf *own = to;
	struct tlv_fmt **at = &own->tlvs;

	*own = *base;
	own->tlvs = NULL;
	for (const struct tlv_fmt *f = base->tlvs; f; f = f->next) {
		*at = arena_zalloc(a, sizeof(**at));
		(*at)->type = f->type;
		(*at)->format = f->format;
		at = &(*at)->next;
	}
}

#define SAYS "the header is written by the daemon"
#define PUT(n, f, u, h)                        \
	{                                      \
		n, f, KERNEL_NEVER, SAYS, u, h \
	}

static const struct server_option options[] = {
	PUT("send-proxy", opt_bits, "send-proxy",
	    "Connections begin with a PROXY header, version 1, that says whom they are for."),
	PUT("send-proxy-v2", opt_bits, "send-proxy-v2",
	    "Connections begin with a PROXY header, version 2."),
	PUT("send-proxy-v2-ssl", opt_bits, "send-proxy-v2-ssl",
	    "PROXY header, version 2, with what is known about the client's TLS."),
	PUT("send-proxy-v2-ssl-cn", opt_bits, "send-proxy-v2-ssl-cn",
	    "The same with the common name of the client's certificate."),
	{ "no-send-proxy", opt_bits, KERNEL_EXACT, NULL, "no-send-proxy",
	  "Takes back 'send-proxy' of default-server." },
	{ "no-send-proxy-v2", opt_bits, KERNEL_EXACT, NULL, "no-send-proxy-v2",
	  "Takes back 'send-proxy-v2' of default-server." },
	{ "no-send-proxy-v2-ssl", opt_bits, KERNEL_EXACT, NULL, "no-send-proxy-v2-ssl",
	  "Takes back 'send-proxy-v2-ssl' of default-server." },
	{ "no-send-proxy-v2-ssl-cn", opt_bits, KERNEL_EXACT, NULL, "no-send-proxy-v2-ssl-cn",
	  "Takes back 'send-proxy-v2-ssl-cn' of default-server." },
	PUT("proxy-v2-options", opt_v2_options, "proxy-v2-options <option>[,<option>]*",
	    "What a header of version 2 also says: authority, cert-cn, cert-key, cert-sig, crc32c, "
	    "ssl, "
	    "ssl-cipher, unique-id."),
	PUT("set-proxy-v2-tlv-fmt", opt_tlv_fmt, "set-proxy-v2-tlv-fmt(<type>) <format>",
	    "A value of one's own in headers of version 2."),
	{ "check-send-proxy", opt_check_send, KERNEL_EXACT, NULL, "check-send-proxy",
	  "Checks begin with a PROXY header, even if traffic does not or they have an address of "
	  "their own." },
};

static const struct cfg_check checks[] = {
	{ "PROXY headers to servers", CFG_PHASE_DERIVE, derive },
};

void proxy_send_init(void)
{
	send_ext.inherit = send_inherit;
	ext_register(EXT_SERVER, &send_ext);
	cfg_register_server_options(options, ARRAY_SIZE(options));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
