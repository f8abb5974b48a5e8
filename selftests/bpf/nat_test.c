// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Full NAT of IPv4 TCP by both programs: handshake in both directions, what is rewritten and what is not,
 * TCP's states, rest and reuse of tuples.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bpf/rig.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <stdio.h>
#include <string.h>

static struct rig rig;
static const enum lbd_hook hooks[] = { LBD_HOOK_XDP, LBD_HOOK_TCX };
#define EACH_HOOK(h) for (int n_##h = 0, h = hooks[0]; n_##h < 2; n_##h++, h = hooks[n_##h % 2])
#define FORWARD(h)   ((h) == LBD_HOOK_XDP ? XDP_REDIRECT : 7)
#define PASS(h)      ((h) == LBD_HOOK_XDP ? XDP_PASS : -1)
#define DROP(h)      ((h) == LBD_HOOK_XDP ? XDP_DROP : 2)

#define CLIENT "198.51.100.7"

static int fresh(void **state)
{
	rig_wipe(&rig, 3);
	return 0;
}

static void handshake(void **state)
{
	EACH_HOOK(h)
	{
		uint16_t port = 1000 + h;
		struct shot syn = { .src = CLIENT,
				    .dst = RIG_VIP,
				    .sport = port,
				    .dport = 80,
				    .flags = SYN,
				    .seq = 77 };
		struct shot reply = { .src = "10.0.0.11",
				      .dst = RIG_SOURCE,
				      .sport = 8080,
				      .flags = SYN | ACK,
				      .seq = 9,
				      .ack = 78 };
		int one[] = { 0 };
		struct frame f, in;

		rig_table(&rig, one, 1);
		frame_make(&in, &syn);
		assert_int_equal(rig_shoot(&rig, h, rig.dev_client, &syn, &f), FORWARD(h));
		assert_int_equal(frame_ip(&f)->saddr, inet_addr(RIG_SOURCE));
		assert_int_equal(frame_ip(&f)->daddr, inet_addr("10.0.0.11"));
		assert_int_equal(frame_tcp(&f)->dest, htons(8080));
		assert_in_range(ntohs(frame_tcp(&f)->source), 1024, 32767);
		assert_int_equal(frame_ip(&f)->ttl, 63);
		assert_int_equal(frame_checksums_wrong(&f), 0);
		assert_memory_equal(f.b, "\x02\0\0\0\0\x09\x02\0\0\0\0\x08", 12);
		/* What must not change: sequence numbers, flags, window, identification. */
		assert_memory_equal((uint8_t *)frame_tcp(&f) + 4, (uint8_t *)frame_tcp(&in) + 4,
				    12);
		assert_int_equal(frame_ip(&f)->id, frame_ip(&in)->id);
		assert_int_equal(f.len, in.len);

		reply.dport = ntohs(frame_tcp(&f)->source);
		assert_int_equal(rig_shoot(&rig, h, rig.dev_server, &reply, &f), FORWARD(h));
		assert_int_equal(frame_ip(&f)->saddr, inet_addr(RIG_VIP));
		assert_int_equal(frame_ip(&f)->daddr, inet_addr(CLIENT));
		assert_int_equal(frame_tcp(&f)->source, htons(80));
		assert_int_equal(frame_tcp(&f)->dest, htons(port));
		assert_int_equal(frame_checksums_wrong(&f), 0);
		assert_memory_equal(f.b, "\x02\0\0\0\0\x07\x02\0\0\0\0\x08", 12);
	}
	assert_int_equal(rig_reason(&rig, LBD_R_NEW), 2);
	assert_int_equal(rig_reason(&rig, LBD_R_REPLY), 2);
}

