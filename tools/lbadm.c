/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm.c - entry of lbadm: options, finding the command's row, help. The commands live in tools/cmd/.
 */
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbadm.h"

#define DEFAULT_PIN "/sys/fs/bpf/lbd"

/* One per file of tools/cmd/, in the order of `lbadm help`. */
#define TABLES(X)                                                                         \
	X(cmd_services)                                                                   \
	X(cmd_servers) X(cmd_flows) X(cmd_explain) X(cmd_server) X(cmd_map) X(cmd_detach) \
		X(cmd_doctor)
#define DECLARE(t) extern const struct command_table t;
TABLES(DECLARE)
#define ADDRESS(t) &t,
static const struct command_table *const tables[] = { TABLES(ADDRESS) };
#define NTABLES (sizeof(tables) / sizeof(tables[0]))

static json_t *said;

void adm_say(struct adm *a, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (!a->json) {
		puts(text);
		return;
	}
	if (!said)
		said = json_array();
	json_array_append_new(said, json_string(text));
}

/* Only commands that change something say what they did; the others have printed their JSON themselves. */
static void print_said(const struct adm *a)
{
	json_t *o;

	if (!said)
		return;
	o = json_pack("{s:o, s:b}", "done", said, "dry_run", a->dry_run);
	json_dumpf(o, stdout, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
	putchar('\n');
	json_decref(o);
}

int adm_fail(const char *fmt, ...)
{
	va_list ap;

	fputs("lbadm: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return ADM_FAILED;
}

static const struct command *find_command(int argc, char **argv, int *words)
{
	const struct command *best = NULL;

	*words = 0;
	for (size_t t = 0; t < NTABLES; t++) {
		for (size_t i = 0; i < tables[t]->n; i++) {
			const struct command *c = &tables[t]->rows[i];
			const char *space = strchr(c->name, ' ');
			size_t n = space ? (size_t)(space - c->name) : strlen(c->name);

			if (strlen(argv[0]) != n || strncmp(argv[0], c->name, n) != 0)
				continue;
			if (!space && *words < 1) {
				best = c;
				*words = 1;
			} else if (space && argc > 1 && strcmp(argv[1], space + 1) == 0) {
				best = c;
				*words = 2;
			}
		}
	}
	return best;
}

int adm_usage(const char *name, const char *fmt, ...)
{
	va_list ap;

	fprintf(stderr, "lbadm %s: ", name);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	for (size_t t = 0; t < NTABLES; t++)
		for (size_t i = 0; i < tables[t]->n; i++)
			if (strcmp(tables[t]->rows[i].name, name) == 0)
				fprintf(stderr, "usage: lbadm %s %s\n", name,
					tables[t]->rows[i].usage);
	return ADM_USAGE;
}

static int print_help(FILE *to)
{
	fputs("lbadm shows, edits and explains what lbd has put into the kernel.\n"
	      "usage: lbadm [-p PINDIR] [-s STATS_SOCKET] [-j] COMMAND ...\n\n",
	      to);
	for (size_t t = 0; t < NTABLES; t++) {
		for (size_t i = 0; i < tables[t]->n; i++) {
			const struct command *c = &tables[t]->rows[i];

			fprintf(to, "  %s %s\n      %s\n", c->name, c->usage, c->help);
		}
	}
	fputs("\n  -p PINDIR   where lbd pins its maps (default " DEFAULT_PIN ")\n"
	      "  -s SOCKET   the daemon's stats socket (default: what the pinned maps say)\n"
	      "  -j          JSON instead of tables\n"
	      "  --dry-run   say what a change would do, change nothing\n"
	      "Exit code: 0 done, 1 failed, 64 wrong call; 'explain' adds 1 drop, 2 to this host; "
	      "'doctor' 1 problem found.\n",
	      to);
	return to == stdout ? ADM_OK : ADM_USAGE;
}

/* Options may stand anywhere; they are taken out of @argv. Returns the number of words left, or -1. */
static int take_options(struct adm *a, int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "-j") == 0 || strcmp(argv[i], "--json") == 0) {
			a->json = true;
		} else if (strcmp(argv[i], "--dry-run") == 0) {
			a->dry_run = true;
		} else if ((strcmp(argv[i], "-p") == 0 || strcmp(argv[i], "-s") == 0) &&
			   i + 1 < argc) {
			*(argv[i][1] == 'p' ? &a->pin : &a->socket) = argv[i + 1];
			i++;
		} else {
			argv[n++] = argv[i];
		}
	}
	argv[n] = NULL;
	return n;
}

int main(int argc, char **argv)
{
	struct adm a = { .pin = getenv("LBD_PIN") ? getenv("LBD_PIN") : DEFAULT_PIN };
	const struct command *c;
	int words, rc;

	argc = take_options(&a, argc, argv);
	if (argc == 0)
		return print_help(stderr);
	if (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "-h") == 0 ||
	    strcmp(argv[0], "--help") == 0)
		return print_help(stdout);
	c = find_command(argc, argv, &words);
	if (!c) {
		fprintf(stderr, "lbadm: there is no command '%s'; 'lbadm help' lists them\n",
			argv[0]);
		return ADM_USAGE;
	}
	if (a.dry_run && !(c->flags & CMD_CHANGES)) {
		fprintf(stderr, "lbadm %s: it changes nothing, so --dry-run has no meaning here\n",
			c->name);
		return ADM_USAGE;
	}
	rc = c->run(&a, argc - words, argv + words);
	print_said(&a);
	return rc;
}
