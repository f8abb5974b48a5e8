/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ssh.h - who is logged in to this machine over the network, so that no service takes his connection.
 */
#ifndef LBD_DATAPATH_SSH_H
#define LBD_DATAPATH_SSH_H

#include "datapath/plan.h"

/* Established TCP connections whose local port is 22, a port that a process named sshd listens on, or that of
 * $SSH_CONNECTION. Returns how many were stored, at most @max. Reads /proc; O(sockets + processes). */
int ssh_sessions(struct ssh_session *out, int max);

#endif
