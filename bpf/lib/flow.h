/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow.h - finding a flow from either side, and following TCP's states. Making flows is flow_add.h.
 * Rules of locking: Documentation/decisions/2026-11-20-map-layout.md.
 */
#ifndef LBD_LIB_FLOW_H
#define LBD_LIB_FLOW_H

#include <lbd/flowhash.h>
#include "count.h"

#define FLOW_TRIES 3

static __always_inline bool state_is_live(__u32 state)
{
	return state >= LBD_FLOW_SYN && state <= LBD_FLOW_HALF;
}

/* How long a flow in @state may be silent, in ticks; 0: for ever. */
static __always_inline __u32 flow_idle_limit(__u32 svc, __u32 state)
{
	struct lbd_control *c = map_at(control, 0);
	struct lbd_service *s = map_at(service, svc);

	if (!s || !c)
		return 1;
	if (state == LBD_FLOW_SYN || state == LBD_FLOW_SYNACK)
		return c->embryonic_ticks;
	if (state == LBD_FLOW_HALF && s->half_ticks)
		return s->half_ticks;
	return s->idle_ticks;
}

static __always_inline bool flow_expired(struct lbd_flow *f, __u32 state, __u32 tick)
{
	__u32 age = tick - f->tick, limit;

	if (likely((__s32)age < (__s32)LBD_TICKS_S(1)))
		return false;
	limit = flow_idle_limit(f->service, state);
	return limit && age > limit;
}

/* Changes state and flags of the flow that @word was read from; false: it is another flow's by now. */
static __always_inline bool flow_word_set(struct lbd_flow *f, __u32 word, __u32 state, __u32 flags)
{
	__u32 next = LBD_FLOW_WORD(word, state, flags);

	return __sync_val_compare_and_swap(&f->word, word, next) == word;
}

/* Ends a flow and counts its end, once, whoever comes first. */
static __always_inline void flow_close(struct lbd_flow *f, __u32 word, __u32 flags)
{
	__u32 svc = f->service, srv = f->server;

	if (flow_word_set(f, word, LBD_FLOW_CLOSED, LBD_FLOW_FLAGS(word) | flags) &&
	    state_is_live(LBD_FLOW_STATE(word)))
		count_flow_closed(svc, srv);
}

/* ---- Finding ----------------------------------------------------------------------------------- */

enum { FLOW_OTHER, FLOW_SAME, FLOW_BUSY };

/*
 * Is the flow at @at this client's packet's? Copies what forwarding needs while the identity stands
 * still. Global like its twin below: the verifier checks it once instead of once a place.
 */
__attribute__((noinline)) int flow_read_client(struct pkt *p, __u32 at)
{
	struct lbd_flow *f = map_at(flow, at);

	if (!f || !p)
		return FLOW_OTHER;
	for (int i = 0; i < FLOW_TRIES; i++) {
		__u32 seq = READ_ONCE(f->seq);

		if (unlikely(seq & 1))
			continue;
		barrier();
		if (f->cport_be != p->sport || f->vport_be != p->dport || f->proto != p->proto ||
		    !addr_eq(&f->client, &p->src) || !addr_eq(&f->vip, &p->dst))
			return FLOW_OTHER;
		p->word = READ_ONCE(f->word);
		p->server = f->server;
		p->source = f->source;
		p->new_sport = f->nport_be;
		barrier();
		if (likely(READ_ONCE(f->seq) == seq))
			return LBD_FLOW_STATE(p->word) == LBD_FLOW_FREE ? FLOW_OTHER : FLOW_SAME;
	}
	return FLOW_BUSY;
}

