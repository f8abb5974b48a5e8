// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peers_conf.c - the section `peers`. Its bind, server, peer and log lines are read by the keywords of proxies, into a proxy that
 * is in no list. Control thread.
 */
#include "base/coverage.h"
#include "base/units.h"
#include "config/registry.h"
#include "log/log.h"
#include "model/server.h"
#include "stick/config.h"
#include "stick/peers.h"
#include <stdlib.h>

struct list peers_sections = LIST_INIT(peers_sections);

static struct peers *current;
static struct cfg_word *default_bind; /* the words behind `default-bind`, in front of the others */
static int ndefault_bind;

static const char *my_name(const struct cfg_line *l)
{
	const char *name = l->cfg->global.localpeer;

	return name ? name : getenv("HAPROXY_LOCALPEER");
}

static int begin(struct cfg_line *l)
{
	struct peers *p;

	coverage_note("peers", "peers");
	current = NULL;
	ndefault_bind = 0;
	if (l->nwords != 2)
		return cfg_error(l, l->nwords > 2 ? 2 : l->nwords, "usage: peers <name>");
	list_for_each_entry(p, &peers_sections, node)
		if (!strcmp(p->name, l->words[1].z))
			return cfg_error(l, 1, "there is a section 'peers %s' already, at %s:%d",
					 p->name, p->at.file, p->at.line);
	p = ARENA_NEW(l->arena, struct peers);
	p->name = l->words[1].z;
	p->at = cfg_place(l, 0);
	p->px = proxy_new(l->cfg, p->name, PX_FRONTEND | PX_BACKEND | PX_INTERNAL, l->at);
	list_init(&p->list);
	list_init(&p->links);
	list_init(&p->listening);
	list_add_tail(&peers_sections, &p->node);
	current = p;
	return 0;
}

/* ---- lines that proxies have, too ---- */

/* Lets the keyword @name of proxies read @words. */
static int read_as(struct cfg_line *l, const char *name, struct cfg_word *words, int nwords)
{
	const struct cfg_keyword *k = registry_keyword_named(name, CFG_LISTEN);
	struct cfg_line line = *l;
	int rc;

	line.section = CFG_LISTEN;
	line.px = current->px;
	line.words = words;
	line.nwords = nwords;
	line.first_arg = 1;
	rc = k->parse(&line);
	return rc;
}

/* words: [0], then @more of @from, then the end. */
static struct cfg_word *words_new(struct cfg_line *l, int n)
{
	struct cfg_word *w = arena_zalloc(l->arena, sizeof(*w) * (size_t)(n + 1));

	w[n].z = "";
	return w;
}

static int line_log(struct cfg_line *l)
{
	return read_as(l, "log", l->words, l->nwords);
}

static int line_default_server(struct cfg_line *l)
{
	return read_as(l, "default-server", l->words, l->nwords);
}

/* "bind ADDRESS" with the words of default-bind between the address and its own. */
static int read_bind(struct cfg_line *l, int address, int options)
{
	int own = options < l->nwords ? l->nwords - options : 0, n = 0;
	struct cfg_word *w = words_new(l, 2 + ndefault_bind + own);

	w[n++] = l->words[0];
	w[n++] = l->words[address];
	for (int i = 0; i < ndefault_bind; i++)
		w[n++] = default_bind[i];
	for (int i = 0; i < own; i++)
		w[n++] = l->words[options + i];
	return read_as(l, "bind", w, n);
}

static int line_bind(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, -1, "bind <address>:<port> [option ...]"))
		return -1;
	return read_bind(l, 1, 2);
}

static int line_default_bind(struct cfg_line *l)
{
	default_bind = l->words + 1;
	ndefault_bind = l->nwords - 1;
	return 0;
}

/* ---- peers ---- */

static struct peer *peer_new(struct cfg_line *l, const char *name)
{
	struct peer *peer;

	list_for_each_entry(peer, &current->list, node) {
		if (strcmp(peer->name, name))
			continue;
		cfg_error(l, 1, "peer '%s' is there already, at %s:%d", name, peer->at.file,
			  peer->at.line);
		return NULL;
	}
	peer = ARENA_NEW(l->arena, struct peer);
	peer->section = current;
	peer->name = name;
	peer->at = cfg_place(l, 1);
	peer->last_status = "NONE";
	list_add_tail(&current->list, &peer->node);
	return peer;
}

