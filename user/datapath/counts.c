/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counts.c - the kernel's counters for `show stat`, the page and metrics: copied into the model a slice at a time, so that
 * the control thread never reads more than a few hundred maps' elements at once. See model/counters.h, struct kernel_counters.
 */
#include "datapath/mirror.h"
#include <stdlib.h>

#define REFRESH_MS 100
#define AT_ONCE    400 /* elements a tick: below 1 ms */

static struct timer refresh;
static uint32_t position; /* running number over services, then all backends' servers */
static uint64_t round_began_ms;

static void raise_max(_Atomic uint64_t *max, uint64_t v)
{
	if (v > atomic_load_explicit(max, memory_order_relaxed))
		atomic_store_explicit(max, v, memory_order_relaxed);
}

static void take(struct kernel_counters *k, uint64_t flows, const struct kernel_totals *now,
		 uint64_t elapsed_ms)
{
	/* counters of a slot that was taken anew start at 0: never show less than nothing */
	if (now->made < k->raw.made)
		k->base = (struct kernel_totals){ 0, 0, 0 };
	if (elapsed_ms) {
		uint64_t rate =
			now->made > k->raw.made ? (now->made - k->raw.made) * 1000 / elapsed_ms : 0;

		atomic_store_explicit(&k->rate, rate, memory_order_relaxed);
		raise_max(&k->rate_max, rate);
	}
	k->raw = *now;
	atomic_store_explicit(&k->flows, flows, memory_order_relaxed);
	raise_max(&k->flows_max, flows);
	atomic_store_explicit(&k->made, now->made - k->base.made, memory_order_relaxed);
	atomic_store_explicit(&k->in_bytes, now->in_bytes - k->base.in_bytes, memory_order_relaxed);
	atomic_store_explicit(&k->out_bytes, now->out_bytes - k->base.out_bytes,
			      memory_order_relaxed);
}

static void refresh_service(struct mirror_service *sv, uint64_t elapsed_ms)
{
	struct lbd_service_count c;
	struct kernel_totals t;

	if (!sv->slot || lbdmap_service_count(mirror.set, sv->slot, &c))
		return;
	t = (struct kernel_totals){ c.flows_new, c.in_bytes, c.out_bytes };
	take(sv->fe->kernel, c.flows_new > c.flows_closed ? c.flows_new - c.flows_closed : 0, &t,
	     elapsed_ms);
}

static void refresh_server(struct mirror_server *m, uint64_t elapsed_ms)
{
	struct lbd_server_count c;
	struct kernel_totals t;
	int32_t flows;

	if (!m->slot || lbdmap_server_count(mirror.set, m->slot, &c))
		return;
	flows = lbdmap_load(mirror.set, m->slot)->flows;
	t = (struct kernel_totals){ c.flows_new, c.in_bytes, c.out_bytes };
	take(m->server->kernel, flows > 0 ? (uint64_t)flows : 0, &t, elapsed_ms);
}

/* The element with running number @n; false past the end. */
static bool refresh_one(uint32_t n, uint64_t elapsed_ms)
{
	if (n < (uint32_t)mirror.nservices) {
		refresh_service(&mirror.services[n], elapsed_ms);
		return true;
	}
	n -= (uint32_t)mirror.nservices;
	for (int b = 0; b < mirror.nbackends; b++) {
		uint32_t servers = (uint32_t)mirror.backends[b].be->nservers;

		if (n < servers) {
			refresh_server(&mirror.backends[b].servers[n], elapsed_ms);
			return true;
		}
		n -= servers;
	}
	return false;
}

static void on_refresh(struct timer *t)
{
	static uint64_t elapsed_ms;

	if (position == 0) {
		elapsed_ms = round_began_ms ? control_loop.now_ms - round_began_ms : 0;
		round_began_ms = control_loop.now_ms;
	}
	for (int i = 0; i < AT_ONCE; i++) {
		if (!refresh_one(position++, elapsed_ms)) {
			position = 0;
			break;
		}
	}
	timer_set(&control_loop, t, control_loop.now_ms + REFRESH_MS);
}

void mirror_counts_start(void)
{
	for (int i = 0; i < mirror.nservices; i++)
		if (!mirror.services[i].fe->kernel)
			mirror.services[i].fe->kernel = xzalloc(sizeof(struct kernel_counters));
	for (int b = 0; b < mirror.nbackends; b++)
		for (int i = 0; i < mirror.backends[b].be->nservers; i++)
			if (!mirror.backends[b].servers[i].server->kernel)
				mirror.backends[b].servers[i].server->kernel =
					xzalloc(sizeof(struct kernel_counters));
	timer_init(&refresh, on_refresh);
	on_refresh(&refresh);
}

void mirror_counts_stop(void)
{
	timer_cancel(&control_loop, &refresh);
}
