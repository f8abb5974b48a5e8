// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * value.c - reading and changing what an entry of a stick table holds. Under the entry's lock. See table.h.
 */
#include "stick/table.h"
#include "stick/text.h"

uint64_t stick_value(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
		     uint32_t i, uint64_t now_ms)
{
	const void *p = stick_at(t, e, d, i);

	switch (stick_data_rows[d].kind) {
	case STICK_INT:
		return (uint64_t)(int64_t) * (const int32_t *)p;
	case STICK_UINT:
		return *(const uint32_t *)p;
	case STICK_ULL:
		return *(const uint64_t *)p;
	case STICK_RATE:
		return stick_rate_read(p, t->period_ms[d], (uint32_t)now_ms);
	case STICK_TEXT:
		break;
	}
	return 0;
}

void stick_set_value(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
		     uint32_t i, uint64_t v, uint64_t now_ms)
{
	void *p = stick_at(t, e, d, i);

	switch (stick_data_rows[d].kind) {
	case STICK_INT:
	case STICK_UINT:
		*(uint32_t *)p = (uint32_t)v;
		break;
	case STICK_ULL:
		*(uint64_t *)p = v;
		break;
	case STICK_RATE:
		*(struct stick_rate *)p =
			(struct stick_rate){ .since = (uint32_t)now_ms, .now = (uint32_t)v };
		break;
	case STICK_TEXT:
		break;
	}
}

uint64_t stick_add(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
		   uint32_t i, uint64_t n, uint64_t now_ms)
{
	void *p;

	if (!stick_stores(t, d, i))
		return 0;
	p = stick_at(t, e, d, i);
	switch (stick_data_rows[d].kind) {
	case STICK_INT:
	case STICK_UINT:
		return *(uint32_t *)p += (uint32_t)n;
	case STICK_ULL:
		return *(uint64_t *)p += n;
	case STICK_RATE:
		return stick_rate_add(p, t->period_ms[d], (uint32_t)now_ms, (uint32_t)n);
	case STICK_TEXT:
		break;
	}
	return 0;
}

const char *stick_text_of(const struct stick_table *t, struct stick_entry *e)
{
	struct stick_text *text = t->count[SD_SERVER_KEY]
					  ? *(struct stick_text **)stick_at(t, e, SD_SERVER_KEY, 0)
					  : NULL;

	return text ? text->z : NULL;
}

void stick_set_text(const struct stick_table *t, struct stick_entry *e, struct slice s)
{
	struct stick_text **at, *old;

	if (!t->count[SD_SERVER_KEY])
		return;
	at = stick_at(t, e, SD_SERVER_KEY, 0);
	old = *at;
	if (old && s.n && slice_eq_z(s, old->z))
		return;
	*at = s.n ? stick_text_get(s) : NULL;
	stick_text_put(old);
}
