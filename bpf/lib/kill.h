/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kill.h - ending a flow by RSTs made from the numbers of the packet in hand. The first packet after
 * the order becomes a RST to its destination; the next one of the same sender is answered with a RST.
 * So both sides learn it, and no sequence number has to be remembered.
 */
#ifndef LBD_LIB_KILL_H
#define LBD_LIB_KILL_H

#include "rewrite.h"

#define RST_LEN (ETH_HLEN + 40)

static __always_inline __u16 sum_words(const __be16 *w, int n, __u64 sum)
{
	for (int i = 0; i < n; i++)
		sum += w[i];
	return csum_fold16(sum);
}

/* Ether, IPv4 without options and TCP of a frame of RST_LEN bytes. */
static __always_inline int rst_write(ctx_t *ctx, struct pkt *p, __be32 src, __be32 dst,
				     __be16 sport, __be16 dport, __be32 seq, __be32 ack, __u8 flags)
{
	struct iphdr *ip = ctx_data(ctx) + ETH_HLEN;
	struct tcphdr *tcp = (void *)(ip + 1);

	if ((void *)(tcp + 1) > ctx_end(ctx))
		return LBD_R_INTERNAL;
	__builtin_memset(ip, 0, 40);
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = bpf_htons(40);
	ip->frag_off = bpf_htons(0x4000);
	ip->ttl = 64;
	ip->protocol = IPPROTO_TCP;
	ip->saddr = src;
	ip->daddr = dst;
	ip->check = ~sum_words((__be16 *)ip, 10, 0);
	tcp->source = sport;
	tcp->dest = dport;
	tcp->seq = seq;
	tcp->ack_seq = ack;
	tcp->doff = 5;
	tcp->flags = flags;
	tcp->check = ~sum_words((__be16 *)tcp, 10,
				(__u64)src + dst + bpf_htons(IPPROTO_TCP) + bpf_htons(20));
	return STEP_NEXT;
}

/* Reads the numbers and makes the frame a bare one. False: it cannot be done. */
static __always_inline bool rst_prepare(ctx_t *ctx, struct pkt *p, __be32 *seq, __be32 *ack)
{
	struct tcphdr *tcp = ctx_data(ctx) + p->l4;

	if (p->l4 > ETH_HLEN + 60 || (void *)(tcp + 1) > ctx_end(ctx))
		return false;
	*seq = tcp->seq;
	*ack = tcp->ack_seq;
	return !ctx_trim(ctx, RST_LEN);
}

/* The sender's own RST, as if the other side had sent it. */
step rst_answer(ctx_t *ctx, struct pkt *p)
{
	__u32 end = p->payload + !!(p->tcp_flags & TCP_SYN) + !!(p->tcp_flags & TCP_FIN);
	bool acked = p->tcp_flags & TCP_ACK;
	struct ethhdr *eth;
	__u8 mac[6];
	__be32 seq, ack;
	int r;

	if (!rst_prepare(ctx, p, &seq, &ack))
		return LBD_R_INTERNAL;
	eth = ctx_data(ctx);
	if ((void *)(eth + 1) > ctx_end(ctx))
		return LBD_R_INTERNAL;
	__builtin_memcpy(mac, eth->h_dest, 6);
	__builtin_memcpy(eth->h_dest, eth->h_source, 6);
	__builtin_memcpy(eth->h_source, mac, 6);
	r = rst_write(ctx, p, p->dst.w[3], p->src.w[3], p->dport, p->sport, acked ? ack : 0,
		      acked ? 0 : bpf_htonl(bpf_ntohl(seq) + end),
		      acked ? TCP_RST : TCP_RST | TCP_ACK);
	p->out_ifindex = 0; /* back where it came from */
	return r;
}

/* A RST to the packet's destination, with its sender's next number. */
step rst_forward(ctx_t *ctx, struct pkt *p)
{
	__be32 seq, ack;

	if (!rst_prepare(ctx, p, &seq, &ack) || !write_macs(ctx, p))
		return LBD_R_INTERNAL;
	return rst_write(ctx, p, p->new_src.w[3], p->new_dst.w[3], p->new_sport, p->new_dport, seq,
			 ack, TCP_RST | TCP_ACK);
}

static __always_inline bool flow_is_killed(struct pkt *p, struct lbd_server *srv)
{
	__u32 state = LBD_FLOW_STATE(p->word), flags = LBD_FLOW_FLAGS(p->word);

	if (likely(!(flags & LBD_F_KILL) && !(srv->flags & LBD_SRV_RESET)))
		return false;
	if (flags & LBD_F_KILL)
		return true;
	return state_is_live(state);
}

/* The verdict for a packet of a killed flow; sets out_ifindex to 0 if the frame turns round. */
step flow_kill(ctx_t *ctx, struct pkt *p)
{
	__u32 flags = LBD_FLOW_FLAGS(p->word),
	      told = p->reply ? LBD_F_TOLD_CLIENT : LBD_F_TOLD_SERVER;
	struct lbd_flow *f = map_at(flow, p->flow);
	int r;

	if (dry_run || !f || p->tcp_flags & TCP_RST)
		return LBD_R_KILLED;
	flow_close(f, p->word, LBD_F_KILL | told);
	r = flags & told ? rst_answer(ctx, p) : rst_forward(ctx, p);
	return r == STEP_NEXT ? LBD_R_KILLED : r;
}

#endif
