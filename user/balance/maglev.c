// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * hash-type maglev: a table of LBD_MAGLEV_SIZE slots that every node with the same servers builds alike,
 * whatever order they are listed in, and in which few slots move when a server comes or goes
 * (Eisenbud et al., "Maglev", NSDI 2016, section 3.4). Pure function, any thread.
 *
 * Fixed for good, since nodes of different versions must agree; the vectors in the unit test hold it:
 * servers sorted by (family, address, port); d and e = XXH64 with seed 0 and 1 over the family (4 or 6),
 * 4 or 16 address bytes and the port in network order; offset = d mod size, skip = e mod (size - 1) + 1.
 */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "balance/build.h"

#define SLOT_FREE UINT32_MAX

struct candidate {
	const struct lb_target *target;
	uint32_t next; /* the slot it looks at next */
	uint32_t skip;
	uint32_t credit;
};

static size_t addr_len(const struct lb_target *t)
{
	return t->family == 6 ? 16 : 4;
}

/* Declaration order decides between equal ones, to have a total order. */
static int candidate_cmp(const void *a, const void *b)
{
	const struct lb_target *x = ((const struct candidate *)a)->target;
	const struct lb_target *y = ((const struct candidate *)b)->target;
	int diff;

	if (x->family != y->family)
		return x->family < y->family ? -1 : 1;
	diff = memcmp(x->addr, y->addr, addr_len(x));
	if (diff)
		return diff;
	if (x->port != y->port)
		return x->port < y->port ? -1 : 1;
	return x < y ? -1 : x > y;
}

static void candidate_init(struct candidate *c, const struct lb_target *t)
{
	uint8_t key[1 + 16 + 2];
	size_t len = addr_len(t);

	key[0] = t->family;
	memcpy(key + 1, t->addr, len);
	key[1 + len] = t->port >> 8;
	key[2 + len] = t->port & 0xff;
	*c = (struct candidate){
		.target = t,
		.next = XXH64(key, len + 3, 0) % LBD_MAGLEV_SIZE,
		.skip = XXH64(key, len + 3, 1) % (LBD_MAGLEV_SIZE - 1) + 1,
	};
}

static void candidate_take(struct candidate *c, uint32_t *slot)
{
	while (slot[c->next] != SLOT_FREE)
		c->next = (c->next + c->skip) % LBD_MAGLEV_SIZE;
	slot[c->next] = c->target->index;
}

/* Rounds over the servers: each earns its weight, a slot costs the largest weight. */
static void maglev_fill(uint32_t *slot, struct candidate *c, size_t n, uint32_t largest)
{
	uint32_t left = LBD_MAGLEV_SIZE;

	for (size_t i = 0; left; i = i + 1 < n ? i + 1 : 0) {
		c[i].credit += c[i].target->weight;
		if (c[i].credit < largest)
			continue;
		c[i].credit -= largest;
		candidate_take(&c[i], slot);
		left--;
	}
}

int lb_table_build_maglev(struct lb_table *table, const struct lb_target *t, size_t n)
{
	struct candidate *c;
	uint32_t largest = 0;
	size_t used = 0;

	*table = (struct lb_table){ 0 };
	if (n > LBD_MAGLEV_SIZE)
		return -E2BIG;
	c = calloc(n + 1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		if (!t[i].weight)
			continue;
		candidate_init(&c[used++], &t[i]);
		if (t[i].weight > largest)
			largest = t[i].weight;
	}
	if (!used)
		goto out;

	table->slot = malloc(LBD_MAGLEV_SIZE * sizeof(*table->slot));
	if (!table->slot) {
		free(c);
		return -ENOMEM;
	}
	memset(table->slot, 0xff, LBD_MAGLEV_SIZE * sizeof(*table->slot)); /* SLOT_FREE */
	table->size = LBD_MAGLEV_SIZE;
	qsort(c, used, sizeof(*c), candidate_cmp);
	maglev_fill(table->slot, c, used, largest);
out:
	free(c);
	return 0;
}
