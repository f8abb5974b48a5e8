/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * capture.h - slots of a frontend for texts that are kept for the log. What a stream holds: stream/tuning.h.
 */
#ifndef LBD_POLICY_CAPTURE_H
#define LBD_POLICY_CAPTURE_H

#include "policy/sample.h"

struct proxy;

/* How many slots @fe has for requests, or responses. */
int capture_slots(const struct proxy *fe, bool response);
/* One more slot, of @most bytes, in the line's proxy: its number, or -1 when there are too many. Control thread. */
int capture_slot_new(struct cfg_line *l, bool response, uint32_t most);

#endif
