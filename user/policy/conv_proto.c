// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_proto.c - fields of protocol buffers (encoding: protobuf.dev/programming-guides/encoding), also behind a gRPC header.
 * Any worker.
 */
#include <math.h>

#include "policy/rules_priv.h"
#include "policy/sample_util.h"

#define MOST_DEPTH 16

enum wire { WIRE_VARINT, WIRE_64, WIRE_BYTES, WIRE_GROUP, WIRE_GROUP_END, WIRE_32 };
enum how { AS_IS, AS_ZIGZAG, AS_UNSIGNED, AS_SIGNED, AS_REAL };

static const struct field_type {
	const char *name;
	enum wire wire;
	enum how how;
} types[] = {
	{ "int32", WIRE_VARINT, AS_IS },      { "int64", WIRE_VARINT, AS_IS },
	{ "uint32", WIRE_VARINT, AS_IS },     { "uint64", WIRE_VARINT, AS_IS },
	{ "bool", WIRE_VARINT, AS_IS },       { "enum", WIRE_VARINT, AS_IS },
	{ "sint32", WIRE_VARINT, AS_ZIGZAG }, { "sint64", WIRE_VARINT, AS_ZIGZAG },
	{ "fixed64", WIRE_64, AS_SIGNED },    { "sfixed64", WIRE_64, AS_SIGNED },
	{ "double", WIRE_64, AS_REAL },       { "fixed32", WIRE_32, AS_UNSIGNED },
	{ "sfixed32", WIRE_32, AS_SIGNED },   { "float", WIRE_32, AS_REAL },
};

/* The path "2.1.5" as numbers, made at parse time. */
struct field_path {
	uint32_t field[MOST_DEPTH];
	int n;
	const struct field_type *type; /* NULL: the raw bytes */
};

static int check_field(struct cfg_line *l, int word, struct smp_arg *args)
{
	struct field_path *fp = ARENA_NEW(l->arena, struct field_path);
	struct slice s = args[0].s;

	for (size_t i = 0; i <= s.n; i++) {
		uint32_t *f = &fp->field[fp->n];

		if (i == s.n || s.p[i] == '.') {
			if (!*f || ++fp->n > MOST_DEPTH)
				break;
			if (i == s.n)
				goto good;
			if (fp->n == MOST_DEPTH)
				break;
			continue;
		}
		if (s.p[i] < '0' || s.p[i] > '9' || *f > (1u << 29))
			break;
		*f = *f * 10 + (uint32_t)(s.p[i] - '0');
	}
	return cfg_error(
		l, word,
		"'%.*s' is no field number of a protocol buffer: numbers from 1, for nested "
		"messages with dots between them (at most %d)",
		SLICE_FMT(s), MOST_DEPTH);
good:
	args[0].ptr = fp;
	if (!arg_given(args, 1) || !args[1].s.n)
		return 0;
	for (size_t i = 0; i < ARRAY_SIZE(types); i++)
		if (slice_eq_z(args[1].s, types[i].name))
			fp->type = &types[i];
	if (fp->type)
		return 0;
	return cfg_error(l, word,
			 "'%.*s' is no type of a field; there are int32, int64, uint32, uint64, "
			 "sint32, sint64, bool, enum, fixed64, sfixed64, double, fixed32, sfixed32 "
			 "and float (a string has none)",
			 SLICE_FMT(args[1].s));
}

static bool take_varint(struct slice *s, uint64_t *v)
{
	*v = 0;
	for (size_t i = 0; i < s->n && i < 10; i++) {
		unsigned char c = (unsigned char)s->p[i];

		*v |= (uint64_t)(c & 127) << (7 * i);
		if (!(c & 128)) {
			*s = slice_from(*s, i + 1);
			return true;
		}
	}
	return false;
}

