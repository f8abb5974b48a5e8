// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Smooth weighted round robin in the very order of haproxy, found by watching it; the unit test holds
 * sequences recorded from it, and a net test compares live. The owner's lock protects everything.
 *
 * Time is counted in turns. In a window of `total` turns (weights in sixteenths, so sixteen rounds) each
 * member gets a turn every total / weight turns:
 *  - who had no turn in this window yet waits in `fresh`, by weight, the heaviest first;
 *  - who had one has a date for the next, in `dated`: the turn and, as remainder of the division, a
 *    fraction. Of two due at the same turn the one whose fraction is farther from a whole weight is
 *    first, then the one that was put there first;
 *  - whose date lies behind the window waits in `later` and is fresh in the next one.
 * A turn goes to the first of `dated` if it is due, else to the first of `fresh`, else to the first of
 * `dated` before its date.
 */
#include <stdlib.h>

#include "balance/heap.h"
#include "balance/wrr.h"
#include "base/list.h"

enum wrr_where { WRR_OUT, WRR_FRESH, WRR_DATED, WRR_LATER, WRR_ASIDE };

struct wrr_member {
	struct list node; /* in fresh, later or a pick's passed list */
	enum wrr_where where;
	uint32_t weight;
	uint32_t date;  /* turn within the window */
	uint32_t rest;  /* fraction of the date, in parts of the weight */
	uint32_t had;   /* turn within the window at which it had its last one */
	uint64_t order; /* when it was dated, or by which it was listed */
};

struct wrr {
	uint32_t n;
	uint32_t total; /* sum of weights: length of the window */
	uint32_t turn;  /* within the window */
	uint64_t order;
	struct list fresh, later;
	struct lb_heap dated;
	struct wrr_member **sorting; /* [n], for wrr_sort() */
	struct wrr_member member[];
};

static bool dated_less(const void *ctx, uint32_t a, uint32_t b)
{
	const struct wrr *w = ctx;
	const struct wrr_member *x = &w->member[a], *y = &w->member[b];
	uint32_t x_gap = x->weight - x->rest, y_gap = y->weight - y->rest;

	if (x->date != y->date)
		return x->date < y->date;
	return x_gap != y_gap ? x_gap > y_gap : x->order < y->order;
}

struct wrr *wrr_new(uint32_t n)
{
	struct wrr *w = calloc(1, sizeof(*w) + n * sizeof(w->member[0]));

	if (!w)
		return NULL;
	w->n = n;
	w->sorting = malloc((n + 1ul) * sizeof(w->sorting[0]));
	list_init(&w->fresh);
	list_init(&w->later);
	if (!w->sorting || lb_heap_init(&w->dated, n, dated_less, w)) {
		wrr_free(w);
		return NULL;
	}
	for (uint32_t i = 0; i < n; i++)
		list_init(&w->member[i].node);
	return w;
}

void wrr_free(struct wrr *w)
{
	if (!w)
		return;
	lb_heap_fini(&w->dated);
	free(w->sorting);
	free(w);
}

static void wrr_list(struct wrr *w, struct wrr_member *m, struct list *list, enum wrr_where where)
{
	m->where = where;
	m->order = w->order++;
	list_add_tail(list, &m->node);
}

static void wrr_take_out(struct wrr *w, struct wrr_member *m)
{
	if (m->where == WRR_DATED)
		lb_heap_remove(&w->dated, m - w->member);
	else
		list_del(&m->node);
	m->where = WRR_OUT;
}

/* By its date: into this window or the next. */
static void wrr_place(struct wrr *w, struct wrr_member *m)
{
	if (m->date >= w->total) {
		wrr_list(w, m, &w->later, WRR_LATER);
		return;
	}
	m->where = WRR_DATED;
	m->order = w->order++;
	lb_heap_add(&w->dated, m - w->member);
}

/* The next date after @from: due in total / weight turns, the remainder saved up. */
static void wrr_date(struct wrr *w, struct wrr_member *m, uint32_t from)
{
	m->date = from + w->total / m->weight;
	m->rest += w->total % m->weight;
	if (m->rest >= m->weight) {
		m->rest -= m->weight;
		m->date++;
	}
	wrr_place(w, m);
}

/*
 * A member in use whose weight changed in the middle of a window: the date it has, or a whole gap after its last turn if that is
 * sooner; but where that is now or next, a whole gap from now on. The reference's order, in every one of 500 random changes.
 */
static void wrr_date_changed(struct wrr *w, struct wrr_member *m)
{
	uint32_t gap = w->total / m->weight;

	if (m->had + gap < m->date)
		m->date = m->had + gap;
	if (m->date < w->turn + 2)
		m->date = w->turn + gap;
	wrr_place(w, m);
}

/*
 * A member that comes back in the middle of a window, with the fraction it left with: nearly a whole gap from now on. Here the
 * reference's order is known by half: the same in 196 of 250 random returns, else the member's turns are one or two earlier or later.
 */
