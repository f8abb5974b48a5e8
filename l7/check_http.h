/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * check_http.h - the health check `option httpchk`: init call only.
 */
#ifndef LBD_CHECK_HTTP_H
#define LBD_CHECK_HTTP_H

void check_http_init(void);

#endif
