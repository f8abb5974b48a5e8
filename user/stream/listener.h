/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listener.h - between listener.c (accepting) and listener_bind.c (making the sockets, words of the configuration).
 */
#ifndef LBD_STREAM_LISTENER_H
#define LBD_STREAM_LISTENER_H

#include "stream/session.h"

/* `rate-limit sessions`: when the next session is due, loop microseconds; shared by all workers. */
struct session_rate {
	_Atomic uint64_t next_us;
};
struct session_rate *session_rate_of(struct proxy *px);
/* Descriptors or memory ran out in accept(): said to the log at most once a second. Any worker. */
void listener_note_shortage(struct listener *l, int err);
/* Says which process has the TCP port @a open for listening; false: not to be seen. */
bool listener_who(const struct addr *a, char *out, size_t size);
/* The process that has the socket open, and its name; 0: none to be seen. Walks over all descriptors of the host. */
int socket_owner(unsigned long inode, char *name, size_t size);
void listener_bind_init(void);

#endif
