/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * diag.c - collecting and printing messages to the operator. See diag.h.
 */
#include "base/diag.h"
#include <stdlib.h>

#define EXCERPT_MAX 110 /* columns of a source line that are shown */
#define WORDS_MAX   600 /* characters of one line of a message */

struct diag_cause {
	struct list node;
	const char *cause;
	struct diag_entry *entry;
};

/* The once-causes hang in a list of their own behind the entries; O(n) in causes, of which there are few. */
static struct list causes = LIST_INIT(causes);

void diag_init(struct diag *d)
{
	list_init(&d->entries);
	arena_init(&d->arena, 8192);
	d->errors = d->warnings = d->notices = 0;
}

void diag_fini(struct diag *d)
{
	list_init(&causes);
	arena_fini(&d->arena);
	list_init(&d->entries);
}

static struct diag_entry *diag_addv(struct diag *d, enum diag_level level, struct place at,
				    const char *fmt, va_list ap)
{
	struct diag_entry *e = ARENA_NEW(&d->arena, struct diag_entry);

	e->level = level;
	e->at = at;
	e->text = arena_vprintf(&d->arena, fmt, ap);
	list_add_tail(&d->entries, &e->node);
	if (level == DIAG_ERROR)
		d->errors++;
	else if (level == DIAG_WARNING)
		d->warnings++;
	else
		d->notices++;
	return e;
}

void diag_add(struct diag *d, enum diag_level level, struct place at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	diag_addv(d, level, at, fmt, ap);
	va_end(ap);
}

void diag_warning_once(struct diag *d, const char *cause, struct place at, const char *fmt, ...)
{
	struct diag_cause *c;
	va_list ap;

	list_for_each_entry(c, &causes, node) {
		if (strcmp(c->cause, cause) == 0) {
			c->entry->repeats++;
			return;
		}
	}
	c = ARENA_NEW(&d->arena, struct diag_cause);
	c->cause = arena_strdup(&d->arena, cause);
	va_start(ap, fmt);
	c->entry = diag_addv(d, DIAG_WARNING, at, fmt, ap);
	va_end(ap);
	list_add_tail(&causes, &c->node);
}

/* The raw line and a caret below its column; a long line is cut around the column. Tabs stay, so the caret is right. */
static void print_excerpt(FILE *to, const struct place *at)
{
	size_t n = strcspn(at->text, "\r\n");
	size_t from = 0, col = at->column > 0 ? (size_t)at->column - 1 : 0;
	bool cut_left = false, cut_right = false;

	if (n > EXCERPT_MAX) {
		if (col > EXCERPT_MAX / 2) {
			from = col - EXCERPT_MAX / 2;
			cut_left = true;
		}
		if (n - from > EXCERPT_MAX) {
			n = from + EXCERPT_MAX;
			cut_right = true;
		}
	}
	fprintf(to, "    %s", cut_left ? "..." : "");
	for (size_t i = from; i < n; i++) {
		unsigned char c = (unsigned char)at->text[i];

		fputc(c == '\t' || c >= 0x20 ? c : '?', to);
	}
	fprintf(to, "%s\n", cut_right ? "..." : "");
	if (at->column <= 0)
		return;
	fprintf(to, "    %s", cut_left ? "   " : "");
	for (size_t i = from; i < col && i < n; i++)
		fputc(at->text[i] == '\t' ? '\t' : ' ', to);
	fputs("^\n", to);
}

/* One line of a message. It quotes what users wrote: control characters become '?', a word of a megabyte is cut. */
static void print_words(FILE *to, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		unsigned char c;

		if (n > WORDS_MAX && i == WORDS_MAX / 2) {
			i = n - WORDS_MAX / 2;
			fputs("...", to);
		}
		c = (unsigned char)p[i];
		fputc(c == '\t' || (c >= 0x20 && c != 0x7f) ? c : '?', to);
	}
}

static void print_entry(FILE *to, const struct diag_entry *e)
{
	static const char *const names[] = { "notice: ", "warning: ", "" };
	const char *rest = strchr(e->text, '\n');
	size_t first = rest ? (size_t)(rest - e->text) : strlen(e->text);

	if (e->at.file) {
		fprintf(to, "%s:", e->at.file);
		if (e->at.line > 0)
			fprintf(to, "%d:", e->at.line);
		if (e->at.line > 0 && e->at.column > 0)
			fprintf(to, "%d:", e->at.column);
		fputc(' ', to);
	} else {
		fputs("lbd: ", to);
	}
	fputs(names[e->level], to);
	print_words(to, e->text, first);
	if (e->repeats)
		fprintf(to, " (and %d more place%s)", e->repeats, e->repeats == 1 ? "" : "s");
	fputc('\n', to);
	if (e->at.text && e->at.line > 0)
		print_excerpt(to, &e->at);
	while (rest && *++rest) {
		size_t n = strcspn(rest, "\n");

		fputs("  ", to);
		print_words(to, rest, n);
		fputc('\n', to);
		rest += n;
		if (!*rest)
			break;
	}
}

void diag_print(struct diag *d, FILE *to, enum diag_level least)
{
	struct diag_entry *e, *tmp;

	list_for_each_entry_safe(e, tmp, &d->entries, node) {
		if (e->level >= least)
			print_entry(to, e);
		list_del(&e->node);
	}
	/* what was printed can no longer count repeats */
	list_init(&causes);
}

/* Optimal string alignment distance (Damerau-Levenshtein without double edits); words longer than 63 are cut. */
static int distance(const char *a, const char *b)
{
	enum { MAX = 64 };
	int d[3][MAX + 1];
	int n = (int)strlen(a), m = (int)strlen(b);
	int *prev2 = d[0], *prev = d[1], *cur = d[2];

	n = n < MAX ? n : MAX - 1;
	m = m < MAX ? m : MAX - 1;
	for (int j = 0; j <= m; j++)
		prev[j] = j;
	for (int i = 1; i <= n; i++) {
		int *spare;

		cur[0] = i;
		for (int j = 1; j <= m; j++) {
			int cost = a[i - 1] != b[j - 1];
			int v = prev[j - 1] + cost;

			if (prev[j] + 1 < v)
				v = prev[j] + 1;
			if (cur[j - 1] + 1 < v)
				v = cur[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    prev2[j - 2] + 1 < v)
				v = prev2[j - 2] + 1;
			cur[j] = v;
		}
		spare = prev2;
		prev2 = prev;
		prev = cur;
		cur = spare;
	}
	return prev[m];
}

const char *diag_nearest(const char *word, const char *(*next)(void *ctx), void *ctx)
{
	int limit = (int)strlen(word) / 3 + 1;
	const char *best = NULL, *c;

	while ((c = next(ctx))) {
		int v = distance(word, c);

		if (v < limit || (v == limit && !best)) {
			limit = v;
			best = c;
		}
	}
	return best;
}
