/* SPDX-License-Identifier: GPL-2.0 */
/*
 * lb_tc.bpf.c - the packet program for TC ingress (tcx and clsact).
 * The pipeline is lib/pipeline.h, the same for both hooks.
 */
#include "ctx_tc.h"
#include "pipeline.h"

SEC("tc")
int lb_tc(struct __sk_buff *ctx)
{
	return pipeline(ctx);
}

char LICENSE[] SEC("license") = "GPL";
