// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance random, random(<draws>): draws servers by weight and takes the least loaded of them (Mitzenmacher, "The Power
 * of Two Choices", 2001). Any worker, without a lock: the weights' running sums in a snapshot (RCU).
 */
#include "balance/private.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>
#include <urcu-qsbr.h>

#include "balance/build.h"

#define DRAWS_DEFAULT 2

struct random_entry {
	uint32_t upto; /* sum of the weights up to and with this one */
	uint32_t weight;
	struct server *server;
};

struct random {
	struct rcu_head rcu;
	uint32_t n;
	struct random_entry entry[];
};

static void random_free_rcu(struct rcu_head *head)
{
	free(container_of(head, struct random, rcu));
}

static int random_rebuild(struct balance *b)
{
	size_t n = b->px->nservers;
	struct random *made = calloc(1, sizeof(*made) + n * sizeof(made->entry[0])), *old;
	struct lb_target *t = calloc(n + 1, sizeof(*t));
	uint32_t sum = 0, next = 0;
	struct server *s;

	if (!made || !t) {
		free(made);
		free(t);
		return -ENOMEM;
	}
	n = balance_targets(b->px, t); /* in file order, as the list of servers is */
	list_for_each_entry(s, &b->px->servers, node) {
		if (next == n || t[next].index != s->index)
			continue;
		sum += t[next].weight;
		made->entry[made->n++] = (struct random_entry){ sum, t[next++].weight, s };
	}
	free(t);
	old = atomic_exchange_explicit(&b->snapshot, made, memory_order_acq_rel);
	if (old)
		call_rcu(&old->rcu, random_free_rcu);
	return 0;
}

/* xorshift64*, one per thread (Marsaglia 2003, Vigna 2014). */
static uint32_t random_number(void)
{
	static __thread uint64_t x;

	if (!x) {
		struct timespec now;

		clock_gettime(CLOCK_MONOTONIC, &now);
		x = ((uint64_t)(uintptr_t)&x << 20) ^ (uint64_t)now.tv_nsec ^
		    ((uint64_t)now.tv_sec << 40) ^ 1;
	}
	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	return (x * 0x2545f4914f6cdd1dull) >> 32;
}

static const struct random_entry *random_draw(const struct random *rd)
{
	uint32_t number = ((uint64_t)random_number() * rd->entry[rd->n - 1].upto) >> 32, from = 0,
		 to = rd->n - 1;

	while (from < to) { /* the first whose sum is greater */
		uint32_t mid = from + (to - from) / 2;

		if (rd->entry[mid].upto > number)
			to = mid;
		else
			from = mid + 1;
	}
	return &rd->entry[from];
}

static uint64_t conns(const struct random_entry *e)
{
	return atomic_load_explicit(&e->server->load.served, memory_order_relaxed) +
	       atomic_load_explicit(&e->server->load.queued, memory_order_relaxed);
}

static bool is_less_loaded(const struct random_entry *x, const struct random_entry *y)
{
	return conns(x) * y->weight < conns(y) * x->weight;
}

/* When all draws were full or to be avoided: whoever comes next. */
static struct server *random_any(const struct random *rd, const struct pick_request *r,
				 const struct random_entry *from)
{
	uint32_t start = from - rd->entry;

	for (uint32_t i = 1; i < rd->n; i++) {
		struct server *s = rd->entry[(start + i) % rd->n].server;

		if (!pick_request_skips(r, s))
			return s;
	}
	return NULL;
}

static bool has_its_share(const struct balance *b, const struct random *rd,
			  const struct random_entry *e)
{
	struct balance_share share = { e->upto - e->weight, e->weight, rd->entry[rd->n - 1].upto };

	return balance_has_its_share(b, e->server, &share);
}

static struct server *random_pick(struct balance *b, const struct pick_request *r)
{
	const struct random *rd = atomic_load_explicit(&b->snapshot, memory_order_acquire);
	const struct random_entry *best = NULL, *drawn = NULL;
	uintptr_t draws = b->conf ? (uintptr_t)b->conf : DRAWS_DEFAULT;

	if (!rd->n)
		return NULL;
	for (uintptr_t i = 0; i < draws; i++) {
		drawn = random_draw(rd);
		if (!pick_request_skips(r, drawn->server) && !has_its_share(b, rd, drawn) &&
		    (!best || is_less_loaded(drawn, best)))
			best = drawn;
	}
	return best ? best->server : random_any(rd, r, drawn);
}

/* "random", "random(3)" */
static int random_parse(struct cfg_line *l, int arg, struct balance *b)
{
	const char *paren = strchr(l->words[arg].z, '(');
	char *end;
	long draws;

	if (!paren)
		return 0;
	draws = strtol(paren + 1, &end, 10);
	if (end == paren + 1 || strcmp(end, ")") || draws < 1 || draws > 1000)
		return cfg_error(
			l, arg,
			"'balance random(<draws>)': <draws> is a number from 1 to 1000, not '%.*s'",
			(int)strcspn(paren + 1, ")"), paren + 1);
	b->conf = (void *)draws;
	return 0;
}

void balance_random_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "random",
		  .parse = random_parse,
		  .usage = "random[(<draws>)]",
		  .rebuild = random_rebuild,
		  .pick = random_pick,
		  .kernel_form = "random",
		  .kernel = KERNEL_APPROX,
		  .kernel_says = "random: one draw by weight, whatever the servers' load",
		  .help = "Draws servers by weight (two, or <draws>) and takes the least loaded of "
			  "them." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
