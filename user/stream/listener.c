/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener.c - accepting: one registration (tap) of a listening socket per worker, limits, spreading over the workers.
 * Not for: making the sockets (listener_bind.c), what happens to a connection (session.c). Workers; the functions
 * about the whole process in the control thread.
 *
 * A socket that all workers share is registered level-triggered with EPOLLEXCLUSIVE in each. At a limit a worker takes its
 * own tap out of epoll, so nothing spins, and whoever ends a session wakes the workers that have taps out.
 */
#include "base/arena.h"
#include "log/log.h"
#include "model/config.h"
#include "stream/listener.h"
#include "stream/process_rate.h"
#include "stream/session_new.h"
#include "stream/steering.h"
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPT_MAX  32  /* connections per event, when tune.maxaccept is not set */
#define SHORTAGE_MS 100 /* out of descriptors or memory: pause */

static struct list all = LIST_INIT(all);
static __thread struct list taps; /* this worker's struct listener_tap.node */

static _Atomic int taps_off; /* over all workers */
static struct waker {
	_Atomic int off;     /* taps out of epoll in this worker */
	_Atomic bool called; /* the message is under way */
	struct message m;
} CACHE_ALIGNED wakers[MAX_WORKERS];

static _Atomic bool draining;
static _Atomic bool drained;
static bool drain_begun; /* control thread */
static void (*drain_done)(void);

struct list *listeners(void)
{
	return &all;
}

/* ---- limits ---- */

static bool take(_Atomic uint32_t *count, uint32_t limit)
{
	uint32_t now = atomic_load_explicit(count, memory_order_relaxed);

	do {
		if (limit && now >= limit)
			return false;
	} while (!atomic_compare_exchange_weak(count, &now, now + 1));
	return true;
}

static bool listener_has_room(const struct listener *l)
{
	uint32_t global = config->global.maxconn;

	return !atomic_load(&l->disabled) && (!global || atomic_load(&sessions_active) < global) &&
	       (!l->px->maxconn || atomic_load(&l->px->fe_conns) < l->px->maxconn) &&
	       (!l->bind->maxconn || atomic_load(&l->conns) < l->bind->maxconn);
}

/* Counts one connection before it is accepted; false: a limit is reached, nothing counted. */
static bool listener_count(struct listener *l)
{
	if (atomic_load_explicit(&l->disabled, memory_order_relaxed))
		return false;
	if (!take(&sessions_active, config->global.maxconn)) {
		atomic_fetch_add_explicit(&sessions_limit_hits, 1, memory_order_relaxed);
		return false;
	}
	if (!take(&l->px->fe_conns, l->px->maxconn)) {
		atomic_fetch_sub(&sessions_active, 1);
		return false;
	}
	if (!take(&l->conns, l->bind->maxconn)) {
		atomic_fetch_sub(&l->px->fe_conns, 1);
		atomic_fetch_sub(&sessions_active, 1);
		return false;
	}
	return true;
}

static void wake_paused(void);

static void on_drained(struct message *m)
{
	if (drain_done)
		drain_done();
}

static void check_drained(void)
{
	static struct message m = { .on_arrive = on_drained };

	if (atomic_load(&draining) && !atomic_load(&sessions_active) &&
	    !atomic_exchange(&drained, true))
		loop_post(&control_loop, &m);
}

void listener_uncount(struct listener *l)
{
	atomic_fetch_sub(&l->conns, 1);
	atomic_fetch_sub(&l->px->fe_conns, 1);
	atomic_fetch_sub(&sessions_active, 1);
	if (atomic_load(&taps_off))
		wake_paused();
	if (atomic_load_explicit(&draining, memory_order_relaxed))
		check_drained();
}

/* Sessions per second (`rate-limit sessions`): 0 now, else how many ms to wait. A whole second's worth may come at once. */
static uint32_t rate_wait_ms(struct listener *l)
{
	struct session_rate *r = session_rate_of(l->px);
	uint64_t now = this_loop->now_us, step, next, at;

	if (!l->px->rate_limit_sessions)
		return 0;
	step = 1000000 / l->px->rate_limit_sessions;
	at = atomic_load(&r->next_us);
	do {
		next = (at > now ? at : now) + step;
		if (next > now + 1000000)
			return (uint32_t)((next - now - 1000000) / 1000 + 1);
	} while (!atomic_compare_exchange_weak(&r->next_us, &at, next));
	return 0;
}

/* ---- taps: in and out of epoll ---- */

static int tap_in(struct listener_tap *t)
{
	uint32_t exclusive = t->listener->tid < 0 ? EPOLLEXCLUSIVE : 0;

	return loop_io_add(this_loop, &t->io, EPOLLIN | exclusive);
}

