// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_bind.c - `ssl`, `crt` and the other TLS options of bind lines, and the contexts made of them when all is read. Not
 * for: which certificate a client gets (tls_hello.c, tls_sni.c). Control thread.
 */
#include "transport/tls_bind.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>

static void tls_bind_begin(void *mem)
{
	struct tls_bind *t = mem;

	list_init(&t->sources);
}

static struct ext bind_part = { .name = "tls",
				.bytes = sizeof(struct tls_bind),
				.init = tls_bind_begin };

struct tls_bind *tls_bind_of(const struct bind_conf *b)
{
	return bind_ext(b, &bind_part);
}

/* ---- options ---- */

static int opt_ssl(struct cfg_line *l, int *i, struct bind_conf *b)
{
	if (!b->px)
		return cfg_error(l, (*i)++,
				 "'ssl' is not there for 'stats socket' yet: only for 'bind'");
	tls_bind_of(b)->ssl = true;
	++*i;
	return 0;
}

static int add_source(struct cfg_line *l, int *i, struct bind_conf *b, int what, const char *needs)
{
	int at = *i;
	const char *z = tls_word_arg(l, i, needs);
	struct tls_source *s;

	if (!z)
		return -1;
	s = ARENA_NEW(l->arena, struct tls_source);
	s->what = what;
	s->path = arena_strdup(l->arena, z);
	s->at = cfg_place(l, at + 1);
	list_add_tail(&tls_bind_of(b)->sources, &s->node);
	return 0;
}

static int opt_crt(struct cfg_line *l, int *i, struct bind_conf *b)
{
	return add_source(l, i, b, TLS_FROM_CRT, "a PEM file or a directory of them");
}

static int opt_default_crt(struct cfg_line *l, int *i, struct bind_conf *b)
{
	return add_source(l, i, b, TLS_FROM_DEFAULT, "a PEM file");
}

static int opt_crt_list(struct cfg_line *l, int *i, struct bind_conf *b)
{
	return add_source(l, i, b, TLS_FROM_LIST, "a file");
}

static int opt_strict_sni(struct cfg_line *l, int *i, struct bind_conf *b)
{
	tls_bind_of(b)->strict_sni = true;
	++*i;
	return 0;
}

static int opt_no_strict_sni(struct cfg_line *l, int *i, struct bind_conf *b)
{
	tls_bind_of(b)->strict_sni = false;
	++*i;
	return 0;
}

static int opt_ticket_keys(struct cfg_line *l, int *i, struct bind_conf *b)
{
	struct tls_bind *t = tls_bind_of(b);
	int at = *i;

	t->ticket_file = tls_word_arg(l, i, "a file with keys");
	t->ticket_at = cfg_place(l, at + 1);
	return t->ticket_file ? 0 : -1;
}

static int opt_word(struct cfg_line *l, int *i, struct bind_conf *b)
{
	const struct tls_word *w = tls_word_find(l->words[*i].z, TLS_BIND);

	return w->parse(l, i, &tls_bind_of(b)->o, w);
}

#define SAYS_TLS "TLS is the daemon's"

static const struct bind_option own_options[] = {
	{ "ssl", opt_ssl, KERNEL_NEVER, SAYS_TLS, "ssl", "Connections are TLS; needs 'crt'." },
	{ "crt", opt_crt, KERNEL_NEVER, SAYS_TLS, "crt <file>|<directory>",
	  "Certificate with key and chain (PEM), all of a directory, or the files <file>.rsa, "
	  "<file>.ecdsa." },
	{ "default-crt", opt_default_crt, KERNEL_NEVER, SAYS_TLS, "default-crt <file>",
	  "The certificate for clients that name no server or one that no certificate has." },
	{ "crt-list", opt_crt_list, KERNEL_NEVER, SAYS_TLS, "crt-list <file>",
	  "A file with a certificate, its options and its server names in each line." },
	{ "strict-sni", opt_strict_sni, KERNEL_NEVER, SAYS_TLS, "strict-sni",
	  "Clients must name a server that a certificate has: there is no default." },
	{ "no-strict-sni", opt_no_strict_sni, KERNEL_NEVER, SAYS_TLS, "no-strict-sni",
	  "Takes back 'strict-sni'." },
	{ "tls-ticket-keys", opt_ticket_keys, KERNEL_NEVER, SAYS_TLS, "tls-ticket-keys <file>",
	  "Keys of session tickets, so that several balancers or processes share them." },
};

