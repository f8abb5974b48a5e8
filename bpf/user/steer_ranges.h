/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steer_ranges.h - from rules to what the steering program reads: networks, each with all its ranges sorted. Pure.
 */
#ifndef LBDMAP_STEER_RANGES_H
#define LBDMAP_STEER_RANGES_H

#include "lbdmap/steer.h"

struct steer_net {
	struct lbd_steer_net key;
	struct lbd_steer_ports ports;
};
struct steer_tables {
	struct steer_net *nets;
	struct lbd_steer_range *ranges;
	size_t nnets, nranges;
};

/* 0 or -ENOMEM. */
int steer_tables_build(const struct lbdmap_steer_rule *rules, size_t n, struct steer_tables *out);
void steer_tables_fini(struct steer_tables *t);

#endif
