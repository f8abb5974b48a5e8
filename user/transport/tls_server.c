// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_server.c - `ssl` and the other TLS options of server lines, their contexts, names and sessions. Not for: evaluating the
 * `sni` expression (stream/upstream_sni.c). Options and contexts: control thread. Connections: their worker.
 */
#include "transport/tls_server.h"
#include "check/check.h"
#include "loop/thread.h"
#include "process/start.h"

#include <errno.h>
#include <stdio.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

#define NAME_MAX_BYTES 255

struct tls_session {
	SSL_SESSION *session;
	char name[NAME_MAX_BYTES + 1]; /* the server name it was made with */
};

static struct ext server_part = { .name = "tls", .bytes = sizeof(struct tls_server) };

struct tls_server *tls_server_of(const struct server *s)
{
	return server_ext(s, &server_part);
}

/* ---- options ---- */

static int opt_ssl(struct cfg_line *l, int *i, struct server *s)
{
	tls_server_of(s)->ssl = true;
	++*i;
	return 0;
}

static int opt_no_ssl(struct cfg_line *l, int *i, struct server *s)
{
	tls_server_of(s)->ssl = false;
	++*i;
	return 0;
}

static int opt_check_ssl(struct cfg_line *l, int *i, struct server *s)
{
	tls_server_of(s)->check_ssl = TLS_ON;
	++*i;
	return 0;
}

static int opt_no_check_ssl(struct cfg_line *l, int *i, struct server *s)
{
	tls_server_of(s)->check_ssl = TLS_UNSAID;
	++*i;
	return 0;
}

static int opt_crt(struct cfg_line *l, int *i, struct server *s)
{
	struct tls_server *t = tls_server_of(s);

	t->crt_at = cfg_place(l, *i + 1);
	t->crt = tls_word_arg(l, i, "a PEM file with certificate and key");
	return t->crt ? 0 : -1;
}

static int opt_verifyhost(struct cfg_line *l, int *i, struct server *s)
{
	struct tls_server *t = tls_server_of(s);

	t->verifyhost = tls_word_arg(l, i, "a host name");
	return t->verifyhost ? 0 : -1;
}

static int opt_no_verifyhost(struct cfg_line *l, int *i, struct server *s)
{
	tls_server_of(s)->verifyhost = NULL;
	++*i;
	return 0;
}

static int opt_check_sni(struct cfg_line *l, int *i, struct server *s)
{
	struct tls_server *t = tls_server_of(s);

	t->check_sni = tls_word_arg(l, i, "a server name");
	return t->check_sni ? 0 : -1;
}

static int opt_check_alpn(struct cfg_line *l, int *i, struct server *s)
{
	struct tls_server *t = tls_server_of(s);
	int at = *i;
	const char *z = tls_word_arg(l, i, "a list of protocols, as in 'h2,http/1.1'");

	if (!z)
		return -1;
	t->check_alpn_said = true;
	return tls_parse_alpn(l, at + 1, z, &t->check_alpn);
}

static int opt_word(struct cfg_line *l, int *i, struct server *s)
{
	const struct tls_word *w = tls_word_find(l->words[*i].z, TLS_SERVER);

	return w->parse(l, i, &tls_server_of(s)->o, w);
}

#define SAYS_TLS "TLS is the daemon's"

