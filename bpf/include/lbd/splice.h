/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.h - what the splicing program (splice.bpf.c) and the daemon's sockmap engine both read. Nothing is pinned: a process
 * brings both, so no number guards the layout.
 */
#ifndef LBD_SPLICE_H
#define LBD_SPLICE_H

#include <lbd/abi.h>

#define LBD_SPLICE_SKB_COST 1280  /* memory of a packet beside its bytes, about */
#define LBD_SPLICE_LOOK     32768 /* memory redirected between two looks at the reader */

/* One direction, from one socket to another. In memory that the daemon maps; on a cache line of its own. */
struct lbd_splice_dir {
	__u64 moved;   /* bytes redirected; program */
	__u64 passed;  /* bytes left to the daemon; program */
	__u64 last_ns; /* CLOCK_MONOTONIC_COARSE when the last ones came; program */
	__u64 acked_base; /* the target's bytes_acked when `moved` was 0 and all before was acknowledged; daemon */
	__u64 cost; /* memory of `cost_bytes` bytes, halved now and then: their ratio is what counts; program */
	__u64 cost_bytes;
	__u32 unseen;  /* memory redirected since the last look; program */
	__u32 room;    /* memory that may wait beside the target's send buffer; daemon */
	__u32 passing; /* the daemon reads from now on; never taken back; both */
	__u32 tripped; /* because the reader is slow; program */
};
LBD_ASSERT_SIZE(struct lbd_splice_dir, 64);

#endif
