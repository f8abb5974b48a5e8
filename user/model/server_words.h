/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server_words.h - the lines about changes of a server's state, in haproxy's words. For server_state.c only.
 * Control thread.
 */
#ifndef LBD_MODEL_SERVER_WORDS_H
#define LBD_MODEL_SERVER_WORDS_H

#include "model/server.h"

/* A change of the administrative state, after it was made. */
struct admin_change {
	uint32_t before, now; /* enum server_admin bits */
	bool was_usable, was_stopped;
	const char *why; /* "via b/s", or words for parentheses; NULL: none */
};

/* "Server b/s is DOWN, reason: ...". @why: as server_set_oper() has it. */
void server_say_oper(const struct server *s, enum server_oper oper, const char *why);
void server_say_admin(const struct server *s, const struct admin_change *c);
/* After the server's own line: its backend, which had @had usable servers, has none left. */
void server_say_backend(const struct server *s, int had);

#endif
