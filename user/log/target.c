// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * target.c - where log lines go: UDP, unix datagram sockets, descriptors. Parsing of the `log` line's words, opening
 * (before chroot), headers (RFC 3164, RFC 5424, short ones), sending without blocking. Not for: what a line says.
 * Sending: any thread. The rest: control thread.
 */
#include "base/coverage.h"
#include "base/units.h"
#include "log/private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

_Atomic uint64_t log_dropped_lines;

static int udp_fd[2] = { -1, -1 }; /* IPv4, IPv6 */

/* ---- words ---- */

static const char *const facilities[] = { "kern",   "user",   "mail",   "daemon", "auth",
					  "syslog", "lpr",    "news",   "uucp",   "cron",
					  "auth2",  "ftp",    "ntp",    "audit",  "alert",
					  "cron2",  "local0", "local1", "local2", "local3",
					  "local4", "local5", "local6", "local7" };
static const char *const levels[] = { "emerg",   "alert",  "crit", "err",
				      "warning", "notice", "info", "debug" };
static const char *const formats[] = {
	[LOG_H_LOCAL] = "local",       [LOG_H_RFC3164] = "rfc3164", [LOG_H_RFC5424] = "rfc5424",
	[LOG_H_PRIORITY] = "priority", [LOG_H_SHORT] = "short",     [LOG_H_TIMED] = "timed",
	[LOG_H_ISO] = "iso",           [LOG_H_RAW] = "raw"
};

static int name_index(const char *const *names, size_t n, const char *z)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(names[i], z) == 0)
			return (int)i;
	return -1;
}

static int wrong_name(struct cfg_line *l, int k, const char *what, const char *const *names,
		      size_t n)
{
	struct strbuf b = STRBUF_INIT;
	int r;

	for (size_t i = 0; i < n; i++)
		strbuf_addf(&b, "%s%s", i ? " " : "", names[i]);
	r = cfg_error(l, l->first_arg + k, "log: unknown %s '%s'\n  allowed: %s", what,
		      cfg_arg(l, k), strbuf_z(&b));
	strbuf_fini(&b);
	return r;
}

/* "192.0.2.1", "192.0.2.1:514", "[2001:db8::1]:514", "2001:db8::1:514" (the last colon parts the port). */
static int parse_udp(struct cfg_line *l, struct log_target *t, const char *z)
{
	struct slice host = slice_z(z), port = SLICE_NONE;
	const char *colon = strrchr(z, ':');
	uint32_t number = 514;

	if (strncmp(z, "udp@", 4) == 0 || strncmp(z, "ipv4@", 5) == 0 ||
	    strncmp(z, "ipv6@", 5) == 0 || strncmp(z, "udp4@", 5) == 0 ||
	    strncmp(z, "udp6@", 5) == 0)
		host = slice_from(host, (size_t)(strchr(z, '@') - z) + 1);
	if (colon && colon >= host.p && addr_parse_ip(&t->addr, host) != 0) {
		port = slice_z(colon + 1);
		host.n = (size_t)(colon - host.p);
	}
	if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
		host = slice_make(host.p + 1, host.n - 2);
	if (port.n && (parse_u32(port, 65535, &number) || !number))
		return cfg_error(l, l->first_arg, "log: port must be 1..65535, not '%.*s'",
				 SLICE_FMT(port));
	if (addr_parse_ip(&t->addr, host))
		return cfg_error(l, l->first_arg,
				 "log: '%s' is no target\n"
				 "  allowed: <ip>[:<port>], /path/to/socket, stdout, stderr, "
				 "fd@<number>, global",
				 z);
	t->addr.port = (uint16_t)number;
	t->kind = LOG_TO_UDP;
	return 0;
}

