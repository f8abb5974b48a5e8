// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_global.c - TLS in the global section: defaults of bind and server lines, places of files, sizes. Control thread.
 */
#include "base/units.h"
#include "model/config.h"
#include "transport/tls_conf.h"
#include "transport/tls_private.h"

struct tls_settings tls_settings = {
	.server_verify = TLS_VERIFY_REQUIRED,
	.cache_entries = 20000,
	.lifetime_s = 300,
	.security_level = -1,
	.extra_files = TLS_EXTRA_ALL,
};
uint32_t tls_max_record, tls_hard_max_record;

/* ---- places ---- */

static int take_text(struct cfg_line *l, const char **to)
{
	if (cfg_want_args(l, 1, 1, l->words[0].z))
		return -1;
	*to = arena_strdup(l->arena, cfg_arg(l, 0));
	return 0;
}

static int parse_ca_base(struct cfg_line *l)
{
	return take_text(l, &tls_settings.ca_base);
}

static int parse_crt_base(struct cfg_line *l)
{
	return take_text(l, &tls_settings.crt_base);
}

static int parse_issuers(struct cfg_line *l)
{
	return take_text(l, &tls_settings.issuers_path);
}

static int parse_dh_file(struct cfg_line *l)
{
	tls_settings.dh_at = l->at;
	return take_text(l, &tls_settings.dh_file);
}

static int parse_extra_files(struct cfg_line *l)
{
	static const struct {
		const char *name;
		unsigned int bits;
	} kinds[] = {
		{ "none", 0 },
		{ "all", TLS_EXTRA_ALL },
		{ "bundle", TLS_EXTRA_BUNDLE },
		{ "key", TLS_EXTRA_KEY },
		{ "sctl", TLS_EXTRA_OTHERS },
		{ "ocsp", TLS_EXTRA_OTHERS },
		{ "issuer", TLS_EXTRA_OTHERS },
	};
	size_t k;

	if (cfg_want_args(l, 1, -1,
			  "ssl-load-extra-files none|all|bundle|key|sctl|ocsp|issuer ..."))
		return -1;
	tls_settings.extra_files = 0;
	for (int i = 0; i < cfg_argc(l); i++) {
		for (k = 0; k < ARRAY_SIZE(kinds) && strcmp(kinds[k].name, cfg_arg(l, i)); k++)
			;
		if (k == ARRAY_SIZE(kinds))
			return cfg_error(l, l->first_arg + i,
					 "'ssl-load-extra-files' takes none, all, bundle, key, "
					 "sctl, ocsp or "
					 "issuer, not '%s'",
					 cfg_arg(l, i));
		tls_settings.extra_files |= kinds[k].bits;
	}
	return 0;
}

static int parse_del_ext(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "ssl-load-extra-del-ext"))
		return -1;
	tls_settings.extra_del_ext = true;
	return 0;
}

/* ---- defaults of lines ---- */

/* ssl-default-bind-ciphers and its relatives: the word behind "ssl-default-bind-" is the option's. */
static int parse_default(struct cfg_line *l, struct tls_options *o, const char *prefix,
			 enum tls_place place)
{
	const struct tls_word *w = tls_word_find(l->words[0].z + strlen(prefix), place);
	int i = 0;

	if (cfg_want_args(l, 1, 1, arena_printf(l->arena, "%s <list>", l->words[0].z)))
		return -1;
	return w->parse(l, &i, o, w);
}

static int parse_bind_default(struct cfg_line *l)
{
	return parse_default(l, &tls_settings.bind, "ssl-default-bind-", TLS_BIND);
}

static int parse_server_default(struct cfg_line *l)
{
	return parse_default(l, &tls_settings.server, "ssl-default-server-", TLS_SERVER);
}

static int parse_options(struct cfg_line *l, struct tls_options *o, enum tls_place place)
{
	int i = l->first_arg;

	if (cfg_want_args(l, 1, -1, arena_printf(l->arena, "%s <option> ...", l->words[0].z)))
		return -1;
	while (i < l->nwords) {
		const struct tls_word *w = tls_word_find(l->words[i].z, place);

		if (!w)
			return cfg_error(l, i,
					 "'%s' is no option here: ssl-min-ver, ssl-max-ver, "
					 "force-..., no-tls..., "
					 "no-tls-tickets%s",
					 l->words[i].z,
					 place == TLS_BIND_DEFAULT ? ", prefer-client-ciphers"
								   : "");
		if (w->parse(l, &i, o, w))
			return -1;
	}
	return 0;
}

