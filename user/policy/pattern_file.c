// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern_file.c - reading ACL and map files. A line has at most 65,536 bytes and no NUL, and what is no regular file ends after
 * 64 MiB: a device or a binary given by mistake is an error at once. Control thread, while the configuration is read.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "policy/pattern_file.h"

#define STREAM_MAX (64u << 20)
#define LINE_USUAL 24 /* bytes of a line: only to reserve memory */

static int refuse(struct pattern_reader *r, int line, const char *advice, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
static int refuse(struct pattern_reader *r, int line, const char *advice, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->err.what, sizeof(r->err.what), fmt, ap);
	va_end(ap);
	r->err.advice = advice;
	r->line = line;
	return -1;
}

/* @n bytes and room for a NUL behind them. */
static int take_line(struct pattern_reader *r, char *at, size_t n, int line)
{
	char *value = NULL;

	if (memchr(at, 0, n))
		return refuse(r, line, "a text file is needed, with one entry a line",
			      "a NUL byte in the line");
	if (n && at[n - 1] == '\r')
		n--;
	at[n] = 0;
	if (*at == '#')
		return 0;
	while (*at == ' ' || *at == '\t') {
		at++;
		n--;
	}
	if (!*at)
		return 0;
	if (r->two_columns) {
		while (n && (at[n - 1] == ' ' || at[n - 1] == '\t'))
			at[--n] = 0;
		value = at + strcspn(at, " \t");
		if (*value)
			*value++ = 0;
		value += strspn(value, " \t");
	}
	if (r->entry(r, at, value, line)) {
		r->line = line;
		return -1;
	}
	return 0;
}

static int line_too_long(struct pattern_reader *r, int line)
{
	return refuse(r, line, "is it a text file?", "a line has more than %d bytes",
		      PATTERN_LINE_MAX);
}

int pattern_text_read(struct pattern_reader *r, const char *text, size_t n)
{
	char *copy = xmalloc(n + 1), *at = copy, *end = copy + n;
	int line = 0, bad = 0;

	memcpy(copy, text, n);
	while (!bad && at < end) {
		char *nl = memchr(at, '\n', (size_t)(end - at));
		size_t len = (size_t)((nl ? nl : end) - at);

		line++;
		bad = len > PATTERN_LINE_MAX ? line_too_long(r, line) : take_line(r, at, len, line);
		at += len + 1;
	}
	free(copy);
	return bad;
}

struct stream {
	int fd;
	bool regular;
	size_t got;
	char buf[PATTERN_LINE_MAX * 2 + 2];
	size_t n; /* in buf: the start of a line */
	int line;
};

/* The complete lines in the buffer; what is left moves to its start. */
static int take_lines(struct pattern_reader *r, struct stream *s)
{
	char *at = s->buf, *end = s->buf + s->n, *nl;

	while ((nl = memchr(at, '\n', (size_t)(end - at)))) {
		s->line++;
		if (nl - at > PATTERN_LINE_MAX)
			return line_too_long(r, s->line);
		if (take_line(r, at, (size_t)(nl - at), s->line))
			return -1;
		at = nl + 1;
	}
	s->n = (size_t)(end - at);
	if (s->n > PATTERN_LINE_MAX)
		return line_too_long(r, s->line + 1);
	memmove(s->buf, at, s->n);
	return 0;
}

static int read_stream(struct pattern_reader *r, struct stream *s, const char *path)
{
	for (;;) {
		ssize_t n = read(s->fd, s->buf + s->n, sizeof(s->buf) - 1 - s->n);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return refuse(r, 0, "a readable file is needed", "cannot read '%s': %s",
				      path, strerror(errno));
		if (n == 0)
			break;
		s->n += (size_t)n;
		s->got += (size_t)n;
		if (take_lines(r, s))
			return -1;
		if (!s->regular && s->got > STREAM_MAX)
			return refuse(r, s->line, "only a regular file may be larger",
				      "'%s' is no regular file and does not end within %u MiB",
				      path, STREAM_MAX >> 20);
	}
	return s->n ? take_line(r, s->buf, s->n, s->line + 1) : 0;
}

int pattern_file_read(struct pattern_reader *r)
{
	const char *path = r->path;
	bool optional = !strncmp(path, "opt@", 4);
	struct stream *s;
	struct stat st;
	int bad;

	if (!strncmp(path, "virt@", 5))
		return 0;
	if (optional)
		path += 4;
	else if (!strncmp(path, "file@", 5))
		path += 5;
	s = xzalloc(sizeof(*s));
	s->fd = open(path, O_RDONLY | O_CLOEXEC);
	if (s->fd < 0) {
		int err = errno;

		free(s);
		if (optional && (err == ENOENT || err == ENOTDIR))
			return 0;
		return refuse(r, 0,
			      optional ? "only a missing file is allowed behind opt@"
				       : "'opt@' in front of the name allows a missing file, "
					 "'virt@' needs none",
			      "cannot open '%s': %s", path, strerror(err));
	}
	s->regular = !fstat(s->fd, &st) && S_ISREG(st.st_mode);
	if (s->regular && r->expect && st.st_size < UINT32_MAX)
		r->expect(r, (uint32_t)st.st_size / LINE_USUAL);
	bad = read_stream(r, s, path);
	close(s->fd);
	free(s);
	return bad;
}
