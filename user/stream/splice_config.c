/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice_config.c - the words about splicing: tune.splice, tune.pipesize, maxpipes. Control thread, at configuration time.
 */
#include "config/keyword.h"
#include "model/config.h"
#include "stream/sockmap.h"
#include "stream/splice.h"

/* Rows of the values of tune.splice. */
static const struct {
	const char *name;
	bool pipes, sockmap;
} ways[] = { { "auto", true, false },
	     { "pipe", true, false },
	     { "sockmap", true, true },
	     { "copy", false, false } };

static int parse_tune_splice(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "tune.splice auto|pipe|sockmap|copy") < 0)
		return -1;
	for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
		if (strcmp(cfg_arg(l, 0), ways[i].name) == 0) {
			splice_enabled = ways[i].pipes;
			sockmap_wanted = ways[i].sockmap;
			l->cfg->global.splice_engine = ways[i].name;
			splice_always = strcmp(ways[i].name, "pipe") == 0;
			return 0;
		}
	}
	return cfg_error(l, l->first_arg,
			 "'tune.splice' takes auto, pipe, sockmap or copy, not '%s'",
			 cfg_arg(l, 0));
}

static int parse_pipesize(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "tune.pipesize <bytes>") < 0 ||
	    cfg_arg_i64(l, 0, 4096, 1 << 20, &v) < 0)
		return -1;
	splice_pipe_bytes = (uint32_t)v;
	return 0;
}

static int parse_maxpipes(struct cfg_line *l)
{
	int64_t v;

	if (cfg_want_args(l, 1, 1, "maxpipes <number>") < 0 ||
	    cfg_arg_i64(l, 0, 0, 1 << 24, &v) < 0)
		return -1;
	splice_max_pipes = (uint32_t)v;
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ "tune.splice", CFG_GLOBAL, parse_tune_splice, KERNEL_EXACT, NULL,
	  "tune.splice auto|pipe|sockmap|copy",
	  "How bytes move between two sockets in mode tcp: auto (default) copies small messages "
	  "and "
	  "splices bulk, pipe always splices, sockmap lets the kernel pass them on without the "
	  "daemon, copy reads and writes.",
	  0 },
	{ "tune.pipesize", CFG_GLOBAL, parse_pipesize, KERNEL_EXACT, NULL, "tune.pipesize <bytes>",
	  "Size of the pipes that splice(2) uses; default 524288.", 0 },
	{ "maxpipes", CFG_GLOBAL, parse_maxpipes, KERNEL_EXACT, NULL, "maxpipes <number>",
	  "How many pipes may hold data at a time, over all threads; beyond that bytes are copied.",
	  0 },
};

static void check_nosplice(struct config *cfg, struct diag *d)
{
	if (cfg->global.no_splice)
		splice_enabled = false;
}

static const struct cfg_check checks[] = {
	{ "nosplice", CFG_PHASE_DERIVE, check_nosplice },
};

void splice_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
