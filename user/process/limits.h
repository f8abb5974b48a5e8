/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * limits.h - descriptors, memory and connections: what the process asks of the system, what it gets.
 * Control thread, before the workers start.
 */
#ifndef LBD_PROCESS_LIMITS_H
#define LBD_PROCESS_LIMITS_H

#include "model/config.h"
#include "process/args.h"

/* Descriptors that @maxconn connections of @cfg need: two each, listeners, checks, loops, logs. */
uint64_t limits_descriptors_needed(const struct config *cfg, uint64_t maxconn);

/*
 * Fixes global.maxconn (from the line, or from the limit of descriptors), raises the limit as needed.
 * 0, or -1 when the limit cannot be had and strict-limits is on (the error is said).
 */
int limits_apply(struct config *cfg, const struct args *a, struct diag *d);

/* Workers to start: nbthread, or one per CPU that the process may use. */
int limits_workers(const struct config *cfg);

#endif
