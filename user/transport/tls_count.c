// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_count.c - how many TLS connections there are and were, their rates, the session cache: the Ssl* fields of `show info`.
 * Each worker writes its own numbers; anyone adds them up. Also the module's init call.
 */
#include "loop/thread.h"
#include "model/counters.h"
#include "stream/process_rate.h"
#include "transport/tls_bind.h"
#include "transport/tls_private.h"

#include <openssl/ssl.h>

struct rate {
	uint64_t sec, cur, prev, max;
};

static struct {
	uint64_t opened;
	struct rate conns, front_keys, back_keys, front_conns;
} CACHE_ALIGNED counts[MAX_WORKERS + 1];

static void note(struct rate *r)
{
	rate_note(&r->sec, &r->cur, &r->prev, &r->max, this_loop->now_ms / 1000);
}

void tls_count_open(const struct conn *c, bool is_client)
{
	atomic_fetch_add_explicit(&tls_conns, 1, memory_order_relaxed);
	count_add(&counts[this_loop->tid].opened, 1);
	if (!is_client)
		note(&counts[this_loop->tid].conns);
}

void tls_count_close(void)
{
	atomic_fetch_sub_explicit(&tls_conns, 1, memory_order_relaxed);
}

void tls_count_handshake(const struct conn *c, SSL *ssl)
{
	bool is_client = !SSL_is_server(ssl);

	if (!is_client)
		note(&counts[this_loop->tid].front_conns);
	if (!SSL_session_reused(ssl))
		note(is_client ? &counts[this_loop->tid].back_keys
			       : &counts[this_loop->tid].front_keys);
}

/* ---- reading ---- */

/* Events in the last second: of the present one so far, and the rest from the one before. */
static uint64_t rate_now(size_t offset)
{
	uint64_t now_s = this_loop->now_ms / 1000, past_ms = 1000 - this_loop->now_ms % 1000, n = 0;

	for (int i = 0; i <= worker_count; i++) {
		const struct rate *r =
			(const struct rate *)(const void *)((const char *)&counts[i] + offset);
		uint64_t sec = count_get(&r->sec);

		if (sec == now_s)
			n += count_get(&r->cur) * 1000 + count_get(&r->prev) * past_ms;
		else if (sec + 1 == now_s)
			n += count_get(&r->cur) * past_ms;
	}
	return n / 1000;
}

/* The highest that was seen by a reader or by one worker. */
static uint64_t rate_max(size_t offset, uint64_t now, _Atomic uint32_t *seen)
{
	for (int i = 0; i <= worker_count; i++) {
		const struct rate *r =
			(const struct rate *)(const void *)((const char *)&counts[i] + offset);
		uint64_t max = count_get(&r->max);

		now = max > now ? max : now;
	}
	note_max(seen, (uint32_t)now);
	return atomic_load(seen);
}

static void cache_numbers(struct tls_numbers *n)
{
	const struct proxy *px;
	const struct bind_conf *b;

	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(b, &px->binds, node) {
			SSL_CTX *ctx = tls_bind_of(b)->end.ctx;

			if (!ctx)
				continue;
			n->cache_lookups += (uint64_t)SSL_CTX_sess_hits(ctx) +
					    (uint64_t)SSL_CTX_sess_misses(ctx);
			n->cache_misses += (uint64_t)SSL_CTX_sess_misses(ctx);
		}
}

#define AT(member) offsetof(typeof(counts[0]), member)

void tls_numbers(struct tls_numbers *n)
{
	static _Atomic uint32_t max_conns, max_front, max_back;
	uint64_t conns;

	*n = (struct tls_numbers){ .rate = rate_now(AT(conns)) };
	for (int i = 0; i <= worker_count; i++)
		n->total += count_get(&counts[i].opened);
	n->front_keys = rate_now(AT(front_keys));
	n->back_keys = rate_now(AT(back_keys));
	n->rate_max = rate_max(AT(conns), n->rate, &max_conns);
	n->front_keys_max = rate_max(AT(front_keys), n->front_keys, &max_front);
	n->back_keys_max = rate_max(AT(back_keys), n->back_keys, &max_back);
	conns = rate_now(AT(front_conns));
	if (conns > n->front_keys)
		n->reuse_percent = (conns - n->front_keys) * 100 / conns;
	if (config)
		cache_numbers(n);
}

void tls_module_init(void)
{
	tls_transport_init();
	tls_global_init();
	tls_bind_init();
	tls_server_init();
}
