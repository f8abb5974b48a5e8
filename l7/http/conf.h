/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * conf.h - what mode http keeps in a proxy (an ext of it), and the module's init call. Filled by conf.c while the configuration is read.
 */
#ifndef LBD_HTTP_CONF_H
#define LBD_HTTP_CONF_H

#include "model/proxy.h"

enum http_conn_mode {
	CONN_KEEP_ALIVE,
	CONN_SERVER_CLOSE,
	CONN_CLOSE
}; /* ordered: the higher of frontend and backend wins */
enum http_reuse { REUSE_SAFE, REUSE_NEVER, REUSE_AGGRESSIVE, REUSE_ALWAYS };

struct http_net {
	struct addr net;
	uint8_t bits;
};

/* option forwardfor, option originalto */
struct http_forward {
	bool on, if_none, has_except;
	struct http_net except;
	const char *header; /* lower case */
};

struct http_conf {
	enum http_conn_mode conn_mode;
	bool conn_mode_set;
	enum http_reuse reuse;
	struct http_forward forwardfor, originalto;
	bool relax_request, relax_response, ignore_probes, pretend_keepalive;
	const char *monitor_uri;
	struct cond **monitor_fails; /* NULL-ended; any of them turns the monitor's 200 into 503 */
};
struct http_conf *http_conf(const struct proxy *px);

/* Registers protocols, keywords, log variables. Before the command line is read. */
void http_init(void);
/* The module's own parts, called by http_init(). */
void http_conf_init(void);
void http_log_init(void);
void http_error_file_init(void);

extern uint32_t http_log_uri_max; /* tune.http.logurilen */

#endif