static int parse_address(struct cfg_line *l, struct log_target *t)
{
	const char *z = cfg_arg(l, 0);
	uint32_t fd;

	t->fd = -1;
	if (strcmp(z, "stdout") == 0 || strcmp(z, "stderr") == 0) {
		t->kind = LOG_TO_FD;
		t->fd = z[3] == 'o' ? 1 : 2;
		return 0;
	}
	if (strncmp(z, "fd@", 3) == 0) {
		if (parse_u32(slice_z(z + 3), INT_MAX, &fd))
			return cfg_error(l, l->first_arg,
					 "log: '%s': fd@ wants a descriptor number", z);
		t->kind = LOG_TO_FD;
		t->fd = (int)fd;
		return 0;
	}
	if (strncmp(z, "unix@", 5) == 0)
		z += 5;
	if (z[0] == '/') {
		if (strlen(z) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return cfg_error(l, l->first_arg,
					 "log: socket path is longer than a unix address can be");
		t->kind = LOG_TO_UNIX;
		t->path = arena_strdup(l->arena, z);
		return 0;
	}
	if (strncmp(z, "ring@", 5) == 0 || strncmp(z, "tcp", 3) == 0)
		return cfg_error(l, l->first_arg,
				 "log: target '%s' is not supported yet\n"
				 "  supported: UDP addresses, unix datagram sockets, stdout, "
				 "stderr, fd@<number>",
				 z);
	return parse_udp(l, t, z);
}

/* "1-2,5:8" */
static int parse_sample(struct cfg_line *l, int k, struct log_target *t)
{
	const char *z = cfg_arg(l, k), *colon = strchr(z, ':');
	uint32_t highest = 0;
	struct slice rest;

	if (!colon || parse_u32(slice_z(colon + 1), 64, &t->sample_size) || !t->sample_size)
		return cfg_error(l, l->first_arg + k,
				 "log: sample '%s': expected <ranges>:<size>, size 1..64", z);
	for (rest = slice_make(z, (size_t)(colon - z)); rest.n;) {
		ptrdiff_t comma = slice_chr(rest, ',');
		struct slice one = comma < 0 ? rest : slice_first(rest, (size_t)comma);
		ptrdiff_t dash = slice_chr(one, '-');
		uint32_t a, b;

		rest = comma < 0 ? SLICE_NONE : slice_from(rest, (size_t)comma + 1);
		if (parse_u32(dash < 0 ? one : slice_first(one, (size_t)dash), 64, &a))
			a = 0;
		if (dash < 0 || parse_u32(slice_from(one, (size_t)dash + 1), 64, &b))
			b = dash < 0 ? a : 0;
		if (!a || !b || b < a)
			return cfg_error(l, l->first_arg + k,
					 "log: sample range '%.*s' must be <low>-<high> from 1 on",
					 SLICE_FMT(one));
		for (uint32_t i = a; i <= b; i++)
			t->sample_set |= 1ull << (i - 1);
		highest = b > highest ? b : highest;
	}
	if (!highest || highest > t->sample_size)
		return cfg_error(l, l->first_arg + k,
				 "log: sample size %u must be at least the highest range's end, %u",
				 t->sample_size, highest);
	return 0;
}

/* "len 2048 format rfc5424 sample 1:2" in any order; leaves *k at the facility. */
static int parse_options(struct cfg_line *l, int *k, struct log_target *t)
{
	int64_t len;

	for (;; *k += 2) {
		const char *word = cfg_arg(l, *k);

		if (strcmp(word, "len") == 0) {
			if (parse_i64(slice_z(cfg_arg(l, *k + 1)), 80, 65535, &len))
				return cfg_error(l, l->first_arg + *k + 1,
						 "log: length must be 80..65535, not '%s'",
						 cfg_arg(l, *k + 1));
			t->max_len = (uint32_t)len;
		} else if (strcmp(word, "format") == 0) {
			int f = name_index(formats, ARRAY_SIZE(formats), cfg_arg(l, *k + 1));

			if (f < 0)
				return wrong_name(l, *k + 1, "format", formats,
						  ARRAY_SIZE(formats));
			t->header = (enum log_header)f;
			t->header_set = true;
		} else if (strcmp(word, "sample") == 0) {
			if (parse_sample(l, *k + 1, t))
				return -1;
		} else {
			return 0;
		}
		coverage_note("log-target-arg", word);
	}
}

static void note_use(const struct log_target *t)
{
	coverage_note("log-facility", facilities[t->facility]);
	coverage_note("log-level", levels[t->level]);
	coverage_note("log-level", levels[t->min_level]);
	if (t->header_set)
		coverage_note("log-format-name", formats[t->header]);
}

struct log_target *log_target_parse(struct cfg_line *l)
{
	struct log_target *t = ARENA_NEW(l->arena, struct log_target);
	int k = 1;

	list_init(&t->node);
	t->level = LOG_L_DEBUG;
	if (cfg_argc(l) < 2) {
		cfg_error(l, l->first_arg,
			  "log: expects an address and a facility\n"
			  "  log <address> [len <n>] [format <f>] [sample <ranges>:<size>] "
			  "<facility> [<level> [<minlevel>]]");
		return NULL;
	}
	if (parse_address(l, t) || parse_options(l, &k, t))
		return NULL;
	if (!t->max_len && t->kind != LOG_TO_FD)
		t->max_len = 1024;
	t->facility = name_index(facilities, ARRAY_SIZE(facilities), cfg_arg(l, k));
	if (t->facility < 0) {
		wrong_name(l, k, "facility", facilities, ARRAY_SIZE(facilities));
		return NULL;
	}
	if (cfg_argc(l) > ++k &&
	    (t->level = name_index(levels, ARRAY_SIZE(levels), cfg_arg(l, k))) < 0) {
		wrong_name(l, k, "level", levels, ARRAY_SIZE(levels));
		return NULL;
	}
	if (cfg_argc(l) > ++k &&
	    (t->min_level = name_index(levels, ARRAY_SIZE(levels), cfg_arg(l, k))) < 0) {
		wrong_name(l, k, "level", levels, ARRAY_SIZE(levels));
		return NULL;
	}
	if (cfg_argc(l) > ++k) {
		cfg_error(l, l->first_arg + k, "log: unexpected '%s' behind the levels",
			  cfg_arg(l, k));
		return NULL;
	}
	note_use(t);
	return t;
}

/* ---- opening ---- */

/* Connected, so that chroot does not matter; 0 or -errno. */
static int open_unix(struct log_target *t)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	memcpy(un.sun_path, t->path, strlen(t->path) + 1);
	if (connect(fd, (struct sockaddr *)&un, sizeof(un))) {
		int err = -errno;

		close(fd);
		return err;
	}
	if (t->fd >= 0) {
		dup3(fd, t->fd, O_CLOEXEC); /* other threads keep using the number */
		close(fd);
	} else {
		t->fd = fd;
	}
	return 0;
}

