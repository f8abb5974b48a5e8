/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * abi.h - what packet programs and user space both read: the layout of every map. Nothing that only
 * one side needs. Documentation/decisions/2026-11-20-map-layout.md says why it looks like this.
 *
 * Changing a size, an offset or a meaning here raises LBD_ABI: pinned maps of another number are
 * not adopted. Addresses are v4-mapped IPv6 in network order; ports in network order where the name
 * ends in _be, else in host order. Times are ticks of 2^24 ns (16.8 ms) of CLOCK_MONOTONIC.
 */
#ifndef LBD_ABI_H
#define LBD_ABI_H

#ifdef __bpf__
#include "vmlinux.h"
#else
#include <linux/types.h>
#include <stdint.h>
#endif

#define LBD_ABI 1

#define LBD_ASSERT_SIZE(type, n) _Static_assert(sizeof(type) == (n), "layout of " #type)

#define LBD_TICK_SHIFT 24 /* ns >> 24: one tick is 16.777 ms; 32 bits last 2.2 years */
#define LBD_TICKS_S(s) ((__u32)(((__u64)(s)*1000000000ULL) >> LBD_TICK_SHIFT))
#define LBD_HEARTBEAT_TICKS \
	((__u32)(3000000000ULL >> LBD_TICK_SHIFT)) /* 3 s; older: the daemon is dead */
#define LBD_REST_TICKS ((__u32)(60000000000ULL >> LBD_TICK_SHIFT)) /* a closed tuple rests 60 s */

#define LBD_WAYS         8    /* places in a flow set, and in a reverse set */
#define LBD_SLOT_WORDS   16   /* 32-bit words in one element of the slot array */
#define LBD_FILTER_WORDS 1024 /* 64-bit words of the service filter: 65,536 bits, 8 KB */
#define LBD_BINDS        4096 /* places of the look-aside of `services` */
#define LBD_LOCKS        4096 /* stripes that serialise the making of one flow */
#define LBD_REASONS      64   /* room for reasons.tbl.h */
#define LBD_TEXT         240  /* bytes of one meta text, the ending NUL included */

/* An address: v4-mapped IPv6, so one key type serves both families. */
union lbd_addr {
	__u8 b[16];
	__be32 w[4];
};
LBD_ASSERT_SIZE(union lbd_addr, 16);

/* ---- Verdicts and reasons (reasons.tbl.h) --------------------------------------------------- */

enum lbd_verdict {
	LBD_FORWARD, /* sent on to a server or back to a client */
	LBD_PASS,    /* left to the stack of this host, unchanged */
	LBD_DROP,
	LBD_ANSWER, /* answered from here (RST) */
	LBD_VERDICTS,
};

enum lbd_reason {
#define REASON(sym, name, verdict, help) LBD_R_##sym,
#include <lbd/reasons.tbl.h>
#undef REASON
	LBD_R_MAX
};
_Static_assert(LBD_R_MAX <= LBD_REASONS, "no room for another reason");

/* ---- control: one element, written by the owner ---------------------------------------------- */

enum lbd_control_flags {
	LBD_C_DENY = 1,    /* the deny list has entries: look it up */
	LBD_C_ANYADDR = 2, /* services with a wildcard address exist */
	LBD_C_USESRC = 4,  /* replies to foreign addresses may be ours (usesrc) */
};

struct lbd_control {
	__u32 abi;
	__u32 generation; /* of the tables; raised by every publication of a configuration */
	__u64 seed;       /* of the flow hash; random when the set is made, never changed */
	__u32 flow_sets;  /* sets of the flow table; LBD_WAYS flows each */
	__u32 rev_sets;
	__u32 heartbeat;        /* tick of the daemon's last sign of life */
	__u32 flags;            /* enum lbd_control_flags */
	__u16 port_lo, port_hi; /* host order: every NAT port lies in it */
	__u32 sample;           /* 0: no events; N: one decision in N goes to the ring buffer */
	__u32 embryonic_ticks;  /* a flow without a complete handshake is forgotten after it */
	__u32 flows;            /* established flows that are guaranteed (`datapath flows`) */
	__u64 config_hash;
	__u64 reserved;
};
LBD_ASSERT_SIZE(struct lbd_control, 64);

