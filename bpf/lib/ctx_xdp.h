/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ctx_xdp.h - the context layer of XDP: where the bytes are, checksum replacement, verdicts.
 * The TC twin is ctx_tc.h; everything else in lib/ is the same source for both.
 */
#ifndef LBD_LIB_CTX_H
#define LBD_LIB_CTX_H

#include "maps.h"
#include "pkt.h"

#define CTX_IS_XDP 1
typedef struct xdp_md ctx_t;

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
	return ctx->ingress_ifindex;
}

/* Bytes of the whole frame, fragments of a multi-buffer frame included. */
static __always_inline __u32 ctx_len(ctx_t *ctx)
{
	return bpf_xdp_get_buff_len(ctx);
}

/* XDP frames are never aggregates. */
static __always_inline bool ctx_is_gso(ctx_t *ctx)
{
	return false;
}

/* Makes the first @len bytes readable; XDP has them in the first buffer already. */
static __always_inline void ctx_pull(ctx_t *ctx, __u32 len)
{
}

/* Puts the checksum change of addresses (in the pseudo header) and ports into the L4 checksum at @off. */
static __always_inline int ctx_csum_l4(ctx_t *ctx, __u32 off, __u32 addr_diff, __u32 port_diff)
{
	void *data = ctx_data(ctx), *end = ctx_end(ctx);
	__u16 *check = data + off;
	__u64 sum;

	if ((void *)(check + 1) > end)
		return -1;
	sum = (__u64)(__u16) ~*check + addr_diff + port_diff;
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	*check = ~sum;
	return 0;
}

static __always_inline int ctx_pass(ctx_t *ctx)
{
	return XDP_PASS;
}

static __always_inline int ctx_drop(ctx_t *ctx)
{
	return XDP_DROP;
}

/* May frames leave by @ifindex? A reason if not; asked before anything is changed. */
static __always_inline int ctx_may_send(ctx_t *ctx, struct pkt *p)
{
	struct lbd_device *in, *out;
	__u32 key = p->out_ifindex;

	if (likely(p->may_xmit))
		return STEP_NEXT;
	out = bpf_map_lookup_elem(&device, &key);
	if (likely(out && p->has_mac)) {
		if (out->flags & LBD_DEV_XMIT)
			return STEP_NEXT;
		if (key == p->ifindex && out->flags & LBD_DEV_TX)
			return STEP_NEXT;
	}
	key = p->ifindex;
	in = bpf_map_lookup_elem(&device, &key);
	if (in && in->flags & LBD_DEV_TC)
		return LBD_R_TO_TC;
	return p->has_mac ? LBD_R_NO_DEVICE : LBD_R_NO_NEIGHBOUR;
}

/* Back through the interface it came from: XDP_TX where that works, else a redirect. */
static __always_inline int ctx_bounce(ctx_t *ctx, struct pkt *p)
{
	__u32 key = p->ifindex;
	struct lbd_device *d = bpf_map_lookup_elem(&device, &key);

	if (!d || d->flags & LBD_DEV_TX)
		return XDP_TX;
	return bpf_redirect(p->ifindex, 0);
}

static __always_inline int ctx_send(ctx_t *ctx, struct pkt *p)
{
	if (unlikely(p->out_ifindex == p->ifindex))
		return ctx_bounce(ctx, p);
	return bpf_redirect(p->out_ifindex, 0);
}

/* Cuts the frame to @len bytes. */
static __always_inline int ctx_trim(ctx_t *ctx, __u32 len)
{
	return bpf_xdp_adjust_tail(ctx, (int)len - (int)ctx_len(ctx));
}

#endif
