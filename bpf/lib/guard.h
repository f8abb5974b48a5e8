/* SPDX-License-Identifier: GPL-2.0 */
/*
 * guard.h - who may not talk to a service at all. Asked for every packet of a client, before flows: an
 * entry made now also ends what is already open.
 */
#ifndef LBD_LIB_GUARD_H
#define LBD_LIB_GUARD_H

step guard(struct pkt *p, struct lbd_control *c)
{
	struct lbd_prefix key;

	if (likely(!(c->flags & LBD_C_DENY)))
		return STEP_NEXT;
	key.len = 128;
	key.addr = p->src;
	if (!bpf_map_lookup_elem(&deny, &key))
		return STEP_NEXT;
	p->steps |= LBD_X_DENIED;
	return LBD_R_DENIED;
}

#endif
