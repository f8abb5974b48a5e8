/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * signals.h - signals arrive as events of the control loop; no code ever runs in a handler. Control thread.
 */
#ifndef LBD_PROCESS_SIGNALS_H
#define LBD_PROCESS_SIGNALS_H

/* Blocks what the control loop will read, ignores SIGPIPE. Before any thread exists. */
void signals_block(void);
/* Starts reading them: each signal calls its row's function. 0 or -errno. */
int signals_start(void (*on_signal)(int sig));
/* Dies of @sig by its default disposition, as programs do that clean up first. Does not return. */
void signals_die(int sig) __attribute__((noreturn));

#endif
