/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * peers.h - sections `peers`: who shares tables with whom, and the connections between them. HAProxy's peers protocol 2.1, with
 * another lbd or with HAProxy. Control thread; workers only write into the tables' lists of changes (stick/updates.h).
 *
 * peers_conf.c reads the section, peers_link.c owns the sockets, peers_hello.c the first lines, peers_sync.c what is said then.
 */
#ifndef LBD_STICK_PEERS_H
#define LBD_STICK_PEERS_H

#include "loop/loop.h"
#include "stick/peers_codec.h"
#include "stick/updates.h"
#include "transport/conn.h"

struct peer_link;

/* A new process has to learn: from the old one first, then from any other peer, then it goes on with what it has. */
enum peers_phase { PEERS_LEARN_LOCAL, PEERS_LEARN_REMOTE, PEERS_LEARNED };

/* One table towards one peer. */
struct peer_table {
	struct stick_table *t;
	struct stick_update mark; /* up to here the peer was told */
	uint32_t pushed, acked;   /* numbers of our changes */
	/* of the connection under way */
	bool announced;              /* the peer has defined the table */
	struct peers_definition def; /* its form; name is not kept */
	uint32_t got;                /* the number of its last change */
	bool ack_due;
};

struct peer {
	struct list node; /* peers.list */
	struct peers *section;
	const char *name;
	struct server *srv; /* address and transport; NULL: the local one with a `bind` line */
	struct place at;
	bool local;
	uint32_t shard; /* 0: gets all entries */
	struct peer_table *tables;
	struct peer_link *link; /* established or being made; NULL: none */
	struct timer timer;     /* the next try to connect */
	bool fruitless;         /* was asked for all it knows, and did not know all */
	/* for `show peers` */
	const char *last_status;
	uint64_t hello_ms, reconnect_ms;
	uint32_t tx_heartbeats, rx_heartbeats, silent, connects, protocol_errors, collisions;
};

struct peers {
	struct list node; /* peers_sections */
	const char *name;
	struct proxy *px; /* holds what bind, server and log lines say; in no list of proxies */
	struct place at;
	bool disabled;
	uint32_t shards;
	struct list list; /* struct peer */
	struct peer *local;
	struct stick_table **tables;
	uint32_t ntables;
	/* run time */
	enum peers_phase phase;
	uint64_t phase_until_ms;
	struct peer *teacher; /* was asked */
	bool stopping;        /* a soft stop: only the new process is told */
	struct list links;    /* struct peer_link */
	struct list listening;
	struct timer tick;
	struct message wake;
	_Atomic bool woken;
};

extern struct list peers_sections;
extern uint32_t peers_updates_at_once; /* tune.peers.max-updates-at-once */

/* ---- links ---- */
enum peer_state {
	PEER_CONNECTING,
	PEER_SENT_HELLO,  /* waits for the status */
	PEER_WAITS_HELLO, /* accepted */
	PEER_ESTABLISHED,
	PEER_CLOSING, /* what is in `out` goes, then it ends */
};
struct peer_teach {
	bool on, confirm_due; /* entries are being sent; the peer is to confirm that it got all */
	uint32_t table, shard;
	struct stick_entry **pinned;
	size_t n, at;
};
struct peer_link {
	struct list node; /* peers.links */
	struct conn conn;
	struct peers *section;
	struct peer *peer; /* NULL: nobody has said its name yet */
	enum peer_state state;
	bool incoming;
	struct strbuf in, out;
	uint64_t begun_ms; /* the hello must be over some time later, however slowly it comes */
	uint64_t heard_ms, said_ms; /* loop time of the last bytes */
	struct timer timer;
	struct task task;
	struct peer_teach teach;
	struct peers_dict rx, tx;
	struct peer_table *rx_table, *tx_table; /* the last one defined, by the peer and by us */
	uint32_t rx_seq;
};

/* peers_hello.c: consumes l->in; 0, or -1: close once l->out is sent. */
int peers_hello_input(struct peer_link *l);
void peers_hello_send(struct peer_link *l);

/* peers_sync.c */
/* The handshake is over. */
void peers_sync_start(struct peer_link *l);
/* Consumes the messages in l->in; 0, or -1: close once l->out is sent. */
int peers_sync_input(struct peer_link *l);
/* Puts what the peer is to know into l->out, a bounded piece; true: there is more. */
bool peers_sync_output(struct peer_link *l);
/* The connection ends. */
void peers_sync_end(struct peer_link *l);
/* Whom to ask now, if anybody; looks at the phase's time. */
void peers_sync_phase(struct peers *p);

/* peers_link.c */
/* The link is established for its peer; an older one of the peer ends. */
void peers_link_established(struct peer_link *l);
void peers_start_register(void);

void peers_conf_register(void);
void peers_show_register(void);
/* Peers that are connected, and of them those that have said hello: `show info`. */
uint32_t peers_count(bool established);

#endif
