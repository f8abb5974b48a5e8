// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch_tls.c - what a TLS hello says before anything is encrypted: server name, version, protocols (RFC 8446 section 4.1.2,
 * RFC 6066 section 3, RFC 7301). Reads the bytes under inspection; a hello that is not complete asks to wait. Not for
 * connections that end TLS here. Any worker.
 */
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

#define TLS_HANDSHAKE    0x16
#define TLS_CLIENT_HELLO 1
#define EXT_SERVER_NAME  0
#define EXT_GROUPS       10
#define EXT_ALPN         16
#define EXT_TICKET       35

enum hello_state { HELLO_NO, HELLO_MORE, HELLO_YES };

/* A cursor over bytes: reads past the end give 0 and set `bad`. */
struct bytes {
	struct slice s;
	bool bad;
};

static uint32_t take_int(struct bytes *b, size_t size)
{
	uint32_t v = 0;

	if (b->s.n < size) {
		b->bad = true;
		b->s.n = 0;
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		v = v << 8 | (unsigned char)b->s.p[i];
	b->s = slice_from(b->s, size);
	return v;
}

static struct slice take(struct bytes *b, size_t n)
{
	struct slice s = slice_first(b->s, n);

	if (b->s.n < n)
		b->bad = true;
	b->s = slice_from(b->s, n);
	return s;
}

/* A block with its length, of @size bytes, in front. */
static struct slice take_block(struct bytes *b, size_t size)
{
	return take(b, take_int(b, size));
}

struct hello {
	uint8_t type;
	uint16_t version; /* as the hello has it: 0x0303 for TLS 1.2 and 1.3 */
	struct slice body;
};

/* The first handshake message, when the whole of it is there in the first record. */
static enum hello_state hello_find(struct slice data, struct hello *h)
{
	struct bytes b = { data, false };
	uint32_t major, record, length;

	if (data.n && (unsigned char)data.p[0] != TLS_HANDSHAKE)
		return HELLO_NO;
	take_int(&b, 1);
	major = take_int(&b, 1);
	if (!b.bad && major < 3)
		return HELLO_NO;
	take_int(&b, 1);
	record = take_int(&b, 2);
	h->type = (uint8_t)take_int(&b, 1);
	length = take_int(&b, 3);
	if (b.bad)
		return HELLO_MORE;
	if (length + 4 > record)
		return HELLO_NO; /* spread over several records: nobody does that */
	h->body = take(&b, length);
	if (b.bad)
		return HELLO_MORE;
	if (length < 2)
		return HELLO_NO;
	h->version = (uint16_t)((unsigned char)h->body.p[0] << 8 | (unsigned char)h->body.p[1]);
	return HELLO_YES;
}

static bool hello_of(const struct smp_ctx *ctx, struct sample *out, struct hello *h)
{
	switch (hello_find(ctx->data, h)) {
	case HELLO_MORE:
		out->flags |= SMP_F_MAY_CHANGE;
		return false;
	case HELLO_NO:
		return false;
	case HELLO_YES:
		break;
	}
	return true;
}

/* An extension's contents; p is NULL when it is not there. */
static struct slice extension(const struct hello *h, unsigned int wanted)
{
	struct bytes b = { h->body, false }, ext;

	if (h->type != TLS_CLIENT_HELLO)
		return SLICE_NONE;
	take(&b, 2 + 32);  /* version, random */
	take_block(&b, 1); /* session */
	take_block(&b, 2); /* ciphers */
	take_block(&b, 1); /* compression */
	ext = (struct bytes){ take_block(&b, 2), false };
	while (!b.bad && ext.s.n) {
		unsigned int type = take_int(&ext, 2);
		struct slice body = take_block(&ext, 2);

		if (ext.bad)
			break;
		if (type == wanted)
			return slice_make(body.p, body.n);
	}
	return SLICE_NONE;
}

static bool fetch_hello_type(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	struct hello h;

	return hello_of(ctx, out, &h) && smp_int(out, h.type);
}

static bool fetch_version(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct hello h;

	return hello_of(ctx, out, &h) && smp_int(out, (h.version >> 8) * 65536 + (h.version & 255));
}

static bool fetch_sni(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct hello h;
	struct bytes list;

	if (!hello_of(ctx, out, &h))
		return false;
	list = (struct bytes){ extension(&h, EXT_SERVER_NAME), false };
	list = (struct bytes){ take_block(&list, 2), list.bad };
	while (!list.bad && list.s.n) {
		uint32_t type = take_int(&list, 1);
		struct slice name = take_block(&list, 2);

		if (!list.bad && !type)
			return smp_str(out, name);
	}
	return false;
}

/* The protocol that the client likes best. */
static bool fetch_alpn(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct hello h;
	struct bytes list;
	struct slice name;

	if (!hello_of(ctx, out, &h))
		return false;
	list = (struct bytes){ extension(&h, EXT_ALPN), false };
	list = (struct bytes){ take_block(&list, 2), list.bad };
	name = take_block(&list, 1);
	return !list.bad && name.n && smp_str(out, name);
}

static bool fetch_ticket(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct hello h;
	struct slice ext;

	if (!hello_of(ctx, out, &h))
		return false;
	ext = extension(&h, EXT_TICKET);
	return smp_int(out, !ext.p ? 0 : ext.n ? 2 : 1);
}

static bool fetch_groups(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct hello h;

	return hello_of(ctx, out, &h) && smp_bool(out, extension(&h, EXT_GROUPS).p);
}

#define TLS(n, t, fn)                                                                  \
	.name = n, .kind = "fetch-L6", .out = t, .fetch = fn, .where = SMP_W_REQ_DATA, \
	.kernel = KERNEL_NEVER,                                                        \
	.kernel_says = "it reads the TLS hello, and a packet program cannot wait for it"

static const struct fetch_row rows[] = {
	{ TLS("req.ssl_hello_type", SMP_INT, fetch_hello_type),
	  .help = "1 when the request is a whole TLS client hello." },
	{ TLS("req_ssl_hello_type", SMP_INT, fetch_hello_type),
	  .help = "Older name of req.ssl_hello_type." },
	{ TLS("req.ssl_ver", SMP_INT, fetch_version),
	  .help = "The version in the hello: 3.1 for TLS 1.0 to 3.3 for TLS 1.2 and later." },
	{ TLS("req_ssl_ver", SMP_INT, fetch_version), .help = "Older name of req.ssl_ver." },
	{ TLS("req.ssl_sni", SMP_STR, fetch_sni), .help = "The server name in the hello." },
	{ TLS("req_ssl_sni", SMP_STR, fetch_sni), .help = "Older name of req.ssl_sni." },
	{ TLS("req.ssl_alpn", SMP_STR, fetch_alpn),
	  .help = "The first protocol of the hello's ALPN list." },
	{ TLS("req.ssl_st_ext", SMP_INT, fetch_ticket),
	  .help = "Session ticket extension: 0 none, 1 empty, 2 with a ticket." },
	{ TLS("req.ssl_ec_ext", SMP_BOOL, fetch_groups),
	  .help = "The hello lists elliptic curves." },
};

static const struct acl_keyword keywords[] = {
	{ "req.ssl_ver", "req.ssl_ver", "version", "The version in the hello, as 3.1." },
	{ "req_ssl_ver", "req.ssl_ver", "version", "The version in the hello, as 3.1." },
	{ "req_ssl_sni", "req.ssl_sni", "str", "The server name in the hello." },
	{ "req_rdp_cookie", "req.rdp_cookie", "str", "The RDP cookie." },
	{ "req_rdp_cookie_cnt", "req.rdp_cookie_cnt", "int", "1 with an RDP cookie." },
};

void fetch_tls_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
	acl_keyword_register(keywords, ARRAY_SIZE(keywords));
}
