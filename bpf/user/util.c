// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * util.c - errors as text, ticks, addresses, stable ids.
 */
#include "set_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

int lbdmap_fail(struct lbdmap_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	if (!err)
		return code;
	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

/* The programs read the coarse clock, so we do: else a fresh tick looks as if it came from the future. */
uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

uint32_t lbdmap_tick(void)
{
	return now_ns() >> LBD_TICK_SHIFT;
}

uint32_t lbdmap_ticks_ms(uint64_t ms)
{
	uint64_t ticks = (ms * 1000000ULL + (1ULL << LBD_TICK_SHIFT) - 1) >> LBD_TICK_SHIFT;

	return ticks > 0x7fffffff ? 0x7fffffff : ticks;
}

uint64_t lbdmap_ms_ticks(uint32_t ticks)
{
	return ((uint64_t)ticks << LBD_TICK_SHIFT) / 1000000;
}

void lbdmap_addr4(union lbd_addr *a, const void *ip4)
{
	memset(a, 0, sizeof(*a));
	a->b[10] = a->b[11] = 0xff;
	memcpy(a->b + 12, ip4, 4);
}

void lbdmap_addr6(union lbd_addr *a, const void *ip6)
{
	memcpy(a->b, ip6, 16);
}

bool lbdmap_addr_is_v4(const union lbd_addr *a)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

	return memcmp(a->b, mapped, 12) == 0;
}

char *lbdmap_addr_text(const union lbd_addr *a, char buf[LBDMAP_ADDR_TEXT])
{
	if (lbdmap_addr_is_v4(a))
		inet_ntop(AF_INET, a->b + 12, buf, LBDMAP_ADDR_TEXT);
	else
		inet_ntop(AF_INET6, a->b, buf, LBDMAP_ADDR_TEXT);
	return buf;
}

int lbdmap_addr_parse(union lbd_addr *a, const char *text)
{
	uint8_t ip[16];

	if (strcmp(text, "*") == 0) {
		memset(a, 0, sizeof(*a));
		return 0;
	}
	if (inet_pton(AF_INET, text, ip) == 1) {
		lbdmap_addr4(a, ip);
		return 0;
	}
	if (inet_pton(AF_INET6, text, ip) == 1) {
		lbdmap_addr6(a, ip);
		return 0;
	}
	return -EINVAL;
}

/* http://www.isthe.com/chongo/tech/comp/fnv/: FNV-1a, 64 bits. */
uint64_t lbdmap_stable_id(const char *name)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *name; name++)
		h = (h ^ (uint8_t)*name) * 0x100000001b3ULL;
	return h;
}
