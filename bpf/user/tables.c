// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tables.c - the owner's book of the slot array: regions in use, regions that die, and publishing. The book is
 * rebuilt from the services when a set is taken over, so nothing about it is pinned.
 */
#include "set_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define GRACE_NS 100000000ULL /* no run of a packet program lasts that long */

struct region {
	uint32_t offset, words;
	uint32_t refs; /* services that read it; 0: dying */
	uint8_t form;
	uint64_t hash;    /* of the contents */
	uint64_t dead_ns; /* when the last reference went */
};

static uint32_t form_words(enum lbd_form form, uint32_t n)
{
	return form == LBD_FORM_RING ? 2 * n : n;
}

static uint64_t words_hash(const uint32_t *w, uint32_t n)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (uint32_t i = 0; i < n; i++) {
		h = (h ^ w[i]) * 0x9fb21c651e98df25ULL;
		h ^= h >> 32;
	}
	return h;
}

static uint32_t *slot_words(struct lbdmap_set *set)
{
	return MEM(set, SLOTS, uint32_t);
}

static int region_insert(struct tables *t, uint32_t at, const struct region *r)
{
	if (t->n == t->room) {
		uint32_t room = t->room ? t->room * 2 : 64;
		struct region *list = realloc(t->list, room * sizeof(*list));

		if (!list)
			return -ENOMEM;
		t->list = list;
		t->room = room;
	}
	memmove(t->list + at + 1, t->list + at, (t->n - at) * sizeof(*t->list));
	t->list[at] = *r;
	t->n++;
	return 0;
}

/* Forgets regions whose grace is over. Returns when the next one dies, 0 if none is dying. */
static uint64_t regions_reap(struct tables *t)
{
	uint64_t now = now_ns(), next = 0;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < t->n; i++) {
		struct region *r = &t->list[i];

		if (!r->refs && now - r->dead_ns > GRACE_NS)
			continue;
		if (!r->refs && (!next || r->dead_ns + GRACE_NS < next))
			next = r->dead_ns + GRACE_NS;
		t->list[kept++] = *r;
	}
	t->n = kept;
	return next;
}

/* First gap of @words; *at: its place in the list. The first element of the array stays empty. */
static bool gap_find(struct lbdmap_set *set, uint32_t words, uint32_t *offset, uint32_t *at)
{
	struct tables *t = &set->tables;
	uint64_t from = LBD_SLOT_WORDS, all = (uint64_t)set->entries[LBDMAP_SLOTS] * LBD_SLOT_WORDS;

	for (uint32_t i = 0; i <= t->n; i++) {
		uint64_t end = i < t->n ? t->list[i].offset : all;

		if (from + words <= end) {
			*offset = from;
			*at = i;
			return true;
		}
		if (i < t->n)
			from = (uint64_t)t->list[i].offset + t->list[i].words;
	}
	return false;
}

static struct region *region_at(struct tables *t, uint32_t offset)
{
	uint32_t lo = 0, hi = t->n;

	while (lo < hi) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (t->list[mid].offset == offset)
			return &t->list[mid];
		if (t->list[mid].offset < offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static struct region *region_same(struct lbdmap_set *set, const struct region *want,
				  const uint32_t *w)
{
	struct tables *t = &set->tables;

	for (uint32_t i = 0; i < t->n; i++) {
		struct region *r = &t->list[i];

		if (r->refs && r->hash == want->hash && r->words == want->words &&
		    r->form == want->form &&
		    !memcmp(slot_words(set) + r->offset, w, r->words * sizeof(*w)))
			return r;
	}
	return NULL;
}

static void region_put(struct lbdmap_set *set, uint64_t table)
{
	struct region *r = region_at(&set->tables, LBD_TABLE_OFFSET(table));

	if (!LBD_TABLE_SIZE(table) || !r || !r->refs)
		return;
	if (--r->refs == 0)
		r->dead_ns = now_ns();
}

static int region_take(struct lbdmap_set *set, struct region *want, const uint32_t *w)
{
	struct region *same = region_same(set, want, w);
	uint64_t dying;
	uint32_t at;

	if (same) {
		same->refs++;
		want->offset = same->offset;
		return 0;
	}
	dying = regions_reap(&set->tables);
	if (!gap_find(set, want->words, &want->offset, &at))
		return dying ? -EAGAIN : -ENOSPC;
	if ((uint64_t)want->offset >> 28)
		return -ENOSPC;
	want->refs = 1;
	memcpy(slot_words(set) + want->offset, w, want->words * sizeof(*w));
	return region_insert(&set->tables, at, want);
}

int tables_adopt(struct lbdmap_set *set)
{
	struct tables *t = &set->tables;

	tables_free(set);
	for (uint32_t i = 1; i < set->entries[LBDMAP_SERVICE]; i++) {
		const struct lbd_service *s = lbdmap_service(set, i);
		struct region *old, r = {};
		uint32_t at = 0;
		int rc;

		if (!(s->flags & LBD_S_USED) || !LBD_TABLE_SIZE(s->table))
			continue;
		r.offset = LBD_TABLE_OFFSET(s->table);
		r.form = LBD_TABLE_FORM(s->table);
		r.words = form_words(r.form, LBD_TABLE_SIZE(s->table));
		r.refs = 1;
		if (!lbdmap_words(set, r.offset, r.words))
			return -EPROTO;
		r.hash = words_hash(slot_words(set) + r.offset, r.words);
		old = region_at(t, r.offset);
		if (old) {
			old->refs++;
			continue;
		}
		while (at < t->n && t->list[at].offset < r.offset)
			at++;
		rc = region_insert(t, at, &r);
		if (rc)
			return rc;
	}
	return 0;
}

void tables_free(struct lbdmap_set *set)
{
	free(set->tables.list);
	memset(&set->tables, 0, sizeof(set->tables));
}

int lbdmap_table_publish(struct lbdmap_set *set, uint32_t slot, enum lbd_form form,
			 const uint32_t *points, const uint32_t *servers, uint32_t n)
{
	struct lbd_service *s = MEM(set, SERVICE, struct lbd_service) + slot;
	struct region r = { .form = form, .words = form_words(form, n) };
	uint32_t *joined = NULL;
	uint64_t old;
	int rc = set_must_own(set);

	if (rc)
		return rc;
	if (!slot || slot >= set->entries[LBDMAP_SERVICE] || form >= LBD_FORMS)
		return -EINVAL;
	if (n >> 24)
		return -E2BIG;
	if (form == LBD_FORM_RING && n) {
		joined = malloc(r.words * sizeof(*joined));
		if (!joined)
			return -ENOMEM;
		memcpy(joined, points, n * sizeof(*points));
		memcpy(joined + n, servers, n * sizeof(*servers));
		servers = joined;
	}
	if (form == LBD_FORM_NONE || !n) {
		form = LBD_FORM_NONE;
		n = 0;
	} else {
		r.hash = words_hash(servers, r.words);
		rc = region_take(set, &r, servers);
	}
	free(joined);
	if (rc)
		return rc;
	old = s->table;
	__atomic_store_n(&s->table, LBD_TABLE(r.offset, n, form, (LBD_TABLE_EPOCH(old) + 1) & 0xff),
			 __ATOMIC_RELEASE);
	region_put(set, old);
	return 0;
}

void lbdmap_table_usage(struct lbdmap_set *set, uint32_t *used, uint32_t *all)
{
	*used = 0;
	*all = set->entries[LBDMAP_SLOTS] * LBD_SLOT_WORDS;
	for (uint32_t i = 0; i < set->tables.n; i++)
		*used += set->tables.list[i].words;
}
