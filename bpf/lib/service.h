/* SPDX-License-Identifier: GPL-2.0 */
/*
 * service.h - is the packet for a service, or may it be a server's reply? The filter answers for
 * foreign packets; only what passes it costs a hash look-up.
 */
#ifndef LBD_LIB_SERVICE_H
#define LBD_LIB_SERVICE_H

#include <lbd/flowhash.h>

static __always_inline bool filter_bit_set(__u32 bit)
{
	__u64 *word = map_at(filter, bit >> 6);

	return word && *word >> (bit & 63) & 1;
}

static __always_inline bool filter_has(const union lbd_addr *a, __be16 port, __u8 proto)
{
	return filter_bit_set(lbd_filter_bit(a, port, proto));
}

/* The look-aside; false: ask the map. */
static __always_inline bool service_aside(struct pkt *p, const union lbd_addr *a, __u32 bit)
{
	struct lbd_bind *b = map_at(bind, LBD_BIND_INDEX(bit));
	__u32 slot;

	if (!b)
		return false;
	slot = READ_ONCE(b->service);
	barrier();
	if (!slot || b->key.port_be != p->dport || b->key.proto != p->proto ||
	    !addr_eq(&b->key.addr, a))
		return false;
	p->ref_flags = b->flags;
	barrier();
	if (READ_ONCE(b->service) != slot)
		return false;
	p->service = slot;
	p->steps |= LBD_X_SERVICE;
	return true;
}

static __always_inline bool service_at(struct pkt *p, const union lbd_addr *a, __u32 bit)
{
	struct lbd_service_key key = { .addr = *a, .port_be = p->dport, .proto = p->proto };
	struct lbd_service_ref *ref;

	if (likely(service_aside(p, a, bit)))
		return true;
	ref = bpf_map_lookup_elem(&services, &key);
	if (!ref)
		return false;
	p->service = ref->service;
	p->ref_flags = ref->flags;
	p->steps |= LBD_X_SERVICE;
	return true;
}

static __always_inline bool service_wildcard(struct pkt *p)
{
	static const union lbd_addr any;
	union lbd_addr zero = any;
	__u32 bit = lbd_filter_bit(&zero, p->dport, p->proto);

	if (!filter_bit_set(bit) || !bpf_map_lookup_elem(&local, &p->dst))
		return false;
	if (!service_at(p, &zero, bit))
		return false;
	p->steps |= LBD_X_WILDCARD;
	return true;
}

/* Sets p->service, or p->reply for what may be a server's answer. */
step service_find(struct pkt *p, struct lbd_control *c)
{
	__u16 port = bpf_ntohs(p->dport);
	__u32 bit;

	if (unlikely(p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6))
		return filter_has(&p->dst, 0, 1) ? LBD_R_ICMP : LBD_R_NOT_OURS;
	bit = lbd_filter_bit(&p->dst, p->dport, p->proto);
	if (filter_bit_set(bit) && service_at(p, &p->dst, bit))
		return p->is_v6 ? LBD_R_IPV6 : STEP_NEXT;
	if (c->flags & LBD_C_ANYADDR && service_wildcard(p))
		return p->is_v6 ? LBD_R_IPV6 : STEP_NEXT;
	if (p->proto == IPPROTO_TCP && !p->is_v6 && port >= c->port_lo && port <= c->port_hi &&
	    filter_has(&p->dst, 0, 0)) {
		p->reply = 1;
		return STEP_NEXT;
	}
	return LBD_R_NOT_OURS;
}

#endif
