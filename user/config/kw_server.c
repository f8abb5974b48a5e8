// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `server`, `default-server` and `server-template` lines with the options that belong to every server.
 * Control thread, before the workers start.
 */
#include "base/units.h"
#include "base/coverage.h"
#include "config/address.h"
#include "config/kw_server.h"
#include "config/language.h"
#include "config/registry.h"
#include "model/server.h"

#define SERVER_USAGE "server <name> <address>[:<port>] [option ...]"

static void note_server_use(struct cfg_line *l, struct server *s, const struct server_option *o,
			    int word)
{
	struct cfg_use *u = ARENA_NEW(l->arena, struct cfg_use);

	*u = (struct cfg_use){ .kind = "server-option",
			       .name = o->name,
			       .kernel = o->kernel,
			       .kernel_says = o->kernel_says,
			       .at = cfg_place(l, word),
			       .server = s };
	list_add_tail(&s->uses, &u->node);
}

static int unknown_option(struct cfg_line *l, int i)
{
	const char *word = l->words[i].z, *near;

	if (haproxy_knows("server-option", word))
		return cfg_error(l, i,
				 "the server option '%s' is HAProxy's, lbd does not have it yet",
				 word);
	near = registry_nearest_server_option(word);
	if (near)
		return cfg_error(l, i, "'%s' is no option of a server line; did you mean '%s'?",
				 word, near);
	return cfg_error(l, i, "'%s' is no option of a server line", word);
}

/* "name(argument)" is found by its name. */
static const struct server_option *find_option(struct cfg_line *l, const char *word)
{
	const char *open = strchr(word, '(');

	return registry_server_option(
		open ? arena_printf(l->arena, "%.*s", (int)(open - word), word) : word);
}

static int parse_options(struct cfg_line *l, int i, struct server *s)
{
	int rc = 0;

	while (i < l->nwords) {
		const struct server_option *o = find_option(l, l->words[i].z);
		int at = i;

		if (!o)
			return unknown_option(l, i);
		if (o->parse(l, &i, s))
			rc = -1;
		else
			note_server_use(l, s, o, at);
		coverage_note("server-option", o->name);
		if (i == at)
			return -1;
	}
	return rc;
}

static int take_address(struct cfg_line *l, int word, struct server *s, int *family)
{
	const unsigned int flags = CFG_ADDR_PORT | CFG_ADDR_OFFSET | CFG_ADDR_NAME | CFG_ADDR_UNIX |
				   CFG_ADDR_UDP | CFG_ADDR_STAR | CFG_ADDR_LATER;
	struct cfg_address x;

	if (cfg_address_parse(l, word, l->words[word].z, flags, &x))
		return -1;
	s->addr = x.addr;
	s->path = x.path;
	s->host_name = x.host ? x.host : l->words[word].z;
	s->fqdn = x.host;
	*family = x.family;
	s->port_is_offset = x.port_kind == CFG_PORT_NONE || x.port_kind == CFG_PORT_OFFSET;
	s->port_offset = x.port_offset;
	return 0;
}

/* Uses of default-server options count for every server that has them. */
static void inherit_uses(struct cfg_line *l, struct server *s)
{
	const struct cfg_use *u;

	if (!l->px->default_server)
		return;
	list_for_each_entry(u, &l->px->default_server->uses, node) {
		struct cfg_use *copy = ARENA_NEW(l->arena, struct cfg_use);

		*copy = *u;
		copy->server = s;
		copy->inherited = true;
		list_add_tail(&s->uses, &copy->node);
	}
}

static struct server *new_server(struct cfg_line *l, const char *name, int address_word,
				 int options_word)
{
	struct server *s = server_new(l->cfg, l->px, name, l->at);
	int family = 0;

	l->within = arena_printf(l->arena, "server '%s'", name);
	inherit_uses(l, s);
	if (take_address(l, address_word, s, &family))
		return NULL;
	server_attach(s);
	if (parse_options(l, options_word, s) ||
	    (s->fqdn && server_start_address(l, address_word, s, family)))
		return NULL;
	return s;
}

static int parse_server(struct cfg_line *l)
{
	const char *name = cfg_arg(l, 0), *bad;

	if (cfg_want_args(l, 2, -1, SERVER_USAGE))
		return -1;
	bad = config_bad_name_char(name);
	if (bad)
		return cfg_error(l, l->first_arg,
				 "server '%s': '%c' may not stand in a name, only letters, digits, "
				 "'-', '_', '.' and ':'",
				 name, *bad);
	return new_server(l, name, l->first_arg + 1, l->first_arg + 2) ? 0 : -1;
}

static int parse_default_server(struct cfg_line *l)
{
	struct server *s = server_new(l->cfg, l->px, "", l->at);

	inherit_uses(l, s);
	if (cfg_want_args(l, 1, -1, "default-server <option> ..."))
		return -1;
	l->px->default_server = s;
	l->within = "default-server";
	return parse_options(l, l->first_arg, s);
}

/* "5", "1-5": how many and from which number on. */
static int take_range(struct cfg_line *l, int word, int64_t *lo, int64_t *hi)
{
	const char *z = l->words[word].z, *dash = strchr(z, '-');

	*lo = 1;
	if (dash ? parse_i64(slice_make(z, dash - z), 0, 100000, lo) ||
			    parse_i64(slice_z(dash + 1), *lo, *lo + 99999, hi)
		 : parse_i64(slice_z(z), 1, 100000, hi))
		return cfg_error(l, word, "'%s' is no range of servers: a number, or LOW-HIGH", z);
	return 0;
}

