/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counters.h - per-thread counters of frontends, backends, servers, listeners. Only the owning thread writes, with count_add()
 * and its like; readers of any thread sum with count_get(): relaxed loads and stores of whole words, which cost what plain ones
 * do, so a sum may be one event old, never torn. Names follow the manual's statistics columns (section 9.1).
 */
#ifndef LBD_MODEL_COUNTERS_H
#define LBD_MODEL_COUNTERS_H

#include <stdatomic.h>
#include <stdint.h>

#define CACHE_ALIGNED __attribute__((aligned(64)))

struct fe_counters {
	uint64_t cum_conn, cum_sess, cum_req, intercepted_req;
	uint64_t bytes_in, bytes_out;
	uint64_t denied_req, denied_resp, failed_req, denied_conn, denied_sess;
	uint64_t rsp_1xx, rsp_2xx, rsp_3xx, rsp_4xx, rsp_5xx, rsp_other;
	uint64_t comp_in, comp_out, comp_byp, comp_rsp;
	uint64_t cache_lookups, cache_hits, failed_rewrites, internal_errors;
	/* rates: events in the current and the previous second; see rate_note() */
	uint64_t sess_sec, sess_cur, sess_prev, sess_max;
	uint64_t conn_sec, conn_cur, conn_prev, conn_max;
	uint64_t req_sec, req_cur, req_prev, req_max;
} CACHE_ALIGNED;

struct be_counters {
	uint64_t cum_sess, cum_req, cum_lbconn, intercepted_req;
	uint64_t bytes_in, bytes_out;
	uint64_t denied_req, denied_resp, failed_conns, failed_resp, retries, redispatches,
		failed_rewrites, internal_errors;
	uint64_t cli_aborts, srv_aborts;
	uint64_t rsp_1xx, rsp_2xx, rsp_3xx, rsp_4xx, rsp_5xx, rsp_other;
	uint64_t comp_in, comp_out, comp_byp, comp_rsp, cache_lookups, cache_hits;
	uint64_t connect, reuse;
	uint64_t q_time_sum, c_time_sum, d_time_sum, t_time_sum,
		time_n; /* ms, for the averages over the last 1024 */
	uint64_t q_time_max, c_time_max, d_time_max, t_time_max;
	uint64_t sess_sec, sess_cur, sess_prev, sess_max;
	uint64_t last_session_s;
} CACHE_ALIGNED;

/* Servers share the backend's layout: the same columns mean the same. */
#define srv_counters be_counters

/*
 * What packets of a service or server did in the kernel: copied from the pinned maps by the control thread, read by all. A pinned total
 * lives longer than a process, so `base` is what counts as zero: what `clear counters all` found.
 */
struct kernel_totals {
	uint64_t made, in_bytes, out_bytes;
};
struct kernel_counters {
	_Atomic uint64_t flows, flows_max, made, in_bytes, out_bytes, rate, rate_max;
	struct kernel_totals raw, base; /* control thread only */
};

/* Any thread. */
static inline uint64_t count_get(const uint64_t *c)
{
	return __atomic_load_n(c, __ATOMIC_RELAXED);
}

/* The owner only, as all that follow. */
static inline void count_set(uint64_t *c, uint64_t v)
{
	__atomic_store_n(c, v, __ATOMIC_RELAXED);
}

static inline void count_add(uint64_t *c, uint64_t n)
{
	count_set(c, *c + n);
}

static inline void count_max(uint64_t *c, uint64_t v)
{
	if (v > *c)
		count_set(c, v);
}

/* A maximum that several threads raise; a lost race only loses one that was equalled. */
static inline void note_max(_Atomic uint32_t *max, uint32_t v)
{
	uint32_t old = atomic_load_explicit(max, memory_order_relaxed);

	while (v > old && !atomic_compare_exchange_weak_explicit(max, &old, v, memory_order_relaxed,
								 memory_order_relaxed))
		;
}

/* Notes one event in the second @now_s; keeps the previous second's count and the maximum. */
static inline void rate_note(uint64_t *sec, uint64_t *cur, uint64_t *prev, uint64_t *max,
			     uint64_t now_s)
{
	if (*sec != now_s) {
		count_set(prev, *sec + 1 == now_s ? *cur : 0);
		count_set(cur, 0);
		count_set(sec, now_s);
	}
	count_add(cur, 1);
	count_max(max, *cur);
}

#endif