/* Rows for the words that other lines share. */
static void register_words(void)
{
	static struct bind_option rows[64];
	const struct tls_word *w;
	size_t n = 0;

	for (size_t i = 0; (w = tls_word_at(i)) && n < ARRAY_SIZE(rows); i++)
		if (w->places & TLS_BIND)
			rows[n++] =
				(struct bind_option){ w->name,  opt_word, KERNEL_NEVER, SAYS_TLS,
						      w->usage, w->help,  w->flags };
	cfg_register_bind_options(rows, n);
}

/* ---- certificates ---- */

static void add_name(void *arg, struct slice name)
{
	struct tls_loader *ld = ((void **)arg)[0];

	tls_names_add(ld->b->names, name, false, ((void **)arg)[1]);
}

/* Filters say the names, unless there are none but negations; "!*" takes back all names of the certificate. */
static void add_names(struct tls_loader *ld, const struct tls_choice *c)
{
	void *arg[2] = { ld, (void *)c };
	bool from_cert = true;

	for (int i = 0; i < ld->nfilters; i++) {
		const struct tls_filter *f = &ld->filters[i];

		if (!f->negated || slice_eq_z(f->name, "*"))
			from_cert = false;
	}
	for (int i = 0; i < ld->nfilters; i++)
		if (!slice_eq_z(ld->filters[i].name, "*"))
			tls_names_add(ld->b->names, ld->filters[i].name, ld->filters[i].negated, c);
	if (from_cert)
		tls_cert_names(c->cert, add_name, arg);
}

static bool load_file(struct tls_loader *ld, const char *path)
{
	const struct tls_cert_rules rules = { tls_settings.extra_files, tls_settings.extra_del_ext,
					      NULL, tls_settings.issuers_path };
	struct strbuf why = STRBUF_INIT;
	struct tls_choice *c = ARENA_NEW(ld->arena, struct tls_choice);
	struct tls_options o = ld->b->o;
	struct tls_bind *b = ld->b;

	c->cert = tls_cert_get(path, &rules, &why);
	if (!c->cert) {
		diag_error(ld->d, ld->maker.at, "%s: certificate '%s' %s", ld->maker.who, path,
			   strbuf_z(&why));
		strbuf_fini(&why);
		return false;
	}
	if (ld->own) {
		o = *ld->own;
		tls_options_fill(&o, &b->o);
	}
	c->own = ld->own;
	c->line = ld->line;
	c->ctx = tls_ctx_make(&ld->maker, &o, c->cert);
	if (!c->ctx)
		return false;
	if (ld->is_default && !b->default_named) {
		memset(b->defaults, 0, sizeof(b->defaults));
		b->default_named = b->has_default = true;
	}
	if ((ld->is_default || (!b->has_default && !b->default_named)) &&
	    !b->defaults[c->cert->kind])
		b->defaults[c->cert->kind] = c;
	if (!b->default_named)
		b->has_default = true;
	add_names(ld, c);
	return true;
}

static bool is_reserved(const char *name)
{
	static const char *const ends[] = { ".key", ".issuer", ".ocsp", ".sctl" };
	size_t n = strlen(name);

	if (name[0] == '.')
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(ends); i++)
		if (n >= strlen(ends[i]) && !strcmp(name + n - strlen(ends[i]), ends[i]))
			return true;
	return false;
}

