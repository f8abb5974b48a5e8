/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * pattern_file.h - ACL and map files as text: one entry a line; empty lines and lines that begin with '#' are none, blanks in
 * front are skipped, lines end with a newline or CRLF. What an entry means is the caller's.
 */
#ifndef LBD_POLICY_PATTERN_FILE_H
#define LBD_POLICY_PATTERN_FILE_H

#include "policy/pattern.h"

struct pattern_reader {
	const char *
		path; /* "opt@" in front: it may be missing; "virt@": there is no file; "file@": as without */
	bool two_columns; /* key, blanks, value (which may be empty) */
	/* A key and its value (NULL when there is one column), NUL-terminated, valid during the call. 0, or -1 with err filled. */
	int (*entry)(struct pattern_reader *r, const char *key, const char *value, int line);
	/* May be NULL: about so many entries will come; before the first. */
	void (*expect)(struct pattern_reader *r, uint32_t entries);
	struct pattern_error err;
	int line; /* of the error; 0: of the file as a whole */
};

#define PATTERN_LINE_MAX 65536

/* 0, or -1 with @r->err and @r->line set. */
int pattern_file_read(struct pattern_reader *r);
/* The same from memory: for tests. */
int pattern_text_read(struct pattern_reader *r, const char *text, size_t n);

#endif