/* ---- services: address, port, protocol -> service slot --------------------------------------- */

struct lbd_service_key {
	union lbd_addr addr; /* all zero: any address of this host (map `local`) */
	__be16 port_be;
	__u8 proto; /* IPPROTO_* */
	__u8 pad;
};
LBD_ASSERT_SIZE(struct lbd_service_key, 20);

enum lbd_ref_flags {
	LBD_REF_IP6_LISTENER =
		1, /* a dual-stack listener: an IPv4 client hashes as ::ffff:a.b.c.d */
};

struct lbd_service_ref {
	__u32 service; /* slot in map `service` */
	__u32 flags;   /* enum lbd_ref_flags */
};
LBD_ASSERT_SIZE(struct lbd_service_ref, 8);

/*
 * Look-aside of `services`, indexed by the upper 12 bits of the filter's bit: a service whose place is not taken by another one
 * costs no hash look-up. Written: service 0, then flags, then the key, then service.
 */
struct lbd_bind {
	struct lbd_service_key key;
	__u32 service; /* 0: empty */
	__u32 flags;   /* enum lbd_ref_flags */
	__u32 pad;
};
LBD_ASSERT_SIZE(struct lbd_bind, 32);
#define LBD_BIND_INDEX(filter_bit) ((filter_bit) >> 4)

enum lbd_pick {                /* what chooses the slot */
		LBD_PICK_HASH, /* the client's number: table (mod n) or ring (nearest) */
		LBD_PICK_WALK, /* roundrobin: a cursor per CPU over the table */
		LBD_PICK_DRAW, /* random and leastconn: the least loaded of `draws` weighted draws */
		LBD_PICKS,
};
enum lbd_number { /* what the number is made of (Documentation/hashing.md) */
		  LBD_NUM_SOURCE,
		  LBD_NUM_5TUPLE,
		  LBD_NUMS,
};
enum lbd_form {                 /* how a table is read; published together with its place */
		LBD_FORM_NONE,  /* no usable server */
		LBD_FORM_TABLE, /* n words: server slots */
		LBD_FORM_RING,  /* n sorted points, then n words: server slots */
		LBD_FORMS,
};
enum lbd_service_flags {
	LBD_S_USED = 1,
	LBD_S_MIX = 2,    /* the number goes through mix32 */
	LBD_S_EVENTS = 4, /* flow ends are reported in the ring buffer */
};

/*
 * Where a service's table lies, in one 64-bit word that is written at once:
 * offset (words, 28 bits), size n (24 bits), form (4 bits), epoch (8 bits).
 */
#define LBD_TABLE(offset, size, form, epoch) \
	((__u64)(offset) | (__u64)(size) << 28 | (__u64)(form) << 52 | (__u64)(epoch) << 56)
#define LBD_TABLE_OFFSET(t) ((__u32)((t)&0xfffffff))
#define LBD_TABLE_SIZE(t)   ((__u32)((t) >> 28 & 0xffffff))
#define LBD_TABLE_FORM(t)   ((__u32)((t) >> 52 & 0xf))
#define LBD_TABLE_EPOCH(t)  ((__u32)((t) >> 56))

struct lbd_service {
	__u64 table; /* LBD_TABLE(); published by one aligned 8-byte write */
	__u64 id;    /* stable: lbd_stable_id() of its name */
	__u32 flags; /* enum lbd_service_flags */
	__u8 pick;   /* enum lbd_pick */
	__u8 number; /* enum lbd_number */
	__u8 draws;  /* LBD_PICK_DRAW: 1..4 */
	__u8 pad0;
	__u32 idle_ticks; /* established flow without a packet; 0: never forgotten */
	__u32 half_ticks; /* after one FIN; 0: as idle_ticks */
	__u32 udp_ticks;  /* reserved for UDP */
	__u32 maxconn;    /* reserved: frontend limit; 0: none */
	__u32 expired;    /* flows ended by user space's sweep; belongs to flows_closed */
	__u8 reserved[20];
};
LBD_ASSERT_SIZE(struct lbd_service, 64);

