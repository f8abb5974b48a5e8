// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tuning.c - making and freeing what rules set for one stream. See tuning.h.
 */
#include "stream/tuning.h"

#include <stdlib.h>

struct stream_tuning *stream_tune(struct stream *s)
{
	struct stream_tuning *t = s->tune;

	if (t)
		return t;
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->client_ms = t->server_ms = t->tunnel_ms = TUNE_AS_USUAL;
	t->retries = -1;
	t->log_level = -1;
	s->tune = t;
	return t;
}

void stream_tuning_free(struct stream *s)
{
	struct stream_tuning *t = s->tune;

	if (!t)
		return;
	for (int side = 0; side < 2; side++) {
		for (int i = 0; i < t->ncaptures[side]; i++)
			free((void *)t->captures[side][i].p);
		free(t->captures[side]);
	}
	free(t);
	s->tune = NULL;
}

bool stream_capture(struct stream *s, bool response, int i, int n, struct slice text, size_t most)
{
	struct stream_tuning *t = stream_tune(s);
	struct slice *at;
	char *copy;

	if (!t || i < 0 || i >= n || n > UINT8_MAX)
		return false;
	if (!t->captures[response]) {
		t->captures[response] = calloc((size_t)n, sizeof(struct slice));
		if (!t->captures[response])
			return false;
		t->ncaptures[response] = (uint8_t)n;
	}
	if (i >= t->ncaptures[response])
		return false;
	text = slice_first(text, most);
	copy = malloc(text.n + 1);
	if (!copy)
		return false;
	if (text.n)
		memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	at = &t->captures[response][i];
	free((void *)at->p);
	*at = slice_make(copy, text.n);
	return true;
}
