/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service.h - asks the registered pages (reply.h: struct http_service) whether a request is theirs. For the steps.
 */
#ifndef LBD_HTTP_SERVICE_H
#define LBD_HTTP_SERVICE_H

#include "http/txn.h"

bool http_service_serve(struct http_txn *t, struct proxy *px);
bool http_service_wants_body(struct http_txn *t, struct proxy *px);

#endif
