// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The sockets of -S and their clients: lines in, each command either the master's own or handed to a worker as one
 * connection to its runtime API, whose reply is passed on. Several commands of a line run one after the other. In the
 * master.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "admin/cli.h"
#include "base/arena.h"
#include "base/coverage.h"
#include "config/address.h"
#include "model/proxy.h"
#include "process/master_private.h"

#define CLIENTS_MAX    64
#define LISTENERS_MAX  16
#define LINE_MAX_WORDS 64
#define IN_MAX         (1 << 20)

static struct list clients = LIST_INIT(clients);
static int nclients;
static struct {
	int fd;
	int level;
} listener[LISTENERS_MAX];
static int nlisteners;
static struct bind_conf *conf; /* of -S, parsed */

void mclient_say(struct mclient *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(&c->out, fmt, ap);
	va_end(ap);
}

/* ---- -S ---- */

/* "ADDRESS,option,value...": as the words of a bind line. 0, or -1 with the error said. */
int master_cli_parse(struct config *cfg, const char *text)
{
	struct cfg_line l = { .cfg = cfg,
			      .diag = cfg->diag,
			      .arena = &cfg->arena,
			      .at = { "-S", 0, 0, NULL },
			      .first_arg = 0,
			      .within = "master CLI" };
	char *copy = arena_strdup(&cfg->arena, text), *save = NULL;

	l.words = arena_zalloc(&cfg->arena, (strlen(text) + 2) * sizeof(*l.words));
	for (char *w = strtok_r(copy, ",", &save); w; w = strtok_r(NULL, ",", &save))
		l.words[l.nwords++] = (struct cfg_word){ .z = w, .n = strlen(w) };
	l.words[l.nwords].z = "";
	if (!l.nwords) {
		diag_error(cfg->diag, PLACE_NONE,
			   "-S takes an address and options of a bind line, parted by commas");
		return -1;
	}
	conf = bind_conf_new(&l, l.words[0].z);
	conf->level = 2;
	return cfg_bind_addresses(&l, 0, &conf->addresses) || bind_parse_options(&l, 1, conf) ? -1
											      : 0;
}

static void note_address(const struct bind_address *a)
{
	struct strbuf b = STRBUF_INIT;
	const char *before = getenv("HAPROXY_MASTER_CLI");
	char text[ADDR_TEXT_MAX];

	if (before && nlisteners)
		strbuf_addf(&b, "%s;", before);
	if (a->path)
		strbuf_addf(&b, "%s@%s", a->is_abstract ? "abns" : "unix",
			    a->path + a->is_abstract);
	else
		strbuf_addf(&b, "%s@%s", a->addr.family == ADDR_IP6 ? "ipv6" : "ipv4",
			    addr_text(&a->addr, text, sizeof(text)));
	setenv("HAPROXY_MASTER_CLI", strbuf_z(&b), 1);
	strbuf_fini(&b);
}

int master_cli_open(struct diag *d)
{
	struct bind_address *a;

	if (!conf)
		return 0;
	list_for_each_entry(a, &conf->addresses, node) {
		int fd = admin_socket_open(conf, a, d);

		if (fd < 0)
			return -1;
		if (nlisteners == LISTENERS_MAX) {
			close(fd);
			diag_error(d, PLACE_NONE, "-S: too many addresses, at most %d",
				   LISTENERS_MAX);
			return -1;
		}
		note_address(a);
		listener[nlisteners].fd = fd;
		listener[nlisteners++].level = conf->level;
	}
	return 0;
}

void master_cli_forget(void)
{
	for (int i = 0; i < nlisteners; i++)
		close(listener[i].fd);
	nlisteners = 0;
}

/* ---- clients ---- */

static void client_free(struct mclient *c)
{
	close(c->fd);
	if (c->relay >= 0)
		close(c->relay);
	list_del(&c->node);
	nclients--;
	strbuf_fini(&c->in);
	strbuf_fini(&c->out);
	strbuf_fini(&c->to_worker);
	free(c->line);
	free(c);
}

