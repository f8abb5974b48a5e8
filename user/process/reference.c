// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `lbd -dKmd`: the reference of what is implemented, from the same rows that the parser uses, as Markdown.
 * Control thread; ends the program afterwards.
 */
#include "process/reference.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "config/registry.h"

/* One line of a table, whatever its registry. */
struct ref_row {
	const char *name, *usage, *help, *says;
	enum kernel_meaning kernel;
	unsigned int sections;
};

static int by_name(const void *a, const void *b)
{
	const struct ref_row *x = a, *y = b;
	int c = strcmp(x->name, y->name);

	return c ? c : (int)y->sections - (int)x->sections;
}

/* '|' would end a cell. */
static void print_cell(const char *z)
{
	for (; *z; z++)
		fputs(*z == '|' ? "\\|" : *z == '\n' ? " " : (char[]){ *z, 0 }, stdout);
}

static void print_kernel(const struct ref_row *r)
{
	static const char *const words[] = {
		[KERNEL_EXACT] = "exact",
		[KERNEL_APPROX] = "differs: ",
		[KERNEL_NEVER] = "not kernel: ",
		[KERNEL_HTTP] = "http only",
	};

	fputs(words[r->kernel], stdout);
	if (r->kernel == KERNEL_APPROX || r->kernel == KERNEL_NEVER)
		print_cell(r->says);
}

static void print_table(const char *title, struct ref_row *rows, size_t n, bool with_sections)
{
	char where[80];

	qsort(rows, n, sizeof(*rows), by_name);
	printf("\n## %s\n\n| usage | %swhat it does | on the kernel path |\n|---|%s---|---|\n",
	       title, with_sections ? "where | " : "", with_sections ? "---|" : "");
	for (size_t i = 0; i < n; i++) {
		fputs("| `", stdout);
		print_cell(rows[i].usage);
		fputs("` | ", stdout);
		if (with_sections)
			printf("%s | ",
			       registry_section_names(rows[i].sections, where, sizeof(where)));
		print_cell(rows[i].help);
		fputs(" | ", stdout);
		print_kernel(&rows[i]);
		puts(" |");
	}
}

#define ROWS_MAX 1024

#define FILL(at, member_sections)                                                              \
	for (size_t i = 0; n < ROWS_MAX && (r = at(i)); i++)                                   \
		rows[n++] = (struct ref_row)                                                   \
		{                                                                              \
			r->name, r->usage, r->help, r->kernel_says, r->kernel, member_sections \
		}

static void print_keywords(struct ref_row *rows, bool global)
{
	const struct cfg_keyword *r;
	size_t n = 0;

	for (size_t i = 0; n < ROWS_MAX && (r = registry_keyword_at(i)); i++)
		if ((r->sections & (global ? CFG_GLOBAL : CFG_ANY_PROXY)))
			rows[n++] = (struct ref_row){ r->name,        r->usage,  r->help,
						      r->kernel_says, r->kernel, r->sections };
	print_table(global ? "global" : "defaults, frontend, backend, listen", rows, n, !global);
}

static void print_bind_options(struct ref_row *rows)
{
	const struct bind_option *r;
	size_t n = 0;

	FILL(registry_bind_option_at, 0);
	print_table("bind lines", rows, n, false);
}

static void print_server_options(struct ref_row *rows)
{
	const struct server_option *r;
	size_t n = 0;

	FILL(registry_server_option_at, 0);
	print_table("server and default-server lines", rows, n, false);
}

struct name_list {
	char *kind;
	char **name;
	size_t n;
};

struct name_lists {
	struct name_list list[64];
	size_t n;
};

static void collect(void *ctx, const char *kind, const char *name)
{
	struct name_lists *all = ctx;
	struct name_list *l = all->list;

	if (!strcmp(kind, "global") || !strcmp(kind, "proxy") || !strcmp(kind, "bind-option") ||
	    !strcmp(kind, "server-option"))
		return; /* these have tables */
	while (l < all->list + all->n && strcmp(l->kind, kind))
		l++;
	if (l == all->list + ARRAY_SIZE(all->list))
		return;
	if (l == all->list + all->n) {
		all->n++;
		l->kind = xstrdup(kind);
	}
	l->name = xrealloc(l->name, (l->n + 1) * sizeof(*l->name));
	l->name[l->n++] = xstrdup(name);
}

static int by_text(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_kind(const void *a, const void *b)
{
	return strcmp(((const struct name_list *)a)->kind, ((const struct name_list *)b)->kind);
}

static void print_names(void)
{
	struct name_lists all = { 0 };

	registry_walk_names(NULL, collect, &all);
	qsort(all.list, all.n, sizeof(all.list[0]), by_kind);
	for (size_t i = 0; i < all.n; i++) {
		struct name_list *l = &all.list[i];

		qsort(l->name, l->n, sizeof(*l->name), by_text);
		printf("\n## %s\n\n", l->kind);
		for (size_t k = 0; k < l->n; k++) {
			if (!k || strcmp(l->name[k], l->name[k - 1])) {
				fputs(k ? ", `" : "`", stdout);
				print_cell(l->name[k]);
				fputs("`", stdout);
			}
		}
		putchar('\n');
		for (size_t k = 0; k < l->n; k++)
			free(l->name[k]);
		free(l->name);
		free(l->kind);
	}
}

void reference_print(void)
{
	struct ref_row *rows = xmalloc(ROWS_MAX * sizeof(*rows));

	puts("# What the configuration language has\n\n"
	     "Printed by `lbd -dKmd` (`make docs`) from the tables that the parser uses; do not "
	     "edit. The meaning of a word is\n"
	     "that of HAProxy's manual, unless it says so. \"On the kernel path\": what becomes of "
	     "it when its service runs in\n"
	     "the kernel: `exact`; `differs`, then `datapath auto` keeps the service in user space "
	     "unless the difference is\n"
	     "accepted; `not kernel` keeps it in user space; `http only` words never meet a kernel "
	     "service.");
	print_keywords(rows, true);
	print_keywords(rows, false);
	print_bind_options(rows);
	print_server_options(rows);
	print_names();
	free(rows);
}
