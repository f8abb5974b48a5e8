/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * state_file.h - server states of an earlier process out of a file. Registers words, a check and a station; last of all
 * init calls, for what is restored is told to everything that is open by then. Control thread.
 */
#ifndef LBD_CHECK_STATE_FILE_H
#define LBD_CHECK_STATE_FILE_H

void state_file_init(void);

#endif