static void tap_resume(struct listener_tap *t)
{
	if (!t->off || atomic_load(&t->listener->closed))
		return;
	timer_cancel(this_loop, &t->again);
	t->off = false;
	atomic_store(&t->listener->paused, false);
	atomic_fetch_sub(&wakers[this_loop->tid].off, 1);
	atomic_fetch_sub(&taps_off, 1);
	tap_in(t);
}

/* @wait_ms: until then even if there is room; 0: until there is room. */
static void tap_pause(struct listener_tap *t, uint32_t wait_ms)
{
	if (t->off)
		return;
	loop_io_del(this_loop, &t->io);
	t->off = true;
	atomic_store(&t->listener->paused, true);
	atomic_fetch_add(&wakers[this_loop->tid].off, 1);
	atomic_fetch_add(&taps_off, 1);
	if (wait_ms)
		timer_set(this_loop, &t->again, this_loop->now_ms + wait_ms);
	else if (listener_has_room(t->listener))
		tap_resume(t); /* a session ended before it could see that we are out */
}

static void tap_on_timer(struct timer *timer)
{
	tap_resume(container_of(timer, struct listener_tap, again));
}

static void resume_own(void)
{
	struct listener_tap *t;

	list_for_each_entry(t, &taps, node)
		if (t->off && listener_has_room(t->listener) && !timer_armed(&t->again))
			tap_resume(t);
}

static void on_waker(struct message *m)
{
	atomic_store(&wakers[this_loop->tid].called, false);
	resume_own();
}

static void wake_paused(void)
{
	for (int i = 0; i < worker_count; i++) {
		struct waker *w = &wakers[i];

		if (!atomic_load(&w->off))
			continue;
		if (this_loop == &worker_loops[i])
			resume_own();
		else if (!atomic_exchange(&w->called, true))
			loop_post(&worker_loops[i], &w->m);
	}
}

void listeners_limit_changed(void)
{
	if (atomic_load(&taps_off))
		wake_paused();
}

/* ---- spreading ---- */

struct hand_over {
	struct message m;
	struct listener *l;
	int fd;
	struct addr src;
};

static void on_hand_over(struct message *m)
{
	struct hand_over *h = (struct hand_over *)m;

	session_accept(h->l, h->fd, &h->src);
	free(h);
}

/* The least loaded worker when this one has clearly more to do, else -1. */
static int lighter_worker(const struct listener *l)
{
	uint32_t mine, least = UINT32_MAX;
	int best = -1;

	if (worker_count == 1 || config->global.single_queue)
		return -1;
	mine = atomic_load_explicit(&worker_loads[this_loop->tid].sessions, memory_order_relaxed);
	for (int i = 0; i < worker_count; i++) {
		uint32_t n = atomic_load_explicit(&worker_loads[i].sessions, memory_order_relaxed);

		if (n < least && (l->threads >> i & 1)) {
			least = n;
			best = i;
		}
	}
	return mine > least + 1 + least / 4 ? best : -1;
}

static void dispatch(struct listener *l, int fd, const struct addr *src)
{
	int to = lighter_worker(l);
	struct hand_over *h = to < 0 ? NULL : malloc(sizeof(*h));

	atomic_fetch_add_explicit(&worker_loads[h ? to : this_loop->tid].sessions, 1,
				  memory_order_relaxed);
	if (!h) {
		session_accept(l, fd, src);
		return;
	}
	h->m.on_arrive = on_hand_over;
	h->l = l;
	h->fd = fd;
	h->src = *src;
	loop_post(&worker_loops[to], &h->m);
}

/* ---- accepting ---- */

static bool is_tls(const struct listener *l)
{
	return l->bind->setup.xprt && !l->bind->setup.xprt->raw;
}

static void note_rates(const struct listener *l)
{
	process_rate_note(RATE_CONN, this_loop->now_us);
	if (is_tls(l))
		process_rate_note(RATE_SSL, this_loop->now_us);
}

/* Accepted and not wanted; accept_one()'s answer, with the count given back. */
static int reject(struct listener *l, int fd)
{
	struct linger now = { 1, 0 };

	setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(fd);
	count_add(&l->px->fe_count[this_loop->tid].denied_conn, 1);
	listener_uncount(l);
	return 1;
}

