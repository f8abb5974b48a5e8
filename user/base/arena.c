/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * arena.c - chunks filled from the front; a request larger than a chunk gets one of its own. See arena.h.
 */
#include "base/arena.h"
#include <stdio.h>
#include <stdlib.h>

#define ARENA_ALIGN 16

struct arena_chunk {
	struct arena_chunk *next;
	size_t size, used; /* of the bytes behind this head */
	char data[] __attribute__((aligned(ARENA_ALIGN)));
};

static void out_of_memory(size_t n)
{
	fprintf(stderr, "lbd: out of memory (%zu bytes wanted)\n", n);
	abort();
}

void *xmalloc(size_t n)
{
	void *p = malloc(n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

void *xzalloc(size_t n)
{
	void *p = calloc(1, n ? n : 1);

	if (!p)
		out_of_memory(n);
	return p;
}

void *xrealloc(void *p, size_t n)
{
	void *q = realloc(p, n ? n : 1);

	if (!q)
		out_of_memory(n);
	return q;
}

char *xstrdup(const char *z)
{
	size_t n = strlen(z) + 1;

	return memcpy(xmalloc(n), z, n);
}

void arena_init(struct arena *a, size_t chunk_bytes)
{
	a->chunk = NULL;
	a->chunk_bytes = chunk_bytes ? chunk_bytes : 4096;
}

void arena_fini(struct arena *a)
{
	while (a->chunk) {
		struct arena_chunk *next = a->chunk->next;

		free(a->chunk);
		a->chunk = next;
	}
}

void arena_reset(struct arena *a)
{
	struct arena_chunk *keep = a->chunk;

	if (!keep)
		return;
	a->chunk = keep->next;
	arena_fini(a);
	keep->next = NULL;
	keep->used = 0;
	a->chunk = keep;
}

/* A large one goes behind the chunk being filled, so that its room is not lost. */
static void *arena_alloc_slow(struct arena *a, size_t n)
{
	size_t size = a->chunk_bytes > sizeof(struct arena_chunk) + n
			      ? a->chunk_bytes - sizeof(struct arena_chunk)
			      : n;
	struct arena_chunk *c = xmalloc(sizeof(*c) + size);

	c->size = size;
	c->used = n;
	if (a->chunk && size == n) {
		c->next = a->chunk->next;
		a->chunk->next = c;
	} else {
		c->next = a->chunk;
		a->chunk = c;
	}
	return c->data;
}

void *arena_alloc(struct arena *a, size_t n)
{
	struct arena_chunk *c = a->chunk;

	n = (n + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
	if (c && c->size - c->used >= n) {
		void *p = c->data + c->used;

		c->used += n;
		return p;
	}
	return arena_alloc_slow(a, n);
}

void *arena_zalloc(struct arena *a, size_t n)
{
	return memset(arena_alloc(a, n), 0, n);
}

struct slice arena_dup(struct arena *a, struct slice s)
{
	char *p = arena_alloc(a, s.n + 1);

	if (s.n)
		memcpy(p, s.p, s.n);
	p[s.n] = 0;
	return slice_make(p, s.n);
}

char *arena_strdup(struct arena *a, const char *z)
{
	return (char *)arena_dup(a, slice_z(z)).p;
}

char *arena_vprintf(struct arena *a, const char *fmt, va_list ap)
{
	va_list again;
	char *p;
	int n;

	va_copy(again, ap);
	n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0)
		return arena_strdup(a, "");
	p = arena_alloc(a, (size_t)n + 1);
	vsnprintf(p, (size_t)n + 1, fmt, ap);
	return p;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
	va_list ap;
	char *p;

	va_start(ap, fmt);
	p = arena_vprintf(a, fmt, ap);
	va_end(ap);
	return p;
}
