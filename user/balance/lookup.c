// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Servers found by a number: the snapshot of table or ring, its building, and picks from it.
 * Rebuilding: control thread, big ones in its helper thread. Picking: any worker, without a lock.
 */
#include "balance/lookup.h"

#include <errno.h>
#include <stdlib.h>
#include <urcu-qsbr.h>

#include "balance/build.h"
#include "loop/thread.h"
#include "policy/sample.h"

/* What may be built in the control thread: this many slots or points take less than 2 ms. */
#define BUILD_HERE_SLOTS 32768

struct lookup {
	struct rcu_head rcu;
	struct lb_table table; /* one of the two is empty, or both */
	struct lb_ring ring;
	struct balance_share *share; /* by server.index, with hash-balance-factor; else NULL */
	struct server *server[];     /* by server.index */
};

/* b->state: what outlives a snapshot. */
struct lookup_state {
	_Atomic uint32_t cursor; /* of walks */
	struct build_job *job;   /* in the helper thread; control thread */
	bool again;              /* something changed since the job began */
};

struct build_job {
	struct balance *b;
	struct lookup *made;
	struct lb_target *target;
	size_t ntargets;
	int err;
};

/* ---- numbers ---- */

struct hash_fn_row {
	const char *name;
	uint32_t (*number)(const uint8_t *key, uint32_t len);
};

#define HASH_FN(fn)                                                   \
	static uint32_t fn##_number(const uint8_t *key, uint32_t len) \
	{                                                             \
		return lbd_##fn(key, len);                            \
	}
HASH_FN(sdbm)
HASH_FN(djb2)
HASH_FN(wt6)
HASH_FN(crc32)

/* "none": the key is the number: what a converter computed. Its last four bytes, as integers are written big-endian. */
static uint32_t none_number(const uint8_t *key, uint32_t len)
{
	uint32_t h = 0;

	for (uint32_t i = 0; i < len; i++)
		h = h << 8 | key[i];
	return h;
}

static const struct hash_fn_row hash_fns[HASH_FN_COUNT] = {
	[HASH_FN_SDBM] = { "sdbm", sdbm_number }, [HASH_FN_DJB2] = { "djb2", djb2_number },
	[HASH_FN_WT6] = { "wt6", wt6_number },    [HASH_FN_CRC32] = { "crc32", crc32_number },
	[HASH_FN_NONE] = { "none", none_number },
};

const char *lookup_fn_name(enum hash_fn fn)
{
	return hash_fns[fn].name;
}

uint32_t lookup_mix(const struct balance *b, uint32_t number)
{
	if (b->avalanche || b->hash_type == HASH_MAGLEV ||
	    (b->hash_type == HASH_CONSISTENT && !b->hash_fn_set))
		return lbd_mix32(number);
	return number;
}

uint32_t lookup_key_number(const struct balance *b, struct slice key)
{
	return lookup_mix(b, hash_fns[b->hash_fn].number((const uint8_t *)key.p, key.n));
}

/* ---- building ---- */

static void lookup_free(struct lookup *lk)
{
	lb_table_fini(&lk->table);
	lb_ring_fini(&lk->ring);
	free(lk->share);
	free(lk);
}

static void lookup_free_rcu(struct rcu_head *head)
{
	lookup_free(container_of(head, struct lookup, rcu));
}

static void job_free(struct build_job *job)
{
	if (job->made)
		lookup_free(job->made);
	free(job->target);
	free(job);
}

static bool take_shares(struct build_job *job, size_t n)
{
	struct balance_share *share = calloc(n + 1, sizeof(*share));
	uint64_t all = 0;

	job->made->share = share;
	for (size_t i = 0; share && i < job->ntargets; i++) {
		share[job->target[i].index] =
			(struct balance_share){ all, job->target[i].weight, 0 };
		all += job->target[i].weight;
	}
	for (size_t i = 0; share && i < n; i++)
		share[i].all = all ? all : 1;
	return share;
}

/* Takes the servers' present state; what follows needs no look at them any more. */
static struct build_job *job_new(struct balance *b)
{
	struct build_job *job = calloc(1, sizeof(*job));
	size_t n = b->px->nservers;
	struct server *s;

	if (!job)
		return NULL;
	job->b = b;
	job->made = calloc(1, sizeof(*job->made) + n * sizeof(job->made->server[0]));
	job->target = calloc(n + 1, sizeof(*job->target));
	if (!job->made || !job->target) {
		job_free(job);
		return NULL;
	}
	list_for_each_entry(s, &b->px->servers, node)
		job->made->server[s->index] = s;
	job->ntargets = balance_targets(b->px, job->target);
	if (b->hash_balance_factor && !take_shares(job, n)) {
		job_free(job);
		return NULL;
	}
	return job;
}

/* How many slots or points there will be at most. */
static uint64_t job_size(const struct build_job *job)
{
	uint64_t size = 0;

	if (job->b->hash_type == HASH_MAGLEV)
		return job->ntargets * 64ul + LBD_MAGLEV_SIZE / 4;
	for (size_t i = 0; i < job->ntargets; i++)
		size += job->target[i].weight;
	return job->b->hash_type == HASH_CONSISTENT ? size : size / LB_WEIGHT_SCALE;
}