static void wrr_date_back(struct wrr *w, struct wrr_member *m)
{
	uint32_t part, gap;

	m->rest %= m->weight;
	part = w->total - m->rest;
	gap = (part + m->weight - 1) / m->weight;
	m->date = w->turn + (gap > 1 ? gap - 1 : w->total / m->weight);
	wrr_place(w, m);
}

static int heavier_first(const void *a, const void *b)
{
	const struct wrr_member *x = *(struct wrr_member *const *)a;
	const struct wrr_member *y = *(struct wrr_member *const *)b;

	if (x->weight != y->weight)
		return x->weight > y->weight ? -1 : 1;
	return x->order < y->order ? -1 : x->order > y->order;
}

static void wrr_sort_fresh(struct wrr *w)
{
	uint32_t n = 0;

	while (!list_empty(&w->fresh)) {
		struct wrr_member *m = container_of(w->fresh.next, struct wrr_member, node);

		list_del(&m->node);
		w->sorting[n++] = m;
	}
	qsort(w->sorting, n, sizeof(w->sorting[0]), heavier_first);
	for (uint32_t i = 0; i < n; i++)
		list_add_tail(&w->fresh, &w->sorting[i]->node);
}

/* A new window: all who are left are fresh again. Called when the old one is used up, or has nobody left. */
static void wrr_next_window(struct wrr *w)
{
	while (w->dated.count) {
		struct wrr_member *m = &w->member[lb_heap_first(&w->dated)];

		wrr_take_out(w, m);
		wrr_list(w, m, &w->fresh, WRR_FRESH);
	}
	while (!list_empty(&w->later)) {
		struct wrr_member *m = container_of(w->later.next, struct wrr_member, node);

		list_del(&m->node);
		wrr_list(w, m, &w->fresh, WRR_FRESH);
	}
	w->turn = 0;
	wrr_sort_fresh(w);
}

void wrr_set_weights(struct wrr *w, const uint32_t *weight)
{
	bool running = w->total > 0, sort = false;

	w->total = 0;
	for (uint32_t i = 0; i < w->n; i++)
		w->total += weight[i];
	for (uint32_t i = 0; i < w->n; i++) {
		struct wrr_member *m = &w->member[i];
		bool fresh = m->where == WRR_FRESH || !running, out = m->where == WRR_OUT;

		if (m->weight == weight[i])
			continue;
		if (m->where != WRR_OUT)
			wrr_take_out(w, m);
		m->weight = weight[i];
		if (fresh || (m->weight && !out))
			m->rest = 0;
		if (!m->weight)
			continue;
		if (fresh) {
			wrr_list(w, m, &w->fresh, WRR_FRESH);
			sort = true;
		} else if (out) {
			wrr_date_back(w, m);
		} else {
			wrr_date_changed(w, m);
		}
	}
	if (sort)
		wrr_sort_fresh(w);
}

static struct wrr_member *wrr_first(struct wrr *w)
{
	uint32_t first = lb_heap_first(&w->dated);

	if (first != HEAP_NONE && (w->member[first].date <= w->turn || list_empty(&w->fresh)))
		return &w->member[first];
	if (!list_empty(&w->fresh))
		return container_of(w->fresh.next, struct wrr_member, node);
	return NULL;
}

/* Takes the one whose turn it is out of its queue. */
static struct wrr_member *wrr_take(struct wrr *w)
{
	struct wrr_member *m;

	if (w->turn >= w->total)
		wrr_next_window(w);
	m = wrr_first(w);
	if (!m && !list_empty(&w->later)) {
		wrr_next_window(w);
		m = wrr_first(w);
	}
	if (!m)
		return NULL;
	if (m->where == WRR_FRESH) {
		m->date = w->turn;
		m->rest = 0;
	}
	wrr_take_out(w, m);
	return m;
}

uint32_t wrr_pick(struct wrr *w, bool (*skip)(void *ctx, uint32_t member), void *ctx)
{
	struct list passed = LIST_INIT(passed);
	struct wrr_member *m;

	while ((m = wrr_take(w)) && skip && skip(ctx, m - w->member))
		wrr_list(w, m, &passed, WRR_ASIDE);
	if (m) {
		wrr_date(w, m, m->date);
		m->had = w->turn++;
	}
	while (!list_empty(&passed)) {
		struct wrr_member *p = container_of(passed.next, struct wrr_member, node);

		wrr_take_out(w, p);
		wrr_date(w, p, p->date);
	}
	return m ? m - w->member : WRR_NONE;
}

uint32_t wrr_next(const struct wrr *w)
{
	uint32_t first = lb_heap_first(&w->dated);

	if (first != HEAP_NONE && (w->member[first].date <= w->turn || list_empty(&w->fresh)))
		return first;
	if (!list_empty(&w->fresh))
		return container_of(w->fresh.next, struct wrr_member, node) - w->member;
	return WRR_NONE;
}
