// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See h2_tune.h. Words without `fe.` or `be.` hold for both sides; lbd speaks HTTP/1 with servers. Control thread, before
 * the workers start.
 */
#include "http/h2_tune.h"

#include "base/units.h"
#include "config/keyword.h"
#include "model/config.h"

struct h2_tune h2_tune = {
	.max_streams = 100,
	.initial_window = 65535,
	.header_table = 4096,
	.max_frame = 16384,
};

static const struct {
	const char *name;
	uint32_t *to; /* NULL: of servers */
	uint64_t min, max;
} tunes[] = {
	{ "tune.h2.max-concurrent-streams", &h2_tune.max_streams, 0, INT32_MAX },
	{ "tune.h2.fe.max-concurrent-streams", &h2_tune.max_streams, 0, INT32_MAX },
	{ "tune.h2.be.max-concurrent-streams", NULL, 0, INT32_MAX },
	{ "tune.h2.initial-window-size", &h2_tune.initial_window, 0, INT32_MAX },
	{ "tune.h2.fe.initial-window-size", &h2_tune.initial_window, 0, INT32_MAX },
	{ "tune.h2.be.initial-window-size", NULL, 0, INT32_MAX },
	{ "tune.h2.header-table-size", &h2_tune.header_table, 4096, 65536 },
	{ "tune.h2.max-frame-size", &h2_tune.max_frame, 16384, 16777215 },
	{ "tune.h2.fe.max-total-streams", &h2_tune.total_streams, 0, INT32_MAX },
};

static int parse_tune(struct cfg_line *l)
{
	size_t i = 0;
	uint64_t v;

	if (cfg_want_args(l, 1, 1, "tune.h2.<name> <number>"))
		return -1;
	while (strcmp(tunes[i].name, l->words[0].z))
		i++;
	if (parse_size(slice_z(cfg_arg(l, 0)), &v) || v < tunes[i].min || v > tunes[i].max)
		return cfg_error(l, l->first_arg, "'%s' takes %llu..%llu, not '%s'", tunes[i].name,
				 (unsigned long long)tunes[i].min, (unsigned long long)tunes[i].max,
				 cfg_arg(l, 0));
	if (tunes[i].to)
		*tunes[i].to = (uint32_t)v;
	return 0;
}

/* A frame is read into buffers: no larger one is announced. */
static void check_frames(struct config *cfg, struct diag *d)
{
	if (h2_tune.max_frame > cfg->global.bufsize && h2_tune.max_frame > 16384)
		h2_tune.max_frame = cfg->global.bufsize > 16384 ? cfg->global.bufsize : 16384;
}

#define TUNE(name, help)                                                                \
	{                                                                               \
		name, CFG_GLOBAL, parse_tune, KERNEL_HTTP, NULL, name " <number>", help \
	}
#define SERVERS(name)                                                                  \
	{                                                                              \
		name, CFG_GLOBAL, parse_tune, KERNEL_HTTP, NULL, name " <number>",     \
			"No effect: servers are spoken to in HTTP/1.", CFG_EFFECT_NONE \
	}

static const struct cfg_keyword rows[] = {
	TUNE("tune.h2.max-concurrent-streams",
	     "Requests of one HTTP/2 connection at a time; default 100, 0: any number."),
	TUNE("tune.h2.fe.max-concurrent-streams", "The same, of clients."),
	SERVERS("tune.h2.be.max-concurrent-streams"),
	TUNE("tune.h2.initial-window-size",
	     "Bytes of a request body that an HTTP/2 client may send ahead; default 65535."),
	TUNE("tune.h2.fe.initial-window-size", "The same, of clients."),
	SERVERS("tune.h2.be.initial-window-size"),
	TUNE("tune.h2.header-table-size",
	     "Bytes of the table for compressed headers; default 4096, at most 65536."),
	TUNE("tune.h2.max-frame-size",
	     "Largest frame that is taken; default 16384, at most tune.bufsize."),
	TUNE("tune.h2.fe.max-total-streams",
	     "A client's connection ends after so many requests; 0: never (default)."),
};

static const struct cfg_check checks[] = {
	{ "frames of HTTP/2", CFG_PHASE_DERIVE, check_frames },
};

void h2_tune_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