static int parse_server_template(struct cfg_line *l)
{
	int64_t lo = 1, hi = 0;

	if (cfg_want_args(l, 3, -1,
			  "server-template <prefix> <number>|<low>-<high> <address>[:<port>] "
			  "[option ...]") ||
	    take_range(l, l->first_arg + 1, &lo, &hi))
		return -1;
	for (int64_t i = lo; i <= hi; i++) {
		const char *name = arena_printf(l->arena, "%s%lld", cfg_arg(l, 0), (long long)i);

		if (!new_server(l, name, l->first_arg + 2, l->first_arg + 3))
			return -1;
	}
	return 0;
}

/* ---- options ---- */

const char *server_option_arg(struct cfg_line *l, int *i, const char *what)
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

int server_option_u32(struct cfg_line *l, int *i, int64_t min, int64_t max, uint32_t *out)
{
	int at = *i;
	const char *z = server_option_arg(l, i, "a number");
	int64_t v;

	if (!z)
		return -1;
	if (parse_i64(slice_z(z), min, max, &v)) {
		if (max == INT32_MAX)
			return cfg_error(l, at + 1,
					 "'%s' must be a whole number of %lld or more, not '%s'",
					 l->words[at].z, (long long)min, z);
		return cfg_error(l, at + 1, "%s must be %lld..%lld, not '%s'", l->words[at].z,
				 (long long)min, (long long)max, z);
	}
	*out = (uint32_t)v;
	return 0;
}

static int opt_weight(struct cfg_line *l, int *i, struct server *s)
{
	return server_option_u32(l, i, 0, 256, &s->weight);
}

static int opt_maxconn(struct cfg_line *l, int *i, struct server *s)
{
	return server_option_u32(l, i, 0, INT32_MAX, &s->maxconn);
}

static int opt_minconn(struct cfg_line *l, int *i, struct server *s)
{
	return server_option_u32(l, i, 0, INT32_MAX, &s->minconn);
}

static int opt_maxqueue(struct cfg_line *l, int *i, struct server *s)
{
	return server_option_u32(l, i, 0, INT32_MAX, &s->maxqueue);
}

static int opt_id(struct cfg_line *l, int *i, struct server *s)
{
	int at = *i;

	if (s == l->px->default_server) {
		*i = l->nwords;
		return cfg_error(l, at, "'id' is for one server, not for 'default-server'");
	}
	if (server_option_u32(l, i, 1, INT32_MAX, &s->puid))
		return -1;
	s->id_explicit = true;
	return 0;
}

static int opt_backup(struct cfg_line *l, int *i, struct server *s)
{
	s->backup = true;
	++*i;
	return 0;
}

static int opt_no_backup(struct cfg_line *l, int *i, struct server *s)
{
	s->backup = false;
	++*i;
	return 0;
}

static int opt_disabled(struct cfg_line *l, int *i, struct server *s)
{
	s->disabled = true;
	++*i;
	return 0;
}

static int opt_enabled(struct cfg_line *l, int *i, struct server *s)
{
	s->disabled = false;
	++*i;
	return 0;
}

static const struct server_option options[] = {
	{ "weight", opt_weight, KERNEL_EXACT, NULL, "weight <0..256>",
	  "Share of the load; default 1." },
	{ "maxconn", opt_maxconn, KERNEL_APPROX,
	  "a full server is skipped or its SYN dropped, nothing queues", "maxconn <number>",
	  "Most concurrent connections (tcp) or requests (http); further ones queue." },
	{ "minconn", opt_minconn, KERNEL_NEVER,
	  "a limit that follows the backend's load is the daemon's", "minconn <number>",
	  "Limit while the backend is below 'fullconn'; rises to 'maxconn'." },
	{ "maxqueue", opt_maxqueue, KERNEL_APPROX, "nothing queues", "maxqueue <number>",
	  "Most connections waiting for this server; further ones go elsewhere." },
	{ "id", opt_id, KERNEL_EXACT, NULL, "id <number>",
	  "Number of the server; default: the first free one." },
	{ "backup", opt_backup, KERNEL_EXACT, NULL, "backup",
	  "Only used when no other server is usable." },
	{ "no-backup", opt_no_backup, KERNEL_EXACT, NULL, "no-backup",
	  "Takes back 'backup' of default-server." },
	{ "disabled", opt_disabled, KERNEL_EXACT, NULL, "disabled", "Starts in maintenance." },
	{ "enabled", opt_enabled, KERNEL_EXACT, NULL, "enabled",
	  "Takes back 'disabled' of default-server." },
};

static const struct cfg_keyword rows[] = {
	{ "server", CFG_BACKEND, parse_server, KERNEL_EXACT, NULL, SERVER_USAGE,
	  "A server of the backend.", CFG_NEEDS_SIDE },
	{ "default-server", CFG_DEFAULTS | CFG_BACKEND, parse_default_server, KERNEL_EXACT, NULL,
	  "default-server <option> ...", "Options of all servers declared below.", CFG_NEEDS_SIDE },
	{ "server-template", CFG_BACKEND, parse_server_template, KERNEL_EXACT, NULL,
	  "server-template <prefix> <number>|<low>-<high> <address>[:<port>] [option ...]",
	  "Several servers that differ in their name's number only.", CFG_NEEDS_SIDE },
};

void kw_server_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
	cfg_register_server_options(options, ARRAY_SIZE(options));
}
