// SPDX-License-Identifier: GPL-2.0-or-later
/* tap: timeout=180 */
/*
 * Every reason that a verdict can have: how to get it, the verdict, the counter, that a packet that is not forwarded
 * stays as it was; and that the dry run says beforehand what the program then does.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include "bpf/rig.h"

#include <arpa/inet.h>
#include <linux/bpf.h>
#include <linux/ipv6.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig rig;
#define CLIENT "198.51.100.7"

static struct lbd_server *server_at(int i)
{
	return MEM(rig.set, SERVER, struct lbd_server) + rig.server[i];
}

/* ---- What makes each reason: changes to the maps, then to the frame ------------------------------------ */

static void ip_sum(struct frame *f)
{
	struct iphdr *ip = frame_ip(f);
	uint32_t sum = 0;

	ip->check = 0;
	for (int i = 0; i < ip->ihl * 2; i++)
		sum += ((uint16_t *)ip)[i];
	sum = (sum & 0xffff) + (sum >> 16);
	ip->check = ~(sum + (sum >> 16));
}

static void other_port(struct frame *f)
{
	frame_tcp(f)->dest = htons(81);
}

static void arp(struct frame *f)
{
	((struct ethhdr *)f->b)->h_proto = htons(ETH_P_ARP);
}

static void cut(struct frame *f)
{
	f->len = 40;
}

static void ack(struct frame *f)
{
	((uint8_t *)frame_tcp(f))[13] = ACK;
}

static void no_table(void)
{
	lbdmap_table_publish(rig.set, rig.service, LBD_FORM_NONE, NULL, NULL, 0);
}

static void all_down(void)
{
	for (int i = 0; i < rig.servers; i++)
		lbdmap_server_state(rig.set, rig.server[i], false, false);
}

static void client_is_local(void)
{
	union lbd_addr a = rig_addr(CLIENT);

	lbdmap_local_put(rig.set, &a, 1);
}

static void icmp(struct frame *f)
{
	frame_ip(f)->protocol = 1;
	ip_sum(f);
}

static void device_flags(uint32_t in, uint32_t out)
{
	struct lbd_device d = { .flags = in, .mtu = 1500 };

	lbdmap_device_put(rig.set, rig.dev_client, &d);
	d.flags = out;
	lbdmap_device_put(rig.set, rig.dev_server, &d);
}

static void tc_is_attached(void)
{
	device_flags(LBD_DEV_XMIT | LBD_DEV_TC, 0);
}

static void device_takes_nothing(void)
{
	device_flags(LBD_DEV_XMIT, 0);
}

static void bind_v6(void)
{
	struct lbd_service_key k = { .addr = rig_addr("2001:db8::10"),
				     .port_be = htons(80),
				     .proto = 6 };

	lbdmap_bind_put(rig.set, &k, rig.service, 0);
}

static void as_v6(struct frame *f)
{
	struct ipv6hdr *ip = (void *)(f->b + ETH_HLEN);
	uint8_t tcp[20];

	memcpy(tcp, frame_tcp(f), 20);
	((struct ethhdr *)f->b)->h_proto = htons(ETH_P_IPV6);
	memset(ip, 0, 40);
	ip->version = 6;
	ip->nexthdr = 6;
	ip->payload_len = htons(20);
	ip->hop_limit = 64;
	memcpy(&ip->saddr, rig_addr("2001:db8::7").b, 16);
	memcpy(&ip->daddr, rig_addr("2001:db8::10").b, 16);
	memcpy(f->b + 54, tcp, 20);
	f->len = 74;
}

static void deny_client(void)
{
	union lbd_addr a = rig_addr("198.51.100.0");

	lbdmap_deny_put(rig.set, &a, 24, 1);
}

static void short_doff(struct frame *f)
{
	frame_tcp(f)->doff = 4;
}

static void long_doff(struct frame *f)
{
	frame_tcp(f)->doff = 6; /* the packet ends before */
}

static void total_too_long(struct frame *f)
{
	frame_ip(f)->tot_len = htons(200);
	ip_sum(f);
}

static void total_too_short(struct frame *f)
{
	frame_ip(f)->tot_len = htons(39);
	ip_sum(f);
}