static void data_of_every_length(void **state)
{
	EACH_HOOK(h)
	{
		uint16_t nat = rig_connect(&rig, h, CLIENT, 2000 + h);

		assert_int_not_equal(nat, 0);
		for (int len = 0; len <= 1460; len += len < 64 ? 1 : 93) {
			struct shot up = { .src = CLIENT,
					   .dst = RIG_VIP,
					   .sport = 2000 + h,
					   .dport = 80,
					   .flags = ACK | PSH,
					   .seq = 1001,
					   .ack = 5001,
					   .payload = len };
			struct frame f, in;

			frame_make(&in, &up);
			assert_int_equal(rig_shoot(&rig, h, rig.dev_client, &up, &f), FORWARD(h));
			assert_int_equal(frame_checksums_wrong(&f), 0);
			assert_int_equal(frame_tcp(&f)->source, htons(nat));
			assert_memory_equal(f.b + 54, in.b + 54, len);
		}
	}
}

/* An error in the TCP checksum is the same error behind the balancer. */
static void wrong_tcp_checksum_stays_wrong(void **state)
{
	EACH_HOOK(h)
	{
		struct shot syn = {
			.src = CLIENT, .dst = RIG_VIP, .sport = 2100 + h, .dport = 80, .flags = SYN
		};
		struct frame f;

		frame_make(&f, &syn);
		frame_tcp(&f)->check ^= htons(0x0101);
		assert_int_equal(rig_run(&rig, h, rig.dev_client, &f), FORWARD(h));
		assert_int_equal(frame_checksums_wrong(&f), 2);
	}
}

static void ip_options(void **state)
{
	EACH_HOOK(h)
	for (int words = 1; words <= 10; words++) {
		struct shot syn = { .src = CLIENT,
				    .dst = RIG_VIP,
				    .sport = 2200 + h * 16 + words,
				    .dport = 80,
				    .flags = SYN };
		uint32_t sum = 0;
		struct iphdr *ip;
		struct frame f;

		frame_make(&f, &syn);
		memmove(f.b + 34 + words * 4, f.b + 34, 20);
		memset(f.b + 34, 1, words * 4);
		f.len += words * 4;
		ip = frame_ip(&f);
		ip->ihl = 5 + words;
		ip->tot_len = htons(f.len - ETH_HLEN);
		ip->check = 0;
		for (int i = 0; i < ip->ihl * 2; i++)
			sum += ntohs(((uint16_t *)ip)[i]);
		sum = (sum & 0xffff) + (sum >> 16);
		sum += sum >> 16;
		ip->check = htons(~sum);
		assert_int_equal(frame_checksums_wrong(&f), 0);
		assert_int_equal(rig_run(&rig, h, rig.dev_client, &f), FORWARD(h));
		assert_int_equal(frame_checksums_wrong(&f), 0);
		assert_int_equal(frame_tcp(&f)->dest, htons(8080));
	}
}

static uint32_t state_of(const char *client, uint16_t port)
{
	struct lbd_flow *f = rig_flow(&rig, client, port);

	return f ? LBD_FLOW_STATE(f->word) : LBD_FLOW_FREE;
}

static int up(enum lbd_hook h, uint16_t port, uint8_t flags)
{
	struct shot s = { .src = CLIENT,
			  .dst = RIG_VIP,
			  .sport = port,
			  .dport = 80,
			  .flags = flags,
			  .seq = 1001,
			  .ack = 5001 };
	struct frame f;

	return rig_shoot(&rig, h, rig.dev_client, &s, &f);
}

static int down(enum lbd_hook h, uint16_t nat, uint8_t flags)
{
	struct shot s = { .src = "10.0.0.11",
			  .dst = RIG_SOURCE,
			  .sport = 8080,
			  .dport = nat,
			  .flags = flags,
			  .seq = 5001,
			  .ack = 1001 };
	struct frame f;

	return rig_shoot(&rig, h, rig.dev_server, &s, &f);
}

static int flows_live(void)
{
	return rig_flows(&rig, 0) + rig_flows(&rig, 1) + rig_flows(&rig, 2);
}

