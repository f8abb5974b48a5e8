// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Limits of the process. Control thread, before the workers start.
 */
#include "process/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include "loop/thread.h"
#include "model/server.h"

#define FALLBACK_MAXCONN 100 /* when the limit of descriptors is too low for anything sensible */
#define MAXCONN_CEILING \
	1048576 /* without maxconn in the file an unlimited system is not taken at its word */
#define SPARE_DESCRIPTORS \
	64 /* standard streams, logs, netlink, maps, runtime API, checks under way */

/* What is needed besides two descriptors per connection. */
static uint64_t fixed_descriptors(const struct config *cfg)
{
	uint64_t n =
		SPARE_DESCRIPTORS + 4 * (uint64_t)limits_workers(cfg) + cfg->global.stats_maxconn;
	const struct proxy *px;
	const struct server *s;

	list_for_each_entry(px, &cfg->proxies, node) {
		const struct bind_conf *b;
		const struct bind_address *x;

		list_for_each_entry(b, &px->binds, node)
			list_for_each_entry(x, &b->addresses, node)
				n += x->is_prefix ? limits_workers(cfg)
						  : (uint64_t)(x->port_end - x->addr.port + 1) *
							    (b->shards ? limits_workers(cfg) : 1);
		list_for_each_entry(s, &px->servers, node)
			n += s->live.checked; /* one descriptor for each check */
	}
	return n;
}

uint64_t limits_descriptors_needed(const struct config *cfg, uint64_t maxconn)
{
	return 2 * maxconn + fixed_descriptors(cfg);
}

static uint64_t maxconn_for(const struct config *cfg, uint64_t descriptors)
{
	uint64_t fixed = fixed_descriptors(cfg);
	uint64_t n = descriptors > fixed ? (descriptors - fixed) / 2 : 0;

	if (n > MAXCONN_CEILING)
		n = MAXCONN_CEILING;
	return n < FALLBACK_MAXCONN ? FALLBACK_MAXCONN : n;
}

int limits_workers(const struct config *cfg)
{
	uint32_t n = cfg->global.nbthread, most = cfg->global.thread_hard_limit;
	cpu_set_t set;

	if (!n)
		n = sched_getaffinity(0, sizeof(set), &set) ? 1 : CPU_COUNT(&set);
	if (most && n > most)
		n = most;
	return n > MAX_WORKERS ? MAX_WORKERS : (int)n;
}

/* Raises the soft limit, and the hard one where the process may. 0, or -errno with what can be had in *got. */
static int raise_descriptors(uint64_t want, uint64_t *got)
{
	struct rlimit now, next;

	if (getrlimit(RLIMIT_NOFILE, &now))
		return -errno;
	*got = now.rlim_cur;
	if (now.rlim_cur >= want)
		return 0;
	next = now;
	next.rlim_cur = want;
	if (next.rlim_max < want)
		next.rlim_max = want;
	if (!setrlimit(RLIMIT_NOFILE, &next)) {
		*got = want;
		return 0;
	}
	next.rlim_cur = next.rlim_max = now.rlim_max;
	if (!setrlimit(RLIMIT_NOFILE, &next))
		*got = now.rlim_max;
	return -EPERM;
}

static int limit_memory(const struct args *a, struct diag *d)
{
	struct rlimit r;

	if (!a->memory_mb)
		return 0;
	r.rlim_cur = r.rlim_max = (rlim_t)a->memory_mb << 20;
	if (!setrlimit(RLIMIT_AS, &r))
		return 0;
	diag_error(d, PLACE_NONE, "-m %lld: cannot limit the memory: %s", (long long)a->memory_mb,
		   strerror(errno));
	return -1;
}

/* The soft limit, which more descriptors than asked for must not be above. */
static void lower_descriptors(uint64_t most)
{
	struct rlimit now;

	if (getrlimit(RLIMIT_NOFILE, &now) || now.rlim_cur <= most)
		return;
	now.rlim_cur = most;
	setrlimit(RLIMIT_NOFILE, &now);
}

/* The kernel makes the table of descriptors grow for the highest one, and never smaller again. */
static void preallocate(uint64_t limit)
{
	int fd = limit > 3 && limit <= INT32_MAX ? fcntl(0, F_DUPFD_CLOEXEC, (int)limit - 1) : -1;

	if (fd >= 0)
		close(fd);
}

int limits_apply(struct config *cfg, const struct args *a, struct diag *d)
{
	struct global *g = &cfg->global;
	struct rlimit now = { 0 };
	uint64_t want, got = 0;

	if (limit_memory(a, d))
		return -1;
	getrlimit(RLIMIT_NOFILE, &now);
	got = g->ulimit_n ? g->ulimit_n : now.rlim_max;
	if (g->fd_hard_limit && got > g->fd_hard_limit)
		got = g->fd_hard_limit;
	if (!g->maxconn)
		g->maxconn = (uint32_t)maxconn_for(cfg, got);
	want = limits_descriptors_needed(cfg, g->maxconn);
	if (g->fd_hard_limit && want > g->fd_hard_limit && !g->ulimit_n) {
		diag_warning(d, PLACE_NONE,
			     "maxconn %u needs %llu descriptors, 'fd-hard-limit' allows %u: "
			     "maxconn is %llu now",
			     g->maxconn, (unsigned long long)want, g->fd_hard_limit,
			     (unsigned long long)maxconn_for(cfg, g->fd_hard_limit));
		g->maxconn = (uint32_t)maxconn_for(cfg, g->fd_hard_limit);
		want = g->fd_hard_limit;
	}
	if (g->ulimit_n) {
		if (g->ulimit_n < want)
			diag_warning(d, PLACE_NONE,
				     "ulimit-n %u is too low for maxconn %u: %llu descriptors are "
				     "needed\n"
				     "remove the ulimit-n line, it is computed by itself",
				     g->ulimit_n, g->maxconn, (unsigned long long)want);
		want = g->ulimit_n;
	}
	if (g->fd_hard_limit)
		lower_descriptors(g->fd_hard_limit);
	if (!raise_descriptors(want, &got)) {
		if (g->prealloc_fd)
			preallocate(got);
		return 0;
	}
	if (!g->maxconn_set && !g->ulimit_n) { /* nobody asked for a number: take what there is */
		g->maxconn = (uint32_t)maxconn_for(cfg, got);
		return 0;
	}
	diag_add(d, g->lax_limits ? DIAG_WARNING : DIAG_ERROR, PLACE_NONE,
		 "maxconn %u needs %llu descriptors, and the limit cannot be raised above %llu\n"
		 "raise it before starting (ulimit -n, LimitNOFILE=), or lower maxconn to %llu%s",
		 g->maxconn, (unsigned long long)want, (unsigned long long)got,
		 (unsigned long long)maxconn_for(cfg, got),
		 g->lax_limits ? "" : ", or say 'no strict-limits'");
	return g->lax_limits ? 0 : -1;
}