/* ---- server, source, nexthop, device, route, local, deny -------------------------------------- */

enum lbd_forward {               /* how packets reach the server (`forward`) */
		   LBD_FWD_NAT,  /* full NAT: the only one built so far */
		   LBD_FWD_DNAT, /* `source ... usesrc clientip` */
		   LBD_FWD_DSR,
		   LBD_FWD_IPIP,
		   LBD_FWD_GUE,
		   LBD_FORWARDS,
};
enum lbd_server_flags {
	LBD_SRV_USED = 1,
	LBD_SRV_UP = 2,    /* may get new flows; the tables say so too, this bit says it at once */
	LBD_SRV_RESET = 4, /* `on-marked-down shutdown-sessions`: its flows are answered by RST */
};

struct lbd_server {
	union lbd_addr addr; /* never changed while flows refer to this slot */
	__be16 port_be;
	__u8 forward; /* enum lbd_forward */
	__u8 pad0;
	__u32 flags;        /* enum lbd_server_flags */
	__u32 nexthop;      /* slot in map `nexthop`; 0: none known */
	__u16 source_first; /* slots in map `source` that full NAT may use */
	__u16 source_count;
	__u32 maxconn; /* flows; 0: no limit */
	__u32 weight;  /* for draws; 1..256 */
	__u64 id;      /* stable: lbd_stable_id() of "backend/server" */
	__u8 reserved[16];
};
LBD_ASSERT_SIZE(struct lbd_server, 64);

struct lbd_load {      /* one per server slot, shared by all CPUs, changed by atomic adds only */
	__s32 flows;   /* embryonic and established */
	__u32 expired; /* ended by user space's sweep; belongs to flows_closed */
};
LBD_ASSERT_SIZE(struct lbd_load, 8);

enum lbd_source_flags {
	LBD_SRC_DEDICATED = 1, /* not an address of this host: clients' ports may be kept */
};
struct lbd_source { /* an address that full NAT uses; immutable while flows refer to it */
	union lbd_addr addr;
	__u16 port_lo, port_hi; /* host order, inclusive */
	__u32 flags;            /* enum lbd_source_flags */
	__u64 reserved;
};
LBD_ASSERT_SIZE(struct lbd_source, 32);

enum lbd_nexthop_flags {
	LBD_NH_USED = 1,
	LBD_NH_MAC = 2,  /* dmac is known; else only the device is */
	LBD_NH_XMIT = 4, /* its device takes frames from XDP (set by the map library) */
};
struct lbd_nexthop { /* immutable while published: a change takes a new slot */
	__u32 ifindex;
	__u32 flags; /* enum lbd_nexthop_flags */
	__u8 dmac[6];
	__u8 smac[6];
	__u16 mtu;
	__u16 pad;
	__u64 reserved;
};
LBD_ASSERT_SIZE(struct lbd_nexthop, 32);

enum lbd_device_flags {
	LBD_DEV_XMIT = 1, /* takes frames redirected by XDP */
	LBD_DEV_TX = 2,   /* XDP_TX works (else redirect to itself is tried with XMIT) */
	LBD_DEV_TC = 4,   /* the TC program is attached here: XDP may leave packets to it */
};
struct lbd_device {
	__u32 flags; /* enum lbd_device_flags */
	__u32 mtu;
};
LBD_ASSERT_SIZE(struct lbd_device, 8);

struct lbd_prefix { /* key of the longest-prefix maps `route` and `deny` */
	__u32 len;  /* of the v4-mapped address: an IPv4 prefix counts 96 more */
	union lbd_addr addr;
};
LBD_ASSERT_SIZE(struct lbd_prefix, 20);

struct lbd_deny {
	__u64 id; /* stable id of the rule or list */
	__u32 flags;
	__u32 pad;
};
LBD_ASSERT_SIZE(struct lbd_deny, 16);

