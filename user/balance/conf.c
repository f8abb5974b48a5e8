// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The words `balance` and `hash-type`. They fill a struct balance that hangs in the proxy as the module's own part and
 * is inherited from defaults sections. Control thread, before the workers start.
 */
#include "balance/private.h"
#include "base/coverage.h"
#include "balance/lookup.h"
#include "config/kw_server.h"

static struct ext balance_ext = { .name = "balance", .bytes = sizeof(struct balance) };

struct balance *balance_conf_of(struct proxy *px)
{
	return proxy_ext(px, &balance_ext);
}

static const char *next_algorithm(void *ctx)
{
	size_t *i = ctx;
	const struct balance_algorithm *row = balance_row((*i)++);

	return row ? row->name : NULL;
}

/* "'roundrobin', 'static-rr' and 'source'" */
static const char *all_algorithms(struct arena *a)
{
	const struct balance_algorithm *row;
	char *text = "";

	for (size_t i = 0; (row = balance_row(i)); i++)
		text = arena_printf(a, "%s%s'%s'", text,
				    !i                   ? ""
				    : balance_row(i + 1) ? ", "
							 : " and ",
				    row->usage ? row->usage : row->name);
	return text;
}

static int parse_balance(struct cfg_line *l)
{
	struct balance *b = balance_conf_of(l->px);
	const char *word = cfg_arg(l, 0);
	struct slice name = slice_make(word, strcspn(word, "("));
	const struct balance_algorithm *algo = balance_find(name);
	size_t at = 0;

	if (!cfg_argc(l)) /* as in HAProxy: the default */
		algo = balance_find(SLICE("roundrobin"));
	if (!algo) {
		const char *near = diag_nearest(word, next_algorithm, &at);

		return cfg_error(l, l->first_arg,
				 "'balance' has no algorithm '%s'%s%s%s\n  it has %s", word,
				 near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "",
				 all_algorithms(l->arena));
	}
	coverage_note("balance", algo->name);
	b->algo = algo;
	b->at = l->at;
	b->conf = NULL;
	b->user_only = false;
	if (algo->parse)
		return algo->parse(l, l->first_arg, b);
	if (word[name.n])
		return cfg_error(l, l->first_arg, "'balance %s' takes no argument in parentheses",
				 algo->name);
	if (cfg_argc(l) > 1)
		return cfg_warn(l, l->first_arg + 1,
				"'balance %s' takes no argument, '%s' is ignored", algo->name,
				cfg_arg(l, 1));
	return 0;
}

static const char *const hash_types[] = {
	[HASH_MAP_BASED] = "map-based",
	[HASH_CONSISTENT] = "consistent",
	[HASH_MAGLEV] = "maglev",
};

static int find_word(const char *const *words, size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(words[i], word))
			return (int)i;
	return -1;
}

static int parse_hash_type(struct cfg_line *l)
{
	struct balance *b = balance_conf_of(l->px);
	const char *names[HASH_FN_COUNT];
	int type = find_word(hash_types, ARRAY_SIZE(hash_types), cfg_arg(l, 0)), fn = HASH_FN_SDBM;

	for (size_t i = 0; i < HASH_FN_COUNT; i++)
		names[i] = lookup_fn_name(i);
	if (!strcmp(cfg_arg(l, 0), "avalanche"))
		return cfg_error(
			l, l->first_arg,
			"'hash-type avalanche' is gone from the language; write "
			"'hash-type map-based sdbm avalanche', which chooses the same servers");
	if (type < 0)
		return cfg_error(l, l->first_arg,
				 "'hash-type' is 'map-based', 'consistent' or 'maglev'%s%s%s",
				 cfg_argc(l) ? ", not '" : "", cfg_arg(l, 0),
				 cfg_argc(l) ? "'" : "");
	if (cfg_argc(l) > 1)
		fn = find_word(names, HASH_FN_COUNT, cfg_arg(l, 1));
	if (fn < 0)
		return cfg_error(
			l, l->first_arg + 1,
			"the function of 'hash-type' is 'sdbm', 'djb2', 'wt6', 'crc32' or 'none', "
			"not "
			"'%s'%s",
			cfg_arg(l, 1),
			!strcmp(cfg_arg(l, 1), "avalanche") ? "; 'avalanche' goes behind it" : "");
	if (cfg_argc(l) > 2 && strcmp(cfg_arg(l, 2), "avalanche"))
		return cfg_error(l, l->first_arg + 2,
				 "behind the function 'hash-type' takes only 'avalanche', not '%s'",
				 cfg_arg(l, 2));
	b->hash_at = l->at;
	b->hash_type = (enum hash_type)type;
	b->hash_fn = (uint8_t)fn;
	b->hash_fn_set = cfg_argc(l) > 1;
	b->avalanche = cfg_argc(l) > 2;
	coverage_note("hash-type", hash_types[type]);
	coverage_note("hash-function", names[fn]);
	if (b->avalanche)
		coverage_note("hash-type", "avalanche");
	if (cfg_argc(l) > 3)
		return cfg_warn(l, l->first_arg + 3, "nothing follows 'avalanche', '%s' is ignored",
				cfg_arg(l, 3));
	return 0;
}

