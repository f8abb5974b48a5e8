// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_map.c - maps: a file of "pattern value" lines, asked for the value whose pattern matches. map_str, map_beg ... say how
 * patterns are compared, and with _int or _ip behind it what the values are. Equal texts, prefixes (the longest wins), networks
 * (the most specific wins) and ends are looked up; numbers, "sub" and regular expressions are tried in the file's order.
 * Read by the control thread; asked by any worker.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/units.h"
#include "policy/pattern.h"
#include "policy/pattern_index.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

struct map {
	enum match_kind kind;
	bool replace; /* regm: \1 in the value */
	struct patterns patterns;
	struct sample *values; /* one for each pattern */
	struct key_table *keys;
	struct net_table *nets;
	struct sample fallback; /* SMP_NONE: there is none */
};

#define MAP_REPLACE    0x100
#define MAP_OUT(priv)  ((enum smp_type)((priv) >> 16))
#define MAP_KIND(priv) ((enum match_kind)((priv)&0xff))

/* ---- reading ---- */

static bool value_parse(struct slice text, enum smp_type out, struct sample *v)
{
	memset(v, 0, sizeof(*v));
	switch (out) {
	case SMP_INT:
		v->type = SMP_INT;
		return !parse_i64(text, INT64_MIN, INT64_MAX, &v->u.i);
	case SMP_ADDR:
		if (addr_parse_ip(&v->u.a, text))
			return false;
		v->type = v->u.a.family == ADDR_IP4 ? SMP_IP4 : SMP_IP6;
		return true;
	default:
		return smp_str(v, text);
	}
}

static const char *out_name(enum smp_type out)
{
	return out == SMP_INT ? "a number" : out == SMP_ADDR ? "an address" : "a text";
}

struct map_reader {
	struct cfg_line *l;
	int word;
	const char *path;
	struct map *map;
	enum smp_type out;
	int cap, line;
};

static int map_line(struct map_reader *r, char *at)
{
	struct map *m = r->map;
	const struct pattern_words plain = { .no_dns = true, .groups = m->replace };
	char *value = at + strcspn(at, " \t");
	int n = m->patterns.n;

	if (*value)
		*value++ = 0;
	value += strspn(value, " \t");
	for (size_t len = strlen(value); len && strchr(" \t", value[len - 1]);)
		value[--len] = 0;
	if (n == r->cap) {
		int cap = r->cap ? r->cap * 2 : 16;
		struct sample *more = arena_alloc(r->l->arena, sizeof(*more) * cap);

		if (n)
			memcpy(more, m->values, sizeof(*more) * n);
		m->values = more;
		r->cap = cap;
	}
	if (!value_parse(arena_dup(r->l->arena, slice_z(value)), r->out, &m->values[n]))
		return cfg_error(r->l, r->word, "%s:%d: '%s' is not %s", r->path, r->line, value,
				 out_name(r->out));
	return patterns_add(&m->patterns, r->l, r->word, at, &plain, r->path, r->line);
}

static int map_read(struct map_reader *r)
{
	FILE *f = fopen(r->path, "re");
	char *line = NULL;
	size_t cap = 0;
	ssize_t n;
	int bad = 0;

	if (!f)
		return cfg_error(r->l, r->word, "cannot open '%s': %s", r->path, strerror(errno));
	while (!bad && (n = getline(&line, &cap, f)) >= 0) {
		char *at = line;

		r->line++;
		while (n > 0 && (line[n - 1] == '\n' || line[n - 1] == '\r'))
			line[--n] = 0;
		if (*at == '#')
			continue;
		at += strspn(at, " \t");
		if (*at)
			bad = map_line(r, at);
	}
	if (!bad && ferror(f))
		bad = cfg_error(r->l, r->word, "cannot read '%s': %s", r->path, strerror(errno));
	free(line);
	fclose(f);
	return bad;
}

static void map_index(struct map *m, struct arena *a)
{
	struct patterns *p = &m->patterns;

	if (m->kind == MATCH_IP)
		m->nets = net_table_new(a);
	else
		m->keys = key_table_for(a, m->kind, false);
	for (int i = 0; i < p->n; i++) {
		if (m->keys)
			key_table_add(m->keys, p->v[i].text, (uint32_t)i);
		else if (m->nets && p->v[i].mask_is_prefix)
			net_table_add(m->nets, &p->v[i].net, p->v[i].bits, (uint32_t)i);
	}
	if (m->keys)
		key_table_seal(m->keys);
	if (m->nets)
		net_table_seal(m->nets);
}

