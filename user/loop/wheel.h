/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wheel.h - hierarchical timing wheel of one loop: six levels of 64 slots, 1 ms resolution, 2 years of range.
 * Set and cancel are O(1); a timer moves down at most five times. Varghese and Lauck, SOSP 1987.
 */
#ifndef LBD_LOOP_WHEEL_H
#define LBD_LOOP_WHEEL_H

#include "loop/loop.h"

#define WHEEL_BITS   6
#define WHEEL_SLOTS  (1 << WHEEL_BITS)
#define WHEEL_LEVELS 6

struct timer_wheel {
	uint64_t now;                  /* everything before and at this ms has expired */
	uint64_t filled[WHEEL_LEVELS]; /* bit per slot: may be non-empty */
	struct list slot[WHEEL_LEVELS][WHEEL_SLOTS];
	uint64_t armed;
};

void wheel_init(struct timer_wheel *w, uint64_t now_ms);
void wheel_set(struct timer_wheel *w, struct timer *t, uint64_t at_ms);
void wheel_cancel(struct timer_wheel *w, struct timer *t);
/* Runs what is due up to and with @now_ms; returns how many. Callbacks may set and cancel any timer. */
unsigned int wheel_advance(struct timer_wheel *w, uint64_t now_ms);
/* How long the loop may sleep: ms to the next thing to do (a lower bound of the next expiry), -1: nothing armed. */
int64_t wheel_wait_ms(const struct timer_wheel *w, uint64_t now_ms);

#endif