static int parse_allbackups(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option allbackups"))
		return -1;
	l->px->options &= ~PX_O_ALLBACKUPS;
	l->px->no_options &= ~PX_O_ALLBACKUPS;
	if (l->negated)
		l->px->no_options |= PX_O_ALLBACKUPS;
	else if (!l->is_default)
		l->px->options |= PX_O_ALLBACKUPS;
	return 0;
}

static int parse_balance_factor(struct cfg_line *l)
{
	int64_t n;

	if (cfg_want_args(l, 1, 1, "hash-balance-factor <percent>") ||
	    cfg_arg_i64(l, 0, 0, 1000000, &n))
		return -1;
	if (n && n <= 100)
		return cfg_error(l, l->first_arg,
				 "'hash-balance-factor' must be 0 (off) or more than 100, not %lld",
				 (long long)n);
	balance_conf_of(l->px)->hash_balance_factor = (uint32_t)n;
	return 0;
}

static int parse_prefer_last(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option prefer-last-server"))
		return -1;
	cfg_option_apply(l, PX_O_PREFER_LAST);
	return 0;
}

/* `hash-key`: where a server's points on the ring come from. */
static int opt_hash_key(struct cfg_line *l, int *i, struct server *s)
{
	static const char *const names[] = { "id", "addr", "addr-port", NULL };
	int k = server_option_choice(l, i, names);

	if (k < 0)
		return -1;
	s->hash_key = (uint8_t)k;
	return 0;
}

static const struct server_option server_options[] = {
	{ "hash-key", opt_hash_key, KERNEL_EXACT, NULL, "hash-key id|addr|addr-port",
	  "What places the server on the ring of 'hash-type consistent'; default: its id." },
};

/* For -dK: the names that the words take. */
static void walk_names(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	const struct balance_algorithm *row;

	for (size_t i = 0; (row = balance_row(i)); i++)
		emit(ctx, "balance", row->name);
	for (size_t i = 0; i < ARRAY_SIZE(hash_types); i++)
		emit(ctx, "hash-type", hash_types[i]);
	emit(ctx, "hash-type", "avalanche");
	for (size_t i = 0; i < HASH_FN_COUNT; i++)
		emit(ctx, "hash-function", lookup_fn_name(i));
}

void balance_conf_init(void)
{
	static const struct cfg_keyword keywords[] = {
		{ .name = "balance",
		  .sections = CFG_DEFAULTS | CFG_BACKEND,
		  .parse = parse_balance,
		  .kernel = KERNEL_EXACT,
		  .usage = "balance <algorithm> [<arguments>]",
		  .help = "How a server is chosen when nothing (cookie, table, queue) has chosen "
			  "one; roundrobin by default." },
		{ .name = "hash-type",
		  .sections = CFG_DEFAULTS | CFG_BACKEND,
		  .parse = parse_hash_type,
		  .kernel = KERNEL_EXACT,
		  .usage = "hash-type map-based|consistent|maglev [sdbm|djb2|wt6|crc32|none "
			   "[avalanche]]",
		  .help = "How the number that a balancing hash gives is turned into a server; "
			  "map-based by default." },
		{ .name = "option allbackups",
		  .sections = CFG_DEFAULTS | CFG_BACKEND,
		  .parse = parse_allbackups,
		  .kernel = KERNEL_EXACT,
		  .usage = "option allbackups",
		  .help = "Without active servers all backups are used, not only the first.",
		  .flags = CFG_CAN_NEGATE },
		{ .name = "hash-balance-factor",
		  .sections = CFG_DEFAULTS | CFG_BACKEND,
		  .parse = parse_balance_factor,
		  .kernel = KERNEL_APPROX,
		  .kernel_says = "a server is not passed over for having more than its share",
		  .usage = "hash-balance-factor <percent>",
		  .help = "With 'hash-type consistent' and random: no server has more than this "
			  "share of "
			  "the average load." },
		{ .name = "option prefer-last-server",
		  .sections = CFG_DEFAULTS | CFG_BACKEND,
		  .parse = parse_prefer_last,
		  .kernel = KERNEL_HTTP,
		  .usage = "option prefer-last-server",
		  .help = "Requests of one client connection stay with the server of the one "
			  "before, if "
			  "the algorithm leaves the choice free.",
		  .flags = CFG_CAN_NEGATE },
	};
	static const struct name_walker names = { "cfg", walk_names };

	ext_register(EXT_PROXY, &balance_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_server_options(server_options, ARRAY_SIZE(server_options));
	names_register(&names);
}
