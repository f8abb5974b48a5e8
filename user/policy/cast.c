// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cast.c - the types of samples and the matrix of conversions between them (manual 2.6, section 7.1; the details, like
 * "12abc" being 12, are those of Debian's haproxy). Any worker; text that has to be made lies in the context's scratch.
 */
#include <arpa/inet.h>
#include <stdio.h>

#include "policy/registry.h"
#include "policy/sample_util.h"

const char *smp_type_name(enum smp_type t)
{
	static const char *const names[] = {
		[SMP_NONE] = "none", [SMP_BOOL] = "bool", [SMP_INT] = "sint", [SMP_IP4] = "ipv4",
		[SMP_IP6] = "ipv6",  [SMP_STR] = "str",   [SMP_BIN] = "bin",  [SMP_METH] = "meth",
		[SMP_ADDR] = "addr", [SMP_ANY] = "any",
	};

	return t < ARRAY_SIZE(names) && names[t] ? names[t] : "?";
}

static bool int_to_text(struct sample *s, const struct smp_ctx *ctx)
{
	char *buf = smp_alloc(ctx, 24);

	if (!buf)
		return false;
	s->u.s = slice_make(buf, snprintf(buf, 24, "%lld", (long long)s->u.i));
	return true;
}

/* Eight bytes in network order. */
static bool int_to_bytes(struct sample *s, const struct smp_ctx *ctx)
{
	char *buf = smp_alloc(ctx, 8);
	uint64_t v = (uint64_t)s->u.i;

	if (!buf)
		return false;
	for (int i = 0; i < 8; i++)
		buf[i] = (char)(v >> (56 - 8 * i));
	s->u.s = slice_make(buf, 8);
	return true;
}

static bool int_to_ip4(struct sample *s, const struct smp_ctx *ctx)
{
	uint32_t be = htonl((uint32_t)s->u.i);
	struct addr a = { .family = ADDR_IP4 };

	memcpy(a.ip, &be, 4);
	s->u.a = a;
	return true;
}

void addr_ip4_to_ip6(struct addr *a)
{
	uint8_t v4[4];

	memcpy(v4, a->ip, 4);
	memset(a->ip, 0, 10);
	memset(a->ip + 10, 0xff, 2);
	memcpy(a->ip + 12, v4, 4);
	a->family = ADDR_IP6;
}

static bool int_to_ip6(struct sample *s, const struct smp_ctx *ctx)
{
	int_to_ip4(s, ctx);
	addr_ip4_to_ip6(&s->u.a);
	return true;
}

static bool ip4_to_int(struct sample *s, const struct smp_ctx *ctx)
{
	uint32_t be;

	memcpy(&be, s->u.a.ip, 4);
	s->u.i = ntohl(be);
	return true;
}

static bool ip4_to_ip6(struct sample *s, const struct smp_ctx *ctx)
{
	addr_ip4_to_ip6(&s->u.a);
	return true;
}

/* ::ffff:a.b.c.d, ::a.b.c.d and 2002:a.b.c.d:: hold an IPv4 address (manual 7.1.6). */
bool addr_ip6_to_ip4(struct addr *a)
{
	static const uint8_t zero[12];
	const uint8_t *v4;
	uint8_t tmp[4];

	if (!memcmp(a->ip, zero, 10) &&
	    ((a->ip[10] == 0xff && a->ip[11] == 0xff) || !(a->ip[10] | a->ip[11])))
		v4 = a->ip + 12;
	else if (a->ip[0] == 0x20 && a->ip[1] == 0x02)
		v4 = a->ip + 2;
	else
		return false;
	memcpy(tmp, v4, 4);
	memset(a->ip, 0, 16);
	memcpy(a->ip, tmp, 4);
	a->family = ADDR_IP4;
	return true;
}

static bool ip6_to_ip4(struct sample *s, const struct smp_ctx *ctx)
{
	return addr_ip6_to_ip4(&s->u.a);
}

static bool ip_to_text(struct sample *s, const struct smp_ctx *ctx)
{
	char *buf = smp_alloc(ctx, INET6_ADDRSTRLEN);
	struct addr a = s->u.a;

	if (!buf)
		return false;
	s->u.s = slice_z(addr_ip_text(&a, buf, INET6_ADDRSTRLEN));
	return true;
}

static bool ip_to_bytes(struct sample *s, const struct smp_ctx *ctx)
{
	size_t n = s->u.a.family == ADDR_IP4 ? 4 : 16;
	char *buf = smp_alloc(ctx, n);

	if (!buf)
		return false;
	memcpy(buf, s->u.a.ip, n);
	s->u.s = slice_make(buf, n);
	return true;
}

bool slice_to_int(struct slice s, int64_t *out)
{
	size_t i = 0;
	bool neg = false;
	uint64_t v = 0, limit = INT64_MAX;

	if (!s.n)
		return false;
	if (s.p[0] == '-' || s.p[0] == '+')
		neg = s.p[i++] == '-';
	limit += neg;
	for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
		unsigned int digit = s.p[i] - '0';

		if (v > (limit - digit) / 10) {
			v = limit;
			break;
		}
		v = v * 10 + digit;
	}
	*out = neg ? (int64_t)(0 - v) : (int64_t)v;
	return true;
}

/* The leading number; none counts as 0, an empty text is no number. */
static bool text_to_int(struct sample *s, const struct smp_ctx *ctx)
{
	return slice_to_int(s->u.s, &s->u.i);
}

