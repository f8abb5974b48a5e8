/* SPDX-License-Identifier: GPL-2.0 */
/*
 * bypass.bpf.c - what a server on this host sends goes from its send into the daemon's receive queue, without TCP in between
 * (sockops and sk_msg, kernel 6.1+). The way to the server stays TCP: below it says why.
 *
 * What a socket sent by TCP before must not be overtaken, so its first message decides for good: past TCP when the other end
 * is known already, else never. Ends of stream and resets go by TCP; since a message is in the other's queue before its send
 * returns, they come behind it.
 *
 * Nothing throttles the sender of such messages. So above a bound of bytes that the reader has left in its queue the direction goes
 * back to TCP, for good; a reader empties that queue first (tcp_bpf_recvmsg), so the order holds. Such a reader must not
 * take a short read for an empty socket: the daemon does not, of a server nobody knows.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <lbd/bypass.h>

#define AF_INET	   2
#define WAIT_BYTES (512 * 1024)
#define POINTER	   (~7UL) /* sk_user_data has flags below */

enum way { WAY_OPEN, WAY_BYPASS, WAY_TCP };
struct way_of {
	__u32 way;
	__u32 waiting; /* bytes since the reader's queue was last seen empty */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 16384);
	__type(key, struct lbd_bypass_server);
	__type(value, __u32);
} bypass_servers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 65536);
	__type(key, struct lbd_bypass_sock);
	__type(value, __u64);
} bypass_socks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct way_of);
} bypass_way SEC(".maps");

const volatile __u64 bypass_netns; /* cookie of the daemon's */

/* Counted for `show splice`: directions that bypass, that did not find the other end, that went back to TCP. */
__u64 bypass_taken, bypass_missed, bypass_slow;

/* All fields are read in both families: a choice between two places of the context is refused by the verifier. */
#define READ(ctx, field) (*(const volatile __u32 *)&(ctx)->field)
#define FILL_SOCK(k, ctx)                                                              \
	do {                                                                           \
		__u32 l4 = READ(ctx, local_ip4), r4 = READ(ctx, remote_ip4);           \
		__u32 l0 = READ(ctx, local_ip6[0]), l1 = READ(ctx, local_ip6[1]);      \
		__u32 l2 = READ(ctx, local_ip6[2]), l3 = READ(ctx, local_ip6[3]);      \
		__u32 r0 = READ(ctx, remote_ip6[0]), r1 = READ(ctx, remote_ip6[1]);    \
		__u32 r2 = READ(ctx, remote_ip6[2]), r3 = READ(ctx, remote_ip6[3]);    \
		bool v4 = READ(ctx, family) == AF_INET;                                \
		(k)->local.w[0] = v4 ? 0 : l0;                                         \
		(k)->local.w[1] = v4 ? 0 : l1;                                         \
		(k)->local.w[2] = v4 ? bpf_htonl(0xffff) : l2;                         \
		(k)->local.w[3] = v4 ? l4 : l3;                                        \
		(k)->remote.w[0] = v4 ? 0 : r0;                                        \
		(k)->remote.w[1] = v4 ? 0 : r1;                                        \
		(k)->remote.w[2] = v4 ? bpf_htonl(0xffff) : r2;                        \
		(k)->remote.w[3] = v4 ? r4 : r3;                                       \
		(k)->local_port = READ(ctx, local_port);                               \
		(k)->remote_port = bpf_ntohl(READ(ctx, remote_port));                  \
	} while (0)

SEC("sockops")
int bypass_established(struct bpf_sock_ops *ctx)
{
	struct lbd_bypass_server server = {};
	struct lbd_bypass_sock self = {};
	bool active = ctx->op == BPF_SOCK_OPS_ACTIVE_ESTABLISHED_CB;

	if (!active && ctx->op != BPF_SOCK_OPS_PASSIVE_ESTABLISHED_CB)
		return 1;
	if (bpf_get_netns_cookie(ctx) != bypass_netns)
		return 1;
	FILL_SOCK(&self, ctx);
	server.addr = active ? self.remote : self.local;
	server.port = active ? self.remote_port : self.local_port;
	if (bpf_map_lookup_elem(&bypass_servers, &server))
		bpf_sock_hash_update(ctx, &bypass_socks, &self, BPF_ANY);
	return 1;
}

/* Has the reader taken everything? The context is the kernel's struct sk_msg, in which the redirection has left the target. */
static __always_inline bool queue_is_empty(struct sk_msg_md *msg)
{
	struct sock *to = BPF_CORE_READ((struct sk_msg *)msg, sk_redir);
	struct sk_psock *psock;
	struct list_head *head, *next;

	if (!to)
		return false;
	psock = (struct sk_psock *)((unsigned long)BPF_CORE_READ(to, sk_user_data) & POINTER);
	if (!psock)
		return false;
	head = __builtin_preserve_access_index(&psock->ingress_msg);
	return !bpf_probe_read_kernel(&next, sizeof(next), &head->next) && next == head;
}

SEC("sk_msg")
int bypass_send(struct sk_msg_md *msg)
{
	struct lbd_bypass_sock peer = {}, self = {};
	struct bpf_sock *sk = msg->sk;
	long verdict;
	struct way_of *way;

	if (!sk)
		return SK_PASS;
	way = bpf_sk_storage_get(&bypass_way, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!way || way->way == WAY_TCP)
		return SK_PASS;
	FILL_SOCK(&self, msg);
	if (way->way == WAY_OPEN) {
		struct lbd_bypass_server server = { .addr = self.remote, .port = self.remote_port };

		if (bpf_map_lookup_elem(&bypass_servers, &server)) { /* we are the daemon's end */
			way->way = WAY_TCP;
			return SK_PASS;
		}
	}
	peer.local = self.remote;
	peer.remote = self.local;
	peer.local_port = self.remote_port;
	peer.remote_port = self.local_port;
	verdict = bpf_msg_redirect_hash(msg, &bypass_socks, &peer, BPF_F_INGRESS);
	if (way->way == WAY_OPEN) {
		way->way = verdict == SK_PASS ? WAY_BYPASS : WAY_TCP;
		__sync_fetch_and_add(verdict == SK_PASS ? &bypass_taken : &bypass_missed, 1);
		if (verdict != SK_PASS)
			return SK_PASS;
	}
	way->waiting += msg->size;
	if (verdict == SK_PASS && way->waiting > WAIT_BYTES) {
		if (queue_is_empty(msg)) {
			way->waiting = msg->size;
		} else { /* from the next one on: this one is on its way */
			way->way = WAY_TCP;
			__sync_fetch_and_add(&bypass_slow, 1);
		}
	}
	return verdict; /* SK_DROP, the other end is gone: the send fails */
}

char LICENSE[] SEC("license") = "GPL";
