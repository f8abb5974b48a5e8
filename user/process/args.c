// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The command line: a row per option. Control thread, first thing.
 */
#include "process/args.h"
#include "base/coverage.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/units.h"
#include "base/arena.h"
#include "config/dump.h"
#include "config/keyword.h"
#include "config/reader.h"

/* The line under parsing: argv[at] is the option, value what was given with it. */
struct args_parser {
	struct args *a;
	char **argv;
	int argc, at;
	const char *value;
};

enum arg_form { ARG_FLAG, ARG_VALUE, ARG_JOINED };

struct arg_row {
	const char *name;
	enum arg_form form;
	int (*take)(struct args_parser *p);
	const char *help; /* NULL: not listed */
	size_t flag;      /* ARG_FLAG without take: offset of the bool */
};

static int complain(const struct args_parser *p, const char *what)
{
	fprintf(stderr, "%s: %s: %s\n'%s -h' lists the options\n", p->a->program, p->argv[p->at],
		what, p->a->program);
	return -1;
}

static void add_file(struct args *a, const char *path)
{
	a->files = xrealloc(a->files, (a->nfiles + 2) * sizeof(*a->files));
	a->files[a->nfiles++] = path;
	a->files[a->nfiles] = NULL;
}

static int take_file(struct args_parser *p)
{
	add_file(p->a, p->value);
	return 0;
}

/* "--": everything behind it is a file. */
static int take_rest(struct args_parser *p)
{
	while (p->at + 1 < p->argc)
		add_file(p->a, p->argv[++p->at]);
	return 0;
}

static int take_directory(struct args_parser *p)
{
	p->a->directory = p->value;
	return 0;
}

static int take_localpeer(struct args_parser *p)
{
	p->a->localpeer = p->value;
	return 0;
}

static int take_pidfile(struct args_parser *p)
{
	p->a->pidfile = p->value;
	return 0;
}

static int take_condition(struct args_parser *p)
{
	p->a->condition = p->value;
	return 0;
}

static int take_count(struct args_parser *p, int64_t max, int64_t *out)
{
	return parse_i64(slice_z(p->value), 1, max, out)
		       ? complain(p, "a whole number of 1 or more is expected")
		       : 0;
}

static int take_maxconn(struct args_parser *p)
{
	return take_count(p, INT32_MAX, &p->a->maxconn);
}

static int take_proxy_maxconn(struct args_parser *p)
{
	return take_count(p, INT32_MAX, &p->a->proxy_maxconn);
}

static int take_memory(struct args_parser *p)
{
	return take_count(p, INT32_MAX, &p->a->memory_mb);
}

static int take_dump(struct args_parser *p)
{
	p->a->dump_names = p->value;
	return 0;
}

static int take_debug(struct args_parser *p)
{
	p->a->debug = p->a->foreground = true;
	return 0;
}

static int take_notify(struct args_parser *p)
{
	p->a->master_worker = p->a->notify = true;
	return 0;
}

static int take_quiet(struct args_parser *p)
{
	p->a->quiet = true;
	return 0;
}

static int take_verbose(struct args_parser *p)
{
	p->a->verbose = true;
	p->a->quiet = false;
	return 0;
}

static int take_diag(struct args_parser *p)
{
	config_reading.diag_mode = true;
	return 0;
}

static int take_no_getaddrinfo(struct args_parser *p)
{
	config_reading.no_getaddrinfo = true;
	return 0;
}

static int take_ignore_resolution(struct args_parser *p)
{
	config_reading.ignore_resolution = true;
	return 0;
}

/* Options about pollers and libraries that lbd does not have: nothing would change. */
static int take_nothing(struct args_parser *p)
{
	return 0;
}

/* -dC, -dC<key>: a key other than 0 hides names. */
static int take_config_dump(struct args_parser *p)
{
	int64_t key = 0;

	if (*p->value && parse_i64(slice_z(p->value), 0, UINT32_MAX, &key))
		return complain(p, "a key is a number from 0 to 4294967295");
	dump_begin((uint32_t)key);
	return 0;
}

static int take_takeover(struct args_parser *p)
{
	p->a->takeover = p->value;
	return 0;
}

static int take_master_cli(struct args_parser *p)
{
	p->a->master_cli = p->value;
	return 0;
}

