/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lb_xdp.bpf.c - the packet program for XDP (native and generic, multi-buffer frames included).
 * The pipeline is lib/pipeline.h, the same for both hooks.
 */
#include "ctx_xdp.h"
#include "pipeline.h"

SEC("xdp.frags")
int lb_xdp(struct xdp_md *ctx)
{
	return pipeline(ctx);
}

char LICENSE[] SEC("license") = "GPL";
