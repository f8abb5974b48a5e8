/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pkt.h - what the steps of the pipeline know about the packet in hand, and what a step returns.
 */
#ifndef LBD_LIB_PKT_H
#define LBD_LIB_PKT_H

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include <lbd/abi.h>

#define step static __attribute__((always_inline)) int
#define STEP_NEXT \
	(-1) /* a step returns it to go on, or an enum lbd_reason that ends the pipeline */

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define ETH_HLEN 14

#define READ_ONCE(x)     (*(volatile typeof(x) *)&(x))
#define WRITE_ONCE(x, v) (*(volatile typeof(x) *)&(x) = (v))
#define barrier()        asm volatile("" ::: "memory")
#define likely(x)        __builtin_expect(!!(x), 1)
#define unlikely(x)      __builtin_expect(!!(x), 0)

enum pkt_bad { PKT_BAD_HEADER = 1, PKT_FRAGMENT = 2 };

/*
 * Lives in a per-CPU scratch map, because the call chain of a new flow needs the stack. No pointers in
 * here: it is handed to functions that the verifier checks on their own.
 */
struct pkt {
	/* Set by parse before anybody reads them. */
	union lbd_addr src, dst;
	union lbd_addr new_src, new_dst;
	__be16 sport, dport;
	__be16 new_sport, new_dport;
	__u64 hash; /* lbd_flow_hash() of its direction */
	__u64 table;
	__u32 ifindex; /* where it came in */
	__u32 tick;
	__u16 l4;  /* offset of the TCP header */
	__u16 len; /* IP total length */
	__u8 dmac[6], smac[6];

	/* Zeroed for each packet (pkt_reset). */
	__u8 zero[0];
	__u8 proto;
	__u8 tcp_flags;
	__u8 is_v6;
	__u8 bad; /* enum pkt_bad: only matters once the packet is ours */
	__u8 has_flow;
	__u8 stale_flow; /* `flow` is the same tuple's earlier life, to be replaced */
	__u8 repick;     /* ... and its server went down before it answered */
	__u8 reply;      /* it comes from a server */
	__u32 payload;   /* bytes behind the TCP header */
	__u32 service;   /* slot; 0: none */
	__u32 ref_flags; /* enum lbd_ref_flags */
	__u32 server;    /* slot; 0: none */
	__u32 source;    /* slot of the NAT address */
	__u32 flow;      /* place in the flow table; valid with has_flow or stale_flow */
	__u32 word;      /* the flow's word when it was found */
	__u32 out_ifindex;
	__u32 nexthop; /* slot; 0: none */
	__u16 steps;   /* enum lbd_step */
	__u16 mtu;     /* of the cached next hop; 0: not known */
	__u8 has_mac;
	__u8 may_xmit; /* the cached next hop's device takes frames from XDP */
	__u8 pad[2];
	__u32 number, slot, point; /* what explain and events tell about the pick */
};
#define PKT_ZERO_OFFSET ((__u32) __builtin_offsetof(struct pkt, zero))

static __attribute__((always_inline)) void pkt_reset(struct pkt *p)
{
	__builtin_memset((void *)p + PKT_ZERO_OFFSET, 0, sizeof(*p) - PKT_ZERO_OFFSET);
}

static __attribute__((always_inline)) bool addr_eq(const union lbd_addr *a, const union lbd_addr *b)
{
	return a->w[3] == b->w[3] && a->w[2] == b->w[2] && a->w[1] == b->w[1] && a->w[0] == b->w[0];
}

static __attribute__((always_inline)) void addr_set_v4(union lbd_addr *a, __be32 v4)
{
	a->w[0] = 0;
	a->w[1] = 0;
	a->w[2] = bpf_htonl(0xffff);
	a->w[3] = v4;
}

#endif
