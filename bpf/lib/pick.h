/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pick.h - a server for a new flow: number, slot, server. The arithmetic is hash.h's, the same that the
 * daemon uses.
 */
#ifndef LBD_LIB_PICK_H
#define LBD_LIB_PICK_H

#include <lbd/hash.h>
#include "flow.h"

#define PICK_TRIES 8

static __always_inline __u32 slot_word(__u32 index)
{
	struct lbd_slots *s = map_at(slots, index / LBD_SLOT_WORDS);

	return s ? s->w[index % LBD_SLOT_WORDS] : 0;
}

static __always_inline __u32 ring_point_at(void *ctx, __u32 i)
{
	return slot_word(*(__u32 *)ctx + i);
}

/* The server in slot @i of a table, or at point @i of a ring. */
static __always_inline __u32 table_server(__u64 table, __u32 i)
{
	__u32 offset = LBD_TABLE_OFFSET(table);

	if (LBD_TABLE_FORM(table) == LBD_FORM_RING)
		offset += LBD_TABLE_SIZE(table);
	return slot_word(offset + i);
}

enum { SERVER_OK, SERVER_IS_DOWN, SERVER_IS_FULL };

static __always_inline int server_judge(__u32 slot, __u32 *cost)
{
	struct lbd_server *s = map_at(server, slot);
	struct lbd_load *l = map_at(load, slot);
	__u32 flows;

	if (!slot || !s || !l ||
	    (s->flags & (LBD_SRV_USED | LBD_SRV_UP)) != (LBD_SRV_USED | LBD_SRV_UP))
		return SERVER_IS_DOWN;
	flows = l->flows < 0 ? 0 : l->flows;
	if (s->maxconn && flows >= s->maxconn)
		return SERVER_IS_FULL;
	*cost = flows * 256 / (s->weight ? s->weight : 1);
	return SERVER_OK;
}

static __always_inline __u32 pick_number(struct pkt *p, struct lbd_service *s)
{
	bool v4 = !(p->ref_flags & LBD_REF_IP6_LISTENER);
	__u32 n;

	if (s->number == LBD_NUM_5TUPLE)
		n = lbd_tuple_number(p->src.w, p->dst.w, p->sport, p->dport, p->proto);
	else
		n = lbd_addr_number(p->src.w, v4);
	return s->flags & LBD_S_MIX ? lbd_mix32(n) : n;
}

/* Global, so that the search's 26 halvings are verified once. */
__attribute__((noinline)) __u32 pick_ring(__u32 number, __u32 offset, __u32 size)
{
	__u32 base = offset;

	if (!size || size > LBD_RING_POINTS_MAX)
		return 0;
	return lbd_ring_find(number, size, ring_point_at, &base);
}

/*
 * Hash: the number decides. A dead server whose table is just being replaced is stepped over by mixing the
 * number on; a full one is not (the client's server stays the client's).
 */
step pick_hash(struct pkt *p, struct lbd_service *s, __u64 table, __u32 size)
{
	__u32 number = pick_number(p, s), cost;

	p->number = number;
	for (int i = 0; i < PICK_TRIES; i++) {
		__u32 at;
		int j;

		if (LBD_TABLE_FORM(table) == LBD_FORM_RING)
			at = pick_ring(number, LBD_TABLE_OFFSET(table), size);
		else
			at = lbd_table_slot(number, size);
		p->slot = at;
		p->server = table_server(table, at);
		j = server_judge(p->server, &cost);
		if (likely(j == SERVER_OK))
			return STEP_NEXT;
		if (j == SERVER_IS_FULL)
			return LBD_R_SERVER_FULL;
		number = lbd_mix32(number + 1);
	}
	p->server = 0;
	return LBD_R_NO_SERVER;
}

/* roundrobin: each CPU walks the table on its own. */
step pick_walk(struct pkt *p, __u64 table, __u32 size)
{
	struct lbd_service_count *c = map_at(service_count, p->service);
	int worst = LBD_R_NO_SERVER;
	__u32 cost;

	if (!c)
		return LBD_R_INTERNAL;
	for (int i = 0; i < PICK_TRIES; i++) {
		__u32 at = (__u32)(c->walk + (dry_run ? i : 0)) % size;
		int j;

		if (!dry_run)
			c->walk++;
		p->number = at;
		p->slot = at;
		p->server = table_server(table, at);
		j = server_judge(p->server, &cost);
		if (likely(j == SERVER_OK))
			return STEP_NEXT;
		if (j == SERVER_IS_FULL)
			worst = LBD_R_SERVER_FULL;
	}
	p->server = 0;
	return worst;
}

/* random, leastconn: of a few draws by weight the server with the fewest flows for its weight. */
step pick_draw(struct pkt *p, struct lbd_service *s, __u64 table, __u32 size)
{
	__u32 best = 0, best_cost = 0, cost, draws = 0;
	int worst = LBD_R_NO_SERVER;

	for (int i = 0; i < PICK_TRIES; i++) {
		__u32 number = bpf_get_prandom_u32(), at = number % size;
		__u32 srv = table_server(table, at);
		int j = server_judge(srv, &cost);

		if (j == SERVER_IS_FULL)
			worst = LBD_R_SERVER_FULL;
		if (j != SERVER_OK)
			continue;
		if (!best || cost < best_cost) {
			best = srv;
			best_cost = cost;
			p->number = number;
			p->slot = at;
		}
		if (++draws >= s->draws)
			break;
	}
	p->server = best;
	return best ? STEP_NEXT : worst;
}

/* Sets p->server. A reason, or STEP_NEXT. */
__attribute__((noinline)) int pick(struct pkt *p)
{
	struct lbd_service *s;
	__u32 size;
	__u64 table;
	int r;

	if (!p)
		return LBD_R_INTERNAL;
	s = map_at(service, p->service);
	if (!s || !(s->flags & LBD_S_USED))
		return LBD_R_NO_SERVER;
	table = READ_ONCE(s->table);
	size = LBD_TABLE_SIZE(table);
	p->table = table;
	if (LBD_TABLE_FORM(table) == LBD_FORM_NONE || !size)
		return LBD_R_NO_SERVER;
	p->steps |= LBD_X_PICK;
	if (s->pick == LBD_PICK_HASH)
		r = pick_hash(p, s, table, size);
	else if (s->pick == LBD_PICK_WALK)
		r = pick_walk(p, table, size);
	else
		r = pick_draw(p, s, table, size);
	if (dry_run && LBD_TABLE_FORM(table) == LBD_FORM_RING)
		p->point = slot_word(LBD_TABLE_OFFSET(table) + p->slot);
	return r;
}

#endif
