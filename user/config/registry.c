// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The tables of keywords, options, sections and checks that modules registered, with look-up by name.
 * Filled by the init calls, read by the reader; control thread only.
 */
#include "config/registry.h"

#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>

/* A growing array of rows of one kind, with a hash index over the names once it is read. */
struct registry {
	const void **row;
	const char **name;
	size_t n, cap;
	uint32_t *slot; /* index + 1, 0: free; chained by probing, several rows may share a name */
	size_t slots;   /* power of two */
};

static struct registry keywords, bind_options, server_options, sections;
static const struct cfg_check **checks;
static size_t nchecks;
static const struct name_walker **walkers;
static size_t nwalkers;

static uint32_t hash_name(const char *z, size_t n)
{
	uint32_t h = 2166136261u;

	while (n--)
		h = (h ^ (uint8_t)*z++) * 16777619u;
	return h;
}

static void registry_index(struct registry *r)
{
	free(r->slot);
	for (r->slots = 64; r->slots < r->n * 3;)
		r->slots *= 2;
	r->slot = xzalloc(r->slots * sizeof(*r->slot));
	for (size_t i = 0; i < r->n; i++) {
		size_t at = hash_name(r->name[i], strlen(r->name[i])) & (r->slots - 1);

		while (r->slot[at])
			at = (at + 1) & (r->slots - 1);
		r->slot[at] = i + 1;
	}
}

static void registry_add(struct registry *r, const void *row, const char *name)
{
	if (r->n == r->cap) {
		r->cap = r->cap ? r->cap * 2 : 64;
		r->row = xrealloc(r->row, r->cap * sizeof(*r->row));
		r->name = xrealloc(r->name, r->cap * sizeof(*r->name));
	}
	r->row[r->n] = row;
	r->name[r->n++] = name;
	free(r->slot); /* the index is made again at the next look-up */
	r->slot = NULL;
}

/* The next row of that name at or behind probe position *at (start with the hash); NULL: no more. */
static const void *registry_probe(struct registry *r, const char *z, size_t n, size_t *at)
{
	for (; r->slot[*at & (r->slots - 1)]; ++*at) {
		uint32_t i = r->slot[*at & (r->slots - 1)] - 1;

		if (strlen(r->name[i]) == n && !memcmp(r->name[i], z, n)) {
			++*at;
			return r->row[i];
		}
	}
	return NULL;
}

static const void *registry_find(struct registry *r, const char *z)
{
	size_t n = strlen(z), at = hash_name(z, n);

	if (!r->slot)
		registry_index(r);
	return registry_probe(r, z, n, &at);
}

/* ---- registration ---- */

/* Two modules that both want a word: our own mistake, seen at the first start. */
static void registered_twice(const char *kind, const char *name)
{
	fprintf(stderr, "lbd: internal error: %s '%s' is registered twice\n", kind, name);
	abort();
}

/* Every row says what it means on the kernel path, with the planner's sentence where there is a difference. */
static void check_row(const char *kind, const char *name, enum kernel_meaning kernel,
		      const char *says, const char *usage, const char *help)
{
	const char *lacks = kernel == KERNEL_UNSAID ? "its meaning on the kernel path"
			    : (kernel == KERNEL_APPROX || kernel == KERNEL_NEVER) && !says
				    ? "the planner's sentence"
			    : !usage ? "usage"
			    : !help  ? "help"
				     : NULL;

	if (!lacks)
		return;
	fprintf(stderr, "lbd: internal error: the row of %s '%s' lacks %s\n", kind, name, lacks);
	abort();
}

void cfg_register_keywords(const struct cfg_keyword *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_row("keyword", rows[i].name, rows[i].kernel, rows[i].kernel_says,
			  rows[i].usage, rows[i].help);
		for (size_t k = 0; k < keywords.n; k++) {
			const struct cfg_keyword *other = keywords.row[k];

			if ((other->sections & rows[i].sections) &&
			    !strcmp(other->name, rows[i].name))
				registered_twice("keyword", rows[i].name);
		}
		registry_add(&keywords, &rows[i], rows[i].name);
	}
}

void cfg_register_bind_options(const struct bind_option *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_row("bind option", rows[i].name, rows[i].kernel, rows[i].kernel_says,
			  rows[i].usage, rows[i].help);
		if (registry_find(&bind_options, rows[i].name))
			registered_twice("bind option", rows[i].name);
		registry_add(&bind_options, &rows[i], rows[i].name);
	}
}

