// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cli.c - the commands `show table`, `set table`, `clear table`, with the replies of HAProxy 2.6. A dump takes one shard at
 * a time and pins its entries, so workers never wait for it. Control thread.
 */
#include "admin/private.h"
#include "base/units.h"
#include "stick/config.h"
#include "stick/values.h"
#include <stdlib.h>

#define FILTERS_MAX 4
#define OUT_ENOUGH  32768 /* a dump lets the client read in between */

enum filter_op { OP_EQ, OP_NE, OP_LE, OP_GE, OP_LT, OP_GT, OPS };
static const char *const op_names[OPS] = { "eq", "ne", "le", "ge", "lt", "gt" };

struct filter {
	enum stick_data data;
	enum filter_op op;
	int64_t value;
};

/* What a dump or clearing is at. */
struct walk {
	struct stick_table *t;
	struct filter filters[FILTERS_MAX];
	int nfilters;
	uint32_t shard;              /* the next one */
	struct stick_entry **pinned; /* of the shard under work */
	size_t n, at;
};

static void walk_free(void *cursor)
{
	struct walk *w = cursor;

	for (; w->at < w->n; w->at++)
		stick_unpin(w->t, w->pinned[w->at]);
	free(w->pinned);
	free(w);
}

/* The next entry, pinned; NULL: that was all. */
static struct stick_entry *walk_next(struct walk *w)
{
	while (w->at == w->n) {
		free(w->pinned);
		w->pinned = NULL;
		w->at = w->n = 0;
		if (w->shard == w->t->nshards)
			return NULL;
		w->pinned = stick_pin_shard(w->t, w->shard++, &w->n);
	}
	return w->pinned[w->at++];
}

/* ---- filters ---- */

static bool holds(const struct filter *f, int64_t v)
{
	switch (f->op) {
	case OP_EQ:
		return v == f->value;
	case OP_NE:
		return v != f->value;
	case OP_LE:
		return v <= f->value;
	case OP_GE:
		return v >= f->value;
	case OP_LT:
		return v < f->value;
	case OP_GT:
		return v > f->value;
	default:
		return false;
	}
}

/* Locked. */
static bool filters_hold(const struct walk *w, struct stick_entry *e)
{
	for (int i = 0; i < w->nfilters; i++)
		if (!holds(&w->filters[i],
			   (int64_t)stick_value(w->t, e, w->filters[i].data, 0, this_loop->now_ms)))
			return false;
	return true;
}

static enum cli_result filter_error(struct cli_request *r, int i, const char *text)
{
	return cli_say(r, "Filter entry #%d: %s", i + 1, text);
}

/* The words "data.<type> <operator> <value>" from argument @k on. false: an error was replied. */
static bool filters_parse(struct cli_request *r, int k, struct walk *w)
{
	while (*cli_arg(r, k)) {
		struct filter *f = &w->filters[w->nfilters];
		const char *word = cli_arg(r, k);
		int d, op = 0;

		if (w->nfilters == FILTERS_MAX) {
			cli_say(r, "Detected extra data in filter, %dth word of input, after '%s'",
				r->first_arg + k + 1, cli_arg(r, k - 1));
			return false;
		}
		d = strncmp(word, "data.", 5) ? -1 : stick_data_find(slice_z(word + 5));
		if (d < 0) {
			filter_error(r, w->nfilters, "Unknown data type");
			return false;
		}
		f->data = (enum stick_data)d;
		if (!w->t->count[d]) {
			filter_error(r, w->nfilters, "Data type not stored in this table");
			return false;
		}
		while (op < OPS && strcmp(op_names[op], cli_arg(r, k + 1)))
			op++;
		if (op == OPS) {
			filter_error(r, w->nfilters,
				     "Require and operator among \"eq\", \"ne\", \"le\", \"ge\", "
				     "\"lt\", \"gt\"");
			return false;
		}
		f->op = (enum filter_op)op;
		if (parse_i64(slice_z(cli_arg(r, k + 2)), INT64_MIN, INT64_MAX, &f->value)) {
			filter_error(r, w->nfilters,
				     "Require a valid integer value to compare against");
			return false;
		}
		w->nfilters++;
		k += 3;
	}
	return true;
}

/* ---- show ---- */

static void show_head(struct strbuf *out, struct stick_table *t)
{
	static const char *const names[] = { [SMP_IP4] = "ip",
					     [SMP_IP6] = "ipv6",
					     [SMP_INT] = "integer",
					     [SMP_STR] = "string",
					     [SMP_BIN] = "binary" };

	strbuf_addf(out, "# table: %s, type: %s, size:%u, used:%u\n", t->name, names[t->type],
		    t->size, stick_used(t));
}

