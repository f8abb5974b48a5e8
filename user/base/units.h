/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * units.h - numbers with units, as the HAProxy manual has them (2.6 section 2.4 "Time format", sizes in 2.x).
 * Each returns 0, or -EINVAL (no number / unknown unit) or -ERANGE (too large); @out is untouched on error.
 */
#ifndef LBD_BASE_UNITS_H
#define LBD_BASE_UNITS_H

#include "base/slice.h"

/* "5s", "100ms", "1d", "50" (milliseconds without unit); us is rounded up. Result in milliseconds. */
int parse_time_ms(struct slice s, uint32_t *out_ms);
/* The same, but a number without a unit counts in @default_unit_us microseconds; result in microseconds. */
int parse_time_us(struct slice s, uint64_t default_unit_us, uint64_t *out_us);
/* "16384", "16k", "1m", "1g" (powers of 1024). */
int parse_size(struct slice s, uint64_t *out);
/* The whole of @s as a decimal number within [min, max]. */
int parse_i64(struct slice s, int64_t min, int64_t max, int64_t *out);
int parse_u32(struct slice s, uint32_t max, uint32_t *out);
/* "3h12m", "14s", "2d4h": at most two units; for people. */
char *format_duration(char *buf, size_t size, uint64_t seconds);

#endif