void cfg_register_server_options(const struct server_option *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		check_row("server option", rows[i].name, rows[i].kernel, rows[i].kernel_says,
			  rows[i].usage, rows[i].help);
		if (registry_find(&server_options, rows[i].name))
			registered_twice("server option", rows[i].name);
		registry_add(&server_options, &rows[i], rows[i].name);
	}
}

void cfg_register_sections(const struct cfg_section_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++)
		registry_add(&sections, &rows[i], rows[i].name);
}

/* Kept sorted by phase; equal phases in order of registration. */
void cfg_register_checks(const struct cfg_check *rows, size_t n)
{
	checks = xrealloc(checks, (nchecks + n) * sizeof(*checks));
	for (size_t i = 0; i < n; i++) {
		size_t at = nchecks++;

		for (; at > 0 && checks[at - 1]->phase > rows[i].phase; at--)
			checks[at] = checks[at - 1];
		checks[at] = &rows[i];
	}
}

void names_register(const struct name_walker *w)
{
	walkers = xrealloc(walkers, (nwalkers + 1) * sizeof(*walkers));
	walkers[nwalkers++] = w;
}

/* ---- look-up ---- */

#define KEYWORD_MAX_WORDS 4

const struct cfg_keyword *registry_keyword(const struct cfg_line *l, int first,
					   unsigned int section, int *nwords,
					   const struct cfg_keyword **elsewhere)
{
	char name[128];
	size_t end[KEYWORD_MAX_WORDS], n = 0;
	int words = 0;

	*elsewhere = NULL;
	if (!keywords.slot)
		registry_index(&keywords);
	for (; words < KEYWORD_MAX_WORDS && first + words < l->nwords; words++) {
		const struct cfg_word *w = &l->words[first + words];

		if (n + w->n + 2 > sizeof(name))
			break;
		if (words)
			name[n++] = ' ';
		memcpy(name + n, w->z, w->n);
		end[words] = n += w->n;
	}
	for (; words > 0; words--) {
		size_t len = end[words - 1], at = hash_name(name, len);
		const struct cfg_keyword *k;

		while ((k = registry_probe(&keywords, name, len, &at))) {
			if (k->sections & section) {
				*nwords = words;
				return k;
			}
			*elsewhere = k;
		}
	}
	return NULL;
}

const struct cfg_keyword *registry_keyword_named(const char *name, unsigned int mask)
{
	size_t n = strlen(name), at = hash_name(name, n);
	const struct cfg_keyword *k;

	if (!keywords.slot)
		registry_index(&keywords);
	while ((k = registry_probe(&keywords, name, n, &at)))
		if (k->sections & mask)
			return k;
	return NULL;
}

const struct bind_option *registry_bind_option(const char *name)
{
	return registry_find(&bind_options, name);
}

const struct server_option *registry_server_option(const char *name)
{
	return registry_find(&server_options, name);
}

const struct cfg_section_row *registry_section(const char *name)
{
	return registry_find(&sections, name);
}

struct name_cursor {
	const struct registry *r;
	size_t i;
	unsigned int section; /* keywords only: those of this section; 0: all */
};

static const char *next_name(void *ctx)
{
	struct name_cursor *c = ctx;

	for (; c->i < c->r->n; c->i++) {
		const struct cfg_keyword *k = c->r->row[c->i];

		if (!c->section || (k->sections & c->section))
			return c->r->name[c->i++];
	}
	return NULL;
}

const char *registry_nearest_keyword(const char *word, unsigned int section)
{
	return diag_nearest(word, next_name, &(struct name_cursor){ &keywords, 0, section });
}

const char *registry_nearest_bind_option(const char *word)
{
	return diag_nearest(word, next_name, &(struct name_cursor){ &bind_options, 0, 0 });
}

const char *registry_nearest_server_option(const char *word)
{
	return diag_nearest(word, next_name, &(struct name_cursor){ &server_options, 0, 0 });
}

const char *registry_nearest_section(const char *word)
{
	return diag_nearest(word, next_name, &(struct name_cursor){ &sections, 0, 0 });
}

void registry_run_checks(struct config *cfg, struct diag *d)
{
	for (size_t i = 0; i < nchecks; i++) {
		/* what is doubtful or planned is only said of a configuration that is otherwise right */
		if (checks[i]->phase >= CFG_PHASE_BALANCE && d->errors)
			break;
		checks[i]->check(cfg, d);
	}
}

