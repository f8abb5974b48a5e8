// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * actions_redirect.c - `http-request redirect`, `http-response redirect` and the old keyword `redirect`. Parsing: control
 * thread; running: the transaction's worker.
 */
#include "base/units.h"
#include "base/coverage.h"
#include "http/reply.h"
#include "log/log.h"
#include "policy/action_text.h"

enum redirect_kind { REDIRECT_NONE, REDIRECT_LOCATION, REDIRECT_PREFIX, REDIRECT_SCHEME };

struct redirect {
	enum redirect_kind kind;
	struct action_text target;
	unsigned int code;
	bool drop_query, append_slash, ignore_empty;
	struct slice cookie; /* a whole Set-Cookie value */
};

struct parser {
	struct cfg_line *l;
	int *i;
	const struct rule *r;
	struct redirect *d;
};

static const char *value(const struct parser *p)
{
	return *p->i + 1 < p->l->nwords ? p->l->words[*p->i + 1].z : "";
}

static int target(struct parser *p, enum redirect_kind kind)
{
	if (p->d->kind)
		return cfg_error(p->l, *p->i, "a redirect has one of location, prefix and scheme");
	if (!*value(p))
		return cfg_error(p->l, *p->i, "'%s' needs a value behind it", p->l->words[*p->i].z);
	p->d->kind = kind;
	++*p->i;
	return action_text_parse(p->l, p->i, p->r, &p->d->target);
}

static int parse_location(struct parser *p)
{
	return target(p, REDIRECT_LOCATION);
}

static int parse_prefix(struct parser *p)
{
	return target(p, REDIRECT_PREFIX);
}

static int parse_scheme(struct parser *p)
{
	return target(p, REDIRECT_SCHEME);
}

static int parse_code(struct parser *p)
{
	int64_t n;

	if (parse_i64(slice_z(value(p)), 301, 308, &n) || (n > 303 && n < 307))
		return cfg_error(p->l, *p->i, "'code' must be 301, 302, 303, 307 or 308, not '%s'",
				 value(p));
	p->d->code = (unsigned int)n;
	*p->i += 2;
	return 0;
}

static int parse_set_cookie(struct parser *p)
{
	if (!*value(p))
		return cfg_error(p->l, *p->i, "'set-cookie' needs <name>[=<value>] behind it");
	p->d->cookie = slice_z(arena_printf(p->l->arena, "%s; path=/;", value(p)));
	*p->i += 2;
	return 0;
}

static int parse_clear_cookie(struct parser *p)
{
	if (!*value(p))
		return cfg_error(p->l, *p->i, "'clear-cookie' needs <name>[=] behind it");
	p->d->cookie = slice_z(arena_printf(p->l->arena, "%s; path=/; Max-Age=0;", value(p)));
	*p->i += 2;
	return 0;
}

static int parse_drop_query(struct parser *p)
{
	p->d->drop_query = true;
	++*p->i;
	return 0;
}

static int parse_append_slash(struct parser *p)
{
	p->d->append_slash = true;
	++*p->i;
	return 0;
}

static int parse_ignore_empty(struct parser *p)
{
	p->d->ignore_empty = true;
	++*p->i;
	return 0;
}

static const struct {
	const char *name;
	int (*parse)(struct parser *p);
} words[] = {
	{ "location", parse_location },
	{ "prefix", parse_prefix },
	{ "scheme", parse_scheme },
	{ "code", parse_code },
	{ "set-cookie", parse_set_cookie },
	{ "clear-cookie", parse_clear_cookie },
	{ "drop-query", parse_drop_query },
	{ "append-slash", parse_append_slash },
	{ "ignore-empty", parse_ignore_empty },
};

