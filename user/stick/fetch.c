// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fetch.c - samples of tracked entries (sc_*, sc0_* ...), of the client's address (src_*) and of tables. One row of VALUES
 * gives the five names of a value. Any worker.
 */
#include "policy/sample_util.h"
#include "stick/config.h"
#include "stick/track.h"
#include "stick/values.h"
#include "stream/ends.h"
#include <stdlib.h>

/* Which entry is meant: priv bits. */
enum { OF_SRC = 0, OF_ARG = 1, OF_SC0 = 2 /* 3: sc1, 4: sc2 */ };

#define PRIV(of, op, d, indexed) \
	((intptr_t)(of) << 24 | (intptr_t)(op) << 16 | (intptr_t)(d) << 8 | (indexed))
#define PRIV_OF(p)      ((int)((p) >> 24))
#define PRIV_OP(p)      ((enum stick_op)(((p) >> 16) & 0xff))
#define PRIV_DATA(p)    ((enum stick_data)(((p) >> 8) & 0xff))
#define PRIV_INDEXED(p) ((p)&1)

/* Its table and the entry, locked. NULL entry: there is none (the table is known then), nothing is locked. */
struct target {
	struct stick_table *t;
	struct stick_entry *e;
};

static bool target_src(const struct smp_ctx *ctx, struct stick_table *t, bool add,
		       struct target *to)
{
	struct stick_key key;

	to->t = t;
	if (!ctx->sess || !stick_key_addr(t, ends_src(ctx->sess, ctx->stream), &key))
		return false;
	to->e = add ? stick_find_or_add(t, &key) : stick_find(t, &key);
	return true;
}

/* In another table than the one that is tracked: the entry of the same key. */
static bool target_elsewhere(struct stick_track *tr, struct stick_table *t, struct target *to)
{
	struct stick_key key = { .s = stick_entry_key(tr->table, tr->entry) };
	char *padded = NULL;

	to->t = t;
	to->e = NULL;
	if (t->type != tr->table->type)
		return true;
	if (t->type == SMP_STR) {
		key.s = slice_first(key.s, t->key_bytes);
	} else if (t->key_bytes != key.s.n) { /* binary keys have their full length */
		padded = calloc(1, t->key_bytes);
		if (!padded)
			return true;
		memcpy(padded, key.s.p, key.s.n < t->key_bytes ? key.s.n : t->key_bytes);
		key.s = slice_make(padded, t->key_bytes);
	}
	to->e = stick_find(t, &key);
	free(padded);
	return true;
}

static struct stick_track *tracked(const struct smp_arg *args, const struct smp_ctx *ctx,
				   intptr_t priv, int *next)
{
	int of = PRIV_OF(priv);

	*next = PRIV_INDEXED(priv);
	if (of == OF_ARG)
		return stick_track_get(ctx, (uint32_t)args[(*next)++].i);
	return stick_track_get(ctx, (uint32_t)(of - OF_SC0));
}

static bool target_tracked(const struct smp_arg *args, const struct smp_ctx *ctx, intptr_t priv,
			   struct target *to)
{
	int next;
	struct stick_track *tr = tracked(args, ctx, priv, &next);

	if (!tr)
		return false;
	if (arg_given(args, next) && args[next].ptr != tr->table)
		return target_elsewhere(tr, args[next].ptr, to);
	to->t = tr->table;
	to->e = tr->entry;
	stick_lock(to->t, to->e);
	return true;
}

static bool fetch_value(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	intptr_t priv = args[SMP_MAX_ARGS - 1].i;
	enum stick_op op = PRIV_OP(priv);
	struct target to = { NULL, NULL };
	uint64_t v = 0;
	bool ok;

	ok = PRIV_OF(priv) == OF_SRC ? target_src(ctx, args[PRIV_INDEXED(priv)].ptr,
						  op == STICK_INC || op == STICK_CLEAR, &to)
				     : target_tracked(args, ctx, priv, &to);
	if (!ok)
		return false;
	if (to.e) {
		ok = stick_value_op(to.t, to.e, op, PRIV_DATA(priv),
				    PRIV_INDEXED(priv) ? (uint32_t)args[0].i : 0, &v);
		stick_unlock(to.t, to.e);
	}
	return ok && smp_int(out, (int64_t)v);
}

