// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_words.c - the words that bind lines, server lines, crt-lists and the defaults in global share: versions, ciphers,
 * verification. One row each; the lines' own files wrap them. Not for: what is made of them (tls_ctx.c). Control thread.
 */
#include "base/units.h"
#include "transport/tls_conf.h"

#include <openssl/ssl.h>

const char *const tls_version_names[TLS_VERSIONS] = { "SSLv3", "TLSv1.0", "TLSv1.1", "TLSv1.2",
						      "TLSv1.3" };

int tls_version_number(int index)
{
	static const int numbers[TLS_VERSIONS] = { SSL3_VERSION, TLS1_VERSION, TLS1_1_VERSION,
						   TLS1_2_VERSION, TLS1_3_VERSION };

	return numbers[index];
}

const char *tls_word_arg(struct cfg_line *l, int *i, const char *what)
{
	int at = *i;

	if (at + 1 >= l->nwords) {
		cfg_error(l, l->nwords, "'%s' needs %s", l->words[at].z, what);
		*i = l->nwords;
		return NULL;
	}
	*i = at + 2;
	return l->words[at + 1].z;
}

/* ---- parse functions ---- */

static int word_text(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	const char *z = tls_word_arg(l, i, w->usage + strlen(w->name) + 1);

	if (!z)
		return -1;
	*(const char **)((char *)o + w->offset) = arena_strdup(l->arena, z);
	return 0;
}

static int word_true(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	*((bool *)o + w->offset) = true;
	++*i;
	return 0;
}

/* A byte-sized member takes the row's value. */
static int word_value(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	*((uint8_t *)o + w->offset) = (uint8_t)w->value;
	++*i;
	return 0;
}

static int word_force(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	o->min_version = o->max_version = (uint8_t)(w->value + 1);
	++*i;
	return 0;
}

static int word_no_version(struct cfg_line *l, int *i, struct tls_options *o,
			   const struct tls_word *w)
{
	o->no_versions |= (uint8_t)(1 << w->value);
	++*i;
	return 0;
}

static int word_limit(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	int at = *i;
	const char *z =
		tls_word_arg(l, i, "a version: SSLv3, TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3");

	if (!z)
		return -1;
	for (int v = 0; v < TLS_VERSIONS; v++) {
		if (strcmp(z, tls_version_names[v]))
			continue;
		*((uint8_t *)o + w->offset) = (uint8_t)(v + 1);
		return 0;
	}
	return cfg_error(l, at + 1,
			 "'%s' takes SSLv3, TLSv1.0, TLSv1.1, TLSv1.2 or TLSv1.3, not '%s'",
			 w->name, z);
}

static int word_verify(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	int at = *i;
	const char *z = tls_word_arg(l, i, "none, optional or required");

	if (!z)
		return -1;
	if (!strcmp(z, "none"))
		o->verify = TLS_VERIFY_NONE;
	else if (!strcmp(z, "required"))
		o->verify = TLS_VERIFY_REQUIRED;
	else if (!strcmp(z, "optional") && w->value)
		o->verify = TLS_VERIFY_OPTIONAL;
	else
		return cfg_error(l, at + 1, "'verify' takes none%s or required, not '%s'",
				 w->value ? ", optional" : "", z);
	return 0;
}

int tls_parse_alpn(struct cfg_line *l, int word, const char *names, struct slice *out)
{
	size_t n = strlen(names);
	char *wire = arena_alloc(l->arena, n + 1);
	size_t begin = 0;

	for (size_t i = 0; i <= n; i++) {
		if (i < n)
			wire[i + 1] = names[i];
		if (i < n && names[i] != ',')
			continue;
		if (i == begin || i - begin > 255)
			return cfg_error(
				l, word,
				"'%s' is no list of protocols: names of 1 to 255 characters with "
				"commas between them, as in 'h2,http/1.1'",
				names);
		wire[begin] = (char)(i - begin);
		begin = i + 1;
	}
	*out = slice_make(wire, n + 1);
	return 0;
}

static int word_alpn(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	int at = *i;
	const char *z = tls_word_arg(l, i, "a list of protocols, as in 'h2,http/1.1'");

	if (!z)
		return -1;
	o->alpn_said = true;
	return tls_parse_alpn(l, at + 1, z, &o->alpn);
}

static int word_no_alpn(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	o->alpn_said = true;
	o->alpn = SLICE_NONE;
	++*i;
	return 0;
}

