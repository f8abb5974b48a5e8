// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Balancing: the table of algorithms, a backend's balance state from start to every change, and the pick.
 * Not here: the algorithms (a file each) and the words of the configuration (conf.c).
 *
 * Rows, checks and rebuilds run in the control thread (before the workers start it is the only one);
 * balance_pick(), balance_took() and balance_dropped() in any worker.
 */
#include "balance/balance.h"

#include <errno.h>
#include <stdlib.h>
#include <xxhash.h>

#include "balance/build.h"
#include "balance/private.h"
#include "loop/thread.h"
#include "stream/queue.h"

static const struct balance_algorithm **rows;
static size_t row_count;

/* ---- the table ---- */

void balance_register(const struct balance_algorithm *table, size_t n)
{
	rows = xrealloc(rows, (row_count + n) * sizeof(*rows));
	for (size_t i = 0; i < n; i++)
		rows[row_count++] = &table[i];
}

const struct balance_algorithm *balance_find(struct slice name)
{
	for (size_t i = 0; i < row_count; i++)
		if (slice_eq_z(name, rows[i]->name))
			return rows[i];
	return NULL;
}

const struct balance_algorithm *balance_row(size_t i)
{
	return i < row_count ? rows[i] : NULL;
}

bool balance_is_static(const struct balance *b)
{
	return b->algo && b->algo->is_static &&
	       (!b->algo->by_hash || b->hash_type == HASH_MAP_BASED);
}

const char *balance_kernel_form(const struct balance *b)
{
	if (b->user_only || b->algo->kernel == KERNEL_NEVER || b->algo->kernel == KERNEL_HTTP)
		return NULL;
	if (b->algo->by_hash)
		return b->hash_type == HASH_CONSISTENT ? "ring" : "table";
	return b->algo->kernel_form;
}

/* ---- servers as the builders see them ---- */

/* `hash-key addr`, `addr-port`: the same on every node, whatever the servers' ids there. 0: by the id. */
static uint32_t ring_of_address(const struct server *s, const struct addr *a)
{
	uint8_t key[19] = { a->family };
	uint32_t h;

	if (s->hash_key == HASH_KEY_ID || (a->family != ADDR_IP4 && a->family != ADDR_IP6))
		return 0;
	memcpy(key + 1, a->ip, 16);
	if (s->hash_key == HASH_KEY_ADDR_PORT) {
		key[17] = (uint8_t)(a->port >> 8);
		key[18] = (uint8_t)a->port;
	}
	h = XXH32(key, sizeof(key), 0);
	return h ? h : 1;
}

size_t balance_targets(const struct proxy *be, struct lb_target *t)
{
	const struct server *s;
	size_t n = 0;

	list_for_each_entry(s, &be->servers, node) {
		uint32_t weight = atomic_load_explicit(&s->live.eweight, memory_order_relaxed);
		struct addr a;

		server_addr(s, &a);
		t[n] = (struct lb_target){
			.index = s->index,
			.id = s->puid,
			.weight = server_is_usable(s) ? weight : 0,
			.backup = s->backup,
			.family = a.family,
			.port = a.port,
		};
		memcpy(t[n].addr, a.ip, sizeof(t[n].addr));
		t[n].ring = ring_of_address(s, &a);
		n++;
	}
	return lb_targets_usable(t, n, be->options & PX_O_ALLBACKUPS);
}

bool balance_server_is_full(const struct server *s)
{
	uint32_t limit = server_slot_limit(s);

	return limit && (atomic_load_explicit(&s->load.queued, memory_order_relaxed) ||
			 atomic_load_explicit(&s->load.served, memory_order_relaxed) >= limit);
}

/* ---- picking ---- */

/*
 * Nobody's wake-up is lost by what is remembered: `freed` is read before the look at the servers. Who then queues and
 * asks again either sees the count that another thread raised after it freed a slot, or is seen in the queue by it.
 */
