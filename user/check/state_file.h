/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state_file.h - server states of an earlier process out of a file. Registers words, a check and a station; last of all
 * init calls, for what is restored is told to everything that is open by then. Control thread.
 */
#ifndef LBD_CHECK_STATE_FILE_H
#define LBD_CHECK_STATE_FILE_H

struct config;

void state_file_init(void);
/* What such a file holds (it is written into), then put on the servers with `load-server-state-from-file global`: what
 * init's check and station do, for tests. The number of lines that were good. */
int state_text_restore(struct config *cfg, char *text);

#endif
