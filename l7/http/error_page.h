/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * error_page.h - the standard pages and those of `errorfile`. Constant after the configuration was read.
 */
#ifndef LBD_HTTP_ERROR_PAGE_H
#define LBD_HTTP_ERROR_PAGE_H

#include "base/slice.h"

struct proxy;

#define HTTP_ERROR_FILE_HDRS 32
struct http_error_file {
	unsigned int status;
	const char *reason;
	int n_headers;
	struct slice name[HTTP_ERROR_FILE_HDRS], value[HTTP_ERROR_FILE_HDRS];
	struct slice body;
};

/* The body of the standard page; that of 500 for a status without one. */
struct slice http_error_page(unsigned int status);
/* "Bad request": the reason that stands in the page's title. NULL without a page. */
const char *http_error_reason(unsigned int status);
/* Is there a standard page (and so a valid first argument of `errorfile`)? */
bool http_error_known(unsigned int status);
/* What `errorfile` of @px says for @status, or NULL. */
const struct http_error_file *http_error_file(const struct proxy *px, unsigned int status);

#endif
