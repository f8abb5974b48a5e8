// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The start sequence, up to running threads. How it runs and ends is in run.c. Control thread.
 */
#include "process/start.h"
#include "base/coverage.h"

#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "config/condition.h"
#include "config/dump.h"
#include "config/reader.h"
#include "config/registry.h"
#include "config/version.h"
#include "log/log.h"
#include "loop/thread.h"
#include "model/server.h"
#include "process/affinity.h"
#include "process/args.h"
#include "process/background.h"
#include "process/limits.h"
#include "process/master.h"
#include "process/privileges.h"
#include "process/reference.h"
#include "process/run.h"
#include "process/signals.h"
#include "process/startup_log.h"
#include "process/takeover.h"

struct list start_hooks_list = LIST_INIT(start_hooks_list);
uint64_t process_start_wall_s;

/* Exit codes of `-c` and of a failed start, as HAProxy's. */
enum { EXIT_FINE = 0, EXIT_ERROR = 1, EXIT_NO_LISTENER = 2 };

void start_register(struct start_hooks *h)
{
	list_add_tail(&start_hooks_list, &h->node);
}

/* ---- what ends at once ---- */

static void emit_tsv(void *ctx, const char *kind, const char *name)
{
	printf("%s\t%s\n", kind, name);
}

/* @ctx: the kind that the last heading was printed for; a copy, for a walker may build its kinds in a buffer of its own. */
static void emit_list(void *ctx, const char *kind, const char *name)
{
	char **last = ctx;

	if (!*last || strcmp(*last, kind)) {
		printf("# %s\n", kind);
		free(*last);
		*last = xstrdup(kind);
	}
	printf("\t%s\n", name);
}

static int dump_names(const char *classes)
{
	char *last = NULL;

	if (!strcmp(classes, "tsv"))
		registry_walk_names(NULL, emit_tsv, NULL);
	else if (!strcmp(classes, "quiet"))
		registry_walk_quiet(emit_tsv, NULL);
	else if (!strcmp(classes, "md"))
		reference_print();
	else if (!*classes || !strcmp(classes, "help"))
		puts("# List of supported keyword classes:\nall: list all keywords\nacl: ACL "
		     "keywords\n"
		     "cfg: configuration keywords\ncli: CLI keywords\ncnv: sample converter "
		     "keywords\nflt: filter names\n"
		     "smp: sample fetch functions\nsvc: service names\ntsv: all, as "
		     "kind<TAB>name\nquiet: those without any visible effect, as "
		     "kind<TAB>name\nmd: the reference, as Markdown");
	else
		registry_walk_names(classes, emit_list, &last);
	free(last);
	return EXIT_FINE;
}

static int evaluate_condition(const char *text)
{
	struct arena a;
	const char *error, *at;
	int v;

	arena_init(&a, 0);
	v = condition_eval(&a, text, &error, &at);
	if (v < 0)
		fprintf(stderr, "-cc '%s': %s%s%s%s\n", text, error, *at ? " (at '" : "", at,
			*at ? "')" : "");
	arena_fini(&a);
	return v < 0 ? 2 : !v;
}

/* Options that answer and end. -1: go on. */
static int answer_and_end(const struct args *a)
{
	if (a->help) {
		args_help(a);
		return EXIT_FINE;
	}
	if (a->build_info) {
		args_build_info(a);
		return EXIT_FINE;
	}
	if (a->version) {
		args_version(a);
		return EXIT_FINE;
	}
	if (a->condition)
		return evaluate_condition(a->condition);
	if (a->dump_names && !a->nfiles)
		return dump_names(a->dump_names);
	if (!a->nfiles) {
		args_help(a);
		fprintf(stderr, "%s: no configuration file was given: -f <file>\n", a->program);
		return EXIT_ERROR;
	}
	return -1;
}

/* ---- configuration ---- */

static void set_environment(const struct args *a)
{
	struct strbuf files = STRBUF_INIT;
	char host[256] = "localhost";

	gethostname(host, sizeof(host) - 1);
	for (int i = 0; i < a->nfiles; i++)
		strbuf_addf(&files, "%s%s", i ? ";" : "", a->files[i]);
	option_localpeer = a->localpeer;
	setenv("HAPROXY_LOCALPEER", a->localpeer ? a->localpeer : host, a->localpeer != NULL);
	setenv("HAPROXY_CFGFILES", strbuf_z(&files), 1);
	setenv("HAPROXY_STARTUP_VERSION", LANGUAGE_VERSION, 1);
	setenv("HAPROXY_VERSION", LANGUAGE_VERSION, 1);
	setenv("HAPROXY_BRANCH", LANGUAGE_BRANCH, 1);
	if (a->master_worker)
		setenv("HAPROXY_MWORKER", "1", 1);
	strbuf_fini(&files);
}

