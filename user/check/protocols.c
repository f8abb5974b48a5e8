// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * protocols.c - checks that speak a protocol, as steps of tcp_rules.h: mysql, pgsql, redis, smtp, ldap and a TLS hello. What is
 * sent and what an answer means was watched in Debian's haproxy. Control thread.
 */
#include <ctype.h>

#include "check/private.h"
#include "check/tcp_rules.h"
#include "policy/regex.h"

static uint32_t u8_at(struct slice s, size_t i)
{
	return (unsigned char)s.p[i];
}

/* @text up to its first end of line. */
static void take_line(struct step_words *w, struct slice text)
{
	size_t n = 0;

	while (n < text.n && n < sizeof(w->info) - 1 && text.p[n] != '\r' && text.p[n] != '\n') {
		w->info[n] = text.p[n];
		n++;
	}
	w->info[n] = 0;
}

static struct tcp_step *add_custom(struct tcp_rules *r, struct arena *a,
				   enum expect_result (*fn)(struct slice, bool,
							    struct step_words *))
{
	struct tcp_step *s = tcp_rules_add(r, a, STEP_EXPECT);

	s->expect = EXPECT_CUSTOM;
	s->custom = fn;
	return s;
}

static void add_send(struct tcp_rules *r, struct arena *a, struct slice bytes)
{
	tcp_rules_add(r, a, STEP_SEND)->data = bytes;
}

/* ---- mysql (dev.mysql.com, "Client/Server Protocol": packets, handshake v10, ERR_Packet) ---- */

#define MYSQL_ERR 0xff

static enum expect_result mysql_packet(struct slice d, bool last, struct step_words *w)
{
	size_t n = d.n >= 4 ? u8_at(d, 0) | u8_at(d, 1) << 8 | u8_at(d, 2) << 16 : 0;

	if (d.n < 4 || d.n < 4 + n)
		return last ? EXPECT_FAILED : EXPECT_MORE;
	if (n < 3 || u8_at(d, 4) != MYSQL_ERR)
		return EXPECT_MET;
	w->status = CHECK_L7STS;
	w->code = (int)(u8_at(d, 5) | u8_at(d, 6) << 8);
	take_line(w, slice_make(d.p + 7, 4 + n - 7));
	return EXPECT_FAILED;
}

/* HandshakeResponse41 or 320 with an empty password, then COM_QUIT: the server does not count an aborted handshake. */
static struct slice mysql_login(struct arena *a, const char *user, bool pre_41)
{
	static const char new_head[] =
		"\x00\x82\x00\x00\x00\x80\x00\x01\x21", /* capabilities, size, utf8 */
		old_head[] = "\x00\x80\x00\x00\x01", quit[] = "\x01\x00\x00\x00\x01";
	struct slice head = pre_41 ? slice_make(old_head, 5) : slice_make(new_head, 9);
	size_t fill = pre_41 ? 0 : 23, n = strlen(user), body = head.n + fill + n + 2;
	char *p = arena_zalloc(a, 4 + body + 5), *to = p;

	*to++ = (char)body;
	*to++ = (char)(body >> 8);
	to++;
	*to++ = 1;
	memcpy(to, head.p, head.n);
	memcpy(to + head.n + fill, user, n);
	memcpy(p + 4 + body, quit, 5);
	return slice_make(p, 4 + body + 5);
}

static int parse_mysql(struct cfg_line *l, struct tcp_rules *r)
{
	const char *user = NULL, *form = cfg_arg(l, 2);
	bool pre_41 = !strcmp(form, "pre-41");

	if (cfg_argc(l)) {
		if (cfg_argc(l) > 3 || strcmp(cfg_arg(l, 0), "user") || cfg_argc(l) < 2 ||
		    (*form && !pre_41 && strcmp(form, "post-41")))
			return cfg_error(
				l, l->first_arg,
				"usage: option mysql-check [user <name> [post-41|pre-41]]");
		user = cfg_arg(l, 1);
		if (strlen(user) > 255)
			return cfg_error(l, l->first_arg + 1, "the user's name is too long");
	}
	tcp_rules_add(r, l->arena, STEP_CONNECT)->linger = true;
	add_custom(r, l->arena, mysql_packet);
	if (user) {
		add_send(r, l->arena, mysql_login(l->arena, user, pre_41));
		add_custom(r, l->arena, mysql_packet);
	}
	return 0;
}

