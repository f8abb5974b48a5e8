// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * sticking.c - rules that keep clients with their server. See sticking.h. Parsing: control thread; running: the stream's worker.
 */
#include "stick/sticking.h"
#include "model/server.h"
#include "policy/acl.h"
#include "stick/config.h"
#include <stdlib.h>

#define STORES_MAX 8 /* the manual's limit per request */

enum { STICK_MATCH = 1, STICK_STORE_REQ = 2, STICK_STORE_RSP = 4 };

struct sticking_rule {
	struct sticking_rule *next;
	unsigned int what; /* STICK_* */
	struct expr *key;
	struct cond *cond; /* NULL: always */
	struct stick_table *table;
};

struct sticking_conf {
	struct sticking_rule *first, **last;
	unsigned int what; /* of all rules */
};
static void inherit_nothing(void *to, const void *from, struct arena *a)
{
}
static struct ext sticking_ext = { .name = "stick rules",
				   .bytes = sizeof(struct sticking_conf),
				   .inherit = inherit_nothing };

struct server_conf {
	bool non_stick;
};
static struct ext server_stick_ext = { .name = "non-stick", .bytes = sizeof(struct server_conf) };

/* Keys that wait for their server. */
struct stick_stores {
	int n;
	struct {
		struct stick_table *table;
		size_t bytes;
		char *key;
	} at[STORES_MAX];
};

static struct sticking_conf *conf_of(const struct proxy *px)
{
	return proxy_ext(px, &sticking_ext);
}

bool sticking_has_rules(const struct proxy *px)
{
	return conf_of(px)->first != NULL;
}

/* ---- keys to be stored ---- */

static bool stores_hold(const struct stream *s, const struct stick_table *t)
{
	for (int i = 0; s->stores && i < s->stores->n; i++)
		if (s->stores->at[i].table == t)
			return true;
	return false;
}

/* One key for a table, the first. */
static void keep(struct stream *s, struct stick_table *t, const struct stick_key *key)
{
	struct stick_stores *st = s->stores;
	char *copy;

	if (!st)
		st = s->stores = calloc(1, sizeof(*st));
	if (!st || st->n == STORES_MAX)
		return;
	copy = malloc(key->s.n ? key->s.n : 1);
	if (!copy)
		return;
	memcpy(copy, key->s.p, key->s.n);
	st->at[st->n].table = t;
	st->at[st->n].bytes = key->s.n;
	st->at[st->n++].key = copy;
}

static void stores_drop(struct stream *s)
{
	struct stick_stores *st = s->stores;

	if (!st)
		return;
	for (int i = 0; i < st->n; i++)
		free(st->at[i].key);
	free(st);
	s->stores = NULL;
}

/* ---- choosing ---- */

/* How the table names @srv. */
static struct slice server_key(const struct stick_table *t, const struct server *srv, char *buf,
			       size_t size)
{
	struct addr a;

	if (t->srvkey == STICK_SRVKEY_NAME)
		return slice_z(srv->name);
	server_addr(srv, &a);
	return slice_z(addr_text(&a, buf, size));
}

static struct server *server_named(const struct stream *s, const struct stick_table *t,
				   struct slice key)
{
	struct server *srv;
	char text[ADDR_TEXT_MAX];

	list_for_each_entry(srv, &s->be->servers, node)
		if (slice_eq(key, server_key(t, srv, text, sizeof(text))))
			return srv;
	return NULL;
}

static struct server *server_numbered(const struct stream *s, uint32_t id)
{
	struct server *srv;

	list_for_each_entry(srv, &s->be->servers, node)
		if (srv->puid == id)
			return srv;
	return NULL;
}

/* The server that the key was stored with; looking lengthens the entry's life. */
static struct server *look_up(struct stream *s, struct stick_table *t, const struct stick_key *key)
{
	struct stick_entry *e = stick_find(t, key);
	struct server *srv = NULL;
	const char *name;

