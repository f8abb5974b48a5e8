/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * privileges.h - chroot and user of the process once all is open. Control thread, before the workers start.
 */
#ifndef LBD_PROCESS_PRIVILEGES_H
#define LBD_PROCESS_PRIVILEGES_H

#include "model/config.h"

/* chroot, groups, gid, uid, in this order. 0, or -1 with the error said. */
int privileges_drop(const struct global *g, struct diag *d);

#endif