/* ---- pgsql (postgresql.org, "Message Formats": StartupMessage, Authentication..., ErrorResponse) ---- */

static enum expect_result pgsql_answer(struct slice d, bool last, struct step_words *w)
{
	if (d.p[0] == 'E') {
		if (d.n < 7 || !memchr(d.p + 6, 0, d.n - 6))
			return last ? EXPECT_FAILED : EXPECT_MORE;
		take_line(w, slice_make(d.p + 6, strlen(d.p + 6)));
		return EXPECT_FAILED;
	}
	if (d.n < 9 && !last)
		return EXPECT_MORE;
	if (d.n >= 9 && d.p[0] == 'R' && !d.p[1] && !d.p[2] && !d.p[3] && u8_at(d, 4) >= 8 &&
	    !d.p[5] && !d.p[6] && !d.p[7] && u8_at(d, 8) <= 10)
		return EXPECT_MET;
	w->status = CHECK_L7STS;
	snprintf(w->info, sizeof(w->info), "PostgreSQL unknown error");
	return EXPECT_FAILED;
}

static int parse_pgsql(struct cfg_line *l, struct tcp_rules *r)
{
	const char *user = cfg_arg(l, 1);
	size_t n = strlen(user), size = 8 + 5 + n + 2;
	char *p;

	if (cfg_argc(l) != 2 || strcmp(cfg_arg(l, 0), "user") || !n || n > 255)
		return cfg_error(l, l->first_arg, "usage: option pgsql-check user <name>");
	p = arena_zalloc(l->arena, size);
	p[2] = (char)(size >> 8);
	p[3] = (char)size;
	p[5] = 3; /* protocol 3.0 */
	memcpy(p + 8, "user", 4);
	memcpy(p + 13, user, n);
	tcp_rules_add(r, l->arena, STEP_CONNECT)->linger = true;
	add_send(r, l->arena, slice_make(p, size));
	add_custom(r, l->arena, pgsql_answer);
	r->done = "PostgreSQL server is ok";
	return 0;
}

/* ---- redis ---- */

static void say_first_line(struct slice d, bool met, struct step_words *w)
{
	if (met)
		snprintf(w->info, sizeof(w->info), "Redis server is ok");
	else
		take_line(w, d);
}

static int parse_redis(struct cfg_line *l, struct tcp_rules *r)
{
	struct tcp_step *s;

	if (cfg_want_args(l, 0, 0, "option redis-check"))
		return -1;
	add_send(r, l->arena, SLICE("*1\r\n$4\r\nPING\r\n"));
	s = tcp_rules_add(r, l->arena, STEP_EXPECT);
	s->data = SLICE("+PONG\r\n");
	s->error_status = CHECK_L7STS;
	s->say = say_first_line;
	return 0;
}

/* ---- smtp (RFC 5321, 4.2) ---- */

static void say_line(struct slice d, bool met, struct step_words *w)
{
	take_line(w, d);
}

static void say_reply(struct slice d, bool met, struct step_words *w)
{
	take_line(w, slice_from(d, d.n < 4 ? d.n : 4));
	for (size_t i = 0; i < 3 && i < d.n && isdigit((unsigned char)d.p[i]); i++)
		w->code = w->code * 10 + d.p[i] - '0';
}

static struct tcp_step *add_reply(struct cfg_line *l, struct tcp_rules *r, const char *regex,
				  int min_recv)
{
	struct tcp_step *s = tcp_rules_add(r, l->arena, STEP_EXPECT);
	char err[128];

	s->expect = EXPECT_REGEX;
	s->regex = regex_compile(l->arena, regex, false, false, err, sizeof(err));
	s->min_recv = min_recv;
	s->error_status = CHECK_L7STS;
	s->say = say_reply;
	return s;
}

