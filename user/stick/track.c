// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * track.c - tracked entries: beginning, counting, ending. See track.h. Runs in the session's worker.
 */
#include "stick/track.h"
#include "base/pool.h"
#include "process/start.h"
#include "stick/config.h"

#define SPARE 256

unsigned int (*stick_events_so_far)(const struct smp_ctx *ctx, unsigned int set);

static __thread struct pool pool; /* of arrays of stick_counters */

static size_t array_bytes(void)
{
	return sizeof(struct stick_track) * stick_counters;
}

struct stick_track *stick_track_get(const struct smp_ctx *ctx, uint32_t number)
{
	struct stick_track *t;

	if (number >= stick_counters)
		return NULL;
	t = ctx->stream ? ctx->stream->tracked : NULL;
	if (t && t[number].table)
		return &t[number];
	t = ctx->sess ? ctx->sess->tracked : NULL;
	return t && t[number].table ? &t[number] : NULL;
}

static void **holder_of(const struct smp_ctx *ctx, bool by_stream)
{
	if (by_stream)
		return ctx->stream ? &ctx->stream->tracked : NULL;
	return ctx->sess ? &ctx->sess->tracked : NULL;
}

bool stick_track_taken(const struct smp_ctx *ctx, bool by_stream, uint32_t number)
{
	void **holder = holder_of(ctx, by_stream);
	struct stick_track *t = holder ? *holder : NULL;

	return !holder || (t && t[number].table);
}

/* ---- counting; the entry is locked ---- */

static void add(struct stick_table *t, struct stick_entry *e, enum stick_data cnt,
		enum stick_data rate, uint64_t n, uint64_t now_ms)
{
	stick_add(t, e, cnt, 0, n, now_ms);
	stick_add(t, e, rate, 0, n, now_ms);
}

static void add_events(struct stick_table *t, struct stick_entry *e, unsigned int events,
		       uint64_t now_ms)
{
	static const struct {
		unsigned int event;
		enum stick_data cnt, rate;
	} rows[] = {
		{ STICK_EV_SESSION, SD_SESS_CNT, SD_SESS_RATE },
		{ STICK_EV_HTTP_REQ, SD_HTTP_REQ_CNT, SD_HTTP_REQ_RATE },
		{ STICK_EV_HTTP_ERR, SD_HTTP_ERR_CNT, SD_HTTP_ERR_RATE },
		{ STICK_EV_HTTP_FAIL, SD_HTTP_FAIL_CNT, SD_HTTP_FAIL_RATE },
	};

	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (events & rows[i].event)
			add(t, e, rows[i].cnt, rows[i].rate, 1, now_ms);
}

static void used_now(struct stick_table *t, struct stick_entry *e)
{
	stick_touch(t, e, this_loop->now_ms);
	stick_changed(t, e);
}

void stick_track_start(const struct smp_ctx *ctx, bool by_stream, uint32_t number,
		       struct stick_table *t, const struct stick_key *key, unsigned int events)
{
	void **holder = holder_of(ctx, by_stream);
	uint64_t now_ms = this_loop->now_ms;
	struct stick_track *all;
	struct stick_entry *e;

	if (!*holder) {
		*holder = pool_get(&pool, array_bytes());
		if (!*holder)
			return;
		memset(*holder, 0, array_bytes());
	}
	all = *holder;
	e = stick_find_or_add(t, key);
	if (!e)
		return;
	all[number] = (struct stick_track){ t, e };
	e->refs++;
	stick_add(t, e, SD_CONN_CUR, 0, 1, now_ms);
	add(t, e, SD_CONN_CNT, SD_CONN_RATE, 1, now_ms);
	add_events(t, e, events, now_ms);
	used_now(t, e);
	stick_unlock(t, e);
}

/* Calls @fn for every number: the stream's entry, or else the session's. */
static void for_each(struct session *sess, struct stream *s,
		     void (*fn)(struct stick_table *t, struct stick_entry *e, const uint64_t *n),
		     const uint64_t *n)
{
	struct stick_track *of_stream = s ? s->tracked : NULL, *of_session = sess->tracked;

	for (uint32_t i = 0; i < stick_counters; i++) {
		struct stick_track *tr = of_stream && of_stream[i].table ? &of_stream[i]
					 : of_session                    ? &of_session[i]
									 : NULL;

		if (!tr || !tr->table)
			continue;
		stick_lock(tr->table, tr->entry);
		fn(tr->table, tr->entry, n);
		used_now(tr->table, tr->entry);
		stick_unlock(tr->table, tr->entry);
	}
}

static void note_one(struct stick_table *t, struct stick_entry *e, const uint64_t *n)
{
	add_events(t, e, (unsigned int)n[0], this_loop->now_ms);
}

void stick_note_slow(struct session *sess, struct stream *s, unsigned int events)
{
	uint64_t n = events;

	for_each(sess, s, note_one, &n);
}

static void bytes_one(struct stick_table *t, struct stick_entry *e, const uint64_t *n)
{
	add(t, e, SD_BYTES_IN_CNT, SD_BYTES_IN_RATE, n[0], this_loop->now_ms);
	add(t, e, SD_BYTES_OUT_CNT, SD_BYTES_OUT_RATE, n[1], this_loop->now_ms);
}

void stick_bytes_slow(struct stream *s, uint64_t in, uint64_t out)
{
	uint64_t n[2] = { in, out };

	if (in || out)
		for_each(s->sess, s, bytes_one, n);
}

/* ---- the end ---- */

static void drop_all(void **holder)
{
	struct stick_track *all = *holder;

	if (!all)
		return;
	for (uint32_t i = 0; i < stick_counters; i++) {
		struct stick_table *t = all[i].table;
		struct stick_entry *e = all[i].entry;

		if (!t)
			continue;
		stick_lock(t, e);
		if (stick_stores(t, SD_CONN_CUR, 0)) {
			uint32_t *cur = stick_at(t, e, SD_CONN_CUR, 0);

			if (*cur)
				--*cur;
		}
		e->refs--;
		used_now(t, e);
		stick_unlock(t, e);
	}
	*holder = NULL;
	pool_put(&pool, all, SPARE);
}

static void on_stream_end(struct stream *s)
{
	drop_all(&s->tracked);
}

static void on_session_end(struct session *s)
{
	drop_all(&s->tracked);
}

static void trim(struct loop *l)
{
	pool_trim(&pool);
}

static struct start_hooks hooks = { .name = "stick counters", .worker_stop = trim };

void stick_track_register(void)
{
	session_on_fini(on_session_end);
	stream_on_fini(on_stream_end);
	start_register(&hooks);
}
