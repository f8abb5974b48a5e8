/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * balance_http.h - balance algorithms that read the request: uri, url_param, hdr().
 */
#ifndef LBD_L7_BALANCE_HTTP_H
#define LBD_L7_BALANCE_HTTP_H

/* Registers them; after balance_init(), before the configuration is read. */
void balance_http_init(void);

#endif
