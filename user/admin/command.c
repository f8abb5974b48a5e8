// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command.c - the commands of the stats socket: registry, look-up, `help`, and what commands need again and again.
 * Not for: the connection (client.c), commands themselves (cmd_*.c and other rooms). Control thread.
 */
#include "admin/private.h"
#include "base/coverage.h"

#include <stdio.h>
#include <stdlib.h>

static const struct cli_command **commands; /* sorted by words */
static size_t ncommands;
static char **first_words; /* of all commands, in order of registration: for "did you mean" */

static int by_words(const void *a, const void *b)
{
	return strcmp((*(const struct cli_command *const *)a)->words,
		      (*(const struct cli_command *const *)b)->words);
}

void cli_register(const struct cli_command *rows, size_t n)
{
	commands = xrealloc(commands, (ncommands + n) * sizeof(*commands));
	for (size_t i = 0; i < n; i++)
		commands[ncommands++] = &rows[i];
	qsort(commands, ncommands, sizeof(*commands), by_words);
	first_words = xrealloc(first_words, ncommands * sizeof(*first_words));
	for (size_t i = ncommands - n; i < ncommands; i++) {
		const char *words = rows[i - (ncommands - n)].words;

		first_words[i] = xzalloc(strcspn(words, " ") + 1);
		memcpy(first_words[i], words, strcspn(words, " "));
	}
}

/* How many words of @c stand at the start of @r's words; 0: another command. *total: how many it has. */
static int words_match(const struct cli_command *c, const struct cli_request *r, int *total)
{
	const char *p = c->words;
	int n = 0, hits = 0;

	while (*p) {
		size_t len = strcspn(p, " ");

		if (hits == n && n < r->nwords && strlen(r->words[n]) == len &&
		    strncmp(r->words[n], p, len) == 0)
			hits++;
		n++;
		p += len;
		p += *p == ' ';
	}
	*total = n;
	return hits;
}

/* ---- help ---- */

/* Hidden commands have no usage. */
static void help_row(struct strbuf *o, const struct cli_command *c)
{
	if (c->usage)
		strbuf_addf(o, "  %-40s: %s\n", c->usage, c->help);
}

static const char *const last_words[] = { "help", "prompt", "quit" };

static bool is_last(const struct cli_command *c)
{
	for (size_t i = 0; i < ARRAY_SIZE(last_words); i++)
		if (strcmp(c->words, last_words[i]) == 0)
			return true;
	return false;
}

/* Does the command start with the words the client gave? */
static bool help_matches(const struct cli_command *c, const struct cli_request *r, int from)
{
	const char *p = c->words;

	for (int i = from; i < r->nwords; i++) {
		size_t len = strcspn(p, " ");

		if (strlen(r->words[i]) > len || strncmp(r->words[i], p, strlen(r->words[i])) != 0)
			return false;
		p += len;
		p += *p == ' ';
	}
	return true;
}

static void help_list(struct cli_request *r,
		      bool (*want)(const struct cli_command *, const struct cli_request *, int),
		      int from)
{
	for (size_t i = 0; i < ncommands; i++)
		if (!is_last(commands[i]) && (!want || want(commands[i], r, from)))
			help_row(r->out, commands[i]);
	for (size_t k = 0; k < ARRAY_SIZE(last_words); k++)
		for (size_t i = 0; i < ncommands; i++)
			if (strcmp(commands[i]->words, last_words[k]) == 0)
				help_row(r->out, commands[i]);
}

/* How many of its first words the best commands share with what the client wrote. */
static int near_words;

static bool is_near(const struct cli_command *c, const struct cli_request *r, int from)
{
	int total;

	return near_words && words_match(c, r, &total) == near_words;
}

static void near_measure(const struct cli_request *r)
{
	near_words = 0;
	for (size_t i = 0; i < ncommands; i++) {
		int total, hits = words_match(commands[i], r, &total);

		near_words = hits > near_words ? hits : near_words;
	}
}

static const char *next_first_word(void *ctx)
{
	size_t *i = ctx;

	return *i < ncommands ? first_words[(*i)++] : NULL;
}

