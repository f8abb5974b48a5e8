/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * edit.h - changing a set, for its owner: services, servers, sources, next hops, tables. Every function
 * returns 0 or -errno; -EROFS: this handle does not own the set.
 *
 * Order for something new: source, nexthop, server, service, table, bind. Removal in reverse, then
 * lbdmap_commit().
 */
#ifndef LBDMAP_EDIT_H
#define LBDMAP_EDIT_H

#include <lbdmap/set.h>

/*
 * A slot that is not in use, handed out once (round robin, so that a slot rests for long); 0 is never one. Negative: -ENOSPC.
 * For LBDMAP_SERVICE, LBDMAP_SERVER, LBDMAP_SOURCE, LBDMAP_NEXTHOP. A server's slot is only taken again when
 * no flow counts on it. @n slots in a row (sources).
 */
int64_t lbdmap_slot_take(struct lbdmap_set *set, enum lbdmap_id id, uint32_t n);
/* Gives it back; the element is cleared. */
int lbdmap_slot_give(struct lbdmap_set *set, enum lbdmap_id id, uint32_t slot);

/* Writes everything but the table and the counters; the slot is in use afterwards. */
int lbdmap_service_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_service *s);
/* Writes a new server. For one in use only flags, weight, maxconn, nexthop and sources may differ, else -EBUSY. */
int lbdmap_server_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_server *s);
/* Up or down for new flows at once, before the tables follow. @reset: cut its flows by RST too. */
int lbdmap_server_state(struct lbdmap_set *set, uint32_t slot, bool up, bool reset);
int lbdmap_server_nexthop(struct lbdmap_set *set, uint32_t slot, uint32_t nexthop);
int lbdmap_source_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_source *s);
/* Only into a slot that nobody points at yet: next hops are immutable, take a new one and re-point. */
int lbdmap_nexthop_put(struct lbdmap_set *set, uint32_t slot, const struct lbd_nexthop *n);

/* ---- Tables ------------------------------------------------------------------------------------------- */

/*
 * Publishes a service's table: @n server slots for LBD_FORM_TABLE; for LBD_FORM_RING @n sorted points in
 * @points and their servers. LBD_FORM_NONE: no usable server. Equal tables share memory. One 8-byte
 * store; the region before it is used again after 100 ms. -EAGAIN: full of regions that die within that time:
 * try again; -ENOSPC: `slots` is too small; -E2BIG: 2^24 slots or more.
 */
int lbdmap_table_publish(struct lbdmap_set *set, uint32_t service, enum lbd_form form,
			 const uint32_t *points, const uint32_t *servers, uint32_t n);
/* Words in use, and in all. */
void lbdmap_table_usage(struct lbdmap_set *set, uint32_t *used, uint32_t *all);

/* ---- Addresses ---------------------------------------------------------------------------------------- */

int lbdmap_bind_put(struct lbdmap_set *set, const struct lbd_service_key *key, uint32_t service,
		    uint32_t ref_flags);
int lbdmap_bind_del(struct lbdmap_set *set, const struct lbd_service_key *key);
/* This host's own addresses, for wildcard services and for "from-self". */
int lbdmap_local_put(struct lbdmap_set *set, const union lbd_addr *a, uint32_t ifindex);
int lbdmap_local_del(struct lbdmap_set *set, const union lbd_addr *a);
/* Prefix lengths as written: 24 of 192.0.2.0/24 (96 is added for IPv4). */
int lbdmap_route_put(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len,
		     uint32_t nexthop);
int lbdmap_route_del(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len);
int lbdmap_deny_put(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len, uint64_t id);
int lbdmap_deny_del(struct lbdmap_set *set, const union lbd_addr *a, unsigned int len);
int lbdmap_device_put(struct lbdmap_set *set, uint32_t ifindex, const struct lbd_device *d);
int lbdmap_device_del(struct lbdmap_set *set, uint32_t ifindex);

/* ---- Whole-set values --------------------------------------------------------------------------------- */

int lbdmap_ports_set(struct lbdmap_set *set, uint16_t lo, uint16_t hi);
int lbdmap_embryonic_set(struct lbdmap_set *set, uint32_t ticks);
int lbdmap_sample_set(struct lbdmap_set *set, uint32_t one_in); /* 0: no events */
/* After a series of edits: the filter forgets what was removed, generation + 1, the configuration's hash. */
int lbdmap_commit(struct lbdmap_set *set, uint64_t config_hash);

/* ---- Meta --------------------------------------------------------------------------------------------- */

int lbdmap_meta_put(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, uint32_t index,
		    uint64_t value, const char *text);
int lbdmap_meta_del(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, uint32_t index);
/* -ENOENT if there is none. Readers too. */
int lbdmap_meta_get(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, uint32_t index,
		    struct lbd_meta *out);
/* Forgets every entry whose generation is not the present one: after a configuration was written anew. */
int lbdmap_meta_prune(struct lbdmap_set *set);

#endif