step flow_find_client(struct pkt *p)
{
	__u32 set = lbd_set_first(p->hash, flow_sets), busy = 0;
	__u16 tag = lbd_flow_tag(p->hash);

	for (int n = 0; n < 2; n++) {
		struct lbd_tags *t = map_at(flow_tag, set);

		if (!t)
			return LBD_R_INTERNAL;
		for (int i = 0; i < LBD_WAYS; i++) {
			int same;

			if (likely(READ_ONCE(t->tag[i]) != tag))
				continue;
			same = flow_read_client(p, set * LBD_WAYS + i);
			if (same == FLOW_SAME) {
				p->flow = set * LBD_WAYS + i;
				p->has_flow = 1;
				return STEP_NEXT;
			}
			busy |= same == FLOW_BUSY;
		}
		set = lbd_set_second(p->hash, flow_sets);
	}
	return busy ? LBD_R_BUSY : STEP_NEXT;
}

/* The same for a server's reply. */
__attribute__((noinline)) int flow_read_reply(struct pkt *p, __u32 at)
{
	struct lbd_flow *f = map_at(flow, at);

	if (!f || !p)
		return FLOW_OTHER;
	for (int i = 0; i < FLOW_TRIES; i++) {
		__u32 seq = READ_ONCE(f->seq);
		struct lbd_server *srv;
		struct lbd_source *src;

		if (unlikely(seq & 1))
			continue;
		barrier();
		if (f->nport_be != p->dport || f->proto != p->proto)
			return FLOW_OTHER;
		srv = map_at(server, f->server);
		src = map_at(source, f->source);
		if (!srv || !src || srv->port_be != p->sport || !addr_eq(&srv->addr, &p->src) ||
		    !addr_eq(&src->addr, &p->dst))
			return FLOW_OTHER;
		p->word = READ_ONCE(f->word);
		p->server = f->server;
		p->source = f->source;
		p->service = f->service;
		p->new_src = f->vip;
		p->new_sport = f->vport_be;
		p->new_dst = f->client;
		p->new_dport = f->cport_be;
		barrier();
		if (likely(READ_ONCE(f->seq) == seq))
			return LBD_FLOW_STATE(p->word) == LBD_FLOW_FREE ? FLOW_OTHER : FLOW_SAME;
	}
	return FLOW_BUSY;
}

step flow_find_reply(struct pkt *p)
{
	__u32 set = lbd_set_first(p->hash, rev_sets), busy = 0;
	__u16 tag = lbd_flow_tag(p->hash);

	for (int n = 0; n < 2; n++) {
		struct lbd_rev_set *r = map_at(flow_rev, set);

		if (!r)
			return LBD_R_INTERNAL;
		for (int i = 0; i < LBD_WAYS; i++) {
			__u64 ref = READ_ONCE(r->ref[i]);
			int same;

			if (likely(!ref || LBD_REV_TAG(ref) != tag))
				continue;
			same = flow_read_reply(p, LBD_REV_FLOW(ref));
			if (same == FLOW_SAME) {
				p->flow = LBD_REV_FLOW(ref);
				p->has_flow = 1;
				return STEP_NEXT;
			}
			busy |= same == FLOW_BUSY;
		}
		set = lbd_set_second(p->hash, rev_sets);
	}
	return busy ? LBD_R_BUSY : STEP_NEXT;
}

/* ---- TCP's states ------------------------------------------------------------------------------ */

/* What this packet makes of (state, flags); CLOSED for a reset. */
static __always_inline void flow_next_state(struct pkt *p, __u32 *state, __u32 *flags)
{
	__u8 tcp = p->tcp_flags;

	if (tcp & TCP_RST) {
		*state = LBD_FLOW_CLOSED;
		*flags |= p->reply ? LBD_F_RST_SERVER : 0;
		return;
	}
	if (tcp & TCP_SYN) {
		if (p->reply && tcp & TCP_ACK && *state == LBD_FLOW_SYN)
			*state = LBD_FLOW_SYNACK;
		return;
	}
	if (!p->reply && tcp & TCP_ACK && *state == LBD_FLOW_SYNACK)
		*state = LBD_FLOW_OPEN;
	if (tcp & TCP_FIN && *state != LBD_FLOW_CLOSED) {
		*flags |= p->reply ? LBD_F_FIN_SERVER : LBD_F_FIN_CLIENT;
		*state = (*flags & (LBD_F_FIN_CLIENT | LBD_F_FIN_SERVER)) ==
					 (LBD_F_FIN_CLIENT | LBD_F_FIN_SERVER)
				 ? LBD_FLOW_CLOSED
				 : LBD_FLOW_HALF;
	}
}