/* Any thread. */
static void job_build(void *arg)
{
	struct build_job *job = arg;
	struct lookup *lk = job->made;

	switch (job->b->hash_type) {
	case HASH_CONSISTENT:
		job->err = lb_ring_build(&lk->ring, job->target, job->ntargets);
		break;
	case HASH_MAGLEV:
		job->err = lb_table_build_maglev(&lk->table, job->target, job->ntargets);
		break;
	case HASH_MAP_BASED:
		job->err = lb_table_build_map(&lk->table, job->target, job->ntargets);
		break;
	}
}

static int job_publish(struct build_job *job)
{
	struct balance *b = job->b;
	struct lookup *old;
	int err = job->err;

	if (!err) {
		old = atomic_exchange_explicit(&b->snapshot, job->made, memory_order_acq_rel);
		job->made = NULL;
		if (old)
			call_rcu(&old->rcu, lookup_free_rcu);
	}
	job_free(job);
	return err;
}

static void job_done(void *arg)
{
	struct build_job *job = arg;
	struct balance *b = job->b;
	struct lookup_state *state = b->state;
	bool again = state->again;

	state->job = NULL;
	state->again = false;
	job_publish(job);
	balance_freed(b->px);
	if (again)
		lookup_rebuild(b);
}

int lookup_rebuild(struct balance *b)
{
	struct lookup_state *state = b->state;
	struct build_job *job;

	if (!state)
		state = b->state = calloc(1, sizeof(*state));
	if (!state)
		return -ENOMEM;
	if (state->job) {
		state->again = true;
		return 0;
	}
	job = job_new(b);
	if (!job)
		return -ENOMEM;
	if (b->snapshot && on_control_thread() && job_size(job) > BUILD_HERE_SLOTS) {
		state->job = job;
		helper_run(job_build, job, job_done);
		return 0;
	}
	job_build(job);
	return job_publish(job);
}

/* ---- picking ---- */

static uint32_t lookup_size(const struct lookup *lk)
{
	return lk->ring.size ? lk->ring.size : lk->table.size;
}

static struct server *lookup_at(const struct lookup *lk, uint32_t slot)
{
	return lk->server[lk->ring.size ? lk->ring.point[slot].server : lk->table.slot[slot]];
}

/*
 * All connections times the factor are slots, dealt out by weight in file order as Bresenham's line is drawn, so that their
 * sum is exact; watched in haproxy.
 */
bool balance_has_its_share(const struct balance *b, const struct server *s,
			   const struct balance_share *share)
{
	uint64_t conns, slots;

	if (!b->hash_balance_factor)
		return false;
	/* the connection that asks is already counted in the backend */
	conns = atomic_load_explicit(&b->px->be_conns, memory_order_relaxed);
	slots = (conns * b->hash_balance_factor + 99) / 100;
	slots = slots * (share->before + share->weight) / share->all -
		slots * share->before / share->all;
	if (!slots)
		slots = 1;
	return atomic_load_explicit(&s->load.served, memory_order_relaxed) >= slots;
}

struct server *lookup_pick(struct balance *b, const struct pick_request *r, uint32_t number)
{
	const struct lookup *lk = atomic_load_explicit(&b->snapshot, memory_order_acquire);
	uint32_t size = lookup_size(lk), slot;

	if (!size)
		return NULL;
	if (lk->ring.size)
		slot = lbd_ring_find(number, size, lbd_ring_point_at, lk->ring.point);
	else
		slot = lbd_table_slot(number, size);
	for (uint32_t tried = 0; tried < size; tried++) {
		struct server *s = lookup_at(lk, slot);

		if (s != r->avoid && server_is_usable(s) &&
		    !(lk->ring.size && lk->share &&
		      balance_has_its_share(b, s, &lk->share[s->index])))
			return s;
		slot = slot + 1 < size ? slot + 1 : 0;
	}
	return NULL;
}

struct server *lookup_pick_key(struct balance *b, const struct pick_request *r)
{
	const struct lookup_key *k = b->conf;
	struct sample s;

	if (!r->smp || !expr_eval(k->expr, r->smp, SMP_BIN, &s) || (k->cut && !k->cut(k, &s.u.s)))
		return lookup_walk(b, r);
	return lookup_pick(b, r, lookup_key_number(b, s.u.s));
}

struct server *lookup_walk(struct balance *b, const struct pick_request *r)
{
	const struct lookup *lk = atomic_load_explicit(&b->snapshot, memory_order_acquire);
	struct lookup_state *state = b->state;
	uint32_t size = lookup_size(lk), turn;

	if (!size)
		return NULL;
	turn = atomic_fetch_add_explicit(&state->cursor, 1, memory_order_relaxed);
	for (uint32_t passed = 0; passed < size; passed++) {
		struct server *s = lookup_at(lk, (turn + passed) % size);

		if (pick_request_skips(r, s))
			continue;
		if (passed) /* the turns of those passed over are lost */
			atomic_fetch_add_explicit(&state->cursor, passed, memory_order_relaxed);
		return s;
	}
	return NULL;
}