/* "all", or numbers of verification errors. */
static int word_ignore(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w)
{
	int at = *i;
	const char *z = tls_word_arg(l, i, "'all' or numbers of errors with commas between them");
	uint64_t *bits = (uint64_t *)(void *)((char *)o + w->offset);

	if (!z)
		return -1;
	if (!strcmp(z, "all")) {
		bits[0] = bits[1] = ~0ull;
		return 0;
	}
	while (*z) {
		size_t n = strcspn(z, ",");
		int64_t v;

		if (parse_i64(slice_make(z, n), 1, 127, &v))
			return cfg_error(l, at + 1,
					 "'%s' takes 'all' or numbers of errors from 1 to 127 "
					 "(openssl-verify(1), "
					 "'Diagnostics') with commas between them, not '%s'",
					 w->name, l->words[at + 1].z);
		bits[v / 64] |= 1ull << (v % 64);
		z += n + (z[n] == ',');
	}
	return 0;
}

/* ---- rows ---- */

#define BIND_ALL (TLS_BIND | TLS_LIST)
#define BOTH     (TLS_BIND | TLS_SERVER | TLS_LIST)
#define DEFAULTS (TLS_BIND_DEFAULT | TLS_SERVER_DEFAULT)
#define OPT(m)   offsetof(struct tls_options, m)
#define FORCE(n, v, h)                                                      \
	{                                                                   \
		n, TLS_BIND | TLS_SERVER | DEFAULTS, word_force, v, 0, n, h \
	}
#define NO(n, v, h, flags)                                                              \
	{                                                                               \
		n, TLS_BIND | TLS_SERVER | DEFAULTS, word_no_version, v, 0, n, h, flags \
	}

static const struct tls_word words[] = {
	{ "ciphers", BOTH, word_text, 0, OPT(ciphers), "ciphers <list>",
	  "Cipher suites up to TLSv1.2, in OpenSSL's notation." },
	{ "ciphersuites", BOTH, word_text, 0, OPT(ciphersuites), "ciphersuites <list>",
	  "Cipher suites of TLSv1.3." },
	{ "curves", BOTH, word_text, 0, OPT(curves), "curves <list>",
	  "Groups for the key exchange, in the order of preference." },
	{ "ecdhe", BIND_ALL, word_text, 0, OPT(ecdhe), "ecdhe <curve>",
	  "The one curve for the key exchange; 'curves' goes before it." },
	{ "sigalgs", BOTH, word_text, 0, OPT(sigalgs), "sigalgs <list>",
	  "Signature algorithms that are used and accepted." },
	{ "client-sigalgs", BOTH, word_text, 0, OPT(client_sigalgs), "client-sigalgs <list>",
	  "Signature algorithms for certificates of clients." },
	{ "ca-file", BOTH, word_text, 0, OPT(ca_file), "ca-file <file>|<directory>|@system-ca",
	  "Authorities that the other side's certificate is verified with." },
	{ "ca-verify-file", BIND_ALL, word_text, 0, OPT(ca_verify_file), "ca-verify-file <file>",
	  "More authorities for verification, whose names are not sent to clients." },
	{ "crl-file", BOTH, word_text, 0, OPT(crl_file), "crl-file <file>",
	  "Certificates that are revoked: a list for every authority of the chain." },
	{ "ca-ignore-err", TLS_BIND, word_ignore, 0, OPT(ca_ignore),
	  "ca-ignore-err all|<number>,...",
	  "Errors in the chain above the client's certificate that do not end the handshake." },
	{ "crt-ignore-err", TLS_BIND, word_ignore, 0, OPT(crt_ignore),
	  "crt-ignore-err all|<number>,...",
	  "Errors of the client's certificate that do not end the handshake." },
	{ "verify", BIND_ALL, word_verify, 1, 0, "verify none|optional|required",
	  "Is the other side's certificate asked for and verified?" },
	{ "verify", TLS_SERVER, word_verify, 0, 0, "verify none|required",
	  "Is the server's certificate verified? Default: required, which needs 'ca-file'." },
	{ "alpn", BOTH, word_alpn, 0, 0, "alpn <protocols>",
	  "Protocols to agree on in the handshake (ALPN), the preferred one first." },
	{ "no-alpn", BOTH, word_no_alpn, 0, 0, "no-alpn", "No agreement on a protocol." },
	{ "no-ca-names", BIND_ALL, word_true, 0, OPT(no_ca_names), "no-ca-names",
	  "Clients are not told the names of the authorities in 'ca-file'." },
	{ "prefer-client-ciphers", TLS_BIND | TLS_BIND_DEFAULT, word_true, 0,
	  OPT(prefer_client_ciphers), "prefer-client-ciphers",
	  "The client's order of ciphers counts, not ours." },
	{ "ssl-min-ver", BOTH | DEFAULTS, word_limit, 0, OPT(min_version), "ssl-min-ver <version>",
	  "The lowest version; default TLSv1.2." },
	{ "ssl-max-ver", BOTH | DEFAULTS, word_limit, 0, OPT(max_version), "ssl-max-ver <version>",
	  "The highest version." },
	{ "no-tls-tickets", TLS_BIND | TLS_SERVER | DEFAULTS, word_value, TLS_OFF, OPT(tickets),
	  "no-tls-tickets", "Sessions are resumed from the cache only." },
	{ "tls-tickets", TLS_BIND | TLS_SERVER | DEFAULTS, word_value, TLS_ON, OPT(tickets),
	  "tls-tickets", "Takes back 'no-tls-tickets'." },
	{ "no-ssl-reuse", TLS_SERVER, word_value, TLS_OFF, OPT(reuse), "no-ssl-reuse",
	  "Every connection to the server makes a new session." },
	{ "ssl-reuse", TLS_SERVER, word_value, TLS_ON, OPT(reuse), "ssl-reuse",
	  "Takes back 'no-ssl-reuse'." },
	FORCE("force-sslv3", 0, "SSLv3 and nothing else: an error, OpenSSL 3 is built without it."),
	FORCE("force-tlsv10", 1, "TLSv1.0 and nothing else."),
	FORCE("force-tlsv11", 2, "TLSv1.1 and nothing else."),
	FORCE("force-tlsv12", 3, "TLSv1.2 and nothing else."),
	FORCE("force-tlsv13", 4, "TLSv1.3 and nothing else."),
	NO("no-sslv3", 0, "No effect: OpenSSL 3 is built without SSLv3.", CFG_EFFECT_NONE),
	NO("no-tlsv10", 1, "Not TLSv1.0.", 0),
	NO("no-tlsv11", 2, "Not TLSv1.1.", 0),
	NO("no-tlsv12", 3, "Not TLSv1.2.", 0),
	NO("no-tlsv13", 4, "Not TLSv1.3.", 0),
};

