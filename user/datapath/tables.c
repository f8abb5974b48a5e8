/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tables.c - from servers to words. See tables.h.
 */
#include "datapath/tables.h"
#include "balance/build.h"
#include <errno.h>
#include <stdlib.h>

static int take_table(struct kernel_table *out, int err, struct lb_table *t)
{
	if (err)
		return err;
	out->words = t->slot;
	out->size = t->size;
	out->form = t->size ? LBD_FORM_TABLE : LBD_FORM_NONE;
	t->slot = NULL;
	lb_table_fini(t);
	return 0;
}

static int build_map(struct kernel_table *out, const struct lb_target *t, size_t n)
{
	struct lb_table table = { 0 };

	return take_table(out, lb_table_build_map(&table, t, n), &table);
}

static int build_maglev(struct kernel_table *out, const struct lb_target *t, size_t n)
{
	struct lb_table table = { 0 };

	return take_table(out, lb_table_build_maglev(&table, t, n), &table);
}

/* The search touches points only, so they stand together in front of the slots. */
static int build_ring(struct kernel_table *out, const struct lb_target *t, size_t n)
{
	struct lb_ring ring = { 0 };
	int err = lb_ring_build(&ring, t, n);

	if (err)
		return err;
	out->words = malloc(sizeof(*out->words) * 2 * (ring.size + 1));
	if (!out->words) {
		lb_ring_fini(&ring);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < ring.size; i++) {
		out->words[i] = ring.point[i].point;
		out->words[ring.size + i] = ring.point[i].server;
	}
	out->size = ring.size;
	out->form = ring.size ? LBD_FORM_RING : LBD_FORM_NONE;
	lb_ring_fini(&ring);
	return 0;
}

/* One usable server is taken without hashing (Documentation/hashing.md): a table of one slot says just that. */
static int build(const struct balance *b, const struct lb_target *t, size_t n,
		 struct kernel_table *out)
{
	if (n <= 1 || strcmp(balance_kernel_form(b), "ring") != 0)
		return b->algo->by_hash && b->hash_type == HASH_MAGLEV ? build_maglev(out, t, n)
								       : build_map(out, t, n);
	return build_ring(out, t, n);
}

int kernel_table_build(const struct proxy *be, const uint32_t *slot_of, struct kernel_table *out)
{
	struct lb_target *t;
	size_t n;
	int err;

	memset(out, 0, sizeof(*out));
	if (!be->balance || !balance_kernel_form(be->balance))
		return -ENOTSUP;
	t = calloc((size_t)be->nservers + 1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	n = balance_targets(be, t);
	for (size_t i = 0; i < n; i++)
		t[i].index = slot_of[t[i].index];
	err = build(be->balance, t, n, out);
	free(t);
	return err;
}

void kernel_table_fini(struct kernel_table *t)
{
	free(t->words);
	memset(t, 0, sizeof(*t));
}

void kernel_pick_fields(const struct balance *b, struct lbd_service *out)
{
	const char *form = balance_kernel_form(b);

	out->number = b->algo->wants_dst ? LBD_NUM_5TUPLE : LBD_NUM_SOURCE;
	out->draws = 1;
	if (b->algo->by_hash) {
		out->pick = LBD_PICK_HASH;
		/* Documentation/hashing.md: avalanche, or consistent that names no function; maglev always */
		if (b->avalanche || b->hash_type == HASH_MAGLEV ||
		    (b->hash_type == HASH_CONSISTENT && !b->hash_fn_set))
			out->flags |= LBD_S_MIX;
	} else if (strcmp(form, "walk") == 0) {
		out->pick = LBD_PICK_WALK;
	} else {
		out->pick = LBD_PICK_DRAW;
		out->draws = 2;
	}
}
