/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * h2_tune.h - `tune.h2.*`: what a client connection of HTTP/2 announces and how long it lives. Constant once the workers run.
 */
#ifndef LBD_HTTP_H2_TUNE_H
#define LBD_HTTP_H2_TUNE_H

#include <stdint.h>

struct h2_tune {
	uint32_t max_streams;    /* at a time; 0: any number */
	uint32_t initial_window; /* of a stream's request body, bytes */
	uint32_t header_table;   /* bytes */
	uint32_t max_frame;      /* bytes that are taken */
	uint32_t total_streams;  /* then the connection ends; 0: never */
};
extern struct h2_tune h2_tune;

void h2_tune_init(void);

#endif
