/* SPDX-License-Identifier: GPL-2.0 */
/*
 * rewrite.h - NAT: addresses, ports, TTL, MACs, checksums. An error in a checksum stays the same error.
 */
#ifndef LBD_LIB_REWRITE_H
#define LBD_LIB_REWRITE_H

/* Ones' complement sum of changing a to b, unfolded. */
static __always_inline __u64 csum_change32(__be32 a, __be32 b)
{
	return (__u64)(__u32)~a + b;
}

static __always_inline __u32 csum_fold32(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	return (__u32)((sum & 0xffffffff) + (sum >> 32));
}

static __always_inline __u16 csum_fold16(__u64 sum)
{
	__u32 s = csum_fold32(sum);

	s = (s & 0xffff) + (s >> 16);
	return (__u16)((s & 0xffff) + (s >> 16));
}

/* The TTL goes down by one, as at any router: a loop ends. */
static __always_inline void ip_checksum_update(struct iphdr *ip, __u64 addr_change)
{
	__u16 old, new;

	old = (__u16)ip->ttl | (__u16)ip->protocol
				       << 8; /* as the little-endian halfword in memory */
	ip->ttl--;
	new = (__u16)ip->ttl | (__u16)ip->protocol << 8;
	ip->check = ~csum_fold16((__u64)(__u16)~ip->check + addr_change + (__u16)~old + new);
}

static __always_inline bool write_macs(ctx_t *ctx, struct pkt *p)
{
	struct ethhdr *eth = ctx_data(ctx);

	if ((void *)(eth + 1) > ctx_end(ctx))
		return false;
	if (!p->has_mac)
		return true;
	__builtin_memcpy(eth->h_dest, p->dmac, 6);
	__builtin_memcpy(eth->h_source, p->smac, 6);
	return true;
}

/* Full NAT of an IPv4 TCP packet: new_src, new_sport, new_dst, new_dport, and the MACs. */
step rewrite_nat(ctx_t *ctx, struct pkt *p)
{
	struct iphdr *ip = ctx_data(ctx) + ETH_HLEN;
	__u32 l4 = p->l4;
	__u64 addr_change;
	__u32 port_change;
	__be16 *ports;

	if (l4 > ETH_HLEN + 60 || (void *)(ip + 1) > ctx_end(ctx))
		return LBD_R_INTERNAL;
	if (unlikely(ip->ttl <= 1))
		return LBD_R_TTL;
	if (dry_run)
		return STEP_NEXT;
	ports = ctx_data(ctx) + l4;
	if ((void *)(ports + 10) > ctx_end(ctx) || !write_macs(ctx, p))
		return LBD_R_INTERNAL;
	addr_change = csum_change32(ip->saddr, p->new_src.w[3]) +
		      csum_change32(ip->daddr, p->new_dst.w[3]);
	port_change = (__u32)(__u16)~ports[0] + p->new_sport + (__u16)~ports[1] + p->new_dport;
	ip_checksum_update(ip, addr_change);
	ip->saddr = p->new_src.w[3];
	ip->daddr = p->new_dst.w[3];
	ports[0] = p->new_sport;
	ports[1] = p->new_dport;
	if (ctx_csum_l4(ctx, l4 + 16, csum_fold32(addr_change), port_change))
		return LBD_R_INTERNAL;
	return STEP_NEXT;
}

#endif
