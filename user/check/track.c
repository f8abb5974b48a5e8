// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * track.c - `track [<backend>/]<server>`: a server without checks of its own has the state of another one. The words and
 * the resolving of the names; following itself is the model's (server_state.c). Control thread, before the workers start.
 */
#include "check/private.h"

#include "config/kw_server.h"

struct track {
	const char *name; /* as written; NULL: none */
	struct place at;
};

static struct ext track_ext = { .name = "track", .bytes = sizeof(struct track) };

static struct track *track_of(const struct server *s)
{
	return server_ext(s, &track_ext);
}

static int opt_track(struct cfg_line *l, int *i, struct server *s)
{
	struct track *t = track_of(s);
	int at = *i;

	t->name = server_option_arg(l, i, "[<backend>/]<server>");
	t->at = cfg_place(l, at + 1);
	if (s == l->px->default_server)
		return cfg_error(l, at, "'track' is for one server, not for 'default-server'");
	return t->name ? 0 : -1;
}

static struct server *find_server(const struct proxy *px, const char *name)
{
	struct server *s;

	list_for_each_entry(s, &px->servers, node)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

/* Whom @s names; NULL with the error said. */
static struct server *named_by(struct config *cfg, struct diag *d, const struct server *s)
{
	const struct track *t = track_of(s);
	const char *slash = strrchr(t->name, '/');
	const struct proxy *px = s->px;
	struct server *other;

	if (slash) {
		const char *name = arena_dup(&cfg->arena, slice_make(t->name, slash - t->name)).p;

		px = config_find_proxy(cfg, name, PX_BACKEND);
		if (!px) {
			diag_error(d, t->at, "server '%s': track: there is no backend '%s'",
				   s->name, name);
			return NULL;
		}
	}
	other = find_server(px, slash ? slash + 1 : t->name);
	if (!other)
		diag_error(d, t->at, "server '%s': track: there is no server '%s' in %s '%s'",
			   s->name, slash ? slash + 1 : t->name, proxy_kind(px), px->name);
	return other;
}

static void resolve_one(struct config *cfg, struct diag *d, struct server *s)
{
	struct server *other;

	if (check_conf_of(s)->enabled || agent_wanted(s)) {
		diag_error(d, track_of(s)->at,
			   "server '%s': it has '%s', so it cannot take its state from another by "
			   "'track': leave one of both out",
			   s->name, check_conf_of(s)->enabled ? "check" : "agent-check");
		return;
	}
	other = named_by(cfg, d, s);
	if (other == s)
		diag_error(d, track_of(s)->at, "server '%s': it tracks itself", s->name);
	else if (other)
		server_follow(s, other);
}

/* Chains end at a server with checks. Nobody follows through more servers than there are. */
static void check_chain(struct diag *d, struct server *s, uint64_t most)
{
	const struct server *end = s;
	uint64_t n = 0;

	for (; end->track && n <= most; n++)
		end = end->track;
	if (n > most) {
		diag_error(d, track_of(s)->at,
			   "server '%s': the servers it tracks track each other in a circle: %s/%s "
			   "leads back to itself",
			   s->name, s->track->px->name, s->track->name);
		while (s->track) { /* one message is enough, and what follows must end */
			struct server *next = s->track;

			s->track = NULL;
			s = next;
		}
		return;
	}
	if (!check_conf_of(end)->enabled && !agent_wanted(end) && !track_of(end)->name)
		diag_error(d, track_of(s)->at,
			   "server '%s': it tracks %s/%s, which has neither 'check' nor "
			   "'agent-check'",
			   s->name, end->px->name, end->name);
}

/* For whom is tracked and disabled in the file, its followers begin in maintenance, too. */
static void begin(struct server *s)
{
	const struct server *t;

	s->live.checked = true;
	for (t = s->track; t; t = t->track)
		if (t->disabled)
			server_begin_inherited(s);
}

static void resolve_all(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server *s;
	uint64_t n = 0;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node) {
			n++;
			if (track_of(s)->name)
				resolve_one(cfg, d, s);
		}
	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			if (s->track)
				check_chain(d, s, n);
}

static void begin_all(struct config *cfg, struct diag *d)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &cfg->proxies, node)
		list_for_each_entry(s, &px->servers, node)
			if (s->track)
				begin(s);
}

static const struct server_option options[] = {
	{ "track", opt_track, KERNEL_EXACT, NULL, "track [<backend>/]<server>",
	  "Has the state of another server, which is checked, instead of checks of its own." },
};

static const struct cfg_check checks[] = {
	{ "track", CFG_PHASE_RESOLVE, resolve_all },
	{ "tracking servers", CFG_PHASE_DERIVE, begin_all },
};

void track_init(void)
{
	ext_register(EXT_SERVER, &track_ext);
	cfg_register_server_options(options, ARRAY_SIZE(options));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
