// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `tune.*` of the core in the global section. Control thread, before the workers start.
 */
#include <stddef.h>

#include "base/units.h"
#include "config/keyword.h"
#include "config/language.h"
#include "model/config.h"

struct tune_row {
	const char *name;
	size_t offset; /* of a uint32_t in struct global */
	int64_t min, max;
	bool size; /* takes k, m, g */
};

#define TUNE(name, member, min, max, size)                            \
	{                                                             \
		name, offsetof(struct global, member), min, max, size \
	}

static const struct tune_row tunes[] = {
	TUNE("tune.bufsize", bufsize, 1024, 1 << 26, true),
	TUNE("tune.maxrewrite", maxrewrite, 0, 1 << 25, true),
	TUNE("tune.maxaccept", maxaccept, -1, INT32_MAX, false),
	TUNE("tune.rcvbuf.client", rcvbuf_client, 0, INT32_MAX, true),
	TUNE("tune.sndbuf.client", sndbuf_client, 0, INT32_MAX, true),
	TUNE("tune.rcvbuf.server", rcvbuf_server, 0, INT32_MAX, true),
	TUNE("tune.sndbuf.server", sndbuf_server, 0, INT32_MAX, true),
	TUNE("tune.sndbuf.backend", sndbuf_backend, 0, INT32_MAX, true),
	TUNE("tune.notsent-lowat.client", notsent_lowat_client, 0, INT32_MAX, true),
	TUNE("tune.notsent-lowat.server", notsent_lowat_server, 0, INT32_MAX, true),
	TUNE("tune.maxpollevents", maxpollevents, 0, 65536, false),
	TUNE("thread-hard-limit", thread_hard_limit, 1, INT32_MAX, false),
};

static int parse_tune(struct cfg_line *l)
{
	const struct tune_row *t = tunes;
	uint64_t size;
	int64_t v;

	if (cfg_want_args(l, 1, 1, "tune.<name> <number>"))
		return -1;
	while (strcmp(t->name, l->words[0].z))
		t++;
	if (!t->size) {
		if (cfg_arg_i64(l, 0, t->min, t->max, &v))
			return -1;
	} else {
		if (parse_size(slice_z(cfg_arg(l, 0)), &size) || (int64_t)size < t->min ||
		    (int64_t)size > t->max)
			return cfg_error(
				l, l->first_arg,
				"'%s' takes a size of %lld..%lld bytes (k, m, g), not '%s'",
				t->name, (long long)t->min, (long long)t->max, cfg_arg(l, 0));
		v = (int64_t)size;
	}
	*(uint32_t *)((char *)&l->cfg->global + t->offset) = (uint32_t)v;
	return 0;
}

static int parse_noreuseport(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "noreuseport"))
		return -1;
	l->cfg->global.no_reuseport = true;
	return 0;
}

static const struct cfg_keyword rows[] = {
	{ "tune.bufsize", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL, "tune.bufsize <size>",
	  "Most bytes of a request or response head." },
	{ "tune.maxrewrite", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL, "tune.maxrewrite <size>",
	  "Room of the buffer that is kept for added headers." },
	{ "tune.maxaccept", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL, "tune.maxaccept <number>",
	  "Connections accepted in a row before other work; -1: no limit." },
	{ "tune.rcvbuf.client", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.rcvbuf.client <size>", "The kernel's receive buffer of client connections." },
	{ "tune.sndbuf.client", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.sndbuf.client <size>", "The kernel's send buffer of client connections." },
	{ "tune.rcvbuf.server", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.rcvbuf.server <size>", "The kernel's receive buffer of server connections." },
	{ "tune.sndbuf.server", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.sndbuf.server <size>", "The kernel's send buffer of server connections." },
	{ "tune.sndbuf.backend", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.sndbuf.backend <size>",
	  "The kernel's send buffer of sockets without connections: log lines over UDP." },
	{ "tune.notsent-lowat.client", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.notsent-lowat.client <size>",
	  "Bytes for a client that may wait unsent in the kernel (TCP_NOTSENT_LOWAT)." },
	{ "tune.notsent-lowat.server", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.notsent-lowat.server <size>",
	  "Bytes for a server that may wait unsent in the kernel (TCP_NOTSENT_LOWAT)." },
	{ "tune.maxpollevents", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "tune.maxpollevents <number>",
	  "Events that a thread takes from the kernel at a time; default 256." },
	{ "thread-hard-limit", CFG_GLOBAL, parse_tune, KERNEL_EXACT, NULL,
	  "thread-hard-limit <number>", "Most worker threads, however many CPUs there are." },
	{ "noreuseport", CFG_GLOBAL, parse_noreuseport, KERNEL_EXACT, NULL, "noreuseport",
	  "One shared listening socket per address; no SO_REUSEPORT." },
};

void kw_tune_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
