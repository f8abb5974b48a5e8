// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * external.c - `option external-check`: a program says by its exit code whether a server is well. It is started by
 * posix_spawn() (nothing of this process is copied) and watched by a pidfd in the control thread's loop, so nobody waits
 * for it; a deadline ends it by SIGKILL. How many run at a time is limited. Control thread.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check/private.h"
#include "loop/thread.h"

struct external_conf {
	const char *command, *path;
};

static struct ext external_ext = { .name = "external-check",
				   .bytes = sizeof(struct external_conf) };

/* A program under way. It outlives its check when that is stopped: until the kernel has reported its end. */
struct program {
	struct io io; /* the pidfd */
	pid_t pid;
	struct check *check; /* NULL: nobody asks for the result any more */
};

static unsigned int running;
/* Programs at a time; a check beyond that fails at once, and says so. */
#define RUNNING_MAX 256

static void on_exit_event(struct io *io, uint32_t ep)
{
	struct program *p = container_of(io, struct program, io);
	struct check *c = p->check;
	int status = 0, code;
	pid_t r = waitpid(p->pid, &status, WNOHANG);

	if (!r)
		return;
	code = r < 0 || !WIFEXITED(status) ? -1 : WEXITSTATUS(status);
	loop_io_del(&control_loop, &p->io);
	close(p->io.fd);
	running--;
	free(p);
	if (!c)
		return;
	c->own = NULL;
	check_say(c, code ? CHECK_PROCERR : CHECK_PROCOK, code, NULL);
}

static void kill_program(struct check *c)
{
	struct program *p = c->own;

	if (!p)
		return;
	c->own = NULL;
	p->check = NULL;
	kill(-p->pid,
	     SIGKILL); /* with what it has started; not yet waited for: the number is still its own */
}

/* ---- arguments and environment ---- */

struct place_text {
	char addr[108], port[16];
};

static void server_place(const struct server *s, struct place_text *t)
{
	struct addr a;

	server_addr(s, &a);
	snprintf(t->port, sizeof(t->port), "NOT_USED");
	if (s->path) {
		snprintf(t->addr, sizeof(t->addr), "%s", s->path);
		return;
	}
	addr_ip_text(&a, t->addr, sizeof(t->addr));
	snprintf(t->port, sizeof(t->port), "%u", a.port);
}

/* The first address that the section listens on. */
static void proxy_place(const struct proxy *px, struct place_text *t)
{
	const struct bind_address *a;
	const struct bind_conf *b;

	snprintf(t->addr, sizeof(t->addr), "NOT_USED");
	snprintf(t->port, sizeof(t->port), "NOT_USED");
	list_for_each_entry(b, &px->binds, node) {
		list_for_each_entry(a, &b->addresses, node) {
			if (a->path) {
				snprintf(t->addr, sizeof(t->addr), "%s", a->path);
				return;
			}
			addr_ip_text(&a->addr, t->addr, sizeof(t->addr));
			snprintf(t->port, sizeof(t->port), "%u", a->addr.port);
			return;
		}
	}
}

static const char *or_empty(const char *z)
{
	return strcmp(z, "NOT_USED") ? z : "";
}

static const char *protocol_of(const struct proxy *px)
{
	return px->mode == MODE_HTTP ? "h1" : "tcp";
}

#define ENV_COUNT 14

/* In the control thread's scratch memory. */
static void make_env(const struct server *s, const struct external_conf *f, struct arena *m,
		     const struct place_text *own, const struct place_text *to,
		     char *env[ENV_COUNT])
{
	const struct proxy *px = s->px;
	int n = 0;

	env[n++] = arena_printf(m, "PATH=%s", f->path ? f->path : "");
	env[n++] = arena_printf(m, "HAPROXY_PROXY_NAME=%s", px->name);
	env[n++] = arena_printf(m, "HAPROXY_PROXY_ID=%u", px->uuid);
	env[n++] = arena_printf(m, "HAPROXY_PROXY_ADDR=%s", or_empty(own->addr));
	env[n++] = arena_printf(m, "HAPROXY_PROXY_PORT=%s", or_empty(own->port));
	env[n++] = arena_printf(m, "HAPROXY_SERVER_NAME=%s", s->name);
	env[n++] = arena_printf(m, "HAPROXY_SERVER_ID=%u", s->puid);
	env[n++] = arena_printf(m, "HAPROXY_SERVER_ADDR=%s", to->addr);
	env[n++] = arena_printf(m, "HAPROXY_SERVER_PORT=%s", or_empty(to->port));
	env[n++] = arena_printf(m, "HAPROXY_SERVER_MAXCONN=%u", s->maxconn);
	env[n++] = arena_printf(m, "HAPROXY_SERVER_CURCONN=%u", atomic_load(&s->load.served));
	env[n++] = arena_printf(m, "HAPROXY_SERVER_SSL=%d",
				s->setup.xprt && s->setup.xprt != &transport_plain);
	env[n++] = arena_printf(m, "HAPROXY_SERVER_PROTO=%s", protocol_of(px));
	env[n] = NULL;
}