const struct cfg_keyword *registry_keyword_at(size_t i)
{
	return i < keywords.n ? keywords.row[i] : NULL;
}

const struct bind_option *registry_bind_option_at(size_t i)
{
	return i < bind_options.n ? bind_options.row[i] : NULL;
}

const struct server_option *registry_server_option_at(size_t i)
{
	return i < server_options.n ? server_options.row[i] : NULL;
}

const char *registry_section_names(unsigned int mask, char *buf, size_t size)
{
	static const struct {
		unsigned int bit;
		const char *name;
	} names[] = {
		{ CFG_GLOBAL, "global" },
		{ CFG_DEFAULTS, "defaults" },
		{ CFG_FRONTEND, "frontend" },
		{ CFG_BACKEND, "backend" },
	};
	size_t n = 0;

	buf[0] = 0;
	for (size_t i = 0; i < ARRAY_SIZE(names); i++)
		if ((mask & names[i].bit) && n < size)
			n += snprintf(buf + n, size - n, "%s%s", n ? ", " : "", names[i].name);
	if ((mask & CFG_LISTEN) && n < size)
		snprintf(buf + n, size - n, ", listen");
	return buf;
}

/* ---- names ---- */

static const char *kind_of(const struct cfg_keyword *k)
{
	return haproxy_knows("legacy-removed", k->name) ? "legacy-removed" : "proxy";
}

static void walk_config_names(void (*emit)(void *ctx, const char *kind, const char *name),
			      void *ctx)
{
	static const char *const core[] = { "global", "defaults", "frontend", "backend", "listen" };

	for (size_t i = 0; i < ARRAY_SIZE(core); i++)
		emit(ctx, "section", core[i]);
	for (size_t i = 0; i < sections.n; i++)
		emit(ctx, "section", sections.name[i]);
	for (size_t i = 0; i < keywords.n; i++) {
		const struct cfg_keyword *k = keywords.row[i];

		if (k->sections & CFG_GLOBAL)
			emit(ctx, "global", k->name);
		if (k->sections & CFG_ANY_PROXY)
			emit(ctx, kind_of(k), k->name);
	}
	emit(ctx, "legacy-removed", "frontend NAME ADDR:PORT");
	emit(ctx, "legacy-removed", "listen NAME ADDR:PORT");
	for (size_t i = 0; i < bind_options.n; i++)
		emit(ctx, "bind-option", bind_options.name[i]);
	for (size_t i = 0; i < server_options.n; i++)
		emit(ctx, "server-option", server_options.name[i]);
}

static void walk_quiet_config(void (*emit)(void *ctx, const char *kind, const char *name),
			      void *ctx)
{
	for (size_t i = 0; i < keywords.n; i++) {
		const struct cfg_keyword *k = keywords.row[i];

		if (!(k->flags & CFG_EFFECT_NONE))
			continue;
		if (k->sections & CFG_GLOBAL)
			emit(ctx, "global", k->name);
		if (k->sections & CFG_ANY_PROXY)
			emit(ctx, kind_of(k), k->name);
	}
	for (size_t i = 0; i < bind_options.n; i++)
		if (((const struct bind_option *)bind_options.row[i])->flags & CFG_EFFECT_NONE)
			emit(ctx, "bind-option", bind_options.name[i]);
	for (size_t i = 0; i < server_options.n; i++)
		if (((const struct server_option *)server_options.row[i])->flags & CFG_EFFECT_NONE)
			emit(ctx, "server-option", server_options.name[i]);
}

static bool class_wanted(const char *classes, const char *name)
{
	size_t n = strlen(name);

	if (!classes || !*classes)
		return true;
	for (const char *p = classes;; p++) {
		size_t len = strcspn(p, ",");

		if ((len == n && !memcmp(p, name, n)) || (len == 3 && !memcmp(p, "all", 3)))
			return true;
		p += len;
		if (!*p)
			return false;
	}
}

void registry_walk_names(const char *classes,
			 void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	if (class_wanted(classes, "cfg"))
		walk_config_names(emit, ctx);
	for (size_t i = 0; i < nwalkers; i++)
		if (class_wanted(classes, walkers[i]->class_name))
			walkers[i]->walk(emit, ctx);
}

void registry_walk_quiet(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	walk_quiet_config(emit, ctx);
	for (size_t i = 0; i < nwalkers; i++)
		if (walkers[i]->walk_quiet)
			walkers[i]->walk_quiet(emit, ctx);
}
