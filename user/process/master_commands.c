// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What the master's CLI understands itself (management guide, section 9.4): a row per command. Replies as Debian's haproxy
 * has them, but `reload` also says how it went, as later versions do. In the master.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/coverage.h"
#include "config/keyword.h"
#include "config/version.h"
#include "process/master_private.h"
#include "process/startup_log.h"

extern char **environ;

enum { LEVEL_USER, LEVEL_OPERATOR, LEVEL_ADMIN };

struct mcommand {
	const char *words;
	int level;
	void (*run)(struct mclient *c, char **words, int nwords);
	const char *usage, *help;
	bool always; /* also when commands go to a worker */
	bool debug;  /* only with mcli-debug-mode */
};

static const char *const level_names[] = { "user", "operator", "admin" };

static void show_version(struct strbuf *o)
{
	strbuf_adds(o, LANGUAGE_VERSION "-lbd" LBD_VERSION);
}

/* ---- processes ---- */

static void row_begin(struct strbuf *o, pid_t pid, const char *type)
{
	strbuf_addf(o, "%-15d %-15s ", (int)pid, type);
}

static void row_end(struct strbuf *o, uint64_t since_s)
{
	uint64_t s = master_now_s() - since_s;
	char up[32];

	snprintf(up, sizeof(up), "%ud%02uh%02um%02us", (unsigned int)(s / 86400),
		 (unsigned int)(s / 3600 % 24), (unsigned int)(s / 60 % 60),
		 (unsigned int)(s % 60));
	strbuf_addf(o, "%-15s ", up);
	show_version(o);
	strbuf_addc(o, '\n');
}

static void run_proc(struct mclient *c, char **words, int nwords)
{
	struct strbuf *o = &c->out;
	char reloads[40];

	strbuf_addf(o, "%-15s %-15s %-15s %-15s %-15s\n", "#<PID>", "<type>", "<reloads>",
		    "<uptime>", "<version>");
	snprintf(reloads, sizeof(reloads), "%u [failed: %u]", master.reloads, master.failed);
	row_begin(o, getpid(), "master");
	strbuf_addf(o, "%-15s ", reloads);
	row_end(o, master.started_s);
	strbuf_adds(o, "# workers\n");
	for (int i = 0; i < master.n; i++) {
		if (i == 1)
			strbuf_adds(o, "# old workers\n");
		row_begin(o, master.worker[i].pid, "worker");
		strbuf_addf(o, "%-15u ", master.worker[i].reloads);
		row_end(o, master.worker[i].started_s);
	}
	strbuf_adds(o, "# programs\n");
}

static void add_startup_log(struct strbuf *o)
{
	char buf[4096];
	ssize_t n;
	off_t at = 0;

	while (master.startup_log >= 0 &&
	       (n = pread(master.startup_log, buf, sizeof(buf), at)) > 0) {
		strbuf_add(o, buf, (size_t)n);
		at += n;
	}
}

static void run_startup_logs(struct mclient *c, char **words, int nwords)
{
	add_startup_log(&c->out);
}

static void reload(struct mclient *c, bool hard)
{
	bool fine = master_reload(hard);

	mclient_say(c, "Success=%d\n--\n", fine);
	add_startup_log(&c->out);
	c->quit = true;
}

static void run_reload(struct mclient *c, char **words, int nwords)
{
	reload(c, false);
}

static void run_hard_reload(struct mclient *c, char **words, int nwords)
{
	reload(c, true);
}

/* ---- the conversation ---- */

static void run_level(struct mclient *c, char **words, int nwords)
{
	mclient_say(c, "%s\n", level_names[c->level]);
}

static void run_operator(struct mclient *c, char **words, int nwords)
{
	if (c->level > LEVEL_OPERATOR)
		c->level = LEVEL_OPERATOR;
}

static void run_user(struct mclient *c, char **words, int nwords)
{
	c->level = LEVEL_USER;
}

static void run_prompt(struct mclient *c, char **words, int nwords)
{
	c->prompt = !c->prompt;
}

static void run_quit(struct mclient *c, char **words, int nwords)
{
	c->quit = true;
}

static void set_mode(bool *mode, char **words, int nwords)
{
	if (nwords > 1)
		*mode = !strcmp(words[1], "on");
}

static void run_expert(struct mclient *c, char **words, int nwords)
{
	set_mode(&c->expert, words, nwords);
}

static void run_experimental(struct mclient *c, char **words, int nwords)
{
	set_mode(&c->experimental, words, nwords);
}

static void run_debug(struct mclient *c, char **words, int nwords)
{
	set_mode(&c->debug, words, nwords);
}

static void run_version(struct mclient *c, char **words, int nwords)
{
	show_version(&c->out);
	strbuf_addc(&c->out, '\n');
}

