/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue.c - slots of servers and the streams that wait for one. See queue.h. Any worker; the watcher in control.
 *
 * No wake-up is lost: who enters a queue first counts itself, then tries the slot again (queue_feed); who gives a slot back
 * first lowers the count, then looks at the length. With sequentially consistent atomics one of the two sees the other.
 */
#include "stream/queue.h"
#include "balance/balance.h"
#include "policy/rules.h"
#include "stream/stream.h"
#include "stream/tuning.h"
#include <stdlib.h>

struct queue_entry {
	struct list node;
	struct queue *q;
	struct stream *stream; /* NULL: has left, the message only frees */
	struct loop *loop;
	struct server *granted;
	_Atomic int state; /* enum queue_state; leaves WAITING under the lock */
	struct queue_place place;
	uint64_t left_before, position;
	bool delivered; /* of the stream's worker */
	struct message wake;
};

uint32_t queue_length(const struct queue *q)
{
	return q ? atomic_load_explicit(&q->length, memory_order_relaxed) : 0;
}

uint32_t queue_length_max(const struct queue *q)
{
	return q ? atomic_load_explicit(&q->length_max, memory_order_relaxed) : 0;
}

/* ---- slots ---- */

/* maxconn, or with minconn the point on the ramp between both. */
static uint32_t limit_by_load(const struct server *s)
{
	uint32_t max = atomic_load_explicit(&s->live.maxconn, memory_order_relaxed);
	uint32_t full, now;
	uint64_t ramp;

	if (!s->minconn || s->minconn >= max)
		return max;
	full = s->px->fullconn;
	if (!full)
		return max;
	now = atomic_load_explicit(&s->px->be_conns, memory_order_relaxed);
	if (now >= full)
		return max;
	ramp = (uint64_t)max * now / full;
	return ramp > s->minconn ? (uint32_t)ramp : s->minconn;
}

uint32_t server_slot_limit(const struct server *s)
{
	uint32_t limit = limit_by_load(s);
	int64_t since;

	if (!limit || atomic_load_explicit(&s->live.oper, memory_order_relaxed) != SRV_STARTING)
		return limit;
	since = server_starting_since(s);
	if (since < 0)
		return limit;
	limit = (uint32_t)((uint64_t)limit * (100 * since / server_slowstart_s(s)) / 100);
	return limit ? limit : 1;
}

bool server_is_full(const struct server *s)
{
	uint32_t limit = server_slot_limit(s);

	return limit && atomic_load(&s->load.served) >= limit;
}

bool server_take_slot(struct server *s)
{
	uint32_t limit = server_slot_limit(s);
	uint32_t now = atomic_load_explicit(&s->load.served, memory_order_relaxed);

	do {
		if (limit && now >= limit)
			return false;
	} while (!atomic_compare_exchange_weak(&s->load.served, &now, now + 1));
	note_max(&s->load.served_max, now + 1);
	return true;
}

void server_return_slot(struct server *s)
{
	atomic_fetch_sub(&s->load.served, 1);
	balance_freed(s->px);
	queue_feed(s);
}

/* ---- granting ---- */

static void entry_on_arrive(struct message *m)
{
	struct queue_entry *e = container_of(m, struct queue_entry, wake);

	e->delivered = true;
	if (e->stream)
		stream_wake(e->stream);
	else
		free(e);
}

/* Under the lock: takes @e out and tells its worker. */
static void entry_resolve(struct queue_entry *e, enum queue_state state, struct server *srv)
{
	struct queue *q = e->q;

	list_del(&e->node);
	queue_place_remove(&q->first, &e->place);
	atomic_fetch_sub(&q->length, 1);
	e->position = atomic_fetch_add(&q->left, 1) - e->left_before;
	e->granted = srv;
	atomic_store(&e->state, state);
	loop_post(e->loop, &e->wake);
}

static bool is_first_backup(const struct server *s)
{
	struct server *other;

	list_for_each_entry(other, &s->px->servers, node)
		if (other->backup && server_is_usable(other))
			return other == s;
	return false;
}

/* May whoever waits for any server of the backend be given to @s now? */
static bool serves_backend_queue(const struct server *s)
{
	if (!server_is_usable(s))
		return false;
	if (!s->backup)
		return true;
	return !atomic_load(&s->px->up_active) &&
	       ((s->px->options & PX_O_ALLBACKUPS) || is_first_backup(s));
}

/* Of the first in the server's own queue and the first in the backend's the one that is before. Under the lock. */
static struct queue_entry *next_for(struct server *s)
{
	struct queue *own = s->queue, *any = s->px->queue;
	struct queue_entry *a = NULL, *b = NULL;

	if (own && !list_empty(&own->waiting) && server_is_willing(s))
		a = container_of(own->first, struct queue_entry, place);
	if (!list_empty(&any->waiting) && serves_backend_queue(s))
		b = container_of(any->first, struct queue_entry, place);
	if (!a || !b)
		return a ? a : b;
	return queue_place_before(&b->place, &a->place) ? b : a;
}