static void client_add(int at)
{
	int fd = accept4(listener[at].fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct mclient *c;

	if (fd < 0)
		return;
	c = xzalloc(sizeof(*c));
	c->fd = fd;
	c->relay = -1;
	c->level = listener[at].level;
	list_add_tail(&clients, &c->node);
	nclients++;
}

static void add_prompt(struct mclient *c)
{
	if (!c->prompt || c->quit)
		return;
	if (c->target)
		mclient_say(c, "%d", (int)c->target);
	else
		mclient_say(c, "master%s", master.last_failed ? "[ReloadFailed]" : "");
	if (c->expert || c->experimental || c->debug)
		mclient_say(c, "(%s%s%s)", c->experimental ? "x" : "", c->expert ? "e" : "",
			    c->debug ? "d" : "");
	strbuf_adds(&c->out, "> ");
}

/* ---- commands ---- */

/* "@", "@0", "@master": 0; "@1": the current worker; "@!PID". -1: there is none. */
static pid_t target_of(const char *z)
{
	char *end;
	long n;

	if (!*z || !strcmp(z, "0") || !strcmp(z, "master"))
		return 0;
	if (!strcmp(z, "1"))
		return master.n ? master.worker[0].pid : -1;
	if (*z != '!')
		return -1;
	n = strtol(z + 1, &end, 10);
	for (int i = 0; z[1] && !*end && i < master.n; i++)
		if (master.worker[i].pid == n)
			return (pid_t)n;
	return -1;
}

static const struct mworker *worker_find(pid_t pid)
{
	for (int i = 0; i < master.n; i++)
		if (master.worker[i].pid == pid)
			return &master.worker[i];
	return NULL;
}

static bool all_sent(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t r = send(fd, p, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			return false;
		p += r;
		n -= (size_t)r;
	}
	return true;
}

/* One command on a connection of its own; what comes back is the reply. The socket's buffer takes what fits into ours. */
static void to_worker(struct mclient *c, pid_t pid, const char *command)
{
	const struct mworker *w = worker_find(pid);
	struct strbuf b = STRBUF_INIT;
	int fd = w ? master_connect(w, c->level) : -ESRCH;

	if (fd < 0) {
		mclient_say(c, "The process %d cannot be reached: %s\n\n", (int)pid, strerror(-fd));
		c->target = 0;
		add_prompt(c);
		return;
	}
	strbuf_addf(&b, "%s\n", command);
	if (c->payload.p)
		strbuf_add_slice(&b, c->payload);
	c->raw = false;
	if (b.n < 65536 && all_sent(fd, b.p, b.n)) {
		c->relay = fd;
	} else {
		strbuf_reset(&c->to_worker);
		strbuf_add(&c->to_worker, b.p, b.n);
		c->relay = fd;
	}
	strbuf_fini(&b);
}

/* From now on the client talks with the worker itself. */
static void talk(struct mclient *c, pid_t pid, const char *command)
{
	const struct mworker *w = worker_find(pid);
	int fd = w ? master_connect(w, c->level) : -ESRCH;

	if (fd < 0) {
		mclient_say(c, "The process %d cannot be reached: %s\n\n", (int)pid, strerror(-fd));
		return;
	}
	c->relay = fd;
	c->raw = true;
	strbuf_reset(&c->to_worker);
	if (c->prompt)
		strbuf_adds(&c->to_worker, "prompt\n");
	if (*command)
		strbuf_addf(&c->to_worker, "%s\n", command);
	strbuf_add(&c->to_worker, c->in.p, c->in.n);
	strbuf_reset(&c->in);
}

static int split(char *text, char **words)
{
	int n = 0;

	for (char *save = NULL, *w = strtok_r(text, " \t\r", &save); w && n < LINE_MAX_WORDS;
	     w = strtok_r(NULL, " \t\r", &save))
		words[n++] = w;
	return n;
}

/* @command has no prefix. */
static void run_here(struct mclient *c, const char *command)
{
	char *copy = xstrdup(command), *words[LINE_MAX_WORDS];
	int n = split(copy, words);

	if (!master_command_always(c, words, n)) {
		master_command(c, words, n);
		if (!c->quit)
			strbuf_addc(&c->out, '\n');
	}
	add_prompt(c);
	free(copy);
}

static bool is_always(struct mclient *c, const char *command)
{
	char *copy = xstrdup(command), *words[LINE_MAX_WORDS];
	bool is = master_command_always(c, words, split(copy, words));

	free(copy);
	return is;
}

static void run_prefixed(struct mclient *c, char *command)
{
	size_t n = strcspn(command, " \t\r");
	char *rest = command + n, *name;
	bool raw = command[1] == '@';
	pid_t pid;

	rest += strspn(rest, " \t\r");
	name = xzalloc(n + 1);
	memcpy(name, command, n);
	pid = target_of(name + 1 + raw);
	if (pid < 0 || (raw && !pid)) {
		mclient_say(c, "Can't find the target PID matching the prefix '%s'\n", name);
		c->quit = true;
		free(name);
		return;
	}
	coverage_note("master-cli", raw ? "@@<[!]pid>" : "@<[!]pid>");
	if (raw) {
		talk(c, pid, rest);
	} else if (!*rest) {
		c->target = pid;
		add_prompt(c);
	} else if (pid) {
		to_worker(c, pid, rest);
	} else {
		run_here(c, rest);
	}
	free(name);
}

static void run_command(struct mclient *c, char *command)
{
	command += strspn(command, " \t\r");
	if (*command == '@')
		run_prefixed(c, command);
	else if (!c->target)
		run_here(c, command);
	else if (is_always(c, command))
		add_prompt(c);
	else
		to_worker(c, c->target, command);
}

/* ---- lines ---- */

/* Cuts the first command off c->rest; ';' parts them, a backslash in front of it does not. */
static char *next_command(struct mclient *c)
{
	char *begin = c->rest, *p = begin;

	for (; *p && *p != ';'; p++)
		if (*p == '\\' && p[1])
			p++;
	c->rest = *p ? p + 1 : NULL;
	*p = 0;
	return begin;
}

/* The next line, with its payload when it ends in "<<"; false: it is not complete. */
static bool line_take(struct mclient *c)
{
	char *nl = c->in.n ? memchr(c->in.p, '\n', c->in.n) : NULL, *end;
	size_t n, all;

	if (!nl)
		return false;
	n = (size_t)(nl - c->in.p);
	end = nl;
	while (n && (c->in.p[n - 1] == ' ' || c->in.p[n - 1] == '\r'))
		n--;
	c->payload = SLICE_NONE;
	if (n >= 2 && !memcmp(c->in.p + n - 2, "<<", 2)) {
		end = nl[1] == '\n' ? nl + 1
				    : memmem(nl + 1, c->in.n - (nl + 1 - c->in.p), "\n\n", 2);
		if (!end)
			return false;
		end += nl[1] != '\n';
	}
	all = (size_t)(end - c->in.p) + 1;
	free(c->line);
	c->line = xmalloc(all + 1);
	memcpy(c->line, c->in.p, all);
	c->line[all] = 0;
	c->line[nl - c->in.p] = 0;
	if (end > nl)
		c->payload = slice_make(c->line + (nl + 1 - c->in.p), (size_t)(end - nl));
	strbuf_drop(&c->in, all);
	c->rest = c->line;
	return true;
}

static void client_run(struct mclient *c)
{
	while (!c->quit && c->relay < 0) {
		if (!c->rest && !line_take(c)) {
			c->quit |= c->eof;
			return;
		}
		run_command(c, next_command(c));
	}
}

/* ---- events ---- */

static void client_read(struct mclient *c)
{
	char buf[16384];
	ssize_t r = recv(c->fd, buf, sizeof(buf), MSG_DONTWAIT);

	if (r < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (r <= 0)
		c->eof = true;
	else
		strbuf_add(c->raw && c->relay >= 0 ? &c->to_worker : &c->in, buf, (size_t)r);
	if (c->in.n > IN_MAX || c->to_worker.n > IN_MAX)
		c->eof = c->quit = true;
}

static void relay_end(struct mclient *c)
{
	close(c->relay);
	c->relay = -1;
	c->raw = false;
	strbuf_reset(&c->to_worker);
	add_prompt(c);
}

static void relay_read(struct mclient *c)
{
	char buf[16384];
	ssize_t r = recv(c->relay, buf, sizeof(buf), MSG_DONTWAIT);

	if (r > 0)
		strbuf_add(&c->out, buf, (size_t)r);
	else if (r == 0 || (errno != EAGAIN && errno != EINTR))
		relay_end(c);
}

static void relay_write(struct mclient *c)
{
	ssize_t r = send(c->relay, c->to_worker.p, c->to_worker.n, MSG_NOSIGNAL | MSG_DONTWAIT);

	if (r > 0)
		strbuf_drop(&c->to_worker, (size_t)r);
	if (r > 0 && !c->to_worker.n && c->eof)
		shutdown(c->relay, SHUT_WR);
}

/* false: the client is gone. */
static bool client_write(struct mclient *c)
{
	while (c->sent < c->out.n) {
		ssize_t r = send(c->fd, c->out.p + c->sent, c->out.n - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EAGAIN;
		c->sent += (size_t)r;
	}
	strbuf_reset(&c->out);
	c->sent = 0;
	return true;
}

int master_cli_poll(struct pollfd *set, int max)
{
	struct mclient *c;
	int n = 0;

	for (int i = 0; i < nlisteners; i++)
		set[n++] =
			(struct pollfd){ listener[i].fd, nclients < CLIENTS_MAX ? POLLIN : 0, 0 };
	list_for_each_entry(c, &clients, node) {
		bool full = c->out.n - c->sent > 65536;

		set[n++] = (struct pollfd){
			c->fd, (short)((c->eof ? 0 : POLLIN) | (c->out.n ? POLLOUT : 0)), 0
		};
		set[n++] = (struct pollfd){
			c->relay, (short)((full ? 0 : POLLIN) | (c->to_worker.n ? POLLOUT : 0)), 0
		};
	}
	return n;
}

static void client_handle(struct mclient *c, short own, short relay)
{
	if (own & POLLERR) {
		client_free(c);
		return;
	}
	if (own & (POLLIN | POLLHUP) && !c->eof) {
		client_read(c);
		if (c->eof && c->raw && c->relay >= 0 && !c->to_worker.n)
			shutdown(c->relay, SHUT_WR);
	}
	if (c->relay >= 0 && c->to_worker.n)
		relay_write(c);
	if (c->relay >= 0 && relay & (POLLIN | POLLHUP | POLLERR))
		relay_read(c);
	client_run(c);
	if (!client_write(c) || (c->quit && !c->out.n))
		client_free(c);
}

void master_cli_handle(const struct pollfd *set, int n)
{
	struct mclient *c, *tmp;
	int at = nlisteners;

	list_for_each_entry_safe(c, tmp, &clients, node) {
		if (at + 1 >= n)
			break;
		client_handle(c, set[at].revents, set[at + 1].revents);
		at += 2;
	}
	for (int i = 0; i < nlisteners && i < n; i++)
		if (set[i].revents & POLLIN)
			client_add(i);
}
