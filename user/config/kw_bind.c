// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `bind` lines and their options. Control thread, before the workers start.
 */
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>

#include "base/units.h"
#include "base/coverage.h"
#include "config/address.h"
#include "config/language.h"
#include "config/registry.h"
#include "model/proxy.h"

/* ---- the line ---- */

struct bind_conf *bind_conf_new(struct cfg_line *l, const char *spec)
{
	struct bind_conf *b = ARENA_NEW(l->arena, struct bind_conf);

	list_init(&b->node);
	list_init(&b->addresses);
	list_init(&b->uses);
	b->px = l->px;
	b->at = l->at;
	b->spec = spec;
	b->uid = b->gid = b->mode = (uint32_t)-1;
	b->ext = arena_zalloc(l->arena, ext_total(EXT_BIND));
	ext_init_all(EXT_BIND, b->ext);
	return b;
}

static void note_bind_use(struct cfg_line *l, struct bind_conf *b, const struct bind_option *o,
			  int word)
{
	struct cfg_use *u = ARENA_NEW(l->arena, struct cfg_use);

	*u = (struct cfg_use){ .kind = "bind-option",
			       .name = o->name,
			       .kernel = o->kernel,
			       .kernel_says = o->kernel_says,
			       .at = cfg_place(l, word),
			       .bind = b };
	list_add_tail(&b->uses, &u->node);
}

static int unknown_option(struct cfg_line *l, int i)
{
	const char *word = l->words[i].z, *near;

	if (haproxy_knows("bind-option", word))
		return cfg_error(
			l, i, "the bind option '%s' is HAProxy's, lbd does not have it yet", word);
	near = registry_nearest_bind_option(word);
	if (near)
		return cfg_error(l, i, "'%s' is no option of a bind line; did you mean '%s'?", word,
				 near);
	return cfg_error(l, i, "'%s' is no option of a bind line", word);
}

int bind_parse_options(struct cfg_line *l, int i, struct bind_conf *b)
{
	int rc = 0;

	while (i < l->nwords) {
		const struct bind_option *o = registry_bind_option(l->words[i].z);
		int at = i;

		if (!o)
			return unknown_option(l, i);
		if (o->parse(l, &i, b))
			rc = -1;
		else
			note_bind_use(l, b, o, at);
		coverage_note("bind-option", o->name);
		if (i == at) /* a handler that failed before it moved */
			return -1;
	}
	return rc;
}

/* What `unix-bind` in the global section says, where the line itself does not. */
static void apply_unix_bind(struct cfg_line *l, struct bind_conf *b)
{
	const struct global *g = &l->cfg->global;
	struct bind_address *a;

	list_for_each_entry(a, &b->addresses, node)
		if (a->path && !a->is_abstract && a->path[0] != '@' && g->unix_prefix)
			a->path = arena_printf(l->arena, "%s%s", g->unix_prefix, a->path);
	if (b->mode == (uint32_t)-1)
		b->mode = g->unix_mode;
	if (b->uid == (uint32_t)-1)
		b->uid = g->unix_uid;
	if (b->gid == (uint32_t)-1)
		b->gid = g->unix_gid;
}

static int parse_bind(struct cfg_line *l)
{
	struct bind_conf *b;

	if (cfg_want_args(l, 1, -1, "bind <address>:<port>[,...] [option ...]"))
		return -1;
	b = bind_conf_new(l, cfg_arg(l, 0));
	if (cfg_bind_addresses(l, l->first_arg, &b->addresses))
		return -1;
	list_add_tail(&l->px->binds, &b->node);
	if (bind_parse_options(l, l->first_arg + 1, b))
		return -1;
	apply_unix_bind(l, b);
	return 0;
}

int bind_old_form(struct cfg_line *l, int word)
{
	struct bind_conf *b = bind_conf_new(l, l->words[word].z);

	diag_warning_once(
		l->diag, "section with address", cfg_place(l, word),
		"an address on the '%s' line is an old form: write 'bind %s' on a line of its own",
		l->words[0].z, l->words[word].z);
	if (cfg_bind_addresses(l, word, &b->addresses))
		return -1;
	list_add_tail(&l->px->binds, &b->node);
	return bind_parse_options(l, word + 1, b);
}

/* ---- options ---- */

/* The argument of the option at *i; moves *i behind it. NULL with the error said. */
static const char *take_arg(struct cfg_line *l, int *i, const char *what)
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

