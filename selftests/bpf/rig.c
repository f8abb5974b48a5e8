// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * rig.c - see rig.h.
 */
#include "bpf/rig.h"

#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

static void die(const char *what, const char *why)
{
	printf("Bail out! rig: %s: %s\n", what, why);
	exit(1);
}

static void must(int rc, const char *what, const struct lbdmap_error *err)
{
	if (rc < 0)
		die(what, err && err->text[0] ? err->text : strerror(-rc));
}

static void shell(const char *cmd)
{
	if (system(cmd))
		die(cmd, "failed");
}

union lbd_addr rig_addr(const char *text)
{
	union lbd_addr a;

	must(lbdmap_addr_parse(&a, text), text, NULL);
	return a;
}

/* ---- The set ------------------------------------------------------------------------------------ */

static uint32_t slot(struct rig *r, enum lbdmap_id id)
{
	int64_t s = lbdmap_slot_take(r->set, id, 1);

	must(s, "slot", NULL);
	return s;
}

static void rig_fill(struct rig *r, int servers)
{
	struct lbd_source src = { .addr = rig_addr(RIG_SOURCE), .port_lo = 1024, .port_hi = 32767 };
	struct lbd_nexthop nh = { .ifindex = r->dev_server,
				  .flags = LBD_NH_MAC,
				  .dmac = { 2, 0, 0, 0, 0, 9 },
				  .smac = { 2, 0, 0, 0, 0, 8 } };
	struct lbd_service svc = { .id = lbdmap_stable_id("web"),
				   .idle_ticks = LBD_TICKS_S(60),
				   .half_ticks = LBD_TICKS_S(30) };
	struct lbd_service_key key = { .addr = rig_addr(RIG_VIP),
				       .port_be = htons(80),
				       .proto = 6 };
	struct lbd_device dev = { .flags = LBD_DEV_XMIT, .mtu = 1500 };
	union lbd_addr any4 = rig_addr("0.0.0.0");
	uint32_t client_nh;
	int order[16];

	r->source = slot(r, LBDMAP_SOURCE);
	must(lbdmap_source_put(r->set, r->source, &src), "source", NULL);
	r->nexthop = slot(r, LBDMAP_NEXTHOP);
	must(lbdmap_nexthop_put(r->set, r->nexthop, &nh), "nexthop", NULL);
	client_nh = slot(r, LBDMAP_NEXTHOP);
	nh.ifindex = r->dev_client;
	nh.dmac[5] = 7;
	must(lbdmap_nexthop_put(r->set, client_nh, &nh), "nexthop", NULL);
	must(lbdmap_route_put(r->set, &any4, 0, client_nh), "route", NULL);
	must(lbdmap_device_put(r->set, r->dev_client, &dev), "device", NULL);
	must(lbdmap_device_put(r->set, r->dev_server, &dev), "device", NULL);
	r->servers = servers;
	for (int i = 0; i < servers; i++) {
		struct lbd_server s = { .port_be = htons(8080),
					.flags = LBD_SRV_UP,
					.weight = 1,
					.nexthop = r->nexthop,
					.source_first = r->source,
					.source_count = 1,
					.id = 100 + i };
		char text[32];

		snprintf(text, sizeof(text), "10.0.0.%d", 11 + i);
		s.addr = rig_addr(text);
		r->server[i] = slot(r, LBDMAP_SERVER);
		must(lbdmap_server_put(r->set, r->server[i], &s), "server", NULL);
		order[i] = i;
	}
	r->service = slot(r, LBDMAP_SERVICE);
	must(lbdmap_service_put(r->set, r->service, &svc), "service", NULL);
	rig_table(r, order, servers);
	must(lbdmap_bind_put(r->set, &key, r->service, 0), "bind", NULL);
	must(lbdmap_commit(r->set, 1), "commit", NULL);
	lbdmap_heartbeat(r->set);
}

void rig_table(struct rig *r, const int *order, int n)
{
	uint32_t w[1024];

	for (int i = 0; i < n; i++)
		w[i] = r->server[order[i]];
	must(lbdmap_table_publish(r->set, r->service, LBD_FORM_TABLE, NULL, w, n), "table", NULL);
}

static void rig_open(struct rig *r, uint32_t flows, int servers)
{
	struct lbdmap_sizes sizes = { .flows = flows,
				      .servers = 512,
				      .services = 64,
				      .nexthops = 64,
				      .sources = 64,
				      .slot_words = 1 << 22,
				      .deny = 1024,
				      .routes = 64 };
	static const enum lbd_hook hooks[] = { LBD_HOOK_XDP, LBD_HOOK_TCX };
	struct lbdmap_error err = {};
	bool adopted;

	must(lbdmap_create(r->pin, &sizes, &r->set, &adopted, &err), "create", &err);
	if (adopted)
		die(r->pin, "was there already");
	must(lbdmap_own(r->set, "rig", &err), "own", &err);
	for (int i = 0; i < 2; i++) {
		must(lbdmap_prog_load(r->set, hooks[i], false, &r->prog[hooks[i]], &err), "load",
		     &err);
		must(lbdmap_prog_load(r->set, hooks[i], true, &r->dry[hooks[i]], &err), "dry load",
		     &err);
	}
	rig_fill(r, servers);
}

