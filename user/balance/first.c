// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance first: the first server, by id, that is not full; so that the last ones can be switched off. Weights do not
 * matter (0 still means: not this one). Any worker, without a lock: servers by id in a snapshot (RCU).
 */
#include "balance/private.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include "balance/build.h"

struct first {
	struct rcu_head rcu;
	size_t n;
	struct server *server[]; /* by id */
};

static void first_free_rcu(struct rcu_head *head)
{
	free(container_of(head, struct first, rcu));
}

static int by_id(const void *a, const void *b)
{
	const struct server *x = *(struct server *const *)a, *y = *(struct server *const *)b;

	return x->puid < y->puid ? -1 : x->puid > y->puid;
}

static int first_rebuild(struct balance *b)
{
	size_t n = b->px->nservers;
	struct first *made = calloc(1, sizeof(*made) + n * sizeof(made->server[0])), *old;
	struct lb_target *t = calloc(n + 1, sizeof(*t));
	bool *used = calloc(n + 1, sizeof(*used));
	struct server *s;

	if (!made || !t || !used) {
		free(made);
		free(t);
		free(used);
		return -ENOMEM;
	}
	n = balance_targets(b->px, t);
	for (size_t i = 0; i < n; i++)
		used[t[i].index] = true;
	list_for_each_entry(s, &b->px->servers, node)
		if (used[s->index])
			made->server[made->n++] = s;
	free(t);
	free(used);
	qsort(made->server, made->n, sizeof(made->server[0]), by_id);
	old = atomic_exchange_explicit(&b->snapshot, made, memory_order_acq_rel);
	if (old)
		call_rcu(&old->rcu, first_free_rcu);
	return 0;
}

static struct server *first_pick(struct balance *b, const struct pick_request *r)
{
	const struct first *f = atomic_load_explicit(&b->snapshot, memory_order_acquire);

	for (size_t i = 0; i < f->n; i++)
		if (!pick_request_skips(r, f->server[i]))
			return f->server[i];
	return NULL;
}

void balance_first_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "first",
		  .rebuild = first_rebuild,
		  .pick = first_pick,
		  .kernel = KERNEL_NEVER,
		  .kernel_says = "'balance first' fills servers up to their maxconn, which needs "
				 "exact counts",
		  .help = "The first server by id that has a free slot; needs maxconn on the "
			  "servers." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
