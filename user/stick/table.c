// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * table.c - shards, entries, their age, and how a table stays within its size. See table.h. Any thread.
 *
 * Lock order: a shard, then the table's list of updates. Never two shards at once.
 */
#include "stick/table.h"
#include <stdio.h>
#include "base/diag.h"
#include "base/arena.h"
#include "stick/text.h"
#include "stick/updates.h"
#include <stdlib.h>
#include <xxhash.h>

#define SHARDS_MAX   64
#define SHARD_ROOM   1024 /* entries for which a table gets one more shard */
#define BUCKETS_MIN  16
#define EXPIRE_BATCH 512 /* entries removed under one lock */
#define EXPIRE_TURNS 64  /* of one shard in a row */

struct stick_shard {
	pthread_mutex_t lock;
	struct list by_age;
	struct stick_entry **buckets; /* NULL: never used */
	uint32_t nbuckets, n;
	_Atomic uint64_t due_ms; /* nothing expires before; 0: nothing expires */
} CACHE_ALIGNED;

struct list stick_tables = LIST_INIT(stick_tables);

struct stick_table *stick_table_find(struct slice name)
{
	struct stick_table *t;

	list_for_each_entry(t, &stick_tables, node)
		if (slice_eq_z(name, t->name))
			return t;
	return NULL;
}

static const char *next_table_name(void *ctx)
{
	const struct list **at = ctx;

	*at = (*at)->next;
	return *at == &stick_tables ? NULL : list_entry(*at, struct stick_table, node)->name;
}

const char *stick_table_missing(const char *name, char *buf, size_t size)
{
	const struct list *at = &stick_tables;
	const char *near = diag_nearest(name, next_table_name, &at);

	if (near)
		snprintf(buf, size, "; did you mean '%s'?", near);
	else
		snprintf(buf, size, ": no proxy of that name has a 'stick-table'");
	return buf;
}

/* ---- layout ---- */

/* 8-byte values first, then the others, then the key. */
static void lay_out(struct stick_table *t)
{
	uint32_t at = 0;

	t->update_at = 0;
	if (t->peers)
		at = sizeof(struct stick_update);
	for (int wide = 1; wide >= 0; wide--) {
		for (int d = 0; d < SD_TYPES; d++) {
			size_t bytes = stick_kind_bytes(stick_data_rows[d].kind);

			if (!t->count[d] || (bytes == 8) != wide)
				continue;
			t->offset[d] = at;
			at += (uint32_t)bytes * t->count[d];
		}
	}
	t->key_at = at;
	t->entry_bytes = sizeof(struct stick_entry) + at;
}

static uint32_t shards_for(uint32_t size)
{
	uint32_t n = 1;

	while (n < SHARDS_MAX && n * SHARD_ROOM < size)
		n *= 2;
	return n;
}

void stick_table_build(struct stick_table *t, struct arena *a)
{
	lay_out(t);
	t->nshards = shards_for(t->size);
	t->shards = (void *)(((uintptr_t)arena_zalloc(a, sizeof(*t->shards) * (t->nshards + 1)) +
			      CACHE_LINE - 1) &
			     ~(uintptr_t)(CACHE_LINE - 1));
	for (uint32_t i = 0; i < t->nshards; i++) {
		pthread_mutexattr_t attr;

		pthread_mutexattr_init(&attr);
		pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
		pthread_mutex_init(&t->shards[i].lock, &attr);
		pthread_mutexattr_destroy(&attr);
		list_init(&t->shards[i].by_age);
	}
	if (t->peers)
		t->updates = stick_updates_new(a);
}

/* ---- inside a shard; locked ---- */

static struct stick_shard *shard_of(const struct stick_table *t, uint32_t hash)
{
	return &t->shards[(hash >> 24) & (t->nshards - 1)];
}

static struct stick_entry *bucket_find(const struct stick_table *t, const struct stick_shard *sh,
				       uint32_t hash, struct slice key)
{
	struct stick_entry *e = sh->nbuckets ? sh->buckets[hash & (sh->nbuckets - 1)] : NULL;

	while (e && (e->hash != hash || !slice_eq(stick_entry_key(t, e), key)))
		e = e->next;
	return e;
}

