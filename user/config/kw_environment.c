// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * setenv, presetenv, unsetenv, resetenv of the global section: they act at once, on the lines below and on child
 * processes. Control thread, before the workers start.
 */
#include <stdlib.h>

#include "config/keyword.h"
#include "config/language.h"
#include "model/config.h"

extern char **environ;

static int parse_setenv(struct cfg_line *l)
{
	bool keep = !strcmp(l->words[0].z, "presetenv");

	if (cfg_want_args(l, 2, 2, keep ? "presetenv <name> <value>" : "setenv <name> <value>"))
		return -1;
	if (!*cfg_arg(l, 0) || strchr(cfg_arg(l, 0), '='))
		return cfg_error(l, l->first_arg, "'%s' is no name of a variable", cfg_arg(l, 0));
	setenv(cfg_arg(l, 0), cfg_arg(l, 1), !keep);
	return 0;
}

static int parse_unsetenv(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, -1, "unsetenv <name> ..."))
		return -1;
	for (int i = 0; i < cfg_argc(l); i++)
		unsetenv(cfg_arg(l, i));
	return 0;
}

static bool is_kept(const struct cfg_line *l, const char *entry)
{
	size_t n = strcspn(entry, "=");

	for (int i = 0; i < cfg_argc(l); i++)
		if (strlen(cfg_arg(l, i)) == n && !memcmp(cfg_arg(l, i), entry, n))
			return true;
	return false;
}

/* Keeps only what is listed. */
static int parse_resetenv(struct cfg_line *l)
{
	size_t i = 0;

	while (environ && environ[i]) {
		if (is_kept(l, environ[i]))
			i++;
		else
			unsetenv(arena_dup(l->arena,
					   slice_make(environ[i], strcspn(environ[i], "=")))
					 .p);
	}
	return 0;
}

static const struct cfg_keyword rows[] = {
	{ "setenv", CFG_GLOBAL, parse_setenv, KERNEL_EXACT, NULL, "setenv <name> <value>",
	  "Sets an environment variable." },
	{ "presetenv", CFG_GLOBAL, parse_setenv, KERNEL_EXACT, NULL, "presetenv <name> <value>",
	  "Sets an environment variable that is not set yet." },
	{ "unsetenv", CFG_GLOBAL, parse_unsetenv, KERNEL_EXACT, NULL, "unsetenv <name> ...",
	  "Removes environment variables." },
	{ "resetenv", CFG_GLOBAL, parse_resetenv, KERNEL_EXACT, NULL, "resetenv [<name> ...]",
	  "Removes all environment variables but those listed." },
};

void kw_environment_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