/* ---- The flow table ---------------------------------------------------------------------------- */

enum lbd_flow_state {
	LBD_FLOW_FREE,
	LBD_FLOW_SYN,    /* the client's SYN went to the server */
	LBD_FLOW_SYNACK, /* the server answered */
	LBD_FLOW_OPEN,   /* the client acknowledged: established */
	LBD_FLOW_HALF,   /* one side has sent FIN */
	LBD_FLOW_CLOSED, /* both have, or a RST: the tuple rests */
	LBD_FLOW_STATES,
};
enum lbd_flow_flags {
	LBD_F_FIN_CLIENT = 1,
	LBD_F_FIN_SERVER = 2,
	LBD_F_RST_SERVER = 4,   /* the server itself reset: no rest needed */
	LBD_F_KILL = 8,         /* the next packet of either side is answered by RST */
	LBD_F_TOLD_CLIENT = 16, /* killed: this side has got its RST */
	LBD_F_TOLD_SERVER = 32,
};

/*
 * One flow, one cache line, found from both directions. `seq` guards the identity (all but word
 * and tick): odd while it is written. `word` is changed by compare-and-swap; it carries the low half
 * of seq so that a change meant for an earlier flow of this place fails.
 */
struct lbd_flow {
	__u32 seq;
	__u32 word; /* LBD_FLOW_WORD() */
	union lbd_addr client;
	union lbd_addr vip;
	__be16 cport_be;
	__be16 vport_be;
	__be16 nport_be; /* NAT port; 0: no reverse entry */
	__u16 source;    /* slot in map `source` */
	__u16 service;   /* slot in map `service` */
	__u8 proto;
	__u8 forward; /* enum lbd_forward */
	__u32 server; /* slot in map `server` */
	__u32 tick;   /* of the last packet; written at most once a tick */
	__u32 born;   /* tick of the first packet */
};
LBD_ASSERT_SIZE(struct lbd_flow, 64);

#define LBD_FLOW_WORD(seq, state, flags) \
	(((__u32)(seq)&0xffff) | (__u32)(state) << 16 | (__u32)(flags) << 24)
#define LBD_FLOW_STATE(word) ((word) >> 16 & 0xff)
#define LBD_FLOW_FLAGS(word) ((word) >> 24)

/* Tags of the flows of one set, 16 bits of the hash each, 0: free. Four sets share a cache line. */
struct lbd_tags {
	__u16 tag[LBD_WAYS];
};
LBD_ASSERT_SIZE(struct lbd_tags, 16);

/* One reverse set, one cache line: LBD_REV() words, 0: free. */
struct lbd_rev_set {
	__u64 ref[LBD_WAYS];
};
LBD_ASSERT_SIZE(struct lbd_rev_set, 64);
#define LBD_REV(flow, tag) ((__u64)(flow) | (__u64)(tag) << 32 | 1ULL << 63)
#define LBD_REV_FLOW(r)    ((__u32)(r))
#define LBD_REV_TAG(r)     ((__u16)((r) >> 32))

struct lbd_slots {
	__u32 w[LBD_SLOT_WORDS];
};
LBD_ASSERT_SIZE(struct lbd_slots, 64);

/* ---- Counters (per CPU; counters.tbl.h names them) ------------------------------------------- */

struct lbd_service_count {
#define COUNTER(field, help) __u64 field;
#define SERVICE_COUNTERS
#include <lbd/counters.tbl.h>
#undef SERVICE_COUNTERS
	__u64 walk;                /* roundrobin's cursor of this CPU */
	__u64 reason[LBD_REASONS]; /* packets by reason */
};
LBD_ASSERT_SIZE(struct lbd_service_count, 64 + 8 * LBD_REASONS);

struct lbd_server_count {
#define SERVER_COUNTERS
#include <lbd/counters.tbl.h>
#undef SERVER_COUNTERS
#undef COUNTER
};
LBD_ASSERT_SIZE(struct lbd_server_count, 64);

