// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * balance static-rr: turns through the fixed table of the servers' weights (balance/build.h), in haproxy's order.
 * Any worker, without a lock: the turn is one atomic counter.
 */
#include "balance/lookup.h"
#include "balance/private.h"

void balance_static_rr_init(void)
{
	static const struct balance_algorithm rows[] = {
		{ .name = "static-rr",
		  .is_static = true,
		  .rebuild = lookup_rebuild,
		  .pick = lookup_walk,
		  .kernel_form = "walk",
		  .kernel = KERNEL_EXACT,
		  .help = "Servers in turn by weight from a fixed table; weights do not change at "
			  "run time." },
	};

	balance_register(rows, ARRAY_SIZE(rows));
}
