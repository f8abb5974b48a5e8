/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * direct.h - backends that send everything to one place instead of choosing: `dispatch`, `option transparent`.
 */
#ifndef LBD_STREAM_DIRECT_H
#define LBD_STREAM_DIRECT_H

#include "model/server.h"

/* Registers the words. Before the configuration is read. */
void direct_init(void);

#endif
