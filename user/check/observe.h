/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * observe.h - what workers tell about servers that are observed (`observe layer4|layer7`). Costs one load for all others.
 */
#ifndef LBD_CHECK_OBSERVE_H
#define LBD_CHECK_OBSERVE_H

#include "model/server.h"

enum observe_mode { OBSERVE_NOTHING, OBSERVE_LAYER4, OBSERVE_LAYER7 };
enum observation {
	OBSERVED_OK,
	OBSERVED_L4_ERROR,
	OBSERVED_HTTP_STATUS,
	OBSERVED_HTTP_HEADERS,
	OBSERVED_HTTP_BODY,
	OBSERVED_HTTP_TIMEOUT,
	OBSERVED_HTTP_CLOSED,
};
/* Any worker: @what happened with @s; counts when the server is observed in that @mode. */
void observe_note(struct server *s, enum observe_mode mode, enum observation what);

#endif
