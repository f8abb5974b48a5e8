/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * address.h - addresses as the language writes them (HAProxy manual, section 11): families, prefixes, ports, lists.
 * For bind and server lines, log targets, stats sockets, source. Control thread, before the workers start.
 */
#ifndef LBD_CONFIG_ADDRESS_H
#define LBD_CONFIG_ADDRESS_H

#include "base/addr.h"
#include "config/keyword.h"

struct bind_conf;

/* What a caller allows; everything else is an error with the place. */
enum cfg_address_flags {
	CFG_ADDR_PORT = 1,      /* a port may stand behind the address */
	CFG_ADDR_NEED_PORT = 2, /* and must */
	CFG_ADDR_RANGE = 4,     /* LOW-HIGH */
	CFG_ADDR_OFFSET = 8,    /* +N, -N */
	CFG_ADDR_NAME = 16,     /* host names, resolved at once */
	CFG_ADDR_UNIX = 32,     /* unix@, abns@, /path */
	CFG_ADDR_FD = 64,       /* fd@N */
	CFG_ADDR_UDP = 128,     /* udp@ is allowed */
	CFG_ADDR_DGRAM = 256,   /* datagrams are the default (log) */
	CFG_ADDR_STAR = 512,    /* "*" and an empty address: any */
	CFG_ADDR_PREFIX = 1024, /* ADDRESS/BITS: all addresses of a network */
	CFG_ADDR_LATER = 2048, /* a name is not looked up: `host` is set, the family is ADDR_NONE */
};

enum cfg_port_kind { CFG_PORT_NONE, CFG_PORT_ONE, CFG_PORT_RANGE, CFG_PORT_OFFSET };

struct cfg_address {
	struct addr addr; /* ADDR_UNIX: path; ADDR_NONE: fd, or a name that did not resolve (-dr) */
	enum cfg_port_kind port_kind;
	uint16_t port_end; /* = addr.port without a range */
	int32_t port_offset;
	const char *path;    /* abstract: path[0] == '@' */
	const char *host;    /* the host as written, if it is a name */
	int fd;              /* -1: none */
	uint8_t prefix_bits; /* with is_prefix */
	bool is_prefix;
	int family; /* AF_INET, AF_INET6: the prefix asks for it; AF_UNSPEC: any */
	bool is_any, is_abstract, is_udp, is_stream; /* is_stream: asked for by tcp@ or stream+ */
};

/* One address in @text, which is (a part of) word @word. Expands variables. 0, or -1 with the error said. */
int cfg_address_parse(struct cfg_line *l, int word, const char *text, unsigned int flags,
		      struct cfg_address *out);

/* Looks @host up, an address of @family (AF_UNSPEC: any); the port of @out stays. 0 or an EAI_ code. */
int cfg_address_look_up(const char *host, int family, struct addr *out);

/* A comma list of addresses to listen on: struct bind_address appended to @out. 0 or -1. */
int cfg_bind_addresses(struct cfg_line *l, int word, struct list *out);

/* "frontend NAME ADDR:PORT": the old form of a bind line, with its warning. 0 or -1. */
int bind_old_form(struct cfg_line *l, int word);
/* A bind line of l->px (NULL: a stats socket), not yet in any list. @spec: as written. */
struct bind_conf *bind_conf_new(struct cfg_line *l, const char *spec);
/* For modules with listeners of their own (stats socket): options from word @i on. 0 or -1. */
int bind_parse_options(struct cfg_line *l, int i, struct bind_conf *b);

/* NULL: @name is fine for a section or server; else its first bad character. */
const char *config_bad_name_char(const char *name);

#endif
