/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * background.h - going into the background, and the pid file. Control thread, before any other thread exists.
 */
#ifndef LBD_PROCESS_BACKGROUND_H
#define LBD_PROCESS_BACKGROUND_H

#include "base/diag.h"

/*
 * Forks; the child goes on in a session of its own, its messages still reach the terminal. The parent stays until
 * background_ready() or the child's end, and ends with 0 or the child's exit code. 0 in the child, -1 with the error said.
 */
int background_enter(struct diag *d);
/* The start succeeded: lets the parent go, and the standard streams with it. No effect in the foreground. */
void background_ready(void);

/* In a child of the background process: readiness is not its to announce. */
void background_forget(void);

/* Creates the file before chroot; an error is said. 0 or -1. NULL: nothing to do. */
int pidfile_open(const char *path, struct diag *d);
/* Writes this process's number; a full disk is said. 0 or -1. */
int pidfile_write(struct diag *d);

#endif
