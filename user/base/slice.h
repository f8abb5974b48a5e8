/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * slice.h - a pointer and a length: text or bytes that somebody else owns.
 * Not NUL-terminated. Any thread.
 */
#ifndef LBD_BASE_SLICE_H
#define LBD_BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

struct slice {
	const char *p;
	size_t n;
};

#define SLICE(lit)                      ((struct slice){ "" lit, sizeof(lit) - 1 })
#define SLICE_NONE                      ((struct slice){ NULL, 0 })
#define SLICE_FMT(s)                    (int)(s).n, (s).p /* for "%.*s" */
#define ARRAY_SIZE(a)                   (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

static inline struct slice slice_make(const void *p, size_t n)
{
	return (struct slice){ (const char *)p, n };
}

static inline struct slice slice_z(const char *z)
{
	return (struct slice){ z, z ? strlen(z) : 0 };
}

static inline bool slice_eq(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

/* ASCII case is ignored. */
static inline bool slice_eq_case(struct slice a, struct slice b)
{
	return a.n == b.n && (a.n == 0 || strncasecmp(a.p, b.p, a.n) == 0);
}

static inline bool slice_eq_z(struct slice a, const char *z)
{
	return slice_eq(a, slice_z(z));
}

static inline bool slice_has_prefix(struct slice a, struct slice prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || memcmp(a.p, prefix.p, prefix.n) == 0);
}

static inline bool slice_has_prefix_case(struct slice a, struct slice prefix)
{
	return a.n >= prefix.n && (prefix.n == 0 || strncasecmp(a.p, prefix.p, prefix.n) == 0);
}

static inline bool slice_has_suffix(struct slice a, struct slice suffix)
{
	return a.n >= suffix.n &&
	       (suffix.n == 0 || memcmp(a.p + a.n - suffix.n, suffix.p, suffix.n) == 0);
}

/* The part from @from on; empty when @from is past the end. */
static inline struct slice slice_from(struct slice a, size_t from)
{
	if (from > a.n)
		from = a.n;
	return (struct slice){ from ? a.p + from : a.p, a.n - from }; /* NULL + 0 is no pointer */
}

/* The first @n bytes at most. */
static inline struct slice slice_first(struct slice a, size_t n)
{
	return (struct slice){ a.p, n < a.n ? n : a.n };
}

/* Index of @c, or -1. */
static inline ptrdiff_t slice_chr(struct slice a, char c)
{
	const char *f = a.n ? (const char *)memchr(a.p, c, a.n) : NULL;

	return f ? f - a.p : -1;
}

static inline struct slice slice_trim(struct slice a)
{
	while (a.n && (a.p[0] == ' ' || a.p[0] == '\t')) {
		a.p++;
		a.n--;
	}
	while (a.n && (a.p[a.n - 1] == ' ' || a.p[a.n - 1] == '\t'))
		a.n--;
	return a;
}

#endif