static void bad_sum(struct frame *f)
{
	frame_ip(f)->check ^= htons(0x0100);
}

static void more_fragments(struct frame *f)
{
	frame_ip(f)->frag_off = htons(0x2000);
	ip_sum(f);
}

static void later_fragment(struct frame *f)
{
	frame_ip(f)->frag_off = htons(0x00b9);
	ip_sum(f);
}

static void ttl_1(struct frame *f)
{
	frame_ip(f)->ttl = 1;
	ip_sum(f);
}

static void all_places_established(void)
{
	struct lbd_flow *f = MEM(rig.set, FLOW, struct lbd_flow);
	struct lbd_tags *t = MEM(rig.set, FLOW_TAG, struct lbd_tags);

	for (uint32_t i = 0; i < lbdmap_entries(rig.set, LBDMAP_FLOW); i++) {
		f[i].word = LBD_FLOW_WORD(0, LBD_FLOW_OPEN, 0);
		f[i].tick = lbdmap_tick();
		f[i].service = rig.service;
		t[i / LBD_WAYS].tag[i % LBD_WAYS] = 1;
	}
}

static void one_port_in_use(void)
{
	struct lbd_source *s = MEM(rig.set, SOURCE, struct lbd_source) + rig.source;
	int one[] = { 0 };

	rig_table(&rig, one, 1);
	s->port_lo = s->port_hi = 6000;
	assert_int_equal(rig_connect(&rig, LBD_HOOK_XDP, "198.51.100.99", 1), 6000);
}

static void servers_full(void)
{
	for (int i = 0; i < rig.servers; i++) {
		server_at(i)->maxconn = 2;
		MEM(rig.set, LOAD, struct lbd_load)[rig.server[i]].flows = 2;
	}
}

static void no_sources(void)
{
	for (int i = 0; i < rig.servers; i++)
		server_at(i)->source_count = 0;
}

static void no_routes(void)
{
	union lbd_addr any = rig_addr("0.0.0.0");

	lbdmap_route_del(rig.set, &any, 0);
	for (int i = 0; i < rig.servers; i++)
		lbdmap_server_nexthop(rig.set, rig.server[i], 0);
}

static void no_macs(void)
{
	MEM(rig.set, NEXTHOP, struct lbd_nexthop)[rig.nexthop].flags = LBD_NH_USED;
}

static void small_mtu(void)
{
	MEM(rig.set, NEXTHOP, struct lbd_nexthop)[rig.nexthop].mtu = 39;
}

static void locks_held(void)
{
	for (int i = 0; i < LBD_LOCKS; i++)
		MEM(rig.set, FLOW_LOCK, uint64_t)[i] = 1;
}

static void connected(void)
{
	assert_int_not_equal(rig_connect(&rig, LBD_HOOK_XDP, CLIENT, 4000), 0);
}

static void connected_and_dead_daemon(void)
{
	connected();
	MEM(rig.set, CONTROL, struct lbd_control)->heartbeat =
		lbdmap_tick() - 2 * LBD_HEARTBEAT_TICKS;
}

static void entry_being_written(void)
{
	connected();
	rig_flow(&rig, CLIENT, 4000)->seq |= 1;
}

static void kill_it(void)
{
	connected();
	rig_flow(&rig, CLIENT, 4000)->word |= LBD_F_KILL << 24;
}

static void embryonic_on_dead(void)
{
	struct shot s = { .src = CLIENT, .dst = RIG_VIP, .sport = 4000, .dport = 80, .flags = SYN };
	int one[] = { 0 }, two[] = { 1 };
	struct frame f;

	rig_table(&rig, one, 1);
	rig_shoot(&rig, LBD_HOOK_XDP, rig.dev_client, &s, &f);
	lbdmap_server_state(rig.set, rig.server[0], false, false);
	rig_table(&rig, two, 1);
}

static void wildcard(void)
{
	struct lbd_service_key k = { .addr = rig_addr("*"), .port_be = htons(81), .proto = 6 };
	union lbd_addr vip = rig_addr(RIG_VIP);

	lbdmap_bind_put(rig.set, &k, rig.service, 0);
	lbdmap_local_put(rig.set, &vip, 1);
}