static void states(void **state)
{
	int one[] = { 0 };

	rig_table(&rig, one, 1);
	EACH_HOOK(h)
	{
		uint16_t port = 3000 + h * 10, nat = rig_connect(&rig, h, CLIENT, port);
		uint16_t nat2, rst = port + 1;

		assert_int_equal(state_of(CLIENT, port), LBD_FLOW_OPEN);
		assert_int_equal(flows_live(), 1);
		up(h, port, FIN | ACK);
		assert_int_equal(state_of(CLIENT, port), LBD_FLOW_HALF);
		assert_int_equal(flows_live(), 1);
		assert_int_equal(down(h, nat, ACK), FORWARD(h));
		down(h, nat, FIN | ACK);
		assert_int_equal(state_of(CLIENT, port), LBD_FLOW_CLOSED);
		assert_int_equal(flows_live(), 0);
		/* The last ACK still gets through. */
		assert_int_equal(up(h, port, ACK), FORWARD(h));
		assert_int_equal(flows_live(), 0);
		/* The same client may use its tuple again at once, and gets the same NAT port. */
		nat2 = rig_connect(&rig, h, CLIENT, port);
		assert_int_equal(nat2, nat);
		assert_int_equal(state_of(CLIENT, port), LBD_FLOW_OPEN);
		assert_int_equal(flows_live(), 1);
		up(h, port, RST);
		assert_int_equal(state_of(CLIENT, port), LBD_FLOW_CLOSED);
		assert_int_equal(flows_live(), 0);

		nat = rig_connect(&rig, h, CLIENT, rst);
		down(h, nat, RST | ACK);
		assert_int_equal(state_of(CLIENT, rst), LBD_FLOW_CLOSED);
		assert_int_equal(LBD_FLOW_FLAGS(rig_flow(&rig, CLIENT, rst)->word),
				 LBD_F_RST_SERVER);
		assert_int_equal(flows_live(), 0);
	}
}

static void idle_flow_is_forgotten(void **state)
{
	EACH_HOOK(h)
	{
		uint16_t port = 3100 + h;

		assert_int_not_equal(rig_connect(&rig, h, CLIENT, port), 0);
		rig_flow(&rig, CLIENT, port)->tick -= LBD_TICKS_S(59);
		assert_int_equal(up(h, port, ACK), FORWARD(h));
		rig_flow(&rig, CLIENT, port)->tick -= LBD_TICKS_S(61);
		assert_int_equal(up(h, port, ACK), PASS(h));
		assert_int_equal(flows_live(), 0);
		assert_int_not_equal(rig_connect(&rig, h, CLIENT, port), 0);
		assert_int_equal(flows_live(), 1);
		up(h, port, RST);
	}
	assert_int_equal(rig_reason(&rig, LBD_R_NO_FLOW), 2);
}

/* `source` with one port only: the tuple rests 60 s for others, not after a RST of the server. */
static void rest(void **state)
{
	struct lbd_source *src = MEM(rig.set, SOURCE, struct lbd_source) + rig.source;
	int one[] = { 0 };

	rig_table(&rig, one, 1);
	src->port_lo = src->port_hi = 5555;
	EACH_HOOK(h)
	{
		uint16_t a = 3200 + h * 4, b = a + 1, c = a + 2;

		assert_int_equal(rig_connect(&rig, h, CLIENT, a), 5555);
		assert_int_equal(up(h, b, SYN), DROP(h)); /* in use */
		up(h, a, FIN | ACK);
		down(h, 5555, FIN | ACK);
		assert_int_equal(up(h, b, SYN), DROP(h)); /* rests */
		rig_flow(&rig, CLIENT, a)->tick -= LBD_TICKS_S(61);
		assert_int_equal(rig_connect(&rig, h, CLIENT, b), 5555);
		assert_null(rig_flow(&rig, CLIENT, a));
		down(h, 5555, RST);
		assert_int_equal(rig_connect(&rig, h, CLIENT, c),
				 5555); /* no rest after the server's RST */
		down(h, 5555, RST);
	}
	assert_int_equal(rig_reason(&rig, LBD_R_PORTS_FULL), 4);
}

