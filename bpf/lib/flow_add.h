/* SPDX-License-Identifier: GPL-2.0 */
/*
 * flow_add.h - making a flow: a place in one of two sets, a NAT port, the reverse entry. Runs once a
 * flow; its functions are global ones, which the verifier checks once and on their own.
 */
#ifndef LBD_LIB_FLOW_ADD_H
#define LBD_LIB_FLOW_ADD_H

#include "flow.h"

#define PORT_TRIES  16
#define LOCK_TRIES  256
#define SET_CROWDED 5 /* the first set is taken unless this many places are in use */
#define EVICT_LOOKS 6 /* entries looked at before a young embryonic flow has to go */
#define NO_PLACE    0xffffffffu

/* ---- Locks ---------------------------------------------------------------------------------------- */

static __always_inline __u32 *flow_stripe(__u64 hash)
{
	return map_at(flow_lock, hash % LBD_LOCKS);
}

static __always_inline bool stripe_take(__u32 *lock)
{
	for (int i = 0; i < LOCK_TRIES; i++)
		if (!__sync_val_compare_and_swap(lock, 0, 1))
			return true;
	return false;
}

static __always_inline void stripe_give(__u32 *lock)
{
	__sync_lock_test_and_set(lock, 0);
}

/* Claims the identity of a place that is @seq (even) by now. */
static __always_inline bool flow_claim(struct lbd_flow *f, __u32 seq)
{
	return !(seq & 1) && __sync_val_compare_and_swap(&f->seq, seq, seq + 1) == seq;
}

static __always_inline void flow_release(struct lbd_flow *f)
{
	__sync_lock_test_and_set(&f->seq, f->seq + 1);
}

/* ---- Reverse entries ------------------------------------------------------------------------------ */

/* A reply's tuple, and what is asked about it. */
struct rev_query {
	__u32 server, source; /* slots */
	__u32 flow;           /* the place that asks or owns */
	__be16 port;
	__u8 proto;
	__u8 free_rested; /* flows that closed and rested may be put away */
	__u32 tick;
};

static __always_inline bool rev_hash(struct rev_query *q, __u64 *hash)
{
	struct lbd_server *srv = map_at(server, q->server);
	struct lbd_source *src = map_at(source, q->source);

	if (!srv || !src)
		return false;
	*hash = lbd_flow_hash(flow_seed, &srv->addr, &src->addr, srv->port_be, q->port, q->proto);
	return true;
}

static __always_inline bool rev_same_tuple(struct rev_query *q, struct lbd_flow *f)
{
	struct lbd_server *a = map_at(server, q->server), *b = map_at(server, f->server);
	struct lbd_source *s = map_at(source, q->source), *t = map_at(source, f->source);

	if (f->nport_be != q->port || f->proto != q->proto || !a || !b || !s || !t)
		return false;
	return a->port_be == b->port_be && addr_eq(&a->addr, &b->addr) &&
	       addr_eq(&s->addr, &t->addr);
}

/* Takes the reverse entry of q->flow out; nothing happens if there is none. */
__attribute__((noinline)) int rev_remove(struct rev_query *q)
{
	__u64 hash, want;
	__u32 set;

	if (!q || !q->port || !rev_hash(q, &hash))
		return 0;
	want = LBD_REV(q->flow, lbd_flow_tag(hash));
	set = lbd_set_first(hash, rev_sets);
	for (int n = 0; n < 2; n++) {
		struct lbd_rev_set *r = map_at(flow_rev, set);

		for (int i = 0; r && i < LBD_WAYS; i++)
			if (READ_ONCE(r->ref[i]) == want)
				__sync_val_compare_and_swap(&r->ref[i], want, 0);
		set = lbd_set_second(hash, rev_sets);
	}
	return 0;
}

/* Is a closed flow's tuple free for somebody else? */
static __always_inline bool flow_rested(struct lbd_flow *f, __u32 word, __u32 tick)
{
	if (LBD_FLOW_STATE(word) != LBD_FLOW_CLOSED)
		return false;
	return LBD_FLOW_FLAGS(word) & LBD_F_RST_SERVER || tick - f->tick > LBD_REST_TICKS;
}

/* Empties place @at if its flow still is what @f says; true if it is free now. */
static __always_inline bool flow_put_away(struct lbd_flow *f, __u32 at, __u32 seq)
{
	struct lbd_tags *t = map_at(flow_tag, at / LBD_WAYS);
	struct rev_query q = {};

	if (!t || !flow_claim(f, seq))
		return false;
	WRITE_ONCE(t->tag[at % LBD_WAYS], 0);
	q.server = f->server;
	q.source = f->source;
	q.flow = at;
	q.port = f->nport_be;
	q.proto = f->proto;
	rev_remove(&q);
	WRITE_ONCE(f->word, LBD_FLOW_WORD(seq + 2, LBD_FLOW_FREE, 0));
	flow_release(f);
	return true;
}

