// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The slow start: a server that has come up gets its weight in steps, one a second at most, as haproxy's does. The same
 * time limits its connections (stream/queue.c asks server_starting_since()). Control thread, but for the questions.
 */
#include <time.h>

#include "balance/balance.h"
#include "loop/thread.h"
#include "model/server.h"

#define STEP_MS_MIN 1000
#define STEPS_MAX   20

int64_t server_starting_since(const struct server *s)
{
	int64_t since = (int64_t)time(NULL) - (int64_t)s->live.last_change_s;

	return atomic_load_explicit(&s->live.oper, memory_order_relaxed) == SRV_STARTING &&
			       since >= 0 && since < server_slowstart_s(s)
		       ? since
		       : -1;
}

static void arm(struct server *s)
{
	uint32_t step = s->slowstart_ms / STEPS_MAX;

	timer_set(&control_loop, &s->warmup,
		  control_loop.now_ms + (step > STEP_MS_MIN ? step : STEP_MS_MIN));
}

void server_reweigh(struct server *s)
{
	uint32_t weight = atomic_load(&s->live.uweight);
	int64_t since = server_starting_since(s), length = server_slowstart_s(s);
	uint64_t scale = SERVER_WEIGHT_SCALE;

	if (since >= 0 && !(s->px->balance && balance_is_static(s->px->balance)))
		scale = (SERVER_WEIGHT_SCALE * (uint64_t)since + (uint64_t)length) /
			(uint64_t)length;
	atomic_store(&s->live.eweight, (uint32_t)(weight * scale));
	if (since >= 0 && !timer_armed(&s->warmup))
		arm(s);
}