static void embryonic_flow_of_a_dead_server_is_picked_again(void **state)
{
	int one[] = { 0 }, two[] = { 1 };
	struct shot s = { .src = CLIENT, .dst = RIG_VIP, .dport = 80, .flags = SYN };
	struct frame f;

	EACH_HOOK(h)
	{
		rig_table(&rig, one, 1);
		s.sport = 3300 + h;
		assert_int_equal(rig_shoot(&rig, h, rig.dev_client, &s, &f), FORWARD(h));
		assert_int_equal(rig_flows(&rig, 0), 1);
		lbdmap_server_state(rig.set, rig.server[0], false, false);
		rig_table(&rig, two, 1);
		assert_int_equal(rig_shoot(&rig, h, rig.dev_client, &s, &f), FORWARD(h));
		assert_int_equal(frame_ip(&f)->daddr, inet_addr("10.0.0.12"));
		assert_int_equal(rig_flows(&rig, 0), 0);
		assert_int_equal(rig_flows(&rig, 1), 1);
		up(h, s.sport, RST);
		lbdmap_server_state(rig.set, rig.server[0], true, false);
	}
	assert_int_equal(rig_reason(&rig, LBD_R_REPICK), 2);
}

static void established_flow_stays_with_a_dead_server(void **state)
{
	int one[] = { 0 }, two[] = { 1 };

	EACH_HOOK(h)
	{
		rig_table(&rig, one, 1);
		assert_int_not_equal(rig_connect(&rig, h, CLIENT, 3400 + h), 0);
		lbdmap_server_state(rig.set, rig.server[0], false, false);
		rig_table(&rig, two, 1);
		assert_int_equal(up(h, 3400 + h, ACK), FORWARD(h));
		assert_int_equal(rig_flows(&rig, 0), 1);
		up(h, 3400 + h, RST);
		lbdmap_server_state(rig.set, rig.server[0], true, false);
	}
}

/* First the other side gets a RST with the packet's numbers, then the sender itself. */
static void killed_flow(void **state)
{
	int one[] = { 0 };

	rig_table(&rig, one, 1);
	EACH_HOOK(h)
	{
		uint16_t port = 3500 + h, nat = rig_connect(&rig, h, CLIENT, port);
		struct shot s = { .src = CLIENT,
				  .dst = RIG_VIP,
				  .sport = port,
				  .dport = 80,
				  .flags = ACK | PSH,
				  .seq = 1001,
				  .ack = 5001,
				  .payload = 100 };
		union lbd_addr c = rig_addr(CLIENT), v = rig_addr(RIG_VIP);
		struct lbd_flow flow;
		uint32_t place;
		struct frame f;

		assert_int_equal(lbdmap_flow_find(rig.set, &c, htons(port), &v, htons(80), 6, &flow,
						  &place),
				 0);
		assert_int_equal(lbdmap_flow_kill(rig.set, place, &flow), 0);
		assert_int_equal(rig_shoot(&rig, h, rig.dev_client, &s, &f), FORWARD(h));
		assert_int_equal(frame_ip(&f)->daddr, inet_addr("10.0.0.11"));
		assert_int_equal(frame_tcp(&f)->source, htons(nat));
		assert_int_equal(frame_tcp(&f)->seq, htonl(1001));
		assert_true(frame_tcp(&f)->rst);
		assert_int_equal(f.len, 54);
		assert_int_equal(frame_checksums_wrong(&f), 0);
		assert_int_equal(flows_live(), 0);

		assert_int_equal(rig_shoot(&rig, h, rig.dev_client, &s, &f), FORWARD(h));
		assert_int_equal(frame_ip(&f)->daddr, inet_addr(CLIENT));
		assert_int_equal(frame_ip(&f)->saddr, inet_addr(RIG_VIP));
		assert_int_equal(frame_tcp(&f)->dest, htons(port));
		assert_int_equal(frame_tcp(&f)->seq, htonl(5001));
		assert_true(frame_tcp(&f)->rst);
		assert_memory_equal(f.b, "\x02\0\0\0\0\2\x02\0\0\0\0\1", 12);
		assert_int_equal(frame_checksums_wrong(&f), 0);
		/* It stays closed, and its client may connect anew. */
		assert_int_equal(flows_live(), 0);
		assert_int_not_equal(rig_connect(&rig, h, CLIENT, port), 0);
		up(h, port, RST);
	}
	assert_int_equal(rig_reason(&rig, LBD_R_KILLED), 4);
}

