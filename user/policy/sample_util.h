/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sample_util.h - small helpers for fetch and converter functions. Any worker.
 */
#ifndef LBD_POLICY_SAMPLE_UTIL_H
#define LBD_POLICY_SAMPLE_UTIL_H

#include "policy/sample.h"

/* @n bytes that live as long as the request; NULL where the context has no scratch. */
static inline char *smp_alloc(const struct smp_ctx *ctx, size_t n)
{
	return ctx->scratch ? arena_alloc(ctx->scratch, n ? n : 1) : NULL;
}

static inline bool smp_int(struct sample *out, int64_t v)
{
	out->type = SMP_INT;
	out->u.i = v;
	return true;
}

static inline bool smp_bool(struct sample *out, bool v)
{
	out->type = SMP_BOOL;
	out->u.i = v;
	return true;
}

static inline bool smp_str(struct sample *out, struct slice s)
{
	out->type = SMP_STR;
	out->u.s = s;
	return true;
}

static inline bool smp_bin(struct sample *out, struct slice s)
{
	out->type = SMP_BIN;
	out->u.s = s;
	return true;
}

static inline bool smp_addr(struct sample *out, const struct addr *a)
{
	if (a->family != ADDR_IP4 && a->family != ADDR_IP6)
		return false;
	out->type = a->family == ADDR_IP4 ? SMP_IP4 : SMP_IP6;
	out->u.a = *a;
	out->u.a.port = 0;
	return true;
}

/* Does argument @i exist? */
static inline bool arg_given(const struct smp_arg *args, int i)
{
	return args[i].type != ARG_END;
}

/* The leading number of @s (the cast of text to a number): false when @s is empty. */
bool slice_to_int(struct slice s, int64_t *out);
/* "192.0.2.1" with anything behind it / an IPv6 address. */
bool slice_to_ip4(struct slice s, struct addr *a);
bool slice_to_ip6(struct slice s, struct addr *a);
/* In place, for addresses that hold an IPv4 one. */
bool addr_ip6_to_ip4(struct addr *a);
/* In place: ::ffff:a.b.c.d. */
void addr_ip4_to_ip6(struct addr *a);

#endif
