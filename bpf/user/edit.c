// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * edit.c - what the owner of a set writes: slots, services, servers, addresses, routes, meta. Elements that packets
 * read are written so that no packet sees half of one: contents first, the word that makes them
 * count last.
 */
#include "set_priv.h"

#include <lbd/flowhash.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Slots ------------------------------------------------------------------------------------------- */

static bool slot_in_use(const struct lbdmap_set *set, enum lbdmap_id id, uint32_t i)
{
	switch (id) {
	case LBDMAP_SERVICE:
		return lbdmap_service(set, i)->flags & LBD_S_USED;
	case LBDMAP_SERVER:
		return lbdmap_server(set, i)->flags & LBD_SRV_USED ||
		       lbdmap_load(set, i)->flows > 0;
	case LBDMAP_SOURCE:
		return lbdmap_source(set, i)->port_hi != 0;
	case LBDMAP_NEXTHOP:
		return lbdmap_nexthop(set, i)->flags & LBD_NH_USED;
	default:
		return true;
	}
}

static bool bit_get(const uint8_t *bits, uint32_t i)
{
	return bits[i / 8] >> (i % 8) & 1;
}

static void bit_set(uint8_t *bits, uint32_t i, bool on)
{
	bits[i / 8] = (bits[i / 8] & ~(1 << i % 8)) | on << i % 8;
}

int64_t lbdmap_slot_take(struct lbdmap_set *set, enum lbdmap_id id, uint32_t n)
{
	uint32_t entries = set->entries[id], run = 0;
	int rc = set_must_own(set);

	if (rc)
		return rc;
	if (id != LBDMAP_SERVICE && id != LBDMAP_SERVER && id != LBDMAP_SOURCE &&
	    id != LBDMAP_NEXTHOP)
		return -EINVAL;
	if (!set->taken[id])
		set->taken[id] = calloc(1, entries / 8 + 1);
	if (!set->taken[id])
		return -ENOMEM;
	for (uint32_t tried = 0, i = set->next_slot[id]; tried < entries + n; tried++, i++) {
		if (i >= entries)
			i = 0;
		if (i == 0 || slot_in_use(set, id, i) || bit_get(set->taken[id], i)) {
			run = 0;
			continue;
		}
		if (++run < n)
			continue;
		for (uint32_t k = 0; k < n; k++)
			bit_set(set->taken[id], i - k, true);
		set->next_slot[id] = i + 1;
		return i - n + 1;
	}
	return -ENOSPC;
}

static int slot_check(const struct lbdmap_set *set, enum lbdmap_id id, uint32_t slot)
{
	int rc = set_must_own(set);

	if (rc)
		return rc;
	return slot && slot < set->entries[id] ? 0 : -EINVAL;
}

int lbdmap_slot_give(struct lbdmap_set *set, enum lbdmap_id id, uint32_t slot)
{
	int rc = slot_check(set, id, slot);

	if (rc)
		return rc;
	switch (id) {
	case LBDMAP_SERVICE:
		rc = lbdmap_table_publish(set, slot, LBD_FORM_NONE, NULL, NULL, 0);
		if (rc)
			return rc;
		__atomic_store_n(&MEM(set, SERVICE, struct lbd_service)[slot].flags, 0,
				 __ATOMIC_RELEASE);
		break;
	case LBDMAP_SERVER: /* the address stays: flows may still refer to it */
		__atomic_store_n(&MEM(set, SERVER, struct lbd_server)[slot].flags, 0,
				 __ATOMIC_RELEASE);
		break;
	case LBDMAP_SOURCE: /* so does this one */
		MEM(set, SOURCE, struct lbd_source)[slot].port_hi = 0;
		set->filter_stale = true;
		break;
	case LBDMAP_NEXTHOP:
		__atomic_store_n(&MEM(set, NEXTHOP, struct lbd_nexthop)[slot].flags, 0,
				 __ATOMIC_RELEASE);
		break;
	default:
		return -EINVAL;
	}
	if (set->taken[id])
		bit_set(set->taken[id], slot, false);
	return 0;
}

/* ---- Services, servers, sources, next hops -------------------------------------------------------------- */