static bool buckets_grow(struct stick_shard *sh)
{
	uint32_t n = sh->nbuckets ? sh->nbuckets * 2 : BUCKETS_MIN;
	struct stick_entry **to = calloc(n, sizeof(*to)), *e, *next;

	if (!to)
		return sh->nbuckets > 0; /* chains get longer */
	for (uint32_t i = 0; i < sh->nbuckets; i++) {
		for (e = sh->buckets[i]; e; e = next) {
			next = e->next;
			e->next = to[e->hash & (n - 1)];
			to[e->hash & (n - 1)] = e;
		}
	}
	free(sh->buckets);
	sh->buckets = to;
	sh->nbuckets = n;
	return true;
}

static void note_due(struct stick_shard *sh, uint64_t due_ms)
{
	uint64_t old = atomic_load_explicit(&sh->due_ms, memory_order_relaxed);

	if (!old || due_ms < old)
		atomic_store_explicit(&sh->due_ms, due_ms, memory_order_relaxed);
}

static bool in_use(const struct stick_entry *e)
{
	return e->refs || atomic_load(&e->pins);
}

/* false: somebody has it. */
static bool entry_remove(struct stick_table *t, struct stick_shard *sh, struct stick_entry *e)
{
	struct stick_entry **at;

	if (in_use(e))
		return false;
	if (t->updates && !stick_update_forget(t, e))
		return false; /* pinned meanwhile */
	for (at = &sh->buckets[e->hash & (sh->nbuckets - 1)]; *at != e; at = &(*at)->next)
		;
	*at = e->next;
	list_del(&e->age);
	sh->n--;
	atomic_fetch_sub(&t->used, 1);
	if (t->count[SD_SERVER_KEY])
		stick_text_put(*(struct stick_text **)stick_at(t, e, SD_SERVER_KEY, 0));
	free(e);
	return true;
}

static bool expired(const struct stick_table *t, const struct stick_entry *e, uint64_t now_ms)
{
	return t->expire_ms && e->due_ms <= now_ms;
}

/* true: there is more. Oldest first. What is tracked goes to the other end: its life begins anew when it is let go. */
static bool shard_expire(struct stick_table *t, struct stick_shard *sh, uint64_t now_ms)
{
	struct stick_entry *e, *tmp;
	int left = EXPIRE_BATCH;

	list_for_each_entry_safe(e, tmp, &sh->by_age, age) {
		if (!expired(t, e, now_ms) || !left--)
			break;
		if (entry_remove(t, sh, e) || !e->refs) /* pinned: it goes soon */
			continue;
		e->due_ms = now_ms + t->expire_ms; /* the list stays sorted */
		list_del(&e->age);
		list_add_tail(&sh->by_age, &e->age);
	}
	if (list_empty(&sh->by_age))
		atomic_store(&sh->due_ms, 0);
	else
		atomic_store(&sh->due_ms, list_first(&sh->by_age, struct stick_entry, age)->due_ms);
	return left < 0;
}

/* ---- the table's size ---- */

static uint64_t oldest_of(struct stick_shard *sh)
{
	uint64_t at = UINT64_MAX;

	pthread_mutex_lock(&sh->lock);
	if (!list_empty(&sh->by_age))
		at = list_first(&sh->by_age, struct stick_entry, age)->due_ms;
	pthread_mutex_unlock(&sh->lock);
	return at;
}

/* Removes up to @quota of the oldest of one shard that are older than @before. */
static uint32_t shard_purge(struct stick_table *t, struct stick_shard *sh, uint32_t quota,
			    uint64_t before)
{
	struct stick_entry *e, *tmp;
	uint32_t removed = 0, looked = 0;

	pthread_mutex_lock(&sh->lock);
	list_for_each_entry_safe(e, tmp, &sh->by_age, age) {
		if (removed >= quota || looked++ >= quota + EXPIRE_BATCH || e->due_ms > before)
			break;
		if (entry_remove(t, sh, e)) {
			removed++;
			continue;
		}
		list_del(&e->age);
		list_add_tail(&sh->by_age, &e->age);
	}
	pthread_mutex_unlock(&sh->lock);
	return removed;
}

