/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * private.h - what the files of user/admin/ share. Control thread.
 */
#ifndef LBD_ADMIN_PRIVATE_H
#define LBD_ADMIN_PRIVATE_H

#include "admin/cli.h"
#include "loop/loop.h"

enum { CLI_USER, CLI_OPERATOR, CLI_ADMIN };

/* One connection to a stats socket. */
struct cli_client {
	struct list node;
	struct io io;
	struct timer timer; /* stats timeout, since the last byte in or out */
	struct task task;
	struct admin_socket *sock;
	struct strbuf in;  /* read and not yet split */
	struct strbuf out; /* reply not yet sent, from `sent` on */
	size_t sent;
	size_t scanned,
		payload_at; /* in `in`: looked at so far; where the payload begins, 0: none is open */
	int level;
	uint32_t timeout_ms;
	bool prompt;               /* interactive */
	bool expert, experimental; /* modes of this conversation */
	bool readable;             /* it may have sent more */
	bool eof;                  /* the client has shut its side */
	bool quit;                 /* close once everything is sent */
	bool running;              /* req is under way (CLI_MORE or CLI_LATER) */
	bool later;
	bool dead; /* went away while CLI_LATER is open */
	struct cli_request req;
	const struct cli_command *command;
	struct slice payload; /* of the line under work */
	char *line;           /* the line under work; words point into it */
	char *rest;           /* what stands behind the ';' in it, NULL: nothing */
	char *words[64];
};

struct admin_socket {
	struct list node;
	struct io io;
	struct bind_conf *bind;
	struct bind_address *at;
	char *tmp_path;
};

/* socket.c */
extern struct list admin_sockets, admin_clients;
extern uint32_t admin_nclients;
void admin_client_add(struct admin_socket *s, int fd);
void admin_socket_resume(void);
void socket_init(void);

/* command.c: NULL: unknown, the reply says so. *used: how many words the command has. */
const struct cli_command *cli_lookup(struct cli_request *r, int *used);
struct cli_client *cli_client_of(struct cli_request *r);
/* Argument k (0-based) or "". */
const char *cli_arg(const struct cli_request *r, int k);
/* One line of reply; always ends in a newline. */
enum cli_result cli_say(struct cli_request *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
struct proxy *cli_find_backend(struct cli_request *r, const char *name);
void command_init(void);

void cmd_basic_init(void);
void cmd_mode_init(void);
void cmd_libs_init(void);
void cmd_server_init(void);
void cmd_proxy_init(void);
void cmd_rate_init(void);
void cmd_handover_init(void);
void cmd_show_init(void);
void info_init(void);
void info_start(void);
/* "processNum":..., tags and value of the JSON form, with the closing braces. */
void stats_json_value(struct strbuf *o, const char *tags, const char *type, struct slice value);
void stats_init(void);

#endif
