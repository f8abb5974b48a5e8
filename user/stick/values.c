// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * values.c - reading and counting in a locked entry. See values.h. Any thread.
 */
#include "stick/values.h"

/* Single types that an array's element stands for. */
static const struct {
	enum stick_data single, array;
	uint32_t index;
} stands_for[] = {
	{ SD_GPT0, SD_GPT, 0 },           { SD_GPC0, SD_GPC, 0 },           { SD_GPC1, SD_GPC, 1 },
	{ SD_GPC0_RATE, SD_GPC_RATE, 0 }, { SD_GPC1_RATE, SD_GPC_RATE, 1 },
};

/* Where the table keeps what is asked for: false: nowhere. */
static bool find_data(const struct stick_table *t, enum stick_data *d, uint32_t *index)
{
	if (stick_stores(t, *d, *index))
		return true;
	for (size_t i = 0; i < ARRAY_SIZE(stands_for); i++) {
		if (stands_for[i].single != *d ||
		    !stick_stores(t, stands_for[i].array, stands_for[i].index))
			continue;
		*d = stands_for[i].array;
		*index = stands_for[i].index;
		return true;
	}
	return false;
}

static void changed(struct stick_table *t, struct stick_entry *e)
{
	stick_touch(t, e, this_loop->now_ms);
	stick_changed(t, e);
}

bool stick_gpc_add(struct stick_table *t, struct stick_entry *e, uint32_t index, bool by_array,
		   uint64_t n, uint64_t *out)
{
	enum stick_data cnt = by_array ? SD_GPC : index ? SD_GPC1 : SD_GPC0;
	enum stick_data rate = by_array ? SD_GPC_RATE : index ? SD_GPC1_RATE : SD_GPC0_RATE;
	uint32_t icnt = by_array ? index : 0, irate = icnt;
	uint64_t now_ms = this_loop->now_ms;
	bool has_rate = find_data(t, &rate, &irate), has_cnt = find_data(t, &cnt, &icnt);

	if (has_rate)
		*out = stick_add(t, e, rate, irate, n, now_ms);
	if (has_cnt)
		*out = stick_add(t, e, cnt, icnt, n, now_ms);
	if (has_rate || has_cnt)
		changed(t, e);
	return has_rate || has_cnt;
}

bool stick_gpt_set(struct stick_table *t, struct stick_entry *e, uint32_t index, bool by_array,
		   uint32_t v)
{
	enum stick_data d = by_array ? SD_GPT : SD_GPT0;

	if (!find_data(t, &d, &index))
		return false;
	*(uint32_t *)stick_at(t, e, d, index) = v;
	changed(t, e);
	return true;
}

bool stick_value_op(struct stick_table *t, struct stick_entry *e, enum stick_op op,
		    enum stick_data d, uint32_t index, uint64_t *out)
{
	bool by_array = stick_data_rows[d].array;

	if (op == STICK_INC) {
		*out = 0; /* also where nothing is stored */
		stick_gpc_add(t, e, by_array ? index : d == SD_GPC1, by_array, 1, out);
		return true;
	}
	if (!find_data(t, &d, &index))
		return false;
	*out = stick_value(t, e, d, index, this_loop->now_ms);
	if (op == STICK_KBYTES)
		*out >>= 10;
	if (op == STICK_CLEAR) {
		stick_set_value(t, e, d, index, 0, this_loop->now_ms);
		changed(t, e);
	}
	return true;
}