static void show_value(struct strbuf *out, struct stick_table *t, struct stick_entry *e,
		       enum stick_data d, uint32_t i)
{
	const struct stick_data_row *row = &stick_data_rows[d];
	uint64_t v = stick_value(t, e, d, i, this_loop->now_ms);

	if (d == SD_GPC_RATE)
		strbuf_addf(out, " gpc%u_rate", i);
	else if (row->array)
		strbuf_addf(out, " %s%u", row->name, i);
	else
		strbuf_addf(out, " %s", row->name);
	if (row->kind == STICK_RATE)
		strbuf_addf(out, "(%u)", t->period_ms[d]);
	if (row->kind == STICK_TEXT)
		strbuf_addf(out, "=%s", stick_text_of(t, e) ? stick_text_of(t, e) : "-");
	else if (row->kind == STICK_INT)
		strbuf_addf(out, "=%lld", (long long)v);
	else
		strbuf_addf(out, "=%llu", (unsigned long long)v);
}

/* Locked. */
static void show_entry(struct strbuf *out, struct stick_table *t, struct stick_entry *e)
{
	strbuf_addf(out, "%p: key=", (void *)e);
	stick_key_write(t, e, out);
	strbuf_addf(out, " use=%u exp=%u", e->refs, stick_rest_ms(t, e, this_loop->now_ms));
	for (int d = 0; d < SD_TYPES; d++)
		for (uint32_t i = 0; i < t->count[d]; i++)
			show_value(out, t, e, (enum stick_data)d, i);
	strbuf_addc(out, '\n');
}

static enum cli_result show_all(struct cli_request *r)
{
	struct list *at;

	for (at = stick_tables.prev; at != &stick_tables; at = at->prev)
		show_head(r->out, list_entry(at, struct stick_table, node));
	return CLI_DONE;
}

static enum cli_result show_more(struct cli_request *r)
{
	struct walk *w = r->cursor;
	struct stick_entry *e;

	while ((e = walk_next(w))) {
		stick_lock(w->t, e);
		if (filters_hold(w, e))
			show_entry(r->out, w->t, e);
		stick_unlock(w->t, e);
		stick_unpin(w->t, e);
		if (r->out->n > OUT_ENOUGH)
			return CLI_MORE;
	}
	return CLI_DONE;
}

/* The entry of the key that argument @k writes, locked; NULL: none, or an error that was replied. */
static struct stick_entry *entry_of(struct cli_request *r, struct stick_table *t, int k, bool add,
				    const char *doing)
{
	struct stick_key key;
	const char *bad;

	if (!*cli_arg(r, k)) {
		cli_say(r, "Key value expected");
		return NULL;
	}
	bad = stick_key_parse(t, slice_z(cli_arg(r, k)), &key);
	if (bad) {
		if (*bad)
			cli_say(r, "%s", bad);
		else
			cli_say(r,
				"%s tables of type other than ip, ipv6, string and integer is not "
				"supported",
				doing);
		return NULL;
	}
	return add ? stick_find_or_add(t, &key) : stick_find(t, &key);
}

static enum cli_result show_key(struct cli_request *r, struct stick_table *t, int k)
{
	struct stick_entry *e = entry_of(r, t, k, false, "Showing keys from");
	struct strbuf line = STRBUF_INIT;

	if (!e)
		return CLI_DONE;
	show_entry(&line, t, e);
	stick_unlock(t, e);
	show_head(r->out, t);
	strbuf_add_slice(r->out, strbuf_slice(&line));
	strbuf_fini(&line);
	return CLI_DONE;
}

static struct stick_table *table_of(struct cli_request *r)
{
	struct stick_table *t = stick_table_find(slice_z(cli_arg(r, 0)));

	if (!t)
		cli_say(r, "No such table");
	return t;
}

static enum cli_result run_show(struct cli_request *r)
{
	struct stick_table *t;
	struct walk *w;

	if (r->cursor)
		return show_more(r);
	if (!*cli_arg(r, 0))
		return show_all(r);
	t = table_of(r);
	if (!t)
		return CLI_DONE;
	if (!strcmp(cli_arg(r, 1), "key"))
		return r->level < CLI_OPERATOR ? cli_say(r, "Permission denied")
					       : show_key(r, t, 2);
	if (*cli_arg(r, 1) && strncmp(cli_arg(r, 1), "data.", 5))
		return cli_say(r, "Optional argument only supports \"data.<store_data_type>\" "
				  "<operator> <value> and key <key>");
	w = xzalloc(sizeof(*w));
	r->cursor = w;
	r->cursor_free = walk_free;
	w->t = t;
	if (!filters_parse(r, 1, w))
		return CLI_DONE;
	show_head(r->out, t);
	if (r->level < CLI_OPERATOR) {
		strbuf_adds(r->out, "# contents not dumped due to insufficient privileges\n");
		return CLI_DONE;
	}
	return show_more(r);
}

