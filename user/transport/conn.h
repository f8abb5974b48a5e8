/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conn.h - one socket with its transport (plain or TLS), edge-triggered, owned by one worker for life. Before its owner
 * sees it, a connection goes through handshakes: the stages of its setup in order (PROXY header...), then the transport's own.
 * A connection keeps no buffer: the reader brings one. Not for: rules, routing, messages.
 */
#ifndef LBD_TRANSPORT_CONN_H
#define LBD_TRANSPORT_CONN_H

#include "base/addr.h"
#include "loop/loop.h"
#include "transport/conn_reason.h"
#include <sys/uio.h>

enum conn_flag {
	CONN_CONNECTING = 1 << 0, /* connect() under way */
	CONN_HANDSHAKE = 1 << 1,  /* the transport is not established yet */
	CONN_CAN_READ = 1 << 2,   /* no EAGAIN since the last edge */
	CONN_CAN_WRITE = 1 << 3,
	CONN_EOF = 1 << 4,       /* a read returned 0 */
	CONN_RDHUP = 1 << 5,     /* the kernel said so; data may still be there to read */
	CONN_ERROR = 1 << 6,     /* reset or failed: `err` says */
	CONN_WR_SHUT = 1 << 7,   /* we shut our side */
	CONN_NO_LINGER = 1 << 8, /* close with RST */
	CONN_LOCAL_UNIX = 1 << 9,
	CONN_HUP =
		1
		<< 10, /* the kernel reported an error or a full close: the next read or write will say which */
	CONN_SENT = 1 << 11, /* something was written */
	CONN_NODELAY =
		1 << 12, /* TCP_NODELAY is set (accepted sockets inherit it from their listener) */
	CONN_SHORT_READS = 1 << 13, /* a read that does not fill the buffer has not emptied the socket */
};

struct conn;

/* A transport is stateless; its state hangs in conn.xprt_ctx. All calls from the owning worker. */
struct transport {
	const char *name; /* "RAW", "SSL": as in HAProxy's `show sess`, log %sslv stays '-' */
	/* > 0 bytes; 0 end of stream (CONN_EOF set); -EAGAIN (CONN_CAN_READ cleared); other -errno (CONN_ERROR set). */
	ssize_t (*recv)(struct conn *c, void *buf, size_t n);
	/* >= 0 bytes taken; -EAGAIN (CONN_CAN_WRITE cleared); other -errno (CONN_ERROR set). */
	ssize_t (*sendv)(struct conn *c, const struct iovec *iov, int n);
	/* 0 done, -EAGAIN more, other -errno. NULL: no handshake. */
	int (*handshake)(struct conn *c);
	void (*shut_write)(struct conn *c);
	void (*close)(struct conn *c);
	/* After epoll's events became flags, before the owner hears of them: a transport with records of its own on their way
	 * may take a flag back. NULL: nothing to add. */
	void (*event)(struct conn *c, uint32_t ep);
	enum conn_reason on_timeout; /* of the handshake */
	/* May the kernel move the bytes (splice)? Plain: yes. */
	bool raw;
};
extern const struct transport transport_plain;

/*
 * A handshake below the protocol, stateless: what it must remember lies with the owner (conn.owner). Called in the
 * owner's worker when the connection stands and at each readiness after, until it is done. It reads no byte behind its own.
 */
struct conn_stage {
	const char *name;
	/* 0 done; -EAGAIN more (CONN_CAN_READ or _WRITE cleared); -errno failed, conn.reason says why (conn_reason.h). */
	int (*run)(struct conn *c);
	enum conn_reason
		on_timeout; /* what it means when the time for handshakes is over meanwhile */
};
#define CONN_STAGES_MAX 3

/* What sockets to a server (or of a bind line) get beside addresses. Constant. All zero: nothing. */
struct conn_options {
	const char *netns;      /* name of the network namespace, and its descriptor */
	int netns_fd;           /* 0: the process's own */
	const char *congestion; /* TCP_CONGESTION */
	uint32_t user_timeout_ms;
	bool fast_open;
	uint16_t mss;
};

