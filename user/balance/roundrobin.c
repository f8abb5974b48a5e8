// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance roundrobin: servers in turn by weight, smoothly, in haproxy's order (wrr.h), weights changing at any time.
 * One order for all workers, hence one lock for the backend, held for O(log n).
 */
#include "balance/private.h"
#include "balance/wrr.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "balance/build.h"

struct roundrobin {
	pthread_mutex_t lock;
	struct wrr *wrr;
	struct server **server; /* by server.index */
};

static void roundrobin_free(struct roundrobin *rr)
{
	wrr_free(rr->wrr);
	free(rr->server);
	free(rr);
}

static struct roundrobin *roundrobin_new(const struct proxy *px)
{
	struct roundrobin *rr = calloc(1, sizeof(*rr));
	struct server *s;

	if (!rr)
		return NULL;
	pthread_mutex_init(&rr->lock, NULL);
	rr->wrr = wrr_new(px->nservers);
	rr->server = calloc(px->nservers + 1ul, sizeof(*rr->server));
	if (!rr->wrr || !rr->server) {
		roundrobin_free(rr);
		return NULL;
	}
	list_for_each_entry(s, &px->servers, node)
		rr->server[s->index] = s;
	return rr;
}

static int roundrobin_rebuild(struct balance *b)
{
	struct roundrobin *rr = b->state;
	uint32_t n = b->px->nservers;
	struct lb_target *t = calloc(n + 1ul, sizeof(*t));
	uint32_t *weight = calloc(n + 1ul, sizeof(*weight));

	if (!rr)
		rr = b->state = roundrobin_new(b->px);
	if (!rr || !t || !weight) {
		free(t);
		free(weight);
		return -ENOMEM;
	}
	n = balance_targets(b->px, t);
	for (uint32_t i = 0; i < n; i++)
		weight[t[i].index] = t[i].weight;
	pthread_mutex_lock(&rr->lock);
	wrr_set_weights(rr->wrr, weight);
	pthread_mutex_unlock(&rr->lock);
	free(t);
	free(weight);
	return 0;
}

struct skip_ctx {
	const struct roundrobin *rr;
	const struct pick_request *r;
};

static bool roundrobin_skip(void *ctx, uint32_t member)
{
	const struct skip_ctx *skip = ctx;

	return pick_request_skips(skip->r, skip->rr->server[member]);
}

static struct server *roundrobin_pick(struct balance *b, const struct pick_request *r)
{
	struct roundrobin *rr = b->state;
	struct skip_ctx skip = { rr, r };
	uint32_t member, next;

	pthread_mutex_lock(&rr->lock);
	member = wrr_pick(rr->wrr, roundrobin_skip, &skip);
	next = wrr_next(rr->wrr);
	pthread_mutex_unlock(&rr->lock);
	if (next != WRR_NONE)
		balance_will_pick(rr->server[next]);
	return member == WRR_NONE ? NULL : rr->server[member];
}

void balance_roundrobin_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "roundrobin",
		  .rebuild = roundrobin_rebuild,
		  .pick = roundrobin_pick,
		  .kernel_form = "walk",
		  .kernel = KERNEL_EXACT,
		  .help = "Servers in turn, smoothly by weight; weights change at any time." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
