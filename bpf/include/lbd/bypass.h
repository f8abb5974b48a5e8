/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bypass.h - what the bypass program (bypass.bpf.c) and its loader both read. Nothing is pinned.
 */
#ifndef LBD_BYPASS_H
#define LBD_BYPASS_H

#include <lbd/abi.h>

/* A server that takes part. */
struct lbd_bypass_server {
	union lbd_addr addr;
	__u32 port; /* host order */
};

/* A socket, as its owner sees it. */
struct lbd_bypass_sock {
	union lbd_addr local, remote;
	__u32 local_port, remote_port; /* host order */
};

#endif