static int take_ipv4(struct args_parser *p)
{
	config_reading.ipv4_only = true;
	return 0;
}

static int take_old_pids(struct args_parser *p)
{
	struct args *a = p->a;
	int64_t pid;

	a->old_signal = strcmp(p->argv[p->at], "-sf") ? SIGTERM : SIGUSR1;
	while (p->at + 1 < p->argc && p->argv[p->at + 1][0] != '-') {
		p->at++;
		if (parse_i64(slice_z(p->argv[p->at]), 1, INT32_MAX, &pid))
			return complain(p, "-sf and -st take process numbers");
		a->old_pids = xrealloc(a->old_pids, (a->nold + 1) * sizeof(*a->old_pids));
		a->old_pids[a->nold++] = (pid_t)pid;
	}
	return 0;
}

static int take_missing(struct args_parser *p)
{
	return complain(p, "this option is HAProxy's, lbd does not have it yet");
}

#define FLAG(name, member, help)                                          \
	{                                                                 \
		name, ARG_FLAG, NULL, help, offsetof(struct args, member) \
	}

static const struct arg_row rows[] = {
	{ "-f", ARG_VALUE, take_file,
	  "-f <file|dir>  configuration file, or directory of *.cfg; may be repeated" },
	{ "--", ARG_FLAG, take_rest, "-- <file>...   all that follow are configuration files" },
	FLAG("-c", check, "-c             check the configuration and exit"),
	{ "-cc", ARG_VALUE, take_condition,
	  "-cc <cond>     evaluate a condition as in '.if'; exit 0 if true, 1 if false, 2 if "
	  "wrong" },
	{ "-V", ARG_FLAG, take_verbose,
	  "-V             verbose; with -c prints the plan of data paths" },
	{ "-q", ARG_FLAG, take_quiet, "-q             quiet: says errors only" },
	FLAG("-v", version, "-v             version"),
	FLAG("-vv", build_info, "-vv            version, features, libraries"),
	{ "-d", ARG_FLAG, take_debug, "-d             debug: stay in the foreground and say more" },
	FLAG("-db", foreground, "-db            stay in the foreground"),
	FLAG("-D", daemon, "-D             go into the background"),
	FLAG("-W", master_worker, "-W             master-worker: reload by SIGUSR2"),
	{ "-Ws", ARG_FLAG, take_notify,
	  "-Ws            the same, and tells systemd (Type=notify)" },
	{ "-C", ARG_VALUE, take_directory, "-C <dir>       change to this directory first" },
	{ "-p", ARG_VALUE, take_pidfile,
	  "-p <file>      write the process's number there (in the background)" },
	{ "-n", ARG_VALUE, take_maxconn, "-n <number>    most connections of the process" },
	{ "-N", ARG_VALUE, take_proxy_maxconn,
	  "-N <number>    most connections of a frontend that says nothing" },
	{ "-m", ARG_VALUE, take_memory, "-m <MB>        limit of memory" },
	{ "-L", ARG_VALUE, take_localpeer,
	  "-L <name>      name of this peer; default: the host's" },
	{ "-sf", ARG_FLAG, take_old_pids,
	  "-sf <pid>...   when started, tell these processes to finish" },
	{ "-st", ARG_FLAG, take_old_pids,
	  "-st <pid>...   when started, tell these processes to end at once" },
	{ "-dK", ARG_JOINED, take_dump,
	  "-dK<class,...> list what is implemented: all, acl, cfg, cli, cnv, flt, smp, svc; "
	  "-dKtsv: kind<TAB>name" },
	{ "-dC", ARG_JOINED, take_config_dump,
	  "-dC[key]       print the configuration as it was read; with a key (a number) names, "
	  "addresses and secrets are hashed" },
	{ "-dD", ARG_FLAG, take_diag, "-dD            diagnostics: '.diag' lines speak" },
	{ "-dG", ARG_FLAG, take_no_getaddrinfo, "-dG            as 'nogetaddrinfo': names of servers stand for IPv4 addresses only" },
	{ "-dr", ARG_FLAG, take_ignore_resolution,
	  "-dr            go on when a server's name cannot be resolved" },
	FLAG("-dR", no_reuseport, "-dR            one shared socket per address, no SO_REUSEPORT"),
	FLAG("-dS", no_splice, "-dS            no splice(2)"),
	FLAG("-dW", zero_warning, "-dW            warnings are errors"),
	FLAG("-h", help, "-h             this list"),
	/* of no influence here: lbd has no other poller than epoll, and no TLS towards servers to be lax about */
	{ "-dp", ARG_FLAG, take_nothing, NULL },
	{ "-dV", ARG_FLAG, take_nothing, NULL },
	{ "-dM", ARG_JOINED, take_missing, NULL },
	{ "-de", ARG_FLAG, take_nothing,
	  "-de            no effect: epoll is the only poller (as -dp, -dk, -dv)" },
	{ "-dk", ARG_FLAG, take_nothing, NULL },
	{ "-dv", ARG_FLAG, take_nothing, NULL },
	FLAG("-dF", no_splice, "-dF            no fast forwarding: as -dS"),
	FLAG("-dI", insecure_fork,
	     "-dI            the process may start others, as 'insecure-fork-wanted'"),
	FLAG("-dL", dump_libraries, "-dL            list the shared libraries that are loaded"),
	{ "-dZ", ARG_FLAG, take_nothing,
	  "-dZ            no effect: there is no zero-copy forwarding beside splice(2)" },
	{ "-4", ARG_FLAG, take_ipv4,
	  "-4             names of servers stand for IPv4 addresses only" },
	{ "-S", ARG_VALUE, take_master_cli,
	  "-S <address>[,<bind option>...]  the master's CLI, with -W" },
	{ "-x", ARG_VALUE, take_takeover,
	  "-x <socket>    take the listening sockets over from the process with this stats socket "
	  "(expose-fd listeners)" },
	FLAG("--version", version, NULL),
	FLAG("--help", help, NULL),
};

