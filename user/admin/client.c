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

#define OUT_HIGH    65536 /* a dump pauses above */
#define IN_MAX      (1 << 20)
#define PAYLOAD_MAX (64u << 20) /* some million entries of a map */
#define READ_ONCE   (256 << 10)

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
	r->experimental = c->experimental;
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

/* Does the line of @n bytes end in "<<", a word of its own? Returns its length without that, or -1. */
static ptrdiff_t payload_asked(const char *line, size_t n)
{
	while (n && (line[n - 1] == ' ' || line[n - 1] == '\r'))
		n--;
	if (n < 2 || memcmp(line + n - 2, "<<", 2) != 0 || (n > 2 && line[n - 3] != ' '))
		return -1;
	return (ptrdiff_t)n - 2;
}

/* A prompt for one more line of the payload. */
static void payload_prompt(struct cli_client *c)
{
	if (c->prompt)
		strbuf_adds(&c->out, "+ ");
}

/* The end of the first line in `in`, with its payload when it asks for one ("<<"); NULL: not complete. Every byte is
 * looked at once, however many pieces it comes in. */
static char *line_end(struct cli_client *c, struct slice *payload)
{
	char *nl;

	*payload = SLICE_NONE;
	while (c->in.n > c->scanned &&
	       (nl = memchr(c->in.p + c->scanned, '\n', c->in.n - c->scanned))) {
		size_t n = (size_t)(nl - c->in.p) - c->scanned;
		ptrdiff_t words = c->payload_at ? 0 : payload_asked(c->in.p, n);

		if (!c->payload_at && words < 0)
			return nl;
		if (!c->payload_at) {
			c->in.p[words] = 0;
			c->payload_at = (size_t)(nl - c->in.p) + 1;
		} else if (n == 0 || (n == 1 && nl[-1] == '\r')) {
			*payload = slice_make(c->in.p + c->payload_at, c->scanned - c->payload_at);
			return nl;
		}
		c->scanned = (size_t)(nl - c->in.p) + 1;
		payload_prompt(c);
	}
	return NULL;
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
	c->scanned = c->payload_at = 0;
	return true;
}

static void client_run(struct cli_client *c)
{
	while (!c->quit && c->out.n - c->sent < OUT_HIGH) {
		if (c->running) {
			if (c->later)
				return;
			command_step(c);
			if (c->running)
				return;
			continue;
		}
		if (!c->rest) {
			if (!line_take(c, &c->payload)) {
				/* Without a prompt the end of the line is the end of the conversation. */
				c->quit |= c->eof || (c->line && !c->prompt);
				return;
			}
			c->rest = c->line;
		}
		c->rest = split_words(c, c->rest);
		command_start(c, c->rest ? SLICE_NONE : c->payload); /* of the line's last */
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

/* At most READ_ONCE bytes, so that a client that sends megabytes holds nobody up; `readable`: there is more. */
static void client_read(struct cli_client *c)
{
	char buf[16384];

	for (size_t got = 0; c->readable && !c->eof && got < READ_ONCE;) {
		ssize_t r = recv(c->io.fd, buf, sizeof(buf), MSG_DONTWAIT);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0 && errno == EAGAIN)
			c->readable = false;
		else if (r <= 0)
			c->eof = true;
		if (r <= 0)
			return;
		strbuf_add(&c->in, buf, (size_t)r);
		got += (size_t)r;
		touch(c);
		if (c->in.n > (c->payload_at ? PAYLOAD_MAX : IN_MAX) || c->in.oom) {
			c->eof = c->quit = true;
			return;
		}
	}
}

static void client_work(struct task *t)
{
	struct cli_client *c = container_of(t, struct cli_client, task);

	if (!c->running) /* what follows a long command can wait in the socket */
		client_read(c);
	client_run(c);
	if (!client_send(c) || (c->quit && !c->out.n)) {
		client_free(c);
		return;
	}
	if (!c->out.n && ((c->running && !c->later) || (c->readable && !c->eof)))
		task_wake(&control_loop, &c->task);
}

static void on_event(struct io *io, uint32_t ep)
{
	struct cli_client *c = container_of(io, struct cli_client, io);

	if (ep & EPOLLERR) {
		client_free(c);
		return;
	}
	c->readable = true;
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
