/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rate.h - events per period as a sliding window over two periods, with HAProxy's arithmetic: what was counted in the
 * period under way, and of the one before the share that still lies within one period of now. Under the entry's lock.
 * Times are the low 32 bits of the loop's milliseconds.
 */
#ifndef LBD_STICK_RATE_H
#define LBD_STICK_RATE_H

#include <stdint.h>

struct stick_rate {
	uint32_t since; /* when the period under way began, ms */
	uint32_t now, before;
};

/* Another thread's clock may be read a little later. */
static inline uint32_t stick_rate_age(const struct stick_rate *r, uint32_t now_ms)
{
	int32_t age = (int32_t)(now_ms - r->since);

	return age < 0 ? 0 : (uint32_t)age;
}

/* The count in the period under way. */
static inline uint32_t stick_rate_add(struct stick_rate *r, uint32_t period_ms, uint32_t now_ms,
				      uint32_t n)
{
	uint32_t age = stick_rate_age(r, now_ms);

	if (age >= period_ms) {
		r->before = age - period_ms < period_ms ? r->now : 0;
		r->now = 0;
		r->since = age - period_ms < period_ms ? r->since + period_ms : now_ms;
	}
	r->now += n;
	return r->now;
}

/* One event in the last period that has not been followed by another stays one, instead of fading away at once. */
static inline uint32_t stick_rate_read(const struct stick_rate *r, uint32_t period_ms,
				       uint32_t now_ms)
{
	uint32_t age = stick_rate_age(r, now_ms), now = r->now, before = r->before;

	if (age >= period_ms) {
		age -= period_ms;
		before = now;
		now = 0;
		if (age >= period_ms)
			return 0;
	}
	if (before <= 1 && !now)
		return before;
	return now + (uint32_t)((uint64_t)before * (period_ms - age) / period_ms);
}

#endif