static const struct arg_row *row_find(const char *z)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (!strcmp(rows[i].name, z) ||
		    (rows[i].form == ARG_JOINED && !strncmp(rows[i].name, z, strlen(rows[i].name))))
			return &rows[i];
	return NULL;
}

static void walk_options(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	static const char *const environment[] = {
		"HAPROXY_LOCALPEER",     "HAPROXY_CFGFILES",
		"HAPROXY_MWORKER",       "HAPROXY_STARTUP_VERSION",
		"HAPROXY_BRANCH",        "HAPROXY_VERSION",
		"HAPROXY_CLI",           "HAPROXY_MASTER_CLI",
		"HAPROXY_STARTUPLOGS_FD"
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].take != take_missing)
			emit(ctx, "cmdline", rows[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(environment); i++)
		emit(ctx, "env", environment[i]);
}

static void walk_quiet_options(void (*emit)(void *ctx, const char *kind, const char *name),
			       void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].take == take_nothing)
			emit(ctx, "cmdline", rows[i].name);
}

void args_init(void)
{
	static const struct name_walker walker = { "cfg", walk_options, walk_quiet_options };

	names_register(&walker);
}

static int take_one(struct args_parser *p)
{
	const struct arg_row *row = row_find(p->argv[p->at]);

	if (!row)
		return complain(p, "no such option");
	coverage_note("cmdline", row->name);
	if (row->form == ARG_VALUE) {
		if (p->at + 1 >= p->argc)
			return complain(p, "an argument is missing");
		p->value = p->argv[p->at + 1];
		if (row->take(p))
			return -1;
		p->at++;
		return 0;
	}
	if (row->form == ARG_JOINED)
		p->value = p->argv[p->at] + strlen(row->name);
	if (row->take)
		return row->take(p);
	*(bool *)((char *)p->a + row->flag) = true;
	return 0;
}

int args_parse(struct args *a, int argc, char **argv)
{
	struct args_parser p = { a, argv, argc, 1, NULL };
	const char *slash = argc ? strrchr(argv[0], '/') : NULL;

	*a = (struct args){ .start_dir = -1 };
	a->program = slash ? slash + 1 : argc ? argv[0] : "lbd";
	a->files = xzalloc(sizeof(*a->files));
	for (; p.at < argc; p.at++)
		if (take_one(&p))
			return -1;
	return 0;
}

void args_help(const struct args *a)
{
	args_version(a);
	printf("Usage: %s -f <file> [option ...]\n", a->program);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].help)
			printf("    %s\n", rows[i].help);
}