/* HAProxy's measure: one entry and one more for each 256 of size. Called with no lock held. */
static bool purge_oldest(struct stick_table *t)
{
	uint32_t quota = (t->size >> 8) + 1, removed = 0;
	uint64_t oldest[SHARDS_MAX];

	for (uint32_t i = 0; i < t->nshards; i++)
		oldest[i] = oldest_of(&t->shards[i]);
	for (uint32_t round = 0; round < quota + 4 * t->nshards && removed < quota; round++) {
		uint64_t second = UINT64_MAX;
		uint32_t first = 0;

		for (uint32_t i = 1; i < t->nshards; i++)
			if (oldest[i] < oldest[first])
				first = i;
		for (uint32_t i = 0; i < t->nshards; i++)
			if (i != first && oldest[i] < second)
				second = oldest[i];
		if (oldest[first] == UINT64_MAX)
			break;
		removed += shard_purge(t, &t->shards[first], quota - removed, second);
		oldest[first] = oldest_of(&t->shards[first]);
		if (oldest[first] <= second && t->nshards > 1)
			oldest[first] = second == UINT64_MAX ? UINT64_MAX : second + 1;
	}
	return removed > 0;
}

/* ---- entries ---- */

static uint32_t hash_of(struct slice key)
{
	return (uint32_t)XXH3_64bits(key.p, key.n);
}

struct stick_entry *stick_find(struct stick_table *t, const struct stick_key *key)
{
	uint32_t hash = hash_of(key->s);
	struct stick_shard *sh = shard_of(t, hash);
	struct stick_entry *e;

	pthread_mutex_lock(&sh->lock);
	e = bucket_find(t, sh, hash, key->s);
	if (e && expired(t, e, this_loop->now_ms) && !in_use(e)) {
		entry_remove(t, sh, e);
		e = NULL;
	}
	if (!e)
		pthread_mutex_unlock(&sh->lock);
	return e;
}

static struct stick_entry *entry_new(struct stick_table *t, uint32_t hash, struct slice key)
{
	struct stick_entry *e = calloc(1, t->entry_bytes + key.n);

	if (!e)
		return NULL;
	e->hash = hash;
	e->key_bytes = (uint32_t)key.n;
	memcpy(e->mem + t->key_at, key.p, key.n);
	if (t->updates)
		stick_update_init(t, e);
	return e;
}

/* Room for one more is taken, or false. */
static bool take_room(struct stick_table *t)
{
	uint32_t used = atomic_load(&t->used);

	while (used < t->size)
		if (atomic_compare_exchange_weak(&t->used, &used, used + 1))
			return true;
	return false;
}

static struct stick_entry *add_locked(struct stick_table *t, struct stick_shard *sh, uint32_t hash,
				      struct slice key)
{
	struct stick_entry *e;

	if (sh->n >= sh->nbuckets && !buckets_grow(sh))
		return NULL;
	e = entry_new(t, hash, key);
	if (!e)
		return NULL;
	e->next = sh->buckets[hash & (sh->nbuckets - 1)];
	sh->buckets[hash & (sh->nbuckets - 1)] = e;
	sh->n++;
	list_add_tail(&sh->by_age, &e->age);
	stick_touch(t, e, this_loop->now_ms);
	return e;
}

struct stick_entry *stick_find_or_add(struct stick_table *t, const struct stick_key *key)
{
	uint32_t hash = hash_of(key->s);
	struct stick_shard *sh = shard_of(t, hash);
	struct stick_entry *e = stick_find(t, key);

