// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `option ...` lines that are one bit of the proxy and belong to no other module. Control thread, before the workers
 * start.
 */
#include "config/keyword.h"
#include "config/language.h"
#include "model/proxy.h"

/* Sets, or takes back with `no option`; `default option` takes back what this section said. */
void cfg_option_apply(struct cfg_line *l, uint32_t bits)
{
	struct proxy *px = l->px;

	px->options &= ~bits;
	px->no_options &= ~bits;
	if (l->negated)
		px->no_options |= bits;
	else if (!l->is_default)
		px->options |= bits;
}

static int parse_persist(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option persist"))
		return -1;
	cfg_option_apply(l, PX_O_PERSIST);
	return 0;
}

/* On which retry another server is tried: -1, the last one. */
static int parse_old_redispatch(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "redispatch"))
		return -1;
	cfg_option_apply(l, PX_O_REDISPATCH);
	l->px->redispatch_after = l->negated ? 0 : -1;
	return 0;
}

static const struct cfg_keyword rows[] = {
	{ "option persist", CFG_DEFAULTS | CFG_BACKEND, parse_persist, KERNEL_EXACT, NULL,
	  "[no] option persist",
	  "A connection that belongs to a server is tried there even when it is down.",
	  CFG_CAN_NEGATE },
	{ "redispatch", CFG_DEFAULTS | CFG_BACKEND, parse_old_redispatch, KERNEL_APPROX,
	  "a client that repeats its SYN gets another server only once the first is seen down",
	  "redispatch", "write 'option redispatch'", CFG_CAN_NEGATE | CFG_DEPRECATED },
};

void kw_option_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