static void wildcard_elsewhere(void)
{
	struct lbd_service_key k = { .addr = rig_addr("*"), .port_be = htons(81), .proto = 6 };

	lbdmap_bind_put(rig.set, &k, rig.service, 0);
}

static void unbound(void)
{
	struct lbd_service_key k = { .addr = rig_addr(RIG_VIP), .port_be = htons(80), .proto = 6 };

	assert_int_equal(lbdmap_bind_del(rig.set, &k), 0);
	assert_int_equal(lbdmap_commit(rig.set, 2), 0);
}

static void to_nat_port(struct frame *f)
{
	struct shot s = {
		.src = "10.0.0.11", .dst = RIG_SOURCE, .sport = 8080, .dport = 2000, .flags = ACK
	};

	frame_make(f, &s);
}

enum { XDP = 1, TC = 2, BOTH = 3, RANDOM = 4 /* the dry run may say something else */ };

static const struct row {
	const char *what;
	uint32_t reason;
	void (*maps)(void);
	void (*frame)(struct frame *f);
	int hooks;
} rows[] = {
	{ "another port", LBD_R_NOT_OURS, NULL, other_port, BOTH },
	{ "an unknown reply", LBD_R_NOT_OURS, NULL, to_nat_port, BOTH },
	{ "a later fragment", LBD_R_NOT_OURS, NULL, later_fragment, BOTH },
	{ "a service that was taken away", LBD_R_NOT_OURS, unbound, NULL, BOTH },
	{ "wildcard, not our address", LBD_R_NOT_OURS, wildcard_elsewhere, other_port, BOTH },
	{ "ARP", LBD_R_NOT_IP, NULL, arp, BOTH },
	{ "cut in the TCP header", LBD_R_TRUNCATED, NULL, cut, BOTH },
	{ "known flow", LBD_R_KNOWN, connected, ack, BOTH },
	{ "new flow", LBD_R_NEW, NULL, NULL, BOTH },
	{ "new flow, wildcard", LBD_R_NEW, wildcard, other_port, BOTH },
	{ "embryonic flow of a dead server", LBD_R_REPICK, embryonic_on_dead, NULL, BOTH },
	{ "ACK without a flow", LBD_R_NO_FLOW, NULL, ack, BOTH },
	{ "no table", LBD_R_NO_SERVER, no_table, NULL, BOTH },
	{ "table not yet without the dead servers", LBD_R_NO_SERVER, all_down, NULL, BOTH },
	{ "from an address of this host", LBD_R_FROM_SELF, client_is_local, NULL, BOTH },
	{ "ICMP to a service address", LBD_R_ICMP, NULL, icmp, BOTH },
	{ "device takes no frames, TC is there", LBD_R_TO_TC, tc_is_attached, NULL, XDP },
	{ "IPv6", LBD_R_IPV6, bind_v6, as_v6, BOTH },
	{ "denied source", LBD_R_DENIED, deny_client, NULL, BOTH },
	{ "data offset 4", LBD_R_BAD_HEADER, NULL, short_doff, BOTH },
	{ "data offset beyond the packet", LBD_R_BAD_HEADER, NULL, long_doff, BOTH },
	{ "total length beyond the frame", LBD_R_BAD_HEADER, NULL, total_too_long, BOTH },
	{ "total length within the headers", LBD_R_BAD_HEADER, NULL, total_too_short, BOTH },
	{ "IP checksum", LBD_R_BAD_CHECKSUM, NULL, bad_sum, BOTH },
	{ "first fragment", LBD_R_FRAGMENT, NULL, more_fragments, BOTH },
	{ "TTL 1", LBD_R_TTL, connected, ttl_1, BOTH },
	{ "all places established", LBD_R_TABLE_FULL, all_places_established, NULL, BOTH },
	{ "the only NAT port is in use", LBD_R_PORTS_FULL, one_port_in_use, NULL, BOTH },
	{ "maxconn", LBD_R_SERVER_FULL, servers_full, NULL, BOTH },
	{ "no NAT source", LBD_R_NO_SOURCE, no_sources, NULL, BOTH },
	{ "no route", LBD_R_NO_ROUTE, no_routes, NULL, BOTH },
	{ "no MAC", LBD_R_NO_NEIGHBOUR, no_macs, NULL, XDP },
	{ "no MAC, TC resolves", LBD_R_NEW, no_macs, NULL, TC },
	{ "device takes no frames", LBD_R_NO_DEVICE, device_takes_nothing, NULL, XDP },
	{ "longer than the MTU", LBD_R_TOO_BIG, small_mtu, NULL, BOTH },
	{ "flow is being made elsewhere", LBD_R_BUSY, locks_held, NULL, BOTH | RANDOM },
	{ "entry is being written", LBD_R_BUSY, entry_being_written, ack, BOTH },
	{ "killed", LBD_R_KILLED, kill_it, ack, BOTH },
	{ "dead daemon, forwarding off: the cached hop", LBD_R_KNOWN, connected_and_dead_daemon,
	  ack, BOTH },
};

