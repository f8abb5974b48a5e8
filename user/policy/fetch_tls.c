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
#define EXT_SIG_ALGS     13
#define EXT_ALPN         16
#define EXT_TICKET       35
#define EXT_KEY_SHARE    51

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

/* The list of cipher suites; the cursor stands behind it. Only client hellos have one. */
static struct slice ciphers(const struct hello *h, struct bytes *b)
{
	*b = (struct bytes){ h->body, h->type != TLS_CLIENT_HELLO };
	take(b, 2 + 32);  /* version, random */
	take_block(b, 1); /* session */
	return take_block(b, 2);
}

/* An extension's contents; p is NULL when it is not there. */
static struct slice extension(const struct hello *h, unsigned int wanted)
{
	struct bytes b, ext;

	ciphers(h, &b);
	if (b.bad)
		return SLICE_NONE;
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

static bool fetch_ciphers(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct bytes b;
	struct hello h;
	struct slice list;

	if (!hello_of(ctx, out, &h))
		return false;
	list = ciphers(&h, &b);
	return !b.bad && smp_bin(out, list);
}

/* An extension that is one list of two-byte values with its length in front; priv: which. */
static bool fetch_list(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct hello h;
	struct bytes b;
	struct slice list;

	if (!hello_of(ctx, out, &h))
		return false;
	b = (struct bytes){ extension(&h, (unsigned int)args[SMP_MAX_ARGS - 1].i), false };
	list = take_block(&b, 2);
	return !b.bad && list.n && smp_bin(out, list);
}

/* The groups for which the hello has key shares (RFC 8446 section 4.2.8). */
static bool fetch_key_shares(const struct smp_arg *args, const struct smp_ctx *ctx,
			     struct sample *out)
{
	struct hello h;
	struct bytes b;
	size_t n = 0;
	char *buf;

	if (!hello_of(ctx, out, &h))
		return false;
	b = (struct bytes){ extension(&h, EXT_KEY_SHARE), false };
	b = (struct bytes){ take_block(&b, 2), b.bad };
	buf = smp_alloc(ctx, b.s.n);
	while (buf && !b.bad && b.s.n) {
		struct slice group = take(&b, 2);

		take_block(&b, 2);
		if (b.bad)
			break;
		memcpy(buf + n, group.p, 2);
		n += 2;
	}
	return n && !b.bad && smp_bin(out, slice_make(buf, n));
}

#define TLS(n, t, fn)        TLS_ROW(n, t, fn, SMP_W_REQ_DATA)
#define TLS_ANSWER(n, t, fn) TLS_ROW(n, t, fn, SMP_W_RSP_DATA)
#define TLS_ROW(n, t, fn, w)                                                                      \
	.name = n, .kind = "fetch-L6", .out = t, .fetch = fn, .where = w, .kernel = KERNEL_NEVER, \
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
	{ TLS("req.ssl_cipherlist", SMP_BIN, fetch_ciphers),
	  .help = "The hello's cipher suites, two bytes each." },
	{ TLS("req.ssl_sigalgs", SMP_BIN, fetch_list), .priv = EXT_SIG_ALGS,
	  .help = "The hello's signature algorithms, two bytes each." },
	{ TLS("req.ssl_supported_groups", SMP_BIN, fetch_list), .priv = EXT_GROUPS,
	  .help = "The hello's groups, two bytes each." },
	{ TLS("req.ssl_keyshare_groups", SMP_BIN, fetch_key_shares),
	  .help = "The groups for which the hello has key shares, two bytes each." },
	{ TLS_ANSWER("res.ssl_hello_type", SMP_INT, fetch_hello_type),
	  .help = "2 when the response is a whole TLS server hello." },
	{ TLS_ANSWER("rep_ssl_hello_type", SMP_INT, fetch_hello_type),
	  .help = "Older name of res.ssl_hello_type." },
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
