// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Sections: their header lines, and how a line inside one finds its row. Control thread, before the workers start.
 */
#include <stdio.h>

#include "base/strbuf.h"
#include "base/coverage.h"
#include "config/address.h"
#include "config/default_rules.h"
#include "config/reader.h"
#include "config/registry.h"
#include "model/proxy.h"

struct proxy_section {
	const char *name;
	enum cfg_section section;
	unsigned int caps;
};

static const struct proxy_section proxy_sections[] = {
	{ "defaults", CFG_DEFAULTS, PX_DEFAULTS },
	{ "frontend", CFG_FRONTEND, PX_FRONTEND },
	{ "backend", CFG_BACKEND, PX_BACKEND },
	{ "listen", CFG_LISTEN, PX_FRONTEND | PX_BACKEND },
};

static const struct proxy_section *proxy_section_find(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(proxy_sections); i++)
		if (!strcmp(proxy_sections[i].name, name))
			return &proxy_sections[i];
	return NULL;
}

static const char *next_section(void *ctx)
{
	size_t *i = ctx;

	if (*i > ARRAY_SIZE(proxy_sections))
		return NULL;
	return (*i)++ ? proxy_sections[*i - 2].name : "global";
}

/* The section that @word probably means; NULL: none. */
static const char *nearest_section(const char *word)
{
	size_t i = 0;
	const char *near = diag_nearest(word, next_section, &i);

	return near ? near : registry_nearest_section(word);
}

/* The first defaults section of that name behind @after (NULL: from the start). */
static struct proxy *find_defaults(struct config *cfg, const char *name, const struct proxy *after)
{
	struct list *at = after ? after->node.next : cfg->defaults.next;

	for (; at != &cfg->defaults; at = at->next)
		if (!strcmp(list_entry(at, struct proxy, node)->name, name))
			return list_entry(at, struct proxy, node);
	return NULL;
}

/* The first character that a section's or server's name must not have; NULL: fine. */
const char *config_bad_name_char(const char *name)
{
	for (; *name; name++)
		if (!((*name >= 'a' && *name <= 'z') || (*name >= 'A' && *name <= 'Z') ||
		      (*name >= '0' && *name <= '9') || strchr("-_.:", *name)))
			return name;
	return NULL;
}

static int check_name(struct cfg_line *l, const char *kind, int word)
{
	const char *name = l->words[word].z, *bad = config_bad_name_char(name);

	if (bad)
		return cfg_error(l, word,
				 "%s '%s': '%c' may not stand in a name, only letters, digits, "
				 "'-', '_', '.' and ':'",
				 kind, name, *bad);
	return 0;
}

/* Names are unique per side: a frontend and a backend may share one, a listen has both. */
static int check_duplicate(struct cfg_line *l, const struct proxy_section *ps)
{
	const char *name = l->words[1].z;
	struct proxy *other;

	other = config_find_proxy(l->cfg, name, ps->caps);
	if (!other)
		return 0;
	return cfg_error(l, 1, "%s '%s' has the same name as the %s at %s:%d", ps->name, name,
			 proxy_kind(other), other->at.file, other->at.line);
}

/* "from NAME" at word @i: 0, or -1 with the error said. */
static int take_from(struct reader *r, int i, const struct proxy **from)
{
	struct cfg_line *l = &r->line;
	const struct proxy *second;
	const char *name;

	if (i + 1 >= l->nwords)
		return cfg_error(l, l->nwords, "'from' needs the name of a defaults section");
	name = l->words[i + 1].z;
	*from = find_defaults(l->cfg, name, NULL);
	if (!*from)
		return cfg_error(l, i + 1, "there is no 'defaults %s' above this line", name);
	if (check_name(l, "defaults", i + 1))
		return -1;
	second = find_defaults(l->cfg, name, *from);
	if (second)
		return cfg_error(l, i + 1,
				 "there are two 'defaults %s', at %s:%d and %s:%d: give them "
				 "different names",
				 name, (*from)->at.file, (*from)->at.line, second->at.file,
				 second->at.line);
	if (i + 2 < l->nwords)
		return cfg_error(l, i + 2, "unexpected '%s' behind the section's header",
				 l->words[i + 2].z);
	return 0;
}

/* What stands behind the section's name: "from NAME", or the old "ADDR:PORT" which *bind_word tells. */
static int take_header(struct reader *r, const struct proxy_section *ps, const struct proxy **from,
		       int *bind_word)
{
	struct cfg_line *l = &r->line;
	int i = 1;
	bool named = l->nwords > 1 && strcmp(l->words[1].z, "from");

	*bind_word = 0;
	if (ps->section == CFG_DEFAULTS) {
		*from = NULL;
		i = named ? 2 : 1;
	} else {
		if (l->nwords < 2 || !*l->words[1].z)
			return cfg_error(l, l->nwords,
					 "'%s' needs a name\nusage: %s <name> [from <defaults>]",
					 ps->name, ps->name);
		i = 2;
	}
	/* defaults sections may be called anything, several times, as long as nobody refers to them */
	if (ps->section != CFG_DEFAULTS && (check_name(l, ps->name, 1) || check_duplicate(l, ps)))
		return -1;
	if (i < l->nwords && strcmp(l->words[i].z, "from")) {
		if (!(ps->caps & PX_FRONTEND))
			return cfg_error(l, i, "unexpected '%s' behind the name of a %s section",
					 l->words[i].z, ps->name);
		*bind_word = i++;
	}
	return i < l->nwords ? take_from(r, i, from) : 0;
}

