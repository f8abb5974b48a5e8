/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * loop.h - one event loop per thread: file descriptors (epoll, edge-triggered, registered once), timers (wheel, 1 ms),
 * tasks (run queue), messages from other threads. Everything but loop_post() is for the loop's own thread.
 */
#ifndef LBD_LOOP_LOOP_H
#define LBD_LOOP_LOOP_H

#include "base/list.h"
#include <stdatomic.h>
#include <sys/epoll.h>

struct loop;

/* ---- file descriptors ---- */
struct io {
	int fd;          /* -1: not registered */
	uint32_t events; /* what it is registered for */
	void (*on_event)(struct io *io,
			 uint32_t ep); /* ep: EPOLLIN|EPOLLOUT|EPOLLRDHUP|EPOLLHUP|EPOLLERR */
};
/* @events without EPOLLET gives level-triggered (listeners use EPOLLIN|EPOLLEXCLUSIVE). 0 or -errno. */
int loop_io_add(struct loop *l, struct io *io, uint32_t events);
int loop_io_mod(struct loop *l, struct io *io, uint32_t events);
/* Deregisters; events of it that were already fetched are not delivered. Does not close. */
void loop_io_del(struct loop *l, struct io *io);
/* Like loop_io_del() without the system call: for a descriptor that is closed right after (close deregisters it when no
 * duplicate exists). */
void loop_io_forget(struct loop *l, struct io *io);

/* ---- timers ---- */
struct timer {
	struct list node;
	uint64_t at_ms; /* loop time */
	void (*on_expire)(struct timer *t);
};
static inline void timer_init(struct timer *t, void (*fn)(struct timer *))
{
	list_init(&t->node);
	t->on_expire = fn;
}
/* Sets or moves it. Moving an armed timer later is O(1) and cheap. @at_ms in the past expires in this round. */
void timer_set(struct loop *l, struct timer *t, uint64_t at_ms);
void timer_cancel(struct loop *l, struct timer *t);
static inline bool timer_armed(const struct timer *t)
{
	return list_linked(&t->node);
}

/* ---- tasks: something to run in this round, after the events ---- */
struct task {
	struct list node;
	void (*run)(struct task *t);
};
static inline void task_init(struct task *t, void (*fn)(struct task *))
{
	list_init(&t->node);
	t->run = fn;
}
/* No effect when it is queued already. */
void task_wake(struct loop *l, struct task *t);
void task_cancel(struct loop *l, struct task *t);

/* ---- messages: the only way into another thread ---- */
struct message {
	struct message *next;
	void (*on_arrive)(
		struct message
			*m); /* runs in the receiving loop's thread, which owns @m from then on */
};
/* Any thread. Order is kept per sender. Wakes the loop when it sleeps. */
void loop_post(struct loop *l, struct message *m);

/* ---- the loop ---- */
struct loop {
	int epfd, eventfd;
	int tid;         /* 0..worker_count-1; the control loop has worker_count */
	bool stop;       /* set by a task or message: loop_run() returns */
	uint64_t now_ms; /* CLOCK_MONOTONIC, read once per round */
	uint64_t now_us;
	struct list runnable; /* struct task */
	struct timer_wheel *wheel;
	_Atomic(struct message *) inbox;
	_Atomic int sleeping;
	struct io wake;
	struct epoll_event *fetched; /* this round's, so that loop_io_del() can strike out */
	int nfetched, ifetched;
	uint64_t busy_us, idle_us;      /* of the window under way, for `show info` Idle_pct */
	uint64_t window_us;             /* when it began */
	_Atomic uint32_t idle_permille; /* of the last full window; any thread reads */
	uint64_t rounds, polls;
	int events_max;                     /* room of `fetched` */
	bool busy_polls;                    /* a worker: obeys loop_busy_polling */
	void (*each_round)(struct loop *l); /* optional, before sleeping */
};

/* The loop of the calling thread (NULL outside a loop thread). */
extern __thread struct loop *this_loop;

/* Workers never sleep (busy-polling); the control thread does. Any thread reads. */
extern _Atomic bool loop_busy_polling;
/* How many events a round takes at most. Before loop_init(). */
extern int loop_events_max;

int loop_init(struct loop *l, int tid);
void loop_fini(struct loop *l);
/* Until @stop. Registers the thread with RCU (liburcu-qsbr): each round is a quiescent state, sleeping is offline. */
void loop_run(struct loop *l);
/* One round, waiting at most @max_wait_ms (-1: until something happens); for tests and the control loop's start. */
void loop_once(struct loop *l, int max_wait_ms);
/* Reads the clock again in the middle of a round (after something long). */
void loop_refresh_clock(struct loop *l);
/* 1.0 = all idle, over the last full second. Any thread. */
double loop_idle_share(struct loop *l);

#endif