const struct tls_word *tls_word_find(const char *name, enum tls_place place)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		if ((words[i].places & place) && !strcmp(words[i].name, name))
			return &words[i];
	return NULL;
}

const struct tls_word *tls_word_at(size_t i)
{
	return i < ARRAY_SIZE(words) ? &words[i] : NULL;
}

/* ---- what they add up to ---- */

static void fill_text(const char **own, const char *from)
{
	if (!*own)
		*own = from;
}

void tls_options_fill(struct tls_options *own, const struct tls_options *from)
{
	fill_text(&own->ciphers, from->ciphers);
	fill_text(&own->ciphersuites, from->ciphersuites);
	if (!own->ecdhe)
		fill_text(&own->curves, from->curves);
	fill_text(&own->ecdhe, from->ecdhe);
	fill_text(&own->sigalgs, from->sigalgs);
	fill_text(&own->client_sigalgs, from->client_sigalgs);
	fill_text(&own->ca_file, from->ca_file);
	fill_text(&own->ca_verify_file, from->ca_verify_file);
	fill_text(&own->crl_file, from->crl_file);
	if (!own->min_version && !own->max_version && !own->no_versions) {
		own->min_version = from->min_version;
		own->max_version = from->max_version;
	} else if (!own->min_version && !own->max_version) {
		own->min_version = from->min_version;
		own->max_version = from->max_version;
	} else if (!own->min_version && from->min_version &&
		   from->min_version <= own->max_version) {
		own->min_version = from->min_version;
	} else if (!own->max_version && from->max_version >= own->min_version) {
		own->max_version = from->max_version;
	}
	own->no_versions |= from->no_versions;
	if (!own->verify)
		own->verify = from->verify;
	if (!own->tickets)
		own->tickets = from->tickets;
	if (!own->reuse)
		own->reuse = from->reuse;
	own->prefer_client_ciphers |= from->prefer_client_ciphers;
	own->no_ca_names |= from->no_ca_names;
	if (!own->alpn_said) {
		own->alpn_said = from->alpn_said;
		own->alpn = from->alpn;
	}
	for (int i = 0; i < 2; i++) {
		own->ca_ignore[i] |= from->ca_ignore[i];
		own->crt_ignore[i] |= from->crt_ignore[i];
	}
}

#define DEFAULT_MIN 3 /* TLSv1.2 */

/* Debian's OpenSSL has no SSLv3 (OPENSSL_NO_SSL3): it is never among the versions. */
bool tls_versions_of(const struct tls_options *o, int *lo, int *hi)
{
	uint8_t none = o->no_versions | 1;
	int max = o->max_version ? o->max_version - 1 : TLS_VERSIONS - 1;
	int min = o->min_version ? o->min_version - 1 : DEFAULT_MIN < max ? DEFAULT_MIN : max;

	while (min <= max && (none & (1 << min)))
		min++;
	while (min <= max && (none & (1 << max)))
		max--;
	*lo = min;
	*hi = max;
	return min <= max;
}