/* In a process group of its own, with default signals and few files: only stdin, which is empty, and the outputs. */
static int spawn(const struct server *s, const struct external_conf *f, pid_t *pid)
{
	struct arena *m = check_scratch();
	struct place_text own, to;
	char *env[ENV_COUNT];
	char *argv[6] = { (char *)f->command, own.addr, own.port, to.addr, to.port, NULL };
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t all, none;
	int err;

	arena_reset(m);
	proxy_place(s->px, &own);
	server_place(s, &to);
	make_env(s, f, m, &own, &to, env);
	sigfillset(&all);
	sigemptyset(&none);
	posix_spawnattr_init(&attr);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK |
						POSIX_SPAWN_SETPGROUP);
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_addclosefrom_np(&files, 3);
	err = posix_spawn(pid, f->command, &files, &attr, argv, env);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return -err;
}

/* What a shell would say: the program is not there. */
#define CODE_NOT_STARTED 255

static void start(struct check *c)
{
	const struct external_conf *f = proxy_ext(c->srv->px, &external_ext);
	struct program *p;

	if (running >= RUNNING_MAX) {
		check_say(c, CHECK_SOCKERR, 0, "too many external checks at a time");
		return;
	}
	p = xzalloc(sizeof(*p));
	if (spawn(c->srv, f, &p->pid)) {
		free(p);
		check_say(c, CHECK_PROCERR, CODE_NOT_STARTED, NULL);
		return;
	}
	p->io.fd = (int)syscall(SYS_pidfd_open, p->pid, 0);
	p->io.on_event = on_exit_event;
	if (p->io.fd < 0 || loop_io_add(&control_loop, &p->io, EPOLLIN)) {
		if (p->io.fd >= 0)
			close(p->io.fd);
		kill(-p->pid, SIGKILL);
		waitpid(p->pid, NULL, 0);
		free(p);
		check_say(c, CHECK_SOCKERR, 0, "cannot watch the external check");
		return;
	}
	running++;
	p->check = c;
	c->own = p;
}

static enum check_status expired(const struct check *c, enum check_status st, const char *info,
				 char *buf, size_t size)
{
	*buf = 0;
	return CHECK_PROCTOUT;
}

static const struct check_type external_type = {
	.name = "external-check",
	.start = start,
	.stop = kill_program,
	.failed = expired,
	.help = "a program ends with 0",
};

/* ---- words ---- */

static int parse_option(struct cfg_line *l)
{
	if (cfg_want_args(l, 0, 0, "option external-check"))
		return -1;
	check_set_type(l->px, l->negated || l->is_default ? NULL : &external_type);
	return 0;
}

static int parse_command(struct cfg_line *l)
{
	struct external_conf *f = proxy_ext(l->px, &external_ext);

	if (cfg_want_args(l, 1, 1, "external-check command <file>"))
		return -1;
	f->command = arena_strdup(l->arena, cfg_arg(l, 0));
	return 0;
}

static int parse_path(struct cfg_line *l)
{
	struct external_conf *f = proxy_ext(l->px, &external_ext);

	if (cfg_want_args(l, 1, 1, "external-check path <list of folders>"))
		return -1;
	f->path = arena_strdup(l->arena, cfg_arg(l, 0));
	return 0;
}

static void check_commands(struct config *cfg, struct diag *d)
{
	struct proxy *px;

	list_for_each_entry(px, &cfg->proxies, node) {
		const struct check_proxy *p = proxy_ext(px, &check_proxy_ext);
		const struct external_conf *f = proxy_ext(px, &external_ext);

		if (p->type != &external_type || !(px->caps & PX_BACKEND))
			continue;
		if (!cfg->global.external_check)
			diag_error(d, px->at,
				   "%s '%s' has 'option external-check', which runs programs: "
				   "allow it "
				   "by 'external-check' in global",
				   proxy_kind(px), px->name);
		else if (!cfg->global.insecure_fork)
			diag_warning(d, px->at,
				     "%s '%s' has 'option external-check', and the process is not "
				     "said to be one that starts others: write "
				     "'insecure-fork-wanted' in global",
				     proxy_kind(px), px->name);
		if (!f->command)
			diag_error(d, px->at,
				   "%s '%s' has 'option external-check' but no 'external-check "
				   "command <file>'",
				   proxy_kind(px), px->name);
	}
}

#define WHERE (CFG_DEFAULTS | CFG_BACKEND)

static const struct cfg_keyword keywords[] = {
	{ "option external-check", WHERE, parse_option, KERNEL_EXACT, NULL, "option external-check",
	  "Checks servers by a program: 0 is well.", CFG_CAN_NEGATE },
	{ "external-check command", WHERE, parse_command, KERNEL_EXACT, NULL,
	  "external-check command <file>", "The program that checks.", 0 },
	{ "external-check path", WHERE, parse_path, KERNEL_EXACT, NULL,
	  "external-check path <list of folders>",
	  "PATH for the program that checks; empty by default.", 0 },
};

static const struct cfg_check checks[] = {
	{ "external checks", CFG_PHASE_RESOLVE, check_commands },
};

void external_init(void)
{
	ext_register(EXT_PROXY, &external_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