static int parse_bind_options(struct cfg_line *l)
{
	return parse_options(l, &tls_settings.bind, TLS_BIND_DEFAULT);
}

static int parse_server_options(struct cfg_line *l)
{
	return parse_options(l, &tls_settings.server, TLS_SERVER_DEFAULT);
}

static int parse_server_verify(struct cfg_line *l)
{
	const char *z = cfg_arg(l, 0);

	if (cfg_want_args(l, 1, 1, "ssl-server-verify none|required"))
		return -1;
	if (strcmp(z, "none") && strcmp(z, "required"))
		return cfg_error(l, l->first_arg,
				 "'ssl-server-verify' takes none or required, not '%s'", z);
	tls_settings.server_verify = *z == 'n' ? TLS_VERIFY_NONE : TLS_VERIFY_REQUIRED;
	return 0;
}

/* ---- numbers ---- */

static int take_number(struct cfg_line *l, int64_t min, int64_t max, uint32_t *to)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, arena_printf(l->arena, "%s <number>", l->words[0].z)) ||
	    cfg_arg_i64(l, 0, min, max, &v))
		return -1;
	*to = (uint32_t)v;
	return 0;
}

static int parse_cachesize(struct cfg_line *l)
{
	return take_number(l, 0, INT32_MAX, &tls_settings.cache_entries);
}

static int parse_max_record(struct cfg_line *l)
{
	return take_number(l, 0, INT32_MAX, &tls_max_record);
}

static int parse_hard_max_record(struct cfg_line *l)
{
	return take_number(l, 0, INT32_MAX, &tls_hard_max_record);
}

static int parse_dh_bits(struct cfg_line *l)
{
	return take_number(l, 1024, 16384, &tls_settings.dh_bits);
}

static int parse_level(struct cfg_line *l)
{
	uint32_t v;

	if (take_number(l, 0, 5, &v))
		return -1;
	tls_settings.security_level = (int)v;
	return 0;
}

/* A time whose plain number is seconds. */
static int parse_lifetime(struct cfg_line *l)
{
	const char *z = cfg_arg(l, 0);
	uint32_t ms;
	int64_t s;

	if (cfg_want_args(l, 1, 1, "tune.ssl.lifetime <time>"))
		return -1;
	if (!parse_i64(slice_z(z), 0, INT32_MAX, &s)) {
		tls_settings.lifetime_s = (uint32_t)s;
		return 0;
	}
	if (parse_time_ms(slice_z(z), &ms))
		return cfg_error(l, l->first_arg,
				 "'tune.ssl.lifetime' takes a time in seconds (300), or with a "
				 "unit (5m), not '%s'",
				 z);
	tls_settings.lifetime_s = ms / 1000;
	return 0;
}

static int parse_private_cache(struct cfg_line *l)
{
	return cfg_want_args(l, 0, 0, "tune.ssl.force-private-cache");
}

#define GLOBAL(n, fn, u, h)                                    \
	{                                                      \
		n, CFG_GLOBAL, fn, KERNEL_EXACT, NULL, u, h, 0 \
	}