/* A slot gets another owner: its counters start anew. */
static int counts_clear(struct lbdmap_set *set, enum lbdmap_id id, uint32_t slot)
{
	int cpus = libbpf_num_possible_cpus(), rc = 0;
	void *zero;

	if (cpus < 0)
		return cpus;
	zero = calloc(cpus, map_rows[id].value_size);
	if (!zero)
		return -ENOMEM;
	if (bpf_map_update_elem(set->fd[id], &slot, zero, BPF_ANY))
		rc = -errno;
	free(zero);
	return rc;
}

int lbdmap_service_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_service *s)
{
	struct lbd_service *to = MEM(set, SERVICE, struct lbd_service) + slot;
	int rc = slot_check(set, LBDMAP_SERVICE, slot);

	if (rc)
		return rc;
	if (s->pick >= LBD_PICKS || s->number >= LBD_NUMS)
		return -EINVAL;
	if (to->id != s->id) {
		rc = counts_clear(set, LBDMAP_SERVICE_COUNT, slot);
		if (rc)
			return rc;
		to->expired = 0;
	}
	to->id = s->id;
	to->pick = s->pick;
	to->number = s->number;
	to->draws = s->draws;
	to->idle_ticks = s->idle_ticks;
	to->half_ticks = s->half_ticks;
	to->udp_ticks = s->udp_ticks;
	to->maxconn = s->maxconn;
	__atomic_store_n(&to->flags, s->flags | LBD_S_USED, __ATOMIC_RELEASE);
	return 0;
}

int lbdmap_server_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_server *s)
{
	struct lbd_server *to = MEM(set, SERVER, struct lbd_server) + slot;
	int rc = slot_check(set, LBDMAP_SERVER, slot);
	bool same;

	if (rc)
		return rc;
	if (s->forward != LBD_FWD_NAT)
		return -EOPNOTSUPP;
	same = !memcmp(&to->addr, &s->addr, sizeof(s->addr)) && to->port_be == s->port_be;
	if (to->flags & LBD_SRV_USED && !same)
		return -EBUSY;
	if (!same) {
		to->addr = s->addr;
		to->port_be = s->port_be;
	}
	if (to->id != s->id) {
		rc = counts_clear(set, LBDMAP_SERVER_COUNT, slot);
		if (rc)
			return rc;
		MEM(set, LOAD, struct lbd_load)[slot].expired = 0;
	}
	to->forward = s->forward;
	to->id = s->id;
	to->maxconn = s->maxconn;
	to->weight = s->weight;
	__atomic_store_n((uint32_t *)&to->source_first, *(const uint32_t *)&s->source_first,
			 __ATOMIC_RELAXED); /* first and count together */
	__atomic_store_n(&to->nexthop, s->nexthop, __ATOMIC_RELEASE);
	__atomic_store_n(&to->flags, s->flags | LBD_SRV_USED, __ATOMIC_RELEASE);
	return 0;
}

int lbdmap_server_state(struct lbdmap_set *set, uint32_t slot, bool up, bool reset)
{
	struct lbd_server *to = MEM(set, SERVER, struct lbd_server) + slot;
	int rc = slot_check(set, LBDMAP_SERVER, slot);

	if (rc)
		return rc;
	if (!(to->flags & LBD_SRV_USED))
		return -ENOENT;
	__atomic_store_n(&to->flags,
			 LBD_SRV_USED | (up ? LBD_SRV_UP : 0) | (reset ? LBD_SRV_RESET : 0),
			 __ATOMIC_RELEASE);
	return 0;
}

int lbdmap_server_nexthop(struct lbdmap_set *set, uint32_t slot, uint32_t nexthop)
{
	int rc = slot_check(set, LBDMAP_SERVER, slot);

	if (rc)
		return rc;
	if (nexthop >= set->entries[LBDMAP_NEXTHOP])
		return -EINVAL;
	__atomic_store_n(&MEM(set, SERVER, struct lbd_server)[slot].nexthop, nexthop,
			 __ATOMIC_RELEASE);
	return 0;
}

int lbdmap_source_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_source *s)
{
	struct lbd_source *to = MEM(set, SOURCE, struct lbd_source) + slot;
	int rc = slot_check(set, LBDMAP_SOURCE, slot);

	if (rc)
		return rc;
	if (!s->port_lo || s->port_hi < s->port_lo)
		return -EINVAL;
	if (to->port_hi && memcmp(&to->addr, &s->addr, sizeof(s->addr)))
		return -EBUSY;
	*to = *s;
	filter_add(set, &s->addr, 0, 0);
	return 0;
}

