/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parse.h - what stands behind `stick-table`, and behind `table NAME` in a peers section. Control thread.
 */
#ifndef LBD_STICK_PARSE_H
#define LBD_STICK_PARSE_H

#define STICK_TABLE_USAGE                                                                    \
	"stick-table type {ip|ipv6|integer|string [len <n>]|binary [len <n>]} size <size> "  \
	"[expire <time>] [nopurge] [peers <section>] [srvkey addr|name] [write-to <table>] " \
	"[store <types>]"

/* Names for -dK. */
void stick_parse_register(void);

#endif