static bool load_directory(struct tls_loader *ld, const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort), loaded = 0;
	bool ok = n >= 0;

	if (n < 0)
		diag_error(ld->d, ld->maker.at, "%s: directory '%s' cannot be read: %s",
			   ld->maker.who, dir, strerror(errno));
	for (int i = 0; i < n; i++) {
		int err;
		const char *path = arena_printf(ld->arena, "%s/%s", dir, names[i]->d_name);

		if (!is_reserved(names[i]->d_name) &&
		    tls_path_look(path, 0, &err) == TLS_PATH_FILE) {
			ok = load_file(ld, path) && ok;
			loaded++;
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return ok;
}

static bool load_bundle(struct tls_loader *ld, const char *path)
{
	bool had_default = ld->b->has_default, ok = true;
	int err;

	for (int k = 0; k < TLS_KEY_KINDS; k++) {
		const char *one = arena_printf(ld->arena, "%s%s", path, tls_bundle_ext[k]);

		if (tls_path_look(one, 0, &err) != TLS_PATH_FILE)
			continue;
		if (!ld->b->default_named) /* its files stand for one certificate */
			ld->b->has_default = had_default;
		ok = load_file(ld, one) && ok;
	}
	return ok;
}

bool tls_load(struct tls_loader *ld, const char *path, bool may_be_dir)
{
	int err = 0;

	path = tls_path(ld->arena, tls_settings.crt_base, path);
	switch (tls_path_look(path, tls_settings.extra_files, &err)) {
	case TLS_PATH_FILE:
		return load_file(ld, path);
	case TLS_PATH_BUNDLE:
		return load_bundle(ld, path);
	case TLS_PATH_DIR:
		if (may_be_dir)
			return load_directory(ld, path);
		diag_error(ld->d, ld->maker.at, "%s: '%s' is a directory, a file is needed here",
			   ld->maker.who, path);
		return false;
	case TLS_PATH_NONE:
		break;
	}
	diag_error(ld->d, ld->maker.at, "%s: certificate '%s' cannot be read: %s", ld->maker.who,
		   path, strerror(err));
	return false;
}

/* ---- when all is read ---- */

static bool load_sources(struct tls_loader *ld, struct config *cfg)
{
	const struct tls_source *s;
	bool ok = true;

	list_for_each_entry(s, &ld->b->sources, node) {
		ld->maker.at = s->at;
		ld->line = ++ld->b->lines;
		ld->is_default = s->what == TLS_FROM_DEFAULT;
		if (s->what == TLS_FROM_LIST)
			ok = tls_crtlist_load(ld, cfg, s->path) && ok;
		else
			ok = tls_load(ld, s->path, s->what == TLS_FROM_CRT) && ok;
	}
	return ok;
}

static void make_bind(struct config *cfg, struct diag *d, struct bind_conf *b)
{
	struct tls_bind *t = tls_bind_of(b);
	struct tls_loader ld = { .d = d, .arena = &cfg->arena, .b = t };
	bool ok;

	if (!t->ssl) {
		if (!list_empty(&t->sources))
			diag_warning(d, b->at,
				     "%s '%s': bind '%s' has a certificate but no 'ssl': it speaks "
				     "plain TCP",
				     proxy_kind(b->px), b->px->name, b->spec);
		return;
	}
	ld.maker = (struct tls_maker){
		.d = d,
		.arena = &cfg->arena,
		.at = b->at,
		.who = arena_printf(&cfg->arena, "%s '%s': bind '%s'", proxy_kind(b->px),
				    b->px->name, b->spec),
	};
	tls_options_fill(&t->o, &tls_settings.bind);
	if (!t->o.verify)
		t->o.verify = TLS_VERIFY_NONE;
	t->names = tls_names_new();
	ok = load_sources(&ld, cfg);
	ld.maker.at = b->at;
	if (ok && !t->has_default && !t->strict_sni)
		diag_error(
			d, b->at,
			"%s: 'ssl' needs a certificate\nadd 'crt <file>' with certificate and key",
			ld.maker.who);
	if (ok && t->ticket_file) {
		struct tls_maker m = ld.maker;

		m.at = t->ticket_at;
		t->tickets = tls_tickets_load(&m, t->ticket_file);
		ok = t->tickets;
	}
	t->end.ctx = ok ? tls_ctx_make(&ld.maker, &t->o, NULL) : NULL;
	if (!t->end.ctx)
		return;
	SSL_CTX_set_client_hello_cb(t->end.ctx, tls_on_hello, t);
	SSL_CTX_set_tlsext_servername_callback(t->end.ctx, tls_on_name);
	if (t->tickets)
		tls_tickets_use(t->end.ctx, t->tickets);
	b->setup.xprt = &transport_tls;
	b->setup.xprt_conf = &t->end;
}

static void make_binds(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct bind_conf *b;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(b, &px->binds, node)
			make_bind(cfg, d, b);
}

static const struct cfg_check checks[] = {
	{ "certificates", CFG_PHASE_DERIVE, make_binds },
};

void tls_bind_init(void)
{
	ext_register(EXT_BIND, &bind_part);
	cfg_register_bind_options(own_options, ARRAY_SIZE(own_options));
	register_words();
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