int lbdmap_nexthop_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_nexthop *n)
{
	struct lbd_nexthop *to = MEM(set, NEXTHOP, struct lbd_nexthop) + slot, tmp = *n;
	uint32_t flags = (n->flags & LBD_NH_MAC) | LBD_NH_USED;
	struct lbd_device dev;
	int rc = slot_check(set, LBDMAP_NEXTHOP, slot);

	if (rc)
		return rc;
	if (to->flags & LBD_NH_USED)
		return -EBUSY;
	if (!bpf_map_lookup_elem(set->fd[LBDMAP_DEVICE], &n->ifindex, &dev) &&
	    dev.flags & LBD_DEV_XMIT)
		flags |= LBD_NH_XMIT;
	tmp.flags = 0;
	*to = tmp;
	__atomic_store_n(&to->flags, flags, __ATOMIC_RELEASE);
	return 0;
}

/* ---- Addresses and the filter ----------------------------------------------------------------------------- */

static void filter_bit_set(uint64_t *words, const union lbd_addr *a, uint16_t port_be,
			   uint8_t proto)
{
	uint32_t bit = lbd_filter_bit(a, port_be, proto);

	words[bit >> 6] |= 1ULL << (bit & 63);
}

void filter_add(struct lbdmap_set *set, const union lbd_addr *a, uint16_t port_be, uint8_t proto)
{
	filter_bit_set(MEM(set, FILTER, uint64_t), a, port_be, proto);
}

/* Computes all words beside, then stores each with its final value. */
int filter_rebuild(struct lbdmap_set *set)
{
	struct lbd_service_key key, *prev = NULL;
	uint64_t *now = MEM(set, FILTER, uint64_t), words[LBD_FILTER_WORDS] = {};
	uint32_t flags = lbdmap_control(set)->flags & ~LBD_C_ANYADDR;
	static const union lbd_addr any;

	for (; !bpf_map_get_next_key(set->fd[LBDMAP_SERVICES], prev, &key); prev = &key) {
		filter_bit_set(words, &key.addr, key.port_be, key.proto);
		filter_bit_set(words, &key.addr, 0, 1);
		if (!memcmp(&key.addr, &any, sizeof(any)))
			flags |= LBD_C_ANYADDR;
	}
	for (uint32_t i = 1; i < set->entries[LBDMAP_SOURCE]; i++)
		if (lbdmap_source(set, i)->port_hi)
			filter_bit_set(words, &lbdmap_source(set, i)->addr, 0, 0);
	for (int i = 0; i < LBD_FILTER_WORDS; i++)
		__atomic_store_n(&now[i], words[i], __ATOMIC_RELAXED);
	__atomic_store_n(&MEM(set, CONTROL, struct lbd_control)->flags, flags, __ATOMIC_RELAXED);
	set->filter_stale = false;
	return 0;
}

static void control_flag(struct lbdmap_set *set, uint32_t flag, bool on)
{
	struct lbd_control *c = MEM(set, CONTROL, struct lbd_control);
	uint32_t flags = on ? c->flags | flag : c->flags & ~flag;

	__atomic_store_n(&c->flags, flags, __ATOMIC_RELEASE);
}

static int put(struct lbdmap_set *set, enum lbdmap_id id, const void *key, const void *value)
{
	int rc = set_must_own(set);

	if (!rc && bpf_map_update_elem(set->fd[id], key, value, BPF_ANY))
		rc = -errno;
	return rc;
}

static int del(struct lbdmap_set *set, enum lbdmap_id id, const void *key)
{
	int rc = set_must_own(set);

	if (!rc && bpf_map_delete_elem(set->fd[id], key))
		rc = -errno;
	return rc;
}

static struct lbd_bind *bind_aside(struct lbdmap_set *set, const struct lbd_service_key *k)
{
	return MEM(set, BIND, struct lbd_bind) +
	       LBD_BIND_INDEX(lbd_filter_bit(&k->addr, k->port_be, k->proto));
}