static int take_number(struct cfg_line *l, int *i, int64_t min, int64_t max, int64_t *out)
{
	int at = *i;
	const char *z = take_arg(l, i, "a number");

	if (!z)
		return -1;
	if (parse_i64(slice_z(z), min, max, out))
		return cfg_error(l, at + 1, "'%s' must be %lld..%lld, not '%s'", l->words[at].z,
				 (long long)min, (long long)max, z);
	return 0;
}

static int opt_name(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->name = take_arg(l, i, "a name");
	return b->name ? 0 : -1;
}

static int opt_id(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int64_t v;

	if (take_number(l, i, 1, INT32_MAX, &v))
		return -1;
	b->id = (uint32_t)v;
	return 0;
}

static int opt_maxconn(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int64_t v;

	if (take_number(l, i, 0, INT32_MAX, &v))
		return -1;
	b->maxconn = (uint32_t)v;
	return 0;
}

static int opt_backlog(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int64_t v;

	if (take_number(l, i, 0, INT32_MAX, &v))
		return -1;
	b->backlog = (uint32_t)v;
	return 0;
}

static int opt_interface(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->interface = take_arg(l, i, "the name of an interface");
	return b->interface ? 0 : -1;
}

static int opt_v4v6(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->v4v6 = true;
	b->v6only = false;
	++*i;
	return 0;
}

static int opt_v6only(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->v6only = true;
	b->v4v6 = false;
	++*i;
	return 0;
}

static int opt_transparent(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->transparent = true;
	++*i;
	return 0;
}

static int opt_tfo(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->tfo = true;
	++*i;
	return 0;
}

static int opt_defer_accept(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->defer_accept = true;
	++*i;
	return 0;
}

static int opt_mss(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int64_t v;

	if (take_number(l, i, 1, 65535, &v))
		return -1;
	b->mss = (uint32_t)v;
	return 0;
}

static int opt_tcp_ut(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i;
	const char *z = take_arg(l, i, "a time");

	if (!z)
		return -1;
	if (parse_time_ms(slice_z(z), &b->tcp_ut_ms))
		return cfg_error(l, at + 1,
				 "'tcp-ut' takes a time, not '%s': a number and us, ms (default), "
				 "s, m, h or d",
				 z);
	return 0;
}

static int opt_proto(struct cfg_line *l, int *i, struct bind_conf *b)
{
	b->proto = take_arg(l, i, "the name of a protocol");
	return b->proto ? 0 : -1;
}

static int opt_uid(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int64_t v;

	if (take_number(l, i, 0, INT32_MAX, &v))
		return -1;
	b->uid = (uint32_t)v;
	return 0;
}

static int opt_gid(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int64_t v;

	if (take_number(l, i, 0, INT32_MAX, &v))
		return -1;
	b->gid = (uint32_t)v;
	return 0;
}

static int opt_user(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i;
	const char *z = take_arg(l, i, "the name of a user");
	const struct passwd *pw = z ? getpwnam(z) : NULL;

	if (!z)
		return -1;
	if (!pw)
		return cfg_error(l, at + 1, "there is no user '%s' on this machine", z);
	b->uid = pw->pw_uid;
	return 0;
}

static int opt_group(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i;
	const char *z = take_arg(l, i, "the name of a group");
	const struct group *gr = z ? getgrnam(z) : NULL;

	if (!z)
		return -1;
	if (!gr)
		return cfg_error(l, at + 1, "there is no group '%s' on this machine", z);
	b->gid = gr->gr_gid;
	return 0;
}

static int opt_mode(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i;
	const char *z = take_arg(l, i, "permissions in octal (660)");
	char *end;

	if (!z)
		return -1;
	b->mode = (uint32_t)strtoul(z, &end, 8);
	if (!*z || *end || b->mode > 07777)
		return cfg_error(l, at + 1, "'mode' takes permissions in octal (660), not '%s'", z);
	return 0;
}

static int opt_shards(struct cfg_line *l, int *i, struct bind_conf *b)
{
	int at = *i;
	const char *z = take_arg(l, i, "a number, 'by-thread' or 'by-group'");
	int64_t v;

	if (!z)
		return -1;
	if (!strcmp(z, "by-thread"))
		b->shards = -1;
	else if (!strcmp(z, "by-group"))
		b->shards = 1;
	else if (!parse_i64(slice_z(z), 1, 1000, &v))
		b->shards = (int)v;
	else
		return cfg_error(l, at + 1,
				 "'shards' takes 1..1000, 'by-thread' or 'by-group', not '%s'", z);
	return 0;
}

