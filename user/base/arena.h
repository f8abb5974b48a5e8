/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.h - memory with one lifetime: one arena per configuration, one per request.
 * Nothing is freed alone. An arena belongs to one thread at a time.
 */
#ifndef LBD_BASE_ARENA_H
#define LBD_BASE_ARENA_H

#include "base/slice.h"
#include <stdarg.h>

struct arena_chunk;

struct arena {
	struct arena_chunk *chunk; /* the one being filled; older ones hang behind */
	size_t chunk_bytes;        /* size of the next chunk */
};

/* @chunk_bytes: how much is asked of malloc at a time (0: 4096). Allocates nothing yet. */
void arena_init(struct arena *a, size_t chunk_bytes);
/* Frees everything; the arena can be used again. */
void arena_fini(struct arena *a);
/* Frees all but one chunk, which is kept for the next use. */
void arena_reset(struct arena *a);

/* @n bytes, 16-byte aligned, not cleared. Never NULL: the process ends with a message when memory is out. */
void *arena_alloc(struct arena *a, size_t n);
void *arena_zalloc(struct arena *a, size_t n);
char *arena_strdup(struct arena *a, const char *z);
/* A NUL-terminated copy of @s (the NUL is not counted in the returned slice). */
struct slice arena_dup(struct arena *a, struct slice s);
char *arena_printf(struct arena *a, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
char *arena_vprintf(struct arena *a, const char *fmt, va_list ap);

#define ARENA_NEW(a, type) ((type *)arena_zalloc(a, sizeof(type)))

/* malloc that ends the process with a message instead of returning NULL: for start-up and configuration. */
void *xmalloc(size_t n);
void *xzalloc(size_t n);
void *xrealloc(void *p, size_t n);
char *xstrdup(const char *z);

#endif