static int parse_smtp(struct cfg_line *l, struct tcp_rules *r)
{
	const char *hello = "HELO", *name = "localhost";
	struct tcp_step *any;

	if (cfg_argc(l) == 1 || cfg_argc(l) > 2)
		return cfg_error(l, l->first_arg,
				 "usage: option smtpchk [HELO|EHLO <the name to greet with>]");
	if (cfg_argc(l)) {
		if (!strcmp(cfg_arg(l, 0), "EHLO") || !strcmp(cfg_arg(l, 0), "HELO")) {
			hello = cfg_arg(l, 0);
			name = cfg_arg(l, 1);
		} else {
			cfg_warn(l, l->first_arg,
				 "'%s' is neither HELO nor EHLO: 'HELO localhost' is sent",
				 cfg_arg(l, 0));
		}
	}
	tcp_rules_add(r, l->arena, STEP_CONNECT)->linger = true;
	any = add_reply(l, r, "^[0-9]{3}[ \r]", 4);
	any->error_status = CHECK_L7RSP;
	any->say = say_line;
	add_reply(l, r, "^2[0-9]{2}[ \r]", 4);
	add_send(r, l->arena, slice_z(arena_printf(l->arena, "%s %s\r\n", hello, name)));
	add_reply(l, r, "^(2[0-9]{2}-[^\r]*\r\n)*2[0-9]{2}[ \r]", -1);
	add_send(r, l->arena, SLICE("QUIT\r\n"));
	add_reply(l, r, "^2[0-9]{2}[- \r]", -1);
	return 0;
}

/* ---- ldap (RFC 4511: LDAPMessage, BindResponse) ---- */

/* The length at @*i (short, or long with up to four bytes), which moves behind it; false: not there, or too long. */
static bool ber_length(struct slice d, size_t *i, size_t *len)
{
	uint32_t bytes;

	if (*i >= d.n)
		return false;
	*len = u8_at(d, (*i)++);
	if (*len < 0x80)
		return true;
	bytes = (uint32_t)(*len & 0x7f);
	*len = 0;
	if (!bytes || bytes > 4 || *i + bytes > d.n)
		return false;
	while (bytes--)
		*len = *len << 8 | u8_at(d, (*i)++);
	return true;
}

static enum expect_result not_ldap(struct step_words *w)
{
	w->status = CHECK_L7RSP;
	snprintf(w->info, sizeof(w->info), "Not LDAPv3 protocol");
	return EXPECT_FAILED;
}

static enum expect_result ldap_answer(struct slice d, bool last, struct step_words *w)
{
	size_t i = 1, len;

	if (d.n < 14) /* an answer has 14 bytes at least */
		return last ? EXPECT_FAILED : EXPECT_MORE;
	if (u8_at(d, 0) != 0x30 || !ber_length(d, &i, &len))
		return not_ldap(w);
	if (i + 3 > d.n || memcmp(d.p + i, "\x02\x01\x01", 3) != 0) /* the id of our message */
		return not_ldap(w);
	i += 3;
	if (i >= d.n || u8_at(d, i++) != 0x61 || !ber_length(d, &i, &len) || i + 3 > d.n ||
	    memcmp(d.p + i, "\x0a\x01", 2) != 0)
		return not_ldap(w);
	if (!d.p[i + 2])
		return EXPECT_MET;
	w->status = CHECK_L7STS;
	w->code = (int)u8_at(d, i + 2);
	snprintf(w->info, sizeof(w->info),
		 "See RFC: http://tools.ietf.org/html/rfc4511#section-4.1.9");
	return EXPECT_FAILED;
}

static int parse_ldap(struct cfg_line *l, struct tcp_rules *r)
{
	if (cfg_want_args(l, 0, 0, "option ldap-check"))
		return -1;
	/* BindRequest: version 3, no name, simple authentication without a password */
	add_send(r, l->arena,
		 slice_make("\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00", 14));
	add_custom(r, l->arena, ldap_answer);
	return 0;
}

/* ---- TLS hello (RFC 6101, 5.6.1.2) ---- */

static enum expect_result tls_answer(struct slice d, bool last, struct step_words *w)
{
	/* handshake or alert: something that speaks TLS */
	return u8_at(d, 0) == 0x16 || u8_at(d, 0) == 0x15 ? EXPECT_MET : EXPECT_FAILED;
}