	if (!e)
		return NULL;
	name = stick_text_of(t, e);
	if (name)
		srv = server_named(s, t, slice_z(name));
	if (!srv && stick_stores(t, SD_SERVER_ID, 0))
		srv = server_numbered(s, (uint32_t)stick_value(t, e, SD_SERVER_ID, 0, 0));
	stick_touch(t, e, this_loop->now_ms);
	stick_unlock(t, e);
	return srv;
}

/* A server that is down is only tried with `option persist` or force-persist; `option redispatch` then finds another. */
static bool may_use(const struct stream *s, const struct server *srv)
{
	return srv && (server_is_willing(srv) || (s->be->options & PX_O_PERSIST) ||
		       (s->flags & STREAM_FORCE_PERSIST));
}

static bool key_of(const struct sticking_rule *r, const struct smp_ctx *ctx, struct stick_key *key)
{
	struct sample smp;

	if (r->cond && cond_eval(r->cond, ctx) != ACL_YES)
		return false;
	return expr_eval(r->key, ctx, SMP_ANY, &smp) && stick_key_make(r->table, &smp, ctx, key);
}

static void run_rule(struct stream *s, const struct sticking_rule *r, unsigned int what,
		     const struct smp_ctx *ctx)
{
	bool store = (what & ~STICK_MATCH) && !stores_hold(s, r->table);
	bool match = (what & STICK_MATCH) && !s->srv;
	struct stick_key key;

	if ((!store && !match) || !key_of(r, ctx, &key))
		return;
	if (match) {
		struct server *srv = look_up(s, r->table, &key);

		if (may_use(s, srv)) {
			s->srv = srv;
			s->persistent = true;
		}
	}
	if (store)
		keep(s, r->table, &key);
}

void sticking_request(struct stream *s, const struct smp_ctx *ctx)
{
	const struct sticking_conf *c = conf_of(s->be);

	for (const struct sticking_rule *r = c->first; r; r = r->next)
		run_rule(s, r, r->what & (STICK_MATCH | STICK_STORE_REQ), ctx);
}

/* ---- storing ---- */

static void store(struct stream *s, struct stick_table *t, struct slice bytes)
{
	struct stick_key key = { .s = bytes };
	struct stick_entry *e = stick_find_or_add(t, &key);
	char text[ADDR_TEXT_MAX];

	if (!e)
		return;
	if (stick_stores(t, SD_SERVER_ID, 0))
		stick_set_value(t, e, SD_SERVER_ID, 0, s->srv->puid, 0);
	stick_set_text(t, e, server_key(t, s->srv, text, sizeof(text)));
	stick_touch(t, e, this_loop->now_ms);
	stick_changed(t, e);
	stick_unlock(t, e);
}

void sticking_response(struct stream *s, const struct smp_ctx *ctx)
{
	const struct sticking_conf *c = conf_of(s->be);
	struct stick_stores *st;

	if (c->what & STICK_STORE_RSP)
		for (const struct sticking_rule *r = c->first; r; r = r->next)
			run_rule(s, r, r->what & STICK_STORE_RSP, ctx);
	st = s->stores;
	if (!st)
		return;
	if (s->srv && !((struct server_conf *)server_ext(s->srv, &server_stick_ext))->non_stick)
		for (int i = 0; i < st->n; i++)
			store(s, st->at[i].table, slice_make(st->at[i].key, st->at[i].bytes));
	stores_drop(s);
}

/* ---- keywords ---- */

