// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * check_http.c - the health check `option httpchk`: asks for a page and judges status or content, by `http-check send`
 * and `http-check expect` (manual 4.2). Not for: when and how often (user/check/), connections of clients.
 * Control thread.
 */
#include "check_http.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <ctype.h>
#include <pcre2.h>
#include <stdlib.h>

#include "check/check.h"

enum expect_kind { EXPECT_NONE, EXPECT_STATUS, EXPECT_RSTATUS, EXPECT_STRING, EXPECT_RSTRING };

struct status_range {
	int low, high;
};

struct http_check {
	const char *method, *uri, *version; /* NULL: OPTIONS / HTTP/1.0 */
	const char *headers;                /* "name: value\r\n" each, names in lower case */
	const char *body;
	enum expect_kind expect;
	bool negated, disable_on_404;
	struct status_range *ranges;
	int nranges;
	const char *text;
	pcre2_code *regex;
};

static struct ext http_check_ext = { .name = "http-check", .bytes = sizeof(struct http_check) };

static struct http_check *part(const struct proxy *px)
{
	return proxy_ext(px, &http_check_ext);
}

/* ---- the request ---- */

static void write_request(const struct check *c, struct strbuf *o)
{
	const struct http_check *h = part(c->srv->px);
	const char *version = h->version ? h->version : "HTTP/1.0";

	strbuf_addf(o, "%s %s %s\r\n%s", h->method ? h->method : "OPTIONS", h->uri ? h->uri : "/",
		    version, h->headers ? h->headers : "");
	if (h->body)
		strbuf_addf(o, "content-length: %zu\r\n", strlen(h->body));
	if (strcmp(version, "HTTP/1.1") == 0)
		strbuf_adds(o, "connection: close\r\n");
	strbuf_addf(o, "\r\n%s", h->body ? h->body : "");
}

/* ---- the answer ---- */

struct answer {
	int status;
	struct slice reason, head, body;
	int64_t length; /* -1: until the end */
};

/* 0 parsed, 1 more is needed, -1 not HTTP. */
static int parse_answer(struct slice data, struct answer *a)
{
	static const char proto[] = "HTTP/";
	size_t i = sizeof(proto) - 1, line;
	const char *end, *nl;

	if (memcmp(data.p, proto, data.n < i ? data.n : i) != 0)
		return -1;
	end = memmem(data.p, data.n, "\r\n\r\n", 4);
	nl = memchr(data.p, '\n', data.n);
	if (!nl || !end)
		return 1;
	line = (size_t)(nl - data.p) - (nl > data.p && nl[-1] == '\r');
	while (i < line && (isdigit((unsigned char)data.p[i]) || data.p[i] == '.'))
		i++;
	if (i == sizeof(proto) - 1 || i == line || data.p[i] != ' ')
		return -1;
	for (i++; i < line && isdigit((unsigned char)data.p[i]) && a->status < 100000; i++)
		a->status = a->status * 10 + data.p[i] - '0';
	if (!a->status || (i < line && data.p[i] != ' '))
		return -1;
	a->reason = slice_trim(slice_make(data.p + i, line - i));
	a->head = slice_make(data.p, (size_t)(end - data.p) + 2);
	a->body = slice_from(data, a->head.n + 2);
	return 0;
}

static int64_t content_length(struct slice head)
{
	static const char name[] = "\ncontent-length:";

	for (size_t i = 0; i + sizeof(name) < head.n; i++)
		if (strncasecmp(head.p + i, name, sizeof(name) - 1) == 0)
			return strtoll(head.p + i + sizeof(name) - 1, NULL, 10);
	return -1;
}

static bool regex_matches(const pcre2_code *re, struct slice s)
{
	pcre2_match_data *m = pcre2_match_data_create(1, NULL);
	int r = m ? pcre2_match(re, (PCRE2_SPTR)s.p, s.n, 0, 0, m, NULL) : -1;

	pcre2_match_data_free(m);
	return r >= 0;
}

static bool status_matches(const struct http_check *h, int status)
{
	char text[16];

	if (h->expect == EXPECT_RSTATUS)
		return regex_matches(h->regex, slice_make(text, (size_t)snprintf(text, sizeof(text),
										 "%d", status)));
	for (int i = 0; i < h->nranges; i++)
		if (status >= h->ranges[i].low && status <= h->ranges[i].high)
			return true;
	return false;
}

