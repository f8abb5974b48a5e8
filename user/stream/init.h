/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.h - the init calls of this room's files. For init.c only; others call stream_module_init() (session.h).
 */
#ifndef LBD_STREAM_INIT_H
#define LBD_STREAM_INIT_H

void tcp_init(void);
void stream_keywords_init(void);

#endif