/*
 * Counts go to the service that the flow was made under: the address may belong to another one by now (retired, or
 * changed by a reload), and who waits for the last flow of the old one must see it end.
 */
static __always_inline void flow_track_slow(struct pkt *p, struct lbd_flow *f)
{
	__u32 word = p->word, svc = f->service,
	      srv = f->server; /* the swap proves that they stood */

	for (int i = 0; i < FLOW_TRIES; i++) {
		__u32 state = LBD_FLOW_STATE(word), flags = LBD_FLOW_FLAGS(word), was = state, now;
		__u32 next;

		flow_next_state(p, &state, &flags);
		next = LBD_FLOW_WORD(word, state, flags);
		if (next == word)
			return;
		now = __sync_val_compare_and_swap(&f->word, word, next);
		if (now == word) {
			if (state == LBD_FLOW_OPEN && was == LBD_FLOW_SYNACK)
				count_flow_open(svc, srv);
			if (state == LBD_FLOW_CLOSED && state_is_live(was))
				count_flow_closed(svc, srv);
			return;
		}
		if ((now ^ word) & 0xffff) /* another flow's place by now */
			return;
		word = now;
	}
}

/* Known flow: note the time and, rarely, a change of state. */
static __always_inline void flow_track(struct pkt *p)
{
	struct lbd_flow *f;

	if (dry_run)
		return;
	f = map_at(flow, p->flow);
	if (!f)
		return;
	if (f->tick != p->tick)
		WRITE_ONCE(f->tick, p->tick);
	if (likely(LBD_FLOW_STATE(p->word) == LBD_FLOW_OPEN &&
		   !(p->tcp_flags & (TCP_FIN | TCP_SYN | TCP_RST))))
		return;
	flow_track_slow(p, f);
}

/* A closed or expired flow, or an embryonic one of a dead server, makes room for a new one of its tuple. */
static __always_inline void flow_judge_client(struct pkt *p, struct lbd_flow *f)
{
	__u32 state = LBD_FLOW_STATE(p->word);
	bool syn = (p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) == TCP_SYN;
	struct lbd_server *srv;

	if (state_is_live(state) && unlikely(flow_expired(f, state, p->tick))) {
		if (!dry_run)
			flow_close(f, p->word, 0);
		p->has_flow = 0;
		p->stale_flow = 1;
		return;
	}
	if (likely(!syn))
		return;
	srv = map_at(server, p->server);
	if (state == LBD_FLOW_SYN && srv && !(srv->flags & LBD_SRV_UP))
		p->repick = 1;
	else if (state != LBD_FLOW_CLOSED)
		return;
	p->has_flow = 0;
	p->stale_flow = 1;
}

static __always_inline void flow_judge_reply(struct pkt *p, struct lbd_flow *f)
{
	__u32 state = LBD_FLOW_STATE(p->word);

	if (state_is_live(state) && unlikely(flow_expired(f, state, p->tick))) {
		if (!dry_run)
			flow_close(f, p->word, 0);
		p->has_flow = 0;
	}
}

/* Sets has_flow, or stale_flow, or neither. */
step flow_find(struct pkt *p)
{
	struct lbd_flow *f;
	int r;

	p->hash = lbd_flow_hash(flow_seed, &p->src, &p->dst, p->sport, p->dport, p->proto);
	r = p->reply ? flow_find_reply(p) : flow_find_client(p);
	if (unlikely(r != STEP_NEXT))
		return r;
	if (!p->has_flow)
		return STEP_NEXT;
	f = map_at(flow, p->flow);
	if (!f)
		return LBD_R_INTERNAL;
	if (p->reply)
		flow_judge_reply(p, f);
	else
		flow_judge_client(p, f);
	if (p->has_flow)
		p->steps |= LBD_X_FLOW | (p->reply ? LBD_X_REPLY : 0);
	return STEP_NEXT;
}

#endif