static bool fetch_tracked(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct target to = { NULL, NULL };

	if (target_tracked(args, ctx, args[SMP_MAX_ARGS - 1].i, &to) && to.e)
		stick_unlock(to.t, to.e);
	return smp_bool(out, to.e != NULL);
}

static bool fetch_trackers(const struct smp_arg *args, const struct smp_ctx *ctx,
			   struct sample *out)
{
	struct target to = { NULL, NULL };
	uint32_t refs = 0;

	if (!target_tracked(args, ctx, args[SMP_MAX_ARGS - 1].i, &to))
		return false;
	if (to.e) {
		refs = to.e->refs;
		stick_unlock(to.t, to.e);
	}
	return smp_int(out, refs);
}

static bool fetch_key(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	int next;
	struct stick_track *tr = tracked(args, ctx, args[SMP_MAX_ARGS - 1].i, &next);
	struct addr a = { .family = ADDR_IP4 };
	struct slice key;
	uint32_t v;

	if (!tr)
		return false;
	key = stick_entry_key(tr->table, tr->entry); /* does not change while it is tracked */
	switch (tr->table->type) {
	case SMP_INT:
		memcpy(&v, key.p, sizeof(v));
		return smp_int(out, v);
	case SMP_IP6:
		a.family = ADDR_IP6;
		/* fallthrough */
	case SMP_IP4:
		memcpy(a.ip, key.p, key.n);
		return smp_addr(out, &a);
	case SMP_STR:
		return smp_str(out, key);
	default:
		return smp_bin(out, key);
	}
}

static bool fetch_updt_conn_cnt(const struct smp_arg *args, const struct smp_ctx *ctx,
				struct sample *out)
{
	struct target to = { NULL, NULL };
	bool stored;
	uint64_t v;

	if (!target_src(ctx, args[0].ptr, true, &to) || !to.e)
		return false;
	stored = stick_stores(to.t, SD_CONN_CNT, 0);
	v = stick_add(to.t, to.e, SD_CONN_CNT, 0, 1, this_loop->now_ms);
	stick_touch(to.t, to.e, this_loop->now_ms);
	stick_changed(to.t, to.e);
	stick_unlock(to.t, to.e);
	return stored && smp_int(out, (int64_t)v);
}

static bool fetch_table(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *out)
{
	struct stick_table *t = args[0].ptr;
	uint32_t used = stick_used(t);

	if (!args[SMP_MAX_ARGS - 1].i)
		return smp_int(out, used);
	return smp_int(out, used < t->size ? t->size - used : 0);
}

/* ---- arguments ---- */

static int check_number(struct cfg_line *l, int word, const struct smp_arg *arg)
{
	if (arg->i < 0 || arg->i >= (int64_t)stick_counters)
		return cfg_error(l, word,
				 "there is no tracked counter %lld: tune.stick-counters %u allows "
				 "0..%d",
				 (long long)arg->i, stick_counters, (int)stick_counters - 1);
	return 0;
}

static int check_index(struct cfg_line *l, int word, const struct smp_arg *arg)
{
	if (arg->i < 0 || arg->i >= STICK_ARRAY_MAX)
		return cfg_error(l, word, "the index must be 0..%d, not %lld", STICK_ARRAY_MAX - 1,
				 (long long)arg->i);
	return 0;
}

static int check_sc(struct cfg_line *l, int word, struct smp_arg *args)
{
	return check_number(l, word, &args[0]);
}

static int check_sc_index(struct cfg_line *l, int word, struct smp_arg *args)
{
	return check_index(l, word, &args[0]) || check_number(l, word, &args[1]) ? -1 : 0;
}

static int check_src_index(struct cfg_line *l, int word, struct smp_arg *args)
{
	return check_index(l, word, &args[0]);
}

/* ---- rows ---- */

#define ROW                                                                    \
	.kind = "fetch-L4", .where = SMP_W_L4_CLIENT, .flags = FETCH_NO_INDEX, \
	.kernel = KERNEL_NEVER, .kernel_says = "stick tables are kept by the daemon"

#define OF_CTR   " of counter <ctr>"
#define OF_ADDR  " of the client's address"
#define OF_FIXED " of the counter in its name"

