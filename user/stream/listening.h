/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * listening.h - the TCP sockets that listen in this network namespace, asked by sock_diag(7). Any thread.
 */
#ifndef LBD_STREAM_LISTENING_H
#define LBD_STREAM_LISTENING_H

#include "base/addr.h"

struct listening {
	struct addr addr;
	bool mapped; /* an IPv6 socket that takes IPv4 too */
	unsigned long inode;
	bool is_ours; /* a descriptor of this process */
};
/* Stops when @fn does not return 0. 0 or -errno. */
int listening_each(int (*fn)(void *arg, const struct listening *l), void *arg);

#endif