static int check_map(struct cfg_line *l, int word, struct smp_arg *args)
{
	intptr_t priv = args[SMP_MAX_ARGS - 1].i;
	struct map *m = ARENA_NEW(l->arena, struct map);
	struct map_reader r = {
		.l = l, .word = word, .path = args[0].s.p, .map = m, .out = MAP_OUT(priv)
	};

	m->kind = m->patterns.kind = MAP_KIND(priv);
	m->replace = priv & MAP_REPLACE;
	args[0].ptr = m;
	if (arg_given(args, 1) && !value_parse(args[1].s, r.out, &m->fallback))
		return cfg_error(l, word, "the default '%.*s' is not %s", SLICE_FMT(args[1].s),
				 out_name(r.out));
	if (map_read(&r))
		return -1;
	map_index(m, l->arena);
	return 0;
}

/* ---- asking ---- */

struct found {
	bool longest; /* else the first in the file */
	int64_t at;
};

static bool note(void *ctx, const uint32_t *values, uint32_t n)
{
	struct found *f = ctx;

	if (f->longest || f->at < 0 || values[0] < f->at)
		f->at = values[0];
	return false;
}

static int64_t map_find(const struct map *m, const struct sample *s)
{
	struct found f = { m->kind == MATCH_BEG || m->kind == MATCH_IP, -1 };

	if (m->keys) {
		key_table_search(m->keys, s->u.s, note, &f);
		return f.at;
	}
	if (m->nets)
		net_table_search(m->nets, &s->u.a, note, &f);
	for (int i = 0; f.at < 0 && i < m->patterns.n; i++)
		if ((!m->nets || !m->patterns.v[i].mask_is_prefix) &&
		    pattern_matches(m->kind, &m->patterns.v[i], s))
			f.at = i;
	return f.at;
}

static bool expand(const struct map *m, int64_t at, const struct smp_ctx *ctx, struct sample *smp)
{
	struct slice with = m->values[at].u.s, text = smp->u.s;
	size_t size = with.n + text.n * 10 + 1;
	char *buf = size < 65536 ? smp_alloc(ctx, size) : NULL;
	struct regex_groups g;
	ptrdiff_t n;

	if (!buf || !regex_match(m->patterns.v[at].re, text, 0, &g))
		return false;
	n = regex_expand(buf, size, text, with, &g);
	return n >= 0 && smp_str(smp, slice_make(buf, (size_t)n));
}

static bool conv_map(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	const struct map *m = args[0].ptr;
	unsigned int flags = smp->flags;
	int64_t at = map_find(m, smp);
	const struct sample *v = at >= 0 ? &m->values[at] : &m->fallback;

	if (v->type == SMP_NONE)
		return false;
	if (at >= 0 && m->replace)
		return expand(m, at, ctx, smp);
	smp->type = v->type;
	smp->u = v->u;
	smp->flags = flags; /* the fetch may have more values */
	return true;
}

#define MAP(n, takes, gives, kind, h)                                                  \
	{                                                                              \
		.name = n, .in = takes, .out = gives, .min_args = 1, .max_args = 2,    \
		.args = { ARG_STR, ARG_STR }, .convert = conv_map, .check = check_map, \
		.priv = (kind) | (gives) << 16, .help = h                              \
	}
#define MAPS(n, takes, kind, h)                                                    \
	MAP(n, takes, SMP_STR, kind, h), MAP(n "_str", takes, SMP_STR, kind, h),   \
		MAP(n "_int", takes, SMP_INT, kind, h " Its values are numbers."), \
		MAP(n "_ip", takes, SMP_ADDR, kind, h " Its values are addresses.")

static const struct converter_row rows[] = {
	MAP("map", SMP_STR, SMP_STR, MATCH_STR,
	    "The value of this text in a map file; a default may follow."),
	MAPS("map_str", SMP_STR, MATCH_STR, "The value of this text in a map file."),
	MAPS("map_beg", SMP_STR, MATCH_BEG,
	     "The value of the longest key that the text begins with."),
	MAPS("map_end", SMP_STR, MATCH_END, "The value of the first key that the text ends with."),
	MAPS("map_sub", SMP_STR, MATCH_SUB, "The value of the first key that the text contains."),
	MAPS("map_dir", SMP_STR, MATCH_DIR,
	     "The value of the first key that is a part between slashes."),
	MAPS("map_dom", SMP_STR, MATCH_DOM,
	     "The value of the first key that is a part between dots."),
	MAPS("map_reg", SMP_STR, MATCH_REG,
	     "The value of the first regular expression that matches."),
	MAP("map_regm", SMP_STR, SMP_STR, MATCH_REG | MAP_REPLACE,
	    "The same, with \\1 ... of the value put in."),
	MAPS("map_int", SMP_INT, MATCH_INT, "The value of the first number or range that holds."),
	MAPS("map_ip", SMP_ADDR, MATCH_IP,
	     "The value of the smallest network that holds the address."),
};

void conv_map_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