static void rig_close(struct rig *r)
{
	struct lbdmap_error err = {};

	for (int i = 0; i < LBD_HOOKS; i++) {
		lbdmap_prog_free(r->prog[i]);
		lbdmap_prog_free(r->dry[i]);
		r->prog[i] = r->dry[i] = NULL;
	}
	lbdmap_close(r->set);
	must(lbdmap_cleanup(r->pin, &err), "cleanup", &err);
}

void rig_reset(struct rig *r, uint32_t flows, int servers)
{
	rig_close(r);
	rig_open(r, flows, servers);
}

static void wipe_hash(struct rig *r, enum lbdmap_id id)
{
	uint8_t key[64];

	while (!bpf_map_get_next_key(r->set->fd[id], NULL, key))
		if (bpf_map_delete_elem(r->set->fd[id], key))
			die("wipe", strerror(errno));
}

static void wipe_counts(struct rig *r, enum lbdmap_id id)
{
	static uint8_t zero[sizeof(struct lbd_service_count) * 256];

	for (uint32_t i = 0; i < r->set->entries[id]; i++)
		if (bpf_map_update_elem(r->set->fd[id], &i, zero, BPF_ANY))
			die("wipe", strerror(errno));
}

void rig_wipe(struct rig *r, int servers)
{
	static const enum lbdmap_id hashes[] = { LBDMAP_SERVICES, LBDMAP_DEVICE, LBDMAP_LEARNED,
						 LBDMAP_LOCAL,    LBDMAP_ROUTE,  LBDMAP_DENY,
						 LBDMAP_META };

	for (int i = 0; i < LBDMAP_MAPS; i++) {
		r->set->next_slot[i] = 0;
		free(r->set->taken[i]);
		r->set->taken[i] = NULL;
		if (r->set->mem[i] && i != LBDMAP_CONTROL)
			memset(r->set->mem[i], 0, r->set->mem_len[i]);
	}
	for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		wipe_hash(r, hashes[i]);
	wipe_counts(r, LBDMAP_SERVICE_COUNT);
	wipe_counts(r, LBDMAP_SERVER_COUNT);
	MEM(r->set, CONTROL, struct lbd_control)->flags = 0;
	must(tables_adopt(r->set), "tables", NULL);
	rig_fill(r, servers);
}

void rig_up(struct rig *r, uint32_t flows, int servers)
{
	char dir[] = "/tmp/lbd-rig-XXXXXX";

	memset(r, 0, sizeof(*r));
	if (geteuid()) {
		printf("1..0 # SKIP needs root\n");
		exit(4);
	}
	if (unshare(CLONE_NEWNS | CLONE_NEWNET))
		die("unshare", strerror(errno));
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		die("mount private", strerror(errno));
	if (!mkdtemp(dir) || mount("bpf", dir, "bpf", 0, NULL))
		die("mount bpf", strerror(errno));
	snprintf(r->pin, sizeof(r->pin), "%s/set", dir);
	shell("ip link set lo up && ip link add cli0 type veth peer name cli1 && "
	      "ip link add srv0 type veth peer name srv1 && "
	      "for d in cli0 cli1 srv0 srv1; do ip link set $d up; done");
	r->dev_client = if_nametoindex("cli0");
	r->dev_server = if_nametoindex("srv0");
	rig_open(r, flows, servers);
}

void rig_down(struct rig *r)
{
	char *dir = strdup(r->pin);

	rig_close(r);
	*strrchr(dir, '/') = 0;
	umount2(dir, MNT_DETACH);
	rmdir(dir);
	free(dir);
}

/* ---- Frames -------------------------------------------------------------------------------------- */

static uint32_t sum16(const void *data, uint32_t n, uint32_t sum)
{
	const uint8_t *p = data;

	for (uint32_t i = 0; i + 1 < n; i += 2)
		sum += p[i] << 8 | p[i + 1];
	if (n & 1)
		sum += p[n - 1] << 8;
	return sum;
}

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

struct iphdr *frame_ip(struct frame *f)
{
	return (struct iphdr *)(f->b + ETH_HLEN);
}

struct tcphdr *frame_tcp(struct frame *f)
{
	return (struct tcphdr *)(f->b + ETH_HLEN + frame_ip(f)->ihl * 4);
}

static uint16_t tcp_sum(const struct frame *f)
{
	const struct iphdr *ip = (const void *)(f->b + ETH_HLEN);
	uint32_t l4 = ntohs(ip->tot_len) - ip->ihl * 4, sum;

	sum = sum16(&ip->saddr, 8, 0) + IPPROTO_TCP + l4;
	return fold(sum16(f->b + ETH_HLEN + ip->ihl * 4, l4, sum));
}

int frame_checksums_wrong(const struct frame *f)
{
	const struct iphdr *ip = (const void *)(f->b + ETH_HLEN);

	if (fold(sum16(ip, ip->ihl * 4, 0)) != 0xffff)
		return 1;
	return tcp_sum(f) != 0xffff ? 2 : 0;
}