void queue_feed(struct server *s)
{
	struct queue *any = s->px->queue;
	struct queue_entry *e;

	while (any && (atomic_load(&any->length) || (s->queue && atomic_load(&s->queue->length)))) {
		if (!server_take_slot(s))
			return;
		pthread_mutex_lock(any->lock);
		e = next_for(s);
		if (e)
			entry_resolve(e, QUEUE_GRANTED, s);
		pthread_mutex_unlock(any->lock);
		if (e)
			continue;
		atomic_fetch_sub(&s->load.served, 1);
		balance_freed(s->px);
		/* nobody whom this server may serve; one who came while we held the slot found it taken: look again */
		if (!server_is_willing(s) ||
		    (!atomic_load(&s->queue->length) && !serves_backend_queue(s)))
			return;
	}
}

void queue_scatter(struct server *s)
{
	struct queue_entry *e, *tmp;

	if (!s->queue || !atomic_load(&s->queue->length))
		return;
	pthread_mutex_lock(s->queue->lock);
	list_for_each_entry_safe(e, tmp, &s->queue->waiting, node)
		if (!e->stream->persistent ||
		    (s->px->options & (PX_O_REDISPATCH | PX_O_PERSIST)) == PX_O_REDISPATCH)
			entry_resolve(e, QUEUE_REPICK, NULL);
	pthread_mutex_unlock(s->queue->lock);
}

/* ---- waiting ---- */

/* Under the lock. Threads' clocks differ a little: nobody stands before who came earlier with the same priority. */
static void take_place(struct queue *q, struct queue_entry *e)
{
	if (q->newest_us < this_loop->now_us)
		q->newest_us = this_loop->now_us;
	e->place.class = stream_prio_class(e->stream);
	e->place.at_us = (int64_t)q->newest_us + 1000 * (int64_t)stream_prio_offset_ms(e->stream);
	e->place.order = q->entered++;
	queue_place_add(&q->first, &e->place);
}

struct queue_entry *queue_enter(struct queue *q, struct stream *s)
{
	struct queue_entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->q = q;
	e->stream = s;
	e->loop = this_loop;
	e->wake.on_arrive = entry_on_arrive;
	pthread_mutex_lock(q->lock);
	e->left_before = atomic_load(&q->left);
	list_add_tail(&q->waiting, &e->node);
	take_place(q, e);
	note_max(&q->length_max, atomic_fetch_add(&q->length, 1) + 1);
	pthread_mutex_unlock(q->lock);
	return e;
}

enum queue_state queue_entry_state(const struct queue_entry *e)
{
	return (enum queue_state)atomic_load(&e->state);
}

struct server *queue_leave(struct queue_entry *e, uint64_t *position)
{
	struct queue *q = e->q;
	struct server *granted;

	pthread_mutex_lock(q->lock);
	if (atomic_load(&e->state) == QUEUE_WAITING) {
		list_del(&e->node);
		queue_place_remove(&q->first, &e->place);
		atomic_fetch_sub(&q->length, 1);
		e->position = atomic_load(&q->left) - e->left_before;
		e->delivered = true; /* no message is under way */
	}
	pthread_mutex_unlock(q->lock);
	*position = e->position;
	granted = e->granted;
	e->stream = NULL;
	if (e->delivered)
		free(e);
	return granted;
}

/* ---- making them; following the servers ---- */

static struct queue *queue_new(pthread_mutex_t *lock)
{
	struct queue *q = xzalloc(sizeof(*q));

	pthread_mutex_init(&q->own_lock, NULL);
	q->lock = lock ? lock : &q->own_lock;
	list_init(&q->waiting);
	return q;
}

static void queue_on_server_change(struct server *s, unsigned int events)
{
	if (events & SERVER_EV_ADDED && !s->queue && s->px->queue)
		s->queue = queue_new(s->px->queue->lock);
	if (!server_is_willing(s))
		queue_scatter(s);
	else
		queue_feed(s);
}

static struct server_watcher queue_watcher = { .changed = queue_on_server_change };

/* `fullconn` left out: 10 % of the connections that the frontends leading here may have (manual, "fullconn"). */
static uint32_t default_fullconn(const struct config *cfg, const struct proxy *be)
{
	const struct proxy *fe;
	uint64_t sum = 0;

	list_for_each_entry(fe, &cfg->proxies, node)
		if ((fe->caps & PX_FRONTEND) && (fe == be || policy_leads_to(fe, be)))
			sum += fe->maxconn ? fe->maxconn : cfg->global.maxconn;
	return sum ? (uint32_t)((sum + 9) / 10) : 1;
}

void queues_make(struct config *cfg)
{
	struct proxy *px;
	struct server *s;

	list_for_each_entry(px, &cfg->proxies, node) {
		if (!(px->caps & PX_BACKEND))
			continue;
		if (!px->fullconn)
			px->fullconn = default_fullconn(cfg, px);
		px->queue = queue_new(NULL);
		list_for_each_entry(s, &px->servers, node)
			s->queue = queue_new(px->queue->lock);
		if (px->direct)
			px->direct->queue = queue_new(px->queue->lock);
	}
}

void queues_prepare(struct config *cfg)
{
	queues_make(cfg);
	server_watch(&queue_watcher);
}
