// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * maps.c - the maps of a set, a row each: kind, element, how many. The programs' declarations
 * (bpf/lib/maps.h) must agree in kind and element; their sizes are place holders.
 */
#include "set_priv.h"

#include <bpf/bpf.h>

static uint32_t one(const struct lbdmap_sizes *s)
{
	return 1;
}

static uint32_t filter_words(const struct lbdmap_sizes *s)
{
	return LBD_FILTER_WORDS;
}

static uint32_t binds(const struct lbdmap_sizes *s)
{
	return LBD_BINDS;
}

static uint32_t learned(const struct lbdmap_sizes *s)
{
	return 16384;
}

static uint32_t locks(const struct lbdmap_sizes *s)
{
	return LBD_LOCKS;
}

static uint32_t services(const struct lbdmap_sizes *s)
{
	return s->services;
}

static uint32_t servers(const struct lbdmap_sizes *s)
{
	return s->servers;
}

static uint32_t sources(const struct lbdmap_sizes *s)
{
	return s->sources;
}

static uint32_t nexthops(const struct lbdmap_sizes *s)
{
	return s->nexthops;
}

static uint32_t routes(const struct lbdmap_sizes *s)
{
	return s->routes;
}

static uint32_t slot_elements(const struct lbdmap_sizes *s)
{
	return (s->slot_words + LBD_SLOT_WORDS - 1) / LBD_SLOT_WORDS;
}

/* At most half of the places are in use when all guaranteed flows are there. */
static uint32_t flow_sets(const struct lbdmap_sizes *s)
{
	return (s->flows * 2ULL + LBD_WAYS - 1) / LBD_WAYS;
}

/* Half as many again: a flood fills every place of the flow table, and still each new flow must find one here. */
static uint32_t rev_sets(const struct lbdmap_sizes *s)
{
	return flow_sets(s) + (flow_sets(s) + 1) / 2;
}

static uint32_t flow_places(const struct lbdmap_sizes *s)
{
	return flow_sets(s) * LBD_WAYS;
}

static uint32_t deny_entries(const struct lbdmap_sizes *s)
{
	return s->deny;
}

static uint32_t devices(const struct lbdmap_sizes *s)
{
	return 4096;
}

static uint32_t locals(const struct lbdmap_sizes *s)
{
	return 8192;
}

static uint32_t metas(const struct lbdmap_sizes *s)
{
	return s->services * 4 + s->servers * 2 + 1024;
}

static uint32_t event_bytes(const struct lbdmap_sizes *s)
{
	return 1 << 18;
}

// clang-format off
#define MMAP BPF_F_MMAPABLE
#define ROW(id, name, kind, key, value, flags, entries) \
	[LBDMAP_##id] = { name, BPF_MAP_TYPE_##kind, key, value, flags, entries }

const struct map_row map_rows[LBDMAP_MAPS] = {
	ROW(CONTROL, "control", ARRAY, 4, sizeof(struct lbd_control), MMAP, one),
	ROW(FILTER, "filter", ARRAY, 4, 8, MMAP, filter_words),
	ROW(SERVICES, "services", HASH, sizeof(struct lbd_service_key), sizeof(struct lbd_service_ref), 0, services),
	ROW(BIND, "bind", ARRAY, 4, sizeof(struct lbd_bind), MMAP, binds),
	ROW(SERVICE, "service", ARRAY, 4, sizeof(struct lbd_service), MMAP, services),
	ROW(SERVER, "server", ARRAY, 4, sizeof(struct lbd_server), MMAP, servers),
	ROW(LOAD, "load", ARRAY, 4, sizeof(struct lbd_load), MMAP, servers),
	ROW(SOURCE, "source", ARRAY, 4, sizeof(struct lbd_source), MMAP, sources),
	ROW(NEXTHOP, "nexthop", ARRAY, 4, sizeof(struct lbd_nexthop), MMAP, nexthops),
	ROW(LEARNED, "learned", LRU_HASH, sizeof(union lbd_addr), sizeof(struct lbd_nexthop), 0, learned),
	ROW(ROUTE, "route", LPM_TRIE, sizeof(struct lbd_prefix), 4, BPF_F_NO_PREALLOC, routes),
	ROW(SLOTS, "slots", ARRAY, 4, sizeof(struct lbd_slots), MMAP, slot_elements),
	ROW(FLOW_TAG, "flow_tag", ARRAY, 4, sizeof(struct lbd_tags), MMAP, flow_sets),
	ROW(FLOW, "flow", ARRAY, 4, sizeof(struct lbd_flow), MMAP, flow_places),
	ROW(FLOW_REV, "flow_rev", ARRAY, 4, sizeof(struct lbd_rev_set), MMAP, rev_sets),
	ROW(FLOW_LOCK, "flow_lock", ARRAY, 4, 4, MMAP, locks),
	ROW(DEVICE, "device", HASH, 4, sizeof(struct lbd_device), 0, devices),
	ROW(LOCAL, "local", HASH, sizeof(union lbd_addr), 4, 0, locals),
	ROW(DENY, "deny", LPM_TRIE, sizeof(struct lbd_prefix), sizeof(struct lbd_deny), BPF_F_NO_PREALLOC, deny_entries),
	ROW(SERVICE_COUNT, "service_count", PERCPU_ARRAY, 4, sizeof(struct lbd_service_count), 0, services),
	ROW(SERVER_COUNT, "server_count", PERCPU_ARRAY, 4, sizeof(struct lbd_server_count), 0, servers),
	ROW(META, "meta", HASH, sizeof(struct lbd_meta_key), sizeof(struct lbd_meta), BPF_F_NO_PREALLOC, metas),
	ROW(OWNER, "owner", ARRAY, 4, sizeof(struct lbd_owner), 0, one),
	ROW(EVENTS, "events", RINGBUF, 0, 0, 0, event_bytes),
};
// clang-format on

void sizes_default(struct lbdmap_sizes *s)
{
	if (!s->flows)
		s->flows = 65536;
	if (!s->services)
		s->services = 1024;
	if (!s->servers)
		s->servers = 16384;
	if (!s->sources)
		s->sources = 1024;
	if (!s->nexthops)
		s->nexthops = 16384;
	if (!s->slot_words)
		s->slot_words = 4194304;
	if (!s->routes)
		s->routes = 16384;
	if (!s->deny)
		s->deny = 131072;
}
