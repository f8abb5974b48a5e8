// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * mapio.c - elements of any map by its row (fields.c): iterate, get, set, delete. Edits of maps with
 * side effects (filter, in-use flags) go through the same functions as the daemon's.
 */
#include "set_priv.h"

#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>

static bool element_is_used(struct lbdmap_set *set, const struct lbdmap_map *m, uint32_t i)
{
	static const struct lbd_slots empty;
	struct lbd_flow f;

	switch (m->id) {
	case LBDMAP_SERVICE:
	case LBDMAP_SERVICE_COUNT:
		return (i == 0 && m->percpu) || lbdmap_service(set, i)->flags & LBD_S_USED;
	case LBDMAP_SERVER:
	case LBDMAP_SERVER_COUNT:
	case LBDMAP_LOAD:
		return lbdmap_server(set, i)->flags & LBD_SRV_USED || lbdmap_load(set, i)->flows;
	case LBDMAP_SOURCE:
		return lbdmap_source(set, i)->port_hi != 0;
	case LBDMAP_NEXTHOP:
		return lbdmap_nexthop(set, i)->flags & LBD_NH_USED;
	case LBDMAP_BIND:
		return MEM(set, BIND, struct lbd_bind)[i].service != 0;
	case LBDMAP_SLOTS:
		return memcmp(&MEM(set, SLOTS, struct lbd_slots)[i], &empty, sizeof(empty));
	case LBDMAP_FLOW:
		return !lbdmap_flow_read(set, i, &f);
	default:
		return true;
	}
}

int lbdmap_map_next(struct lbdmap_set *set, const struct lbdmap_map *m, bool *started, void *key)
{
	uint32_t i;

	if (!m->is_array) {
		int rc = bpf_map_get_next_key(set->fd[m->id], *started ? key : NULL, key);

		*started = true;
		return rc ? (errno == ENOENT ? 0 : -errno) : 1;
	}
	memcpy(&i, key, 4);
	for (i = *started ? i + 1 : 0; i < set->entries[m->id]; i++)
		if (element_is_used(set, m, i)) {
			memcpy(key, &i, 4);
			*started = true;
			return 1;
		}
	return 0;
}

int lbdmap_map_get(struct lbdmap_set *set, const struct lbdmap_map *m, const void *key, void *value)
{
	uint32_t slot = 0;

	if (m->is_array)
		memcpy(&slot, key, 4);
	switch (m->id) {
	case LBDMAP_SERVICE_COUNT:
		return lbdmap_service_count(set, slot, value);
	case LBDMAP_SERVER_COUNT:
		return lbdmap_server_count(set, slot, value);
	case LBDMAP_FLOW:
		return lbdmap_flow_read(set, slot, value);
	default:
		return bpf_map_lookup_elem(set->fd[m->id], key, value) ? -errno : 0;
	}
}

static int control_set(struct lbdmap_set *set, const struct lbd_control *c)
{
	const struct lbd_control *now = lbdmap_control(set);
	int rc;

	/* Sizes and seed are facts about the set, not wishes. */
	if (c->abi != now->abi || c->seed != now->seed || c->flow_sets != now->flow_sets ||
	    c->rev_sets != now->rev_sets || c->flows != now->flows)
		return -EPERM;
	rc = lbdmap_ports_set(set, c->port_lo, c->port_hi);
	if (!rc)
		rc = lbdmap_sample_set(set, c->sample);
	return rc ? rc : lbdmap_embryonic_set(set, c->embryonic_ticks);
}

int lbdmap_map_set(struct lbdmap_set *set, const struct lbdmap_map *m, const void *key,
		   const void *value)
{
	const struct lbd_service_ref *ref = value;
	int rc = set_must_own(set);
	uint32_t slot = 0;

	if (rc)
		return rc;
	if (!m->editable)
		return -EPERM;
	if (m->is_array)
		memcpy(&slot, key, 4);
	switch (m->id) {
	case LBDMAP_CONTROL:
		return control_set(set, value);
	case LBDMAP_SERVICES:
		return lbdmap_bind_put(set, key, ref->service, ref->flags);
	case LBDMAP_SERVICE:
		return lbdmap_service_put(set, slot, value);
	case LBDMAP_SERVER:
		return lbdmap_server_put(set, slot, value);
	case LBDMAP_SOURCE:
		return lbdmap_source_put(set, slot, value);
	case LBDMAP_NEXTHOP:
		return lbdmap_nexthop_put(set, slot, value);
	case LBDMAP_DENY: {
		const struct lbd_prefix *p = key;

		return lbdmap_deny_put(set, &p->addr,
				       p->len - (lbdmap_addr_is_v4(&p->addr) ? 96 : 0),
				       ((const struct lbd_deny *)value)->id);
	}
	case LBDMAP_DEVICE:
		return lbdmap_device_put(set, *(const uint32_t *)key, value);
	default:
		return bpf_map_update_elem(set->fd[m->id], key, value, BPF_ANY) ? -errno : 0;
	}
}

int lbdmap_map_del(struct lbdmap_set *set, const struct lbdmap_map *m, const void *key)
{
	int rc = set_must_own(set);
	uint32_t slot = 0;

	if (rc)
		return rc;
	if (!m->editable || m->id == LBDMAP_CONTROL)
		return -EPERM;
	if (m->is_array) {
		memcpy(&slot, key, 4);
		return lbdmap_slot_give(set, m->id, slot);
	}
	if (m->id == LBDMAP_DEVICE)
		return lbdmap_device_del(set, *(const uint32_t *)key);
	if (m->id == LBDMAP_SERVICES) {
		rc = lbdmap_bind_del(set, key);
		return rc ? rc : filter_rebuild(set);
	}
	if (m->id == LBDMAP_DENY) {
		const struct lbd_prefix *p = key;

		return lbdmap_deny_del(set, &p->addr,
				       p->len - (lbdmap_addr_is_v4(&p->addr) ? 96 : 0));
	}
	return bpf_map_delete_elem(set->fd[m->id], key) ? -errno : 0;
}
