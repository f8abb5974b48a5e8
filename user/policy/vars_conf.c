// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * vars_conf.c - `tune.vars.*-max-size` in the global section: the limits that vars.c keeps. Control thread, before the
 * workers start.
 */
#include "base/units.h"
#include "config/keyword.h"
#include "model/config.h"
#include "policy/vars.h"

static const struct limit_row {
	const char *name;
	size_t *limit;
} limits[] = {
	{ "tune.vars.global-max-size", &vars_limits.global },
	{ "tune.vars.proc-max-size", &vars_limits.proc },
	{ "tune.vars.sess-max-size", &vars_limits.sess },
	{ "tune.vars.txn-max-size", &vars_limits.txn },
	{ "tune.vars.reqres-max-size", &vars_limits.reqres },
};

static int parse_limit(struct cfg_line *l)
{
	const char *name = l->words[l->first_arg - 1].z;
	uint64_t bytes;

	if (cfg_want_args(l, 1, 1, arena_printf(l->arena, "%s <bytes>", name)))
		return -1;
	if (parse_size(slice_z(cfg_arg(l, 0)), &bytes))
		return cfg_error(l, l->first_arg,
				 "'%s' takes a number of bytes (k, m and g may follow), not '%s'",
				 name, cfg_arg(l, 0));
	for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
		if (!strcmp(limits[i].name, name))
			*limits[i].limit = (size_t)bytes;
	vars_limits.any |= bytes > 0;
	return 0;
}

#define LIMIT(name, what)                                                                      \
	{                                                                                      \
		name, CFG_GLOBAL, parse_limit, KERNEL_EXACT, NULL, name " <bytes>",            \
			"Most memory of variables of " what "; 0, the default: no limit. One " \
			"that would be too much is not set."                                   \
	}

static const struct cfg_keyword rows[] = {
	LIMIT("tune.vars.global-max-size", "all scopes together"),
	LIMIT("tune.vars.proc-max-size", "the process, with all that is within it"),
	LIMIT("tune.vars.sess-max-size", "one client connection, with its transaction"),
	LIMIT("tune.vars.txn-max-size", "one transaction, with its request and response"),
	LIMIT("tune.vars.reqres-max-size", "one request, or one response"),
};

void vars_conf_register(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
