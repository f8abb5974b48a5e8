// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * data.c - the rows of data types. See data.h.
 */
#include "stick/data.h"
#include "stick/rate.h"

const struct stick_data_row stick_data_rows[SD_TYPES] = {
	[SD_SERVER_ID] = { "server_id", STICK_INT, false, "The server that stick rules chose." },
	[SD_GPT0] = { "gpt0", STICK_UINT, false, "First general purpose tag." },
	[SD_GPC0] = { "gpc0", STICK_UINT, false, "First general purpose counter." },
	[SD_GPC0_RATE] = { "gpc0_rate", STICK_RATE, false, "Its increments in a period." },
	[SD_CONN_CNT] = { "conn_cnt", STICK_UINT, false, "Connections so far." },
	[SD_CONN_RATE] = { "conn_rate", STICK_RATE, false, "Connections in a period." },
	[SD_CONN_CUR] = { "conn_cur", STICK_UINT, false, "Connections now." },
	[SD_SESS_CNT] = { "sess_cnt", STICK_UINT, false,
			  "Connections that the connection rules let pass." },
	[SD_SESS_RATE] = { "sess_rate", STICK_RATE, false, "The same in a period." },
	[SD_HTTP_REQ_CNT] = { "http_req_cnt", STICK_UINT, false, "HTTP requests." },
	[SD_HTTP_REQ_RATE] = { "http_req_rate", STICK_RATE, false, "HTTP requests in a period." },
	[SD_HTTP_ERR_CNT] = { "http_err_cnt", STICK_UINT, false,
			      "HTTP errors of the client: bad and denied requests, 4xx." },
	[SD_HTTP_ERR_RATE] = { "http_err_rate", STICK_RATE, false, "The same in a period." },
	[SD_BYTES_IN_CNT] = { "bytes_in_cnt", STICK_ULL, false, "Bytes from the client." },
	[SD_BYTES_IN_RATE] = { "bytes_in_rate", STICK_RATE, false, "The same in a period." },
	[SD_BYTES_OUT_CNT] = { "bytes_out_cnt", STICK_ULL, false, "Bytes to the client." },
	[SD_BYTES_OUT_RATE] = { "bytes_out_rate", STICK_RATE, false, "The same in a period." },
	[SD_GPC1] = { "gpc1", STICK_UINT, false, "Second general purpose counter." },
	[SD_GPC1_RATE] = { "gpc1_rate", STICK_RATE, false, "Its increments in a period." },
	[SD_SERVER_KEY] = { "server_key", STICK_TEXT, false,
			    "Name or address of the server that stick rules chose (srvkey)." },
	[SD_HTTP_FAIL_CNT] = { "http_fail_cnt", STICK_UINT, false,
			       "Failures of servers: bad responses, 5xx but 501 and 505." },
	[SD_HTTP_FAIL_RATE] = { "http_fail_rate", STICK_RATE, false, "The same in a period." },
	[SD_GPT] = { "gpt", STICK_UINT, true, "General purpose tags." },
	[SD_GPC] = { "gpc", STICK_UINT, true, "General purpose counters." },
	[SD_GPC_RATE] = { "gpc_rate", STICK_RATE, true, "Their increments in a period." },
};

int stick_data_find(struct slice name)
{
	for (int i = 0; i < SD_TYPES; i++)
		if (slice_eq_z(name, stick_data_rows[i].name))
			return i;
	return -1;
}

size_t stick_kind_bytes(enum stick_kind k)
{
	switch (k) {
	case STICK_INT:
	case STICK_UINT:
		return sizeof(uint32_t);
	case STICK_ULL:
		return sizeof(uint64_t);
	case STICK_RATE:
		return sizeof(struct stick_rate);
	case STICK_TEXT:
		return sizeof(void *);
	}
	return 0;
}
