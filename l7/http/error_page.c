// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * error_page.c - the standard pages: status line, content-length, cache-control, content-type and a short HTML body, as HAProxy's have
 * them; the sentences are our own. Constant data.
 */
#include "http/error_page.h"

#define PAGE(status, title, text)                                                     \
	{                                                                             \
		status, title,                                                        \
		{                                                                     \
			"<html><body><h1>" title "</h1>\n" text "\n</body></html>\n", \
				sizeof("<html><body><h1>" title "</h1>\n" text        \
				       "\n</body></html>\n") -                        \
					1                                             \
		}                                                                     \
	}

static const struct {
	unsigned int status;
	const char *title;
	struct slice body;
} pages[] = {
	PAGE(200, "200 OK", "Service ready."),
	PAGE(400, "400 Bad request", "What your browser sent is not a valid request."),
	PAGE(401, "401 Unauthorized", "This page asks for a user name and a password."),
	PAGE(403, "403 Forbidden", "The rules of this site do not allow this request."),
	PAGE(404, "404 Not Found", "There is nothing at this address."),
	PAGE(405, "405 Method Not Allowed",
	     "This address does not take requests with this method."),
	PAGE(407, "407 Unauthorized", "The proxy asks for a user name and a password."),
	PAGE(408, "408 Request Time-out", "Your browser took too long to send its request."),
	PAGE(410, "410 Gone", "What was here is gone for good."),
	PAGE(413, "413 Payload Too Large", "The request carries more than is accepted here."),
	PAGE(422, "422 Unprocessable Content",
	     "The request's encoding is not one that is understood here."),
	PAGE(425, "425 Too Early", "Your browser sent early data; it may try again."),
	PAGE(429, "429 Too Many Requests", "Too many requests came from you in a short time."),
	PAGE(431, "431 Request Header Fields Too Large",
	     "The request's header fields are larger than is accepted here."),
	PAGE(500, "500 Internal Server Error",
	     "Something went wrong while the request was handled."),
	PAGE(501, "501 Not Implemented", "The request asks for something that is not supported."),
	PAGE(502, "502 Bad Gateway", "The server sent no valid response."),
	PAGE(503, "503 Service Unavailable",
	     "There is no server that could handle this request now."),
	PAGE(504, "504 Gateway Time-out", "The server did not answer in time."),
	PAGE(505, "505 HTTP Version Not Supported",
	     "The request uses a version of HTTP that is not spoken here."),
};

static const struct slice *find(unsigned int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (pages[i].status == status)
			return &pages[i].body;
	return NULL;
}

bool http_error_known(unsigned int status)
{
	return find(status);
}

struct slice http_error_page(unsigned int status)
{
	const struct slice *s = find(status);

	return s ? *s : *find(500);
}

const char *http_error_reason(unsigned int status)
{
	for (size_t i = 0; i < ARRAY_SIZE(pages); i++)
		if (pages[i].status == status)
			return pages[i].title + 4;
	return NULL;
}
