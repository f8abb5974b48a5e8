// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * client.c - one connection to a stats socket: lines in, commands run one after the other, replies out. Interactive
 * (`prompt`) or not, as the manual's section 9.3 and HAProxy's observable behaviour say: a line may hold several commands
 * parted by ';', every reply ends with an empty line, an unfinished line at the end of input is dropped.
 * Not for: listening (socket.c), what commands do. Control thread.
 */
#include "admin/private.h"

#include "loop/thread.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define OUT_HIGH 65536 /* a dump pauses above */
#define IN_MAX   (1 << 20)

struct list admin_clients = LIST_INIT(admin_clients);
uint32_t admin_nclients;

static void client_free(struct cli_client *c)
{
	if (c->running && c->req.cursor && c->req.cursor_free)
		c->req.cursor_free(c->req.cursor);
	timer_cancel(&control_loop, &c->timer);
	task_cancel(&control_loop, &c->task);
	if (c->io.fd >= 0) {
		int fd = c->io.fd;

		loop_io_del(&control_loop, &c->io);
		close(fd);
		c->io.fd = -1;
		list_del(&c->node);
		admin_nclients--;
		admin_socket_resume();
	}
	if (c->later) { /* cli_finish() will come and free the rest */
		c->dead = true;
		return;
	}
	strbuf_fini(&c->in);
	strbuf_fini(&c->out);
	free(c->line);
	free(c);
}

static void touch(struct cli_client *c)
{
	if (c->timeout_ms)
		timer_set(&control_loop, &c->timer, control_loop.now_ms + c->timeout_ms);
}

/* ---- words ---- */

/* Splits at blanks; a backslash takes the next character as it is. Ends at ';' (not escaped): returns what is behind. */
static char *split_words(struct cli_client *c, char *p)
{
	struct cli_request *r = &c->req;

	r->nwords = 0;
	for (;;) {
		char *to;

		p += strspn(p, " \t\r");
		if (!*p || *p == ';' || r->nwords == (int)ARRAY_SIZE(c->words) - 1)
			break;
		to = c->words[r->nwords++] = p;
		while (*p && *p != ';' && *p != ' ' && *p != '\t' && *p != '\r') {
			if (*p == '\\' && p[1])
				p++;
			*to++ = *p++;
		}
		if (!*p) {
			*to = 0;
			break;
		}
		if (*p == ';') {
			*to = 0;
			return p + 1;
		}
		*to = 0;
		p++;
	}
	p += strcspn(p, ";");
	return *p ? p + 1 : NULL;
}

/* ---- running ---- */

static void reply_end(struct cli_client *c)
{
	if (!c->quit)
		strbuf_adds(&c->out, c->prompt ? "\n> " : "\n");
}

static void command_done(struct cli_client *c)
{
	c->running = c->later = false;
	if (c->req.cursor && c->req.cursor_free)
		c->req.cursor_free(c->req.cursor);
	reply_end(c);
}

static void command_step(struct cli_client *c)
{
	enum cli_result res = c->command->run(&c->req);

	if (res == CLI_DONE)
		command_done(c);
	else if (res == CLI_LATER)
		c->later = true;
}

static void command_start(struct cli_client *c, struct slice payload)
{
	struct cli_request *r = &c->req;
	int nwords = r->nwords, used;

	memset(r, 0, sizeof(*r));
	c->words[nwords] = NULL;
	r->words = c->words;
	r->nwords = nwords;
	r->level = c->level;
	r->payload = payload;
	r->out = &c->out;
	c->running = true;
	c->command = cli_lookup(r, &used);
	r->first_arg = used;
	if (!c->command) {
		command_done(c);
		return;
	}
	if (c->command->level > c->level) {
		cli_say(r, "Permission denied");
		command_done(c);
		return;
	}
	command_step(c);
}

/* The end of the first line in `in`, with its payload when it asks for one ("<<"); NULL: not complete. */
static char *line_end(struct cli_client *c, struct slice *payload)
{
	char *nl = c->in.n ? memchr(c->in.p, '\n', c->in.n) : NULL, *end;
	size_t n;

	*payload = SLICE_NONE;
	if (!nl)
		return NULL;
	n = (size_t)(nl - c->in.p);
	while (n && (c->in.p[n - 1] == ' ' || c->in.p[n - 1] == '\r'))
		n--;
	if (n < 2 || memcmp(c->in.p + n - 2, "<<", 2) != 0 || (n > 2 && c->in.p[n - 3] != ' '))
		return nl;
	end = nl[1] == '\n' ? nl : strstr(nl + 1, "\n\n");
	if (!end)
		return NULL;
	*payload = slice_make(nl + 1, end > nl ? (size_t)(end - nl) : 0);
	c->in.p[n - 2] = 0;
	return end + 1;
}

