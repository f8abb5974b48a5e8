// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance uri, url_param and hdr(): a part of the request chooses the server. Each is an expression of the policy core and
 * a cut that takes the bytes to hash from its value; the look-up is user/balance's. What is hashed exactly was watched in
 * Debian's haproxy 2.6. Rows: control thread; cuts: any worker.
 */
#include "balance_http.h"

#include <stdlib.h>

#include "balance/balance.h"
#include "balance/lookup.h"
#include "config/keyword.h"
#include "model/proxy.h"
#include "policy/sample.h"

struct uri_key {
	struct lookup_key key;
	uint32_t len, depth; /* 0: no limit */
	bool whole;
};

struct param_key {
	struct lookup_key key;
	struct slice name;
};

/* ---- picking ---- */

static bool uri_cut(const struct lookup_key *k, struct slice *uri)
{
	const struct uri_key *conf = container_of(k, struct uri_key, key);
	uint32_t slashes = 0;
	size_t n = 0;

	if (conf->len && uri->n > conf->len)
		uri->n = conf->len;
	for (; n < uri->n; n++) {
		if (uri->p[n] == '/' && ++slashes > conf->depth && conf->depth)
			break;
		if (uri->p[n] == '?' && !conf->whole)
			break;
	}
	uri->n = n;
	return true;
}

/* Only '&' separates here, unlike in the fetch url_param; a parameter without '=' is none. */
static bool param_cut(const struct lookup_key *k, struct slice *query)
{
	const struct param_key *conf = container_of(k, struct param_key, key);
	const char *p = query->p, *end = p + query->n, *next;

	for (; p < end; p = next + 1) {
		next = memchr(p, '&', (size_t)(end - p));
		if (!next)
			next = end;
		if ((size_t)(next - p) <= conf->name.n || p[conf->name.n] != '=' ||
		    memcmp(p, conf->name.p, conf->name.n))
			continue;
		*query = slice_make(p + conf->name.n + 1, (size_t)(next - p) - conf->name.n - 1);
		return true;
	}
	return false;
}

static bool not_empty(const struct lookup_key *k, struct slice *value)
{
	return value->n > 0;
}

/* ---- configuration ---- */

static struct expr *parse_expr(struct cfg_line *l, int arg, const char *text)
{
	return expr_parse(l, arg, text, SMP_W_INTERNAL | SMP_W_REQ_HTTP);
}

static int parse_number(struct cfg_line *l, int *i, uint32_t *out)
{
	const char *z = l->words[*i + 1].z;
	char *end;
	long v = strtol(z, &end, 10);

	if (*i + 1 >= l->nwords || end == z || *end || v < 1 || v > INT32_MAX)
		return cfg_error(l, *i,
				 "'balance uri': '%s' is followed by a number from 1 on, not '%s'",
				 l->words[*i].z, *i + 1 < l->nwords ? z : "");
	*out = (uint32_t)v;
	(*i)++;
	return 0;
}

static int uri_parse(struct cfg_line *l, int arg, struct balance *b)
{
	struct uri_key *u = ARENA_NEW(l->arena, struct uri_key);
	bool path_only = false;

	for (int i = arg + 1; i < l->nwords; i++) {
		const char *z = l->words[i].z;

		if (!strcmp(z, "len")) {
			if (parse_number(l, &i, &u->len))
				return -1;
		} else if (!strcmp(z, "depth")) {
			if (parse_number(l, &i, &u->depth))
				return -1;
		} else if (!strcmp(z, "whole")) {
			u->whole = true;
		} else if (!strcmp(z, "path-only")) {
			path_only = true;
		} else {
			return cfg_error(l, i,
					 "'balance uri' takes 'len <n>', 'depth <n>', 'path-only' "
					 "and 'whole', not '%s'",
					 z);
		}
	}
	u->key.expr = parse_expr(l, arg, path_only ? "pathq" : "url");
	u->key.cut = uri_cut;
	b->conf = &u->key;
	return u->key.expr ? 0 : -1;
}

static int url_param_parse(struct cfg_line *l, int arg, struct balance *b)
{
	struct param_key *k = ARENA_NEW(l->arena, struct param_key);
	const char *name = arg + 1 < l->nwords ? l->words[arg + 1].z : "";

	if (!*name)
		return cfg_error(l, arg, "'balance url_param' needs the name of a parameter");
	if (arg + 2 < l->nwords)
		return cfg_error(
			l, arg + 2,
			"'balance url_param' takes nothing behind the name; lbd does not have '%s'",
			l->words[arg + 2].z);
	k->name = slice_z(name);
	k->key.expr = parse_expr(l, arg, "query");
	k->key.cut = param_cut;
	b->conf = &k->key;
	return k->key.expr ? 0 : -1;
}

/* "hdr(name)": the first value of the first header of that name. */
static int hdr_parse(struct cfg_line *l, int arg, struct balance *b)
{
	struct lookup_key *k = ARENA_NEW(l->arena, struct lookup_key);
	const char *open = strchr(l->words[arg].z, '(');
	size_t n = open ? strcspn(open + 1, "(),'\"\\ ") : 0;

	if (!n || strcmp(open + 1 + n, ")"))
		return cfg_error(
			l, arg,
			"'balance hdr(<name>)' needs the name of a header in the parentheses");
	if (arg + 1 < l->nwords)
		return cfg_error(l, arg + 1,
				 "'balance hdr()' takes nothing behind it; lbd does not have '%s'",
				 l->words[arg + 1].z);
	k->expr = parse_expr(l, arg, arena_printf(l->arena, "req.hdr(%.*s,1)", (int)n, open + 1));
	k->cut = not_empty;
	b->conf = k;
	return k->expr ? 0 : -1;
}

static int needs_http(struct balance *b, struct diag *d)
{
	struct proxy *px = b->px;

	if (px->mode == MODE_HTTP)
		return 0;
	diag_warning(d, b->at,
		     "%s '%s': 'balance %s' needs 'mode http'; round robin is used instead",
		     proxy_kind(px), px->name, b->algo->name);
	b->algo = balance_find(SLICE("roundrobin"));
	b->conf = NULL;
	return 0;
}

#define BY_REQUEST                                                                       \
	.is_static = true, .by_hash = true, .takes_avoided = true, .wants_sample = true, \
	.check = needs_http, .rebuild = lookup_rebuild, .pick = lookup_pick_key,         \
	.kernel = KERNEL_HTTP

void balance_http_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "uri",
		  .parse = uri_parse,
		  .usage = "uri [len <n>] [depth <n>] [path-only] [whole]",
		  .help = "The target up to the question mark chooses: the same page comes from "
			  "the same server.",
		  BY_REQUEST },
		{ .name = "url_param",
		  .parse = url_param_parse,
		  .usage = "url_param <name>",
		  .help = "The value of a parameter of the query chooses; without it servers are "
			  "taken in turn.",
		  BY_REQUEST },
		{ .name = "hdr",
		  .parse = hdr_parse,
		  .usage = "hdr(<name>)",
		  .help = "The first value of a header chooses; without it servers are taken in "
			  "turn.",
		  BY_REQUEST },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
