// SPDX-License-Identifier: GPL-2.0-or-later
/* tap: timeout=180 */
/*
 * The flow table: the guaranteed number of flows under a flood, consistency when several CPUs make flows at the
 * same time, what may be evicted, what user space reads and ends.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bpf/rig.h"

#include <arpa/inet.h>
#include <lbd/flowhash.h>
#include <linux/bpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
#define FLOWS 20000

static void client_text(char buf[32], uint32_t i)
{
	snprintf(buf, 32, "198.%u.%u.%u", 18 + (i >> 16), i >> 8 & 255, i & 255);
}

static void shoot(uint32_t client, uint16_t port, uint8_t flags, int *action)
{
	char src[32];
	struct shot s = { .src = src, .dst = RIG_VIP, .sport = port, .dport = 80, .flags = flags };
	struct frame f;

	client_text(src, client);
	*action = rig_shoot(&rig, LBD_HOOK_XDP, rig.dev_client, &s, &f);
}

/* Makes established flows without their handshakes, which the NAT tests cover. */
static void establish_all(void)
{
	struct lbd_flow *f = MEM(rig.set, FLOW, struct lbd_flow);

	for (uint32_t i = 0; i < lbdmap_entries(rig.set, LBDMAP_FLOW); i++)
		if (LBD_FLOW_STATE(f[i].word) == LBD_FLOW_SYN)
			f[i].word = LBD_FLOW_WORD(f[i].word, LBD_FLOW_OPEN, 0);
}

static uint32_t count_state(uint32_t state)
{
	struct lbd_flow f;
	uint32_t cursor = 0, n = 0, place;

	while (lbdmap_flow_next(rig.set, &cursor, &f, &place))
		n += LBD_FLOW_STATE(f.word) == state;
	return n;
}

/* `datapath flows N`: N established flows fit, and a flood of new sources takes none of them away. */
static void guaranteed_flows(void **state)
{
	int action;

	for (uint32_t i = 0; i < FLOWS; i++) {
		shoot(i, 1024 + i % 60000, SYN, &action);
		assert_int_equal(action, XDP_REDIRECT);
	}
	assert_int_equal(count_state(LBD_FLOW_SYN), FLOWS);
	establish_all();
	for (uint32_t i = 0; i < 4 * FLOWS; i++)
		shoot(1000000 + i, 4000, SYN, &action);
	assert_int_equal(count_state(LBD_FLOW_OPEN), FLOWS);
	/* Nor does the flood keep new clients out: young embryonic flows make room for each other. */
	assert_int_equal(rig_reason(&rig, LBD_R_TABLE_FULL), 0);
	for (uint32_t i = 0; i < FLOWS; i++) {
		shoot(i, 1024 + i % 60000, ACK, &action);
		assert_int_equal(action, XDP_REDIRECT);
	}
	assert_int_equal(rig_reason(&rig, LBD_R_KNOWN), FLOWS);
	assert_int_equal(rig_flows(&rig, 0) + rig_flows(&rig, 1) + rig_flows(&rig, 2),
			 count_state(LBD_FLOW_OPEN) + count_state(LBD_FLOW_SYN));
}

/* Only when all sixteen places are established is a SYN dropped. */
static void full_table(void **state)
{
	uint32_t places = lbdmap_entries(rig.set, LBDMAP_FLOW), dropped = 0;
	int action;

	for (uint32_t i = 0; i < 4 * places; i++) {
		shoot(i, 2000 + i % 50000, SYN, &action);
		dropped += action == XDP_DROP;
		if (i % 64 == 63)
			establish_all();
	}
	assert_true(dropped > places);
	assert_int_equal(rig_reason(&rig, LBD_R_TABLE_FULL) + rig_reason(&rig, LBD_R_PORTS_FULL),
			 dropped);
	assert_true(count_state(LBD_FLOW_OPEN) > places * 95 / 100);
}

/* ---- Several CPUs ------------------------------------------------------------------------------------ */

static void *worker(void *arg)
{
	unsigned int seed = (uintptr_t)arg;
	int action;

	/* The same few clients from every thread: SYNs, resets and data race for the same entries. */
	for (int i = 0; i < 40000; i++) {
		uint32_t c = rand_r(&seed) % 600;
		static const uint8_t flags[] = { SYN, SYN, ACK, FIN | ACK, RST };

		shoot(c, 3000 + c % 7, flags[rand_r(&seed) % 5], &action);
	}
	return NULL;
}

static int by_client(const void *a, const void *b)
{
	return memcmp(&((const struct lbd_flow *)a)->client, &((const struct lbd_flow *)b)->client,
		      offsetof(struct lbd_flow, nport_be) - offsetof(struct lbd_flow, client));
}

static int by_nat(const void *a, const void *b)
{
	const struct lbd_flow *x = a, *y = b;

	return x->server != y->server ? (x->server > y->server) - (x->server < y->server)
				      : (int)x->nport_be - y->nport_be;
}

