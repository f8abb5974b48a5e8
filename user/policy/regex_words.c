// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * regex_words.c - see regex_words.h. It reads as little of PCRE's syntax as it can: what stands in groups and classes is skipped, a
 * character that may be missing (?, *, {) is dropped, and anything else that is not plain ends the reading with no words at all.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "policy/regex_words.h"

struct reader {
	const char *p;
	struct regex_words *out;
	struct regex_word **last; /* of this alternative */
	struct regex_word run;
};

void regex_words_free(struct regex_words *w)
{
	for (int i = 0; i < w->n; i++)
		for (struct regex_word *at = w->first[i], *next; at; at = next) {
			next = at->next;
			free(at);
		}
	w->n = 0;
}

static void run_ends(struct reader *r)
{
	struct regex_word *w;

	if (r->run.n >= REGEX_WORD_LEAST) {
		w = xzalloc(sizeof(*w));
		memcpy(w, &r->run, sizeof(*w));
		*r->last = w;
		r->last = &w->next;
	}
	r->run.n = 0;
}

/* The last character may be missing, or be there several times. */
static void run_loses_one(struct reader *r)
{
	if (r->run.n)
		r->run.n--;
	run_ends(r);
}

static void run_grows(struct reader *r, char c)
{
	if (r->run.n == REGEX_WORD_MOST)
		run_ends(r);
	r->run.text[r->run.n++] = c;
}

static bool alternative_begins(struct reader *r)
{
	if (r->out->n == REGEX_ALTS)
		return false;
	r->last = &r->out->first[r->out->n++];
	*r->last = NULL;
	return true;
}

/* Behind a backslash, outside a class. */
static bool read_escape(struct reader *r, bool plain)
{
	unsigned char c = (unsigned char)*r->p;

	if (!c)
		return false;
	r->p++;
	if (!isalnum(c) && c < 0x80) {
		if (plain)
			run_grows(r, (char)c);
		return true;
	}
	run_ends(r);
	return strchr("dDwWsSbBhHvVAzZ", c) != NULL;
}

/* Behind the opening bracket. */
static bool skip_class(struct reader *r)
{
	if (*r->p == '^')
		r->p++;
	if (*r->p == ']')
		r->p++;
	for (; *r->p && *r->p != ']'; r->p++) {
		if (*r->p == '\\') {
			r->p++;
			if (!*r->p || *r->p == 'Q' || *r->p == 'E' || *r->p == 'c')
				return false;
		} else if (*r->p == '[' && r->p[1] && strchr(":.=", r->p[1])) {
			r->p += 2;
			r->p += *r->p == '^';
			while (islower((unsigned char)*r->p))
				r->p++;
			if (r->p[0] != ':' || r->p[1] != ']')
				return false;
			r->p++;
		}
	}
	return *r->p++ == ']';
}

/* Behind the opening parenthesis: a group of which only the end matters? */
static bool open_group(struct reader *r)
{
	static const char *const known[] = { "?:", "?=", "?!", "?>", "?<", "?P<" };

	if (*r->p == '*')
		return false;
	if (*r->p != '?')
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (strncmp(r->p, known[i], strlen(known[i])) == 0) {
			r->p += strlen(known[i]);
			return true;
		}
	return false;
}

/* Behind the opening brace: of a quantifier, or a plain one. */
static bool skip_braces(struct reader *r)
{
	r->p += strspn(r->p, "0123456789, ");
	return *r->p++ == '}';
}

/* Up to the end of the group whose opening parenthesis was read. */
static bool skip_group(struct reader *r)
{
	for (int depth = 0;;) {
		switch (*r->p++) {
		case 0:
			return false;
		case '\\':
			if (!read_escape(r, false))
				return false;
			break;
		case '[':
			if (!skip_class(r))
				return false;
			break;
		case '(':
			if (!open_group(r))
				return false;
			depth++;
			break;
		case ')':
			if (!depth--)
				return true;
			break;
		}
	}
}

/* One element; false: not understood. */
static bool read_one(struct reader *r)
{
	char c = *r->p++;

	switch (c) {
	case '\\':
		return read_escape(r, true);
	case '?':
	case '*':
		run_loses_one(r);
		return true;
	case '{':
		run_loses_one(r);
		return skip_braces(r);
	case '[':
		run_ends(r);
		return skip_class(r);
	case '(':
		run_ends(r);
		if (strncmp(r->p, "?i)", 3) == 0) {
			r->p += 3;
			return true;
		}
		return open_group(r) && skip_group(r);
	case '|':
		run_ends(r);
		return r->out->first[r->out->n - 1] && alternative_begins(r);
	case '+':
	case '.':
	case '^':
	case '$':
		run_ends(r);
		return true;
	default:
		run_grows(r, c);
		return c != ')';
	}
}

void regex_words_read(const char *expression, struct regex_words *out)
{
	struct reader r = { .p = expression, .out = out };
	bool ok = true;

	out->n = 0;
	alternative_begins(&r);
	while (ok && *r.p)
		ok = read_one(&r);
	run_ends(&r);
	if (!ok || !out->first[out->n - 1])
		regex_words_free(out);
}
