/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * queue.h - streams that wait for a server's slot: one queue per server (who must go there) and one per backend
 * (who may go anywhere), and the slots themselves. Shared by all threads: one lock per backend guards its queues, the
 * number of taken slots is an atomic that never passes the limit. A waiter is woken by a message to its worker.
 */
#ifndef LBD_STREAM_QUEUE_H
#define LBD_STREAM_QUEUE_H

#include "model/server.h"
#include "stream/queue_order.h"
#include <pthread.h>

struct stream;
struct queue_entry;

struct queue {
	_Atomic uint32_t length, length_max;
	_Atomic uint64_t left;     /* how many have left it in turn: the difference is %sq / %bq */
	pthread_mutex_t *lock;     /* the backend's */
	pthread_mutex_t own_lock;  /* in a backend's queue */
	struct list waiting;       /* struct queue_entry, oldest first; under lock */
	struct queue_place *first; /* who is next (queue_order.h); under lock */
	uint64_t newest_us, entered;
};

/* Makes the queues of all backends and servers. Control thread, before the workers start. */
void queues_make(struct config *cfg);
/* The same, and follows the servers' changes from then on. */
void queues_prepare(struct config *cfg);
/* Current length and the largest so far, of proxy.queue or server.queue (NULL is allowed: 0). */
uint32_t queue_length(const struct queue *q);
uint32_t queue_length_max(const struct queue *q);

/* ---- slots ---- */
/* How many at a time: maxconn, or with minconn the point on the ramp between both that the backend's load gives. 0: any. */
uint32_t server_slot_limit(const struct server *s);
bool server_is_full(const struct server *s);
/* true: one of the server's slots is the caller's. Any worker; never above the limit. */
bool server_take_slot(struct server *s);
/* Gives it back; the oldest waiter gets it. */
void server_return_slot(struct server *s);

/* ---- waiting: all calls from the stream's worker ---- */
enum queue_state { QUEUE_WAITING, QUEUE_GRANTED, QUEUE_REPICK };
/* Enters @q. stream_wake() comes when the state changes. NULL: memory is out. */
struct queue_entry *queue_enter(struct queue *q, struct stream *s);
enum queue_state queue_entry_state(const struct queue_entry *e);
/* Ends the wait; @e is gone. Returns the server whose slot was granted (now the caller's), or NULL. @position: how many
 * left the queue before it. */
struct server *queue_leave(struct queue_entry *e, uint64_t *position);
/* The server got free slots (came up, more maxconn, a slot given back). Any thread. */
void queue_feed(struct server *s);
/* The server takes nobody any more: its own queue chooses again. Any thread. */
void queue_scatter(struct server *s);

#endif