/* 1 if another flow has the reply's tuple (or may have: it is being written), 0 if not. */
__attribute__((noinline)) int rev_taken(struct rev_query *q)
{
	__u64 hash;
	__u32 set;
	__u16 tag;

	if (!q || !rev_hash(q, &hash))
		return 1;
	tag = lbd_flow_tag(hash);
	set = lbd_set_first(hash, rev_sets);
	for (int n = 0; n < 2; n++) {
		struct lbd_rev_set *r = map_at(flow_rev, set);

		for (int i = 0; r && i < LBD_WAYS; i++) {
			__u64 ref = READ_ONCE(r->ref[i]);
			struct lbd_flow *f;
			__u32 seq;

			if (likely(!ref || LBD_REV_TAG(ref) != tag || LBD_REV_FLOW(ref) == q->flow))
				continue;
			f = map_at(flow, LBD_REV_FLOW(ref));
			if (!f)
				continue;
			seq = READ_ONCE(f->seq);
			if (seq & 1)
				return 1;
			if (!rev_same_tuple(q, f))
				continue;
			if (!flow_rested(f, READ_ONCE(f->word), q->tick))
				return 1;
			if (!dry_run &&
			    (!q->free_rested || !flow_put_away(f, LBD_REV_FLOW(ref), seq)))
				return 1;
		}
		set = lbd_set_second(hash, rev_sets);
	}
	return 0;
}

static __always_inline __u32 rev_used(__u32 set)
{
	struct lbd_rev_set *r = map_at(flow_rev, set);
	__u32 used = 0;

	for (int i = 0; r && i < LBD_WAYS; i++)
		used += r->ref[i] >> 63; /* LBD_REV() sets this bit */
	return used;
}

/* Enters q->flow in the emptier of the two sets; 0, or -1 if both are full. */
__attribute__((noinline)) int rev_insert(struct rev_query *q)
{
	__u32 first, second, set;
	struct lbd_rev_set *r;
	__u64 hash, ref;

	if (!q || !rev_hash(q, &hash))
		return -1;
	ref = LBD_REV(q->flow, lbd_flow_tag(hash));
	first = lbd_set_first(hash, rev_sets);
	second = lbd_set_second(hash, rev_sets);
	set = rev_used(second) < rev_used(first) ? second : first;
	for (int n = 0; n < 2; n++) {
		r = map_at(flow_rev, set);
		for (int i = 0; r && i < LBD_WAYS; i++)
			if (!READ_ONCE(r->ref[i]) &&
			    !__sync_val_compare_and_swap(&r->ref[i], 0, ref))
				return 0;
		set = set == first ? second : first;
	}
	return -1;
}

/* ---- NAT ports ------------------------------------------------------------------------------------ */

/* Another meaning of this port on the source address: a service listens there. */
static __always_inline bool port_is_service(struct lbd_source *src, __be16 port, __u8 proto)
{
	static const union lbd_addr any;
	union lbd_addr zero = any;

	return filter_has(&src->addr, port, proto) || filter_has(&zero, port, proto);
}

static __always_inline __be16 port_candidate(struct lbd_source *src, struct pkt *p, __be16 old,
					     int try, __u32 base)
{
	__u32 n = (__u32)src->port_hi - src->port_lo + 1;

	if (try == 0) {
		if (old)
			return old;
		if (src->flags & LBD_SRC_DEDICATED && bpf_ntohs(p->sport) >= src->port_lo &&
		    bpf_ntohs(p->sport) <= src->port_hi)
			return p->sport;
	}
	return bpf_htons(src->port_lo + (base + try) % n);
}

/*
 * Finds a port that no other flow uses towards the server and enters the flow under it: in q->port.
 * @old: the port of the tuple's earlier life with the same server, or 0. 0, or a reason.
 */
__attribute__((noinline)) int nat_port_take(struct rev_query *q, struct pkt *p, __u32 old)
{
	struct lbd_source *src;
	__u32 base;

	if (!q || !p)
		return LBD_R_INTERNAL;
	src = map_at(source, q->source);
	if (!src || src->port_hi < src->port_lo || !src->port_hi)
		return LBD_R_NO_SOURCE;
	base = (__u32)(p->hash >> 20) ^ bpf_get_prandom_u32();
	for (int i = 0; i < PORT_TRIES; i++) {
		q->port = port_candidate(src, p, old, i, base);
		if (port_is_service(src, q->port, q->proto) || rev_taken(q))
			continue;
		if (dry_run)
			return STEP_NEXT;
		if (rev_insert(q)) /* both sets are full: another port lies in others */
			continue;
		q->free_rested = 0;
		if (!rev_taken(q)) /* nobody entered the same tuple meanwhile */
			return STEP_NEXT;
		rev_remove(q);
		q->free_rested = 1;
	}
	return LBD_R_PORTS_FULL;
}

