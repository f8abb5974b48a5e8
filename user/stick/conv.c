// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv.c - converters that look a key up in a table: in_table, table_conn_cnt ... They neither make entries nor lengthen
 * their life. Any worker.
 */
#include "policy/sample_util.h"
#include "stick/config.h"
#include "stick/values.h"

#define PRIV(op, d, indexed) ((intptr_t)(op) << 16 | (intptr_t)(d) << 8 | (indexed))
#define PRIV_OP(p)           ((enum stick_op)(((p) >> 16) & 0xff))
#define PRIV_DATA(p)         ((enum stick_data)(((p) >> 8) & 0xff))
#define PRIV_INDEXED(p)      ((p)&1)

/* The entry of that key, locked; NULL: there is none. false: the sample is no key of this table. */
static bool look_up(struct stick_table *t, struct sample *smp, const struct smp_ctx *ctx,
		    struct stick_entry **e)
{
	struct stick_key key;

	if (!stick_key_make(t, smp, ctx, &key))
		return false;
	*e = stick_find(t, &key);
	return true;
}

static bool conv_value(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	intptr_t priv = args[SMP_MAX_ARGS - 1].i;
	struct stick_table *t = args[PRIV_INDEXED(priv)].ptr;
	struct stick_entry *e;
	uint64_t v = 0;
	bool ok = true;

	if (!look_up(t, smp, ctx, &e))
		return false;
	if (e) {
		ok = stick_value_op(t, e, PRIV_OP(priv), PRIV_DATA(priv),
				    PRIV_INDEXED(priv) ? (uint32_t)args[0].i : 0, &v);
		stick_unlock(t, e);
	}
	return ok && smp_int(smp, (int64_t)v);
}

static bool conv_in_table(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct stick_entry *e;

	if (!look_up(args[0].ptr, smp, ctx, &e))
		return false;
	if (e)
		stick_unlock(args[0].ptr, e);
	return smp_bool(smp, e != NULL);
}

static bool conv_trackers(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct stick_entry *e;
	uint32_t refs = 0;

	if (!look_up(args[0].ptr, smp, ctx, &e))
		return false;
	if (e) {
		refs = e->refs;
		stick_unlock(args[0].ptr, e);
	}
	return smp_int(smp, refs);
}

/* table_expire, table_idle: args[1] is what a missing key gives. */
static bool conv_times(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct stick_table *t = args[0].ptr;
	struct stick_entry *e;
	uint32_t rest;

	if (!look_up(t, smp, ctx, &e))
		return false;
	if (!e)
		return arg_given(args, 1) && smp_int(smp, args[1].i);
	rest = stick_rest_ms(t, e, this_loop->now_ms);
	stick_unlock(t, e);
	return smp_int(smp, args[SMP_MAX_ARGS - 1].i ? t->expire_ms - rest : rest);
}

static int check_index(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (args[0].i < 0 || args[0].i >= STICK_ARRAY_MAX)
		return cfg_error(l, word, "the index must be 0..%d, not %lld", STICK_ARRAY_MAX - 1,
				 (long long)args[0].i);
	return 0;
}

#define ROW .in = SMP_ANY, .flags = FETCH_NO_INDEX

#define VALUE(n, op, d, h)                                                                       \
	{                                                                                        \
		.name = "table_" n, .out = SMP_INT, .min_args = 1, .max_args = 1,                \
		.args = { ARG_TABLE }, .convert = conv_value, .priv = PRIV(op, d, 0), .help = h, \
		ROW                                                                              \
	}
#define INDEXED(n, op, d, h)                                                                 \
	{                                                                                    \
		.name = "table_" n, .out = SMP_INT, .min_args = 2, .max_args = 2,            \
		.args = { ARG_INT, ARG_TABLE }, .convert = conv_value, .check = check_index, \
		.priv = PRIV(op, d, 1), .help = h, ROW                                       \
	}

