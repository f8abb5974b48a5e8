/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * text.h - counted texts that entries of stick tables share. Any thread.
 */
#ifndef LBD_STICK_TEXT_H
#define LBD_STICK_TEXT_H

#include "stick/table.h"

/* The text with one more reference; NULL: memory is out. */
struct stick_text *stick_text_get(struct slice s);
/* Safe on NULL. */
void stick_text_put(struct stick_text *t);

#endif