/* ---- Places ---------------------------------------------------------------------------------------- */

/* How many of four 16-bit lanes are not zero; without branches, each of which is a path to the verifier. */
static __always_inline __u32 lanes_used(__u64 x)
{
	__u64 high =
		(((x & 0x7fff7fff7fff7fffULL) + 0x7fff7fff7fff7fffULL) | x) & 0x8000800080008000ULL;

	return (high >> 15) * 0x0001000100010001ULL >> 48;
}

static __always_inline __u32 set_used(__u32 set)
{
	__u64 *lanes = map_at(flow_tag, set);

	return lanes ? lanes_used(READ_ONCE(lanes[0])) + lanes_used(READ_ONCE(lanes[1])) : 0;
}

enum { EVICT_NO, EVICT_LAST, EVICT_YES };

/* May the flow at @at go for a new one? Established ones never, before they have expired. */
__attribute__((noinline)) int place_judge(__u32 at, __u32 tick)
{
	struct lbd_flow *f = map_at(flow, at);
	__u32 word, state;

	if (!f)
		return EVICT_NO;
	word = READ_ONCE(f->word);
	state = LBD_FLOW_STATE(word);
	if (state == LBD_FLOW_FREE || flow_rested(f, word, tick))
		return EVICT_YES;
	if (state == LBD_FLOW_CLOSED)
		return EVICT_LAST;
	if (flow_expired(f, state, tick))
		return EVICT_YES;
	if (state == LBD_FLOW_SYN || state == LBD_FLOW_SYNACK)
		return tick - f->tick > LBD_TICKS_S(3) ? EVICT_YES : EVICT_LAST;
	return EVICT_NO;
}

static __always_inline bool place_claim(struct lbd_flow *f, __u32 seq)
{
	return dry_run || flow_claim(f, seq);
}

static __always_inline __u32 place_claim_last(__u32 at, __u32 tick)
{
	struct lbd_flow *f = map_at(flow, at);
	__u32 seq;

	if (!f)
		return NO_PLACE;
	seq = READ_ONCE(f->seq);
	return place_judge(at, tick) != EVICT_NO && place_claim(f, seq) ? at : NO_PLACE;
}

/*
 * A free or evictable place for a hash, claimed (its seq is odd) unless this is a dry run; NO_PLACE if
 * all sixteen are established.
 */
__attribute__((noinline)) __u32 place_take(__u64 hash, __u32 tick)
{
	__u32 first = lbd_set_first(hash, flow_sets), second = lbd_set_second(hash, flow_sets);
	__u32 used = set_used(first), set, last = NO_PLACE, start;

	if (used >= SET_CROWDED && set_used(second) < used) {
		set = first;
		first = second;
		second = set;
	}
	set = first;
	for (int n = 0; n < 2; n++) {
		struct lbd_tags *t = map_at(flow_tag, set);

		for (int i = 0; t && i < LBD_WAYS; i++) {
			struct lbd_flow *f;
			__u32 seq;

			if (READ_ONCE(t->tag[i]))
				continue;
			f = map_at(flow, set * LBD_WAYS + i);
			if (!f)
				continue;
			seq = READ_ONCE(f->seq);
			barrier();
			/* Still free after its seq was read? Then nobody can take it before us unnoticed. */
			if (!READ_ONCE(t->tag[i]) && place_claim(f, seq))
				return set * LBD_WAYS + i;
		}
		set = second;
	}
	start = bpf_get_prandom_u32();
	for (int i = 0; i < 2 * LBD_WAYS; i++) {
		__u32 at =
			(i < LBD_WAYS ? first : second) * LBD_WAYS + ((start + i) & (LBD_WAYS - 1));
		struct lbd_flow *f = map_at(flow, at);
		__u32 seq;
		int may;

		if (!f)
			continue;
		seq = READ_ONCE(
			f->seq); /* before the judgement: the claim fails if it has changed */
		may = place_judge(at, tick);
		if (may == EVICT_YES && place_claim(f, seq))
			return at;
		if (may == EVICT_LAST)
			last = at;
		if (i >= EVICT_LOOKS && last != NO_PLACE)
			break;
	}
	return last != NO_PLACE ? place_claim_last(last, tick) : NO_PLACE;
}

