// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The consistent-hash ring: builds the sorted array of points that lbd_ring_find() searches.
 * Not the search itself, which the kernel shares (<lbd/hash.h>). Pure functions, any thread.
 */
#include <errno.h>
#include <stdlib.h>

#include "balance/build.h"

/* Points of one server: mix32(id * LB_RING_ID_STRIDE + i). */
#define LB_RING_ID_STRIDE 4096

#define RADIX_BITS 11
#define RADIX_SIZE (1u << RADIX_BITS)

/*
 * Stable sort by point, so that equal points (only possible when ids are 2^20 apart) stay in
 * declaration order. Three passes of eleven bits; the result is in `a`.
 */
static void ring_sort(struct lbd_ring_point **a, struct lbd_ring_point **spare, size_t n)
{
	for (unsigned int shift = 0; shift < 32; shift += RADIX_BITS) {
		struct lbd_ring_point *from = *a, *to = *spare;
		size_t start[RADIX_SIZE + 1] = { 0 };

		for (size_t i = 0; i < n; i++)
			start[((from[i].point >> shift) & (RADIX_SIZE - 1)) + 1]++;
		for (size_t d = 0; d < RADIX_SIZE; d++)
			start[d + 1] += start[d];
		for (size_t i = 0; i < n; i++)
			to[start[(from[i].point >> shift) & (RADIX_SIZE - 1)]++] = from[i];
		*a = to;
		*spare = from;
	}
}

static uint32_t ring_base(const struct lb_target *t)
{
	return t->ring ? t->ring : t->id * LB_RING_ID_STRIDE;
}

int lb_ring_build(struct lb_ring *ring, const struct lb_target *t, size_t n)
{
	struct lbd_ring_point *spare;
	uint64_t points = 0;
	uint32_t fill = 0;

	*ring = (struct lb_ring){ 0 };
	for (size_t i = 0; i < n; i++)
		points += t[i].weight;
	if (points > LBD_RING_POINTS_MAX)
		return -E2BIG;
	if (!points)
		return 0;

	ring->point = malloc(points * sizeof(*ring->point));
	spare = malloc(points * sizeof(*spare));
	if (!ring->point || !spare) {
		free(spare);
		lb_ring_fini(ring);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++)
		for (uint32_t p = 0; p < t[i].weight; p++)
			ring->point[fill++] =
				(struct lbd_ring_point){ lbd_mix32(ring_base(&t[i]) + p),
							 t[i].index };
	ring->size = fill;
	ring_sort(&ring->point, &spare, ring->size);
	free(spare);
	return 0;
}

void lb_ring_fini(struct lb_ring *ring)
{
	free(ring->point);
	*ring = (struct lb_ring){ 0 };
}
