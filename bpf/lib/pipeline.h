/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pipeline.h - the order of the steps, for XDP and TC alike:
 * parse -> service -> guard -> flow -> pick -> next hop -> flow_add -> forward -> exit.
 */
#ifndef LBD_LIB_PIPELINE_H
#define LBD_LIB_PIPELINE_H

/* In the order of the steps: later ones use what earlier ones define. */
// clang-format off
#include "parse.h"
#include "service.h"
#include "guard.h"
#include "flow.h"
#include "flow_add.h"
#include "pick.h"
#include "nexthop.h"
#include "rewrite.h"
#include "kill.h"
#include "exit.h"
// clang-format on

/* The server's address and one of the NAT addresses, as destination and source of the new packet. */
step server_address(struct pkt *p, struct lbd_server *srv)
{
	struct lbd_source *src;

	if (!p->has_flow) {
		if (!srv->source_count)
			return LBD_R_NO_SOURCE;
		p->source = srv->source_first + (__u32)(p->hash >> 8) % srv->source_count;
	}
	src = map_at(source, p->source);
	if (!src)
		return LBD_R_NO_SOURCE;
	p->new_src = src->addr;
	p->new_dst = srv->addr;
	p->new_dport = srv->port_be;
	return STEP_NEXT;
}

/* First packet of a flow. Leaves by a reason if none can be made. */
step new_flow(ctx_t *ctx, struct pkt *p)
{
	struct lbd_server *srv;
	int r;

	if ((p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN)
		return LBD_R_NO_FLOW;
	if (unlikely(bpf_map_lookup_elem(&local, &p->src)))
		return LBD_R_FROM_SELF;
	p->steps |= LBD_X_NEW;
	r = pick(p);
	if (r != STEP_NEXT)
		return r;
	srv = map_at(server, p->server);
	if (!srv)
		return LBD_R_INTERNAL;
	r = server_address(p, srv);
	if (r != STEP_NEXT)
		return r;
	r = next_hop(ctx, p, srv->nexthop);
	if (r != STEP_NEXT)
		return r;
	r = flow_add(p);
	if (r == STEP_NEXT)
		nexthop_learn(ctx, p);
	return r;
}

/* A client's packet of a known flow. */
step known_flow(ctx_t *ctx, struct pkt *p, struct lbd_server *srv)
{
	int r = server_address(p, srv);

	return r == STEP_NEXT ? next_hop(ctx, p, srv->nexthop) : r;
}

/* Everything up to the rewriting; the reason that will be counted is in *@why. */
step pipeline_decide(ctx_t *ctx, struct pkt *p, struct lbd_control *c, int *why)
{
	struct lbd_server *srv;
	int r;

	if ((r = parse(ctx, p)) != STEP_NEXT || (r = service_find(p, c)) != STEP_NEXT)
		return r;
	if ((r = parse_verify(ctx, p)) != STEP_NEXT)
		return r;
	p->tick = bpf_ktime_get_coarse_ns() >> LBD_TICK_SHIFT;
	if (!p->reply && (r = guard(p, c)) != STEP_NEXT)
		return r;
	if ((r = flow_find(p)) != STEP_NEXT)
		return r;
	if (!p->has_flow && p->reply)
		return LBD_R_NOT_OURS;
	if (!p->has_flow) {
		*why = p->repick ? LBD_R_REPICK : LBD_R_NEW;
		return new_flow(ctx, p);
	}
	srv = map_at(server, p->server);
	if (!srv)
		return LBD_R_INTERNAL;
	*why = p->reply ? LBD_R_REPLY : LBD_R_KNOWN;
	r = p->reply ? next_hop(ctx, p, 0) : known_flow(ctx, p, srv);
	if (r != STEP_NEXT)
		return r;
	if (unlikely(flow_is_killed(p, srv)))
		return flow_kill(ctx, p);
	flow_track(p);
	return STEP_NEXT;
}

/* One packet at a time on a CPU: programs of these hooks do not nest. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pkt);
} scratch SEC(".maps");

static __always_inline void explain_reset(struct pkt *p)
{
	__builtin_memset(p, 0, PKT_ZERO_OFFSET);
}

static __always_inline int pipeline(ctx_t *ctx)
{
	struct lbd_control *c = map_at(control, 0);
	struct pkt *p = map_at(scratch, 0);
	int why = LBD_R_KNOWN, r;

	if (!c || !p)
		return ctx_pass(ctx);
	pkt_reset(p);
	if (dry_run) /* explain shows these even if no step sets them */
		explain_reset(p);
	r = pipeline_decide(ctx, p, c, &why);
	if (likely(r == STEP_NEXT))
		r = rewrite_nat(ctx, p);
	return pipeline_exit(ctx, p, r == STEP_NEXT ? why : r);
}

#endif