	if (e)
		return e;
	if (!take_room(t)) {
		stick_expire(t, this_loop->now_ms);
		if (!take_room(t) && (t->nopurge || !purge_oldest(t) || !take_room(t)))
			return NULL;
	}
	pthread_mutex_lock(&sh->lock);
	e = bucket_find(t, sh, hash, key->s);
	if (e) /* another thread was faster */
		atomic_fetch_sub(&t->used, 1);
	else
		e = add_locked(t, sh, hash, key->s);
	if (!e) {
		atomic_fetch_sub(&t->used, 1);
		pthread_mutex_unlock(&sh->lock);
	}
	return e;
}

void stick_lock(struct stick_table *t, struct stick_entry *e)
{
	pthread_mutex_lock(&shard_of(t, e->hash)->lock);
}

void stick_unlock(struct stick_table *t, struct stick_entry *e)
{
	pthread_mutex_unlock(&shard_of(t, e->hash)->lock);
}

void stick_touch(struct stick_table *t, struct stick_entry *e, uint64_t now_ms)
{
	struct stick_shard *sh = shard_of(t, e->hash);

	e->due_ms = now_ms + t->expire_ms;
	if (sh->by_age.prev != &e->age) {
		list_del(&e->age);
		list_add_tail(&sh->by_age, &e->age);
	}
	if (t->expire_ms)
		note_due(sh, e->due_ms);
}

#define LOOK_BACK 64

void stick_touch_for(struct stick_table *t, struct stick_entry *e, uint64_t now_ms, uint32_t ms)
{
	struct stick_shard *sh = shard_of(t, e->hash);
	struct list *at;

	if (!t->expire_ms || ms >= t->expire_ms) {
		stick_touch(t, e, now_ms);
		return;
	}
	e->due_ms = now_ms + ms;
	list_del(&e->age);
	at = sh->by_age.prev;
	for (int i = 0; i < LOOK_BACK && at != &sh->by_age; i++, at = at->prev)
		if (list_entry(at, struct stick_entry, age)->due_ms <= e->due_ms)
			break;
	list_add_between(&e->age, at, at->next);
	note_due(sh, e->due_ms);
}

void stick_changed(struct stick_table *t, struct stick_entry *e)
{
	if (t->updates)
		stick_update_push(t, e);
}

uint32_t stick_rest_ms(const struct stick_table *t, const struct stick_entry *e, uint64_t now_ms)
{
	return t->expire_ms && e->due_ms > now_ms ? (uint32_t)(e->due_ms - now_ms) : 0;
}

bool stick_remove_unlock(struct stick_table *t, struct stick_entry *e)
{
	struct stick_shard *sh = shard_of(t, e->hash);
	bool removed = entry_remove(t, sh, e);

	pthread_mutex_unlock(&sh->lock);
	return removed;
}

void stick_expire(struct stick_table *t, uint64_t now_ms)
{
	if (!t->expire_ms)
		return;
	for (uint32_t i = 0; i < t->nshards; i++) {
		struct stick_shard *sh = &t->shards[i];
		uint64_t due = atomic_load_explicit(&sh->due_ms, memory_order_relaxed);
		int turns = 0;
		bool more;

		if (!due || due > now_ms)
			continue;
		do {
			pthread_mutex_lock(&sh->lock);
			more = shard_expire(t, sh, now_ms);
			pthread_mutex_unlock(&sh->lock);
		} while (more && ++turns < EXPIRE_TURNS);
	}
}

uint32_t stick_used(struct stick_table *t)
{
	stick_expire(t, this_loop->now_ms);
	return atomic_load(&t->used);
}

struct stick_entry **stick_pin_shard(struct stick_table *t, uint32_t i, size_t *n)
{
	struct stick_shard *sh = &t->shards[i];
	struct stick_entry **all, *e;

	*n = 0;
	pthread_mutex_lock(&sh->lock);
	all = sh->n ? malloc(sizeof(struct stick_entry *) * sh->n) : NULL;
	if (all) {
		list_for_each_entry(e, &sh->by_age, age) {
			atomic_fetch_add(&e->pins, 1);
			all[(*n)++] = e;
		}
	}
	pthread_mutex_unlock(&sh->lock);
	return all;
}

void stick_unpin(struct stick_table *t, struct stick_entry *e)
{
	atomic_fetch_sub(&e->pins, 1);
}
