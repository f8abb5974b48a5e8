/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * data.h - what an entry of a stick table may store: one row a type, numbered as HAProxy's peers protocol numbers them.
 * Rows are constants; which of them a table has is fixed when the configuration is read.
 */
#ifndef LBD_STICK_DATA_H
#define LBD_STICK_DATA_H

#include "base/slice.h"

enum stick_data {
	SD_SERVER_ID,
	SD_GPT0,
	SD_GPC0,
	SD_GPC0_RATE,
	SD_CONN_CNT,
	SD_CONN_RATE,
	SD_CONN_CUR,
	SD_SESS_CNT,
	SD_SESS_RATE,
	SD_HTTP_REQ_CNT,
	SD_HTTP_REQ_RATE,
	SD_HTTP_ERR_CNT,
	SD_HTTP_ERR_RATE,
	SD_BYTES_IN_CNT,
	SD_BYTES_IN_RATE,
	SD_BYTES_OUT_CNT,
	SD_BYTES_OUT_RATE,
	SD_GPC1,
	SD_GPC1_RATE,
	SD_SERVER_KEY,
	SD_HTTP_FAIL_CNT,
	SD_HTTP_FAIL_RATE,
	SD_GPT,
	SD_GPC,
	SD_GPC_RATE,
	SD_TYPES,
};

enum stick_kind {
	STICK_INT,  /* int32_t */
	STICK_UINT, /* uint32_t */
	STICK_ULL,  /* uint64_t */
	STICK_RATE, /* struct stick_rate */
	STICK_TEXT, /* struct stick_text *, counted */
};

struct stick_data_row {
	const char *name;
	enum stick_kind kind;
	bool array; /* takes the number of elements */
	const char *help;
};
extern const struct stick_data_row stick_data_rows[SD_TYPES];

#define STICK_ARRAY_MAX 100

/* The type of that name, or -1. */
int stick_data_find(struct slice name);
/* Bytes of one element. */
size_t stick_kind_bytes(enum stick_kind k);

#endif