static enum check_verdict judge_status(struct check *c, const struct http_check *h,
				       const struct answer *a)
{
	bool ok = h->expect == EXPECT_NONE ? a->status >= 200 && a->status < 400
					   : status_matches(h, a->status) != h->negated;
	char reason[96];

	if (h->disable_on_404 && a->status == 404 && atomic_load(&c->srv->live.oper) != SRV_STOPPED)
		return check_say(c, CHECK_L7OKC, a->status, NULL);
	if (ok)
		return check_say(c, CHECK_L7OK, a->status, NULL);
	snprintf(reason, sizeof(reason), "%.*s", SLICE_FMT(a->reason));
	return check_say(c, CHECK_L7STS, a->status, reason);
}

static enum check_verdict judge_content(struct check *c, const struct http_check *h,
					const struct answer *a, bool eof)
{
	bool found = h->expect == EXPECT_STRING
			     ? memmem(a->body.p, a->body.n, h->text, strlen(h->text)) != NULL
			     : a->body.n && regex_matches(h->regex, a->body);
	bool whole = eof || (a->length >= 0 && (int64_t)a->body.n >= a->length);

	if (found && h->negated)
		return check_say(c, CHECK_L7RSP, 0, "HTTP check matched unwanted content");
	if (found)
		return check_say(c, CHECK_L7OK, a->status, NULL);
	if (!whole)
		return CHECK_MORE;
	if (!a->body.n)
		return check_say(c, CHECK_L7RSP, 0,
				 "HTTP content check could not find a response body");
	if (h->negated)
		return check_say(c, CHECK_L7OK, a->status, NULL);
	return check_say(c, CHECK_L7RSP, 0, "HTTP content check did not match");
}

static enum check_verdict judge(struct check *c, struct slice data, bool eof)
{
	const struct http_check *h = part(c->srv->px);
	struct answer a = { 0 };
	int r = data.n ? parse_answer(data, &a) : 1;

	if (r < 0 || (r > 0 && eof))
		return check_say(c, CHECK_L7RSP, 0, NULL);
	if (r > 0)
		return CHECK_MORE;
	a.length = content_length(a.head);
	if (h->expect == EXPECT_STRING || h->expect == EXPECT_RSTRING)
		return judge_content(c, h, &a, eof);
	return judge_status(c, h, &a);
}

static const struct check_type httpchk = {
	.name = "httpchk",
	.request = write_request,
	.judge = judge,
	.help = "the server answers an HTTP request as expected",
};

/* ---- words ---- */

/* "Host: www" as "host: www\r\n" behind what is there. */
static int add_header(struct cfg_line *l, int word, struct http_check *h, struct slice name,
		      struct slice value)
{
	char *lower = name.n ? (char *)arena_dup(l->arena, name).p : NULL;

	if (!lower)
		return cfg_error(l, word, "a header needs a name");
	for (char *p = lower; *p; p++) {
		if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
			return cfg_error(l, word, "'%s' is no header name", lower);
		*p = (char)tolower((unsigned char)*p);
	}
	if (slice_chr(value, '\n') >= 0 || slice_chr(value, '\r') >= 0)
		return cfg_error(l, word, "a header's value must stay on one line");
	h->headers = arena_printf(l->arena, "%s%s: %.*s\r\n", h->headers ? h->headers : "", lower,
				  SLICE_FMT(value));
	return 0;
}

