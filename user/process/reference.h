/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reference.h - the reference of the configuration language, printed from its tables. Control thread.
 */
#ifndef LBD_PROCESS_REFERENCE_H
#define LBD_PROCESS_REFERENCE_H

/* Markdown on stdout. */
void reference_print(void);

#endif
