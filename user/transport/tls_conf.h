/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_conf.h - what bind and server lines, crt-lists and global defaults say about TLS, and the contexts that are made of
 * it. Control thread, before the workers start.
 */
#ifndef LBD_TRANSPORT_TLS_CONF_H
#define LBD_TRANSPORT_TLS_CONF_H

#include "config/keyword.h"
#include "transport/tls_cert.h"
#include "transport/tls.h"

enum tls_verify { TLS_VERIFY_UNSAID, TLS_VERIFY_NONE, TLS_VERIFY_OPTIONAL, TLS_VERIFY_REQUIRED };
enum tls_switch { TLS_UNSAID, TLS_ON, TLS_OFF };

/* Versions as bits and indexes: 0 is SSLv3, 4 is TLSv1.3. */
#define TLS_VERSIONS 5
extern const char *const tls_version_names[TLS_VERSIONS];

/* NULL, 0: not said. */
struct tls_options {
	const char *ciphers, *ciphersuites, *curves, *ecdhe, *sigalgs, *client_sigalgs;
	const char *ca_file, *ca_verify_file, *crl_file;
	uint8_t min_version, max_version; /* index + 1 */
	uint8_t no_versions;              /* bits */
	uint8_t verify;                   /* enum tls_verify */
	uint8_t tickets;                  /* enum tls_switch */
	uint8_t reuse;                    /* enum tls_switch: sessions to servers */
	bool prefer_client_ciphers, no_ca_names;
	struct slice alpn; /* as on the wire: each name with its length in front */
	bool alpn_said;
	/* verification errors by number that do not end the handshake */
	uint64_t ca_ignore[2], crt_ignore[2];
};

/* Where a word may stand. */
enum tls_place {
	TLS_BIND = 1,
	TLS_SERVER = 2,
	TLS_LIST = 4,           /* in brackets in a crt-list */
	TLS_BIND_DEFAULT = 8,   /* ssl-default-bind-options */
	TLS_SERVER_DEFAULT = 16 /* ssl-default-server-options */
};
struct tls_word {
	const char *name;
	unsigned int places;
	/* @i as for a bind option; NULL arguments never. 0 or -1 with the error said. */
	int (*parse)(struct cfg_line *l, int *i, struct tls_options *o, const struct tls_word *w);
	int value;     /* for rows that share a function */
	size_t offset; /* of the member it sets */
	const char *usage, *help;
	unsigned int flags; /* CFG_EFFECT_NONE */
};
const struct tls_word *tls_word_find(const char *name, enum tls_place place);
const struct tls_word *tls_word_at(size_t i);
/* The argument of the word at *i, which moves behind it; NULL with the error said. */
const char *tls_word_arg(struct cfg_line *l, int *i, const char *what);
int tls_parse_alpn(struct cfg_line *l, int word, const char *names, struct slice *out);

/* The process's TLS settings (tls_global.c). */
struct tls_settings {
	const char *ca_base, *crt_base, *key_base, *issuers_path;
	struct tls_options bind, server; /* ssl-default-* */
	int server_verify;               /* enum tls_verify: ssl-server-verify */
	uint32_t cache_entries, lifetime_s, dh_bits;
	const char *dh_file;
	struct place dh_at;
	int security_level;       /* -1: the library's */
	unsigned int extra_files; /* TLS_EXTRA_* */
	bool extra_del_ext;
	uint32_t capture_bytes;
};
extern struct tls_settings tls_settings;

/* @path below @base unless it is absolute. */
const char *tls_path(struct arena *a, const char *base, const char *path);

/*
 * A context for @o (defaults filled in) and @cert (may be NULL). NULL with the error said at @at, @who in front:
 * "bind ':443'". The library's queue of errors is empty afterwards.
 */
struct tls_maker {
	struct diag *d;
	struct arena *arena;
	struct place at;
	const char *who;
	bool is_client;
};
SSL_CTX *tls_ctx_make(const struct tls_maker *m, const struct tls_options *o,
		      const struct tls_cert *cert);
/* What @own leaves open is taken from @from. */
void tls_options_fill(struct tls_options *own, const struct tls_options *from);
/* The lowest and highest version (indexes) that @o leaves; false: none. */
bool tls_versions_of(const struct tls_options *o, int *lo, int *hi);
int tls_version_number(int index);

/* Rows of tls_bind.c, tls_server.c, tls_global.c. */
void tls_bind_init(void);
void tls_server_init(void);
void tls_global_init(void);

#endif
