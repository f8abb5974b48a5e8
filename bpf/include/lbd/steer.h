/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer.h - what the steering program (steer.bpf.c) and its loader (bpf/user/steer.c) both read. Nothing is pinned: a
 * process brings both, so no number guards the layout.
 */
#ifndef LBD_STEER_H
#define LBD_STEER_H

#include <lbd/abi.h>

/* Key of the trie of networks: the family is in front, so that 0.0.0.0/0 and ::/0 are two networks. */
struct lbd_steer_net {
	__u32 bits;   /* 32 for the family, then those of the network */
	__u32 family; /* AF_INET, AF_INET6 */
	__be32 ip[4]; /* IPv4: the first */
};

/* Which of the sorted ranges of ports hold in a network; those of wider networks are repeated in it. */
struct lbd_steer_ports {
	__u32 first, n;
};

#define LBD_STEER_LEAVE 0xffffffffu /* socket: the kernel finds it as ever */

struct lbd_steer_range {
	__u16 lo, hi;
	__u32 socket;  /* the first of the range's sockets, or LBD_STEER_LEAVE */
	__u32 sockets; /* how many: the client's address chooses */
	__u32 ifindex; /* only connections that come in here; 0: all */
};

#endif