/* Puts away what a claimed place held: its end is counted, its reverse entry goes. */
static __always_inline void place_clear(struct lbd_flow *f, __u32 at)
{
	__u32 seq = f->seq + 1, word; /* even: what seq will be */
	struct rev_query q = {};

	word = __sync_lock_test_and_set(&f->word, LBD_FLOW_WORD(seq, LBD_FLOW_FREE, 0));
	if (state_is_live(LBD_FLOW_STATE(word)))
		count_flow_closed(f->service, f->server);
	if (LBD_FLOW_STATE(word) == LBD_FLOW_FREE || !f->nport_be)
		return;
	q.server = f->server;
	q.source = f->source;
	q.flow = at;
	q.port = f->nport_be;
	q.proto = f->proto;
	rev_remove(&q);
}

static __always_inline void place_fill(struct lbd_flow *f, struct pkt *p)
{
	f->client = p->src;
	f->vip = p->dst;
	f->cport_be = p->sport;
	f->vport_be = p->dport;
	f->nport_be = 0;
	f->source = p->source;
	f->service = p->service;
	f->proto = p->proto;
	f->forward = LBD_FWD_NAT;
	f->server = p->server;
	f->tick = p->tick;
	f->born = p->tick;
}

/* The place where the same tuple's earlier flow lies, claimed; NO_PLACE if it is gone. */
static __always_inline __u32 place_again(struct pkt *p)
{
	struct lbd_flow *f = map_at(flow, p->flow);
	__u32 seq;

	if (!f)
		return NO_PLACE;
	seq = READ_ONCE(f->seq);
	if (seq & 1 || ((seq ^ p->word) & 0xffff))
		return NO_PLACE;
	if (dry_run || flow_claim(f, seq))
		return p->flow;
	return NO_PLACE;
}

/* Makes the flow with the stripe's lock held. A reason, or STEP_NEXT. */
static __always_inline int flow_make(struct pkt *p)
{
	struct rev_query q = { .server = p->server,
			       .source = p->source,
			       .proto = p->proto,
			       .free_rested = 1,
			       .tick = p->tick };
	struct lbd_tags *t;
	struct lbd_flow *f;
	__u32 at = NO_PLACE, old = 0;
	int r;

	if (p->stale_flow)
		at = place_again(p);
	if (at == NO_PLACE)
		at = place_take(p->hash, p->tick);
	if (at == NO_PLACE)
		return LBD_R_TABLE_FULL;
	f = map_at(flow, at);
	t = map_at(flow_tag, at / LBD_WAYS);
	if (!f || !t)
		return LBD_R_INTERNAL;
	if (p->stale_flow && f->server == p->server && f->source == p->source)
		old = f->nport_be;
	q.flow = at;
	if (!dry_run) {
		place_clear(f, at);
		place_fill(f, p);
	}
	r = nat_port_take(&q, p, old);
	p->new_sport = q.port;
	p->flow = at;
	if (dry_run)
		return r;
	if (r != STEP_NEXT) {
		WRITE_ONCE(t->tag[at % LBD_WAYS], 0);
		flow_release(f);
		return r;
	}
	f->nport_be = q.port;
	WRITE_ONCE(f->word, LBD_FLOW_WORD(f->seq + 1, LBD_FLOW_SYN, 0));
	WRITE_ONCE(t->tag[at % LBD_WAYS], lbd_flow_tag(p->hash));
	flow_release(f);
	count_flow_new(p->service, p->server);
	return STEP_NEXT;
}

/* Is the earlier life that was found before the lock was taken still what lies in its place? */
static __always_inline bool stale_stands(struct pkt *p)
{
	struct lbd_flow *f = map_at(flow, p->flow);

	return f && !((READ_ONCE(f->seq) ^ p->word) & 0xffff);
}

/*
 * With the lock held: did another CPU make the flow since we looked? Then the packet belongs to it; if it
 * goes to another server than we picked, all that was prepared is wrong, and the client has to repeat.
 */
static __always_inline int flow_made_meanwhile(struct pkt *p)
{
	__u32 server = p->server, source = p->source;
	int r;

	if (p->stale_flow && stale_stands(p))
		return STEP_NEXT;
	r = flow_find_client(p);
	if (r == STEP_NEXT && p->has_flow &&
	    (p->server != server || p->source != source || !state_is_live(LBD_FLOW_STATE(p->word))))
		r = LBD_R_BUSY;
	p->server = server;
	p->source = source;
	p->stale_flow = 0;
	return r;
}

/* Makes a flow for the client's first packet to p->server. A reason, or STEP_NEXT. */
__attribute__((noinline)) int flow_add(struct pkt *p)
{
	__u32 *lock;
	int r;

	if (!p)
		return LBD_R_INTERNAL;
	if (dry_run)
		return flow_make(p);
	lock = flow_stripe(p->hash);
	if (!lock || !stripe_take(lock))
		return LBD_R_BUSY;
	r = flow_made_meanwhile(p);
	if (r == STEP_NEXT && !p->has_flow)
		r = flow_make(p);
	stripe_give(lock);
	return r;
}

#endif