/* ---- meta: the pinned state explains itself ---------------------------------------------------- */

enum lbd_meta_kind {
	LBD_META_SERVICE = 1, /* id of the service: its name */
	LBD_META_SERVER,      /* id of the server: "backend/server" */
	LBD_META_PLACE,       /* any id: "file:line" */
	LBD_META_REASON,      /* id of a service: the planner's sentence */
	LBD_META_CONFIG,      /* id 0: configuration files, for the eye */
	LBD_META_VERSION,     /* id 0: the program that wrote this */
	LBD_META_BACKEND = 8, /* id of a service: its backend's name */
	LBD_META_SOCKET = 9,  /* id 0: path of the daemon's stats socket */
	LBD_META_LINK = 7,    /* id: interface index << 8 | hook: interface name, hook, program */
};
struct lbd_meta_key {
	__u64 id;
	__u32 kind;
	__u32 index; /* several texts of one kind: 0, 1, ... */
};
LBD_ASSERT_SIZE(struct lbd_meta_key, 16);
struct lbd_meta {
	__u64 value;
	__u32 generation;
	__u16 len;
	__u16 pad;
	char text[LBD_TEXT];
};
LBD_ASSERT_SIZE(struct lbd_meta, 256);

struct lbd_owner { /* map `owner`; valid only while the pin directory is locked */
	__u32 pid;
	__u32 pad;
	__u64 epoch;    /* raised by each new owner */
	__u64 since_ns; /* CLOCK_REALTIME */
	char program[16];
};
LBD_ASSERT_SIZE(struct lbd_owner, 40);

/* ---- Events and explain ------------------------------------------------------------------------- */

struct lbd_event {
	__u64 time_ns; /* CLOCK_MONOTONIC (coarse) */
	union lbd_addr src, dst;
	__be16 sport_be, dport_be;
	__u16 service;
	__u8 proto;
	__u8 reason; /* enum lbd_reason */
	__u8 tcp_flags;
	__u8 hook; /* enum lbd_hook */
	__u16 pad;
	__u32 server;
	__u32 number;
	__u32 ifindex;
};
LBD_ASSERT_SIZE(struct lbd_event, 64);

enum lbd_hook {
	LBD_HOOK_NONE,
	LBD_HOOK_XDP,
	LBD_HOOK_XDP_GENERIC,
	LBD_HOOK_TCX,
	LBD_HOOK_CLSACT,
	LBD_HOOKS
};

enum lbd_step { /* bits: which steps of the pipeline were reached, and found something */
		LBD_X_SERVICE = 1,
		LBD_X_DENIED = 2,
		LBD_X_FLOW = 4,  /* a flow exists */
		LBD_X_REPLY = 8, /* the packet is a server's reply */
		LBD_X_NEW = 16,  /* a flow would be made */
		LBD_X_PICK = 32,
		LBD_X_NEXTHOP = 64,
		LBD_X_NEXTHOP_FIB = 128, /* by bpf_fib_lookup instead of the cache */
		LBD_X_WILDCARD = 256,    /* the service matched by wildcard address */
};

struct lbd_explain {   /* one element, written only by the dry-run load of the same programs */
	__u32 steps;   /* enum lbd_step */
	__u32 reason;  /* enum lbd_reason */
	__u32 verdict; /* enum lbd_verdict */
	__u32 service;
	__u32 server;
	__u32 flow; /* place in the flow table */
	__u32 flow_word;
	__u32 number; /* before table or ring */
	__u32 slot;   /* table slot, or index of the ring's point */
	__u32 point;  /* the point that won (ring) */
	__u64 table;  /* LBD_TABLE() that was read */
	union lbd_addr nat_addr;
	__be16 nat_port_be;
	__u16 source;
	__u32 ifindex; /* where it would leave */
	__u8 dmac[6];
	__u8 smac[6];
	__u32 nexthop;
	__u32 generation;
	__u32 tick;
	__u64 reserved;
};
LBD_ASSERT_SIZE(struct lbd_explain, 104);

#endif