static void open_proxy(struct reader *r, const struct proxy_section *ps)
{
	struct cfg_line *l = &r->line;
	const struct proxy *from = r->last_defaults;
	const char *name;
	struct proxy *px;
	int bind_word;
	bool explicit;

	l->section = ps->section;
	if (take_header(r, ps, &from, &bind_word)) {
		r->broken_section = true;
		return;
	}
	if (from && default_rules_allow(l, from)) {
		r->broken_section = true;
		return;
	}
	explicit = l->nwords > 2 && !strcmp(l->words[l->nwords - 2].z, "from");
	name = l->nwords > 1 && strcmp(l->words[1].z, "from") ? l->words[1].z : "";
	px = proxy_new(l->cfg, name, ps->caps, l->at);
	if (from) {
		px->from = from;
		px->from_explicit = explicit;
		proxy_inherit(px, from, l->arena);
	}
	if (ps->section == CFG_DEFAULTS) {
		list_add_tail(&l->cfg->defaults, &px->node);
		r->last_defaults = px;
	} else {
		config_add_proxy(l->cfg, px);
	}
	l->px = px;
	r->section_name = *name ? name : ps->name;
	coverage_note("section", ps->name);
	if (from)
		default_rules_replay(l, from);
	if (bind_word) {
		coverage_note("legacy-removed", ps->section == CFG_LISTEN
							? "listen NAME ADDR:PORT"
							: "frontend NAME ADDR:PORT");
		bind_old_form(l, bind_word);
	}
}

static void open_registered(struct reader *r, const struct cfg_section_row *row)
{
	coverage_note("section", row->name);
	r->section_row = row;
	r->section_name = r->line.nwords > 1 ? r->line.words[1].z : row->name;
	if (row->begin && row->begin(&r->line))
		r->broken_section = true;
}

void reader_close_section(struct reader *r)
{
	const struct cfg_section_row *row = r->section_row;

	r->section_row = NULL;
	r->line.px = NULL;
	r->line.section = 0;
	if (row && row->end && !r->broken_section)
		row->end(r->line.cfg, r->line.diag);
	r->in_section = r->broken_section = false;
}

bool reader_open_section(struct reader *r)
{
	struct cfg_line *l = &r->line;
	const char *name = l->words[0].z;
	const struct proxy_section *ps = proxy_section_find(name);
	const struct cfg_section_row *row = registry_section(name);
	bool is_global = !strcmp(name, "global"), missing = false;

	if (!ps && !row && !is_global) {
		missing = haproxy_knows("section", name);
		/* inside a section a keyword of the same name wins ("cache" is a filter's word, too) */
		if (!missing || (r->in_section && haproxy_knows("proxy", name)))
			return false;
	}
	reader_close_section(r);
	r->in_section = true;
	if (is_global) {
		l->section = CFG_GLOBAL;
		coverage_note("section", "global");
		r->section_name = "global";
		if (l->nwords > 1)
			cfg_error(l, 1, "the section takes no name, found '%s'", l->words[1].z);
	} else if (ps) {
		open_proxy(r, ps);
	} else if (row) {
		open_registered(r, row);
	} else {
		r->broken_section = true;
		cfg_error(l, 0, "the section '%s' is HAProxy's, lbd does not have it yet", name);
	}
	return true;
}

/* ---- lines ---- */

static const char *section_title(const struct cfg_line *l)
{
	return l->section & CFG_GLOBAL ? "global" : proxy_kind(l->px);
}

/* The first @n words from @first, joined; in the arena. */
static const char *join_words(struct cfg_line *l, int first, int n)
{
	struct strbuf b = STRBUF_INIT;
	const char *z;

	for (int i = first; i < l->nwords && i < first + n; i++)
		strbuf_addf(&b, "%s%s", i > first ? " " : "", l->words[i].z);
	z = arena_strdup(l->arena, strbuf_z(&b));
	strbuf_fini(&b);
	return z;
}

/* The longest run of words from @first that HAProxy's manual has as a keyword here; NULL: none. */
static const char *known_elsewhere(struct cfg_line *l, int first)
{
	const char *kind = l->section & CFG_GLOBAL ? "global" : "proxy";

	for (int n = 4; n > 0; n--) {
		const char *z = first + n <= l->nwords ? join_words(l, first, n) : NULL;

		if (z && (haproxy_knows(kind, z) || haproxy_knows("legacy-removed", z)))
			return z;
	}
	return NULL;
}

static int word_count(const char *z)
{
	int n = 1;

	for (; *z; z++)
		n += *z == ' ';
	return n;
}

