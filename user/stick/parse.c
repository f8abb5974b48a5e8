// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * parse.c - the words of a table's line: type, size, expire, store ... (rows). Control thread.
 */
#include "stick/parse.h"
#include "base/coverage.h"
#include "base/units.h"
#include "model/proxy.h"
#include "stick/config.h"

/* ---- types ---- */

static const struct type_row {
	const char *name;
	enum smp_type type;
	uint32_t bytes;
	bool has_len;
} types[] = {
	{ "ip", SMP_IP4, 4, false },     { "ipv4", SMP_IP4, 4, false },
	{ "ipv6", SMP_IP6, 16, false },  { "integer", SMP_INT, 4, false },
	{ "string", SMP_STR, 32, true }, { "binary", SMP_BIN, 32, true },
};

#define KEY_MAX 16384

static const char *word_at(const struct cfg_line *l, int i)
{
	return i < l->nwords ? l->words[i].z : "";
}

/* *@i: the type's name. */
static int take_type(struct cfg_line *l, int *i, struct stick_table *t)
{
	int64_t len;

	for (size_t k = 0; k < ARRAY_SIZE(types); k++) {
		if (strcmp(types[k].name, word_at(l, *i)))
			continue;
		t->type = types[k].type;
		t->key_bytes = types[k].bytes;
		coverage_note("stick-table-type", types[k].name);
		++*i;
		if (!types[k].has_len || strcmp(word_at(l, *i), "len"))
			return 0;
		if (parse_i64(slice_z(word_at(l, *i + 1)), 1, KEY_MAX, &len))
			return cfg_error(l, *i + 1, "len must be 1..%d, not '%s'", KEY_MAX,
					 word_at(l, *i + 1));
		t->key_bytes = (uint32_t)len;
		*i += 2;
		return 0;
	}
	return cfg_error(l, *i,
			 "'%s' is no type of keys; there are ip, ipv4, ipv6, integer, string [len "
			 "<n>], binary [len <n>]",
			 word_at(l, *i));
}

/* ---- store ---- */

static int unknown_data(struct cfg_line *l, int word, struct slice name)
{
	char all[600];
	size_t n = 0;

	for (int d = 0; d < SD_TYPES; d++)
		n += (size_t)snprintf(all + n, sizeof(all) - n, "%s%s", n ? ", " : "",
				      stick_data_rows[d].name);
	return cfg_error(l, word, "'%.*s' is no type of data; there are %s", SLICE_FMT(name), all);
}

/* Arrays take the place of their single forms. */
static const struct {
	enum stick_data single, array;
} excluding[] = {
	{ SD_GPT0, SD_GPT },           { SD_GPC0, SD_GPC },           { SD_GPC1, SD_GPC },
	{ SD_GPC0_RATE, SD_GPC_RATE }, { SD_GPC1_RATE, SD_GPC_RATE },
};

static int check_exclusive(struct cfg_line *l, int word, struct stick_table *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(excluding); i++)
		if (t->count[excluding[i].single] && t->count[excluding[i].array])
			return cfg_error(l, word,
					 "a table stores either '%s' or the array '%s', not both: "
					 "the array's elements stand for the single ones",
					 stick_data_rows[excluding[i].single].name,
					 stick_data_rows[excluding[i].array].name);
	return 0;
}

/* "gpc_rate(2,10s)": the parts between the parentheses. */
static int take_args(struct cfg_line *l, int word, struct stick_table *t, int d, struct slice args)
{
	const struct stick_data_row *row = &stick_data_rows[d];
	ptrdiff_t comma = slice_chr(args, ',');
	struct slice first = comma < 0 ? args : slice_first(args, (size_t)comma), period = args;
	int64_t n = 1;

	if (row->array) {
		if (parse_i64(first, 1, STICK_ARRAY_MAX, &n))
			return cfg_error(l, word,
					 "%s: the number of elements must be 1..%d, not "
					 "'%.*s': %s",
					 row->name, STICK_ARRAY_MAX, SLICE_FMT(first),
					 row->kind == STICK_RATE ? "gpc_rate(<number>,<period>)"
								 : "gpc(<number>)");
		period = comma < 0 ? SLICE_NONE : slice_from(args, (size_t)comma + 1);
	}
	t->count[d] = (uint32_t)n;
	if (row->kind == STICK_RATE) {
		if (parse_time_ms(period, &t->period_ms[d]) || !t->period_ms[d] ||
		    t->period_ms[d] > INT32_MAX)
			return cfg_error(
				l, word,
				"%s needs its period, a time of at most 24 days: '%.*s' is "
				"none; write %s(%s<period>)",
				row->name, SLICE_FMT(period), row->name,
				row->array ? "<number>," : "");
	} else if (!row->array || comma >= 0) {
		return cfg_error(l, word, "%s takes no '(%.*s)'", row->name, SLICE_FMT(args));
	}
	return 0;
}

static int take_data(struct cfg_line *l, int word, struct stick_table *t, struct slice item)
{
	ptrdiff_t open = slice_chr(item, '(');
	struct slice name = open < 0 ? item : slice_first(item, (size_t)open);
	int d = stick_data_find(name);

	if (d < 0)
		return unknown_data(l, word, name);
	coverage_note("stick-table-data", stick_data_rows[d].name);
	if (t->count[d])
		return cfg_error(l, word, "'%s' is stored already", stick_data_rows[d].name);
	if (open < 0) {
		if (stick_data_rows[d].array || stick_data_rows[d].kind == STICK_RATE)
			return take_args(l, word, t, d, SLICE_NONE);
		t->count[d] = 1;
	} else {
		struct slice args = slice_from(item, (size_t)open + 1);

		if (!args.n || args.p[args.n - 1] != ')')
			return cfg_error(l, word, "')' is missing behind '%.*s'", SLICE_FMT(item));
		args.n--;
		if (take_args(l, word, t, d, args))
			return -1;
	}
	return check_exclusive(l, word, t);
}