static const struct bind_option options[] = {
	{ "name", opt_name, KERNEL_EXACT, NULL, "name <name>",
	  "Name of the listener in statistics." },
	{ "id", opt_id, KERNEL_EXACT, NULL, "id <number>",
	  "Number of the listener in statistics." },
	{ "maxconn", opt_maxconn, KERNEL_APPROX,
	  "a listener's maxconn limits what passes through the daemon", "maxconn <number>",
	  "Most concurrent connections of this listener." },
	{ "backlog", opt_backlog, KERNEL_EXACT, NULL, "backlog <number>",
	  "Length of the socket's queue." },
	{ "interface", opt_interface, KERNEL_NEVER,
	  "the program cannot tell a service by its interface yet", "interface <name>",
	  "Only connections that came in through this interface." },
	{ "v4v6", opt_v4v6, KERNEL_EXACT, NULL, "v4v6", "An IPv6 wildcard also takes IPv4." },
	{ "v6only", opt_v6only, KERNEL_EXACT, NULL, "v6only", "An IPv6 wildcard takes IPv6 only." },
	{ "transparent", opt_transparent, KERNEL_NEVER,
	  "addresses that are not this host's need a socket", "transparent",
	  "Listens on addresses that are not this host's (IP_TRANSPARENT)." },
	{ "tfo", opt_tfo, KERNEL_EXACT, NULL, "tfo", "TCP fast open." },
	{ "defer-accept", opt_defer_accept, KERNEL_EXACT, NULL, "defer-accept",
	  "Wakes up only once data has come." },
	{ "mss", opt_mss, KERNEL_NEVER,
	  "the segment size is agreed between client and server themselves", "mss <bytes>",
	  "Largest segment size to announce." },
	{ "tcp-ut", opt_tcp_ut, KERNEL_NEVER, "only a socket has a user timeout", "tcp-ut <time>",
	  "Longest time data may stay unacknowledged." },
	{ "proto", opt_proto, KERNEL_HTTP, NULL, "proto <name>",
	  "Protocol to expect instead of the mode's own: h1, h2." },
	{ "uid", opt_uid, KERNEL_EXACT, NULL, "uid <number>", "Owner of a unix socket." },
	{ "gid", opt_gid, KERNEL_EXACT, NULL, "gid <number>", "Group of a unix socket." },
	{ "user", opt_user, KERNEL_EXACT, NULL, "user <name>", "Owner of a unix socket, by name." },
	{ "group", opt_group, KERNEL_EXACT, NULL, "group <name>",
	  "Group of a unix socket, by name." },
	{ "mode", opt_mode, KERNEL_EXACT, NULL, "mode <octal>", "Permissions of a unix socket." },
	{ "shards", opt_shards, KERNEL_EXACT, NULL, "shards <number>|by-thread|by-group",
	  "Listening sockets per address: one shared by all threads, or one per thread." },
};

static const struct cfg_keyword rows[] = {
	{ "bind", CFG_FRONTEND, parse_bind, KERNEL_EXACT, NULL,
	  "bind <address>:<port>[,...] [option ...]", "Where a frontend listens." },
};

/* The forms that address.c reads, by the names that HAProxy's manual gives them. */
static void walk_addresses(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	static const char *const forms[] = {
		"ADDR:PORT",
		"*:PORT",
		":PORT",
		"ADDR:LOW-HIGH (port range)",
		"ADDR1:P1,ADDR2:P2 (list on one line)",
		"[IPv6]:PORT",
		"ipv4@",
		"ipv6@",
		"unix@ or /path",
		"abns@",
		"fd@N",
		"${ENV}",
		"server ADDR (no port = same port)",
		"server ADDR:+OFFSET",
		"server ADDR:-OFFSET",
		"host name resolved at start",
	};

	for (size_t i = 0; i < ARRAY_SIZE(forms); i++)
		emit(ctx, "address-syntax", forms[i]);
}

void kw_bind_init(void)
{
	static const struct name_walker walker = { "cfg", walk_addresses };

	names_register(&walker);
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
	cfg_register_bind_options(options, ARRAY_SIZE(options));
}
