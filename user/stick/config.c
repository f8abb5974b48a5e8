// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * config.c - the keyword `stick-table`, the resolving of tables' names, the tables' ageing. Control thread.
 */
#include "stick/config.h"
#include "base/units.h"
#include "loop/thread.h"
#include "model/proxy.h"
#include "policy/registry.h"
#include "process/start.h"
#include "stick/parse.h"
#include <stdlib.h>

struct stick_ext {
	struct stick_table *table;
};
static void inherit_nothing(void *to, const void *from, struct arena *a)
{
}
static struct ext stick_ext = { .name = "stick-table",
				.bytes = sizeof(struct stick_ext),
				.inherit = inherit_nothing };

uint32_t stick_counters = 3;

struct stick_table *stick_table_of(const struct proxy *px)
{
	return ((struct stick_ext *)proxy_ext(px, &stick_ext))->table;
}

/* ---- names that are looked up later ---- */

struct want {
	struct list node;
	struct place at;
	const char *what, *name;
	struct proxy *px;
	struct stick_table **to;
	const struct expr *key;
};
static struct list wants = LIST_INIT(wants);

struct data_want {
	struct list node;
	struct stick_table **of;
	enum stick_data data;
};
static struct list data_wants = LIST_INIT(data_wants);

void stick_table_want_key(struct cfg_line *l, int word, const char *what, const char *name,
			  struct stick_table **to, const struct expr *key)
{
	struct want *w = ARENA_NEW(l->arena, struct want);

	w->at = cfg_place(l, word);
	w->what = what;
	w->name = name;
	w->px = l->px;
	w->to = to;
	w->key = key;
	list_add_tail(&wants, &w->node);
}

void stick_table_want(struct cfg_line *l, int word, const char *what, const char *name,
		      struct stick_table **to)
{
	stick_table_want_key(l, word, what, name, to, NULL);
}

void stick_table_wants_data(struct stick_table **of, enum stick_data d)
{
	struct data_want *w = xzalloc(sizeof(*w));

	w->of = of;
	w->data = d;
	list_add_tail(&data_wants, &w->node);
}

static void resolve_want(struct diag *d, struct want *w)
{
	struct stick_table *t = w->name ? stick_table_find(slice_z(w->name))
				: w->px ? stick_table_of(w->px)
					: NULL;

	char near[160];

	*w->to = t;
	if (t && w->key && !smp_type_casts(expr_type(w->key), t->type))
		diag_error(d, w->at,
			   "%s: '%s' gives type %s, and the keys of table '%s' are of type %s",
			   w->what, expr_text(w->key), smp_type_name(expr_type(w->key)), t->name,
			   smp_type_name(t->type));
	if (t)
		return;
	if (w->name)
		diag_error(d, w->at, "%s: there is no table '%s'%s", w->what, w->name,
			   stick_table_missing(w->name, near, sizeof(near)));
	else
		diag_error(d, w->at,
			   "%s: %s '%s' has no 'stick-table': add one, or name another "
			   "proxy's with 'table <name>'",
			   w->what, w->px ? proxy_kind(w->px) : "section",
			   w->px ? w->px->name : "");
}

static void check_names(struct config *cfg, struct diag *d)
{
	struct want *w, *tmp;
	struct data_want *dw, *dtmp;
	struct stick_table *t;

	list_for_each_entry(t, &stick_tables, node) {
		if (t->peers_section && !t->peers)
			diag_error(d, t->at, "stick-table '%s': there is no section 'peers %s'",
				   t->name, t->peers_section);
		if (!t->write_to_name)
			continue;
		t->write_to = stick_table_find(slice_z(t->write_to_name));
		if (!t->write_to)
			diag_error(d, t->at, "stick-table '%s': write-to: there is no table '%s'",
				   t->name, t->write_to_name);
		else if (t->write_to == t)
			diag_error(d, t->at, "stick-table '%s': write-to names the table itself",
				   t->name);
		else if (t->write_to->type != t->type || t->write_to->key_bytes != t->key_bytes)
			diag_error(d, t->at,
				   "stick-table '%s': write-to: the keys of '%s' are of another "
				   "type or length",
				   t->name, t->write_to_name);
	}
	list_for_each_entry_safe(w, tmp, &wants, node) {
		resolve_want(d, w);
		list_del(&w->node);
	}
	list_for_each_entry_safe(dw, dtmp, &data_wants, node) {
		if (*dw->of && !(*dw->of)->count[dw->data])
			(*dw->of)->count[dw->data] = 1;
		list_del(&dw->node);
		free(dw);
	}
}

static void check_build(struct config *cfg, struct diag *d)
{
	struct stick_table *t;

	list_for_each_entry(t, &stick_tables, node)
		stick_table_build(t, &cfg->arena);
}

static const struct cfg_check checks[] = {
	{ "stick tables' names", CFG_PHASE_RESOLVE, check_names },
	{ "stick tables", CFG_PHASE_BALANCE, check_build },
};

/* ---- ageing: the control thread looks twice a second, at shards where something is due ---- */

#define AGE_EVERY_MS 500

static struct timer age_timer;

static void age_tables(struct timer *tm)
{
	struct stick_table *t;

	list_for_each_entry(t, &stick_tables, node)
		stick_expire(t, control_loop.now_ms);
	timer_set(&control_loop, &age_timer, control_loop.now_ms + AGE_EVERY_MS);
}

static void start_ageing(void)
{
	if (list_empty(&stick_tables))
		return;
	timer_init(&age_timer, age_tables);
	timer_set(&control_loop, &age_timer, control_loop.now_ms + AGE_EVERY_MS);
}

static struct start_hooks hooks = { .name = "stick tables", .control_start = start_ageing };

/* ---- keywords ---- */

static int parse_stick_table(struct cfg_line *l)
{
	struct stick_ext *x = proxy_ext(l->px, &stick_ext);

	if (x->table)
		return cfg_error(l, 0,
				 "there is a stick-table already, at %s:%d; for another one make a "
				 "backend that has nothing else",
				 x->table->at.file, x->table->at.line);
	x->table = stick_table_parse(l, l->first_arg, l->px->name, l->px);
	return x->table ? 0 : -1;
}

static int parse_counters(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "tune.stick-counters <number>") ||
	    cfg_arg_i64(l, 0, 0, STICK_COUNTERS_MAX, &v))
		return -1;
	stick_counters = (uint32_t)v;
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ .name = "stick-table",
	  .sections = CFG_LISTEN,
	  .parse = parse_stick_table,
	  .kernel = KERNEL_EXACT,
	  .usage = STICK_TABLE_USAGE,
	  .help = "A table of keys with counters, named like its section." },
	{ .name = "tune.stick-counters",
	  .sections = CFG_GLOBAL,
	  .parse = parse_counters,
	  .kernel = KERNEL_EXACT,
	  .usage = "tune.stick-counters <number>",
	  .help = "How many entries a connection or request may track at once (track-sc0 ...); "
		  "3 by default." },
};

void stick_init(void)
{
	peers_conf_register(); /* its checks come first: tables belong to sections */
	ext_register(EXT_PROXY, &stick_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	start_register(&hooks);
	stick_parse_register();
	stick_track_register();
	stick_fetch_register();
	stick_conv_register();
	stick_action_register();
	sticking_register();
	stick_cli_register();
	peers_show_register();
}
