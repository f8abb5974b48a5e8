/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process_rate.c - see process_rate.h. A whole second's worth may come at once, as with HAProxy's counters; then one each
 * time a share of a second has passed. Two workers that look at the same moment may both pass.
 */
#include "stream/process_rate.h"

#include "config/keyword.h"
#include "model/config.h"

struct process_rate process_rates[RATE_KINDS];
_Atomic bool process_limits_on;
_Atomic uint32_t tls_conns, tls_conns_limit;

static const char *const names[RATE_KINDS] = { "maxconnrate", "maxsessrate", "maxsslrate" };

#define TLS_FULL_WAIT_MS 20 /* at maxsslconn: a connection of any side may end meanwhile */

static uint32_t wait_ms(const struct process_rate *r, uint64_t now_us)
{
	uint32_t limit = atomic_load_explicit(&r->limit, memory_order_relaxed);
	uint64_t at, due;

	if (!limit)
		return 0;
	at = atomic_load_explicit(&r->next_us, memory_order_relaxed);
	due = (at > now_us ? at : now_us) + 1000000 / limit;
	return due > now_us + 1000000 ? (uint32_t)((due - now_us - 1000000) / 1000 + 1) : 0;
}

uint32_t process_rates_wait_ms(uint64_t now_us, bool tls)
{
	uint32_t limit = atomic_load_explicit(&tls_conns_limit, memory_order_relaxed), wait = 0;

	for (int k = 0; k < RATE_KINDS; k++) {
		uint32_t ms = k == RATE_SSL && !tls ? 0 : wait_ms(&process_rates[k], now_us);

		wait = ms > wait ? ms : wait;
	}
	if (tls && limit && atomic_load(&tls_conns) >= limit && wait < TLS_FULL_WAIT_MS)
		wait = TLS_FULL_WAIT_MS;
	return wait;
}

void process_rate_note(enum process_rate_kind kind, uint64_t now_us)
{
	struct process_rate *r = &process_rates[kind];
	uint32_t limit = atomic_load_explicit(&r->limit, memory_order_relaxed);
	uint64_t at = atomic_load_explicit(&r->next_us, memory_order_relaxed);

	if (!limit)
		return;
	while (!atomic_compare_exchange_weak(&r->next_us, &at,
					     (at > now_us ? at : now_us) + 1000000 / limit))
		;
}

static void limits_look(void)
{
	bool on = atomic_load(&tls_conns_limit) != 0;

	for (int k = 0; k < RATE_KINDS; k++)
		on |= atomic_load(&process_rates[k].limit) != 0;
	atomic_store(&process_limits_on, on);
}

void process_rate_set(enum process_rate_kind kind, uint32_t limit)
{
	atomic_store(&process_rates[kind].limit, limit);
	atomic_store(&process_rates[kind].next_us, 0);
	limits_look();
}

/* ---- words ---- */

static int parse_rate(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "maxconnrate|maxsessrate|maxsslrate <number>") ||
	    cfg_arg_i64(l, 0, 0, INT32_MAX, &v))
		return -1;
	for (int k = 0; k < RATE_KINDS; k++)
		if (!strcmp(names[k], l->words[0].z))
			process_rate_set((enum process_rate_kind)k, (uint32_t)v);
	return 0;
}

static int parse_maxsslconn(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "maxsslconn <number>") || cfg_arg_i64(l, 0, 0, INT32_MAX, &v))
		return -1;
	atomic_store(&tls_conns_limit, (uint32_t)v);
	limits_look();
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ "maxconnrate", CFG_GLOBAL, parse_rate, KERNEL_APPROX,
	  "the rate of connections of the whole process limits what passes through the daemon",
	  "maxconnrate <number>", "Most connections per second that the process accepts; 0: any." },
	{ "maxsessrate", CFG_GLOBAL, parse_rate, KERNEL_APPROX,
	  "the rate of sessions of the whole process limits what passes through the daemon",
	  "maxsessrate <number>",
	  "Most sessions per second (connections that the first rules let pass); 0: any." },
	{ "maxsslrate", CFG_GLOBAL, parse_rate, KERNEL_EXACT, NULL, "maxsslrate <number>",
	  "Most connections per second that listeners with TLS accept; 0: any." },
	{ "maxsslconn", CFG_GLOBAL, parse_maxsslconn, KERNEL_EXACT, NULL, "maxsslconn <number>",
	  "Most connections with TLS at a time, of clients and servers together; 0: any." },
};

void process_rate_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
