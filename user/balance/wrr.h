/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * wrr.h - the order of smooth weighted round robin with weights that change at any time: the heart of
 * `balance roundrobin`. It knows numbers and weights only; roundrobin.c gives it servers and a lock.
 */
#ifndef LBD_BALANCE_WRR_H
#define LBD_BALANCE_WRR_H

#include <stdbool.h>
#include <stdint.h>

#define WRR_NONE UINT32_MAX

struct wrr;

/* For members 0..n-1, all of weight 0. NULL: no memory. */
struct wrr *wrr_new(uint32_t n);
void wrr_free(struct wrr *w);

/*
 * Changes weights (in sixteenths; 0: out) of all members to weight[0..n-1]. Those that did not change
 * keep their turns. O(n log n) at worst.
 */
void wrr_set_weights(struct wrr *w, const uint32_t *weight);

/*
 * Whose turn it is, WRR_NONE if there is nobody. Members for which @skip (may be NULL) is true are passed
 * over and lose the turn. O(log n) for each one looked at.
 */
uint32_t wrr_pick(struct wrr *w, bool (*skip)(void *ctx, uint32_t member), void *ctx);

/* Whose turn comes after the last pick unless something changes: to fetch its memory early. WRR_NONE: not known. */
uint32_t wrr_next(const struct wrr *w);

#endif /* LBD_BALANCE_WRR_H */
