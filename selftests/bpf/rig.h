/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rig.h - a bench for packet programs: private namespaces, a pinned set with one service, crafted frames
 * through BPF_PROG_TEST_RUN. For tests; any failure of the rig itself ends the program.
 */
#ifndef LBD_SELFTESTS_RIG_H
#define LBD_SELFTESTS_RIG_H

#include "set_priv.h"

#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/tcp.h>

#define RIG_FRAME 2048

struct rig {
	char pin[64];
	struct lbdmap_set *set;
	struct lbdmap_prog *prog[LBD_HOOKS]; /* XDP and TCX */
	struct lbdmap_prog *dry[LBD_HOOKS];
	uint32_t dev_client, dev_server; /* two interfaces that exist */
	uint32_t service, source, nexthop;
	uint32_t server[16];
	int servers;
};

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

struct frame {
	uint8_t b[RIG_FRAME];
	uint32_t len;
};

/* What a frame's headers say, for comparing. */
struct shot {
	const char *src, *dst;
	uint16_t sport, dport;
	uint8_t flags;
	uint32_t seq, ack;
	uint16_t payload;
	uint8_t ttl; /* 0: 64 */
};

/* Namespaces, devices, a set for @flows with a service VIP:80 on @servers servers; heartbeat fresh. */
void rig_up(struct rig *r, uint32_t flows, int servers);
void rig_down(struct rig *r);
/* The same set as if it were new, without loading the programs again. */
void rig_wipe(struct rig *r, int servers);
/* Fresh maps and programs, same devices. */
void rig_reset(struct rig *r, uint32_t flows, int servers);

void rig_table(struct rig *r, const int *order, int n); /* server numbers; table form */
union lbd_addr rig_addr(const char *text);

void frame_make(struct frame *f, const struct shot *s);
struct iphdr *frame_ip(struct frame *f);
struct tcphdr *frame_tcp(struct frame *f);
/* Recomputes both checksums of @f and compares: 0 if they are right. */
int frame_checksums_wrong(const struct frame *f);

/* Runs @f in place through the program of @hook as if it came in by @ifindex; returns the action. */
int rig_run(struct rig *r, enum lbd_hook hook, uint32_t ifindex, struct frame *f);
/* Makes and runs; the result stays in *f. */
int rig_shoot(struct rig *r, enum lbd_hook hook, uint32_t ifindex, const struct shot *s,
	      struct frame *f);
/* A whole handshake from client:port to the service; the NAT port, 0 if it failed. */
uint16_t rig_connect(struct rig *r, enum lbd_hook hook, const char *client, uint16_t port);

uint64_t rig_reason(struct rig *r, uint32_t reason); /* summed over all services and slot 0 */
int32_t rig_flows(struct rig *r, int server);
/* The flow of client:port, or NULL; writable. */
struct lbd_flow *rig_flow(struct rig *r, const char *client, uint16_t port);

#define RIG_VIP    "192.0.2.10"
#define RIG_SOURCE "10.0.0.1"

#endif
