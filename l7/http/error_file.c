// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * error_file.c - `errorfile <code> <file>` and `errorloc`, `errorloc302`, `errorloc303`: a proxy's own answers instead of the standard
 * pages. A file is a whole HTTP/1 response; it is parsed once, when the configuration is read. Control thread.
 */
#include "http/error_page.h"
#include "config/keyword.h"
#include "http/conf.h"
#include "http/h1.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_FILES 20

struct error_files {
	int n;
	unsigned int code[MAX_FILES];
	struct http_error_file *file[MAX_FILES];
};

static struct ext files_ext = { .name = "errorfile", .bytes = sizeof(struct error_files) };

const struct http_error_file *http_error_file(const struct proxy *px, unsigned int status)
{
	const struct error_files *f = proxy_ext(px, &files_ext);

	for (int i = 0; i < f->n; i++)
		if (f->code[i] == status)
			return f->file[i];
	return NULL;
}

/* The code of argument 0; 0 with the error said. */
static unsigned int parse_code(struct cfg_line *l)
{
	int64_t v;

	if (cfg_arg_i64(l, 0, 200, 599, &v))
		return 0;
	if (!http_error_known((unsigned int)v)) {
		cfg_error(l, l->first_arg,
			  "status %d has no standard page that could be replaced; "
			  "allowed: 200 400 401 403 404 405 407 408 410 413 422 425 429 431 500 "
			  "501 502 503 504 505",
			  (int)v);
		return 0;
	}
	return (unsigned int)v;
}

static int remember(struct cfg_line *l, unsigned int code, struct http_error_file *file)
{
	struct error_files *f = proxy_ext(l->px, &files_ext);
	int i = 0;

	while (i < f->n && f->code[i] != code)
		i++;
	if (i == MAX_FILES)
		return cfg_error(l, 0, "more than %d error pages in one section", MAX_FILES);
	f->code[i] = code;
	f->file[i] = file;
	if (i == f->n)
		f->n++;
	return 0;
}

/* The whole file, at most tune.bufsize; false with the error said. */
static bool read_file(struct cfg_line *l, const char *path, struct slice *out)
{
	size_t max = l->cfg->global.bufsize ? l->cfg->global.bufsize : 16384;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *p = arena_alloc(l->arena, max + 1);
	size_t n = 0;
	ssize_t r = 0;

	if (fd < 0) {
		cfg_error(l, l->first_arg + 1, "cannot open '%s': %s", path, strerror(errno));
		return false;
	}
	while (n <= max && (r = read(fd, p + n, max + 1 - n)) > 0)
		n += r;
	close(fd);
	if (r < 0)
		cfg_error(l, l->first_arg + 1, "cannot read '%s': %s", path, strerror(errno));
	else if (n > max)
		cfg_error(l, l->first_arg + 1, "'%s' is larger than tune.bufsize (%zu bytes)", path,
			  max);
	*out = slice_make(p, n);
	return r >= 0 && n <= max;
}

static bool is_framing(const struct http_hdr *h)
{
	return h->id == HDR_CONTENT_LENGTH || h->id == HDR_TRANSFER_ENCODING ||
	       h->id == HDR_CONNECTION;
}

static int parse_response(struct cfg_line *l, struct slice text, struct http_error_file *f)
{
	struct segment *seg = xzalloc(sizeof(*seg) + text.n);
	struct http_msg *m = arena_zalloc(l->arena, sizeof(*m));
	struct h1_head head = { .relax = H1_RELAX_CHARS };
	enum h1_result r;
	const char *why;

	/* A segment of its own, which stays until the copies below are made. */
	seg->refs = 2;
	seg->size = seg->end = (uint32_t)text.n;
	memcpy(seg->data, text.p, text.n);
	http_msg_init(m, l->arena, true);
	r = h1_parse_head(&head, m, seg);
	why = r == H1_MORE ? "the head does not end with an empty line" : h1_error_text(head.error);
	if (r != H1_OK) {
		free(seg);
		return cfg_error(l, l->first_arg + 1, "'%s' is no HTTP response: %s", cfg_arg(l, 1),
				 why);
	}
	f->status = m->status;
	f->reason = arena_dup(l->arena, m->reason).p;
	for (struct http_hdr *h = NULL;
	     (h = http_hdr_next(m, h)) && f->n_headers < HTTP_ERROR_FILE_HDRS;) {
		if (is_framing(h))
			continue;
		f->name[f->n_headers] = arena_dup(l->arena, http_hdr_get_name(h));
		f->value[f->n_headers++] = arena_dup(l->arena, http_hdr_value(h));
	}
	f->body = arena_dup(l->arena, slice_make(seg->data + seg->start, segment_len(seg)));
	free(seg);
	return 0;
}

static int parse_errorfile(struct cfg_line *l)
{
	struct http_error_file *f;
	struct slice text;
	unsigned int code;

	if (cfg_want_args(l, 2, 2, "errorfile <code> <file>") || !(code = parse_code(l)))
		return -1;
	f = ARENA_NEW(l->arena, struct http_error_file);
	if (strcmp(cfg_arg(l, 1), "/dev/null") == 0) { /* close without an answer */
		f->status = 0;
		return remember(l, code, f);
	}
	if (!read_file(l, cfg_arg(l, 1), &text) || parse_response(l, text, f))
		return -1;
	return remember(l, code, f);
}

static int parse_errorloc(struct cfg_line *l)
{
	const char *word = l->words[0].z;
	struct http_error_file *f;
	unsigned int code;

	if (cfg_want_args(l, 2, 2, "errorloc|errorloc302|errorloc303 <code> <url>") ||
	    !(code = parse_code(l)))
		return -1;
	f = ARENA_NEW(l->arena, struct http_error_file);
	f->status = strcmp(word, "errorloc303") ? 302 : 303;
	f->reason = http_reason(f->status);
	f->name[0] = SLICE("cache-control");
	f->value[0] = SLICE("no-cache");
	f->name[1] = SLICE("location");
	f->value[1] = arena_dup(l->arena, slice_z(cfg_arg(l, 1)));
	f->n_headers = 2;
	return remember(l, code, f);
}

static const struct cfg_keyword rows[] = {
	{ "errorfile", CFG_ANY_PROXY, parse_errorfile, KERNEL_HTTP, NULL, "errorfile <code> <file>",
	  "A file with a whole HTTP response instead of the standard page.", 0 },
	{ "errorloc", CFG_ANY_PROXY, parse_errorloc, KERNEL_HTTP, NULL, "errorloc <code> <url>",
	  "A redirect (302) instead of the standard page.", 0 },
	{ "errorloc302", CFG_ANY_PROXY, parse_errorloc, KERNEL_HTTP, NULL,
	  "errorloc302 <code> <url>", "A redirect (302) instead of the standard page.", 0 },
	{ "errorloc303", CFG_ANY_PROXY, parse_errorloc, KERNEL_HTTP, NULL,
	  "errorloc303 <code> <url>", "A redirect (303) instead of the standard page.", 0 },
};

void http_error_file_init(void)
{
	ext_register(EXT_PROXY, &files_ext);
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
}
