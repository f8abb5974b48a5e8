/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * strbuf.h - growable text on the heap. After a failed allocation it stays usable and `oom` is set.
 */
#ifndef LBD_BASE_STRBUF_H
#define LBD_BASE_STRBUF_H

#include "base/slice.h"
#include <stdarg.h>

struct strbuf {
	char *p;       /* NUL-terminated when not NULL */
	size_t n, cap; /* n does not count the NUL */
	bool oom;
};

#define STRBUF_INIT               \
	{                         \
		NULL, 0, 0, false \
	}

void strbuf_init(struct strbuf *b);
void strbuf_fini(struct strbuf *b);
static inline void strbuf_reset(struct strbuf *b)
{
	b->n = 0;
	if (b->p)
		b->p[0] = 0;
}
/* Room for @more bytes behind the end; false (and oom) when there is none. */
bool strbuf_reserve(struct strbuf *b, size_t more);
void strbuf_add(struct strbuf *b, const void *p, size_t n);
void strbuf_addc(struct strbuf *b, char c);
void strbuf_adds(struct strbuf *b, const char *z);
void strbuf_add_slice(struct strbuf *b, struct slice s);
void strbuf_add_u64(struct strbuf *b, uint64_t v);
void strbuf_addf(struct strbuf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void strbuf_vaddf(struct strbuf *b, const char *fmt, va_list ap);
/* Adds @s as a JSON string with its quotes. */
void strbuf_add_json(struct strbuf *b, struct slice s);
/* Drops the first @n bytes. */
void strbuf_drop(struct strbuf *b, size_t n);
static inline struct slice strbuf_slice(const struct strbuf *b)
{
	return slice_make(b->p, b->n);
}
static inline const char *strbuf_z(const struct strbuf *b)
{
	return b->p ? b->p : "";
}

#endif
