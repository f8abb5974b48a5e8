/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * units.c - numbers with units. See units.h.
 */
#include "base/units.h"
#include <errno.h>
#include <stdio.h>

/* Digits at the start of @s into @out; returns how many, 0 for none, -1 when it does not fit. */
static int take_digits(struct slice s, uint64_t *out)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < s.n && s.p[i] >= '0' && s.p[i] <= '9'; i++) {
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return -1;
	}
	*out = v;
	return (int)i;
}

int parse_time_us(struct slice s, uint64_t default_unit_us, uint64_t *out_us)
{
	static const struct {
		const char *unit;
		uint64_t us;
	} units[] = {
		{ "us", 1 },       { "ms", 1000 },      { "s", 1000000 },
		{ "m", 60000000 }, { "h", 3600000000 }, { "d", 86400000000 },
	};
	uint64_t v, factor = default_unit_us;
	int n = take_digits(s, &v);

	if (n < 0)
		return -ERANGE;
	if (n == 0)
		return -EINVAL;
	s = slice_from(s, (size_t)n);
	if (s.n) {
		size_t i;

		for (i = 0; i < ARRAY_SIZE(units); i++)
			if (slice_eq_z(s, units[i].unit))
				break;
		if (i == ARRAY_SIZE(units))
			return -EINVAL;
		factor = units[i].us;
	}
	if (__builtin_mul_overflow(v, factor, &v))
		return -ERANGE;
	*out_us = v;
	return 0;
}

int parse_time_ms(struct slice s, uint32_t *out_ms)
{
	uint64_t us;
	int err = parse_time_us(s, 1000, &us);

	if (err)
		return err;
	us = us / 1000 + (us % 1000 != 0);
	if (us > INT32_MAX) /* HAProxy's own bound: 24.8 days */
		return -ERANGE;
	*out_ms = (uint32_t)us;
	return 0;
}

int parse_size(struct slice s, uint64_t *out)
{
	uint64_t v;
	int shift = 0, n = take_digits(s, &v);

	if (n < 0)
		return -ERANGE;
	if (n == 0)
		return -EINVAL;
	s = slice_from(s, (size_t)n);
	if (s.n == 1 && (s.p[0] | 0x20) == 'k')
		shift = 10;
	else if (s.n == 1 && (s.p[0] | 0x20) == 'm')
		shift = 20;
	else if (s.n == 1 && (s.p[0] | 0x20) == 'g')
		shift = 30;
	else if (s.n)
		return -EINVAL;
	if (v > UINT64_MAX >> shift)
		return -ERANGE;
	*out = v << shift;
	return 0;
}

int parse_i64(struct slice s, int64_t min, int64_t max, int64_t *out)
{
	bool minus = s.n && s.p[0] == '-';
	uint64_t v;
	int64_t r;
	int n;

	if (minus || (s.n && s.p[0] == '+'))
		s = slice_from(s, 1);
	n = take_digits(s, &v);
	if (n < 0)
		return -ERANGE;
	if (n == 0 || (size_t)n != s.n)
		return -EINVAL;
	if (v > (uint64_t)INT64_MAX)
		return -ERANGE;
	r = minus ? -(int64_t)v : (int64_t)v;
	if (r < min || r > max)
		return -ERANGE;
	*out = r;
	return 0;
}

int parse_u32(struct slice s, uint32_t max, uint32_t *out)
{
	int64_t v;
	int err = parse_i64(s, 0, max, &v);

	if (!err)
		*out = (uint32_t)v;
	return err;
}

char *format_duration(char *buf, size_t size, uint64_t sec)
{
	if (sec < 60)
		snprintf(buf, size, "%us", (unsigned int)sec);
	else if (sec < 3600)
		snprintf(buf, size, "%um%us", (unsigned int)(sec / 60), (unsigned int)(sec % 60));
	else if (sec < 86400)
		snprintf(buf, size, "%uh%um", (unsigned int)(sec / 3600),
			 (unsigned int)(sec % 3600 / 60));
	else
		snprintf(buf, size, "%ud%uh", (unsigned int)(sec / 86400),
			 (unsigned int)(sec % 86400 / 3600));
	return buf;
}
