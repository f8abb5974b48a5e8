/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stream.c - running the steps of a stream, its timer, its place in the counters. See stream.h.
 * Not for: what the steps do. Runs in the stream's worker.
 */
#include "stream/stream.h"
#include "policy/vars.h"
#include "stick/track.h"
#include "stream/queue.h"
#include "stream/tuning.h"
#include "stream/upstream.h"
#include <stdlib.h>

#define MAX_HOOKS 4

static __thread struct list streams;
static __thread uint64_t next_id;
static void (*fini_hooks[MAX_HOOKS])(struct stream *s);

struct list *worker_streams(void)
{
	if (!streams.next)
		list_init(&streams);
	return &streams;
}

void stream_on_fini(void (*fn)(struct stream *s))
{
	for (int i = 0; i < MAX_HOOKS; i++) {
		if (!fini_hooks[i]) {
			fini_hooks[i] = fn;
			return;
		}
	}
	abort(); /* our own table is too small */
}

static void stream_on_task(struct task *t)
{
	stream_run(container_of(t, struct stream, task));
}

static void stream_on_timer(struct timer *t)
{
	struct stream *s = container_of(t, struct stream, timer);

	s->flags |= STREAM_EXPIRED;
	stream_wake(s);
}

void stream_init(struct stream *s, struct session *sess, const struct stream_step *steps)
{
	memset(s, 0, sizeof(*s));
	s->sess = sess;
	s->steps = steps;
	s->t.start = this_loop->now_us;
	s->start_wall_us = sess->accept_wall_us;
	s->id = ((uint64_t)this_loop->tid << 48) | ++next_id;
	task_init(&s->task, stream_on_task);
	timer_init(&s->timer, stream_on_timer);
	list_add_tail(worker_streams(), &s->node);
}

void stream_run(struct stream *s)
{
	for (;;) {
		const struct stream_step *step = &s->steps[s->step];
		bool last = !step[1].name;
		enum step_result r = step->run(s);

		if (last) /* the end step has freed it */
			return;
		switch (r) {
		case STEP_NEXT:
			s->step++;
			break;
		case STEP_GOTO:
			s->step = s->next_step;
			break;
		case STEP_WAIT:
			return;
		case STEP_END:
			while (s->steps[s->step + 1].name)
				s->step++;
			break;
		}
		s->waits = 0;
	}
}

void stream_wake(struct stream *s)
{
	task_wake(this_loop, &s->task);
}

enum step_result stream_goto(struct stream *s, uint16_t step)
{
	s->next_step = step;
	return STEP_GOTO;
}

void stream_set_term(struct stream *s, char cause, char phase)
{
	if (!s->term_cause) {
		s->term_cause = cause;
		s->term_phase = phase;
	}
}

void stream_arm(struct stream *s, uint32_t timeout_ms)
{
	s->flags &= ~STREAM_EXPIRED;
	if (timeout_ms)
		timer_set(this_loop, &s->timer, this_loop->now_ms + timeout_ms);
	else
		timer_cancel(this_loop, &s->timer);
}

/* ---- counting ---- */

static void stream_leave_backend(struct stream *s)
{
	if (s->flags & STREAM_COUNTED_BE)
		atomic_fetch_sub(&s->be->be_conns, 1);
	s->flags &= ~STREAM_COUNTED_BE;
}

void stream_set_backend(struct stream *s, struct proxy *be)
{
	struct be_counters *c;

	if ((s->flags & STREAM_COUNTED_BE) && s->be == be)
		return;
	stream_leave_backend(s);
	s->be = be;
	if (!(be->caps & PX_BACKEND))
		return;
	s->flags |= STREAM_COUNTED_BE;
	note_max(&be->be_conns_max, atomic_fetch_add(&be->be_conns, 1) + 1);
	c = &be->be_count[this_loop->tid];
	count_add(&c->cum_sess, 1);
	rate_note(&c->sess_sec, &c->sess_cur, &c->sess_prev, &c->sess_max,
		  this_loop->now_ms / 1000);
}

void stream_count_bytes(struct stream *s, uint64_t in, uint64_t out)
{
	struct fe_counters *fe = &s->sess->fe->fe_count[this_loop->tid];
	uint64_t total_in = in, total_out = out;

	in -= s->counted_in;
	out -= s->counted_out;
	s->counted_in = total_in;
	s->counted_out = total_out;
	if (s->t.request ||
	    s->sess->fe->mode == MODE_TCP) /* what became no request does not count */
		stick_note_bytes(s, in, out);
	count_add(&fe->bytes_in, in);
	count_add(&fe->bytes_out, out);
	if (s->flags & STREAM_COUNTED_BE) {
		struct be_counters *be = &s->be->be_count[this_loop->tid];

		count_add(&be->bytes_in, in);
		count_add(&be->bytes_out, out);
	}
	if (s->srv) {
		struct srv_counters *srv = &s->srv->count[this_loop->tid];

		count_add(&srv->bytes_in, in);
		count_add(&srv->bytes_out, out);
	}
}

static void add_time(uint64_t *sum, uint64_t *max, uint64_t from_us, uint64_t to_us)
{
	uint64_t ms = from_us && to_us > from_us ? (to_us - from_us) / 1000 : 0;

	count_add(sum, ms);
	count_max(max, ms);
}

static void add_times(struct be_counters *c, const struct stream_times *t)
{
	uint64_t began = t->request ? t->request : t->start;

	add_time(&c->q_time_sum, &c->q_time_max, began, t->queue_done);
	add_time(&c->c_time_sum, &c->c_time_max, t->queue_done, t->connected);
	add_time(&c->d_time_sum, &c->d_time_max, t->connected, t->response);
	add_time(&c->t_time_sum, &c->t_time_max, t->start, t->end);
	count_add(&c->time_n, 1);
}

void stream_count_times(struct stream *s)
{
	if (!s->t.connected) /* never reached a server */
		return;
	add_times(&s->be->be_count[this_loop->tid], &s->t);
	if (s->srv)
		add_times(&s->srv->count[this_loop->tid], &s->t);
}

/* ---- the end ---- */

void stream_release(struct stream *s)
{
	upstream_release_slot(s);
	stream_leave_backend(s);
}

void stream_fini(struct stream *s)
{
	timer_cancel(this_loop, &s->timer);
	task_cancel(this_loop, &s->task);
	upstream_close(s);
	stream_release(s);
	for (int i = 0; i < MAX_HOOKS && fini_hooks[i]; i++)
		fini_hooks[i](s);
	vars_free(&s->vars);
	stream_tuning_free(s);
	list_del(&s->node);
}

void stream_kill(struct stream *s, char cause)
{
	if (s->flags & STREAM_KILLED)
		return;
	s->flags |= STREAM_KILLED;
	s->sess->proto->kill(s->sess, cause);
}
