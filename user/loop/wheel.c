/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wheel.c - timing wheel. See wheel.h. Runs in the loop's thread.
 *
 * A timer lies at the level of the highest 6-bit group in which its time differs from `now`, in the slot that
 * group names. When `now` enters a new slot of a level above 0, that slot's timers are placed again, lower.
 */
#include "loop/wheel.h"

void wheel_init(struct timer_wheel *w, uint64_t now_ms)
{
	memset(w, 0, sizeof(*w));
	w->now = now_ms;
	for (int l = 0; l < WHEEL_LEVELS; l++)
		for (int s = 0; s < WHEEL_SLOTS; s++)
			list_init(&w->slot[l][s]);
}

static void wheel_place(struct timer_wheel *w, struct timer *t)
{
	uint64_t at = t->at_ms > w->now ? t->at_ms : w->now + 1;
	uint64_t diff = at ^ w->now;
	int level = diff ? (63 - __builtin_clzll(diff)) / WHEEL_BITS : 0;
	int slot;

	if (level >=
	    WHEEL_LEVELS) { /* beyond the range: looked at again when the top slot comes round */
		level = WHEEL_LEVELS - 1;
		slot = (int)((w->now >> (level * WHEEL_BITS)) + WHEEL_SLOTS - 1) &
		       (WHEEL_SLOTS - 1);
	} else {
		slot = (int)(at >> (level * WHEEL_BITS)) & (WHEEL_SLOTS - 1);
	}
	list_add_tail(&w->slot[level][slot], &t->node);
	w->filled[level] |= 1ULL << slot;
}

void wheel_set(struct timer_wheel *w, struct timer *t, uint64_t at_ms)
{
	if (timer_armed(t))
		list_del(&t->node);
	else
		w->armed++;
	t->at_ms = at_ms;
	wheel_place(w, t);
}

void wheel_cancel(struct timer_wheel *w, struct timer *t)
{
	if (!timer_armed(t))
		return;
	list_del(&t->node);
	w->armed--;
}

/* Places the timers of a higher level's slot again, now that `now` has entered it. */
static void wheel_cascade(struct timer_wheel *w, int level, int slot)
{
	struct list moved = LIST_INIT(moved);

	list_splice_tail(&moved, &w->slot[level][slot]);
	w->filled[level] &= ~(1ULL << slot);
	while (!list_empty(&moved)) {
		struct timer *t = list_first(&moved, struct timer, node);

		list_del(&t->node);
		if (t->at_ms <= w->now) { /* due exactly at this tick: level 0 of now is run next */
			list_add_tail(&w->slot[0][w->now & (WHEEL_SLOTS - 1)], &t->node);
			w->filled[0] |= 1ULL << (w->now & (WHEEL_SLOTS - 1));
		} else {
			wheel_place(w, t);
		}
	}
}

static unsigned int wheel_run_slot(struct timer_wheel *w, int slot)
{
	struct list due = LIST_INIT(due);
	unsigned int n = 0;

	list_splice_tail(&due, &w->slot[0][slot]);
	w->filled[0] &= ~(1ULL << slot);
	while (!list_empty(&due)) {
		struct timer *t = list_first(&due, struct timer, node);

		list_del(&t->node);
		w->armed--;
		n++;
		t->on_expire(t);
	}
	return n;
}

/* The next tick at which a slot has to be run or cascaded, at most @limit. */
static uint64_t wheel_next_tick(const struct timer_wheel *w, uint64_t limit)
{
	for (int l = 0; l < WHEEL_LEVELS; l++) {
		int shift = l * WHEEL_BITS;
		uint64_t pos = (w->now >> shift) & (WHEEL_SLOTS - 1);
		uint64_t ahead = pos == WHEEL_SLOTS - 1 ? 0 : w->filled[l] & (~0ULL << (pos + 1));
		uint64_t tick;

		if (ahead) {
			uint64_t base = (w->now >> shift) & ~(uint64_t)(WHEEL_SLOTS - 1);

			tick = (base + (uint64_t)__builtin_ctzll(ahead)) << shift;
			return tick < limit ? tick : limit;
		}
		if (w->filled[l]) { /* wraps: the parent's next slot starts the new turn */
			tick = ((w->now >> (shift + WHEEL_BITS)) + 1) << (shift + WHEEL_BITS);
			return tick < limit ? tick : limit;
		}
	}
	return limit;
}

unsigned int wheel_advance(struct timer_wheel *w, uint64_t now_ms)
{
	unsigned int n = 0;

	while (w->now < now_ms) {
		w->now = wheel_next_tick(w, now_ms);
		for (int l = WHEEL_LEVELS - 1; l > 0; l--) {
			int shift = l * WHEEL_BITS;

			if ((w->now & ((1ULL << shift) - 1)) == 0)
				wheel_cascade(w, l, (int)(w->now >> shift) & (WHEEL_SLOTS - 1));
		}
		n += wheel_run_slot(w, (int)(w->now & (WHEEL_SLOTS - 1)));
	}
	return n;
}

int64_t wheel_wait_ms(const struct timer_wheel *w, uint64_t now_ms)
{
	uint64_t tick;

	if (!w->armed)
		return -1;
	tick = wheel_next_tick(w, UINT64_MAX);
	return tick <= now_ms ? 0 : (int64_t)(tick - now_ms);
}