static struct server *pick_among_many(struct balance *b, const struct pick_request *r)
{
	uint64_t freed = atomic_load(&b->freed);
	struct server *s;

	if (atomic_load(&b->full_when) == freed)
		return NULL;
	s = b->algo->pick(b, r);
	if (!s && !r->avoid)
		atomic_store(&b->full_when, freed);
	return s;
}

struct server *balance_pick(struct proxy *be, const struct pick_request *r)
{
	struct balance *b = be->balance;
	bool may_be_full = !r->ignore_full && !b->algo->takes_avoided && !b->ramps;
	struct server *s;

	if (be->nservers > BALANCE_FEW_SERVERS && may_be_full)
		s = pick_among_many(b, r);
	else
		s = b->algo->pick(b, r);
	if (!s && r->avoid) { /* better the same one again than none */
		struct pick_request again = *r;

		again.avoid = NULL;
		s = b->algo->pick(b, &again);
	}
	return s;
}

void balance_took(struct server *s)
{
	struct balance *b = s->px->balance;

	if (b && b->algo->took)
		b->algo->took(b, s);
}

void balance_dropped(struct server *s)
{
	struct balance *b = s->px->balance;

	if (b && b->algo->dropped)
		b->algo->dropped(b, s);
}

/* ---- rebuilding after changes ---- */

static struct list dirty = LIST_INIT(dirty);
static struct task rebuild_task;

/* Out of memory leaves the old state in place; it is tried again with the next change. */
static void rebuild_dirty(struct task *t)
{
	while (!list_empty(&dirty)) {
		struct balance *b = container_of(dirty.next, struct balance, dirty);

		list_del(&b->dirty);
		b->algo->rebuild(b);
		balance_freed(b->px);
	}
}

static void server_changed(struct server *s, unsigned int events)
{
	struct balance *b = s->px->balance;

	if (!b)
		return;
	balance_freed(s->px);
	if (!(events & (SERVER_EV_STATE | SERVER_EV_WEIGHT | SERVER_EV_ADDED | SERVER_EV_DELETED |
			SERVER_EV_ADDR)))
		return;
	if (s->px->nservers <= BALANCE_FEW_SERVERS || !on_control_thread()) {
		b->algo->rebuild(b);
		return;
	}
	if (!list_linked(&b->dirty))
		list_add_tail(&dirty, &b->dirty);
	task_wake(&control_loop, &rebuild_task);
}

/* ---- start ---- */

static void balance_start(struct proxy *px, struct diag *d)
{
	struct balance *b = balance_conf_of(px);
	struct server *s;

	b->px = px;
	list_init(&b->dirty);
	b->full_when = UINT64_MAX; /* never */
	list_for_each_entry(s, &px->servers, node)
		b->ramps |= s->minconn > 0 || s->slowstart_ms;
	if (!b->algo)
		b->algo = balance_find(SLICE("roundrobin"));
	if (b->algo->check && b->algo->check(b, d))
		return;
	if (b->algo->rebuild(b)) {
		diag_error(d, b->at.file ? b->at : px->at,
			   "%s '%s': no memory for 'balance %s' over %d servers", proxy_kind(px),
			   px->name, b->algo->name, px->nservers);
		return;
	}
	px->balance = b;
}

static void check_balance(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node)
		if (px->caps & PX_BACKEND)
			balance_start(px, d);
}

void balance_init(void)
{
	static const struct cfg_check checks[] = {
		{ "balance", CFG_PHASE_BALANCE, check_balance },
	};
	static struct server_watcher watcher = { .changed = server_changed };

	task_init(&rebuild_task, rebuild_dirty);
	balance_conf_init();
	balance_roundrobin_init();
	balance_static_rr_init();
	balance_leastconn_init();
	balance_first_init();
	balance_random_init();
	balance_source_init();
	balance_hash_init();
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	server_watch(&watcher);
}
