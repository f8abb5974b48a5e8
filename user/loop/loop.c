/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.c - the event loop of one thread. See loop.h.
 * A round: messages, tasks, timers, sleep in epoll_wait, events. Tasks woken by events run before the next sleep.
 */
#include "loop/loop.h"
#include "base/arena.h"
#include "loop/wheel.h"
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>
#include <urcu-qsbr.h>

#define EVENTS_PER_ROUND 256

__thread struct loop *this_loop;
_Atomic bool loop_busy_polling;
int loop_events_max = EVENTS_PER_ROUND;

void loop_refresh_clock(struct loop *l)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	l->now_us = (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
	l->now_ms = l->now_us / 1000;
}

/* ---- file descriptors ---- */

int loop_io_add(struct loop *l, struct io *io, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	io->events = events;
	return epoll_ctl(l->epfd, EPOLL_CTL_ADD, io->fd, &ev) < 0 ? -errno : 0;
}

int loop_io_mod(struct loop *l, struct io *io, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = io };

	io->events = events;
	return epoll_ctl(l->epfd, EPOLL_CTL_MOD, io->fd, &ev) < 0 ? -errno : 0;
}

/* Events of this round that point to @io must not be delivered: its memory may be gone. */
static void loop_strike_out(struct loop *l, struct io *io)
{
	for (int i = l->ifetched; i < l->nfetched; i++)
		if (l->fetched[i].data.ptr == io)
			l->fetched[i].data.ptr = NULL;
}

void loop_io_del(struct loop *l, struct io *io)
{
	if (io->fd < 0)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, io->fd, NULL);
	loop_strike_out(l, io);
}

void loop_io_forget(struct loop *l, struct io *io)
{
	loop_strike_out(l, io);
}

/* ---- timers ---- */

void timer_set(struct loop *l, struct timer *t, uint64_t at_ms)
{
	wheel_set(l->wheel, t, at_ms);
}

void timer_cancel(struct loop *l, struct timer *t)
{
	wheel_cancel(l->wheel, t);
}

/* ---- tasks ---- */

void task_wake(struct loop *l, struct task *t)
{
	if (!list_linked(&t->node))
		list_add_tail(&l->runnable, &t->node);
}

void task_cancel(struct loop *l, struct task *t)
{
	list_del(&t->node);
}

/* Only what is queued now: a task that wakes itself runs in the next round, so events are not starved. */
static void loop_run_tasks(struct loop *l)
{
	struct list now = LIST_INIT(now);

	list_splice_tail(&now, &l->runnable);
	while (!list_empty(&now)) {
		struct task *t = list_first(&now, struct task, node);

		list_del(&t->node);
		t->run(t);
	}
}

/* ---- messages ---- */

void loop_post(struct loop *l, struct message *m)
{
	struct message *head = atomic_load_explicit(&l->inbox, memory_order_relaxed);

	do {
		m->next = head;
	} while (!atomic_compare_exchange_weak(&l->inbox, &head, m));
	/* seq_cst on both sides: either the loop sees the message before it sleeps or we see it sleeping */
	if (atomic_exchange(&l->sleeping, 0)) {
		uint64_t one = 1;

		if (write(l->eventfd, &one, sizeof(one)) < 0 && errno != EAGAIN)
			abort(); /* our own eventfd: cannot fail otherwise */
	}
}

/* The inbox is a stack; turned round it is in order of arrival. */
static void loop_deliver(struct loop *l)
{
	struct message *m = atomic_exchange(&l->inbox, NULL), *ordered = NULL;

	while (m) {
		struct message *next = m->next;

		m->next = ordered;
		ordered = m;
		m = next;
	}
	while (ordered) {
		struct message *next = ordered->next;

		ordered->on_arrive(ordered);
		ordered = next;
	}
}

static void loop_on_wake(struct io *io, uint32_t ep)
{
	uint64_t n;

	while (read(io->fd, &n, sizeof(n)) > 0)
		;
}

/* ---- the loop ---- */