/* "shwo stat": the first word is replaced by the nearest one that starts a command. */
static bool some_near(struct cli_request *r)
{
	size_t i = 0;

	near_measure(r);
	if (!near_words) {
		const char *near = diag_nearest(r->words[0], next_first_word, &i);

		if (!near)
			return false;
		r->words[0] = (char *)near;
		near_measure(r);
	}
	return true;
}

static void say_unknown(struct cli_request *r)
{
	if (r->nwords && r->words[0][0] && some_near(r)) {
		strbuf_adds(r->out, "Unknown command, but maybe one of the following ones is a "
				    "better match:\n");
		help_list(r, is_near, 0);
	} else {
		strbuf_adds(r->out,
			    "Unknown command. Please enter one of the following commands only:\n");
		help_list(r, NULL, 0);
	}
}

static enum cli_result run_help(struct cli_request *r)
{
	if (r->nwords > r->first_arg) {
		strbuf_adds(r->out, "The following commands are valid at this level:\n");
		help_list(r, help_matches, r->first_arg);
	} else {
		strbuf_adds(r->out, "The following commands are valid at this level:\n");
		help_list(r, NULL, 0);
	}
	return CLI_DONE;
}

/* ---- look-up ---- */

const struct cli_command *cli_lookup(struct cli_request *r, int *used)
{
	const struct cli_command *best = NULL;

	*used = 0;
	for (size_t i = 0; i < ncommands; i++) {
		int total, hits = words_match(commands[i], r, &total);

		if (hits == total && total > *used) {
			best = commands[i];
			*used = total;
		}
	}
	if (!best)
		say_unknown(r);
	else
		coverage_note("cli", best->words);
	return best;
}

/* ---- what commands use ---- */

struct cli_client *cli_client_of(struct cli_request *r)
{
	return container_of(r, struct cli_client, req);
}

const char *cli_arg(const struct cli_request *r, int k)
{
	return r->first_arg + k < r->nwords ? r->words[r->first_arg + k] : "";
}

enum cli_result cli_say(struct cli_request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(r->out, fmt, ap);
	va_end(ap);
	strbuf_addc(r->out, '\n');
	return CLI_DONE;
}

struct proxy *cli_find_backend(struct cli_request *r, const char *name)
{
	struct proxy *px;

	if (name[0] == '#')
		list_for_each_entry(px, &config->proxies, node)
			if ((px->caps & PX_BACKEND) && px->uuid == (uint32_t)atoi(name + 1))
				return px;
	return config_find_proxy(config, name, PX_BACKEND);
}

static struct server *find_in(const struct proxy *px, const char *name)
{
	struct server *s;

	list_for_each_entry(s, &px->servers, node)
		if (strcmp(s->name, name) == 0 ||
		    (name[0] == '#' && s->puid == (uint32_t)atoi(name + 1)))
			return s;
	return NULL;
}

struct server *cli_find_server(struct cli_request *r, int k)
{
	const char *text = cli_arg(r, k), *slash = strchr(text, '/');
	char name[256];
	struct proxy *px;
	struct server *s;

	if (!slash || (size_t)(slash - text) >= sizeof(name) || !slash[1]) {
		cli_say(r, "Require 'backend/server'.");
		return NULL;
	}
	snprintf(name, sizeof(name), "%.*s", (int)(slash - text), text);
	px = cli_find_backend(r, name);
	if (!px) {
		cli_say(r, "No such backend.");
		return NULL;
	}
	s = find_in(px, slash + 1);
	if (!s)
		cli_say(r, "No such server.");
	return s;
}

static void walk_names(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	for (size_t i = 0; i < ncommands; i++)
		emit(ctx, "cli", commands[i]->words);
}

static const struct cli_command rows[] = {
	{ "help", CLI_USER, run_help, "help [<command>]", "list matching or all commands" },
};

void command_init(void)
{
	static const struct name_walker walker = { "cli", walk_names };

	cli_register(rows, ARRAY_SIZE(rows));
	names_register(&walker);
}
