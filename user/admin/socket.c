// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * socket.c - the `stats socket` lines: parsing, binding (before chroot and before privileges are dropped), accepting.
 * Not for: what is said on a connection (client.c). Control thread.
 */
#include "process/start.h"
#include "admin/private.h"

#include "config/address.h"
#include "loop/thread.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct list admin_sockets = LIST_INIT(admin_sockets);

/* ---- configuration ---- */

static int opt_level(struct cfg_line *l, int *i, struct bind_conf *b)
{
	static const char *const names[] = { "user", "operator", "admin" };
	const char *word = *i + 1 < l->nwords ? l->words[*i + 1].z : "";

	for (size_t k = 0; k < ARRAY_SIZE(names); k++)
		if (strcmp(word, names[k]) == 0) {
			b->level = (int)k;
			*i += 2;
			return 0;
		}
	return cfg_error(l, *i + 1,
			 "'level' only supports 'user', 'operator' and 'admin', not '%s'", word);
}

static int opt_expose_fd(struct cfg_line *l, int *i, struct bind_conf *b)
{
	const char *word = *i + 1 < l->nwords ? l->words[*i + 1].z : "";

	if (strcmp(word, "listeners") != 0)
		return cfg_error(l, *i + 1, "'expose-fd' only supports 'listeners', not '%s'",
				 word);
	b->expose_fd = true;
	*i += 2;
	return 0;
}

static int parse_socket(struct cfg_line *l)
{
	struct bind_conf *b;

	if (cfg_want_args(l, 1, -1,
			  "stats socket <path>|<address>:<port>|fd@<n> [level user|operator|admin] "
			  "[mode <octal>] ..."))
		return -1;
	b = bind_conf_new(l, cfg_arg(l, 0));
	b->level = CLI_OPERATOR;
	if (cfg_bind_addresses(l, l->first_arg, &b->addresses) ||
	    bind_parse_options(l, l->first_arg + 1, b))
		return -1;
	list_add_tail(&l->cfg->global.stats_listeners, &b->node);
	return 0;
}

static int parse_timeout(struct cfg_line *l)
{
	if (cfg_want_args(l, 1, 1, "stats timeout <time>"))
		return -1;
	if (cfg_arg_time(l, 0, &l->cfg->global.stats_timeout_ms))
		return -1;
	return l->cfg->global.stats_timeout_ms
		       ? 0
		       : cfg_error(l, l->first_arg, "'stats timeout' takes a time above 0");
}

/* There is one process, and its sockets are its own. */
static int parse_bind_process(struct cfg_line *l)
{
	return cfg_want_args(l, 1, -1, "stats bind-process <numbers>");
}

static int parse_stats(struct cfg_line *l)
{
	return cfg_error(
		l, l->first_arg,
		"'stats' takes 'socket', 'timeout', 'maxconn' and 'bind-process' in the global "
		"section, not '%s'",
		cfg_arg(l, 0));
}

static int parse_maxconn(struct cfg_line *l)
{
	int64_t n;

	if (cfg_want_args(l, 1, 1, "stats maxconn <number>") || cfg_arg_i64(l, 0, 1, 1 << 20, &n))
		return -1;
	l->cfg->global.stats_maxconn = (uint32_t)n;
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ "stats socket", CFG_GLOBAL, parse_socket, KERNEL_EXACT, NULL,
	  "stats socket <address> [level user|operator|admin] [mode <octal>] [user|group <name>] "
	  "[name <name>]",
	  "a socket for the runtime API", 0 },
	{ "stats timeout", CFG_GLOBAL, parse_timeout, KERNEL_EXACT, NULL, "stats timeout <time>",
	  "how long a stats socket's connection may be idle; default 10s", 0 },
	{ "stats bind-process", CFG_GLOBAL, parse_bind_process, KERNEL_EXACT, NULL,
	  "stats bind-process <numbers>", "No effect: there is one process.", CFG_EFFECT_NONE },
	{ "stats", CFG_GLOBAL, parse_stats, KERNEL_EXACT, NULL,
	  "stats socket|timeout|maxconn|bind-process ...",
	  "The sockets of the runtime API; see the words that follow.", 0 },
	{ "stats maxconn", CFG_GLOBAL, parse_maxconn, KERNEL_EXACT, NULL, "stats maxconn <number>",
	  "how many connections the stats sockets take together; default 10", 0 },
};

static const struct bind_option bind_options[] = {
	{ "level", opt_level, KERNEL_EXACT, NULL, "level user|operator|admin",
	  "what a stats socket allows" },
	{ "expose-fd", opt_expose_fd, KERNEL_EXACT, NULL, "expose-fd listeners",
	  "A starting process (-x) may take the listening sockets over from here." },
};

/* ---- binding ---- */

static int fail(struct diag *d, const struct bind_conf *b, const char *what, int err)
{
	diag_error(d, b->at, "stats socket '%s': %s: %s", b->spec, what, strerror(err));
	return -1;
}

/* Bound under another name and renamed, so that there is never a moment without a socket, and a stale one does not
 * matter. */