/* 1: one more; 0: none waiting; -errno: no descriptor or memory. The caller has counted it. */
static int accept_one(struct listener *l)
{
	struct sockaddr_storage ss;
	socklen_t len = sizeof(ss);
	struct addr src;
	int fd;

	do
		fd = accept4(l->fd, (struct sockaddr *)&ss, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
	if (fd < 0)
		return errno == EAGAIN ? 0 : -errno;
	if (len == 0 || addr_from_sockaddr(&src, &ss)) {
		memset(&src, 0, sizeof(src));
		src.family = ADDR_UNIX;
	}
	if (atomic_load_explicit(&process_limits_on, memory_order_relaxed))
		note_rates(l);
	if (config->global.reject_privileged_ports && src.port && src.port < 1024)
		return reject(l, fd);
	dispatch(l, fd, &src);
	return 1;
}

/* How many at this event: more only while events follow each other without a pause. */
static unsigned int tap_batch(struct listener_tap *t)
{
	unsigned int max = config->global.maxaccept ? config->global.maxaccept : ACCEPT_MAX;

	if (this_loop->polls - t->last_poll > 1)
		t->batch = 1;
	else if (t->batch < max)
		t->batch *= 2;
	t->last_poll = this_loop->polls;
	return t->batch < max ? t->batch : max;
}

static void tap_on_event(struct io *io, uint32_t ep)
{
	struct listener_tap *t = container_of(io, struct listener_tap, io);
	struct listener *l = t->listener;
	unsigned int max = tap_batch(t);
	uint32_t wait_ms;
	int r;

	for (unsigned int n = 0; n < max; n++) {
		if (!listener_count(l)) {
			tap_pause(t, 0);
			return;
		}
		wait_ms = rate_wait_ms(l);
		if (!wait_ms && atomic_load_explicit(&process_limits_on, memory_order_relaxed))
			wait_ms = process_rates_wait_ms(this_loop->now_us, is_tls(l));
		r = wait_ms ? 0 : accept_one(l);
		if (r == 1) {
			note_max(&l->px->fe_conns_max,
				 atomic_load_explicit(&l->px->fe_conns, memory_order_relaxed));
			note_max(&l->conns_max,
				 atomic_load_explicit(&l->conns, memory_order_relaxed));
			continue;
		}
		t->batch = 1;
		if (wait_ms || r < 0)
			tap_pause(t, wait_ms ? wait_ms : SHORTAGE_MS);
		if (r < 0)
			listener_note_shortage(l, -r);
		listener_uncount(l);
		return;
	}
}

/* ---- workers: start and stop ---- */

void listeners_start(struct loop *loop)
{
	struct listener *l;

	list_init(&taps);
	wakers[loop->tid].m.on_arrive = on_waker;
	list_for_each_entry(l, &all, node) {
		struct listener_tap *t = &l->taps[l->tid < 0 ? loop->tid : 0];

		if ((l->tid >= 0 && l->tid != loop->tid) || !(l->threads >> loop->tid & 1))
			continue;
		t->listener = l;
		t->io.fd = l->fd;
		t->io.on_event = tap_on_event;
		t->batch = 1;
		timer_init(&t->again, tap_on_timer);
		list_add_tail(&taps, &t->node);
		tap_in(t);
	}
}

static void tap_close(struct loop *loop, struct listener_tap *t)
{
	/* what the kernel has completed is accepted: closing the socket would reset it */
	do
		atomic_fetch_add(&t->listener->conns, 1),
			atomic_fetch_add(&t->listener->px->fe_conns, 1),
			atomic_fetch_add(&sessions_active, 1);
	while (accept_one(t->listener) == 1);
	list_del(&t->node);
	timer_cancel(loop, &t->again);
	if (t->off)
		atomic_fetch_sub(&taps_off, 1);
	else
		loop_io_del(loop, &t->io);
	listener_uncount(t->listener);
}

/* @fe NULL: those of all frontends. */
static void taps_close(struct loop *loop, const struct proxy *fe)
{
	struct listener_tap *t, *tmp;

	if (!taps.next)
		return;
	list_for_each_entry_safe(t, tmp, &taps, node)
		if (!fe || t->listener->px == fe)
			tap_close(loop, t);
}

void listeners_stop(struct loop *loop)
{
	taps_close(loop, NULL);
}

static void close_in_worker(struct loop *loop, void *fe)
{
	taps_close(loop, fe);
}

static void closed_in_workers(void *fe)
{
	struct listener *l;

	list_for_each_entry(l, &all, node)
		if (l->px == fe && !atomic_exchange(&l->closed, true))
			close(l->fd);
}

void listeners_close(struct proxy *fe)
{
	atomic_store(&fe->stopped, true);
	threads_each(close_in_worker, fe, closed_in_workers);
}

/* ---- the whole process ---- */

/* close-spread-time: sessions are asked to end a few at a time, over a while. */
#define SPREAD_STEPS 50

static __thread struct spread {
	struct timer timer;
	int at_first; /* sessions */
	int steps, steps_left;
	uint32_t step_ms;
} spread;

/* Asks @n sessions that have not been asked yet. Returns how many of those are left. */
static int drain_some(int n)
{
	struct session *s, *tmp;
	int left = 0;

	list_for_each_entry_safe(s, tmp, worker_sessions(), node) {
		if (s->flags & SESS_DRAINING)
			continue;
		if (n-- <= 0) {
			left++;
			continue;
		}
		s->flags |= SESS_DRAINING;
		if (!s->handshake && s->proto->drain)
			s->proto->drain(s);
	}
	return left;
}

static int sessions_unasked(void)
{
	struct session *s;
	int n = 0;

	list_for_each_entry(s, worker_sessions(), node)
		n += !(s->flags & SESS_DRAINING);
	return n;
}

static void spread_step(struct timer *t)
{
	int n = sessions_unasked(), keep = spread.at_first * (spread.steps_left - 1) / spread.steps;

	if (!drain_some(n - keep))
		return;
	spread.steps_left -= spread.steps_left > 1;
	timer_set(this_loop, t, this_loop->now_ms + spread.step_ms);
}

static void drain_in_worker(struct loop *loop, void *arg)
{
	uint32_t over_ms = config->global.close_spread_ms;

	listeners_stop(loop);
	if (over_ms == UINT32_MAX) /* they end when they end */
		return;
	if (!over_ms) {
		drain_some(INT32_MAX);
		return;
	}
	spread.at_first = sessions_unasked();
	spread.steps = spread.steps_left = over_ms < SPREAD_STEPS ? (int)over_ms : SPREAD_STEPS;
	spread.step_ms = over_ms / (uint32_t)spread.steps_left;
	timer_init(&spread.timer, spread_step);
	spread_step(&spread.timer);
}

static void drain_started(void *arg)
{
	struct listener *l;

	list_for_each_entry(l, &all, node) {
		if (atomic_exchange(&l->closed, true))
			continue;
		close(l->fd);
		atomic_store(&l->px->stopped, true);
	}
	steering_end();
	atomic_store(&draining, true);
	check_drained();
}

void sessions_drain(void (*idle)(void))
{
	drain_begun = true;
	drain_done = idle;
	threads_each(drain_in_worker, NULL, drain_started);
}

bool sessions_draining(void)
{
	return atomic_load_explicit(&draining, memory_order_relaxed);
}

static void resume_in_worker(struct loop *loop, void *arg)
{
	resume_own();
}

bool sessions_busy(void)
{
	return atomic_load(&sessions_active) || (drain_begun && !atomic_load(&draining));
}

static void pause_in_worker(struct loop *loop, void *arg)
{
	struct listener_tap *t;

	list_for_each_entry(t, &taps, node)
		if (atomic_load(&t->listener->disabled))
			tap_pause(t, 0);
}

/* No worker waits for it any more: clients are refused, and another process may take the address, as with HAProxy. */
static void paused_everywhere(void *arg)
{
	struct listener *l;

	list_for_each_entry(l, &all, node) {
		if (!atomic_load(&l->disabled) || l->deaf || atomic_load(&l->closed) ||
		    !l->addr.port)
			continue;
		l->deaf = shutdown(l->fd, SHUT_RD) == 0;
		if (l->deaf)
			log_proxy(l->px, LOG_L_WARNING, "Paused frontend %s.", l->px->name);
	}
}

static void listener_resume(struct listener *l)
{
	char where[ADDR_TEXT_MAX];

	if (l->deaf && listen(l->fd, l->backlog) < 0) {
		log_proxy(l->px, LOG_L_WARNING, "Cannot resume frontend %s: %s: %s.", l->px->name,
			  addr_text(&l->addr, where, sizeof(where)), strerror(errno));
		return;
	}
	if (l->deaf)
		steering_listens_again(l);
	if (l->deaf)
		log_proxy(l->px, LOG_L_WARNING, "Resumed frontend %s.", l->px->name);
	l->deaf = false;
	atomic_store(&l->disabled, false);
}

void listeners_pause(struct proxy *fe, bool pause)
{
	struct listener *l;

	list_for_each_entry(l, &all, node) {
		if ((fe && l->px != fe) || atomic_load(&l->closed))
			continue;
		if (pause)
			atomic_store(&l->disabled, true);
		else
			listener_resume(l);
	}
	if (pause)
		threads_each(pause_in_worker, NULL, paused_everywhere);
	else
		threads_each(resume_in_worker, NULL, NULL);
}
