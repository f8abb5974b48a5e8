/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * takeover.h - where a starting process gets an older one's listening sockets: -x, or from the master. Control thread.
 */
#ifndef LBD_PROCESS_TAKEOVER_H
#define LBD_PROCESS_TAKEOVER_H

#include "base/diag.h"
#include "process/args.h"

/* Before anything is bound: asks for them. That there are none is a warning, not an error. 0, or -1 with the error said. */
int takeover_begin(const struct args *a, struct diag *d);
/* Everything is bound. */
void takeover_end(void);

#endif