void frame_make(struct frame *f, const struct shot *s)
{
	struct ethhdr *eth = (void *)f->b;
	struct iphdr *ip = frame_ip(f);
	struct tcphdr *tcp;

	memset(f, 0, sizeof(*f));
	memcpy(eth->h_dest, "\x02\0\0\0\0\1", 6);
	memcpy(eth->h_source, "\x02\0\0\0\0\2", 6);
	eth->h_proto = htons(ETH_P_IP);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(40 + s->payload);
	ip->ttl = s->ttl ? s->ttl : 64;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = inet_addr(s->src);
	ip->daddr = inet_addr(s->dst);
	ip->check = htons(~fold(sum16(ip, 20, 0)));
	tcp = frame_tcp(f);
	tcp->source = htons(s->sport);
	tcp->dest = htons(s->dport);
	tcp->seq = htonl(s->seq);
	tcp->ack_seq = htonl(s->ack);
	tcp->doff = 5;
	((uint8_t *)tcp)[13] = s->flags;
	tcp->window = htons(1000);
	for (int i = 0; i < s->payload; i++)
		f->b[ETH_HLEN + 40 + i] = i * 7;
	f->len = ETH_HLEN + 40 + s->payload;
	tcp->check = htons(~tcp_sum(f));
}

int rig_run(struct rig *r, enum lbd_hook hook, uint32_t ifindex, struct frame *f)
{
	struct xdp_md xdp = { .data_end = f->len, .ingress_ifindex = ifindex };
	struct __sk_buff skb = { .ifindex = ifindex };
	struct frame out;
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = f->b, .data_size_in = f->len,
		    .data_out = out.b, .data_size_out = sizeof(out.b), .repeat = 1);

	if (hook == LBD_HOOK_XDP) {
		opts.ctx_in = &xdp;
		opts.ctx_size_in = sizeof(xdp);
	} else {
		opts.ctx_in = &skb;
		opts.ctx_size_in = sizeof(skb);
	}
	if (bpf_prog_test_run_opts(lbdmap_prog_fd(r->prog[hook]), &opts)) {
		char what[64];

		snprintf(what, sizeof(what), "test run of %u bytes at hook %d", f->len, hook);
		die(what, strerror(errno));
	}
	memcpy(f->b, out.b, opts.data_size_out);
	f->len = opts.data_size_out;
	return hook == LBD_HOOK_XDP ? (int)opts.retval : (int32_t)opts.retval;
}

int rig_shoot(struct rig *r, enum lbd_hook hook, uint32_t ifindex, const struct shot *s,
	      struct frame *f)
{
	frame_make(f, s);
	return rig_run(r, hook, ifindex, f);
}

static bool forwarded(enum lbd_hook hook, int action)
{
	return action == (hook == LBD_HOOK_XDP ? XDP_REDIRECT : 7);
}

uint16_t rig_connect(struct rig *r, enum lbd_hook hook, const char *client, uint16_t port)
{
	struct shot syn = {
		.src = client, .dst = RIG_VIP, .sport = port, .dport = 80, .flags = SYN, .seq = 1000
	};
	struct shot reply = {
		.dst = RIG_SOURCE, .sport = 8080, .flags = SYN | ACK, .seq = 5000, .ack = 1001
	};
	struct shot ack = { .src = client,
			    .dst = RIG_VIP,
			    .sport = port,
			    .dport = 80,
			    .flags = ACK,
			    .seq = 1001,
			    .ack = 5001 };
	char server[INET_ADDRSTRLEN];
	struct frame f;

	if (!forwarded(hook, rig_shoot(r, hook, r->dev_client, &syn, &f)))
		return 0;
	inet_ntop(AF_INET, &frame_ip(&f)->daddr, server, sizeof(server));
	reply.src = server;
	reply.dport = ntohs(frame_tcp(&f)->source);
	if (!forwarded(hook, rig_shoot(r, hook, r->dev_server, &reply, &f)))
		return 0;
	if (!forwarded(hook, rig_shoot(r, hook, r->dev_client, &ack, &f)))
		return 0;
	return reply.dport;
}

/* ---- Reading ------------------------------------------------------------------------------------- */

uint64_t rig_reason(struct rig *r, uint32_t reason)
{
	struct lbd_service_count c;
	uint64_t n = 0;

	must(lbdmap_service_count(r->set, 0, &c), "count", NULL);
	n += c.reason[reason];
	must(lbdmap_service_count(r->set, r->service, &c), "count", NULL);
	return n + c.reason[reason];
}

int32_t rig_flows(struct rig *r, int server)
{
	return lbdmap_load(r->set, r->server[server])->flows;
}

struct lbd_flow *rig_flow(struct rig *r, const char *client, uint16_t port)
{
	union lbd_addr c = rig_addr(client), v = rig_addr(RIG_VIP);
	struct lbd_flow f;
	uint32_t place;

	if (lbdmap_flow_find(r->set, &c, htons(port), &v, htons(80), 6, &f, &place))
		return NULL;
	return MEM(r->set, FLOW, struct lbd_flow) + place;
}
