/* SPDX-License-Identifier: GPL-2.0 */
/*
 * parse.h - headers to struct pkt. Reads only; judges only what makes reading impossible. Whether a
 * malformed packet is dropped is decided when it is known to be ours (parse_verify).
 */
#ifndef LBD_LIB_PARSE_H
#define LBD_LIB_PARSE_H

#define PULL_LEN (ETH_HLEN + 60 + 20)

step parse_tcp(ctx_t *ctx, struct pkt *p, __u32 l4, __u32 l4_len)
{
	struct tcphdr *tcp = ctx_data(ctx) + l4;

	if (unlikely((void *)(tcp + 1) > ctx_end(ctx)))
		return LBD_R_TRUNCATED;
	p->sport = tcp->source;
	p->dport = tcp->dest;
	p->tcp_flags = tcp->flags;
	if (unlikely(tcp->doff < 5 || tcp->doff * 4u > l4_len))
		p->bad |= PKT_BAD_HEADER;
	else
		p->payload = l4_len - tcp->doff * 4u;
	return STEP_NEXT;
}

step parse_udp(ctx_t *ctx, struct pkt *p, __u32 l4)
{
	__be16 *ports = ctx_data(ctx) + l4;

	if (unlikely((void *)(ports + 4) > ctx_end(ctx)))
		return LBD_R_TRUNCATED;
	p->sport = ports[0];
	p->dport = ports[1];
	return STEP_NEXT;
}

step parse_ipv4(ctx_t *ctx, struct pkt *p)
{
	struct iphdr *ip = ctx_data(ctx) + ETH_HLEN;
	__u32 ihl, l4, len;

	if (unlikely((void *)(ip + 1) > ctx_end(ctx)))
		return LBD_R_TRUNCATED;
	ihl = ip->ihl * 4u;
	if (unlikely(ip->version != 4 || ihl < 20))
		return LBD_R_NOT_IP;
	addr_set_v4(&p->src, ip->saddr);
	addr_set_v4(&p->dst, ip->daddr);
	p->proto = ip->protocol;
	len = bpf_ntohs(ip->tot_len);
	p->len = len;
	if (unlikely(ip->frag_off & bpf_htons(0x3fff))) {
		if (ip->frag_off & bpf_htons(0x1fff))
			return LBD_R_NOT_OURS; /* a later fragment has no ports: the stack's */
		p->bad |= PKT_FRAGMENT;
	}
	l4 = ETH_HLEN + ihl;
	p->l4 = l4;
	if (likely(p->proto == IPPROTO_TCP))
		return parse_tcp(ctx, p, l4, len > ihl ? len - ihl : 0);
	if (p->proto == IPPROTO_UDP)
		return parse_udp(ctx, p, l4);
	return STEP_NEXT;
}

/* IPv6 is classified, so that a service on such an address is counted; extension headers are not walked. */
step parse_ipv6(ctx_t *ctx, struct pkt *p)
{
	struct ipv6hdr *ip = ctx_data(ctx) + ETH_HLEN;

	if (unlikely((void *)(ip + 1) > ctx_end(ctx)))
		return LBD_R_TRUNCATED;
	if (unlikely(ip->version != 6))
		return LBD_R_NOT_IP;
	__builtin_memcpy(&p->src, ip->saddr, 16);
	__builtin_memcpy(&p->dst, ip->daddr, 16);
	p->is_v6 = 1;
	p->proto = ip->nexthdr;
	p->l4 = ETH_HLEN + 40;
	p->len = 40 + bpf_ntohs(ip->payload_len);
	if (p->proto == IPPROTO_TCP)
		return parse_tcp(ctx, p, p->l4, bpf_ntohs(ip->payload_len));
	if (p->proto == IPPROTO_UDP)
		return parse_udp(ctx, p, p->l4);
	return STEP_NEXT;
}

step parse(ctx_t *ctx, struct pkt *p)
{
	struct ethhdr *eth;

	ctx_pull(ctx, PULL_LEN);
	eth = ctx_data(ctx);
	if (unlikely((void *)(eth + 1) > ctx_end(ctx)))
		return LBD_R_TRUNCATED;
	p->ifindex = ctx_ifindex(ctx);
	if (likely(eth->h_proto == bpf_htons(ETH_P_IP)))
		return parse_ipv4(ctx, p);
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		return parse_ipv6(ctx, p);
	return LBD_R_NOT_IP;
}

static __always_inline bool ipv4_checksum_ok(ctx_t *ctx, struct pkt *p)
{
	__u16 *w = ctx_data(ctx) + ETH_HLEN;
	void *end = ctx_end(ctx);
	__u32 sum = 0, words = (p->l4 - ETH_HLEN) / 2u;

	if ((void *)(w + 10) > end)
		return false;
	for (int i = 0; i < 10; i++)
		sum += w[i];
	if (unlikely(words > 10))
		for (int i = 10; i < 30; i++) {
			__u16 *option = w + i;

			/* Else clang turns the comparison below into a length, which the verifier
			 * does not understand.
			 */
			asm volatile("" : "+r"(option));
			if (i >= words)
				break;
			if ((void *)(option + 1) > end)
				return false;
			sum += *option;
		}
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

/* For packets that are ours: may they be touched at all? */
step parse_verify(ctx_t *ctx, struct pkt *p)
{
	__u32 linear = ctx_end(ctx) - ctx_data(ctx);

	if (unlikely(p->bad))
		return p->bad & PKT_FRAGMENT ? LBD_R_FRAGMENT : LBD_R_BAD_HEADER;
	if (unlikely(p->len + ETH_HLEN > linear && p->len + ETH_HLEN > ctx_len(ctx)))
		return LBD_R_BAD_HEADER;
	if (unlikely(!ipv4_checksum_ok(ctx, p)))
		return LBD_R_BAD_CHECKSUM;
	return STEP_NEXT;
}

#endif
