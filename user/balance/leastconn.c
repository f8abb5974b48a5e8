// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance leastconn: the server with the fewest connections for its weight; in turn among equals, in haproxy's order.
 * A heap by load, so that 10,000 servers cost what ten do (O(log n)); one lock for the backend.
 *
 * The load is what the server would have with one more connection, over its weight; 0 for an idle one, so that idle
 * servers of every weight come first. Of equal loads the one that got it first is taken first.
 */
#include "balance/private.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "balance/build.h"
#include "balance/heap.h"

struct leastconn_member {
	struct server *server;
	uint32_t weight;
	uint32_t taken; /* connections given to it and not ended */
	uint64_t load;
	uint64_t order;
};

struct leastconn {
	pthread_mutex_t lock;
	uint64_t order;
	struct lb_heap heap;
	uint32_t *passed; /* [n]: taken out during a pick */
	struct leastconn_member member[];
};

static bool less_loaded(const void *ctx, uint32_t a, uint32_t b)
{
	const struct leastconn *lc = ctx;
	const struct leastconn_member *x = &lc->member[a], *y = &lc->member[b];

	return x->load != y->load ? x->load < y->load : x->order < y->order;
}

static struct leastconn *leastconn_new(const struct proxy *px)
{
	uint32_t n = px->nservers;
	struct leastconn *lc = calloc(1, sizeof(*lc) + n * sizeof(lc->member[0]));
	struct server *s;

	if (!lc)
		return NULL;
	pthread_mutex_init(&lc->lock, NULL);
	lc->passed = malloc((n + 1ul) * sizeof(*lc->passed));
	if (!lc->passed || lb_heap_init(&lc->heap, n, less_loaded, lc)) {
		free(lc->passed);
		free(lc);
		return NULL;
	}
	list_for_each_entry(s, &px->servers, node)
		lc->member[s->index].server = s;
	return lc;
}

/* Moves the server to its place, behind all of the same load. */
static void leastconn_place(struct leastconn *lc, uint32_t i)
{
	struct leastconn_member *m = &lc->member[i];
	uint64_t conns = m->taken;

	conns += atomic_load_explicit(&m->server->load.queued, memory_order_relaxed);
	m->load = conns ? ((conns + 1) << 24) / m->weight : 0;
	m->order = lc->order++;
	if (lc->heap.place[i] == HEAP_NONE)
		lb_heap_add(&lc->heap, i);
	else
		lb_heap_fix(&lc->heap, i);
}

static int leastconn_rebuild(struct balance *b)
{
	struct leastconn *lc = b->state;
	uint32_t n = b->px->nservers, kept;
	struct lb_target *t = calloc(n + 1ul, sizeof(*t));
	uint32_t *weight = calloc(n + 1ul, sizeof(*weight));

	if (!lc)
		lc = b->state = leastconn_new(b->px);
	if (!lc || !t || !weight) {
		free(t);
		free(weight);
		return -ENOMEM;
	}
	kept = balance_targets(b->px, t);
	for (uint32_t i = 0; i < kept; i++)
		weight[t[i].index] = t[i].weight;
	pthread_mutex_lock(&lc->lock);
	for (uint32_t i = 0; i < n; i++) {
		if (lc->member[i].weight == weight[i])
			continue;
		lc->member[i].weight = weight[i];
		if (weight[i])
			leastconn_place(lc, i);
		else
			lb_heap_remove(&lc->heap, i);
	}
	pthread_mutex_unlock(&lc->lock);
	free(t);
	free(weight);
	return 0;
}

static struct server *leastconn_pick(struct balance *b, const struct pick_request *r)
{
	struct leastconn *lc = b->state;
	struct server *found = NULL;
	uint32_t passed = 0, i;

	pthread_mutex_lock(&lc->lock);
	while (!found && (i = lb_heap_first(&lc->heap)) != HEAP_NONE) {
		if (!pick_request_skips(r, lc->member[i].server)) {
			found = lc->member[i].server;
			break;
		}
		lb_heap_remove(&lc->heap, i);
		lc->passed[passed++] = i;
	}
	while (passed)
		lb_heap_add(&lc->heap, lc->passed[--passed]);
	pthread_mutex_unlock(&lc->lock);
	return found;
}

static void leastconn_count(struct balance *b, struct server *s, int by)
{
	struct leastconn *lc = b->state;
	uint32_t first;

	pthread_mutex_lock(&lc->lock);
	lc->member[s->index].taken += by;
	if (lc->member[s->index].weight)
		leastconn_place(lc, s->index);
	first = lb_heap_first(&lc->heap);
	if (first != HEAP_NONE)
		balance_will_pick(lc->member[first].server);
	pthread_mutex_unlock(&lc->lock);
}

static void leastconn_took(struct balance *b, struct server *s)
{
	leastconn_count(b, s, 1);
}

static void leastconn_dropped(struct balance *b, struct server *s)
{
	leastconn_count(b, s, -1);
}

void balance_leastconn_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "leastconn",
		  .rebuild = leastconn_rebuild,
		  .pick = leastconn_pick,
		  .took = leastconn_took,
		  .dropped = leastconn_dropped,
		  .kernel_form = "least",
		  .kernel = KERNEL_APPROX,
		  .kernel_says = "leastconn: the less loaded of two servers drawn by weight, not "
				 "the least loaded of all",
		  .help = "The server with the fewest connections for its weight, queued ones "
			  "included." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
