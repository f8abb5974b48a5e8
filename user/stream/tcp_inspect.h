/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tcp_inspect.h - `tcp-request content` rules of a stream in mode tcp. For tcp.c only.
 */
#ifndef LBD_STREAM_TCP_INSPECT_H
#define LBD_STREAM_TCP_INSPECT_H

#include "base/segment.h"
#include "policy/rules.h"
#include "stream/stream.h"

struct tcp_inspect {
	struct segment *data; /* what the client has sent so far; NULL: nothing */
	struct rule_progress progress;
	bool armed, ended; /* inspect-delay runs; it is over */
};

/* Runs the content rules of @px. NEXT: go on; END: refused, s->term_* says why. */
enum step_result tcp_inspect_run(struct stream *s, const struct proxy *px, struct tcp_inspect *in);
/* The bytes that conditions may look at. */
struct slice tcp_inspect_data(const struct tcp_inspect *in);
void tcp_inspect_fini(struct tcp_inspect *in);

#endif
