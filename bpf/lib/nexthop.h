/* SPDX-License-Identifier: GPL-2.0 */
/*
 * nexthop.h - device and MACs for an address: what the daemon resolved while it is alive, else the
 * kernel's routes. Changes nothing.
 */
#ifndef LBD_LIB_NEXTHOP_H
#define LBD_LIB_NEXTHOP_H

static __always_inline bool nexthop_cached(struct pkt *p, __u32 slot)
{
	struct lbd_nexthop *nh = map_at(nexthop, slot);

	if (!slot || !nh || !(nh->flags & LBD_NH_USED))
		return false;
	p->nexthop = slot;
	p->out_ifindex = nh->ifindex;
	p->mtu = nh->mtu;
	p->may_xmit = !!(nh->flags & LBD_NH_XMIT);
	if (!(nh->flags & LBD_NH_MAC))
		return false;
	__builtin_memcpy(p->dmac, nh->dmac, 6);
	__builtin_memcpy(p->smac, nh->smac, 6);
	p->has_mac = 1;
	return true;
}

static __always_inline __u32 route_find(const union lbd_addr *dst)
{
	struct lbd_prefix key = { .len = 128, .addr = *dst };
	__u32 *slot = bpf_map_lookup_elem(&route, &key);

	return slot ? *slot : 0;
}

/*
 * A client that no cached route leads to: its first packet tells the way back, for hosts that do not
 * forward (bpf_fib_lookup refuses there) and nobody else resolves the client's MAC.
 */
static __always_inline void nexthop_learn(ctx_t *ctx, struct pkt *p)
{
	__u32 slot = route_find(&p->src);
	struct lbd_nexthop *nh = map_at(nexthop, slot), way = {};
	struct ethhdr *eth = ctx_data(ctx);

	if (dry_run || (slot && nh && nh->flags & LBD_NH_MAC) || (void *)(eth + 1) > ctx_end(ctx))
		return;
	way.ifindex = p->ifindex;
	way.flags = LBD_NH_USED | LBD_NH_MAC;
	__builtin_memcpy(way.dmac, eth->h_source, 6);
	__builtin_memcpy(way.smac, eth->h_dest, 6);
	bpf_map_update_elem(&learned, &p->src, &way, BPF_ANY);
}

static __always_inline bool nexthop_learned(struct pkt *p)
{
	struct lbd_nexthop *nh = bpf_map_lookup_elem(&learned, &p->new_dst);

	if (!nh)
		return false;
	p->out_ifindex = nh->ifindex;
	__builtin_memcpy(p->dmac, nh->dmac, 6);
	__builtin_memcpy(p->smac, nh->smac, 6);
	p->has_mac = 1;
	return true;
}

/* Asks the kernel. STEP_NEXT (perhaps without a MAC), or a reason. */
step nexthop_fib(ctx_t *ctx, struct pkt *p, __u32 cached)
{
	struct bpf_fib_lookup fib = { .family = AF_INET,
				      .l4_protocol = p->proto,
				      .ifindex = p->ifindex,
				      .ipv4_src = p->new_src.w[3],
				      .ipv4_dst = p->new_dst.w[3] };
	long r;

	if (!ctx_is_gso(ctx))
		fib.tot_len = p->len;
	r = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	p->steps |= LBD_X_NEXTHOP_FIB;
	if (likely(r == BPF_FIB_LKUP_RET_SUCCESS)) {
		__builtin_memcpy(p->dmac, fib.dmac, 6);
		__builtin_memcpy(p->smac, fib.smac, 6);
		p->out_ifindex = fib.ifindex;
		p->has_mac = 1;
		return STEP_NEXT;
	}
	if (r == BPF_FIB_LKUP_RET_NO_NEIGH) {
		if (!CTX_IS_XDP || !nexthop_learned(p)) /* TC has the neighbour resolved */
			p->out_ifindex = fib.ifindex;
		return STEP_NEXT;
	}
	if (r == BPF_FIB_LKUP_RET_FRAG_NEEDED)
		return LBD_R_TOO_BIG;
	if (r != BPF_FIB_LKUP_RET_FWD_DISABLED)
		return LBD_R_NO_ROUTE;
	/* Forwarding is off on this host: what the daemon knew last, else the way the client came. */
	if (nexthop_cached(p, cached) || nexthop_learned(p))
		return STEP_NEXT;
	return p->out_ifindex ? STEP_NEXT : LBD_R_NO_ROUTE;
}

/* Where p->new_dst is reached; @slot: the server's nexthop, 0 to look in the routes. */
step next_hop(ctx_t *ctx, struct pkt *p, __u32 slot)
{
	struct lbd_control *c = map_at(control, 0);
	int r;

	if (!c)
		return LBD_R_INTERNAL;
	if (!slot)
		slot = route_find(&p->new_dst);
	if (unlikely((__s32)(p->tick - c->heartbeat) > (__s32)LBD_HEARTBEAT_TICKS ||
		     !nexthop_cached(p, slot))) {
		p->has_mac = 0;
		p->mtu = 0;
		p->may_xmit = 0;
		r = nexthop_fib(ctx, p, slot);
		if (r != STEP_NEXT)
			return r;
	}
	p->steps |= LBD_X_NEXTHOP;
	if (unlikely(p->mtu && p->len > p->mtu && !ctx_is_gso(ctx)))
		return LBD_R_TOO_BIG;
	return ctx_may_send(ctx, p);
}

#endif
