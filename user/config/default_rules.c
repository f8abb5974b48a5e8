// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See default_rules.h. What may inherit from what follows HAProxy's manual (2.6, section 4).
 */
#include "config/default_rules.h"

#include <stdlib.h>

#include "model/proxy.h"

struct kept_line {
	struct kept_line *next;
	const struct cfg_keyword *k;
	struct cfg_word *words;
	int nwords, first;
	struct place at;
	bool is_rule; /* not an ACL, not a delay */
	bool is_connection;
	bool *wrong; /* an error was said for it; shared by copies */
};

struct kept_lines {
	struct kept_line *first, *last;
	unsigned int users; /* CFG_FRONTEND, CFG_BACKEND: what has inherited rules */
};

/* The order stays, and the lines of a section that inherits do not become those of the one it inherits from. */
static void lines_inherit(void *to, const void *from, struct arena *a)
{
	struct kept_lines *t = to;
	const struct kept_lines *f = from;

	*t = (struct kept_lines){ 0 };
	for (const struct kept_line *k = f->first; k; k = k->next) {
		struct kept_line *copy = ARENA_NEW(a, struct kept_line);

		*copy = *k;
		copy->next = NULL;
		*(t->last ? &t->last->next : &t->first) = copy;
		t->last = copy;
	}
}

static struct ext lines_ext = { .name = "rules of defaults",
				.bytes = sizeof(struct kept_lines),
				.inherit = lines_inherit };

static struct kept_lines *lines_of(const struct proxy *px)
{
	return proxy_ext(px, &lines_ext);
}

void default_rules_init(void)
{
	ext_register(EXT_PROXY, &lines_ext);
}

int default_rules_keep(struct cfg_line *l, const struct cfg_keyword *k, int first)
{
	struct kept_lines *all = lines_of(l->px);
	struct kept_line *kept;

	if (!*l->px->name)
		return cfg_error(
			l, first,
			"'%s' is not allowed in a defaults section without a name\ngive the "
			"section one: 'defaults <name>'",
			k->name);
	kept = ARENA_NEW(l->arena, struct kept_line);
	*kept = (struct kept_line){ .k = k, .nwords = l->nwords, .first = first, .at = l->at };
	kept->words = arena_alloc(l->arena, (size_t)(l->nwords + 1) * sizeof(*kept->words));
	memcpy(kept->words, l->words, (size_t)(l->nwords + 1) * sizeof(*kept->words));
	kept->is_rule = strcmp(k->name, "acl") && !strstr(k->name, "inspect-delay");
	kept->is_connection = !strcmp(k->name, "tcp-request connection") ||
			      !strcmp(k->name, "tcp-request session");
	kept->wrong = arena_zalloc(l->arena, sizeof(bool));
	*(all->last ? &all->last->next : &all->first) = kept;
	all->last = kept;
	return 0;
}

#define DECLARED "(defaults section at %s:%d)"

int default_rules_allow(struct cfg_line *l, const struct proxy *from)
{
	struct kept_lines *all = lines_of(from);
	bool rules = false, connection = false;

	for (const struct kept_line *k = all->first; k; k = k->next) {
		rules |= k->is_rule;
		connection |= k->is_connection;
	}
	if (!rules)
		return 0;
	if (l->section == CFG_DEFAULTS || l->section == CFG_LISTEN)
		return cfg_error(l, 0,
				 "a %s section cannot inherit from a defaults section with TCP or "
				 "HTTP rules " DECLARED,
				 l->section == CFG_LISTEN ? "listen" : "defaults", from->at.file,
				 from->at.line);
	if (l->section == CFG_BACKEND && connection)
		return cfg_error(
			l, 0,
			"a backend section cannot inherit from a defaults section with "
			"'tcp-request connection' or 'tcp-request session' rules " DECLARED,
			from->at.file, from->at.line);
	if ((all->users | l->section) == CFG_LISTEN)
		return cfg_error(l, 0,
				 "frontends and backends cannot inherit from the same defaults "
				 "section when it has TCP or HTTP rules " DECLARED,
				 from->at.file, from->at.line);
	all->users |= l->section;
	return 0;
}

void default_rules_replay(struct cfg_line *l, const struct proxy *from)
{
	struct cfg_line header = *l;

	if (l->section == CFG_DEFAULTS)
		return;
	for (struct kept_line *k = lines_of(from)->first; k; k = k->next) {
		int errors = l->diag->errors;

		if (!(k->k->sections & l->section) || *k->wrong)
			continue;
		l->words = k->words;
		l->nwords = k->nwords;
		l->at = k->at;
		l->first_arg = k->first + 1;
		for (const char *z = k->k->name; *z; z++)
			l->first_arg += *z == ' ';
		reader_run_keyword(l, k->k, k->first);
		*k->wrong = l->diag->errors > errors;
	}
	list_init(&l->px->acls);
	l->words = header.words;
	l->nwords = header.nwords;
	l->at = header.at;
	l->first_arg = header.first_arg;
}