static int bind_unix(const struct bind_conf *b, const struct bind_address *at, struct diag *d)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), err;
	char tmp[sizeof(un.sun_path)];
	socklen_t len = sizeof(un);

	if (fd < 0)
		return fail(d, b, "cannot make a socket", errno);
	if (at->is_abstract) {
		size_t n = strlen(at->path + 1);

		n = n < sizeof(un.sun_path) - 1 ? n : sizeof(un.sun_path) - 1;
		memcpy(un.sun_path + 1, at->path + 1, n);
		if (bind(fd, (struct sockaddr *)&un, len) == 0)
			return fd;
		err = errno;
	} else {
		if (snprintf(tmp, sizeof(tmp), "%s.%d.tmp", at->path, (int)getpid()) >=
		    (int)sizeof(tmp)) {
			close(fd);
			return fail(d, b, "the path is too long for a unix socket", ENAMETOOLONG);
		}
		memcpy(un.sun_path, tmp, strlen(tmp) + 1);
		unlink(tmp);
		if (bind(fd, (struct sockaddr *)&un, len) == 0 &&
		    (b->mode == (uint32_t)-1 || chmod(tmp, (mode_t)b->mode) == 0) &&
		    ((b->uid == (uint32_t)-1 && b->gid == (uint32_t)-1) ||
		     chown(tmp, b->uid, b->gid) == 0) &&
		    listen(fd, 128) == 0 && rename(tmp, at->path) == 0)
			return fd;
		err = errno;
		unlink(tmp);
	}
	close(fd);
	return fail(d, b, "cannot bind", err);
}

static int bind_inet(const struct bind_conf *b, const struct bind_address *at, struct diag *d)
{
	struct sockaddr_storage ss;
	socklen_t len = addr_to_sockaddr(&at->addr, &ss);
	int fd = socket(ss.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, err;

	if (fd < 0)
		return fail(d, b, "cannot make a socket", errno);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (at->addr.family == ADDR_IP6 && b->v6only)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&ss, len) == 0)
		return fd;
	err = errno;
	close(fd);
	return fail(d, b, "cannot bind", err);
}

int admin_socket_open(struct bind_conf *b, struct bind_address *at, struct diag *d)
{
	int fd = at->fd;

	if (fd >= 0)
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	else
		fd = at->path ? bind_unix(b, at, d) : bind_inet(b, at, d);
	if (fd < 0)
		return -1;
	return listen(fd, 128) ? fail(d, b, "cannot listen", errno) : fd;
}

static int open_one(struct bind_conf *b, struct bind_address *at, struct diag *d)
{
	struct admin_socket *s;
	int fd = admin_socket_open(b, at, d);

	if (fd < 0)
		return -1;
	s = xzalloc(sizeof(*s));
	s->bind = b;
	s->at = at;
	s->io.fd = fd;
	list_add_tail(&admin_sockets, &s->node);
	return 0;
}

int admin_open(struct config *cfg, struct diag *d)
{
	struct bind_conf *b;
	struct bind_address *at;
	int bad = 0;

	list_for_each_entry(b, &cfg->global.stats_listeners, node)
		list_for_each_entry(at, &b->addresses, node)
			bad |= open_one(b, at, d);
	return bad ? -1 : 0;
}

/* ---- accepting ---- */

static void on_accept(struct io *io, uint32_t ep)
{
	struct admin_socket *s = container_of(io, struct admin_socket, io);

	while (admin_nclients < config->global.stats_maxconn) {
		int fd = accept4(io->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd < 0)
			return;
		admin_client_add(s, fd);
	}
	/* Full: the rest waits in the kernel's queue until somebody leaves. */
	list_for_each_entry(s, &admin_sockets, node)
		loop_io_mod(&control_loop, &s->io, 0);
}

void admin_client_from_master(int fd, int level)
{
	static struct bind_conf bind = { .expose_fd = true };
	static struct bind_address at = { .fd = -1 };
	static struct admin_socket from_master = { .bind = &bind, .at = &at };

	fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
	bind.level = level;
	admin_client_add(&from_master, fd);
}

void admin_socket_resume(void)
{
	struct admin_socket *s;

	if (admin_nclients + 1 == config->global.stats_maxconn)
		list_for_each_entry(s, &admin_sockets, node)
			loop_io_mod(&control_loop, &s->io, EPOLLIN);
}

void admin_start(void)
{
	struct admin_socket *s;

	info_start();
	list_for_each_entry(s, &admin_sockets, node) {
		s->io.on_event = on_accept;
		if (loop_io_add(&control_loop, &s->io, EPOLLIN))
			fprintf(stderr, "stats socket '%s': cannot be watched\n", s->bind->spec);
	}
}

void socket_init(void)
{
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_bind_options(bind_options, ARRAY_SIZE(bind_options));
}

static struct start_hooks hooks = { .name = "stats socket",
				    .open = admin_open,
				    .control_start = admin_start };

void admin_init(void)
{
	start_register(&hooks);
	socket_init();
	command_init();
	cmd_basic_init();
	cmd_mode_init();
	cmd_libs_init();
	cmd_server_init();
	cmd_proxy_init();
	cmd_rate_init();
	cmd_handover_init();
	cmd_show_init();
	stats_init();
	info_init();
}