/* HAPROXY_CLI: the stats sockets, for programs that the process starts. */
static void set_socket_environment(const struct config *cfg)
{
	struct strbuf all = STRBUF_INIT;
	const struct bind_conf *b;
	const struct bind_address *a;
	char buf[ADDR_TEXT_MAX];

	list_for_each_entry(b, &cfg->global.stats_listeners, node)
		list_for_each_entry(a, &b->addresses, node) {
			strbuf_adds(&all, all.n ? ";" : "");
			if (a->path)
				strbuf_addf(&all, "%s@%s", a->is_abstract ? "abns" : "unix",
					    a->path + a->is_abstract);
			else if (a->fd >= 0)
				strbuf_addf(&all, "fd@%d", a->fd);
			else
				strbuf_addf(&all, "%s@%s",
					    a->addr.family == ADDR_IP6 ? "ipv6" : "ipv4",
					    addr_text(&a->addr, buf, sizeof(buf)));
		}
	if (all.n)
		setenv("HAPROXY_CLI", strbuf_z(&all), 1);
	strbuf_fini(&all);
}

static int print_library(struct dl_phdr_info *info, size_t size, void *arg)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (*info->dlpi_name == '/')
		puts(info->dlpi_name);
	else if (!*info->dlpi_name && n > 0)
		printf("%.*s\n", (int)n, self);
	return 0;
}

static void dump_libraries(void)
{
	dl_iterate_phdr(print_library, NULL);
}

/* What the command line says wins over the file. */
static void apply_args(struct config *cfg, const struct args *a)
{
	struct global *g = &cfg->global;

	if (a->maxconn) {
		g->maxconn = (uint32_t)a->maxconn;
		g->maxconn_set = true;
	}
	if (a->proxy_maxconn) {
		struct proxy *px;

		list_for_each_entry(px, &cfg->proxies, node)
			if ((px->caps & PX_FRONTEND) && !px->maxconn)
				px->maxconn = (uint32_t)a->proxy_maxconn;
	}
	if (a->pidfile)
		g->pidfile = a->pidfile;
	if (!g->localpeer)
		g->localpeer = getenv("HAPROXY_LOCALPEER");
	g->daemon |= a->daemon;
	g->master_worker |= a->master_worker;
	g->debug |= a->debug;
	if (a->foreground || g->debug)
		g->daemon = false;
	g->quiet = (g->quiet || a->quiet) && !a->verbose;
	g->zero_warning |= a->zero_warning;
	g->no_splice |= a->no_splice;
	g->insecure_fork |= a->insecure_fork;
	if (a->no_reuseport)
		g->no_reuseport = true;
	cfg->files = a->files;
}

static bool has_listener(const struct config *cfg)
{
	const struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		if (!px->disabled && !list_empty(&px->binds))
			return true;
	return !list_empty(&cfg->global.stats_listeners);
}

/* 0, or -1 when there were errors (or warnings that count as errors). */
static int read_configuration(struct config *cfg, const struct args *a)
{
	for (int i = 0; i < a->nfiles; i++)
		config_read(cfg, a->files[i]);
	apply_args(cfg, a);
	if (a->master_cli && !cfg->global.master_worker)
		diag_warning(
			cfg->diag, PLACE_NONE,
			"-S: there is no master that could have a CLI: -W or 'master-worker' is "
			"missing");
	else if (a->master_cli)
		master_cli_parse(cfg, a->master_cli);
	affinity_apply_process();
	worker_count = limits_workers(cfg);
	config_finish(cfg);
	if (cfg->diag->errors)
		return -1;
	if (cfg->global.zero_warning && cfg->diag->warnings) {
		diag_error(cfg->diag, PLACE_NONE,
			   "there are %d warnings, and warnings count as errors here "
			   "(zero-warning, -dW)",
			   cfg->diag->warnings);
		return -1;
	}
	return 0;
}

static void print_messages(const struct config *cfg)
{
	startup_log_print(cfg->diag, cfg->global.quiet ? DIAG_ERROR : DIAG_NOTICE);
}

