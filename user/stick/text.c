// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * text.c - texts that entries share: each is in memory once, counted. Any thread; one lock, taken when a server's name is
 * written into an entry or leaves it. See table.h.
 */
#include "stick/text.h"
#include "base/arena.h"
#include <pthread.h>
#include <stdlib.h>
#include <xxhash.h>

#define BUCKETS 256

static struct stick_text *buckets[BUCKETS];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static struct stick_text **bucket_of(struct slice s)
{
	return &buckets[XXH3_64bits(s.p, s.n) % BUCKETS];
}

struct stick_text *stick_text_get(struct slice s)
{
	struct stick_text **b = bucket_of(s), *t;

	pthread_mutex_lock(&lock);
	for (t = *b; t && !slice_eq_z(s, t->z); t = t->next)
		;
	if (!t) {
		t = malloc(sizeof(*t) + s.n + 1);
		if (t) {
			memcpy(t->z, s.p, s.n);
			t->z[s.n] = 0;
			t->refs = 0;
			t->next = *b;
			*b = t;
		}
	}
	if (t)
		t->refs++;
	pthread_mutex_unlock(&lock);
	return t;
}

void stick_text_put(struct stick_text *t)
{
	struct stick_text **b;

	if (!t)
		return;
	pthread_mutex_lock(&lock);
	if (--t->refs == 0) {
		for (b = bucket_of(slice_z(t->z)); *b != t; b = &(*b)->next)
			;
		*b = t->next;
		free(t);
	}
	pthread_mutex_unlock(&lock);
}
