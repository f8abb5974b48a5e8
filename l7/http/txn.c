// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * txn.c - memory of transactions: taken at a request's first byte, given back at its end. Runs in the owning worker.
 */
#include "http/steps.h"
#include "http/txn.h"

#include <stdlib.h>
#include <time.h>

#define SPARE_TXNS  64
#define ARENA_CHUNK 2048

static __thread struct http_txn *spare; /* linked through produce_ctx */
static __thread unsigned int n_spare;

int64_t http_wall_us(void)
{
	static __thread int64_t offset;
	static __thread uint64_t read_at_us;
	struct timespec ts;

	if (!read_at_us || this_loop->now_us - read_at_us > 1000000) {
		loop_refresh_clock(this_loop);
		clock_gettime(CLOCK_REALTIME, &ts);
		read_at_us = this_loop->now_us;
		offset = (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000 - (int64_t)read_at_us;
	}
	return (int64_t)this_loop->now_us + offset;
}

static struct http_txn *txn_alloc(void)
{
	struct http_txn *t = spare;

	if (t) {
		spare = t->produce_ctx;
		n_spare--;
		return t;
	}
	t = malloc(sizeof(*t));
	if (t)
		arena_init(&t->arena, ARENA_CHUNK);
	return t;
}

struct http_txn *http_txn_new(struct session *sess, const struct http_codec *client,
			      void *client_ctx)
{
	struct http_txn *t = txn_alloc();

	if (!t)
		return NULL;
	stream_init(&t->s, sess, http_steps);
	stream_set_upstream_hooks(&t->s, &http_upstream_hooks);
	http_msg_init(&t->req, &t->arena, false);
	http_msg_init(&t->rsp, &t->arena, true);
	t->client = client;
	t->client_ctx = client_ctx;
	memset(&t->srv_rx, 0, sizeof(*t) - offsetof(struct http_txn, srv_rx));
	h1_out_start(&t->cl.out);
	h1_out_start(&t->sv.out);
	t->client_heard_ms = t->server_heard_ms = this_loop->now_ms;
	t->s.start_wall_us = http_wall_us();
	return t;
}

void http_txn_free(struct http_txn *t)
{
	http_msg_fini(&t->req);
	http_msg_fini(&t->rsp);
	if (t->srv_rx)
		segment_put(t->srv_rx);
	if (n_spare >= SPARE_TXNS) {
		arena_fini(&t->arena);
		free(t);
		return;
	}
	if (t->arena.chunk)
		arena_reset(&t->arena);
	t->produce_ctx = spare;
	spare = t;
	n_spare++;
}

void http_txn_trim(void)
{
	while (spare) {
		struct http_txn *t = spare;

		spare = t->produce_ctx;
		arena_fini(&t->arena);
		free(t);
	}
	n_spare = 0;
}

void http_txn_smp_ctx(struct http_txn *t, struct smp_ctx *c, bool response)
{
	*c = (struct smp_ctx){
		.sess = t->s.sess,
		.stream = &t->s,
		.http = t,
		.response = response,
		.final = true,
		.scratch = &t->arena,
	};
}
