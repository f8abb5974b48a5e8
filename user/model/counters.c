// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Memory of the per-thread counters: one mapping for all of them, so that what is never counted costs nothing.
 * Control thread, before the workers start.
 */
#include "model/counters.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "loop/thread.h"
#include "model/server.h"

static size_t bytes_needed(const struct config *cfg, size_t threads)
{
	const struct proxy *px;
	size_t n = 0;

	list_for_each_entry(px, &cfg->proxies, node)
		n += threads *
		     (sizeof(struct fe_counters) +
		      (1 + (size_t)px->nservers + !!px->direct) * sizeof(struct be_counters));
	return n ? n : 1;
}

static void *take(char **at, size_t n)
{
	void *p = *at;

	*at += n;
	return p;
}

void model_counters_alloc(struct config *cfg)
{
	size_t threads = (size_t)worker_count + 1, n = bytes_needed(cfg, threads);
	char *at = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct proxy *px;
	struct server *s;

	if (at == MAP_FAILED) {
		fputs("lbd: out of memory for counters\n", stderr);
		exit(1);
	}
	list_for_each_entry(px, &cfg->proxies, node) {
		px->fe_count = take(&at, threads * sizeof(struct fe_counters));
		px->be_count = take(&at, threads * sizeof(struct be_counters));
		list_for_each_entry(s, &px->servers, node)
			s->count = take(&at, threads * sizeof(struct be_counters));
		if (px->direct)
			px->direct->count = take(&at, threads * sizeof(struct be_counters));
	}
}