/* An SSLv3 hello that offers all ciphers of its time; 32 bytes of "random" that nothing depends on. */
static struct slice tls_hello(struct arena *a)
{
	static const uint8_t head[] = { 0x16, 3, 0, 0, 0x79, 1, 0, 0, 0x75, 3, 0 };
	static const uint8_t old_ciphers = 0x1b, from = 0x2f, to = 0x3a;
	uint8_t *p = arena_zalloc(a, 126), *at = p;

	memcpy(at, head, sizeof(head));
	at += sizeof(head) + 32;
	*at++ = 0; /* no session */
	*at++ = 0;
	*at++ = 0x4e;
	for (unsigned int c = 1; c <= to; c++) {
		if (c > old_ciphers && c < from)
			continue;
		*at++ = 0;
		*at++ = (uint8_t)c;
	}
	*at++ = 1; /* no compression */
	*at++ = 0;
	return slice_make((char *)p, (size_t)(at - p));
}

static int parse_tls(struct cfg_line *l, struct tcp_rules *r)
{
	struct tcp_step *s;

	if (cfg_want_args(l, 0, 0, "option ssl-hello-chk"))
		return -1;
	add_send(r, l->arena, tls_hello(l->arena));
	s = add_custom(r, l->arena, tls_answer);
	s->ok_status = CHECK_L6OK;
	s->error_status = CHECK_L6RSP;
	s->timeout_status = CHECK_L6TOUT;
	return 0;
}

/* ---- rows ---- */

static const struct protocol {
	const char *option; /* second word of the line */
	int (*parse)(struct cfg_line *l, struct tcp_rules *r);
	struct check_type type;
} protocols[] = {
#define TYPE(n, h)                                     \
	{                                              \
		.name = n, .help = h, CHECK_TYPE_STEPS \
	}
	{ "mysql-check", parse_mysql,
	  TYPE("mysql-check", "the server greets as MySQL does, and lets a user in") },
	{ "pgsql-check", parse_pgsql,
	  TYPE("pgsql-check", "the server answers a PostgreSQL login") },
	{ "redis-check", parse_redis, TYPE("redis-check", "the server answers PING with PONG") },
	{ "smtpchk", parse_smtp, TYPE("smtpchk", "the server greets, and answers HELO and QUIT") },
	{ "ldap-check", parse_ldap,
	  TYPE("ldap-check", "the server lets an anonymous LDAPv3 client in") },
	{ "ssl-hello-chk", parse_tls, TYPE("ssl-hello-chk", "the server answers an SSLv3 hello") },
};

static int parse_option(struct cfg_line *l)
{
	struct tcp_rules *r = ARENA_NEW(l->arena, struct tcp_rules);

	for (size_t i = 0; i < ARRAY_SIZE(protocols); i++) {
		const struct protocol *p = &protocols[i];

		if (strcmp(p->option, l->words[l->first_arg - 1].z) != 0)
			continue;
		if (l->negated || l->is_default) {
			check_set_type(l->px, NULL);
			return 0;
		}
		if (p->parse(l, r))
			return -1;
		check_set_rules(l->px, &p->type, r);
	}
	return 0;
}

#define ROW(n, u, h)                                                                       \
	{                                                                                  \
		"option " n, CFG_DEFAULTS | CFG_BACKEND, parse_option, KERNEL_EXACT, NULL, \
			"option " u, h, CFG_CAN_NEGATE                                     \
	}

static const struct cfg_keyword keywords[] = {
	ROW("mysql-check", "mysql-check [user <name> [post-41|pre-41]]",
	    "Checks that servers greet as MySQL does; with a user, which needs no password, that "
	    "they let it in."),
	ROW("pgsql-check", "pgsql-check user <name>",
	    "Checks that servers answer the begin of a PostgreSQL login."),
	ROW("redis-check", "redis-check",
	    "Checks that servers answer a PING of the Redis protocol."),
	ROW("smtpchk", "smtpchk [HELO|EHLO <name>]",
	    "Checks that servers greet as SMTP does and take a HELO and a QUIT."),
	ROW("ldap-check", "ldap-check", "Checks that servers take an anonymous LDAPv3 bind."),
	ROW("ssl-hello-chk", "ssl-hello-chk",
	    "Checks that servers answer an SSLv3 hello, be it with an alert."),
};

void protocols_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
}
