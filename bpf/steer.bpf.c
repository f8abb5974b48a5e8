/* SPDX-License-Identifier: GPL-2.0 */
/*
 * steer.bpf.c - one listening socket per thread for many ports and whole networks (sk_lookup, kernel 5.9+).
 *
 * A new connection's destination is looked up among networks (longest first) and then, by halving, among the ranges of
 * ports there. Which of the range's sockets gets it depends on the client's address and port alone, so that a SYN cookie
 * comes back to the socket that gave it. What is not found, or whose socket is closed, is looked up by the kernel as ever.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <lbd/steer.h>

#define AF_INET     2
#define IPPROTO_TCP 6
#define HALVINGS    21 /* up to a million ranges */

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, struct lbd_steer_net);
	__type(value, struct lbd_steer_ports);
} steer_nets SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lbd_steer_range);
} steer_ranges SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKMAP);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} steer_sockets SEC(".maps");

/* Written by the daemon: attached as root, switched on when the workers accept. */
volatile __u32 steer_on;

static __always_inline struct lbd_steer_ports *find_net(struct bpf_sk_lookup *ctx)
{
	struct lbd_steer_net net = { .bits = 160, .family = ctx->family };

	if (ctx->family == AF_INET) {
		net.bits = 64;
		net.ip[0] = ctx->local_ip4;
	} else {
		net.ip[0] = ctx->local_ip6[0];
		net.ip[1] = ctx->local_ip6[1];
		net.ip[2] = ctx->local_ip6[2];
		net.ip[3] = ctx->local_ip6[3];
	}
	return bpf_map_lookup_elem(&steer_nets, &net);
}

static __always_inline struct lbd_steer_range *find_range(const struct lbd_steer_ports *ports,
							  __u32 port)
{
	__u32 at = ports->first, n = ports->n;

	for (int i = 0; i < HALVINGS && n; i++) {
		__u32 middle = at + n / 2;
		struct lbd_steer_range *r = bpf_map_lookup_elem(&steer_ranges, &middle);

		if (!r)
			return NULL;
		if (port < r->lo) {
			n /= 2;
		} else if (port > r->hi) {
			at = middle + 1;
			n -= n / 2 + 1;
		} else {
			return r;
		}
	}
	return NULL;
}

static __always_inline __u32 client_hash(const struct bpf_sk_lookup *ctx)
{
	__u32 h = ctx->family == AF_INET ? ctx->remote_ip4
					 : ctx->remote_ip6[0] ^ ctx->remote_ip6[1] ^
						   ctx->remote_ip6[2] ^ ctx->remote_ip6[3];

	h = (h ^ ctx->remote_port) * 0x9e3779b1u;
	h ^= h >> 15;
	h *= 0x85ebca6bu;
	return h ^ h >> 13;
}

SEC("sk_lookup")
int steer(struct bpf_sk_lookup *ctx)
{
	struct lbd_steer_ports *ports;
	struct lbd_steer_range *r;
	struct bpf_sock *sk;
	__u32 place;
	long err;

	if (!steer_on || ctx->protocol != IPPROTO_TCP)
		return SK_PASS;
	ports = find_net(ctx);
	r = ports ? find_range(ports, ctx->local_port) : NULL;
	if (!r || r->socket == LBD_STEER_LEAVE || !r->sockets ||
	    (r->ifindex && r->ifindex != ctx->ingress_ifindex))
		return SK_PASS;
	place = r->socket + (__u32)((__u64)client_hash(ctx) * r->sockets >> 32);
	sk = bpf_map_lookup_elem(&steer_sockets, &place);
	if (!sk) /* paused, or closed at the end of its process */
		return SK_PASS;
	/* also in place of what an older process chose: the youngest program has the last word */
	err = bpf_sk_assign(ctx, sk, BPF_SK_LOOKUP_F_REPLACE | BPF_SK_LOOKUP_F_NO_REUSEPORT);
	bpf_sk_release(sk);
	return err ? SK_DROP : SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
