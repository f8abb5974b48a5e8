/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm_client.h - asks the running daemon over its stats socket.
 */
#ifndef LBADM_CLIENT_H
#define LBADM_CLIENT_H

#include <stddef.h>

/*
 * Sends one command to the socket at @path and reads the reply to its end, at most 64 MB and 10 s.
 * Returns 0 with @reply (malloc, NUL-terminated, the closing empty line taken off), or -errno
 * (-ENOENT, -ECONNREFUSED: no daemon; -ETIMEDOUT; -EMSGSIZE).
 */
int client_ask(const char *path, const char *command, char **reply);

#endif
