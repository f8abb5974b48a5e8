/* SPDX-License-Identifier: GPL-2.0 */
/*
 * count.h - per-CPU counters of services and servers, and the shared number of a server's flows.
 */
#ifndef LBD_LIB_COUNT_H
#define LBD_LIB_COUNT_H

#define count_add(map, slot, field, n)                                          \
	do {                                                                    \
		typeof(&map) map__ = &map;                                      \
		__u32 slot__ = (slot);                                          \
		typeof(map__->value) c__ = bpf_map_lookup_elem(map__, &slot__); \
		if (c__)                                                        \
			c__->field += (n);                                      \
	} while (0)

/* A flow was made: exact, because each flow passes here once. */
static __always_inline void count_flow_new(__u32 svc, __u32 srv)
{
	struct lbd_load *l = map_at(load, srv);

	if (l)
		__sync_fetch_and_add(&l->flows, 1);
	count_add(service_count, svc, flows_new, 1);
	count_add(server_count, srv, flows_new, 1);
}

static __always_inline void count_flow_open(__u32 svc, __u32 srv)
{
	count_add(service_count, svc, flows_open, 1);
	count_add(server_count, srv, flows_open, 1);
}

/* A flow left the states SYN..HALF; called by whoever changed its word. */
static __always_inline void count_flow_closed(__u32 svc, __u32 srv)
{
	struct lbd_load *l = map_at(load, srv);

	if (l)
		__sync_fetch_and_add(&l->flows, -1);
	count_add(service_count, svc, flows_closed, 1);
	count_add(server_count, srv, flows_closed, 1);
}

#endif