static int parse_rule(struct cfg_line *l, unsigned int what, unsigned int where)
{
	struct sticking_conf *c = conf_of(l->px);
	struct sticking_rule *r = ARENA_NEW(l->arena, struct sticking_rule);
	const char *table = NULL, *name = l->words[1].z;
	int i = l->first_arg;

	if (cfg_want_args(l, 1, -1, "stick <kind> <key> [table <table>] [if|unless <condition>]"))
		return -1;
	where |= SMP_W_BACKEND;
	r->what = what;
	r->key = expr_parse(l, i, l->words[i].z, where);
	if (!r->key)
		return -1;
	i++;
	if (i < l->nwords && !strcmp(l->words[i].z, "table")) {
		if (i + 1 >= l->nwords)
			return cfg_error(l, i, "'table' needs the name of a table");
		table = l->words[i + 1].z;
		i += 2;
	}
	if (i < l->nwords && strcmp(l->words[i].z, "if") && strcmp(l->words[i].z, "unless"))
		return cfg_error(l, i,
				 "'%s' is not expected here: stick %s <key> [table <table>] "
				 "[if|unless <condition>]",
				 l->words[i].z, name);
	if (i < l->nwords) {
		r->cond = cond_parse(l, i, where);
		if (!r->cond)
			return -1;
	}
	stick_table_want_key(l, l->first_arg, arena_printf(l->arena, "stick %s", name), table,
			     &r->table, r->key);
	stick_table_wants_data(&r->table, SD_SERVER_ID);
	stick_table_wants_data(&r->table, SD_SERVER_KEY);
	if (!c->last)
		c->last = &c->first;
	*c->last = r;
	c->last = &r->next;
	c->what |= what;
	return 0;
}

static int parse_match(struct cfg_line *l)
{
	return parse_rule(l, STICK_MATCH, SMP_WHERE_TCP_REQ);
}

static int parse_on(struct cfg_line *l)
{
	return parse_rule(l, STICK_MATCH | STICK_STORE_REQ, SMP_WHERE_TCP_REQ);
}

static int parse_store_request(struct cfg_line *l)
{
	return parse_rule(l, STICK_STORE_REQ, SMP_WHERE_TCP_REQ);
}

static int parse_store_response(struct cfg_line *l)
{
	return parse_rule(l, STICK_STORE_RSP, SMP_WHERE_RESPONSE);
}

static int option_stick(struct cfg_line *l, int *i, struct server *s)
{
	((struct server_conf *)server_ext(s, &server_stick_ext))->non_stick = false;
	++*i;
	return 0;
}

static int option_non_stick(struct cfg_line *l, int *i, struct server *s)
{
	((struct server_conf *)server_ext(s, &server_stick_ext))->non_stick = true;
	++*i;
	return 0;
}

#define SAYS  "keys that lead to a server are kept by the daemon"
#define USAGE " <key> [table <table>] [if|unless <condition>]"

static const struct cfg_keyword keywords[] = {
	{ .name = "stick match",
	  .sections = CFG_BACKEND,
	  .parse = parse_match,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "stick match" USAGE,
	  .help = "The server that the key was stored with gets the request." },
	{ .name = "stick on",
	  .sections = CFG_BACKEND,
	  .parse = parse_on,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "stick on" USAGE,
	  .help = "stick match and stick store-request in one." },
	{ .name = "stick store-request",
	  .sections = CFG_BACKEND,
	  .parse = parse_store_request,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "stick store-request" USAGE,
	  .help = "Stores a key of the request with the server that answers it." },
	{ .name = "stick store-response",
	  .sections = CFG_BACKEND,
	  .parse = parse_store_response,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = SAYS,
	  .usage = "stick store-response" USAGE,
	  .help = "Stores a key of the response with the server that it comes from." },
};

static const struct server_option options[] = {
	{ .name = "stick",
	  .parse = option_stick,
	  .kernel = KERNEL_EXACT,
	  .usage = "stick",
	  .help = "Stick rules store this server (the default)." },
	{ .name = "non-stick",
	  .parse = option_non_stick,
	  .kernel = KERNEL_EXACT,
	  .usage = "non-stick",
	  .help = "Stick rules do not store this server: a backup that nobody is to stay with." },
};

void sticking_register(void)
{
	ext_register(EXT_PROXY, &sticking_ext);
	ext_register(EXT_SERVER, &server_stick_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_server_options(options, ARRAY_SIZE(options));
	stream_on_fini(stores_drop);
}
