/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * startup_log.h - what was said while the process started: kept for `show startup-logs`, and written where the master asked
 * for it (HAPROXY_STARTUPLOGS_FD). Control thread.
 */
#ifndef LBD_PROCESS_STARTUP_LOG_H
#define LBD_PROCESS_STARTUP_LOG_H

#include "base/diag.h"

/* Early: takes the descriptor out of the environment. */
void startup_log_begin(void);
/* Prints what is new on stderr, from @least on, and keeps it. */
void startup_log_print(struct diag *d, enum diag_level least);
const char *startup_log_text(void);
/* A worker that was forked with the configuration already read: what was said before goes there, too. */
void startup_log_to(int fd);

#endif