/* ---- clear ---- */

static enum cli_result clear_more(struct cli_request *r)
{
	struct walk *w = r->cursor;
	struct stick_entry *e;
	int n = 0;

	while ((e = walk_next(w))) {
		stick_lock(w->t, e);
		stick_unpin(w->t, e);
		if (filters_hold(w, e))
			stick_remove_unlock(w->t, e);
		else
			stick_unlock(w->t, e);
		if (++n == 10000)
			return CLI_MORE;
	}
	return CLI_DONE;
}

static enum cli_result clear_key(struct cli_request *r, struct stick_table *t)
{
	struct stick_entry *e = entry_of(r, t, 2, false, "Removing keys from");

	if (e && !stick_remove_unlock(t, e))
		return cli_say(r, "Entry currently in use, cannot remove");
	return CLI_DONE;
}

static enum cli_result run_clear(struct cli_request *r)
{
	struct stick_table *t;
	struct walk *w;

	if (r->cursor)
		return clear_more(r);
	if (!*cli_arg(r, 0))
		return cli_say(r,
			       "Required arguments: <table> \"data.<store_data_type>\" <operator> "
			       "<value> or <table> key <key>");
	t = table_of(r);
	if (!t)
		return CLI_DONE;
	if (!strcmp(cli_arg(r, 1), "key"))
		return clear_key(r, t);
	if (*cli_arg(r, 1) && strncmp(cli_arg(r, 1), "data.", 5))
		return cli_say(r,
			       "Required arguments: <table> \"data.<store_data_type>\" <operator> "
			       "<value> or <table> key <key>");
	w = xzalloc(sizeof(*w));
	r->cursor = w;
	r->cursor_free = walk_free;
	w->t = t;
	return filters_parse(r, 1, w) ? clear_more(r) : CLI_DONE;
}

/* ---- set ---- */

/* The values behind the key; what is wrong with them, or NULL. Locked. */
static const char *set_values(struct cli_request *r, struct stick_table *t, struct stick_entry *e)
{
	for (int k = 3; *cli_arg(r, k); k += 2) {
		int64_t v;
		int d;

		if (strncmp(cli_arg(r, k), "data.", 5))
			return "\"data.<type>\" followed by a value expected";
		d = stick_data_find(slice_z(cli_arg(r, k) + 5));
		if (d < 0)
			return "Unknown data type";
		if (!t->count[d])
			return "Data type not stored in this table";
		if (d == SD_SERVER_KEY ||
		    parse_i64(slice_z(cli_arg(r, k + 1)), INT64_MIN, INT64_MAX, &v))
			return "Require a valid integer value to store";
		stick_set_value(t, e, (enum stick_data)d, 0, (uint64_t)v, this_loop->now_ms);
	}
	return NULL;
}

static enum cli_result run_set(struct cli_request *r)
{
	struct stick_table *t;
	struct stick_entry *e;
	const char *bad;

	if (!*cli_arg(r, 0))
		return cli_say(r, "Required arguments: <table> key <key> [data.<store_data_type> "
				  "<value>]*");
	t = table_of(r);
	if (!t)
		return CLI_DONE;
	if (strcmp(cli_arg(r, 1), "key"))
		return cli_say(r, "Required arguments: <table> key <key> [data.<store_data_type> "
				  "<value>]*");
	e = entry_of(r, t, 2, true, "Inserting keys into");
	if (!e)
		return CLI_DONE;
	bad = set_values(r, t, e);
	stick_touch(t, e, this_loop->now_ms);
	stick_changed(t, e);
	stick_unlock(t, e);
	return bad ? cli_say(r, "%s", bad) : CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "show table", CLI_USER, run_show, "show table <table> [<filter>]*",
	  "report table usage stats or dump this table's contents (filter: data/key)" },
	{ "set table", CLI_OPERATOR, run_set, "set table <table> key <k> [data.* <v>]*",
	  "update or create a table entry's data" },
	{ "clear table", CLI_OPERATOR, run_clear, "clear table <table> [<filter>]*",
	  "remove an entry from a table (filter: data/key)" },
};

void stick_cli_register(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
}
