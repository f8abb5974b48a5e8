/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * retire.c - what an earlier process served in the kernel and this configuration no longer has. Its addresses are pointed to a
 * service without servers: known flows go on, new connections reach the host's own socket. An address goes when its last flow
 * has ended. See mirror.h. Control thread.
 */
#include "datapath/mirror.h"
#include <stdlib.h>

struct retired_key {
	struct lbd_service_key key;
	bool busy;
};
static struct retired_key *keys;
static int nkeys;
static uint32_t empty_slot; /* the service without servers */

static uint64_t live_flows(uint32_t slot)
{
	struct lbd_service_count c;

	if (lbdmap_service_count(mirror.set, slot, &c))
		return 0;
	return c.flows_new > c.flows_closed ? c.flows_new - c.flows_closed : 0;
}

static bool slot_is_ours(uint32_t slot)
{
	for (int i = 0; i < mirror.nservices; i++)
		if (mirror.services[i].slot == slot)
			return true;
	return slot == empty_slot;
}

static bool empty_service_make(void)
{
	struct lbd_service e = { .flags = LBD_S_USED, .draws = 1 };
	int64_t slot;

	if (empty_slot)
		return true;
	slot = lbdmap_slot_take(mirror.set, LBDMAP_SERVICE, 1);
	if (slot < 0 || lbdmap_service_put(mirror.set, (uint32_t)slot, &e) ||
	    lbdmap_table_publish(mirror.set, (uint32_t)slot, LBD_FORM_NONE, NULL, NULL, 0))
		return false;
	empty_slot = (uint32_t)slot;
	return true;
}

void mirror_retire_begin(bool (*is_ours)(const struct lbd_service_key *k))
{
	const struct lbdmap_map *m = lbdmap_map_find("services");
	struct lbd_service_key k;
	bool started = false;

	while (lbdmap_map_next(mirror.set, m, &started, &k) == 1) {
		if (is_ours(&k))
			continue;
		keys = xrealloc(keys, sizeof(*keys) * (size_t)(nkeys + 1));
		keys[nkeys++] = (struct retired_key){ .key = k };
	}
	for (int i = 0; i < nkeys; i++) {
		if (empty_service_make())
			lbdmap_bind_put(mirror.set, &keys[i].key, empty_slot, 0);
		else
			lbdmap_bind_del(mirror.set, &keys[i].key);
	}
}

/* Which of the keys a flow still uses. O(flow table), so only while there are keys, and not often. */
static void find_busy(void)
{
	static const union lbd_addr any;
	struct lbd_flow f;
	uint32_t cursor = 0, place;

	for (int i = 0; i < nkeys; i++)
		keys[i].busy = false;
	while (lbdmap_flow_next(mirror.set, &cursor, &f, &place) == 1) {
		if (LBD_FLOW_STATE(f.word) == LBD_FLOW_CLOSED)
			continue;
		for (int i = 0; i < nkeys; i++)
			if (keys[i].key.port_be == f.vport_be &&
			    (memcmp(&keys[i].key.addr, &any, sizeof(any)) == 0 ||
			     memcmp(&keys[i].key.addr, &f.vip, sizeof(f.vip)) == 0))
				keys[i].busy = true;
	}
}

int mirror_retire_go_on(void)
{
	const struct lbd_service *e;
	int left = 0;

	if (nkeys)
		find_busy();
	for (int i = 0; i < nkeys; i++) {
		if (keys[i].busy)
			keys[left++] = keys[i];
		else
			lbdmap_bind_del(mirror.set, &keys[i].key);
	}
	nkeys = left;
	if (!nkeys && empty_slot) {
		uint32_t slot = empty_slot;

		empty_slot = 0;
		lbdmap_slot_give(mirror.set, LBDMAP_SERVICE, slot);
	}
	/* slots that another content of the same address replaced: flows still name them */
	for (uint32_t slot = 1; (e = lbdmap_service(mirror.set, slot)); slot++) {
		if (!(e->flags & LBD_S_USED) || slot_is_ours(slot))
			continue;
		if (live_flows(slot))
			left++;
		else
			lbdmap_slot_give(mirror.set, LBDMAP_SERVICE, slot);
	}
	return left;
}
