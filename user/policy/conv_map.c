// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_map.c - maps: a file of "key value" lines, asked for the value whose key matches. map_str, map_beg ... say how keys are
 * compared, and with _int or _ip behind it what the values are. Of equal texts the first counts, of prefixes the longest, of networks the
 * smallest; of all others the first in the file's order. Files are read by the control thread; asked by any worker.
 */
#include "base/arena.h"
#include "policy/pattern_ref.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

struct map {
	const struct pat_ref *ref;
	int index;
	enum live_want want;
	enum smp_type out;
	bool replace;           /* regm: \1 in the value */
	struct sample fallback; /* SMP_NONE: there is none */
};

#define MAP_REPLACE    0x100
#define MAP_OUT(priv)  ((enum smp_type)((priv) >> 16))
#define MAP_KIND(priv) ((enum match_kind)((priv)&0xff))

static const char *out_name(enum smp_type out)
{
	return out == SMP_INT ? "a number" : "an address";
}

static int check_map(struct cfg_line *l, int word, struct smp_arg *args)
{
	intptr_t priv = args[SMP_MAX_ARGS - 1].i;
	const struct pat_use use = { .kind = MAP_KIND(priv),
				     .replace = priv & MAP_REPLACE,
				     .out = MAP_OUT(priv) };
	struct map *m = ARENA_NEW(l->arena, struct map);

	m->out = use.out;
	m->replace = use.replace;
	m->want = live_index_best(use.kind);
	if (arg_given(args, 1) && !pat_value_parse(args[1].s, m->out, &m->fallback))
		return cfg_error(l, word, "the default '%.*s' is not %s", SLICE_FMT(args[1].s),
				 out_name(m->out));
	m->ref = pat_ref_file(l, word, arena_dup(l->arena, args[0].s).p, true, &use, false);
	if (!m->ref)
		return -1;
	m->index = m->ref->uses[pat_ref_use(m->ref, &use)].index;
	args[0].ptr = m;
	return 0;
}

/* ---- asking ---- */

static bool expand(const struct live_node *n, struct slice with, const struct smp_ctx *ctx,
		   struct sample *smp)
{
	struct slice text = smp->u.s;
	size_t size = with.n + text.n * 10 + 1;
	char *buf = size < 65536 ? smp_alloc(ctx, size) : NULL;
	struct regex_groups g;
	ptrdiff_t len;

	if (!buf || !regex_match(live_node_regex(n), text, 0, &g))
		return false;
	len = regex_expand(buf, size, text, with, &g);
	return len >= 0 && smp_str(smp, slice_make(buf, (size_t)len));
}

/* The value may be replaced at any time: text is copied, so that it lives as long as the request. */
static bool value_out(struct slice text, enum smp_type out, const struct smp_ctx *ctx,
		      struct sample *smp)
{
	struct sample v;

	if (!pat_value_parse(text, out, &v))
		return false;
	if (v.type == SMP_STR) {
		char *copy = smp_alloc(ctx, text.n + 1);

		if (copy) {
			memcpy(copy, text.p, text.n + 1);
			v.u.s.p = copy;
		}
	}
	smp->type = v.type;
	smp->u = v.u;
	return true;
}

static bool conv_map(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	const struct map *m = args[0].ptr;
	const struct pat_gen *g = pat_ref_live(m->ref);
	const struct live_node *n = live_index_find(&g->index[m->index], smp, m->want);
	const struct pat_value *v = n ? rcu_dereference(n->entry->value) : NULL;

	if (!v) {
		if (m->fallback.type == SMP_NONE)
			return false;
		smp->type = m->fallback.type;
		smp->u = m->fallback.u;
		return true;
	}
	if (m->replace)
		return expand(n, slice_make(v->text, v->n), ctx, smp);
	return value_out(slice_make(v->text, v->n), m->out, ctx, smp);
}

/* Its values may change between two rules, so rules that ask a map are tried in turn. */
#define MAP(n, takes, gives, kind, h)                                                  \
	{                                                                              \
		.name = n, .in = takes, .out = gives, .min_args = 1, .max_args = 2,    \
		.args = { ARG_STR, ARG_STR }, .convert = conv_map, .check = check_map, \
		.priv = (kind) | (gives) << 16, .flags = FETCH_NO_INDEX, .help = h     \
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
	MAPS("map_bin", SMP_BIN, MATCH_BIN,
	     "The value of these bytes; keys are hexadecimal digits."),
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
