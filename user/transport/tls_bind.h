/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tls_bind.h - a bind line's TLS: what it says, its certificates, and the choice among them. Made by the control thread
 * before the workers start, then constant.
 */
#ifndef LBD_TRANSPORT_TLS_BIND_H
#define LBD_TRANSPORT_TLS_BIND_H

#include "model/proxy.h"
#include "transport/tls_conf.h"
#include "transport/tls_sni.h"

/* `crt`, `crt-list`, `default-crt` of the line, in order. */
struct tls_source {
	struct list node;
	enum { TLS_FROM_CRT, TLS_FROM_LIST, TLS_FROM_DEFAULT } what;
	const char *path;
	struct place at;
};

struct tls_tickets;

struct tls_bind {
	struct tls_end end; /* first: bind_conf.setup.xprt_conf */
	bool ssl, strict_sni;
	struct tls_options o;
	struct list sources;
	const char *ticket_file;
	struct place ticket_at;
	/* made when all is read */
	struct tls_names *names;
	const struct tls_choice
		*defaults[TLS_KEY_KINDS]; /* the first one that was loaded, or default-crt */
	bool has_default, default_named;
	struct tls_tickets *tickets;
	int lines;
};
struct tls_bind *tls_bind_of(const struct bind_conf *b);

/* A certificate for @b with the options of its line (NULL: the bind line's) and its filters (NULL: the names in it). */
struct tls_filter {
	struct slice name;
	bool negated;
};
struct tls_loader {
	struct diag *d;
	struct arena *arena;
	struct tls_bind *b;
	struct tls_maker maker;
	int line;
	const struct tls_options *own;
	const struct tls_filter *filters;
	int nfilters;
	bool is_default;
};
/* @path: a file, a directory (where @may_be_dir), a bundle. false with the error said. */
bool tls_load(struct tls_loader *ld, const char *path, bool may_be_dir);
/* All lines of a crt-list. false with the error said. */
bool tls_crtlist_load(struct tls_loader *ld, struct config *cfg, const char *path);

/* The callback for the beginning of a handshake on @b's first context. */
int tls_on_hello(SSL *ssl, int *alert, void *bind);
int tls_on_name(SSL *ssl, int *alert, void *bind);

/* ---- tls_ticket.c ---- */
/* Keys from a file; NULL with the error said. */
struct tls_tickets *tls_tickets_load(const struct tls_maker *m, const char *path);
void tls_tickets_use(SSL_CTX *ctx, struct tls_tickets *t);

/* ---- tls_crtlist.c ---- */
/* One line cut into words: false with *why. Words point into @text, which is changed. Tested alone (fuzz). */
#define TLS_LIST_WORDS 512
struct tls_list_line {
	char *crt;
	char *options[64];
	int noptions;
	char *filters[TLS_LIST_WORDS];
	int nfilters;
};
bool tls_crtlist_cut(char *text, struct tls_list_line *out, const char **why);

#endif