static const struct cfg_keyword rows[] = {
	GLOBAL("ca-base", parse_ca_base, "ca-base <directory>",
	       "Where relative names of 'ca-file', 'ca-verify-file' and 'crl-file' begin."),
	GLOBAL("crt-base", parse_crt_base, "crt-base <directory>",
	       "Where relative names of 'crt' and 'crt-list' begin."),
	GLOBAL("issuers-chain-path", parse_issuers, "issuers-chain-path <directory>",
	       "Chains for certificates whose file has none."),
	GLOBAL("ssl-default-bind-ciphers", parse_bind_default, "ssl-default-bind-ciphers <list>",
	       "'ciphers' of bind lines without their own."),
	GLOBAL("ssl-default-bind-ciphersuites", parse_bind_default,
	       "ssl-default-bind-ciphersuites <list>",
	       "'ciphersuites' of bind lines without their own."),
	GLOBAL("ssl-default-bind-curves", parse_bind_default, "ssl-default-bind-curves <list>",
	       "'curves' of bind lines without their own."),
	GLOBAL("ssl-default-bind-sigalgs", parse_bind_default, "ssl-default-bind-sigalgs <list>",
	       "'sigalgs' of bind lines without their own."),
	GLOBAL("ssl-default-bind-client-sigalgs", parse_bind_default,
	       "ssl-default-bind-client-sigalgs <list>",
	       "'client-sigalgs' of bind lines without their own."),
	GLOBAL("ssl-default-bind-options", parse_bind_options,
	       "ssl-default-bind-options <option> ...",
	       "Versions and other switches of all bind lines with 'ssl'."),
	GLOBAL("ssl-default-server-ciphers", parse_server_default,
	       "ssl-default-server-ciphers <list>", "'ciphers' of servers without their own."),
	GLOBAL("ssl-default-server-ciphersuites", parse_server_default,
	       "ssl-default-server-ciphersuites <list>",
	       "'ciphersuites' of servers without their own."),
	GLOBAL("ssl-default-server-curves", parse_server_default,
	       "ssl-default-server-curves <list>", "'curves' of servers without their own."),
	GLOBAL("ssl-default-server-sigalgs", parse_server_default,
	       "ssl-default-server-sigalgs <list>", "'sigalgs' of servers without their own."),
	GLOBAL("ssl-default-server-client-sigalgs", parse_server_default,
	       "ssl-default-server-client-sigalgs <list>",
	       "'client-sigalgs' of servers without their own."),
	GLOBAL("ssl-default-server-options", parse_server_options,
	       "ssl-default-server-options <option> ...",
	       "Versions and other switches of all servers with 'ssl'."),
	GLOBAL("ssl-server-verify", parse_server_verify, "ssl-server-verify none|required",
	       "'verify' of servers without their own; default required."),
	GLOBAL("ssl-security-level", parse_level, "ssl-security-level <0..5>",
	       "OpenSSL's security level (SSL_CTX_set_security_level(3)); default: the system's."),
	GLOBAL("ssl-dh-param-file", parse_dh_file, "ssl-dh-param-file <file>",
	       "Parameters for DHE ciphers of certificates that bring none."),
	GLOBAL("ssl-load-extra-files", parse_extra_files,
	       "ssl-load-extra-files none|all|bundle|key|sctl|ocsp|issuer ...",
	       "Which files beside a certificate are looked for."),
	GLOBAL("ssl-load-extra-del-ext", parse_del_ext, "ssl-load-extra-del-ext",
	       "The key of 'name.crt' lies in 'name.key', not in 'name.crt.key'."),
	GLOBAL("tune.ssl.cachesize", parse_cachesize, "tune.ssl.cachesize <number>",
	       "Sessions that each bind line remembers for resumption; 0: none."),
	GLOBAL("tune.ssl.lifetime", parse_lifetime, "tune.ssl.lifetime <time>",
	       "How long a session may be resumed; default 300 s."),
	GLOBAL("tune.ssl.maxrecord", parse_max_record, "tune.ssl.maxrecord <bytes>",
	       "Bytes in a record at the beginning of a transfer; 0: 16 KB."),
	GLOBAL("tune.ssl.hard-maxrecord", parse_hard_max_record, "tune.ssl.hard-maxrecord <bytes>",
	       "Bytes in any record; 0: 16 KB."),
	GLOBAL("tune.ssl.default-dh-param", parse_dh_bits, "tune.ssl.default-dh-param <bits>",
	       "Allows DHE ciphers with the library's parameters, whose size follows the "
	       "certificate's key."),
	{ "tune.ssl.force-private-cache", CFG_GLOBAL, parse_private_cache, KERNEL_EXACT, NULL,
	  "tune.ssl.force-private-cache",
	  "No effect: sessions are shared among the threads of one process anyway.",
	  CFG_EFFECT_NONE },
};

void tls_global_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
