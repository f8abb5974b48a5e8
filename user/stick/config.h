/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * config.h - stick tables in the configuration: the keyword `stick-table`, names resolved once everything is read, and
 * who is called when. Control thread, before the workers start.
 */
#ifndef LBD_STICK_CONFIG_H
#define LBD_STICK_CONFIG_H

#include "config/keyword.h"
#include "stick/table.h"

/* The table of a proxy, NULL: it has none. */
struct stick_table *stick_table_of(const struct proxy *px);

/* Parses "type ... size ..." from word @i to the line's end into a new table of that name, which it registers.
 * @px: whose stick-table it is, NULL in a peers section. NULL with the error said. */
struct stick_table *stick_table_parse(struct cfg_line *l, int i, const char *name,
				      struct proxy *px);

/* A name that is looked up once everything is read: *@to is set then. @name NULL: the table of @px. */
void stick_table_want(struct cfg_line *l, int word, const char *what, const char *name,
		      struct stick_table **to);
/* The same for a table whose keys @key makes: its type must fit. */
void stick_table_want_key(struct cfg_line *l, int word, const char *what, const char *name,
			  struct stick_table **to, const struct expr *key);
/* A table that must store @d: stick rules need the server's number. */
void stick_table_wants_data(struct stick_table **of, enum stick_data d);

/* Counters of one session or stream that may be tracked at once (tune.stick-counters). */
extern uint32_t stick_counters;
#define STICK_COUNTERS_MAX 12

void stick_init(void);

/* Rows of the files here; stick_init() lists the calls. */
void stick_track_register(void);
void stick_fetch_register(void);
void stick_conv_register(void);
void stick_action_register(void);
void sticking_register(void);
void stick_cli_register(void);
void peers_conf_register(void);
void peers_show_register(void);

#endif