/* Run on a large table, and on one so small that places are evicted all the time. */
static void race(void **state)
{
	uint32_t cursor = 0, n = 0, live = 0, place, refs = 0;
	const struct lbd_rev_set *rev = MEM(rig.set, FLOW_REV, struct lbd_rev_set);
	struct lbd_flow *all = calloc(lbdmap_entries(rig.set, LBDMAP_FLOW) + 1, sizeof(*all));
	pthread_t t[4];

	for (uintptr_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&t[i], NULL, worker, (void *)(i + 1)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(t[i], NULL);
	while (lbdmap_flow_next(rig.set, &cursor, &all[n], &place)) {
		uint32_t s = LBD_FLOW_STATE(all[n].word);

		assert_int_equal(all[n].seq & 1, 0);
		assert_int_equal(all[n].word & 0xffff, all[n].seq & 0xffff);
		live += s >= LBD_FLOW_SYN && s <= LBD_FLOW_HALF;
		n++;
	}
	assert_in_range(n, 1, 600);
	qsort(all, n, sizeof(*all), by_client);
	for (uint32_t i = 1; i < n; i++)
		assert_int_not_equal(by_client(&all[i - 1], &all[i]), 0);
	qsort(all, n, sizeof(*all), by_nat);
	for (uint32_t i = 1; i < n; i++)
		assert_int_not_equal(by_nat(&all[i - 1], &all[i]), 0);
	assert_int_equal(rig_flows(&rig, 0) + rig_flows(&rig, 1) + rig_flows(&rig, 2), live);
	for (uint32_t i = 0; i < lbdmap_entries(rig.set, LBDMAP_FLOW_REV); i++)
		for (int k = 0; k < LBD_WAYS; k++)
			refs += rev[i].ref[k] != 0;
	assert_int_equal(refs, n);
	for (uint32_t i = 0; i < LBD_LOCKS; i++)
		assert_int_equal(MEM(rig.set, FLOW_LOCK, uint64_t)[i], 0);
	free(all);
}

/* ---- User space -------------------------------------------------------------------------------------- */

static void sweep(void **state)
{
	uint32_t cursor = 0, ended = 0;
	struct lbd_service_count c;
	int action, rc;

	for (uint32_t i = 0; i < 100; i++)
		shoot(i, 5000, SYN, &action);
	establish_all();
	for (uint32_t i = 0; i < 40; i++) {
		char src[32];

		client_text(src, i);
		rig_flow(&rig, src, 5000)->tick -= LBD_TICKS_S(61);
	}
	do {
		rc = lbdmap_flow_sweep(rig.set, &cursor, 100);
		assert_true(rc >= 0);
		ended += rc;
	} while (cursor);
	assert_int_equal(ended, 40);
	assert_int_equal(count_state(LBD_FLOW_OPEN), 60);
	assert_int_equal(rig_flows(&rig, 0) + rig_flows(&rig, 1) + rig_flows(&rig, 2), 60);
	assert_int_equal(lbdmap_service_count(rig.set, rig.service, &c), 0);
	assert_int_equal(c.flows_closed, 40);
	shoot(0, 5000, ACK, &action); /* closed: still forwarded while it rests */
	assert_int_equal(action, XDP_REDIRECT);
}

static void kill_of_a_replaced_flow(void **state)
{
	union lbd_addr c, v = rig_addr(RIG_VIP);
	struct lbd_flow f;
	uint32_t place;
	char src[32];
	int action;

	shoot(1, 5000, SYN, &action);
	client_text(src, 1);
	c = rig_addr(src);
	assert_int_equal(lbdmap_flow_find(rig.set, &c, htons(5000), &v, htons(80), 6, &f, &place),
			 0);
	shoot(1, 5000, RST, &action);
	shoot(1, 5000, SYN, &action); /* a new life in the same place */
	assert_int_equal(lbdmap_flow_kill(rig.set, place, &f), -ESTALE);
	assert_int_equal(lbdmap_flow_find(rig.set, &c, htons(5001), &v, htons(80), 6, &f, &place),
			 -ENOENT);
}

/* The address belongs to another service by now: the end is counted where the beginning was, whoever ends it. */
static void end_after_the_address_moved(void **state)
{
	struct lbd_service_key k = { .addr = rig_addr(RIG_VIP), .port_be = htons(80), .proto = 6 };
	struct lbd_service other = { .id = 77, .draws = 1 };
	int64_t slot = lbdmap_slot_take(rig.set, LBDMAP_SERVICE, 1);
	struct lbd_service_count c;
	int action;

	assert_true(slot > 0);
	assert_int_equal(lbdmap_service_put(rig.set, slot, &other), 0);
	shoot(1, 5000, SYN, &action);
	assert_int_equal(action, XDP_REDIRECT);
	assert_int_equal(lbdmap_bind_put(rig.set, &k, slot, 0), 0);
	shoot(1, 5000, RST, &action);
	assert_int_equal(action, XDP_REDIRECT);
	assert_int_equal(lbdmap_service_count(rig.set, rig.service, &c), 0);
	assert_int_equal(c.flows_new, 1);
	assert_int_equal(c.flows_closed, 1);
	assert_int_equal(lbdmap_service_count(rig.set, slot, &c), 0);
	assert_int_equal(c.flows_closed, 0);
}

static int big(void **state)
{
	rig_reset(&rig, FLOWS, 3);
	return 0;
}

static int small(void **state)
{
	rig_reset(&rig, 512, 3);
	return 0;
}

static int tiny(void **state)
{
	rig_reset(&rig, 64, 3);
	return 0;
}

static int setup(void **state)
{
	rig_up(&rig, FLOWS, 3);
	return 0;
}

static int teardown(void **state)
{
	rig_down(&rig);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(guaranteed_flows, big),
		cmocka_unit_test_setup(full_table, small),
		cmocka_unit_test_setup(race, big),
		{ "race_with_evictions", race, tiny, NULL, NULL },
		cmocka_unit_test_setup(sweep, small),
		cmocka_unit_test_setup(kill_of_a_replaced_flow, small),
		cmocka_unit_test_setup(end_after_the_address_moved, small),
	};

	return cmocka_run_group_tests_name("flow", tests, setup, teardown);
}