/* Takes the next line out of `in`; false: none is complete. `line` holds it with the payload behind its NUL. */
static bool line_take(struct cli_client *c, struct slice *payload)
{
	char *end = line_end(c, payload), *nl;
	size_t n;

	if (!end)
		return false;
	n = (size_t)(end - c->in.p);
	free(c->line);
	c->line = xmalloc(n + 1);
	memcpy(c->line, c->in.p, n);
	c->line[n] = 0;
	nl = memchr(c->line, '\n', n);
	if (nl)
		*nl = 0;
	if (payload->p)
		payload->p = c->line + (payload->p - c->in.p);
	strbuf_drop(&c->in, n + 1);
	return true;
}

static void client_run(struct cli_client *c)
{
	struct slice payload;

	while (!c->quit && c->out.n - c->sent < OUT_HIGH) {
		if (c->running) {
			if (c->later)
				return;
			command_step(c);
			if (c->running)
				return;
			continue;
		}
		payload = SLICE_NONE;
		if (!c->rest) {
			if (!line_take(c, &payload)) {
				/* Without a prompt the end of the line is the end of the conversation. */
				c->quit |= c->eof || (c->line && !c->prompt);
				return;
			}
			c->rest = c->line;
		}
		c->rest = split_words(c, c->rest);
		command_start(c, payload);
	}
}

/* ---- events ---- */

/* false: the client is gone. */
static bool client_send(struct cli_client *c)
{
	while (c->sent < c->out.n) {
		ssize_t r = send(c->io.fd, c->out.p + c->sent, c->out.n - c->sent,
				 MSG_NOSIGNAL | MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			return true;
		if (r <= 0)
			return false;
		c->sent += (size_t)r;
		touch(c);
	}
	strbuf_reset(&c->out);
	c->sent = 0;
	return true;
}

static void client_work(struct task *t)
{
	struct cli_client *c = container_of(t, struct cli_client, task);

	client_run(c);
	if (!client_send(c) || (c->quit && !c->out.n)) {
		client_free(c);
		return;
	}
	if (!c->out.n && c->running && !c->later)
		task_wake(&control_loop, &c->task);
}

static void client_read(struct cli_client *c)
{
	char buf[16384];

	while (!c->eof) {
		ssize_t r = recv(c->io.fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			return;
		if (r <= 0) {
			c->eof = true;
			return;
		}
		strbuf_add(&c->in, buf, (size_t)r);
		touch(c);
		if (c->in.n > IN_MAX || c->in.oom) {
			c->eof = c->quit = true;
			return;
		}
	}
}

static void on_event(struct io *io, uint32_t ep)
{
	struct cli_client *c = container_of(io, struct cli_client, io);

	if (ep & EPOLLERR) {
		client_free(c);
		return;
	}
	client_read(c);
	task_wake(&control_loop, &c->task);
}

static void on_timeout(struct timer *t)
{
	client_free(container_of(t, struct cli_client, timer));
}

void cli_finish(struct cli_request *r)
{
	struct cli_client *c = cli_client_of(r);

	c->later = false;
	if (c->dead) {
		client_free(c);
		return;
	}
	command_done(c);
	task_wake(&control_loop, &c->task);
}

void admin_client_add(struct admin_socket *s, int fd)
{
	struct cli_client *c = calloc(1, sizeof(*c));

	if (!c) {
		close(fd);
		return;
	}
	c->sock = s;
	c->level = s->bind->level;
	c->timeout_ms = config->global.stats_timeout_ms;
	c->io.fd = fd;
	c->io.on_event = on_event;
	timer_init(&c->timer, on_timeout);
	task_init(&c->task, client_work);
	if (loop_io_add(&control_loop, &c->io, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET)) {
		close(fd);
		free(c);
		return;
	}
	list_add_tail(&admin_clients, &c->node);
	admin_nclients++;
	touch(c);
}
