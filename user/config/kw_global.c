// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The global section: limits, identity, process. Control thread, before the workers start.
 */
#include <stdlib.h>

#include <grp.h>
#include <pwd.h>
#include <stddef.h>

#include "config/address.h"
#include "config/keyword.h"
#include "config/language.h"
#include "loop/thread.h"
#include "model/config.h"

static struct global *global_of(struct cfg_line *l)
{
	return &l->cfg->global;
}

/* One text argument into the field at @offset. */
static int parse_text(struct cfg_line *l, size_t offset, const char *usage)
{
	if (cfg_want_args(l, 1, 1, usage))
		return -1;
	*(const char **)((char *)global_of(l) + offset) = cfg_arg(l, 0);
	return 0;
}

static int parse_number(struct cfg_line *l, size_t offset, int64_t min, int64_t max,
			const char *usage)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, usage) || cfg_arg_i64(l, 0, min, max, &v))
		return -1;
	*(uint32_t *)((char *)global_of(l) + offset) = (uint32_t)v;
	return 0;
}

#define TEXT(fn, field, usage)                                               \
	static int fn(struct cfg_line *l)                                    \
	{                                                                    \
		return parse_text(l, offsetof(struct global, field), usage); \
	}
#define NUMBER(fn, field, min, max, usage)                                               \
	static int fn(struct cfg_line *l)                                                \
	{                                                                                \
		return parse_number(l, offsetof(struct global, field), min, max, usage); \
	}

TEXT(parse_chroot, chroot, "chroot <directory>")
TEXT(parse_pidfile, pidfile, "pidfile <file>")
NUMBER(parse_nbthread, nbthread, 1, MAX_WORKERS, "nbthread <number>")
NUMBER(parse_ulimit_n, ulimit_n, 1, INT32_MAX, "ulimit-n <number>")
NUMBER(parse_uid, uid, 0, INT32_MAX, "uid <number>")
NUMBER(parse_gid, gid, 0, INT32_MAX, "gid <number>")

/* Sections that use it must stand below; the command line wins. */
static int parse_localpeer(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "localpeer <name>"))
		return -1;
	if (option_localpeer) {
		cfg_warn(l, 0, "'localpeer' is ignored: -L says '%s'", option_localpeer);
		return 0;
	}
	global_of(l)->localpeer = cfg_arg(l, 0);
	setenv("HAPROXY_LOCALPEER", cfg_arg(l, 0), 1);
	return 0;
}

static int parse_maxconn(struct cfg_line *l)
{
	if (parse_number(l, offsetof(struct global, maxconn), 0, INT32_MAX, "maxconn <number>"))
		return -1;
	global_of(l)->maxconn_set = global_of(l)->maxconn != 0;
	return 0;
}

static int parse_description(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, -1, "description <text>"))
		return -1;
	global_of(l)->description = cfg_words_text(l, l->first_arg, l->nwords);
	return 0;
}

static int parse_user(struct cfg_line *l)
{
	const struct passwd *pw;

	if (cfg_want_args(l, 1, 1, "user <name>"))
		return -1;
	pw = getpwnam(cfg_arg(l, 0));
	if (!pw)
		return cfg_error(l, l->first_arg, "there is no user '%s' on this machine",
				 cfg_arg(l, 0));
	global_of(l)->user = cfg_arg(l, 0);
	global_of(l)->uid = pw->pw_uid;
	return 0;
}

static int parse_group(struct cfg_line *l)
{
	const struct group *gr;

	if (cfg_want_args(l, 1, 1, "group <name>"))
		return -1;
	gr = getgrnam(cfg_arg(l, 0));
	if (!gr)
		return cfg_error(l, l->first_arg, "there is no group '%s' on this machine",
				 cfg_arg(l, 0));
	global_of(l)->group = cfg_arg(l, 0);
	global_of(l)->gid = gr->gr_gid;
	return 0;
}

static int parse_node(struct cfg_line *l)
{
	const char *name = cfg_arg(l, 0);

	if (cfg_want_args(l, 1, 1, "node <name>"))
		return -1;
	if (!*name || strchr(name, ':') || config_bad_name_char(name))
		return cfg_error(
			l, l->first_arg,
			"'node' takes a name of letters, digits, '.', '-' and '_', not '%s'", name);
	global_of(l)->node = name;
	return 0;
}

/* Switches without arguments. */
static int parse_daemon(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "daemon"))
		return -1;
	global_of(l)->daemon = true;
	return 0;
}

static int parse_master_worker(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 1, "master-worker [no-exit-on-failure]"))
		return -1;
	if (cfg_argc(l) && strcmp(cfg_arg(l, 0), "no-exit-on-failure"))
		return cfg_error(l, l->first_arg,
				 "'master-worker' takes 'no-exit-on-failure' or nothing, not '%s'",
				 cfg_arg(l, 0));
	global_of(l)->stays_without_worker = cfg_argc(l);
	global_of(l)->master_worker = true;
	return 0;
}