#define SC_ROWS(n, o, fn, pr, h)                                                           \
	{ .name = "sc_" n,                                                                 \
	  .out = o,                                                                        \
	  .fetch = fn,                                                                     \
	  .min_args = 1,                                                                   \
	  .max_args = 2,                                                                   \
	  .args = { ARG_INT, ARG_TABLE },                                                  \
	  .check = check_sc,                                                               \
	  .priv = (pr) | PRIV(OF_ARG, 0, 0, 0),                                            \
	  .help = h OF_CTR ".",                                                            \
	  ROW },                                                                           \
		SC_ROW("sc0_" n, o, fn, (pr) | PRIV(OF_SC0, 0, 0, 0), h OF_FIXED "."),     \
		SC_ROW("sc1_" n, o, fn, (pr) | PRIV(OF_SC0 + 1, 0, 0, 0), h OF_FIXED "."), \
		SC_ROW("sc2_" n, o, fn, (pr) | PRIV(OF_SC0 + 2, 0, 0, 0), h OF_FIXED ".")
#define SC_ROW(n, o, fn, pr, h)                                                         \
	{                                                                               \
		.name = n, .out = o, .fetch = fn, .max_args = 1, .args = { ARG_TABLE }, \
		.priv = pr, .help = h, ROW                                              \
	}
#define SRC_ROW(n, fn, pr, h)                                                                \
	{                                                                                    \
		.name = "src_" n, .out = SMP_INT, .fetch = fn, .min_args = 1, .max_args = 1, \
		.args = { ARG_TABLE }, .priv = pr, .help = h, ROW                            \
	}

#define VALUE(n, op, d, h)                                      \
	SC_ROWS(n, SMP_INT, fetch_value, PRIV(0, op, d, 0), h), \
		SRC_ROW(n, fetch_value, PRIV(OF_SRC, op, d, 0), h OF_ADDR ".")
#define INDEXED(n, op, d, h)                                                             \
	{ .name = "sc_" n,                                                               \
	  .out = SMP_INT,                                                                \
	  .fetch = fetch_value,                                                          \
	  .min_args = 2,                                                                 \
	  .max_args = 3,                                                                 \
	  .args = { ARG_INT, ARG_INT, ARG_TABLE },                                       \
	  .check = check_sc_index,                                                       \
	  .priv = PRIV(OF_ARG, op, d, 1),                                                \
	  .help = h OF_CTR ".",                                                          \
	  ROW },                                                                         \
	{                                                                                \
		.name = "src_" n, .out = SMP_INT, .fetch = fetch_value, .min_args = 2,   \
		.max_args = 2, .args = { ARG_INT, ARG_TABLE }, .check = check_src_index, \
		.priv = PRIV(OF_SRC, op, d, 1), .help = h OF_ADDR ".", ROW               \
	}

