// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * coverage.c - notes of used registry rows: a set of what was written, and a file opened at start, so that chroot and
 * other users do not matter. See coverage.h. Any thread, under one lock: only tests switch it on.
 */
#include "base/coverage.h"
#include "base/strbuf.h"
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#define SET_SIZE 16384 /* a power of two, several times the rows there are */

bool coverage_on;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t seen[SET_SIZE];
static int fd = -1;
static bool held;
static struct strbuf waiting;

/* Before main(), so that unit tests need no call. */
__attribute__((constructor)) static void coverage_open(void)
{
	const char *path = getenv("LBD_COVERAGE");

	if (!path || !*path)
		return;
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	coverage_on = fd >= 0;
}

/* false: it was there already. */
static bool add(const char *line, size_t n)
{
	uint64_t h = XXH64(line, n, 0) | 1;

	for (size_t i = h, k = 0; k < SET_SIZE; i++, k++) {
		uint64_t *slot = &seen[i & (SET_SIZE - 1)];

		if (*slot == h)
			return false;
		if (!*slot) {
			*slot = h;
			return true;
		}
	}
	return false;
}

void coverage_write(const char *kind, const char *name)
{
	char line[256];
	int n = snprintf(line, sizeof(line), "%s\t%s\n", kind, name);

	if (n <= 0 || n >= (int)sizeof(line))
		return;
	pthread_mutex_lock(&lock);
	if (add(line, (size_t)n)) {
		if (held && strcmp(kind, "cmdline") != 0)
			strbuf_add(&waiting, line, (size_t)n);
		else if (write(fd, line, (size_t)n) != n)
			coverage_on = false;
	}
	pthread_mutex_unlock(&lock);
}

void coverage_hold(void)
{
	held = true;
}

void coverage_release(void)
{
	if (!coverage_on)
		return;
	pthread_mutex_lock(&lock);
	held = false;
	if (waiting.n && write(fd, waiting.p, waiting.n) != (ssize_t)waiting.n)
		coverage_on = false;
	strbuf_fini(&waiting);
	pthread_mutex_unlock(&lock);
}
