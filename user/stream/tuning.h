/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tuning.h - what rules have set for one stream only: timeouts, retries, log level, place in queues, a pause, captured
 * texts. On the heap from the first such rule on; all other streams have a NULL pointer. The stream's worker.
 */
#ifndef LBD_STREAM_TUNING_H
#define LBD_STREAM_TUNING_H

#include "base/slice.h"
#include "model/proxy.h"
#include "stream/stream.h"

#define TUNE_AS_USUAL UINT32_MAX /* of a timeout; 0 is "none" */
#define LOG_SILENT    8          /* of the log level: no line at all */

struct stream_tuning {
	uint32_t client_ms, server_ms, tunnel_ms; /* TUNE_AS_USUAL, or instead of the proxy's */
	int16_t retries;                          /* -1: as usual */
	int8_t log_level;                         /* -1: as usual; 0..7; LOG_SILENT */
	bool close_server;                        /* `tcp-response content close` */
	int32_t prio_class, prio_offset_ms;       /* of a waiting stream: lower comes first */
	uint64_t pause_until_ms;                  /* loop time; 0: no pause is under way */
	struct slice *captures[2];                /* request, response: on the heap, .p too */
	uint8_t ncaptures[2];
};

/* Made when it is not there; NULL: memory is out. */
struct stream_tuning *stream_tune(struct stream *s);
/* stream_fini() calls it. */
void stream_tuning_free(struct stream *s);

/* A copy of @text, cut to @most bytes, into slot @i of @n. */
bool stream_capture(struct stream *s, bool response, int i, int n, struct slice text, size_t most);
/* p is NULL when nothing was captured there. */
static inline struct slice stream_captured(const struct stream *s, bool response, int i)
{
	return s->tune && i >= 0 && i < s->tune->ncaptures[response]
		       ? s->tune->captures[response][i]
		       : SLICE_NONE;
}

#define TUNED(s, field, usual) \
	((s)->tune && (s)->tune->field != TUNE_AS_USUAL ? (s)->tune->field : (uint32_t)(usual))
static inline uint32_t stream_client_ms(const struct stream *s)
{
	return TUNED(s, client_ms, s->sess->fe->timeout.client);
}
static inline uint32_t stream_server_ms(const struct stream *s)
{
	return TUNED(s, server_ms, s->be->timeout.server);
}
static inline uint32_t stream_tunnel_ms(const struct stream *s)
{
	return TUNED(s, tunnel_ms, s->be->timeout.tunnel);
}
/* For queues: class first, then the time of arrival plus the offset. */
static inline int32_t stream_prio_class(const struct stream *s)
{
	return s->tune ? s->tune->prio_class : 0;
}
static inline int32_t stream_prio_offset_ms(const struct stream *s)
{
	return s->tune ? s->tune->prio_offset_ms : 0;
}
/* A rule pauses the stream, and the pause is not over: until when (loop time, ms), else 0. */
static inline uint64_t stream_paused_until(const struct stream *s)
{
	return s->tune ? s->tune->pause_until_ms : 0;
}

#endif