/* TLS is to come: an option that would silently do nothing is refused. */
static int refuse_tls(struct cfg_line *l, int from)
{
	for (int i = from; i < l->nwords; i++)
		if (!strcmp(l->words[i].z, "ssl"))
			return cfg_error(l, i, "TLS between peers: lbd does not have it yet");
	return 0;
}

/* "shard N" is an option of peers only: taken out of the words. */
static int take_shard(struct cfg_line *l, int *nwords, struct cfg_word *w, struct peer *peer)
{
	int64_t v;

	for (int i = 2; i + 1 < *nwords; i++) {
		if (strcmp(w[i].z, "shard"))
			continue;
		if (parse_i64(slice_z(w[i + 1].z), 0, INT32_MAX, &v))
			return cfg_error(l, i + 1, "shard must be a number, not '%s'", w[i + 1].z);
		peer->shard = (uint32_t)v;
		memmove(&w[i], &w[i + 2], sizeof(*w) * (size_t)(*nwords - i - 1));
		*nwords -= 2;
		coverage_note("server-option", "shard");
		return 0;
	}
	return 0;
}

static int line_peer(struct cfg_line *l)
{
	struct cfg_word *w = words_new(l, l->nwords);
	int n = l->nwords;
	struct peer *peer;
	const char *me = my_name(l);

	if (cfg_want_args(l, 1, -1, "peer <name> [<address>:<port>] [option ...]") ||
	    refuse_tls(l, 2))
		return -1;
	peer = peer_new(l, l->words[1].z);
	if (!peer)
		return -1;
	memcpy(w, l->words, sizeof(*w) * (size_t)(n + 1));
	if (take_shard(l, &n, w, peer))
		return -1;
	peer->local = me && !strcmp(peer->name, me);
	if (peer->local)
		current->local = peer;
	if (n < 3 && !peer->local)
		return cfg_error(l, l->nwords,
				 "peer '%s' needs an address: this process is peer '%s'",
				 peer->name, me ? me : "");
	if (n < 3)
		return 0;
	if (peer->local)
		return read_bind(l, 2, l->nwords);
	if (read_as(l, "server", w, n))
		return -1;
	peer->srv = list_last(&current->px->servers, struct server, node);
	return 0;
}

static int line_table(struct cfg_line *l)
{
	struct stick_table *t;

	if (cfg_want_args(l, 1, -1, "table <name> type ... size ..."))
		return -1;
	t = stick_table_parse(l, 2, arena_printf(l->arena, "%s/%s", current->name, l->words[1].z),
			      NULL);
	if (!t)
		return -1;
	t->peers_name = arena_printf(l->arena, "/%s", l->words[1].z);
	t->peers_section = current->name;
	return 0;
}

static int line_disabled(struct cfg_line *l)
{
	current->disabled = !strcmp(l->words[0].z, "disabled");
	return cfg_want_args(l, 0, 0, l->words[0].z);
}

static int line_shards(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "shards <number>") || cfg_arg_i64(l, 0, 1, 65535, &v))
		return -1;
	current->shards = (uint32_t)v;
	return 0;
}

static const struct peers_row {
	const char *name;
	int (*parse)(struct cfg_line *l);
} rows[] = {
	{ "bind", line_bind },
	{ "default-bind", line_default_bind },
	{ "default-server", line_default_server },
	{ "disabled", line_disabled },
	{ "enabled", line_disabled },
	{ "log", line_log },
	{ "peer", line_peer },
	{ "server", line_peer },
	{ "shards", line_shards },
	{ "table", line_table },
};

static int line(struct cfg_line *l)
{
	l->first_arg = 1;
	l->within = arena_printf(l->arena, "peers '%s'", current->name);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		if (strcmp(rows[i].name, l->words[0].z))
			continue;
		coverage_note("peers", rows[i].name);
		return rows[i].parse(l);
	}
	return cfg_error(l, 0,
			 "'%s' is no keyword of a 'peers' section; there are bind, default-bind, "
			 "default-server, disabled, enabled, log, peer, server, shards, table",
			 l->words[0].z);
}

static const struct cfg_section_row sections[] = {
	{ "peers", begin, line, NULL, "Processes that share stick tables." },
};

/* ---- once everything is read ---- */

static struct peers *find(const char *name)
{
	struct peers *p;