static void run_env(struct mclient *c, char **words, int nwords)
{
	size_t n = nwords > 2 ? strlen(words[2]) : 0;

	for (char **e = environ; e && *e; e++)
		if (!n || (!strncmp(*e, words[2], n) && (*e)[n] == '='))
			mclient_say(c, "%s\n", *e);
	if (n)
		coverage_note("env", words[2]);
}

static void run_help(struct mclient *c, char **words, int nwords);

static const struct mcommand rows[] = {
	{ "expert-mode", LEVEL_ADMIN, run_expert, "expert-mode [on|off]",
	  "shows the flag 'e'; no command of lbd needs it", true },
	{ "experimental-mode", LEVEL_ADMIN, run_experimental, "experimental-mode [on|off]",
	  "shows the flag 'x'; no command of lbd needs it", true },
	{ "hard-reload", LEVEL_OPERATOR, run_hard_reload, "hard-reload",
	  "reload, and end the workers before at once" },
	{ "mcli-debug-mode", LEVEL_ADMIN, run_debug, "mcli-debug-mode [on|off]",
	  "more commands about the master itself", true },
	{ "operator", LEVEL_OPERATOR, run_operator, "operator",
	  "lower the level of the current CLI session to operator", true },
	{ "reload", LEVEL_OPERATOR, run_reload, "reload", "reload lbd" },
	{ "show cli level", LEVEL_USER, run_level, "show cli level",
	  "display the level of the current CLI session" },
	{ "show env", LEVEL_OPERATOR, run_env, "show env [var]",
	  "dump environment variables known to the master", false, true },
	{ "show proc", LEVEL_USER, run_proc, "show proc", "show processes status" },
	{ "show startup-logs", LEVEL_USER, run_startup_logs, "show startup-logs",
	  "report logs emitted during the latest start or reload" },
	{ "show version", LEVEL_USER, run_version, "show version",
	  "show version of the current process" },
	{ "user", LEVEL_USER, run_user, "user",
	  "lower the level of the current CLI session to user", true },
	{ "help", LEVEL_USER, run_help, "help [<command>]", "list matching or all commands" },
	{ "prompt", LEVEL_USER, run_prompt, "prompt", "toggle interactive mode with prompt", true },
	{ "quit", LEVEL_USER, run_quit, "quit", "disconnect", true },
};

static bool row_is(const struct mcommand *r, char **words, int nwords)
{
	const char *p = r->words;

	for (int i = 0; *p; i++) {
		size_t n = strcspn(p, " ");

		if (i >= nwords || strlen(words[i]) != n || memcmp(words[i], p, n))
			return false;
		p += n;
		p += *p == ' ';
	}
	return true;
}

static bool row_allowed(const struct mcommand *r, const struct mclient *c)
{
	return !r->debug || c->debug;
}

static void help_line(struct mclient *c, const char *usage, const char *help)
{
	mclient_say(c, "  %-40s: %s\n", usage, help);
}

static void list_commands(struct mclient *c)
{
	help_line(c, "@!<pid>", "send a command to the <pid> process");
	help_line(c, "@<relative pid>", "send a command to the <relative pid> process");
	help_line(c, "@@<relative pid|!pid>", "talk with that process until it ends it");
	help_line(c, "@master", "send a command to the master process");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (row_allowed(&rows[i], c) && c->level >= rows[i].level)
			help_line(c, rows[i].usage, rows[i].help);
}

static void run_help(struct mclient *c, char **words, int nwords)
{
	mclient_say(c, "The following commands are valid at this level:\n");
	list_commands(c);
}

static const struct mcommand *find(const struct mclient *c, char **words, int nwords, bool always)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].always == always && row_allowed(&rows[i], c) &&
		    row_is(&rows[i], words, nwords))
			return &rows[i];
	return NULL;
}

static void run_row(const struct mcommand *r, struct mclient *c, char **words, int nwords)
{
	if (c->level < r->level) {
		mclient_say(c, "Permission denied\n%s", r->always ? "\n" : "");
		return;
	}
	coverage_note("master-cli", r->words);
	r->run(c, words, nwords);
}

bool master_command_always(struct mclient *c, char **words, int nwords)
{
	const struct mcommand *r = find(c, words, nwords, true);

	if (r)
		run_row(r, c, words, nwords);
	return r != NULL;
}

void master_command(struct mclient *c, char **words, int nwords)
{
	const struct mcommand *r = find(c, words, nwords, false);

	if (r) {
		run_row(r, c, words, nwords);
		return;
	}
	mclient_say(c, "Unknown command. Please enter one of the following commands only:\n");
	list_commands(c);
}

/* ---- names ---- */

static void walk(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	emit(ctx, "master-cli", "@<[!]pid>");
	emit(ctx, "master-cli", "@@<[!]pid>");
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		emit(ctx, "master-cli", rows[i].words);
}

void master_commands_init(void)
{
	static const struct name_walker walker = { "cli", walk };

	names_register(&walker);
}