int loop_init(struct loop *l, int tid)
{
	int err;

	memset(l, 0, sizeof(*l));
	l->tid = tid;
	list_init(&l->runnable);
	l->epfd = epoll_create1(EPOLL_CLOEXEC);
	if (l->epfd < 0)
		return -errno;
	l->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (l->eventfd < 0) {
		err = -errno;
		close(l->epfd);
		return err;
	}
	l->events_max = loop_events_max;
	l->fetched = xzalloc((size_t)l->events_max * sizeof(*l->fetched));
	l->wheel = xmalloc(sizeof(*l->wheel));
	loop_refresh_clock(l);
	wheel_init(l->wheel, l->now_ms);
	l->window_us = l->now_us;
	atomic_store(&l->idle_permille, 1000);
	l->wake.fd = l->eventfd;
	l->wake.on_event = loop_on_wake;
	return loop_io_add(l, &l->wake, EPOLLIN | EPOLLET);
}

void loop_fini(struct loop *l)
{
	close(l->epfd);
	close(l->eventfd);
	free(l->fetched);
	free(l->wheel);
	l->epfd = l->eventfd = -1;
	l->fetched = NULL;
	l->wheel = NULL;
}

static int loop_may_sleep_ms(struct loop *l, int max_wait_ms)
{
	int64_t wait;

	if (!list_empty(&l->runnable) || l->stop)
		return 0;
	wait = wheel_wait_ms(l->wheel, l->now_ms);
	if (wait < 0 || wait > 60000)
		wait = 60000;
	if (wait && l->busy_polls && atomic_load_explicit(&loop_busy_polling, memory_order_relaxed))
		return 0;
	if (max_wait_ms >= 0 && wait > max_wait_ms)
		wait = max_wait_ms;
	return (int)wait;
}

/* Once a second the share of the window that just ended is published. */
static void loop_account(struct loop *l)
{
	uint64_t total = l->busy_us + l->idle_us;

	if (l->now_us - l->window_us < 1000000 || !total)
		return;
	atomic_store_explicit(&l->idle_permille, (uint32_t)(l->idle_us * 1000 / total),
			      memory_order_relaxed);
	l->busy_us = l->idle_us = 0;
	l->window_us = l->now_us;
}

static int loop_poll(struct loop *l, int wait_ms)
{
	uint64_t before = l->now_us;
	int n;

	l->polls++;
	if (wait_ms == 0) {
		rcu_quiescent_state();
		n = epoll_wait(l->epfd, l->fetched, l->events_max, 0);
		loop_refresh_clock(l);
		l->busy_us += l->now_us - before;
		loop_account(l);
		return n;
	}
	atomic_store(&l->sleeping, 1);
	/* a message that came before the line above found us awake and woke nobody */
	if (atomic_load(&l->inbox))
		wait_ms = 0;
	loop_refresh_clock(l);
	l->busy_us += l->now_us - before;
	before = l->now_us;
	rcu_thread_offline();
	n = epoll_wait(l->epfd, l->fetched, l->events_max, wait_ms);
	rcu_thread_online();
	atomic_store_explicit(&l->sleeping, 0, memory_order_relaxed);
	loop_refresh_clock(l);
	l->idle_us += l->now_us - before;
	loop_account(l);
	return n;
}

void loop_once(struct loop *l, int max_wait_ms)
{
	int n;

	l->rounds++;
	if (atomic_load_explicit(&l->inbox, memory_order_acquire))
		loop_deliver(l);
	loop_run_tasks(l);
	wheel_advance(l->wheel, l->now_ms);
	if (l->each_round)
		l->each_round(l);
	n = loop_poll(l, loop_may_sleep_ms(l, max_wait_ms));
	l->nfetched = n > 0 ? n : 0;
	for (l->ifetched = 0; l->ifetched < l->nfetched;) {
		struct epoll_event *ev = &l->fetched[l->ifetched++];
		struct io *io = ev->data.ptr;

		if (io)
			io->on_event(io, ev->events);
	}
	l->nfetched = l->ifetched = 0;
}

void loop_run(struct loop *l)
{
	this_loop = l;
	rcu_register_thread();
	while (!l->stop)
		loop_once(l, -1);
	rcu_unregister_thread();
}

double loop_idle_share(struct loop *l)
{
	return atomic_load_explicit(&l->idle_permille, memory_order_relaxed) / 1000.0;
}