static const struct converter_row rows[] = {
	{ .name = "in_table",
	  .out = SMP_BOOL,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_TABLE },
	  .convert = conv_in_table,
	  .help = "Is the key in the table?",
	  ROW },
	VALUE("bytes_in_rate", STICK_READ, SD_BYTES_IN_RATE,
	      "The key's bytes from clients in a period."),
	VALUE("bytes_out_rate", STICK_READ, SD_BYTES_OUT_RATE,
	      "The key's bytes to clients in a period."),
	VALUE("kbytes_in", STICK_KBYTES, SD_BYTES_IN_CNT, "The key's kilobytes from clients."),
	VALUE("kbytes_out", STICK_KBYTES, SD_BYTES_OUT_CNT, "The key's kilobytes to clients."),
	VALUE("conn_cnt", STICK_READ, SD_CONN_CNT, "The key's connections so far."),
	VALUE("conn_cur", STICK_READ, SD_CONN_CUR, "The key's connections now."),
	VALUE("conn_rate", STICK_READ, SD_CONN_RATE, "The key's connections in a period."),
	VALUE("sess_cnt", STICK_READ, SD_SESS_CNT, "The key's accepted connections."),
	VALUE("sess_rate", STICK_READ, SD_SESS_RATE, "The key's accepted connections in a period."),
	VALUE("http_req_cnt", STICK_READ, SD_HTTP_REQ_CNT, "The key's HTTP requests."),
	VALUE("http_req_rate", STICK_READ, SD_HTTP_REQ_RATE,
	      "The key's HTTP requests in a period."),
	VALUE("http_err_cnt", STICK_READ, SD_HTTP_ERR_CNT, "The key's HTTP errors."),
	VALUE("http_err_rate", STICK_READ, SD_HTTP_ERR_RATE, "The key's HTTP errors in a period."),
	VALUE("http_fail_cnt", STICK_READ, SD_HTTP_FAIL_CNT, "The key's HTTP failures."),
	VALUE("http_fail_rate", STICK_READ, SD_HTTP_FAIL_RATE,
	      "The key's HTTP failures in a period."),
	VALUE("gpc0", STICK_READ, SD_GPC0, "The key's gpc0."),
	VALUE("gpc1", STICK_READ, SD_GPC1, "The key's gpc1."),
	VALUE("gpt0", STICK_READ, SD_GPT0, "The key's gpt0."),
	VALUE("gpc0_rate", STICK_READ, SD_GPC0_RATE, "Increments of the key's gpc0 in a period."),
	VALUE("gpc1_rate", STICK_READ, SD_GPC1_RATE, "Increments of the key's gpc1 in a period."),
	VALUE("inc_gpc0", STICK_INC, SD_GPC0, "Adds one to the key's gpc0, gives its new value."),
	VALUE("inc_gpc1", STICK_INC, SD_GPC1, "Adds one to the key's gpc1, gives its new value."),
	VALUE("clr_gpc0", STICK_CLEAR, SD_GPC0, "Sets the key's gpc0 to 0, gives its old value."),
	VALUE("clr_gpc1", STICK_CLEAR, SD_GPC1, "Sets the key's gpc1 to 0, gives its old value."),
	VALUE("server_id", STICK_READ, SD_SERVER_ID,
	      "The number of the server that stick rules chose for the key."),
	INDEXED("gpc", STICK_READ, SD_GPC, "The key's gpc[<index>]."),
	INDEXED("gpt", STICK_READ, SD_GPT, "The key's gpt[<index>]."),
	INDEXED("gpc_rate", STICK_READ, SD_GPC_RATE,
		"Increments of the key's gpc[<index>] in a period."),
	INDEXED("inc_gpc", STICK_INC, SD_GPC,
		"Adds one to the key's gpc[<index>], gives its new value."),
	INDEXED("clr_gpc", STICK_CLEAR, SD_GPC,
		"Sets the key's gpc[<index>] to 0, gives its old value."),
	{ .name = "table_trackers",
	  .out = SMP_INT,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_TABLE },
	  .convert = conv_trackers,
	  .help = "Connections or requests that track the key.",
	  ROW },
	{ .name = "table_expire",
	  .out = SMP_INT,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_TABLE, ARG_INT },
	  .convert = conv_times,
	  .priv = 0,
	  .help = "How long the key will live, ms; of a missing one the given number.",
	  ROW },
	{ .name = "table_idle",
	  .out = SMP_INT,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_TABLE, ARG_INT },
	  .convert = conv_times,
	  .priv = 1,
	  .help = "How long the key was not used, ms; of a missing one the given number.",
	  ROW },
};

void stick_conv_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
