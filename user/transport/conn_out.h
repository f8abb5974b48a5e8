/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn_out.h - sockets of outgoing connections before connect(). See conn_out.c.
 */
#ifndef LBD_TRANSPORT_CONN_OUT_H
#define LBD_TRANSPORT_CONN_OUT_H

#include "transport/conn.h"

/* A socket of @family and @type (with SOCK_ flags) in the network namespace @netns_fd; 0: our own. -1 with errno. */
int conn_socket_in(int netns_fd, int family, int type);
/* Non-blocking, prepared as @from and @o say (both may be NULL). The descriptor, or -errno. */
int conn_out_socket(int family, const struct conn_origin *from, const struct conn_options *o);

#endif