static bool text_to_bool(struct sample *s, const struct smp_ctx *ctx)
{
	if (!text_to_int(s, ctx))
		return false;
	s->u.i = s->u.i != 0;
	return true;
}

/* Four octets; what follows them is ignored, as the oracle does. */
bool slice_to_ip4(struct slice s, struct addr *a)
{
	size_t i = 0;

	memset(a, 0, sizeof(*a));
	for (int o = 0; o < 4; o++) {
		unsigned int v = 0, digits = 0;

		for (; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++, digits++)
			if ((v = v * 10 + (s.p[i] - '0')) > 255)
				return false;
		if (!digits || (o < 3 && (i >= s.n || s.p[i++] != '.')))
			return false;
		a->ip[o] = (uint8_t)v;
	}
	a->family = ADDR_IP4;
	return true;
}

bool slice_to_ip6(struct slice s, struct addr *a)
{
	char z[INET6_ADDRSTRLEN];

	memset(a, 0, sizeof(*a));
	if (s.n >= sizeof(z))
		return false;
	memcpy(z, s.p, s.n);
	z[s.n] = 0;
	if (inet_pton(AF_INET6, z, a->ip) != 1)
		return false;
	a->family = ADDR_IP6;
	return true;
}

static bool text_to_ip4(struct sample *s, const struct smp_ctx *ctx)
{
	struct addr a;

	if (!slice_to_ip4(s->u.s, &a))
		return false;
	s->u.a = a;
	return true;
}

static bool text_to_ip6(struct sample *s, const struct smp_ctx *ctx)
{
	struct addr a;

	if (!slice_to_ip6(s->u.s, &a)) {
		if (!slice_to_ip4(s->u.s, &a))
			return false;
		addr_ip4_to_ip6(&a);
	}
	s->u.a = a;
	return true;
}

static bool text_to_addr(struct sample *s, const struct smp_ctx *ctx)
{
	return text_to_ip4(s, ctx) || text_to_ip6(s, ctx);
}

static bool keep(struct sample *s, const struct smp_ctx *ctx)
{
	return true;
}

static bool int_to_bool(struct sample *s, const struct smp_ctx *ctx)
{
	s->u.i = s->u.i != 0;
	return true;
}

/* Text ends at the first NUL. */
static bool bytes_to_text(struct sample *s, const struct smp_ctx *ctx)
{
	s->u.s.n = s->u.s.n ? strnlen(s->u.s.p, s->u.s.n) : 0;
	return true;
}

typedef bool cast_fn(struct sample *s, const struct smp_ctx *ctx);

/* row: from, column: to. An empty place: there is no conversion. */
static cast_fn *const casts[SMP_ADDR + 1][SMP_ADDR + 1] = {
	[SMP_BOOL] = { [SMP_BOOL] = keep,
		       [SMP_INT] = keep,
		       [SMP_STR] = int_to_text,
		       [SMP_BIN] = int_to_bytes },
	[SMP_INT] = { [SMP_BOOL] = int_to_bool,
		      [SMP_INT] = keep,
		      [SMP_IP4] = int_to_ip4,
		      [SMP_IP6] = int_to_ip6,
		      [SMP_ADDR] = int_to_ip4,
		      [SMP_STR] = int_to_text,
		      [SMP_BIN] = int_to_bytes },
	[SMP_IP4] = { [SMP_INT] = ip4_to_int,
		      [SMP_IP4] = keep,
		      [SMP_IP6] = ip4_to_ip6,
		      [SMP_ADDR] = keep,
		      [SMP_STR] = ip_to_text,
		      [SMP_BIN] = ip_to_bytes },
	[SMP_IP6] = { [SMP_IP4] = ip6_to_ip4,
		      [SMP_IP6] = keep,
		      [SMP_ADDR] = keep,
		      [SMP_STR] = ip_to_text,
		      [SMP_BIN] = ip_to_bytes },
	[SMP_STR] = { [SMP_BOOL] = text_to_bool,
		      [SMP_INT] = text_to_int,
		      [SMP_IP4] = text_to_ip4,
		      [SMP_IP6] = text_to_ip6,
		      [SMP_ADDR] = text_to_addr,
		      [SMP_STR] = keep,
		      [SMP_BIN] = keep,
		      [SMP_METH] = keep },
	[SMP_BIN] = { [SMP_STR] = bytes_to_text, [SMP_BIN] = keep, [SMP_METH] = bytes_to_text },
	[SMP_METH] = { [SMP_STR] = keep, [SMP_BIN] = keep, [SMP_METH] = keep },
};

bool smp_type_casts(enum smp_type from, enum smp_type to)
{
	if (from == SMP_ANY || to == SMP_ANY || from == to)
		return true;
	if (from == SMP_ADDR) /* known at run time: what any family can */
		return casts[SMP_IP4][to] || casts[SMP_IP6][to];
	return casts[from][to] != NULL;
}

bool sample_cast(struct sample *s, enum smp_type to, const struct smp_ctx *ctx)
{
	cast_fn *fn;

	if (to == SMP_ANY || s->type == to)
		return true;
	if (s->type > SMP_ADDR || to > SMP_ADDR)
		return false;
	fn = casts[s->type][to];
	if (!fn || !fn(s, ctx))
		return false;
	if (to != SMP_ADDR)
		s->type = to;
	else if (s->type != SMP_IP4 && s->type != SMP_IP6)
		s->type = s->u.a.family == ADDR_IP4 ? SMP_IP4 : SMP_IP6;
	return true;
}
