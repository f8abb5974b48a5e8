/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reader.h - configuration files into the model: files -> lines -> words -> sections -> keyword rows.
 * Everything wrong in all files is said in one pass. Control thread, before the workers start.
 */
#ifndef LBD_CONFIG_READER_H
#define LBD_CONFIG_READER_H

#include "model/config.h"

/* Registers the language's own rows: sections, global and proxy keywords, bind and server options, checks. */
void config_language_init(void);

/* Reads one file, or all "*.cfg" of a directory in lexical order. Several calls add up. 0, or -1 with errors said. */
int config_read(struct config *cfg, const char *path);

/* The same for text in memory; @name stands for the file in messages. @text need not live on. */
int config_read_text(struct config *cfg, const char *name, struct slice text);

/* After the last file: runs all checks of all phases. 0 or -1. */
int config_finish(struct config *cfg);

/* Options of the command line that influence reading. */
struct config_reading {
	bool diag_mode;         /* -dD: `.diag` speaks */
	bool ignore_resolution; /* -dr: servers whose name does not resolve start without address */
	bool no_getaddrinfo;    /* -dG */
	bool ipv4_only;         /* -4, dns-accept-family */
	bool ipv6_only;
};
extern struct config_reading config_reading;

/* default-path: from where relative file names count. It holds for the file it stands in and for those read later. */
enum reader_path_mode {
	READER_PATH_CURRENT,
	READER_PATH_CONFIG,
	READER_PATH_PARENT,
	READER_PATH_ORIGIN
};
struct reader_path {
	enum reader_path_mode mode;
	const char *origin; /* READER_PATH_ORIGIN */
	int back;           /* descriptor of the directory the process is in; -1: it has not been left */
};
extern struct reader_path reader_path;
/* Goes where the mode says for the file of @l. 0, or -1 with the error said. */
int reader_path_enter(struct cfg_line *l);

/* ---- between the reader's own files ---- */

struct cond_stack; /* condition.h */

struct reader {
	struct cfg_line line; /* what handlers see; first member: see reader_of() */
	const char *file;
	int lineno;
	const struct cfg_section_row
		*section_row;     /* NULL: global, a proxy, or outside of any section */
	const char *section_name; /* for ${.SECTION} */
	bool in_section;
	bool broken_section; /* its header was wrong: its lines are skipped, the error was said */
	const struct proxy *last_defaults;
};

static inline struct reader *reader_of(struct cfg_line *l)
{
	return container_of(l, struct reader, line);
}

/* Opens the section that the line under the reader names (words[0]). false: it is no section's name. */
bool reader_open_section(struct reader *r);
/* A line inside a section: finds its row and calls it. */
void reader_section_line(struct reader *r);
/* Runs the row of a line whose keyword stands at word @first. */
void reader_run_keyword(struct cfg_line *l, const struct cfg_keyword *k, int first);
/* Ends the open section (rows with an `end`). */
void reader_close_section(struct reader *r);
/* Variables for the lexer: environment and the pseudo-variables. */
const struct lex_vars *reader_vars(struct reader *r);
/* The environment alone (addresses given outside of a file). */
extern const struct lex_vars environment_vars;

#endif
