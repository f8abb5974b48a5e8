// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * flows.c - the flow table seen from user space: read by sequence numbers, ended by one
 * compare-and-swap. Takes no lock, so it may die at any moment.
 */
#include "set_priv.h"

#include <lbd/flowhash.h>

#include <errno.h>
#include <string.h>

#define READ_TRIES 64

static struct lbd_flow *flow_at(struct lbdmap_set *set, uint32_t place)
{
	return place < set->entries[LBDMAP_FLOW] ? MEM(set, FLOW, struct lbd_flow) + place : NULL;
}

int lbdmap_flow_read(struct lbdmap_set *set, uint32_t place, struct lbd_flow *out)
{
	struct lbd_flow *f = flow_at(set, place);

	if (!f)
		return -EINVAL;
	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t seq = __atomic_load_n(&f->seq, __ATOMIC_ACQUIRE);

		if (seq & 1)
			continue;
		memcpy(out, f, sizeof(*out));
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (__atomic_load_n(&f->seq, __ATOMIC_RELAXED) != seq)
			continue;
		out->seq = seq;
		return LBD_FLOW_STATE(out->word) == LBD_FLOW_FREE ? -ENOENT : 0;
	}
	return -EAGAIN;
}

int lbdmap_flow_next(struct lbdmap_set *set, uint32_t *cursor, struct lbd_flow *out,
		     uint32_t *place)
{
	const struct lbd_tags *tags = MEM(set, FLOW_TAG, struct lbd_tags);
	uint32_t all = set->entries[LBDMAP_FLOW];

	for (uint32_t i = *cursor; i < all; i++) {
		if (!tags[i / LBD_WAYS].tag[i % LBD_WAYS] || lbdmap_flow_read(set, i, out))
			continue;
		*cursor = i + 1;
		if (place)
			*place = i;
		return 1;
	}
	*cursor = all;
	return 0;
}

int lbdmap_flow_find(struct lbdmap_set *set, const union lbd_addr *client, uint16_t cport_be,
		     const union lbd_addr *vip, uint16_t vport_be, uint8_t proto,
		     struct lbd_flow *out, uint32_t *place)
{
	const struct lbd_control *c = lbdmap_control(set);
	uint64_t h = lbd_flow_hash(c->seed, client, vip, cport_be, vport_be, proto);
	uint32_t sets[2] = { lbd_set_first(h, c->flow_sets), lbd_set_second(h, c->flow_sets) };

	for (int n = 0; n < 2; n++)
		for (uint32_t i = sets[n] * LBD_WAYS; i < (sets[n] + 1) * LBD_WAYS; i++) {
			if (lbdmap_flow_read(set, i, out) || out->cport_be != cport_be ||
			    out->vport_be != vport_be || out->proto != proto ||
			    memcmp(&out->client, client, 16) || memcmp(&out->vip, vip, 16))
				continue;
			if (place)
				*place = i;
			return 0;
		}
	return -ENOENT;
}

int lbdmap_flow_kill(struct lbdmap_set *set, uint32_t place, const struct lbd_flow *flow)
{
	struct lbd_flow *f = flow_at(set, place);

	if (!f)
		return -EINVAL;
	if (!set->writable)
		return -EROFS;
	for (int i = 0; i < READ_TRIES; i++) {
		uint32_t word = __atomic_load_n(&f->word, __ATOMIC_ACQUIRE), next;

		if ((word ^ flow->seq) & 0xffff)
			return -ESTALE;
		next = LBD_FLOW_WORD(word, LBD_FLOW_STATE(word), LBD_FLOW_FLAGS(word) | LBD_F_KILL);
		if (__atomic_compare_exchange_n(&f->word, &word, next, false, __ATOMIC_ACQ_REL,
						__ATOMIC_RELAXED))
			return 0;
	}
	return -EAGAIN;
}

static uint32_t idle_limit(struct lbdmap_set *set, const struct lbd_flow *f)
{
	const struct lbd_service *s = lbdmap_service(set, f->service);
	uint32_t state = LBD_FLOW_STATE(f->word);

	if (!s)
		return 1;
	if (state == LBD_FLOW_SYN || state == LBD_FLOW_SYNACK)
		return lbdmap_control(set)->embryonic_ticks;
	if (state == LBD_FLOW_HALF && s->half_ticks)
		return s->half_ticks;
	return s->idle_ticks;
}

/* The programs decide the same way (bpf/lib/flow.h: flow_expired); who wins the swap counts the end. */
static bool flow_expire(struct lbdmap_set *set, uint32_t place, const struct lbd_flow *f)
{
	uint32_t state = LBD_FLOW_STATE(f->word), limit = idle_limit(set, f), word = f->word;
	struct lbd_flow *at = flow_at(set, place);

	if (state < LBD_FLOW_SYN || state > LBD_FLOW_HALF || !limit ||
	    (int32_t)(lbdmap_tick() - f->tick) <= (int32_t)limit)
		return false;
	if (!__atomic_compare_exchange_n(&at->word, &word,
					 LBD_FLOW_WORD(word, LBD_FLOW_CLOSED, LBD_FLOW_FLAGS(word)),
					 false, __ATOMIC_ACQ_REL, __ATOMIC_RELAXED))
		return false;
	if (f->server < set->entries[LBDMAP_LOAD]) {
		__atomic_sub_fetch(&MEM(set, LOAD, struct lbd_load)[f->server].flows, 1,
				   __ATOMIC_RELAXED);
		__atomic_add_fetch(&MEM(set, LOAD, struct lbd_load)[f->server].expired, 1,
				   __ATOMIC_RELAXED);
	}
	if (f->service < set->entries[LBDMAP_SERVICE])
		__atomic_add_fetch(&MEM(set, SERVICE, struct lbd_service)[f->service].expired, 1,
				   __ATOMIC_RELAXED);
	return true;
}

int lbdmap_flow_sweep(struct lbdmap_set *set, uint32_t *cursor, uint32_t max)
{
	const struct lbd_tags *tags = MEM(set, FLOW_TAG, struct lbd_tags);
	uint32_t all = set->entries[LBDMAP_FLOW], ended = 0;
	struct lbd_flow f;
	int rc = set_must_own(set);

	if (rc)
		return rc;
	for (uint32_t n = 0; n < max && *cursor < all; n++, ++*cursor)
		if (tags[*cursor / LBD_WAYS].tag[*cursor % LBD_WAYS] &&
		    !lbdmap_flow_read(set, *cursor, &f))
			ended += flow_expire(set, *cursor, &f);
	if (*cursor >= all)
		*cursor = 0;
	return ended;
}

const char *lbdmap_flow_state_name(uint8_t state)
{
	static const char *const names[LBD_FLOW_STATES] = {
		[LBD_FLOW_FREE] = "free",      [LBD_FLOW_SYN] = "syn",
		[LBD_FLOW_SYNACK] = "syn-ack", [LBD_FLOW_OPEN] = "established",
		[LBD_FLOW_HALF] = "fin",       [LBD_FLOW_CLOSED] = "closed",
	};

	return state < LBD_FLOW_STATES ? names[state] : "?";
}
