// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * names.c - look-up of header names, methods and reason phrases. Constant data, any thread.
 */
#include "http/names.h"

static const struct slice hdr_names[HDR_IDS] = {
#define X(id, name) [HDR_##id] = { name, sizeof(name) - 1 },
	HTTP_HEADER_TABLE(X)
#undef X
};

#define LEN_MAX 32
#define PER_LEN 8

/* Ids by length of the name; filled before main() so that worker threads only read. */
static uint8_t by_len[LEN_MAX][PER_LEN];

static void __attribute__((constructor)) fill_by_len(void)
{
	for (int id = 1; id < HDR_IDS; id++) {
		uint8_t *row = by_len[hdr_names[id].n];
		int i = 0;

		while (row[i])
			i++;
		if (i >= PER_LEN - 1)
			__builtin_trap(); /* our own table: make PER_LEN larger */
		row[i] = id;
	}
}

enum http_hdr_id http_hdr_id(struct slice name)
{
	const uint8_t *row;

	if (name.n >= LEN_MAX || !name.n)
		return HDR_OTHER;
	for (row = by_len[name.n]; *row; row++) {
		const char *cand = hdr_names[*row].p;

		if (cand[0] == name.p[0] && cand[name.n - 1] == name.p[name.n - 1] &&
		    memcmp(cand, name.p, name.n) == 0)
			return (enum http_hdr_id) * row;
	}
	return HDR_OTHER;
}

struct slice http_hdr_name(enum http_hdr_id id)
{
	return hdr_names[id];
}

static const struct slice meth_names[METH_OTHER] = {
	[METH_OPTIONS] = { "OPTIONS", 7 }, [METH_GET] = { "GET", 3 },
	[METH_HEAD] = { "HEAD", 4 },       [METH_POST] = { "POST", 4 },
	[METH_PUT] = { "PUT", 3 },         [METH_DELETE] = { "DELETE", 6 },
	[METH_TRACE] = { "TRACE", 5 },     [METH_CONNECT] = { "CONNECT", 7 },
};

enum http_meth http_meth_id(struct slice name)
{
	if (name.n == 3 && memcmp(name.p, "GET", 3) == 0)
		return METH_GET;
	for (int m = 0; m < METH_OTHER; m++)
		if (slice_eq(meth_names[m], name))
			return (enum http_meth)m;
	return METH_OTHER;
}

struct slice http_meth_name(enum http_meth m)
{
	return m < METH_OTHER ? meth_names[m] : SLICE_NONE;
}

static const struct {
	uint16_t status;
	const char *text;
} reasons[] = {
	{ 100, "Continue" },
	{ 101, "Switching Protocols" },
	{ 102, "Processing" },
	{ 103, "Early Hints" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 203, "Non-Authoritative Information" },
	{ 204, "No Content" },
	{ 205, "Reset Content" },
	{ 206, "Partial Content" },
	{ 207, "Multi-Status" },
	{ 300, "Multiple Choices" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Time-out" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Payload Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Time-out" },
	{ 505, "HTTP Version Not Supported" },
	{ 507, "Insufficient Storage" },
	{ 511, "Network Authentication Required" },
};

const char *http_reason(unsigned int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].text;
	return "Other";
}
