// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_number.c - converters of numbers, booleans and addresses: arithmetic (which saturates instead of wrapping),
 * bits, ipmask. The second operand is a number or a variable. Any worker.
 */
#include <arpa/inet.h>

#include "base/units.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "policy/vars.h"

/* Parse time: the argument becomes a number, or the name of a variable in ptr. */
static int check_operand(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (!parse_i64(args[0].s, INT64_MIN, INT64_MAX, &args[0].i))
		return 0;
	args[0].ptr = vars_name(l, word, args[0].s);
	if (args[0].ptr)
		args[0].type = ARG_VAR;
	return args[0].ptr ? 0 : -1;
}

static bool operand(const struct smp_arg *args, const struct smp_ctx *ctx, int64_t *out)
{
	struct sample s;

	if (!args[0].ptr) {
		*out = args[0].i;
		return true;
	}
	if (!vars_get(args[0].ptr, ctx, &s) || !sample_cast(&s, SMP_INT, ctx))
		return false;
	*out = s.u.i;
	return true;
}

static int64_t saturate(bool negative)
{
	return negative ? INT64_MIN : INT64_MAX;
}

static int64_t add(int64_t a, int64_t b)
{
	int64_t r;

	return __builtin_add_overflow(a, b, &r) ? saturate(a < 0) : r;
}

static int64_t sub(int64_t a, int64_t b)
{
	int64_t r;

	return __builtin_sub_overflow(a, b, &r) ? saturate(a < 0) : r;
}

static int64_t mul(int64_t a, int64_t b)
{
	int64_t r;

	return __builtin_mul_overflow(a, b, &r) ? saturate((a < 0) != (b < 0)) : r;
}

static int64_t divide(int64_t a, int64_t b)
{
	if (!b || (a == INT64_MIN && b == -1))
		return INT64_MAX;
	return a / b;
}

static int64_t mod(int64_t a, int64_t b)
{
	return !b || b == -1 ? 0 : a % b;
}

enum op { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_AND, OP_OR, OP_XOR };

static bool conv_op(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	int64_t a = smp->u.i, b;

	if (!operand(args, ctx, &b))
		return false;
	switch ((enum op)args[SMP_MAX_ARGS - 1].i) {
	case OP_ADD:
		return smp_int(smp, add(a, b));
	case OP_SUB:
		return smp_int(smp, sub(a, b));
	case OP_MUL:
		return smp_int(smp, mul(a, b));
	case OP_DIV:
		return smp_int(smp, divide(a, b));
	case OP_MOD:
		return smp_int(smp, mod(a, b));
	case OP_AND:
		return smp_int(smp, a & b);
	case OP_OR:
		return smp_int(smp, a | b);
	case OP_XOR:
		return smp_int(smp, a ^ b);
	}
	return false;
}

static bool conv_neg(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_int(smp, (int64_t)(0 - (uint64_t)smp->u.i));
}

static bool conv_cpl(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_int(smp, ~smp->u.i);
}

static bool conv_bool(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_bool(smp, smp->u.i != 0);
}

static bool conv_not(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_bool(smp, smp->u.i == 0);
}

/* priv: the lowest bit that gives true */
static bool conv_parity(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_bool(smp, (smp->u.i & 1) == args[SMP_MAX_ARGS - 1].i);
}

static bool conv_iif(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_str(smp, smp->u.i ? args[0].s : args[1].s);
}

static bool conv_htonl(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	char *buf = smp_alloc(ctx, 4);
	uint32_t be = htonl((uint32_t)smp->u.i);

	if (!buf)
		return false;
	memcpy(buf, &be, 4);
	return smp_bin(smp, slice_make(buf, 4));
}

static bool conv_ipmask(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	int i = smp->type == SMP_IP4 ? 0 : 1;

	if (!arg_given(args, i))
		return false;
	for (int b = 0; b < 16; b++)
		smp->u.a.ip[b] &= args[i].a.ip[b];
	return true;
}

#define BINARY(n, o)                                                            \
	.name = n, .in = SMP_INT, .out = SMP_INT, .min_args = 1, .max_args = 1, \
	.args = { ARG_STR }, .convert = conv_op, .check = check_operand, .priv = o

static const struct converter_row rows[] = {
	{ BINARY("add", OP_ADD), .help = "Adds a number or variable." },
	{ BINARY("sub", OP_SUB), .help = "Subtracts a number or variable." },
	{ BINARY("mul", OP_MUL), .help = "Multiplies by a number or variable." },
	{ BINARY("div", OP_DIV),
	  .help = "Divides by a number or variable; by 0 gives the largest number." },
	{ BINARY("mod", OP_MOD), .help = "The remainder; by 0 gives 0." },
	{ BINARY("and", OP_AND), .help = "Bitwise AND with a number or variable." },
	{ BINARY("or", OP_OR), .help = "Bitwise OR." },
	{ BINARY("xor", OP_XOR), .help = "Bitwise exclusive OR." },
	{ .name = "neg",
	  .in = SMP_INT,
	  .out = SMP_INT,
	  .convert = conv_neg,
	  .help = "The negative." },
	{ .name = "cpl",
	  .in = SMP_INT,
	  .out = SMP_INT,
	  .convert = conv_cpl,
	  .help = "All bits inverted." },
	{ .name = "bool",
	  .in = SMP_INT,
	  .out = SMP_BOOL,
	  .convert = conv_bool,
	  .help = "True unless 0." },
	{ .name = "not",
	  .in = SMP_INT,
	  .out = SMP_BOOL,
	  .convert = conv_not,
	  .help = "True for 0." },
	{ .name = "odd",
	  .in = SMP_INT,
	  .out = SMP_BOOL,
	  .convert = conv_parity,
	  .priv = 1,
	  .help = "True for odd numbers." },
	{ .name = "even",
	  .in = SMP_INT,
	  .out = SMP_BOOL,
	  .convert = conv_parity,
	  .priv = 0,
	  .help = "True for even numbers." },
	{ .name = "htonl",
	  .in = SMP_INT,
	  .out = SMP_BIN,
	  .convert = conv_htonl,
	  .help = "Four bytes in network order." },
	{ .name = "iif",
	  .in = SMP_BOOL,
	  .out = SMP_STR,
	  .min_args = 2,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = conv_iif,
	  .help = "The first argument for true, else the second." },
	{ .name = "ipmask",
	  .in = SMP_ADDR,
	  .out = SMP_ADDR,
	  .min_args = 1,
	  .max_args = 2,
	  .args = { ARG_MASK4, ARG_MASK6 },
	  .convert = conv_ipmask,
	  .help = "The network of an address: masks for IPv4 and IPv6." },
};

void conv_number_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
