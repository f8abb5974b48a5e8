/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * registry.h - look-up in the tables that modules filled through keyword.h. For the reader and for `-dK`.
 * Control thread.
 */
#ifndef LBD_CONFIG_REGISTRY_H
#define LBD_CONFIG_REGISTRY_H

#include "config/keyword.h"

/* The longest row whose words start the line at word @first and which may stand in @section (one section's bits);
 * *nwords: how many words its name has. NULL: none; then *elsewhere is a row of that name for other sections, or NULL. */
const struct cfg_keyword *registry_keyword(const struct cfg_line *l, int first,
					   unsigned int section, int *nwords,
					   const struct cfg_keyword **elsewhere);
/* The row of that whole name that may stand in any of @sections; NULL: none. */
const struct cfg_keyword *registry_keyword_named(const char *name, unsigned int sections);
const struct bind_option *registry_bind_option(const char *name);
const struct server_option *registry_server_option(const char *name);
const struct cfg_section_row *registry_section(const char *name);

/* The nearest known name, for "did you mean"; NULL: nothing is near. @word: one or more words joined by spaces. */
const char *registry_nearest_keyword(const char *word, unsigned int section);
const char *registry_nearest_bind_option(const char *word);
const char *registry_nearest_server_option(const char *word);
const char *registry_nearest_section(const char *word);

/* Runs the checks of all phases, in order. */
void registry_run_checks(struct config *cfg, struct diag *d);
/* Calls all walkers: `lbd -dKtsv`. @classes: comma list ("cfg,smp"), NULL or "all": all. @kind and @name live for the call only. */
void registry_walk_names(const char *classes,
			 void (*emit)(void *ctx, const char *kind, const char *name), void *ctx);
/* The names of all walkers that change nothing visible: `lbd -dKquiet`. */
void registry_walk_quiet(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx);
/* Every keyword row, in order of registration; for tests and the reference pages. NULL at the end. */
const struct cfg_keyword *registry_keyword_at(size_t i);
const struct bind_option *registry_bind_option_at(size_t i);
const struct server_option *registry_server_option_at(size_t i);
/* "global", "defaults, frontend": the sections of a mask. Returns buf. */
const char *registry_section_names(unsigned int sections, char *buf, size_t size);

/*
 * Does HAProxy's manual (2.6 to 3.x) know @name as a @kind? Tells "not yet" from "unknown". For keywords with
 * several words give them joined by one space.
 */
bool haproxy_knows(const char *kind, const char *name);

#endif