/* The old form hangs header lines behind the version: "HTTP/1.1\r\nHost: www". */
static int parse_version(struct cfg_line *l, struct http_check *h, int word, struct slice text)
{
	ptrdiff_t nl = slice_chr(text, '\n');
	struct slice first = nl < 0 ? text : slice_first(text, (size_t)nl);

	if (first.n && first.p[first.n - 1] == '\r')
		first.n--;
	if (!slice_has_prefix(first, SLICE("HTTP/")))
		return cfg_error(l, word, "the version must be HTTP/1.0 or HTTP/1.1, not '%.*s'",
				 SLICE_FMT(first));
	h->version = arena_dup(l->arena, first).p;
	while (nl >= 0) {
		struct slice line;
		ptrdiff_t colon;

		text = slice_from(text, (size_t)nl + 1);
		nl = slice_chr(text, '\n');
		line = slice_trim(nl < 0 ? text : slice_first(text, (size_t)nl));
		while (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		if (!line.n)
			continue;
		colon = slice_chr(line, ':');
		if (colon <= 0)
			return cfg_error(l, word, "'%.*s' is no header line", SLICE_FMT(line));
		if (add_header(l, word, h, slice_first(line, (size_t)colon),
			       slice_trim(slice_from(line, (size_t)colon + 1))))
			return -1;
	}
	return 0;
}

static void set_type(struct cfg_line *l)
{
	check_set_type(l->px, &httpchk);
}

/* option httpchk [<method>] [<uri>] [<version and headers>] */
static int parse_option(struct cfg_line *l)
{
	struct http_check *h = part(l->px);
	int n = cfg_argc(l);

	if (l->negated || l->is_default) {
		check_set_type(l->px, NULL);
		return 0;
	}
	if (n > 3)
		return cfg_error(l, l->first_arg + 3,
				 "option httpchk: unexpected '%s'\n"
				 "  option httpchk [<method>] [<uri>] [<version>]; escape the "
				 "spaces of headers, or use 'http-check send'",
				 cfg_arg(l, 3));
	set_type(l);
	h->method = h->uri = h->version = h->headers = NULL;
	if (n == 1)
		h->uri = arena_strdup(l->arena, cfg_arg(l, 0));
	if (n >= 2) {
		h->method = arena_strdup(l->arena, cfg_arg(l, 0));
		h->uri = arena_strdup(l->arena, cfg_arg(l, 1));
	}
	return n == 3 ? parse_version(l, h, l->first_arg + 2, slice_z(cfg_arg(l, 2))) : 0;
}

/* Formats need a stream to look at; a check has none. "%%" is a '%'. */
static int plain_text(struct cfg_line *l, int k, const char **out)
{
	const char *from = cfg_arg(l, k);
	char *to = arena_strdup(l->arena, from), *p = to;

	for (; *from; from++) {
		if (*from == '%' && from[1] != '%')
			return cfg_error(l, l->first_arg + k,
					 "http-check send: variables and expressions are not "
					 "supported yet in '%s'",
					 cfg_arg(l, k));
		from += *from == '%';
		*p++ = *from;
	}
	*p = 0;
	*out = to;
	return 0;
}

static int parse_send(struct cfg_line *l)
{
	struct http_check *h = part(l->px);
	const char *value = "";

	for (int k = 0; k < cfg_argc(l); k += 2) {
		const char *word = cfg_arg(l, k);

		if (k + 1 >= cfg_argc(l))
			return cfg_error(l, l->first_arg + k, "http-check send: '%s' wants a value",
					 word);
		if (strcmp(word, "meth") == 0) {
			h->method = arena_strdup(l->arena, cfg_arg(l, k + 1));
		} else if (strcmp(word, "uri") == 0) {
			h->uri = arena_strdup(l->arena, cfg_arg(l, k + 1));
		} else if (strcmp(word, "ver") == 0) {
			if (parse_version(l, h, l->first_arg + k + 1, slice_z(cfg_arg(l, k + 1))))
				return -1;
		} else if (strcmp(word, "body") == 0) {
			h->body = arena_strdup(l->arena, cfg_arg(l, k + 1));
		} else if (strcmp(word, "comment") == 0) {
			continue;
		} else if (strcmp(word, "hdr") == 0 && k + 2 < cfg_argc(l)) {
			if (plain_text(l, k + 2, &value) ||
			    add_header(l, l->first_arg + k + 1, h, slice_z(cfg_arg(l, k + 1)),
				       slice_z(value)))
				return -1;
			k++;
		} else {
			return cfg_error(l, l->first_arg + k,
					 "http-check send: unexpected '%s'\n"
					 "  allowed: meth <m>, uri <u>, ver <v>, hdr <name> "
					 "<value>, body <text>, comment <text>",
					 word);
		}
	}
	return 0;
}

/* "200,204-206" */
static int parse_ranges(struct cfg_line *l, int k, struct http_check *h)
{
	const char *p = cfg_arg(l, k);

	h->ranges = arena_zalloc(l->arena, (strlen(p) + 1) * sizeof(*h->ranges));
	h->nranges = 0;
	while (*p) {
		struct status_range r;
		char *end;

		r.low = r.high = (int)strtol(p, &end, 10);
		if (end > p && *end == '-')
			r.high = (int)strtol(end + 1, &end, 10);
		if (end == p || (*end && *end != ',') || r.low > r.high || r.low < 0)
			return cfg_error(
				l, l->first_arg + k,
				"http-check expect status: '%s' is no list such as 200,204-206",
				cfg_arg(l, k));
		h->ranges[h->nranges++] = r;
		p = end + (*end == ',');
	}
	return 0;
}

static int parse_regex(struct cfg_line *l, int k, struct http_check *h)
{
	int err;
	PCRE2_SIZE at;
	PCRE2_UCHAR text[128];

	h->regex =
		pcre2_compile((PCRE2_SPTR)cfg_arg(l, k), PCRE2_ZERO_TERMINATED, 0, &err, &at, NULL);
	if (h->regex)
		return 0;
	pcre2_get_error_message(err, text, sizeof(text));
	return cfg_error(l, l->first_arg + k,
			 "http-check expect: bad regular expression at character %zu: %s", at + 1,
			 (const char *)text);
}

static const struct {
	const char *name;
	enum expect_kind kind;
} expects[] = {
	{ "status", EXPECT_STATUS },
	{ "rstatus", EXPECT_RSTATUS },
	{ "string", EXPECT_STRING },
	{ "rstring", EXPECT_RSTRING },
};

static int parse_expect(struct cfg_line *l)
{
	struct http_check *h = part(l->px);
	int k = 0;

	if (strcmp(cfg_arg(l, k), "comment") == 0)
		k += 2;
	h->negated = strcmp(cfg_arg(l, k), "!") == 0;
	k += h->negated;
	h->expect = EXPECT_NONE;
	for (size_t i = 0; i < ARRAY_SIZE(expects); i++)
		if (strcmp(cfg_arg(l, k), expects[i].name) == 0)
			h->expect = expects[i].kind;
	if (h->expect == EXPECT_NONE)
		return cfg_error(l, l->first_arg + k,
				 "http-check expect: '%s' is not supported\n"
				 "  allowed: [!] status <list>, rstatus <regex>, string <text>, "
				 "rstring <regex>",
				 cfg_arg(l, k));
	if (cfg_argc(l) != k + 2)
		return cfg_error(l, l->first_arg + k,
				 "http-check expect %s: wants exactly one value", cfg_arg(l, k));
	h->text = arena_strdup(l->arena, cfg_arg(l, k + 1));
	if (h->expect == EXPECT_STATUS)
		return parse_ranges(l, k + 1, h);
	return h->expect == EXPECT_STRING ? 0 : parse_regex(l, k + 1, h);
}

static int parse_disable_on_404(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "http-check disable-on-404"))
		return -1;
	part(l->px)->disable_on_404 = true;
	return 0;
}

#define WHERE (CFG_DEFAULTS | CFG_BACKEND)

static const struct cfg_keyword keywords[] = {
	{ "option httpchk", WHERE, parse_option, KERNEL_EXACT, NULL,
	  "option httpchk [<method>] [<uri>] [<version>]", "Checks servers with an HTTP request.",
	  CFG_CAN_NEGATE },
	{ "http-check send", WHERE, parse_send, KERNEL_EXACT, NULL,
	  "http-check send [meth <m>] [uri <u>] [ver <v>] [hdr <name> <value>]* [body <text>]",
	  "What a check asks.", 0 },
	{ "http-check expect", WHERE, parse_expect, KERNEL_EXACT, NULL,
	  "http-check expect [!] status <list>|rstatus <regex>|string <text>|rstring <regex>",
	  "What a check's answer must be.", 0 },
	{ "http-check disable-on-404", WHERE, parse_disable_on_404, KERNEL_EXACT, NULL,
	  "http-check disable-on-404",
	  "A server that answers 404 gets no new clients but keeps those it has.", 0 },
};

void check_http_init(void)
{
	ext_register(EXT_PROXY, &http_check_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
