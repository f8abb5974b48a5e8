// SPDX-License-Identifier: GPL-2.0-or-later
/* tap: timeout=180 */
/*
 * The kernel's choice equals the daemon's and a naive oracle's: 120,000 random clients over random server sets, ids and
 * weights, tables (map-based, maglev) and rings, both families of listeners, with and without avalanche.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "balance/build.h"
#include "bpf/rig.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
#define SERVERS 12
#define SETS    24
#define KEYS    5000

static unsigned int seed = 4711;

static uint32_t rnd(void)
{
	return (uint32_t)rand_r(&seed) << 16 ^ rand_r(&seed);
}

static size_t random_targets(struct lb_target *t)
{
	size_t n = 1 + rnd() % SERVERS;

	for (size_t i = 0; i < n; i++) {
		t[i] = (struct lb_target){ .index = rig.server[i],
					   .id = 1 + i * 7 + rnd() % 7,
					   .weight = (1 + rnd() % 40) * LB_WEIGHT_SCALE,
					   .family = 4,
					   .port = 80 };
		t[i].addr[3] = i;
	}
	return n;
}

static void publish(const struct lb_table *table, const struct lb_ring *ring)
{
	uint32_t *points, *servers;
	int rc;

	if (table) {
		rc = lbdmap_table_publish(rig.set, rig.service, LBD_FORM_TABLE, NULL, table->slot,
					  table->size);
		assert_int_equal(rc, 0);
		return;
	}
	points = calloc(ring->size, 4);
	servers = calloc(ring->size, 4);
	for (uint32_t i = 0; i < ring->size; i++) {
		points[i] = ring->point[i].point;
		servers[i] = ring->point[i].server;
	}
	rc = lbdmap_table_publish(rig.set, rig.service, LBD_FORM_RING, points, servers, ring->size);
	assert_int_equal(rc, 0);
	free(points);
	free(servers);
}

/* Written from the definition: the nearest point, the one before on a tie. */
static uint32_t nearest_naive(const struct lb_ring *r, uint32_t number)
{
	uint32_t best = 0, best_far = UINT32_MAX;
	bool best_before = false;

	for (uint32_t i = 0; i < r->size; i++) {
		uint32_t back = number - r->point[i].point, on = r->point[i].point - number;
		bool before = back <= on;
		uint32_t far = before ? back : on;

		if (far < best_far || (far == best_far && before && !best_before)) {
			best = r->point[i].server;
			best_far = far;
			best_before = before;
		}
	}
	return best;
}

static uint32_t number_naive(const struct lbdmap_question *q, bool dual, bool tuple, bool mix)
{
	uint32_t n = ntohl(q->src.w[3]);

	if (dual)
		n ^= 0xffff;
	if (tuple)
		n = lbd_tuple_number(q->src.w, q->dst.w, q->sport_be, q->dport_be, 6);
	return mix ? lbd_mix32(n) : n;
}

static void ask(enum lbd_hook hook, bool dual, bool tuple, bool mix, const struct lb_table *table,
		const struct lb_ring *ring, bool edge)
{
	struct lbdmap_question q = { .dst = rig_addr(RIG_VIP),
				     .sport_be = rnd(),
				     .dport_be = htons(80),
				     .proto = 6,
				     .ifindex = rig.dev_client };
	uint32_t ip = rnd(), number, want;
	struct lbdmap_error err = {};
	struct lbd_explain x;

	/* On a point, and one beside it: reachable where the address is the number. */
	if (edge && ring && !mix && !tuple)
		ip = htonl((ring->point[rnd() % ring->size].point + rnd() % 3 - 1) ^
			   (dual ? 0xffff : 0));
	lbdmap_addr4(&q.src, &ip);
	if (lbdmap_explain(rig.dry[hook], &q, &x, &err))
		fail_msg("%s", err.text);
	number = number_naive(&q, dual, tuple, mix);
	want = table ? table->slot[number % table->size] : nearest_naive(ring, number);
	if (ring)
		assert_int_equal(lbd_ring_server(ring->point, ring->size, number), want);
	assert_int_equal(x.reason, LBD_R_NEW);
	assert_int_equal(x.number, number);
	assert_int_equal(x.server, want);
}

static void same_choice(void **state)
{
	struct lbd_service_key key = { .addr = rig_addr(RIG_VIP),
				       .port_be = htons(80),
				       .proto = 6 };

	for (int set = 0; set < SETS; set++) {
		struct lb_target t[SERVERS];
		size_t n = random_targets(t);
		bool dual = set & 1, mix = set & 2, tuple = set % 5 == 4;
		struct lbd_service s = { .id = 1,
					 .number = tuple ? LBD_NUM_5TUPLE : LBD_NUM_SOURCE,
					 .flags = mix ? LBD_S_MIX : 0 };
		struct lb_table table = {};
		struct lb_ring ring = {};
		int form = set % 3;

		assert_int_equal(form == 0   ? lb_table_build_map(&table, t, n)
				 : form == 1 ? lb_table_build_maglev(&table, t, n)
					     : lb_ring_build(&ring, t, n),
				 0);
		assert_int_equal(lbdmap_service_put(rig.set, rig.service, &s), 0);
		assert_int_equal(lbdmap_bind_put(rig.set, &key, rig.service,
						 dual ? LBD_REF_IP6_LISTENER : 0),
				 0);
		publish(form < 2 ? &table : NULL, &ring);
		lbdmap_heartbeat(rig.set);
		for (int k = 0; k < KEYS; k++)
			ask(k % 8 ? LBD_HOOK_XDP : LBD_HOOK_TCX, dual, tuple, mix,
			    form < 2 ? &table : NULL, form < 2 ? NULL : &ring, k & 1);
		lb_table_fini(&table);
		lb_ring_fini(&ring);
	}
}

/* Rings of one and two points, and numbers at both ends of the circle. */
static void small_rings(void **state)
{
	static const uint32_t points[] = { 0x80000000u, 0, 0xffffffffu, 1 };
	struct lbd_service_key key = { .addr = rig_addr(RIG_VIP),
				       .port_be = htons(80),
				       .proto = 6 };
	struct lbd_service s = { .id = 1 };

	assert_int_equal(lbdmap_service_put(rig.set, rig.service, &s), 0);
	assert_int_equal(lbdmap_bind_put(rig.set, &key, rig.service, 0), 0);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 64; k++) {
			struct lbd_ring_point p[2] = { { points[i], rig.server[0] },
						       { points[(i + 1) % 4], rig.server[1] } };
			struct lb_ring one = { 1, p }, two = { 2, p };

			if (p[0].point > p[1].point) {
				struct lbd_ring_point tmp = p[0];

				p[0] = p[1];
				p[1] = tmp;
			}
			publish(NULL, &one);
			ask(LBD_HOOK_XDP, false, false, false, NULL, &one, k & 1);
			publish(NULL, &two);
			ask(LBD_HOOK_XDP, false, false, false, NULL, &two, k & 1);
		}
}

static int setup(void **state)
{
	rig_up(&rig, 64, SERVERS);
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
		cmocka_unit_test(same_choice),
		cmocka_unit_test(small_rings),
	};

	return cmocka_run_group_tests_name("pick", tests, setup, teardown);
}