/* The value of one field: its bytes, without a length in front. */
static bool take_value(struct slice *s, enum wire wire, struct slice *v)
{
	struct slice before = *s;
	uint64_t n = 0;

	switch (wire) {
	case WIRE_VARINT:
		if (!take_varint(s, &n))
			return false;
		*v = slice_make(before.p, before.n - s->n);
		return true;
	case WIRE_BYTES:
		if (!take_varint(s, &n))
			return false;
		break;
	case WIRE_64:
		n = 8;
		break;
	case WIRE_32:
		n = 4;
		break;
	default:
		return false; /* groups are of the past */
	}
	if (n > s->n)
		return false;
	*v = slice_first(*s, n);
	*s = slice_from(*s, n);
	return true;
}

/* The first field @number of message @s. */
static bool find_field(struct slice s, uint32_t number, enum wire *wire, struct slice *v)
{
	uint64_t key;

	while (s.n) {
		if (!take_varint(&s, &key))
			return false;
		*wire = (enum wire)(key & 7);
		if (!take_value(&s, *wire, v))
			return false;
		if (key >> 3 == number)
			return true;
	}
	return false;
}

static uint64_t little_endian(struct slice v)
{
	uint64_t n = 0;

	for (size_t i = v.n; i-- > 0;)
		n = n << 8 | (unsigned char)v.p[i];
	return n;
}

static int64_t whole(double d)
{
	if (isnan(d) || d >= 9223372036854775808.0 || d < -9223372036854775808.0)
		return INT64_MIN;
	return (int64_t)d;
}

static int64_t real_number(uint64_t bits, bool is_double)
{
	uint32_t low = (uint32_t)bits;
	double d;
	float f;

	if (is_double) {
		memcpy(&d, &bits, 8);
		return whole(d);
	}
	memcpy(&f, &low, 4);
	return isnan(f) ? 0 : whole(f);
}

static bool typed(struct sample *smp, const struct field_type *t, struct slice v)
{
	uint64_t n;

	if (t->wire == WIRE_VARINT) {
		if (!take_varint(&v, &n))
			return false;
		if (t->how == AS_ZIGZAG)
			n = n >> 1 ^ (0 - (n & 1));
		return smp_int(smp, (int64_t)n);
	}
	n = little_endian(v);
	if (t->how == AS_REAL)
		return smp_int(smp, real_number(n, t->wire == WIRE_64));
	if (t->how == AS_SIGNED && t->wire == WIRE_32)
		return smp_int(smp, (int32_t)n);
	return smp_int(smp, (int64_t)n);
}

static bool conv_protobuf(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	const struct field_path *fp = args[0].ptr;
	struct slice s = smp->u.s, v = SLICE_NONE;
	enum wire wire = WIRE_BYTES;

	for (int i = 0; i < fp->n; i++) {
		if (wire != WIRE_BYTES || !find_field(s, fp->field[i], &wire, &v))
			return false;
		s = v;
	}
	if (!fp->type)
		return smp_bin(smp, v);
	return fp->type->wire == wire && typed(smp, fp->type, v);
}

/* Compressed or not (1 byte), length (4 bytes), the message. */
static bool conv_ungrpc(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	uint64_t n = 0;

	if (smp->u.s.n < 5)
		return false;
	for (int i = 1; i < 5; i++)
		n = n << 8 | (unsigned char)smp->u.s.p[i];
	smp->u.s = slice_from(smp->u.s, 5);
	if (n > smp->u.s.n)
		return false;
	smp->u.s = slice_first(smp->u.s, n);
	return conv_protobuf(args, ctx, smp);
}

#define FIELD(nm, fn)                                                            \
	.name = nm, .in = SMP_BIN, .out = SMP_ANY, .min_args = 1, .max_args = 2, \
	.args = { ARG_STR, ARG_STR }, .convert = fn, .check = check_field,       \
	.flags = CONV_OUT_VARIES

static const struct converter_row rows[] = {
	{ FIELD("protobuf", conv_protobuf), .help = "A field of a protocol buffer: its number (2.1 "
						    "for nested ones), and its type for "
						    "a number." },
	{ FIELD("ungrpc", conv_ungrpc), .help = "The same for the first message of a gRPC body." },
};

void conv_proto_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
