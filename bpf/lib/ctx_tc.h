/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctx_tc.h - the context layer of TC (ingress). Packets may be aggregates (GSO, GRO) with partial or
 * complete hardware checksums: L4 checksums are changed by the kernel's helper, which knows.
 */
#ifndef LBD_LIB_CTX_H
#define LBD_LIB_CTX_H

#include "maps.h"
#include "pkt.h"

#define CTX_IS_XDP 0
typedef struct __sk_buff ctx_t;

static __always_inline void *ctx_data(ctx_t *ctx)
{
	return (void *)(long)ctx->data;
}

static __always_inline void *ctx_end(ctx_t *ctx)
{
	return (void *)(long)ctx->data_end;
}

static __always_inline __u32 ctx_ifindex(ctx_t *ctx)
{
	return ctx->ifindex;
}

static __always_inline __u32 ctx_len(ctx_t *ctx)
{
	return ctx->len;
}

static __always_inline bool ctx_is_gso(ctx_t *ctx)
{
	return ctx->gso_segs > 1;
}

/* Headers may lie outside the linear part; a short packet is left as it is. */
static __always_inline void ctx_pull(ctx_t *ctx, __u32 len)
{
	if (ctx_data(ctx) + len > ctx_end(ctx))
		bpf_skb_pull_data(ctx, len < ctx->len ? len : ctx->len);
}

static __always_inline int ctx_csum_l4(ctx_t *ctx, __u32 off, __u32 addr_diff, __u32 port_diff)
{
	if (bpf_l4_csum_replace(ctx, off, 0, addr_diff, BPF_F_PSEUDO_HDR))
		return -1;
	return bpf_l4_csum_replace(ctx, off, 0, port_diff, 0);
}

/* Other programs of the hook still see it. */
static __always_inline int ctx_pass(ctx_t *ctx)
{
	return TC_ACT_UNSPEC;
}

static __always_inline int ctx_drop(ctx_t *ctx)
{
	return TC_ACT_SHOT;
}

/* TC sends to every device, and has the neighbour resolved where its MAC is unknown. */
static __always_inline int ctx_may_send(ctx_t *ctx, struct pkt *p)
{
	return STEP_NEXT;
}

static __always_inline int ctx_send(ctx_t *ctx, struct pkt *p)
{
	if (likely(p->has_mac))
		return bpf_redirect(p->out_ifindex, 0);
	return bpf_redirect_neigh(p->out_ifindex, NULL, 0, 0);
}

static __always_inline int ctx_trim(ctx_t *ctx, __u32 len)
{
	return bpf_skb_change_tail(ctx, len, 0);
}

/* Back through the interface it came from. */
static __always_inline int ctx_bounce(ctx_t *ctx, struct pkt *p)
{
	return bpf_redirect(p->ifindex, 0);
}

#endif
