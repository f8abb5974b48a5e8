/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * net_test.c - the host's network over netlink, in the test's own namespace: links, addresses, routes, neighbours followed.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "loop/thread.h"
#include "net/net.h"

static unsigned int seen;

static void on_change(struct net_watcher *w, unsigned int events)
{
	seen |= events;
}

static struct net_watcher watcher = { .changed = on_change };

static void ip(const char *args)
{
	char cmd[300];

	snprintf(cmd, sizeof(cmd), "ip %s", args);
	if (system(cmd) != 0)
		fail_msg("'%s' failed", cmd);
}

/* Rounds of the loop until all of @events came; the harness ends a test that waits for ever. */
static void wait_events(unsigned int events)
{
	while ((seen & events) != events)
		loop_once(&control_loop, 1000);
	seen = 0;
}

static struct addr a4(const char *text)
{
	struct addr a = { 0 };

	assert_int_equal(addr_parse_ip(&a, slice_z(text)), 0);
	return a;
}

static void test_follows_changes(void **state)
{
	struct addr own = a4("10.77.0.1"), peer = a4("10.77.0.2"), far = a4("198.51.100.1"),
		    via = a4("10.77.0.254");
	struct net_gateway_route gw[4];
	struct net_link link;
	struct net_route r;
	uint8_t mac[6];

	assert_int_equal(net_link_by_name("nt0", &link), -ENODEV);
	assert_false(net_addr_is_local(&own));
	ip("link add nt0 type veth peer name nt1");
	ip("addr add 10.77.0.1/24 dev nt0");
	ip("link set nt0 up");
	ip("link set nt1 up");
	wait_events(NET_EV_LINK | NET_EV_ADDR);
	assert_int_equal(net_link_by_name("nt0", &link), 0);
	assert_true(link.has_mac);
	assert_false(link.loopback);
	assert_true(net_addr_is_local(&own));
	assert_false(net_addr_is_local(&peer));

	assert_int_equal(net_route_get(&peer, &r), 0);
	assert_int_equal(r.ifindex, link.ifindex);
	assert_int_equal(r.gateway.family, ADDR_NONE);
	assert_memory_equal(r.source.ip, own.ip, 4);
	assert_false(r.local);
	assert_int_equal(net_route_get(&own, &r), 0);
	assert_true(r.local);
	assert_int_equal(net_route_get(&far, &r), -ENETUNREACH);

	ip("route add 198.51.100.0/24 via 10.77.0.254");
	wait_events(NET_EV_ROUTE);
	assert_int_equal(net_route_get(&far, &r), 0);
	assert_memory_equal(r.gateway.ip, via.ip, 4);
	assert_int_equal(net_gateway_routes(gw, 4), 1);
	assert_int_equal(gw[0].prefix, 24);
	assert_memory_equal(gw[0].via.gateway.ip, via.ip, 4);

	assert_int_equal(net_neighbour_get(link.ifindex, &peer, mac), -ENOENT);
	ip("neigh add 10.77.0.2 lladdr 02:00:00:00:00:77 dev nt0 nud permanent");
	wait_events(NET_EV_NEIGH);
	assert_int_equal(net_neighbour_get(link.ifindex, &peer, mac), 0);
	assert_int_equal(mac[5], 0x77);
	assert_int_equal(net_neighbour_manage(link.ifindex, &via), 0);

	assert_true(net_rules_are_default());
	ip("rule add from 10.9.9.9 table 100");
	wait_events(NET_EV_ROUTE);
	assert_false(net_rules_are_default());

	ip("link del nt0");
	while (net_link_by_name("nt0", &link) != -ENODEV)
		wait_events(NET_EV_LINK);
}

static int set_up(void **state)
{
	if (geteuid() != 0) {
		print_message("needs root for a network of its own\n");
		return 0;
	}
	this_loop = &control_loop;
	if (loop_init(&control_loop, 0) || net_open() || net_follow(&control_loop))
		return -1;
	net_watch(&watcher);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_follows_changes) };

	return cmocka_run_group_tests_name("net", tests, set_up, NULL);
}