	list_for_each_entry(p, &peers_sections, node)
		if (!strcmp(p->name, name))
			return p;
	return NULL;
}

/* Which tables a section shares: in the order of the file, numbered from 1 on. */
static void collect_tables(struct config *cfg, struct peers *p)
{
	struct stick_table *t;
	uint32_t n = 0;

	list_for_each_entry(t, &stick_tables, node)
		n += t->peers == p;
	p->tables = arena_zalloc(&cfg->arena, sizeof(struct stick_table *) * (n + 1));
	list_for_each_entry(t, &stick_tables, node) {
		if (t->peers != p)
			continue;
		p->tables[p->ntables++] = t;
		t->peers_id = p->ntables;
	}
}

/* Words of bind and server lines that mean something elsewhere only. */
static void warn_unused(struct diag *d, const struct peers *p, const struct list *uses,
			const char *line)
{
	static const char *const used[] = { "interface", "v6only", "v4v6", "mss",
					    "backlog",   "name",   "id" };
	const struct cfg_use *u;
	size_t i;

	list_for_each_entry(u, uses, node) {
		for (i = 0; i < ARRAY_SIZE(used) && strcmp(used[i], u->name); i++)
			;
		if (i == ARRAY_SIZE(used))
			diag_warning(d, u->at,
				     "peers '%s': '%s' has no effect on a %s line of peers",
				     p->name, u->name, line);
	}
}

static void check_section(struct config *cfg, struct diag *d, struct peers *p)
{
	const struct bind_conf *b;
	struct server *s;

	if (!p->local && !p->disabled)
		diag_warning(
			d, p->at,
			"peers '%s': no peer is named '%s' as this process is (-L, localpeer): "
			"the section does nothing",
			p->name,
			cfg->global.localpeer ? cfg->global.localpeer
					      : getenv("HAPROXY_LOCALPEER"));
	if (p->local && list_empty(&p->px->binds) && !p->disabled)
		diag_error(d, p->local->at,
			   "peers '%s': the local peer '%s' needs an address, or a 'bind' line",
			   p->name, p->local->name);
	list_for_each_entry(b, &p->px->binds, node)
		warn_unused(d, p, &b->uses, "bind");
	list_for_each_entry(s, &p->px->servers, node) {
		warn_unused(d, p, &s->uses, "server");
		server_live_init(s);
	}
}

static void check_names(struct config *cfg, struct diag *d)
{
	struct stick_table *t;
	struct peers *p;

	list_for_each_entry(t, &stick_tables, node)
		if (t->peers_section)
			t->peers = find(t->peers_section);
	list_for_each_entry(p, &peers_sections, node)
		check_section(cfg, d, p);
}

/* The tables' places exist now. */
static void check_tables(struct config *cfg, struct diag *d)
{
	struct peers *p;
	struct peer *peer;

	list_for_each_entry(p, &peers_sections, node) {
		collect_tables(cfg, p);
		list_for_each_entry(peer, &p->list, node) {
			peer->tables =
				arena_zalloc(&cfg->arena, sizeof(*peer->tables) * (p->ntables + 1));
			for (uint32_t i = 0; i < p->ntables; i++) {
				peer->tables[i].t = p->tables[i];
				stick_mark_init(&peer->tables[i].mark);
			}
		}
	}
}

static const struct cfg_check checks[] = {
	{ "peers", CFG_PHASE_RESOLVE, check_names },
	{ "shared tables", CFG_PHASE_BALANCE, check_tables },
};

static int parse_updates(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "tune.peers.max-updates-at-once <number>") ||
	    cfg_arg_i64(l, 0, 1, INT32_MAX, &v))
		return -1;
	peers_updates_at_once = (uint32_t)v;
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ .name = "tune.peers.max-updates-at-once",
	  .sections = CFG_GLOBAL,
	  .parse = parse_updates,
	  .kernel = KERNEL_EXACT,
	  .usage = "tune.peers.max-updates-at-once <number>",
	  .help = "Entries that a peer is sent in one turn; 200 by default." },
};

static void walk(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	emit(ctx, "peers", "peers");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		emit(ctx, "peers", rows[i].name);
}

static const struct name_walker walker = { "cfg", walk };

void peers_conf_register(void)
{
	cfg_register_sections(sections, ARRAY_SIZE(sections));
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	names_register(&walker);
	peers_start_register();
}