static void shutdown_sessions_of_a_server(void **state)
{
	int one[] = { 0 };

	rig_table(&rig, one, 1);
	EACH_HOOK(h)
	{
		uint16_t port = 3600 + h, nat = rig_connect(&rig, h, CLIENT, port);
		struct shot s = { .src = "10.0.0.11",
				  .dst = RIG_SOURCE,
				  .sport = 8080,
				  .dport = nat,
				  .flags = ACK,
				  .seq = 6001,
				  .ack = 1001,
				  .payload = 500 };
		struct frame f;

		lbdmap_server_state(rig.set, rig.server[0], false, true);
		assert_int_equal(rig_shoot(&rig, h, rig.dev_server, &s, &f), FORWARD(h));
		assert_int_equal(frame_ip(&f)->daddr, inet_addr(CLIENT));
		assert_int_equal(frame_tcp(&f)->seq, htonl(6001));
		assert_true(frame_tcp(&f)->rst);
		assert_int_equal(frame_checksums_wrong(&f), 0);
		assert_int_equal(flows_live(), 0);
		lbdmap_server_state(rig.set, rig.server[0], true, false);
	}
}

static void roundrobin_and_draws(void **state)
{
	struct lbd_service s = *lbdmap_service(rig.set, rig.service);
	int order[] = { 0, 1, 2 };

	rig_table(&rig, order, 3);
	s.pick = LBD_PICK_WALK;
	assert_int_equal(lbdmap_service_put(rig.set, rig.service, &s), 0);
	for (int i = 0; i < 60; i++)
		assert_int_not_equal(rig_connect(&rig, LBD_HOOK_XDP, CLIENT, 10000 + i), 0);
	/* One cursor per CPU: with c CPUs no server is more than c ahead of another. */
	for (int i = 0; i < 3; i++)
		assert_in_range(rig_flows(&rig, i), 16, 24);
	s.pick = LBD_PICK_DRAW;
	s.draws = 2;
	assert_int_equal(lbdmap_service_put(rig.set, rig.service, &s), 0);
	for (int i = 0; i < 300; i++)
		assert_int_not_equal(rig_connect(&rig, LBD_HOOK_XDP, CLIENT, 11000 + i), 0);
	for (int i = 0; i < 3; i++)
		assert_in_range(rig_flows(&rig, i), 100, 140);
}

static int setup(void **state)
{
	rig_up(&rig, 4096, 3);
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
		cmocka_unit_test_setup(handshake, fresh),
		cmocka_unit_test_setup(data_of_every_length, fresh),
		cmocka_unit_test_setup(wrong_tcp_checksum_stays_wrong, fresh),
		cmocka_unit_test_setup(ip_options, fresh),
		cmocka_unit_test_setup(states, fresh),
		cmocka_unit_test_setup(idle_flow_is_forgotten, fresh),
		cmocka_unit_test_setup(rest, fresh),
		cmocka_unit_test_setup(embryonic_flow_of_a_dead_server_is_picked_again, fresh),
		cmocka_unit_test_setup(established_flow_stays_with_a_dead_server, fresh),
		cmocka_unit_test_setup(killed_flow, fresh),
		cmocka_unit_test_setup(shutdown_sessions_of_a_server, fresh),
		cmocka_unit_test_setup(roundrobin_and_draws, fresh),
	};

	return cmocka_run_group_tests_name("nat", tests, setup, teardown);
}
