/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * splice.h - bodies and tunnels that no code of ours has to see are moved by user/stream's relays (splice(2) for bulk). For exchange.c.
 */
#ifndef LBD_HTTP_SPLICE_H
#define LBD_HTTP_SPLICE_H

#include "http/steps.h"

enum http_direction { DIR_REQUEST, DIR_RESPONSE };

/* Does a relay carry this direction (now, or from now on because everything allows it)? */
bool http_splice_active(struct http_txn *t, enum http_direction dir);
/* Moves what can be moved. IO_OK: the body is complete (message and encoder say so); IO_WAIT; IO_EOF: cut off; IO_ERROR: the
 * receiver's connection failed. *@moved is set when bytes went through. */
enum http_io http_splice_move(struct http_txn *t, enum http_direction dir, bool *moved);
/* What the relay of this direction waits for. */
unsigned int http_splice_waits(const struct http_txn *t, enum http_direction dir);
/* Before the connections are given back. */
void http_splice_end(struct http_txn *t);

#endif