/* A line of the other side of a proxy is only ignored, as in HAProxy: files move lines between both. */
static bool is_wrong_side(const struct cfg_line *l, const struct cfg_keyword *k)
{
	return (l->section == CFG_FRONTEND || l->section == CFG_BACKEND) &&
	       (k->sections & CFG_LISTEN) && !(k->flags & CFG_NEEDS_SIDE);
}

static void unknown_keyword(struct cfg_line *l, int first, const struct cfg_keyword *elsewhere)
{
	const char *known = known_elsewhere(l, first), *near = NULL;
	char names[80];

	if (elsewhere && is_wrong_side(l, elsewhere)) {
		char cause[128];

		snprintf(cause, sizeof(cause), "%s in %s", elsewhere->name, section_title(l));
		diag_warning_once(l->diag, cause, cfg_place(l, first),
				  "'%s' ignored because %s '%s' has no %s capability",
				  elsewhere->name, section_title(l), l->px->name,
				  l->section & CFG_FRONTEND ? "backend" : "frontend");
		return;
	}
	if (elsewhere && (!known || strlen(known) <= strlen(elsewhere->name))) {
		cfg_error(l, first, "'%s' may not stand in a '%s' section\nit belongs into: %s",
			  elsewhere->name, section_title(l),
			  registry_section_names(elsewhere->sections, names, sizeof(names)));
		return;
	}
	if (known && haproxy_knows("legacy-removed", known)) {
		cfg_error(l, first, "'%s' is of older versions of HAProxy, lbd does not have it",
			  known);
		return;
	}
	if (known) {
		cfg_error(l, first, "'%s' is HAProxy's, lbd does not have it yet", known);
		return;
	}
	/* sections begin at the line's begin, keywords mostly do not */
	near = first || l->words[0].column > 1 ? NULL : nearest_section(l->words[0].z);
	if (near) {
		cfg_error(l, first,
			  "'%s' is neither a section nor a keyword of a '%s' section; did you mean "
			  "'%s'?",
			  l->words[0].z, section_title(l), near);
		return;
	}
	for (int n = 3; n > 0 && !near; n--) {
		const char *words = first + n <= l->nwords ? join_words(l, first, n) : NULL;

		near = words ? registry_nearest_keyword(words, l->section) : NULL;
		if (near && word_count(near) != n)
			near = NULL;
		if (near)
			cfg_error(l, first,
				  "'%s' is no keyword of a '%s' section; did you mean '%s'?", words,
				  section_title(l), near);
	}
	if (near)
		return;
	cfg_error(l, first, "'%s' is no keyword of a '%s' section\n'lbd -dKcfg' lists all keywords",
		  l->words[first].z, section_title(l));
}

void reader_run_keyword(struct cfg_line *l, const struct cfg_keyword *k, int first)
{
	if ((l->negated || l->is_default) && !(k->flags & CFG_CAN_NEGATE)) {
		cfg_error(l, 0, "'%s' cannot stand in front of '%s'", l->words[0].z, k->name);
		return;
	}
	l->at.column = l->words[first].column;
	if (l->section == CFG_DEFAULTS && k->flags & CFG_NAMED_DEFAULTS) {
		default_rules_keep(l, k, first);
		return;
	}
	if (k->flags & CFG_DEPRECATED)
		diag_warning_once(l->diag, k->name, l->at, "'%s' is an old form: %s", k->name,
				  k->help);
	if (k->parse(l))
		return;
	coverage_note("keyword", k->name);
	if (l->negated || l->is_default)
		cfg_forget_use(l, k->name);
	else
		cfg_note_use(l, "proxy", k->name, k->kernel, k->kernel_says);
}

static void outside_of_sections(struct reader *r)
{
	struct cfg_line *l = &r->line;
	const char *near = nearest_section(l->words[0].z);

	for (size_t i = 0; i < ARRAY_SIZE(proxy_sections) && !near; i++)
		if (!strncmp(proxy_sections[i].name, l->words[0].z, 4))
			near = proxy_sections[i].name;
	cfg_error(l, 0, "'%s' stands in no section%s%s%s", l->words[0].z,
		  near ? "; did you mean '" : "", near ? near : "",
		  near ? "'?"
		       : "\na file starts with global, defaults, frontend, backend or listen");
}

void reader_section_line(struct reader *r)
{
	struct cfg_line *l = &r->line;
	const struct cfg_keyword *k, *elsewhere;
	int first = 0, words;

	if (r->broken_section)
		return;
	if (!r->in_section) {
		outside_of_sections(r);
		r->in_section = r->broken_section =
			true; /* one message for all lines up to the next section */
		return;
	}
	if (r->section_row) {
		r->section_row->line(l);
		return;
	}
	l->negated = !strcmp(l->words[0].z, "no");
	l->is_default = !strcmp(l->words[0].z, "default");
	if (l->negated || l->is_default)
		first = 1;
	if (first >= l->nwords) {
		cfg_error(l, 1, "'%s' needs a keyword behind it", l->words[0].z);
		return;
	}
	k = registry_keyword(l, first, l->section, &words, &elsewhere);
	if (!k) {
		unknown_keyword(l, first, elsewhere);
		return;
	}
	l->first_arg = first + words;
	reader_run_keyword(l, k, first);
}