static const struct fetch_row rows[] = {
	VALUE("bytes_in_rate", STICK_READ, SD_BYTES_IN_RATE, "Bytes from the client in a period"),
	VALUE("bytes_out_rate", STICK_READ, SD_BYTES_OUT_RATE, "Bytes to the client in a period"),
	VALUE("kbytes_in", STICK_KBYTES, SD_BYTES_IN_CNT, "Kilobytes from the client"),
	VALUE("kbytes_out", STICK_KBYTES, SD_BYTES_OUT_CNT, "Kilobytes to the client"),
	VALUE("conn_cnt", STICK_READ, SD_CONN_CNT, "Connections so far"),
	VALUE("conn_cur", STICK_READ, SD_CONN_CUR, "Connections now"),
	VALUE("conn_rate", STICK_READ, SD_CONN_RATE, "Connections in a period"),
	VALUE("sess_cnt", STICK_READ, SD_SESS_CNT, "Accepted connections"),
	VALUE("sess_rate", STICK_READ, SD_SESS_RATE, "Accepted connections in a period"),
	VALUE("http_req_cnt", STICK_READ, SD_HTTP_REQ_CNT, "HTTP requests"),
	VALUE("http_req_rate", STICK_READ, SD_HTTP_REQ_RATE, "HTTP requests in a period"),
	VALUE("http_err_cnt", STICK_READ, SD_HTTP_ERR_CNT, "HTTP errors of the client"),
	VALUE("http_err_rate", STICK_READ, SD_HTTP_ERR_RATE, "HTTP errors in a period"),
	VALUE("http_fail_cnt", STICK_READ, SD_HTTP_FAIL_CNT, "HTTP failures of servers"),
	VALUE("http_fail_rate", STICK_READ, SD_HTTP_FAIL_RATE, "HTTP failures in a period"),
	VALUE("get_gpc0", STICK_READ, SD_GPC0, "The value of gpc0"),
	VALUE("get_gpc1", STICK_READ, SD_GPC1, "The value of gpc1"),
	VALUE("get_gpt0", STICK_READ, SD_GPT0, "The value of gpt0"),
	VALUE("gpc0_rate", STICK_READ, SD_GPC0_RATE, "Increments of gpc0 in a period"),
	VALUE("gpc1_rate", STICK_READ, SD_GPC1_RATE, "Increments of gpc1 in a period"),
	VALUE("inc_gpc0", STICK_INC, SD_GPC0, "Adds one to gpc0, and gives its new value,"),
	VALUE("inc_gpc1", STICK_INC, SD_GPC1, "Adds one to gpc1, and gives its new value,"),
	VALUE("clr_gpc0", STICK_CLEAR, SD_GPC0, "Sets gpc0 to 0, and gives its old value,"),
	VALUE("clr_gpc1", STICK_CLEAR, SD_GPC1, "Sets gpc1 to 0, and gives its old value,"),
	INDEXED("get_gpc", STICK_READ, SD_GPC, "The value of gpc[<index>]"),
	INDEXED("get_gpt", STICK_READ, SD_GPT, "The value of gpt[<index>]"),
	INDEXED("gpc_rate", STICK_READ, SD_GPC_RATE, "Increments of gpc[<index>] in a period"),
	INDEXED("inc_gpc", STICK_INC, SD_GPC, "Adds one to gpc[<index>], and gives its new value,"),
	INDEXED("clr_gpc", STICK_CLEAR, SD_GPC, "Sets gpc[<index>] to 0, and gives its old value,"),
	SC_ROWS("tracked", SMP_BOOL, fetch_tracked, 0, "Something is tracked: the state"),
	SC_ROWS("trackers", SMP_INT, fetch_trackers, 0,
		"Connections or requests that track the entry"),
	{ .name = "sc_key",
	  .out = SMP_ANY,
	  .fetch = fetch_key,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_INT },
	  .check = check_sc,
	  .priv = PRIV(OF_ARG, 0, 0, 0),
	  .help = "The key of the tracked entry of counter <ctr>.",
	  ROW },
	{ .name = "sc0_key",
	  .out = SMP_ANY,
	  .fetch = fetch_key,
	  .priv = PRIV(OF_SC0, 0, 0, 0),
	  .help = "The key of the tracked entry of counter 0.",
	  ROW },
	{ .name = "sc1_key",
	  .out = SMP_ANY,
	  .fetch = fetch_key,
	  .priv = PRIV(OF_SC0 + 1, 0, 0, 0),
	  .help = "The key of the tracked entry of counter 1.",
	  ROW },
	{ .name = "sc2_key",
	  .out = SMP_ANY,
	  .fetch = fetch_key,
	  .priv = PRIV(OF_SC0 + 2, 0, 0, 0),
	  .help = "The key of the tracked entry of counter 2.",
	  ROW },
	SRC_ROW("updt_conn_cnt", fetch_updt_conn_cnt, 0,
		"Adds one to conn_cnt" OF_ADDR ", and gives its new value."),
	{ .name = "table_cnt",
	  .kind = "fetch-internal",
	  .out = SMP_INT,
	  .where = SMP_W_INTERNAL,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_TABLE },
	  .fetch = fetch_table,
	  .priv = 0,
	  .flags = FETCH_NO_INDEX,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = "stick tables are kept by the daemon",
	  .help = "Entries of a table now." },
	{ .name = "table_avl",
	  .kind = "fetch-internal",
	  .out = SMP_INT,
	  .where = SMP_W_INTERNAL,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_TABLE },
	  .fetch = fetch_table,
	  .priv = 1,
	  .flags = FETCH_NO_INDEX,
	  .kernel = KERNEL_NEVER,
	  .kernel_says = "stick tables are kept by the daemon",
	  .help = "Entries that a table has room for." },
};

void stick_fetch_register(void)
{
	fetch_register(rows, ARRAY_SIZE(rows));
}