/* "a,b(3,4),c": commas between parentheses part nothing. */
static int take_store(struct cfg_line *l, int *i, struct stick_table *t)
{
	const char *p = word_at(l, *i);

	if (!*p)
		return cfg_error(l, *i - 1, "'store' needs types of data behind it");
	while (*p) {
		size_t n = 0;
		int depth = 0;

		for (; p[n] && (p[n] != ',' || depth); n++)
			depth += p[n] == '(' ? 1 : p[n] == ')' ? -1 : 0;
		if (take_data(l, *i, t, slice_make(p, n)))
			return -1;
		p += n + (p[n] == ',');
	}
	++*i;
	return 0;
}

/* ---- the other words ---- */

static int take_size(struct cfg_line *l, int *i, struct stick_table *t)
{
	uint64_t size;

	if (parse_size(slice_z(word_at(l, *i)), &size) || !size || size > INT32_MAX)
		return cfg_error(l, *i, "size must be a number of entries (k, m, g), not '%s'",
				 word_at(l, *i));
	t->size = (uint32_t)size;
	++*i;
	return 0;
}

static int take_expire(struct cfg_line *l, int *i, struct stick_table *t)
{
	if (parse_time_ms(slice_z(word_at(l, *i)), &t->expire_ms) || t->expire_ms > INT32_MAX)
		return cfg_error(l, *i, "expire must be a time of at most 24 days, not '%s'",
				 word_at(l, *i));
	++*i;
	return 0;
}

static int take_nopurge(struct cfg_line *l, int *i, struct stick_table *t)
{
	t->nopurge = true;
	return 0;
}

static int take_name(struct cfg_line *l, int *i, const char **to, const char *what)
{
	if (!*word_at(l, *i))
		return cfg_error(l, *i - 1, "'%s' needs the name of a %s", word_at(l, *i - 1),
				 what);
	*to = l->words[(*i)++].z;
	return 0;
}

static int take_peers(struct cfg_line *l, int *i, struct stick_table *t)
{
	if (!t->px)
		return cfg_error(l, *i - 1, "a table of a peers section belongs to it: no 'peers'");
	return take_name(l, i, &t->peers_section, "peers section");
}

static int take_srvkey(struct cfg_line *l, int *i, struct stick_table *t)
{
	const char *z = word_at(l, *i);

	if (strcmp(z, "name") && strcmp(z, "addr"))
		return cfg_error(l, *i, "srvkey is 'name' or 'addr', not '%s'", z);
	t->srvkey = strcmp(z, "addr") ? STICK_SRVKEY_NAME : STICK_SRVKEY_ADDR;
	++*i;
	return 0;
}

static int take_write_to(struct cfg_line *l, int *i, struct stick_table *t)
{
	return take_name(l, i, &t->write_to_name, "table");
}

static const struct arg_row {
	const char *name;
	int (*take)(struct cfg_line *l, int *i, struct stick_table *t);
} args[] = {
	{ "type", take_type },       { "size", take_size },         { "expire", take_expire },
	{ "nopurge", take_nopurge }, { "peers", take_peers },       { "store", take_store },
	{ "srvkey", take_srvkey },   { "write-to", take_write_to },
};

static int take_word(struct cfg_line *l, int *i, struct stick_table *t)
{
	for (size_t k = 0; k < ARRAY_SIZE(args); k++) {
		if (strcmp(args[k].name, l->words[*i].z))
			continue;
		coverage_note("stick-table-arg", args[k].name);
		++*i;
		return args[k].take(l, i, t);
	}
	return cfg_error(l, *i, "'%s' is not expected here; usage: %s", l->words[*i].z,
			 STICK_TABLE_USAGE);
}

struct stick_table *stick_table_parse(struct cfg_line *l, int i, const char *name, struct proxy *px)
{
	struct stick_table *t = ARENA_NEW(l->arena, struct stick_table), *other;

	t->name = name;
	t->peers_name = name;
	t->px = px;
	t->type = SMP_NONE;
	t->at = cfg_place(l, 0);
	other = stick_table_find(slice_z(name));
	if (other) {
		cfg_error(l, 0, "there is another table of the name '%s', at %s:%d", name,
			  other->at.file, other->at.line);
		return NULL;
	}
	while (i < l->nwords)
		if (take_word(l, &i, t))
			return NULL;
	if (t->type == SMP_NONE || !t->size) {
		cfg_error(l, l->nwords, "'%s' is missing; usage: %s",
			  t->type == SMP_NONE ? "type" : "size", STICK_TABLE_USAGE);
		return NULL;
	}
	list_add_tail(&stick_tables, &t->node);
	return t;
}

/* ---- names ---- */

static void walk(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		emit(ctx, "stick-table-type", types[i].name);
	for (size_t i = 0; i < ARRAY_SIZE(args); i++)
		emit(ctx, "stick-table-arg", args[i].name);
	for (int d = 0; d < SD_TYPES; d++)
		emit(ctx, "stick-table-data", stick_data_rows[d].name);
}

static const struct name_walker walker = { "cfg", walk };

void stick_parse_register(void)
{
	names_register(&walker);
}
