/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Server selection by hash: key to number, number to server.
 *
 * What the daemon and the BPF programs must compute alike, compiled for both from this one file. Pure
 * functions of their arguments, any thread. Not here: how tables and rings are built (user/balance/),
 * and which key a service uses.
 *
 * In BPF the includer has vmlinux.h before this header; elsewhere it brings <linux/types.h> itself.
 * Everything is unsigned 32-bit arithmetic that wraps; bytes are unsigned.
 */
#ifndef LBD_HASH_H
#define LBD_HASH_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

#define LBD_HASH_FN static inline __attribute__((always_inline, unused))

/* A ring of more points than this cannot be searched by lbd_ring_find(): 2^26 - 1. */
#define LBD_RING_HALVINGS   26
#define LBD_RING_POINTS_MAX ((1u << LBD_RING_HALVINGS) - 1)

/* Size of a Maglev table, a prime (Eisenbud et al., NSDI 2016, section 5.3). */
#define LBD_MAGLEV_SIZE 65537u

/* One point of a consistent-hash ring; rings are arrays of these, sorted by `point`. */
struct lbd_ring_point {
	__u32 point;
	__u32 server; /* index of the server, as the builder was told */
};

_Static_assert(sizeof(struct lbd_ring_point) == 8, "ring points are shared with BPF programs");

LBD_HASH_FN __u32 lbd_be32(__u32 word_be)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap32(word_be);
#else
	return word_be;
#endif
}

LBD_HASH_FN __u32 lbd_be16(__u16 half_be)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	return __builtin_bswap16(half_be);
#else
	return half_be;
#endif
}

LBD_HASH_FN __u32 lbd_rotl32(__u32 x, __u32 by)
{
	return (x << (by & 31)) | (x >> ((32 - by) & 31));
}

/*
 * Full-avalanche integer hash (burtleburtle.net/bob/hash/integer.html, the one of six shifts), times a
 * large odd constant. A bijection: two numbers never collide.
 */
LBD_HASH_FN __u32 lbd_mix32(__u32 a)
{
	a = (a + 0x7ed55d16u) + (a << 12);
	a = (a ^ 0xc761c23cu) ^ (a >> 19);
	a = (a + 0x165667b1u) + (a << 5);
	a = (a + 0xd3a2646cu) ^ (a << 9);
	a = (a + 0xfd7046c5u) + (a << 3);
	a = (a ^ 0xb55a4f09u) ^ (a >> 16);
	return a * 3221225473u;
}

/* hash-type ... sdbm, the default function for byte strings. */
LBD_HASH_FN __u32 lbd_sdbm(const __u8 *key, __u32 len)
{
	__u32 h = 0;

	for (__u32 i = 0; i < len; i++)
		h = key[i] + (h << 6) + (h << 16) - h;
	return h;
}

/* hash-type ... djb2 */
LBD_HASH_FN __u32 lbd_djb2(const __u8 *key, __u32 len)
{
	__u32 h = 5381;

	for (__u32 i = 0; i < len; i++)
		h = h * 33 + key[i];
	return h;
}

/* hash-type ... wt6 */
LBD_HASH_FN __u32 lbd_wt6(const __u8 *key, __u32 len)
{
	__u32 h0 = 0xa53c965au, h1 = 0x5ca6953au, r0 = 6, r1 = 18;

	for (__u32 i = 0; i < len; i++) {
		__u32 t0 = ~(h0 ^ key[i]), t1 = ~(h1 + key[i]), x;

		h0 = lbd_rotl32(t1, r0);
		h1 = lbd_rotl32(t0, r1);
		x = ((h0 >> 16) ^ h1) & 0xffff;
		r0 = x & 31;
		r1 = x >> 11;
	}
	return h0 ^ h1;
}

/* hash-type ... crc32: reflected IEEE polynomial 0xedb88320, initial and final complement. */
LBD_HASH_FN __u32 lbd_crc32(const __u8 *key, __u32 len)
{
	__u32 h = ~0u;

	for (__u32 i = 0; i < len; i++) {
		h ^= key[i];
		for (int bit = 0; bit < 8; bit++)
			h = (h >> 1) ^ (0xedb88320u & -(h & 1));
	}
	return ~h;
}

