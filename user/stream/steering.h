/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * steering.h - wide addresses (many ports, whole networks) on one listening socket per thread, by an sk_lookup program.
 * Control thread, but for nothing: workers see ordinary listeners.
 */
#ifndef LBD_STREAM_STEERING_H
#define LBD_STREAM_STEERING_H

#include "stream/session.h"

/* Can it be done here? Asks the kernel once; *why: the reason against it. */
bool steering_possible(const char **why);
/* A wide address begins; its sockets follow, one call each. */
struct steered *steering_add(const struct bind_conf *b, const struct bind_address *a);
void steering_add_listener(struct steered *s, struct listener *l);
/* shutdown() took its socket out of the program's map, and now it listens again. */
void steering_listens_again(struct listener *l);
/* Every socket of this process is closed (soft stop): detaches. */
void steering_end(void);
/* Registers the station that attaches: behind all that listen. */
void steering_init(void);

#endif