static void open_fd(struct log_target *t, struct diag *d)
{
	struct stat st;

	if (fstat(t->fd, &st)) {
		diag_warning(d, PLACE_NONE, "log target fd@%d is not open: its lines are dropped",
			     t->fd);
		return;
	}
	t->is_pipe = S_ISFIFO(st.st_mode);
	if (t->is_pipe || S_ISSOCK(st.st_mode))
		fcntl(t->fd, F_SETFL, fcntl(t->fd, F_GETFL) | O_NONBLOCK);
}

void log_targets_open(struct log_target *t, struct diag *d)
{
	int err;

	switch (t->kind) {
	case LOG_TO_FD:
		open_fd(t, d);
		break;
	case LOG_TO_UNIX:
		err = t->fd >= 0 ? 0 : open_unix(t);
		if (err)
			diag_warning(d, PLACE_NONE,
				     "log target %s cannot be reached now: %s\n"
				     "  lines are dropped until it appears",
				     t->path, strerror(-err));
		break;
	case LOG_TO_UDP: {
		int six = t->addr.family == ADDR_IP6;

		if (udp_fd[six] < 0)
			udp_fd[six] = socket(six ? AF_INET6 : AF_INET,
					     SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
		if (udp_fd[six] >= 0 && config && config->global.sndbuf_backend)
			setsockopt(udp_fd[six], SOL_SOCKET, SO_SNDBUF,
				   &(int){ (int)config->global.sndbuf_backend }, sizeof(int));
		if (udp_fd[six] < 0)
			diag_warning(d, PLACE_NONE, "no socket for log lines over UDP: %s",
				     strerror(errno));
		break;
	}
	}
}

/* ---- headers ---- */

static const char *host_name(void)
{
	return config && config->global.log_send_hostname ? config->global.log_send_hostname : NULL;
}

static const char *tag_of(const struct log_message *m)
{
	if (m->tag)
		return m->tag;
	return config && config->global.log_tag ? config->global.log_tag
						: program_invocation_short_name;
}

static void iso_date(struct strbuf *h, int64_t us)
{
	const struct log_date *d = log_date(us / 1000000);

	strbuf_addf(h, "%s.%06d%s", d->iso, (int)(us % 1000000), d->iso_zone);
}

static void add_header(struct strbuf *h, const struct log_target *t, const struct log_message *m,
		       int level)
{
	int64_t us = log_wall_us();
	enum log_header kind = t->header;

	if (!t->header_set && host_name())
		kind = LOG_H_RFC3164;
	switch (kind) {
	case LOG_H_LOCAL:
	case LOG_H_RFC3164:
		strbuf_addf(h, "<%d>%s ", t->facility * 8 + level, log_date(us / 1000000)->syslog);
		if (kind == LOG_H_RFC3164)
			strbuf_addf(h, "%s ", host_name() ? host_name() : "localhost");
		strbuf_addf(h, "%s[%d]: ", tag_of(m), (int)getpid());
		break;
	case LOG_H_RFC5424:
		strbuf_addf(h, "<%d>1 ", t->facility * 8 + level);
		iso_date(h, us);
		strbuf_addf(h, " %s %s %d - %.*s ", host_name() ? host_name() : "-", tag_of(m),
			    (int)getpid(), m->sd.n ? (int)m->sd.n : 1, m->sd.n ? m->sd.p : "-");
		break;
	case LOG_H_PRIORITY:
		strbuf_addf(h, "<%d>", t->facility * 8 + level);
		break;
	case LOG_H_SHORT:
		strbuf_addf(h, "<%d>", level);
		break;
	case LOG_H_TIMED:
		strbuf_addf(h, "<%d>", level);
		iso_date(h, us);
		strbuf_addc(h, ' ');
		break;
	case LOG_H_ISO:
		iso_date(h, us);
		strbuf_addc(h, ' ');
		break;
	case LOG_H_RAW:
		break;
	}
}

/* ---- sending ---- */

static ssize_t send_unix(struct log_target *t, struct msghdr *mh)
{
	ssize_t r = t->fd < 0 ? -1 : sendmsg(t->fd, mh, MSG_DONTWAIT | MSG_NOSIGNAL);
	int64_t now = log_wall_us() / 1000000, due = atomic_load(&t->retry_s);

	if (r >= 0 ||
	    (t->fd >= 0 && errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET))
		return r;
	/* The daemon behind the path went or is not there yet: once a second one thread tries again. */
	if (now < due || !atomic_compare_exchange_strong(&t->retry_s, &due, now + 1) ||
	    open_unix(t))
		return -1;
	return sendmsg(t->fd, mh, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* Descriptors that we share with others (a terminal, a file) are not made non-blocking: asked first instead. */
static ssize_t send_fd(struct log_target *t, struct iovec *iov, int n)
{
	struct pollfd pfd = { .fd = t->fd, .events = POLLOUT };

	if (!t->is_pipe && (poll(&pfd, 1, 0) != 1 || !(pfd.revents & POLLOUT)))
		return -1;
	return writev(t->fd, iov, n);
}

static bool sampled_out(struct log_target *t)
{
	uint32_t i;

	if (!t->sample_size)
		return false;
	i = atomic_fetch_add_explicit(&t->sample_count, 1, memory_order_relaxed) % t->sample_size;
	return !(t->sample_set >> i & 1);
}

void log_target_send(struct log_target *t, const struct log_message *m)
{
	static __thread struct strbuf head;
	int level = m->level < t->min_level ? t->min_level : m->level;
	struct iovec iov[3];
	struct msghdr mh = { .msg_iov = iov, .msg_iovlen = 3 };
	struct sockaddr_storage ss;
	ssize_t r;

	if (m->level > t->level || sampled_out(t))
		return;
	strbuf_reset(&head);
	add_header(&head, t, m, level);
	iov[0] = (struct iovec){ head.p, head.n };
	iov[1] = (struct iovec){ (void *)m->text.p, m->text.n };
	iov[2] = (struct iovec){ (void *)"\n", 1 };
	if (t->max_len && head.n > t->max_len)
		iov[0].iov_len = t->max_len;
	if (t->max_len && iov[0].iov_len + m->text.n > t->max_len)
		iov[1].iov_len = t->max_len - iov[0].iov_len;
	switch (t->kind) {
	case LOG_TO_UDP:
		mh.msg_namelen = addr_to_sockaddr(&t->addr, &ss);
		mh.msg_name = &ss;
		r = sendmsg(udp_fd[t->addr.family == ADDR_IP6], &mh, MSG_DONTWAIT | MSG_NOSIGNAL);
		break;
	case LOG_TO_UNIX:
		r = send_unix(t, &mh);
		break;
	default:
		r = send_fd(t, iov, 3);
	}
	if (r < 0)
		atomic_fetch_add_explicit(&log_dropped_lines, 1, memory_order_relaxed);
}

void log_target_names(void (*emit)(void *ctx, const char *kind, const char *name), void *ctx)
{
	static const char *const words[] = { "len", "format", "sample" };

	for (size_t i = 0; i < ARRAY_SIZE(facilities); i++)
		emit(ctx, "log-facility", facilities[i]);
	for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
		emit(ctx, "log-level", levels[i]);
	for (size_t i = 0; i < ARRAY_SIZE(formats); i++)
		emit(ctx, "log-format-name", formats[i]);
	for (size_t i = 0; i < ARRAY_SIZE(words); i++)
		emit(ctx, "log-target-arg", words[i]);
}