/* Where an outgoing connection comes from, and the marks of its packets. All zero: as the system chooses. */
struct conn_origin {
	struct addr addr; /* ADDR_NONE: any */
	bool foreign;     /* it need not be an address of this host (IP_TRANSPARENT) */
	bool has_tos, has_mark;
	bool data_ready;    /* something will be written as soon as the connection stands */
	bool smart_connect; /* the ACK of the handshake may wait for it */
	uint8_t tos;
	uint32_t mark;
	const char *iface; /* SO_BINDTODEVICE; NULL: any */
};

/* How a connection begins. Constant once the workers run; a bind line and a server hold one each. All zero: plain TCP. */
struct conn_setup {
	const struct transport *xprt;       /* NULL: plain */
	void *xprt_conf;                    /* the transport's own: contexts, names */
	const struct conn_options *options; /* of outgoing sockets; NULL: none */
	const struct conn_stage
		*stages[CONN_STAGES_MAX + 1]; /* in the order they run, the rest is NULL */
};
extern const struct conn_setup conn_setup_plain;

struct conn {
	struct io io; /* 24 bytes with fd */
	uint32_t flags;
	int16_t err;    /* errno of CONN_ERROR */
	uint8_t reason; /* enum conn_reason: why a handshake failed; 0: none did */
	uint8_t stage; /* the handshake under way: an index of setup->stages, its end: the transport's */
	const struct transport *xprt;
	void *xprt_ctx; /* this connection's state of the transport */
	const struct conn_setup *setup;
	/* The owner: called in the worker for every change of CAN_READ, CAN_WRITE, EOF, ERROR, connect/handshake end. */
	void (*on_ready)(struct conn *c);
	void *owner;
};

/* @fd becomes @c's and is registered edge-triggered once, for both directions. 0 or -errno (the fd is then closed). */
int conn_open(struct conn *c, int fd, const struct conn_setup *setup,
	      void (*on_ready)(struct conn *), void *owner);
/* Non-blocking connect; @from may be NULL; on_ready comes with CONN_CONNECTING gone, or CONN_ERROR. 0 or -errno. */
int conn_connect(struct conn *c, const struct addr *to, const char *unix_path,
		 const struct conn_origin *from, const struct conn_setup *setup,
		 void (*on_ready)(struct conn *), void *owner);
ssize_t conn_recv(struct conn *c, void *buf, size_t n);
ssize_t conn_sendv(struct conn *c, const struct iovec *iov, int n);
static inline ssize_t conn_send(struct conn *c, const void *p, size_t n)
{
	struct iovec v = { (void *)p, n };

	return conn_sendv(c, &v, 1);
}
/* FIN to the peer. */
void conn_shut_write(struct conn *c);
/* Deregisters and closes (RST with CONN_NO_LINGER). Safe to call twice. */
void conn_close(struct conn *c);
static inline bool conn_is_open(const struct conn *c)
{
	return c->io.fd >= 0;
}
/* Hands the socket over to a new owner (pool -> stream). */
static inline void conn_set_owner(struct conn *c, void (*on_ready)(struct conn *), void *owner)
{
	c->on_ready = on_ready;
	c->owner = owner;
}
/* CONN_HANDSHAKE and its time is over: what that is called. */
enum conn_reason conn_timeout_reason(const struct conn *c);
/* Only ends and errors are reported (true), or everything again (false), at once if it is so already. */
void conn_watch_end_only(struct conn *c, bool only);
void conn_set_keepalive(struct conn *c);
/* Once; plain connections do it by themselves before their second write. */
void conn_set_nodelay(struct conn *c);
/* Has the peer reset, or closed its side with nothing left to read (with @even_with_data: at all)? Reads nothing away. */
bool conn_peer_is_gone(struct conn *c, bool even_with_data);

#endif
