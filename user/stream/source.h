/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * source.h - `source`: the address, port range and interface that connections to servers come from, and whose address they
 * pretend (usesrc). Parsing: control thread; choosing: the worker that connects, or the control thread for checks.
 */
#ifndef LBD_STREAM_SOURCE_H
#define LBD_STREAM_SOURCE_H

#include "stream/stream.h"

enum source_pretend { /* usesrc */
		      SOURCE_OWN,
		      SOURCE_CLIENT,   /* the client's address and port */
		      SOURCE_CLIENTIP, /* its address */
		      SOURCE_HEADER,   /* an address in a header of the request */
		      SOURCE_FIXED,
};

struct port_range;
struct expr;

struct source_conf {
	struct addr addr;         /* ADDR_NONE: any */
	struct port_range *ports; /* NULL: addr.port, or any */
	enum source_pretend pretend;
	struct addr pretended; /* SOURCE_FIXED */
	struct expr *header;
	const char *iface;
	struct place at; /* of usesrc */
};

/* What holds for @srv: its own or its backend's; NULL: nothing. */
const struct source_conf *source_of(const struct server *srv);
/* Whose address a connection of @s to s->srv pretends to come from; false: nobody's. */
bool source_pretends(struct stream *s, struct addr *out);
/* For a connection of @s to s->srv. 0, or -errno: no port of the range is free. */
int source_for_stream(struct stream *s, struct conn_origin *out);
/* For a check of @srv: never somebody else's address. */
int source_for_check(const struct server *srv, struct conn_origin *out);
/* The connection that used @port of a range is closed. Other ports are ignored. */
void source_give_back(const struct server *srv, uint16_t port);
/* A port of a range was taken by this origin: keep it for source_give_back(); else 0. */
uint16_t source_port_of(const struct server *srv, const struct conn_origin *from);

void source_init(void);

#endif
