/* SPDX-License-Identifier: GPL-2.0 */
/*
 * exit.h - the one way out: a reason becomes a verdict, is counted, sampled and (dry run) explained.
 */
#ifndef LBD_LIB_EXIT_H
#define LBD_LIB_EXIT_H

static __always_inline __u32 reason_verdict(__u32 reason)
{
	switch (reason) {
#define REASON(sym, name, verdict, help) \
	case LBD_R_##sym:                \
		return LBD_##verdict;
#include <lbd/reasons.tbl.h>
#undef REASON
	}
	return LBD_DROP;
}

static __always_inline void exit_count(struct pkt *p, __u32 reason, __u32 verdict)
{
	struct lbd_service_count *c = map_at(service_count, p->service);
	struct lbd_server_count *s;

	if (!c)
		return;
	c->reason[reason & (LBD_REASONS - 1)]++;
	if (verdict != LBD_FORWARD)
		return;
	s = map_at(server_count, p->server);
	if (!s)
		return;
	if (p->reply) {
		c->out_packets++;
		c->out_bytes += p->payload;
		s->out_packets++;
		s->out_bytes += p->payload;
	} else {
		c->in_packets++;
		c->in_bytes += p->payload;
		s->in_packets++;
		s->in_bytes += p->payload;
	}
	if (reason == LBD_R_REPICK)
		s->flows_repicked++;
}

static __always_inline void exit_event(struct pkt *p, __u32 reason)
{
	struct lbd_control *c = map_at(control, 0);
	struct lbd_event *e;

	if (likely(!c || !c->sample) || bpf_get_prandom_u32() % c->sample)
		return;
	e = bpf_ringbuf_reserve(&events, sizeof(*e), 0);
	if (!e)
		return;
	e->time_ns = bpf_ktime_get_coarse_ns();
	e->src = p->src;
	e->dst = p->dst;
	e->sport_be = p->sport;
	e->dport_be = p->dport;
	e->service = p->service;
	e->proto = p->proto;
	e->reason = reason;
	e->tcp_flags = p->tcp_flags;
	e->hook = hook_kind;
	e->pad = 0;
	e->server = p->server;
	e->number = p->number;
	e->ifindex = p->ifindex;
	bpf_ringbuf_submit(e, 0);
}

static __always_inline void exit_explain(struct pkt *p, __u32 reason, __u32 verdict)
{
	struct lbd_control *c = map_at(control, 0);
	struct lbd_explain *x = map_at(explain, 0);

	if (!x || !c)
		return;
	x->steps = p->steps;
	x->reason = reason;
	x->verdict = verdict;
	x->service = p->service;
	x->server = p->server;
	x->flow = p->flow;
	x->flow_word = p->word;
	x->number = p->number;
	x->slot = p->slot;
	x->point = p->point;
	x->table = p->table;
	x->nat_addr = p->new_src;
	x->nat_port_be = p->new_sport;
	x->source = p->source;
	x->ifindex = p->out_ifindex;
	__builtin_memcpy(x->dmac, p->dmac, 6);
	__builtin_memcpy(x->smac, p->smac, 6);
	x->nexthop = p->nexthop;
	x->generation = c->generation;
	x->tick = p->tick;
}

static __always_inline int pipeline_exit(ctx_t *ctx, struct pkt *p, __u32 reason)
{
	__u32 verdict = reason_verdict(reason);

	if (dry_run) {
		exit_explain(p, reason, verdict);
		return ctx_pass(ctx);
	}
	exit_count(p, reason, verdict);
	if (p->service)
		exit_event(p, reason);
	if (likely(verdict == LBD_FORWARD))
		return ctx_send(ctx, p);
	if (verdict == LBD_PASS)
		return ctx_pass(ctx);
	if (verdict == LBD_ANSWER)
		return p->out_ifindex ? ctx_send(ctx, p) : ctx_bounce(ctx, p);
	return ctx_drop(ctx);
}

#endif
