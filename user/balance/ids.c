// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Automatic server ids: the numbers that place servers on the consistent-hash ring and that the
 * statistics show. Pure functions, any thread.
 *
 * A counter starts at 1 and advances by one for every server, with explicit id or without. A server
 * without takes the first number from the counter on that no explicit id uses, and the counter goes on
 * after it. So {a id 7, b, c id 3, d} gives 7,2,3,4, and {a, b id 1, c, d id 2, e} gives 3,1,5,2,7.
 */
#include <errno.h>
#include <stdlib.h>

#include "balance/build.h"

struct explicit_id {
	uint32_t id;
	size_t at;
};

static int explicit_cmp(const void *a, const void *b)
{
	const struct explicit_id *x = a, *y = b;

	if (x->id != y->id)
		return x->id < y->id ? -1 : 1;
	return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorted list of the non-zero ids; *len is their number. NULL without memory. */
static struct explicit_id *explicit_sorted(const uint32_t *id, size_t n, size_t *len)
{
	struct explicit_id *list = calloc(n + 1, sizeof(*list));

	*len = 0;
	if (!list)
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (id[i])
			list[(*len)++] = (struct explicit_id){ id[i], i };
	qsort(list, *len, sizeof(*list), explicit_cmp);
	return list;
}

static size_t explicit_first_dup(const struct explicit_id *list, size_t len)
{
	size_t first = SIZE_MAX;

	for (size_t i = 1; i < len; i++)
		if (list[i].id == list[i - 1].id && list[i].at < first)
			first = list[i].at;
	return first;
}

int lb_ids_assign(uint32_t *id, size_t n, size_t *dup)
{
	size_t len, used = 0, first_dup;
	uint32_t counter = 1;
	struct explicit_id *list = explicit_sorted(id, n, &len);

	if (!list)
		return -ENOMEM;
	first_dup = explicit_first_dup(list, len);
	if (first_dup != SIZE_MAX) {
		if (dup)
			*dup = first_dup;
		free(list);
		return -EEXIST;
	}
	for (size_t i = 0; i < n; i++, counter++) {
		if (id[i])
			continue;
		while (used < len && list[used].id < counter)
			used++;
		for (; used < len && list[used].id == counter; used++)
			counter++;
		id[i] = counter;
	}
	free(list);
	return 0;
}

uint32_t lb_ids_smallest_free(const uint32_t *id, size_t n)
{
	size_t len;
	uint32_t candidate = 1;
	struct explicit_id *list = explicit_sorted(id, n, &len);

	if (!list)
		return 0;
	for (size_t i = 0; i < len && list[i].id <= candidate; i++)
		if (list[i].id == candidate)
			candidate++;
	free(list);
	return candidate;
}