static int parse(struct cfg_line *l, int *i, struct rule *r)
{
	struct redirect *d = ARENA_NEW(l->arena, struct redirect);
	struct parser p = { l, i, r, d };

	d->code = 302;
	r->priv = d;
	while (*i < l->nwords) {
		size_t k;

		for (k = 0; k < ARRAY_SIZE(words); k++)
			if (!strcmp(words[k].name, l->words[*i].z))
				break;
		if (k == ARRAY_SIZE(words))
			break;
		coverage_note("redirect-arg", words[k].name);
		if (words[k].parse(&p))
			return -1;
	}
	if (!d->kind)
		return cfg_error(l, *i < l->nwords ? *i : l->nwords - 1,
				 "a redirect needs 'location', 'prefix' or 'scheme'\nusage: %s",
				 r->action->usage);
	return 0;
}

static struct slice concat(struct arena *a, const struct slice *parts, int n)
{
	size_t total = 0, used = 0;
	char *buf;

	for (int i = 0; i < n; i++)
		total += parts[i].n;
	buf = arena_alloc(a, total + 1);
	for (int i = 0; i < n; i++) {
		if (parts[i].n)
			memcpy(buf + used, parts[i].p, parts[i].n);
		used += parts[i].n;
	}
	return slice_make(buf, used);
}

/* The request's path for prefix and scheme, with or without query, with a slash at its end where that is asked for. */
static struct slice own_path(const struct redirect *d, struct http_txn *t)
{
	struct slice path = http_path(&t->req), all = http_path_query(&t->req), parts[3];
	bool slash = d->append_slash && d->drop_query && path.n && path.p[path.n - 1] != '/';

	if (!path.n)
		return SLICE("/");
	parts[0] = path;
	parts[1] = slash ? SLICE("/") : SLICE_NONE;
	parts[2] = d->drop_query ? SLICE_NONE : slice_from(all, path.n);
	return concat(&t->arena, parts, 3);
}

static struct slice location(const struct redirect *d, struct http_txn *t, struct slice made)
{
	struct http_hdr *host;
	struct slice parts[4];

	switch (d->kind) {
	case REDIRECT_PREFIX:
		parts[0] = slice_eq_z(made, "/") ? SLICE_NONE : made;
		parts[1] = own_path(d, t);
		return concat(&t->arena, parts, 2);
	case REDIRECT_SCHEME:
		host = http_hdr_find_id(&t->req, HDR_HOST);
		parts[0] = made;
		parts[1] = SLICE("://");
		parts[2] = host ? http_hdr_value(host) : SLICE_NONE;
		parts[3] = own_path(d, t);
		return concat(&t->arena, parts, 4);
	default:
		return concat(&t->arena, &made, 1);
	}
}

static enum rule_verdict run(const struct rule *r, const struct smp_ctx *ctx)
{
	struct http_txn *t = http_txn_ctx(ctx);
	const struct redirect *d = r->priv;
	struct slice made = action_text_make(&d->target, r, ctx), where;

	if (d->ignore_empty && !made.n)
		return RULE_CONTINUE;
	where = location(d, t, made);
	http_reply_redirect(t, d->code, where);
	if (d->cookie.n)
		http_reply_header(t, SLICE("set-cookie"), d->cookie);
	return RULE_DONE;
}

#define USAGE                                                                                   \
	"redirect {location|prefix|scheme} <target> [code <code>] [drop-query] [append-slash] " \
	"[ignore-empty] "                                                                       \
	"[set-cookie <name>[=<value>]] [clear-cookie <name>[=]]"

static const struct action_row rows[] = {
	{ .name = "redirect",
	  .sets = RULESET_HTTP_REQ | RULESET_HTTP_RES | RULESET_HTTP_REDIRECT,
	  .parse = parse,
	  .run = run,
	  .final = true,
	  .kernel = KERNEL_HTTP,
	  .usage = USAGE,
	  .help = "Answers with a redirect to another place." },
};

static void walk_words(void (*emit)(void *, const char *, const char *), void *ctx)
{
	for (size_t k = 0; k < ARRAY_SIZE(words); k++)
		emit(ctx, "redirect-arg", words[k].name);
}

static const struct name_walker walker = { "cfg", walk_words };

void http_actions_redirect_register(void)
{
	names_register(&walker);
	action_register(rows, ARRAY_SIZE(rows));
}
