/* SPDX-License-Identifier: GPL-2.0 */
/*
 * maps.h - the maps as the programs see them, and the read-only switches. Sizes here are place
 * holders: the map library makes the maps (bpf/user/maps.c) and hands them over at load time.
 */
#ifndef LBD_LIB_MAPS_H
#define LBD_LIB_MAPS_H

#include <lbd/abi.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>

/* Set before the load, then constants to the verifier: what they switch off costs nothing. */
const volatile bool dry_run;        /* decide and explain, store nothing */
const volatile __u32 flow_sets = 1; /* control.flow_sets */
const volatile __u32 rev_sets = 1;
const volatile __u64 flow_seed = 1; /* control.seed */
const volatile __u32 hook_kind;     /* enum lbd_hook, for events */

#define LBD_ARRAY(name_, value_, flags_)          \
	struct {                                  \
		__uint(type, BPF_MAP_TYPE_ARRAY); \
		__uint(max_entries, 1);           \
		__uint(map_flags, flags_);        \
		__type(key, __u32);               \
		__type(value, value_);            \
	} name_ SEC(".maps")

LBD_ARRAY(control, struct lbd_control, BPF_F_MMAPABLE);
LBD_ARRAY(filter, __u64, BPF_F_MMAPABLE);
LBD_ARRAY(bind, struct lbd_bind, BPF_F_MMAPABLE);
LBD_ARRAY(service, struct lbd_service, BPF_F_MMAPABLE);
LBD_ARRAY(server, struct lbd_server, BPF_F_MMAPABLE);
LBD_ARRAY(load, struct lbd_load, BPF_F_MMAPABLE);
LBD_ARRAY(source, struct lbd_source, BPF_F_MMAPABLE);
LBD_ARRAY(nexthop, struct lbd_nexthop, BPF_F_MMAPABLE);
LBD_ARRAY(slots, struct lbd_slots, BPF_F_MMAPABLE);
LBD_ARRAY(flow_tag, struct lbd_tags, BPF_F_MMAPABLE);
LBD_ARRAY(flow, struct lbd_flow, BPF_F_MMAPABLE);
LBD_ARRAY(flow_rev, struct lbd_rev_set, BPF_F_MMAPABLE);
LBD_ARRAY(flow_lock, __u32, BPF_F_MMAPABLE);
LBD_ARRAY(explain, struct lbd_explain, 0);

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lbd_service_count);
} service_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lbd_server_count);
} server_count SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct lbd_service_key);
	__type(value, struct lbd_service_ref);
} services SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lbd_device);
} device SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, union lbd_addr);
	__type(value, __u32);
} local SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, union lbd_addr);
	__type(value, struct lbd_nexthop);
} learned SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lbd_prefix);
	__type(value, __u32);
} route SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct lbd_prefix);
	__type(value, struct lbd_deny);
} deny SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} events SEC(".maps");

/* One element of an array map; NULL beyond its end. */
#define map_at(map, index)                             \
	({                                             \
		__u32 index__ = (index);               \
		bpf_map_lookup_elem(&(map), &index__); \
	})

#endif