static const struct server_option own_options[] = {
	{ "ssl", opt_ssl, KERNEL_NEVER, SAYS_TLS, "ssl",
	  "Connections to the server are TLS, checks too unless they go elsewhere." },
	{ "no-ssl", opt_no_ssl, KERNEL_EXACT, NULL, "no-ssl",
	  "Takes back 'ssl' of default-server." },
	{ "check-ssl", opt_check_ssl, KERNEL_EXACT, NULL, "check-ssl", "Checks speak TLS." },
	{ "no-check-ssl", opt_no_check_ssl, KERNEL_EXACT, NULL, "no-check-ssl",
	  "Takes back 'check-ssl' of default-server." },
	{ "crt", opt_crt, KERNEL_EXACT, NULL, "crt <file>",
	  "The certificate with key (PEM) that is shown to a server that asks for one." },
	{ "verifyhost", opt_verifyhost, KERNEL_EXACT, NULL, "verifyhost <name>",
	  "The name that the server's certificate must have when 'sni' gives none." },
	{ "no-verifyhost", opt_no_verifyhost, KERNEL_EXACT, NULL, "no-verifyhost",
	  "Takes back 'verifyhost' of default-server." },
	{ "check-sni", opt_check_sni, KERNEL_EXACT, NULL, "check-sni <name>",
	  "The server name that checks over TLS send." },
	{ "check-alpn", opt_check_alpn, KERNEL_EXACT, NULL, "check-alpn <protocols>",
	  "The protocols that checks over TLS offer." },
};

static void register_words(void)
{
	static struct server_option rows[64];
	const struct tls_word *w;
	size_t n = 0;

	for (size_t i = 0; (w = tls_word_at(i)) && n < ARRAY_SIZE(rows); i++)
		if (w->places & TLS_SERVER)
			rows[n++] = (struct server_option){ w->name,  opt_word, KERNEL_EXACT, NULL,
							    w->usage, w->help,  w->flags };
	cfg_register_server_options(rows, n);
}

/* ---- sessions that a worker keeps ---- */

static struct tls_session *kept_by(const struct tls_server *t)
{
	return t->sessions ? &t->sessions[this_loop->tid] : NULL;
}

static int prepare(struct conn *c, SSL *ssl, const struct tls_end *e);

static int on_new_session(SSL *ssl, SSL_SESSION *made)
{
	const struct tls_end *e = tls_conn_of(ssl)->setup->xprt_conf;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	struct tls_session *kept;

	if (e->prepare != prepare) /* a check's */
		return 0;
	kept = kept_by(container_of(e, struct tls_server, end));
	if (!kept)
		return 0;
	SSL_SESSION_free(kept->session);
	kept->session = made;
	snprintf(kept->name, sizeof(kept->name), "%s", name ? name : "");
	return 1; /* the reference is ours now */
}

/* ---- before the handshake ---- */

static int set_names(SSL *ssl, const struct tls_server *t, const char *name)
{
	const char *verify = *name ? name : t->verifyhost;

	if (*name && !SSL_set_tlsext_host_name(ssl, name))
		return -EINVAL;
	if (t->o.verify == TLS_VERIFY_NONE || !verify)
		return 0;
	SSL_set_hostflags(ssl, X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT |
				       X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
	return SSL_set1_host(ssl, verify) ? 0 : -ENOMEM;
}

static int prepare(struct conn *c, SSL *ssl, const struct tls_end *e)
{
	const struct tls_server *t = container_of(e, struct tls_server, end);
	struct slice name = t->name_of ? t->name_of(c, t) : SLICE_NONE;
	struct tls_session *kept = kept_by(t);
	char z[NAME_MAX_BYTES + 1] = "";

	if (name.n && name.n < sizeof(z) && !memchr(name.p, 0, name.n)) {
		memcpy(z, name.p, name.n);
		z[name.n] = 0;
	}
	if (kept && kept->session && !strcmp(kept->name, z))
		SSL_set_session(ssl, kept->session);
	return set_names(ssl, t, z);
}

static int prepare_check(struct conn *c, SSL *ssl, const struct tls_end *e)
{
	const struct tls_server *t = container_of(e, struct tls_server, check_end);

	if (t->check_alpn_said && SSL_set_alpn_protos(ssl, (const unsigned char *)t->check_alpn.p,
						      (unsigned int)t->check_alpn.n))
		return -ENOMEM;
	return set_names(ssl, t, t->check_sni ? t->check_sni : "");
}

/* ---- when all is read ---- */

/* Checks speak TLS when they are told to, or when the server does and they go to the same place. */
static bool checks_speak_tls(const struct server *s, const struct tls_server *t)
{
	const struct check_conf *f = check_conf_of(s);

	if (!f->enabled)
		return false;
	return t->check_ssl == TLS_ON || (t->ssl && !f->addr_set && !f->addr.port);
}

static bool load_cert(struct tls_server *t, const struct tls_maker *m)
{
	const struct tls_cert_rules rules = { tls_settings.extra_files, tls_settings.extra_del_ext,
					      NULL, tls_settings.issuers_path };
	struct strbuf why = STRBUF_INIT;
	const char *path;

	if (!t->crt)
		return true;
	path = tls_path(m->arena, tls_settings.crt_base, t->crt);
	t->cert = tls_cert_get(path, &rules, &why);
	if (!t->cert)
		diag_error(m->d, t->crt_at, "%s: certificate '%s' %s", m->who, path,
			   strbuf_z(&why));
	strbuf_fini(&why);
	return t->cert;
}

/* @list: names with their length in front, as on the wire. */
static bool alpn_has(struct slice list, const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < list.n; i += (uint8_t)list.p[i] + 1u)
		if ((uint8_t)list.p[i] == n && i + n < list.n &&
		    memcmp(list.p + i + 1, name, n) == 0)
			return true;
	return false;
}

