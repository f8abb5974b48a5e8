/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * sticking.h - `stick match`, `stick on`, `stick store-request`, `stick store-response`: a key leads to the server that it led
 * to before. The steps of both modes call these; in the stream's worker.
 */
#ifndef LBD_STICK_STICKING_H
#define LBD_STICK_STICKING_H

#include "policy/sample.h"
#include "stream/stream.h"

bool sticking_has_rules(const struct proxy *px);

/* Before a server is picked: s->srv becomes the one that a rule's key leads to (unless something has chosen already), and what
 * is to be stored is kept. @ctx: request. Cheap for a backend without such rules. */
void sticking_request(struct stream *s, const struct smp_ctx *ctx);
/* A server has accepted the connection (tcp) or answered (http): its number is stored. @ctx: response. */
void sticking_response(struct stream *s, const struct smp_ctx *ctx);

#endif