/* The latest bind of a place has it; the one before is found in the map. */
static void bind_aside_put(struct lbdmap_set *set, const struct lbd_service_key *key,
			   const struct lbd_service_ref *ref)
{
	struct lbd_bind *b = bind_aside(set, key);

	__atomic_store_n(&b->service, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n(&b->flags, ref->flags, __ATOMIC_SEQ_CST);
	b->key = *key;
	__atomic_store_n(&b->service, ref->service, __ATOMIC_SEQ_CST);
}

static void bind_aside_del(struct lbdmap_set *set, const struct lbd_service_key *key)
{
	struct lbd_bind *b = bind_aside(set, key);

	if (!memcmp(&b->key, key, sizeof(*key)))
		__atomic_store_n(&b->service, 0, __ATOMIC_SEQ_CST);
}

int lbdmap_bind_put(struct lbdmap_set *set, const struct lbd_service_key *key, uint32_t service,
		    uint32_t ref_flags)
{
	struct lbd_service_ref ref = { service, ref_flags };
	static const union lbd_addr any;
	int rc;

	if (!service || service >= set->entries[LBDMAP_SERVICE])
		return -EINVAL;
	rc = put(set, LBDMAP_SERVICES, key, &ref);
	if (rc)
		return rc;
	bind_aside_put(set, key, &ref);
	filter_add(set, &key->addr, key->port_be, key->proto);
	filter_add(set, &key->addr, 0, 1);
	if (!memcmp(&key->addr, &any, sizeof(any)))
		control_flag(set, LBD_C_ANYADDR, true);
	return 0;
}

int lbdmap_bind_del(struct lbdmap_set *set, const struct lbd_service_key *key)
{
	int rc = del(set, LBDMAP_SERVICES, key);

	if (!rc) {
		bind_aside_del(set, key);
		set->filter_stale = true;
	}
	return rc;
}

int lbdmap_local_put(struct lbdmap_set *set, const union lbd_addr *a, uint32_t ifindex)
{
	return put(set, LBDMAP_LOCAL, a, &ifindex);
}

int lbdmap_local_del(struct lbdmap_set *set, const union lbd_addr *a)
{
	return del(set, LBDMAP_LOCAL, a);
}

static int prefix(struct lbd_prefix *p, const union lbd_addr *a, unsigned int len)
{
	bool v4 = lbdmap_addr_is_v4(a);

	if (len > (v4 ? 32 : 128))
		return -EINVAL;
	p->len = len + (v4 ? 96 : 0);
	p->addr = *a;
	return 0;
}

int lbdmap_route_put(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len,
		     uint32_t nexthop)
{
	struct lbd_prefix p;
	int rc = prefix(&p, a, len);

	return rc ? rc : put(set, LBDMAP_ROUTE, &p, &nexthop);
}

int lbdmap_route_del(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len)
{
	struct lbd_prefix p;
	int rc = prefix(&p, a, len);

	return rc ? rc : del(set, LBDMAP_ROUTE, &p);
}

int lbdmap_deny_put(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len, uint64_t id)
{
	struct lbd_deny d = { .id = id };
	struct lbd_prefix p;
	int rc = prefix(&p, a, len);

	if (!rc)
		rc = put(set, LBDMAP_DENY, &p, &d);
	if (!rc)
		control_flag(set, LBD_C_DENY, true);
	return rc;
}

int lbdmap_deny_del(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len)
{
	struct lbd_prefix p, any;
	int rc = prefix(&p, a, len);

	if (!rc)
		rc = del(set, LBDMAP_DENY, &p);
	if (!rc && bpf_map_get_next_key(set->fd[LBDMAP_DENY], NULL, &any))
		control_flag(set, LBD_C_DENY, false);
	return rc;
}

/* Next hops carry their device's capability, which saves the packet a look-up. */
static void nexthops_follow(struct lbdmap_set *set, uint32_t ifindex, bool xmit)
{
	struct lbd_nexthop *n = MEM(set, NEXTHOP, struct lbd_nexthop);

	for (uint32_t i = 1; i < set->entries[LBDMAP_NEXTHOP]; i++)
		if (n[i].flags & LBD_NH_USED && n[i].ifindex == ifindex)
			__atomic_store_n(&n[i].flags,
					 (n[i].flags & ~LBD_NH_XMIT) | (xmit ? LBD_NH_XMIT : 0),
					 __ATOMIC_RELEASE);
}

int lbdmap_device_put(struct lbdmap_set *set, uint32_t ifindex, const struct lbd_device *d)
{
	int rc = put(set, LBDMAP_DEVICE, &ifindex, d);

	if (!rc)
		nexthops_follow(set, ifindex, d->flags & LBD_DEV_XMIT);
	return rc;
}

int lbdmap_device_del(struct lbdmap_set *set, uint32_t ifindex)
{
	int rc = del(set, LBDMAP_DEVICE, &ifindex);

	if (!rc)
		nexthops_follow(set, ifindex, false);
	return rc;
}

/* ---- Whole-set values -------------------------------------------------------------------------------------- */

int lbdmap_ports_set(struct lbdmap_set *set, uint16_t lo, uint16_t hi)
{
	struct lbd_control *c = MEM(set, CONTROL, struct lbd_control);
	int rc = set_must_own(set);

	if (rc)
		return rc;
	if (!lo || hi < lo)
		return -EINVAL;
	c->port_lo = lo;
	c->port_hi = hi;
	return 0;
}

int lbdmap_embryonic_set(struct lbdmap_set *set, uint32_t ticks)
{
	int rc = set_must_own(set);

	if (!rc)
		MEM(set, CONTROL, struct lbd_control)->embryonic_ticks = ticks;
	return rc;
}

int lbdmap_sample_set(struct lbdmap_set *set, uint32_t one_in)
{
	int rc = set_must_own(set);

	if (!rc)
		MEM(set, CONTROL, struct lbd_control)->sample = one_in;
	return rc;
}

int lbdmap_commit(struct lbdmap_set *set, uint64_t config_hash)
{
	struct lbd_control *c = MEM(set, CONTROL, struct lbd_control);
	int rc = set_must_own(set);

	if (!rc && set->filter_stale)
		rc = filter_rebuild(set);
	if (rc)
		return rc;
	c->config_hash = config_hash;
	__atomic_store_n(&c->generation, c->generation + 1, __ATOMIC_RELEASE);
	return 0;
}

/* ---- Meta -------------------------------------------------------------------------------------------------- */

int lbdmap_meta_put(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, uint32_t index,
		    uint64_t value, const char *text)
{
	struct lbd_meta_key key = { .id = id, .kind = kind, .index = index };
	struct lbd_meta m = { .value = value, .generation = lbdmap_control(set)->generation };
	int n = snprintf(m.text, sizeof(m.text), "%s", text ? text : "");

	m.len = n < (int)sizeof(m.text) ? n : (int)sizeof(m.text) - 1;
	return put(set, LBDMAP_META, &key, &m);
}

int lbdmap_meta_del(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, uint32_t index)
{
	struct lbd_meta_key key = { .id = id, .kind = kind, .index = index };

	return del(set, LBDMAP_META, &key);
}

int lbdmap_meta_get(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, uint32_t index,
		    struct lbd_meta *out)
{
	struct lbd_meta_key key = { .id = id, .kind = kind, .index = index };

	return bpf_map_lookup_elem(set->fd[LBDMAP_META], &key, out) ? -errno : 0;
}

int lbdmap_meta_prune(struct lbdmap_set *set)
{
	struct lbd_meta_key key, *prev = NULL, next;
	struct lbd_meta m;
	int rc = set_must_own(set);

	if (rc)
		return rc;
	while (!bpf_map_get_next_key(set->fd[LBDMAP_META], prev, &next)) {
		if (prev && !bpf_map_lookup_elem(set->fd[LBDMAP_META], prev, &m) &&
		    m.generation != lbdmap_control(set)->generation && prev->kind != LBD_META_LINK)
			bpf_map_delete_elem(set->fd[LBDMAP_META], prev);
		key = next;
		prev = &key;
	}
	if (prev && !bpf_map_lookup_elem(set->fd[LBDMAP_META], prev, &m) &&
	    m.generation != lbdmap_control(set)->generation && prev->kind != LBD_META_LINK)
		bpf_map_delete_elem(set->fd[LBDMAP_META], prev);
	return 0;
}
