// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_crtlist.c - reading `crt-list` files: a certificate, its options in brackets, its server names. Not for: loading what
 * they name (tls_bind.c). Control thread.
 *
 *     <crtfile> [\[<option> ...\]] [[!]<server name> ...]
 */
#include "transport/tls_bind.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const char blanks[] = " \t\r\n";

/* ---- one line ---- */

static char *next_word(char **at)
{
	char *w = *at + strspn(*at, blanks);
	size_t n = strcspn(w, blanks);

	if (!n)
		return NULL;
	*at = w + n + (w[n] != 0);
	w[n] = 0;
	return w;
}

/* The options, from the word with the opening bracket to the one with the closing. */
static bool cut_options(char *w, char **at, struct tls_list_line *out, const char **why)
{
	bool open = true;

	w++;
	while (open) {
		size_t n = strlen(w);

		if (n && w[n - 1] == ']') {
			w[--n] = 0;
			open = false;
		}
		if (strchr(w, ']') || strchr(w, '[')) {
			*why = "has a bracket inside a word";
			return false;
		}
		if (n && out->noptions == (int)ARRAY_SIZE(out->options)) {
			*why = "has too many options";
			return false;
		}
		if (n)
			out->options[out->noptions++] = w;
		if (open && !(w = next_word(at))) {
			*why = "has a '[' without a ']'";
			return false;
		}
	}
	return true;
}

bool tls_crtlist_cut(char *text, struct tls_list_line *out, const char **why)
{
	char *at = text, *w;

	memset(out, 0, offsetof(struct tls_list_line, options));
	out->noptions = out->nfilters = 0;
	w = next_word(&at);
	if (!w || *w == '#')
		return true;
	out->crt = w;
	while ((w = next_word(&at))) {
		if (*w == '#')
			break;
		if (*w == '[') {
			if (out->noptions || out->nfilters) {
				*why = out->noptions ? "has options in brackets twice"
						     : "has options behind server names: they "
						       "stand before";
				return false;
			}
			if (!cut_options(w, &at, out, why))
				return false;
			continue;
		}
		if (out->nfilters == TLS_LIST_WORDS) {
			*why = "has too many server names";
			return false;
		}
		out->filters[out->nfilters++] = w;
	}
	return true;
}

/* ---- the lines of a file ---- */

/* Options as the words of a configuration line, so that their parse functions say errors with file and line. */
static const struct tls_options *own_options(struct tls_loader *ld, struct config *cfg,
					     struct tls_list_line *ll, bool *ok)
{
	struct tls_options *o;
	struct cfg_line l = { .cfg = cfg, .diag = ld->d, .arena = ld->arena, .at = ld->maker.at };
	struct cfg_word *words;
	int i = 0;

	if (!ll->noptions)
		return NULL;
	o = ARENA_NEW(ld->arena, struct tls_options);
	words = arena_zalloc(ld->arena, ((size_t)ll->noptions + 1) * sizeof(*words));
	for (int k = 0; k < ll->noptions; k++)
		words[k] = (struct cfg_word){ .z = arena_strdup(ld->arena, ll->options[k]),
					      .n = strlen(ll->options[k]) };
	words[ll->noptions].z = "";
	l.words = words;
	l.nwords = ll->noptions;
	l.within = "crt-list";
	while (i < l.nwords) {
		const struct tls_word *w = tls_word_find(words[i].z, TLS_LIST);
		int at = i;

		if (!w) {
			cfg_error(&l, i, "'%s' is no option of a certificate in a list",
				  words[i].z);
			*ok = false;
			return NULL;
		}
		if (w->parse(&l, &i, o, w) || i == at) {
			*ok = false;
			return NULL;
		}
	}
	return o;
}

static bool load_line(struct tls_loader *ld, struct config *cfg, struct tls_list_line *ll)
{
	struct tls_filter filters[TLS_LIST_WORDS];
	bool ok = true;

	for (int i = 0; i < ll->nfilters; i++) {
		const char *z = ll->filters[i];
		bool no = *z == '!';

		filters[i] = (struct tls_filter){ slice_z(arena_strdup(ld->arena, z + no)), no };
		if (!filters[i].name.n || filters[i].name.n > TLS_NAME_MAX) {
			diag_error(ld->d, ld->maker.at, "crt-list: '%s' is no server name", z);
			return false;
		}
	}
	ld->own = own_options(ld, cfg, ll, &ok);
	ld->filters = filters;
	ld->nfilters = ll->nfilters;
	ld->line = ++ld->b->lines;
	ok = ok && tls_load(ld, ll->crt, false);
	ld->filters = NULL;
	ld->nfilters = 0;
	return ok;
}

bool tls_crtlist_load(struct tls_loader *ld, struct config *cfg, const char *path)
{
	const struct tls_loader before = *ld;
	const char *why = NULL;
	char *line = NULL;
	size_t room = 0;
	bool ok = true;
	int number = 0;
	FILE *f;

	path = tls_path(ld->arena, tls_settings.crt_base, path);
	f = fopen(path, "re");
	if (!f) {
		diag_error(ld->d, ld->maker.at, "%s: crt-list '%s' cannot be read: %s",
			   ld->maker.who, path, strerror(errno));
		return false;
	}
	while (getline(&line, &room, f) > 0) {
		struct tls_list_line ll;

		number++;
		ld->maker = before.maker;
		ld->maker.at = (struct place){ .file = path, .line = number };
		if (!tls_crtlist_cut(line, &ll, &why)) {
			diag_error(ld->d, ld->maker.at, "%s: the line %s", ld->maker.who, why);
			ok = false;
		} else if (ll.crt) {
			ok = load_line(ld, cfg, &ll) && ok;
		}
	}
	free(line);
	fclose(f);
	ld->maker = before.maker;
	ld->own = NULL;
	return ok;
}
