// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * http_acl.c - ACL keywords that are a fetch with a way of matching ("path_beg"), and the predefined ACLs of HTTP. Rows only.
 */
#include "policy/acl.h"
#include "policy/http_policy.h"

#define SUFFIXES(name, fetch)                                                              \
	{ name, fetch, "str", "The whole text is equal." },                                \
		{ name "_beg", fetch, "beg", "The text begins so." },                      \
		{ name "_dir", fetch, "dir", "A part between slashes is equal." },         \
		{ name "_dom", fetch, "dom", "A part between dots or slashes is equal." }, \
		{ name "_end", fetch, "end", "The text ends so." },                        \
		{ name "_len", fetch, "len", "The length is that number." },               \
		{ name "_reg", fetch, "reg", "The regular expression matches." },          \
	{                                                                                  \
		name "_sub", fetch, "sub", "The text contains it."                         \
	}

static const struct acl_keyword keywords[] = {
	SUFFIXES("base", "base"),
	SUFFIXES("cook", "req.cook"),
	SUFFIXES("hdr", "req.hdr"),
	SUFFIXES("path", "path"),
	SUFFIXES("scook", "res.cook"),
	SUFFIXES("shdr", "res.hdr"),
	SUFFIXES("url", "url"),
	SUFFIXES("urlp", "urlp"),
	{ "method", "method", "str", "The request's method." },
	{ "req_ver", "req.ver", "str", "The request's version." },
	{ "resp_ver", "res.ver", "str", "The response's version." },
};

static const struct acl_predefined predefined[] = {
	{ "HTTP", "req.proto_http", "The request is HTTP." },
	{ "HTTP_1.0", "req.ver 1.0", "Version 1.0." },
	{ "HTTP_1.1", "req.ver 1.1", "Version 1.1." },
	{ "HTTP_2.0", "req.ver 2.0", "Version 2." },
	{ "HTTP_3.0", "req.ver 3.0", "Version 3, which never comes here." },
	{ "HTTP_CONTENT", "req.hdr_val(content-length) gt 0", "The request has a length above 0." },
	{ "HTTP_URL_ABS", "url_reg ^[^/:]*://", "The target has scheme and host." },
	{ "HTTP_URL_SLASH", "url_beg /", "The target begins with a slash." },
	{ "HTTP_URL_STAR", "url *", "The target is *." },
	{ "METH_CONNECT", "method CONNECT", "Method CONNECT." },
	{ "METH_DELETE", "method DELETE", "Method DELETE." },
	{ "METH_GET", "method GET HEAD", "Method GET or HEAD." },
	{ "METH_HEAD", "method HEAD", "Method HEAD." },
	{ "METH_OPTIONS", "method OPTIONS", "Method OPTIONS." },
	{ "METH_POST", "method POST", "Method POST." },
	{ "METH_PUT", "method PUT", "Method PUT." },
	{ "METH_TRACE", "method TRACE", "Method TRACE." },
};

void http_acl_register(void)
{
	acl_keyword_register(keywords, ARRAY_SIZE(keywords));
	acl_predefined_register(predefined, ARRAY_SIZE(predefined));
}
