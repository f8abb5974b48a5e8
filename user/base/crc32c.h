/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crc32c.h - CRC-32C (Castagnoli, RFC 4960 appendix B), bit by bit: for short texts. Any thread.
 */
#ifndef LBD_BASE_CRC32C_H
#define LBD_BASE_CRC32C_H

#include <stddef.h>
#include <stdint.h>

#define CRC32C_INIT 0xffffffffu

static inline uint32_t crc32c_add(uint32_t crc, const void *p, size_t n)
{
	const unsigned char *b = p;

	for (size_t i = 0; i < n; i++) {
		crc ^= b[i];
		for (int k = 0; k < 8; k++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78u : 0);
	}
	return crc;
}

static inline uint32_t crc32c_end(uint32_t crc)
{
	return ~crc;
}

#endif
