/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_inspect.h - `tcp-request content` and `tcp-response content` rules of a stream in mode tcp. For tcp.c only.
 */
#ifndef LBD_STREAM_TCP_INSPECT_H
#define LBD_STREAM_TCP_INSPECT_H

#include "base/segment.h"
#include "policy/rules.h"
#include "stream/stream.h"

/* One direction's first bytes. */
struct tcp_inspect {
	struct segment *data; /* what has been sent so far; NULL: nothing */
	struct rule_progress progress;
	uint64_t due_ms; /* loop time at which inspect-delay ends; 0: it does not run */
};

/* Runs the content rules of @px on the client's bytes. NEXT: go on; END: refused, s->term_* says why. */
enum step_result tcp_inspect_run(struct stream *s, const struct proxy *px, struct tcp_inspect *in);
/* Runs @rs on the server's bytes. NEXT: pass them on; WAIT: until more comes or @in->due_ms; END: refused, or the server's
 * connection failed (s->term_* is not set then). */
enum step_result tcp_inspect_response(struct stream *s, const struct rule_set *rs,
				      struct tcp_inspect *in);
/* The bytes that conditions may look at. */
struct slice tcp_inspect_data(const struct tcp_inspect *in);
void tcp_inspect_fini(struct tcp_inspect *in);

#endif