static void make_server(struct config *cfg, struct diag *d, struct server *s)
{
	struct tls_server *t = tls_server_of(s);
	bool checks = checks_speak_tls(s, t);
	struct tls_maker m = { .d = d, .arena = &cfg->arena, .at = s->at, .is_client = true };

	if (!t->ssl && !checks)
		return;
	m.who = arena_printf(&cfg->arena, "backend '%s': server '%s'", s->px->name, s->name);
	t->server = s;
	tls_options_fill(&t->o, &tls_settings.server);
	if (!t->o.verify)
		t->o.verify = (uint8_t)tls_settings.server_verify;
	if (s->px->mode == MODE_HTTP && t->ssl && alpn_has(t->o.alpn, "h2"))
		diag_error(d, s->at,
			   "%s: 'alpn h2': HTTP/2 to servers is HAProxy's, lbd does not have it "
			   "yet\nwrite 'alpn http/1.1', or nothing",
			   m.who);
	if (!load_cert(t, &m))
		return;
	t->end.ctx = tls_ctx_make(&m, &t->o, t->cert);
	if (!t->end.ctx)
		return;
	SSL_CTX_sess_set_new_cb(t->end.ctx, on_new_session);
	t->end.is_client = true;
	t->end.prepare = prepare;
	t->check_end = t->end;
	t->check_end.prepare = prepare_check;
	if (t->ssl) {
		s->setup.xprt = &transport_tls;
		s->setup.xprt_conf = &t->end;
	}
	if (checks) {
		struct conn_setup *c = &check_conf_of(s)->setup;

		c->xprt = &transport_tls;
		c->xprt_conf = &t->check_end;
	}
}

static void make_servers(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			make_server(cfg, d, s);
}

static const struct cfg_check cfg_checks[] = {
	{ "servers' TLS", CFG_PHASE_DERIVE, make_servers },
};

/* Once the number of workers is known. */
static int make_sessions(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node) {
			struct tls_server *t = tls_server_of(s);

			if (t->end.ctx && t->o.reuse != TLS_OFF)
				t->sessions =
					xzalloc(((size_t)worker_count + 1) * sizeof(*t->sessions));
		}
	return 0;
}

static struct start_hooks hooks = { .name = "tls", .open = make_sessions };

void tls_server_init(void)
{
	ext_register(EXT_SERVER, &server_part);
	cfg_register_server_options(own_options, ARRAY_SIZE(own_options));
	register_words();
	cfg_register_checks(cfg_checks, ARRAY_SIZE(cfg_checks));
	start_register(&hooks);
}