/*
 * `balance source`: client address to number. `addr_be` is the client as an IPv6 address (an IPv4 client
 * v4-mapped) of four words in network order. `listener_v4` says the family of the *listener*: an IPv4
 * listener hashes the one word of the IPv4 address, a dual-stack one all four words of ::ffff:a.b.c.d,
 * which is another number and another server.
 */
LBD_HASH_FN __u32 lbd_addr_number(const __u32 addr_be[4], int listener_v4)
{
	if (listener_v4)
		return lbd_be32(addr_be[3]);
	return lbd_be32(addr_be[0] ^ addr_be[1] ^ addr_be[2] ^ addr_be[3]);
}

/*
 * `balance hash 5-tuple`, lbd's own: addresses as for lbd_addr_number() with all four words, ports in
 * network order. Each part is mixed before the next one joins, so that no pair of fields cancels out.
 */
LBD_HASH_FN __u32 lbd_tuple_number(const __u32 src_be[4], const __u32 dst_be[4], __u16 sport_be,
				   __u16 dport_be, __u8 proto)
{
	__u32 h = lbd_addr_number(src_be, 0);

	h = lbd_mix32(h) ^ lbd_addr_number(dst_be, 0);
	h = lbd_mix32(h) ^ (lbd_be16(sport_be) << 16 | lbd_be16(dport_be));
	return lbd_mix32(h) ^ proto;
}

/* Look-up table: the slot of `number` in a table of `size` slots (size > 0). */
LBD_HASH_FN __u32 lbd_table_slot(__u32 number, __u32 size)
{
	return number % size;
}

/*
 * All ones if a < b, else 0, without a branch: the verifier would follow both sides of each of a
 * search's steps, 2^26 paths. The barrier keeps clang from making a branch of it again.
 */
LBD_HASH_FN __u32 lbd_less_mask(__u32 a, __u32 b)
{
	__u64 borrow = (__u64)a - b;

#ifdef __bpf__
	asm volatile("" : "+r"(borrow));
#endif
	return -(__u32)(borrow >> 63);
}

/*
 * Ring: the index of the point nearest to `number` among `n` sorted ones (0 < n <= LBD_RING_POINTS_MAX).
 * `point_at(ctx, i)` reads the position of point i: an array in user space, a map look-up in BPF; being
 * inlined it costs no call. On equal distance the previous point wins. Always LBD_RING_HALVINGS steps,
 * those longer than n without a read.
 */
LBD_HASH_FN __u32 lbd_ring_find(__u32 number, __u32 n, __u32 (*point_at)(void *ctx, __u32 i),
				void *ctx)
{
	__u32 below = 0; /* how many points lie before `number` */
	__u32 prev, next;

	for (__u32 bit = LBD_RING_HALVINGS; bit > 0; bit--) {
		__u32 by = 1u << (bit - 1), try = below + by, beyond, at;

		if (by > n)
			continue;
		beyond = lbd_less_mask(n, try);
		at = (try & ~beyond) | (n & beyond);
		below += by & ~beyond & lbd_less_mask(point_at(ctx, at - 1), number);
	}
	next = below < n ? below : 0;
	prev = below > 0 ? below - 1 : n - 1;
	if (number - point_at(ctx, prev) <= point_at(ctx, next) - number)
		return prev;
	return next;
}

LBD_HASH_FN __u32 lbd_ring_point_at(void *ctx, __u32 i)
{
	return ((const struct lbd_ring_point *)ctx)[i].point;
}

/* lbd_ring_find() over a plain array; returns the server. */
LBD_HASH_FN __u32 lbd_ring_server(const struct lbd_ring_point *ring, __u32 n, __u32 number)
{
	return ring[lbd_ring_find(number, n, lbd_ring_point_at, (void *)ring)].server;
}

#endif /* LBD_HASH_H */