static uint64_t packets(void)
{
	uint64_t n = 0;

	for (int i = 0; i < LBD_R_MAX; i++)
		n += rig_reason(&rig, i);
	return n;
}

static bool action_fits(int hook, uint32_t verdict, int action)
{
	static const int xdp[LBD_VERDICTS] = { XDP_REDIRECT, XDP_PASS, XDP_DROP, XDP_REDIRECT };
	static const int tc[LBD_VERDICTS] = { 7, -1, 2, 7 };

	return action == (hook == LBD_HOOK_XDP ? xdp : tc)[verdict];
}

static void reason(void **state)
{
	const struct row *t = *state;

	for (int k = 0; k < 2; k++) {
		struct shot s = {
			.src = CLIENT, .dst = RIG_VIP, .sport = 4000, .dport = 80, .flags = SYN
		};
		int hook = k ? LBD_HOOK_TCX : LBD_HOOK_XDP, action;
		struct lbdmap_error err = {};
		uint64_t before, all;
		struct frame f, was;
		struct lbd_explain x;
		uint32_t verdict = lbdmap_reasons[t->reason].verdict;

		if (!(t->hooks & (k ? TC : XDP)))
			continue;
		rig_wipe(&rig, 3);
		if (t->maps)
			t->maps();
		frame_make(&f, &s);
		if (t->frame)
			t->frame(&f);
		was = f;
		if (lbdmap_explain_frame(rig.dry[hook], f.b, f.len, rig.dev_client, &x, &err))
			fail_msg("%s", err.text);
		if (!(t->hooks & RANDOM))
			assert_string_equal(lbdmap_reasons[x.reason].name,
					    lbdmap_reasons[t->reason].name);
		before = rig_reason(&rig, t->reason);
		all = packets();
		action = rig_run(&rig, hook, rig.dev_client, &f);
		assert_int_equal(rig_reason(&rig, t->reason), before + 1);
		assert_int_equal(packets(), all + 1);
		assert_true(action_fits(hook, verdict, action));
		if (verdict == LBD_PASS || verdict == LBD_DROP) {
			assert_int_equal(f.len, was.len);
			assert_memory_equal(f.b, was.b, was.len);
		}
	}
}

/* A row for every reason but the one that must never be. */
static void all_reasons_have_rows(void **state)
{
	for (uint32_t r = 0; r < LBD_R_MAX; r++) {
		bool found = r == LBD_R_INTERNAL || r == LBD_R_REPLY; /* REPLY: nat_test */

		for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
			found |= rows[i].reason == r;
		if (!found)
			fail_msg("no row gives the reason '%s'", lbdmap_reasons[r].name);
	}
}

static void truncated_at_every_length(void **state)
{
	rig_wipe(&rig, 3);
	for (int k = 0; k < 2; k++)
		for (uint32_t options = 0; options <= 40; options += 20)
			/* The kernel refuses to run TC on less than an IP header. */
			for (uint32_t len = k ? 34 : 14; len < 54 + options; len++) {
				struct shot s = { .src = CLIENT,
						  .dst = RIG_VIP,
						  .sport = 4000,
						  .dport = 80,
						  .flags = SYN };
				int hook = k ? LBD_HOOK_TCX : LBD_HOOK_XDP, action;
				struct frame f, was;

				frame_make(&f, &s);
				memmove(f.b + 34 + options, f.b + 34, 20);
				memset(f.b + 34, 1, options);
				frame_ip(&f)->ihl = 5 + options / 4;
				frame_ip(&f)->tot_len = htons(40 + options);
				ip_sum(&f);
				f.len = len;
				was = f;
				action = rig_run(&rig, hook, rig.dev_client, &f);
				assert_true(action_fits(hook, LBD_PASS, action));
				assert_memory_equal(f.b, was.b, len);
			}
	assert_int_equal(rig_reason(&rig, LBD_R_TRUNCATED), 40 + 60 + 80 + 20 + 40 + 60);
	assert_int_equal(rig_flows(&rig, 0) + rig_flows(&rig, 1) + rig_flows(&rig, 2), 0);
}

