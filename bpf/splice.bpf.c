/* SPDX-License-Identifier: GPL-2.0 */
/*
 * splice.bpf.c - bytes of one socket go to another without the daemon (sk_skb verdict without parser, kernel 6.1+).
 *
 * Two hashes of sockets, both by the cookie of the source: `splice_dst` has its target and no program, `splice_src` has the
 * source itself, and the verdict. A redirected packet leaves the source's receive buffer at once, so a slow reader would
 * fill the memory of the kernel: every now and then what was redirected is compared with what the reader has acknowledged,
 * and above the bound everything is passed to the daemon. That never ends: what came later must not overtake.
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <lbd/splice.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u32);
} splice_slot SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lbd_splice_dir);
} splice_dirs SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u64);
} splice_dst SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, 1);
	__type(key, __u64);
	__type(value, __u64);
} splice_src SEC(".maps");

/* How often a reader was found slow: the daemon's threads look whether it has changed. */
__u64 splice_trips;

/* How much memory waits for the reader: the bytes that it has not acknowledged, at what a byte costs of late. */
static __always_inline bool reader_is_slow(struct lbd_splice_dir *d, __u64 cookie)
{
	struct bpf_sock *sk = bpf_map_lookup_elem(&splice_dst, &cookie);
	struct tcp_sock *tp;
	__s64 waiting = 0;
	__u64 limit = 0;

	if (!sk)
		return false;
	tp = bpf_skc_to_tcp_sock(sk);
	if (tp) {
		waiting = (__s64)(d->moved - (tp->bytes_acked - d->acked_base));
		limit = (__u64)tp->inet_conn.icsk_inet.sk.sk_sndbuf + d->room;
	}
	bpf_sk_release(sk);
	if (d->cost_bytes > 1 << 20) {
		d->cost_bytes /= 2;
		d->cost /= 2;
	}
	return tp && waiting > 0 && d->cost_bytes &&
	       (__u64)waiting * d->cost / d->cost_bytes > limit;
}

SEC("sk_skb/stream_verdict")
int splice(struct __sk_buff *skb)
{
	__u64 cookie = bpf_get_socket_cookie(skb);
	struct lbd_splice_dir *d;
	__u32 *slot, cost;

	if (!skb->len) /* a bare FIN: redirected it would set EPIPE on the target; the daemon passes the end on */
		return SK_DROP;
	slot = bpf_map_lookup_elem(&splice_slot, &cookie);
	if (!slot)
		return SK_PASS;
	d = bpf_map_lookup_elem(&splice_dirs, slot);
	if (!d)
		return SK_PASS;
	d->last_ns = bpf_ktime_get_coarse_ns();
	if (d->passing)
		goto pass;
	/* one source is worked on by one CPU at a time, under its lock */
	cost = skb->len + LBD_SPLICE_SKB_COST;
	d->cost += cost;
	d->cost_bytes += skb->len;
	d->unseen += cost;
	if (d->unseen >= LBD_SPLICE_LOOK) {
		d->unseen = 0;
		if (reader_is_slow(d, cookie)) {
			d->tripped = 1;
			d->passing = 1;
			__sync_fetch_and_add(&splice_trips, 1);
			goto pass;
		}
	}
	d->moved += skb->len;
	return bpf_sk_redirect_hash(skb, &splice_dst, &cookie, 0);
pass:
	d->passed += skb->len;
	return SK_PASS;
}

char LICENSE[] SEC("license") = "GPL";