static int finish_check(struct config *cfg, const struct args *a, int warnings)
{
	FILE *to = dump_is_on() ? stderr : stdout; /* a dump stands alone */
	struct start_hooks *h;

	if (!has_listener(cfg)) {
		if (!cfg->global.quiet)
			fputs("Configuration file has no error but will not start (no listener) => "
			      "exit(2).\n",
			      to);
		return EXIT_NO_LISTENER;
	}
	if (cfg->global.quiet)
		return EXIT_FINE;
	if (a->verbose)
		list_for_each_entry(h, &start_hooks_list, node)
			if (h->describe)
				h->describe(cfg);
	if (warnings)
		fputs("Warnings were found.\n", to);
	fputs("Configuration file is valid\n", to);
	return EXIT_FINE;
}

/* ---- opening ---- */

/* Where the model's words go. */
static void say(const struct proxy *px, int level, const char *text)
{
	log_proxy(px, (enum log_level)level, "%s", text);
	if (!px)
		log_global((enum log_level)level, "%s", text);
}

static int open_all(struct config *cfg)
{
	struct start_hooks *h;
	int rc = 0;

	list_for_each_entry(h, &start_hooks_list, node)
		if (h->open && h->open(cfg, cfg->diag))
			rc = -1;
	return rc || cfg->diag->errors ? -1 : 0;
}

/* From a valid configuration to a process that may serve: everything that needs privileges. 0 or -1 (said). */
static int prepare_process(struct config *cfg, const struct args *a)
{
	struct diag *d = cfg->diag;
	struct global *g = &cfg->global;
	int rc;

	if (!has_listener(cfg)) {
		diag_error(d, PLACE_NONE, "no frontend listens anywhere: a 'bind' line is missing");
		return -1;
	}
	if (limits_apply(cfg, a, d) || (g->daemon && pidfile_open(g->pidfile, d)))
		return -1;
	if (g->daemon) {
		print_messages(cfg);
		if (background_enter(d))
			return -1;
	}
	model_counters_alloc(cfg);
	if (takeover_begin(a, d))
		return -1;
	rc = open_all(cfg);
	takeover_end();
	if (rc || pidfile_write(d))
		return -1;
	return privileges_drop(g, d);
}

static void tell_old_processes(const struct args *a)
{
	for (int i = 0; i < a->nold; i++)
		if (kill(a->old_pids[i], a->old_signal) && errno != ESRCH)
			fprintf(stderr, "lbd: cannot tell process %d to end: %s\n",
				(int)a->old_pids[i], strerror(errno));
}

static int change_directory(struct args *a)
{
	if (!a->directory)
		return 0;
	a->start_dir = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (!chdir(a->directory))
		return 0;
	fprintf(stderr, "%s: -C %s: %s\n", a->program, a->directory, strerror(errno));
	return -1;
}

int lbd_main(int argc, char **argv)
{
	struct args args;
	struct diag diag;
	int rc, warnings;
	bool is_worker = master_is_worker();

	coverage_hold();
	args_init();
	affinity_init();
	master_commands_init();
	startup_log_begin();
	if (args_parse(&args, argc, argv))
		return EXIT_ERROR;
	rc = answer_and_end(&args);
	if (rc >= 0)
		return rc;
	if (change_directory(&args))
		return EXIT_ERROR;
	process_start_wall_s = (uint64_t)time(NULL);
	set_environment(&args);
	diag_init(&diag);
	config = config_new(&diag);
	rc = read_configuration(config, &args);
	warnings = diag.warnings;
	if (args.dump_names)
		dump_names(args.dump_names);
	print_messages(config);
	if (rc) {
		fprintf(stderr, "%s: %d error%s in the configuration; nothing was started\n",
			args.program, diag.errors, diag.errors == 1 ? "" : "s");
		return EXIT_ERROR;
	}
	dump_print(stdout);
	set_socket_environment(config);
	if (args.dump_libraries)
		dump_libraries();
	if (args.check)
		return finish_check(config, &args, warnings);
	signals_block();
	server_say = say;
	rc = 0;
	config->global.takes_over = is_worker || args.nold || args.takeover;
	if (is_worker) /* by a reload: all about the process itself is the master's */
		args.nold = 0, args.takeover = NULL;
	else if (config->global.master_worker)
		rc = master_enter(&config->global, &args, argv, &diag);
	if (config->global.master_worker)
		config->global.daemon = false;
	rc = rc ? rc : prepare_process(config, &args);
	print_messages(config);
	if (rc)
		return EXIT_ERROR;
	return run(tell_old_processes, &args);
}