static int parse_quiet(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "quiet"))
		return -1;
	global_of(l)->quiet = true;
	return 0;
}

static int parse_debug(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "debug"))
		return -1;
	global_of(l)->debug = true;
	return 0;
}

static int parse_nosplice(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "nosplice"))
		return -1;
	global_of(l)->no_splice = true;
	return 0;
}

static int parse_zero_warning(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "zero-warning"))
		return -1;
	global_of(l)->zero_warning = true;
	return 0;
}

static int parse_set_dumpable(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "set-dumpable"))
		return -1;
	global_of(l)->set_dumpable = !l->negated;
	return 0;
}

static int parse_strict_limits(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "[no] strict-limits"))
		return -1;
	global_of(l)->lax_limits = l->negated;
	return 0;
}

/* Pollers that lbd never uses are switched off without effect; epoll is its only one. */
static int parse_no_poller(struct cfg_line *l)
{
	return cfg_want_args(l, 0, 0, "nopoll");
}

static int parse_hard_stop_after(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "hard-stop-after <time>"))
		return -1;
	return cfg_arg_time(l, 0, &global_of(l)->hard_stop_after_ms);
}

#define PROCESS(name, parse, usage, help)                                \
	{                                                                \
		name, CFG_GLOBAL, parse, KERNEL_EXACT, NULL, usage, help \
	}
#define NO_EFFECT(name, help)                                                                      \
	{                                                                                          \
		name, CFG_GLOBAL, parse_no_poller, KERNEL_EXACT, NULL, name, help, CFG_EFFECT_NONE \
	}

static const struct cfg_keyword rows[] = {
	PROCESS("maxconn", parse_maxconn, "maxconn <number>",
		"Most concurrent connections of the process; default: what the limit of "
		"descriptors allows."),
	PROCESS("nbthread", parse_nbthread, "nbthread <number>",
		"Worker threads; default: one per CPU the process may use."),
	PROCESS("ulimit-n", parse_ulimit_n, "ulimit-n <number>",
		"Limit of descriptors; default: what maxconn needs."),
	PROCESS("chroot", parse_chroot, "chroot <directory>",
		"Changes the root directory before privileges are dropped."),
	PROCESS("user", parse_user, "user <name>", "User to become once everything is bound."),
	PROCESS("group", parse_group, "group <name>", "Group to become once everything is bound."),
	PROCESS("uid", parse_uid, "uid <number>", "User to become, by number."),
	PROCESS("gid", parse_gid, "gid <number>", "Group to become, by number."),
	PROCESS("pidfile", parse_pidfile, "pidfile <file>",
		"File to write the process's number into."),
	PROCESS("daemon", parse_daemon, "daemon", "Goes into the background."),
	PROCESS("master-worker", parse_master_worker, "master-worker [no-exit-on-failure]",
		"A master starts the process that serves, and reloads it on SIGUSR2; as -W. With "
		"no-exit-on-failure it stays when a worker ends badly."),
	PROCESS("quiet", parse_quiet, "quiet", "Says nothing at start but errors."),
	PROCESS("debug", parse_debug, "debug", "Stays in the foreground, as -d."),
	PROCESS("node", parse_node, "node <name>", "Name of this machine for the statistics page."),
	PROCESS("localpeer", parse_localpeer, "localpeer <name>",
		"Name of this peer; default: the host's name."),
	PROCESS("description", parse_description, "description <text>",
		"Text for the statistics page."),
	PROCESS("hard-stop-after", parse_hard_stop_after, "hard-stop-after <time>",
		"Longest time that a soft stop may take."),
	PROCESS("nosplice", parse_nosplice, "nosplice", "Never uses splice(2)."),
	PROCESS("zero-warning", parse_zero_warning, "zero-warning",
		"Does not start when there is a warning."),
	{ "set-dumpable", CFG_GLOBAL, parse_set_dumpable, KERNEL_EXACT, NULL, "[no] set-dumpable",
	  "Core dumps stay possible after privileges are dropped.", CFG_CAN_NEGATE },
	{ "strict-limits", CFG_GLOBAL, parse_strict_limits, KERNEL_EXACT, NULL,
	  "[no] strict-limits",
	  "Does not start when the limit of descriptors cannot be had (default).", CFG_CAN_NEGATE },
	NO_EFFECT("nopoll", "lbd never uses poll()."),
	NO_EFFECT("nokqueue", "There is no kqueue on Linux."),
	NO_EFFECT("noevports", "There are no event ports on Linux."),
};

void kw_global_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