static uint32_t reason_of_run(int hook, struct frame *f)
{
	uint64_t before[LBD_R_MAX];
	uint32_t which = LBD_R_MAX;

	for (int i = 0; i < LBD_R_MAX; i++)
		before[i] = rig_reason(&rig, i);
	rig_run(&rig, hook, rig.dev_client, f);
	for (int i = 0; i < LBD_R_MAX; i++)
		if (rig_reason(&rig, i) != before[i])
			which = i;
	return which;
}

/* Mangled packets: explained, then sent: the same reason; and explaining writes no map. */
static void explained_then_sent(void **state)
{
	unsigned int seed = 7;
	static const enum lbdmap_id kept[] = { LBDMAP_FLOW,  LBDMAP_FLOW_TAG,  LBDMAP_FLOW_REV,
					       LBDMAP_LOAD,  LBDMAP_FLOW_LOCK, LBDMAP_SERVICE,
					       LBDMAP_SERVER };

	rig_reset(&rig, 512, 3);
	for (int i = 0; i < 10000; i++) {
		static const uint8_t flags[] = { SYN,       SYN,       SYN, ACK,
						 ACK | PSH, FIN | ACK, RST, SYN | ACK };
		struct shot s = { .src = CLIENT,
				  .dst = RIG_VIP,
				  .sport = 4000 + rand_r(&seed) % 50,
				  .dport = 80,
				  .flags = flags[rand_r(&seed) % 8],
				  .payload = rand_r(&seed) % 100 };
		int hook = i & 1 ? LBD_HOOK_TCX : LBD_HOOK_XDP;
		struct lbd_explain x;
		struct lbdmap_error err = {};
		uint32_t got;
		struct frame f;
		void *before[7];

		frame_make(&f, &s);
		for (int flips = rand_r(&seed) % 3; flips > 0; flips--)
			f.b[12 + rand_r(&seed) % 42] ^= 1 << rand_r(&seed) % 8;
		for (int k = 0; k < 7; k++) {
			before[k] = malloc(rig.set->mem_len[kept[k]]);
			memcpy(before[k], rig.set->mem[kept[k]], rig.set->mem_len[kept[k]]);
		}
		if (lbdmap_explain_frame(rig.dry[hook], f.b, f.len, rig.dev_client, &x, &err))
			fail_msg("%s", err.text);
		for (int k = 0; k < 7; k++) {
			assert_memory_equal(before[k], rig.set->mem[kept[k]],
					    rig.set->mem_len[kept[k]]);
			free(before[k]);
		}
		lbdmap_heartbeat(rig.set);
		got = reason_of_run(hook, &f);
		assert_in_range(got, 0, LBD_R_MAX - 1);
		assert_string_equal(lbdmap_reasons[got].name, lbdmap_reasons[x.reason].name);
	}
}

static int setup(void **state)
{
	rig_up(&rig, 64, 3);
	return 0;
}

static int teardown(void **state)
{
	rig_down(&rig);
	return 0;
}

int main(void)
{
	struct CMUnitTest tests[sizeof(rows) / sizeof(rows[0]) + 3] = {};
	int n = 0;

	for (; n < (int)(sizeof(rows) / sizeof(rows[0])); n++)
		tests[n] =
			(struct CMUnitTest){ rows[n].what, reason, NULL, NULL, (void *)&rows[n] };
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(all_reasons_have_rows);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(truncated_at_every_length);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(explained_then_sent);
	return _cmocka_run_group_tests("reasons", tests, n, setup, teardown);
}
