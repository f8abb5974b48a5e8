/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * flowhash.h - where things lie in the flow table and in the filter, for both sides. Not the choice of
 * a server (hash.h). Seeded per map set, so that outsiders cannot aim at one set.
 */
#ifndef LBD_FLOWHASH_H
#define LBD_FLOWHASH_H

#include <lbd/abi.h>

#define LBD_FLOW_FN static inline __attribute__((always_inline, unused))

LBD_FLOW_FN __u64 lbd_fold(const union lbd_addr *a)
{
	__u64 high = (__u64)a->w[0] << 32 | a->w[1], low = (__u64)a->w[2] << 32 | a->w[3];

	return (high * 0x9e3779b97f4a7c15ULL) ^ low;
}

LBD_FLOW_FN __u64 lbd_mix64(__u64 h)
{
	h ^= h >> 32;
	h *= 0xd6e8feb86659fd93ULL;
	h ^= h >> 29;
	return h;
}

/*
 * The hash of one direction of a flow: (far, fport) -> (near, nport). Ports in network order. For the
 * client's direction far is the client, near the service; for replies far is the server.
 */
LBD_FLOW_FN __u64 lbd_flow_hash(__u64 seed, const union lbd_addr *far, const union lbd_addr *near,
				__u16 fport_be, __u16 nport_be, __u8 proto)
{
	__u64 h = lbd_mix64(lbd_fold(far) ^ seed);

	h = lbd_mix64(h + lbd_fold(near) * 0x9fb21c651e98df25ULL);
	h = lbd_mix64(h ^ ((__u64)proto << 32 | (__u64)fport_be << 16 | nport_be));
	return h * 0xc2b2ae3d27d4eb4fULL;
}

/* The two sets of a hash, and its tag (never 0). */
LBD_FLOW_FN __u32 lbd_set_first(__u64 hash, __u32 sets)
{
	return (__u32)((hash & 0xffffffff) * sets >> 32);
}

LBD_FLOW_FN __u32 lbd_set_second(__u64 hash, __u32 sets)
{
	return (__u32)((hash >> 32) * sets >> 32);
}

LBD_FLOW_FN __u16 lbd_flow_tag(__u64 hash)
{
	__u16 tag = (hash * 0x9e3779b97f4a7c15ULL) >> 48;

	return tag ? tag : 1;
}

/*
 * The filter's bit (0..65535) of a destination. Besides exact (address, port, protocol) there are:
 * (:: , port, protocol) of wildcard services; (address, 0, 0) of NAT sources; (address, 0, 1) of every
 * service address, for packets without ports.
 */
LBD_FLOW_FN __u32 lbd_filter_bit(const union lbd_addr *a, __u16 port_be, __u8 proto)
{
	__u64 h = lbd_fold(a) ^ ((__u64)port_be << 40 | (__u64)proto << 56);

	return (h * 0x9fb21c651e98df25ULL) >> 48;
}

#endif
