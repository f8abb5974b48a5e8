// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Reads configuration files line by line: words, `.if` blocks, then the section's rows. Goes on after an error,
 * so that one run says everything that is wrong. Control thread, before the workers start.
 */
#include "config/reader.h"
#include "base/coverage.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/strbuf.h"
#include "config/condition.h"
#include "config/dump.h"
#include "config/lexer.h"
#include "config/registry.h"

struct config_reading config_reading;
struct reader_path reader_path = { .back = -1 };

/* State over the files of one configuration: a later file may not continue a section, but defaults stay in force. */
static const struct proxy *defaults_in_force;

static const char *environment_value(const char *name)
{
	const char *value = getenv(name);

	if (value) {
		coverage_note("env", name);
		coverage_note("address-syntax", "${ENV}");
	}
	return value;
}

static const char *environment_get(const struct lex_vars *v, const char *name)
{
	return environment_value(name);
}

const struct lex_vars environment_vars = { environment_get };

struct reader_vars {
	struct lex_vars vars;
	struct reader *r;
	char line[16];
};

static const char *pseudo_get(const struct lex_vars *v, const char *name)
{
	struct reader_vars *rv = container_of(v, struct reader_vars, vars);

	if (*name != '.')
		return environment_value(name);
	if (!strcmp(name, ".FILE"))
		return rv->r->file;
	if (!strcmp(name, ".LINE")) {
		snprintf(rv->line, sizeof(rv->line), "%d", rv->r->lineno);
		return rv->line;
	}
	if (!strcmp(name, ".SECTION"))
		return rv->r->section_name;
	return NULL;
}

const struct lex_vars *reader_vars(struct reader *r)
{
	static struct reader_vars rv = { { pseudo_get }, NULL, "" };

	rv.r = r;
	return &rv.vars;
}

/* ---- default-path ---- */

static void reader_path_leave(void)
{
	if (reader_path.back < 0)
		return;
	if (fchdir(reader_path.back))
		perror("lbd: cannot return to the directory it was started in");
	close(reader_path.back);
	reader_path.back = -1;
}

int reader_path_enter(struct cfg_line *l)
{
	const char *slash = l->at.file ? strrchr(l->at.file, '/') : NULL, *dir = ".";

	reader_path_leave();
	if (reader_path.mode == READER_PATH_CURRENT)
		return 0;
	if (reader_path.mode == READER_PATH_ORIGIN)
		dir = reader_path.origin;
	else if (slash)
		dir = slash == l->at.file ? "/"
					  : arena_printf(l->arena, "%.*s",
							 (int)(slash - l->at.file), l->at.file);
	if (reader_path.mode == READER_PATH_PARENT)
		dir = arena_printf(l->arena, "%s/..", dir);
	reader_path.back = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (reader_path.back >= 0 && !chdir(dir))
		return 0;
	reader_path_leave();
	return cfg_error(l, l->first_arg, "'default-path': cannot change to directory '%s': %s",
			 dir, strerror(errno));
}

/* ---- lines ---- */

/* One raw line (without LF) that stays valid in the arena. */
static void read_line(struct reader *r, struct cond_stack *conds, struct slice raw)
{
	struct cfg_line *l = &r->line;
	struct lex_result lex;

	l->at = (struct place){ r->file, r->lineno, 0, raw.p };
	lex_line(l->arena, raw, reader_vars(r), &lex);
	l->words = lex.words;
	l->nwords = lex.nwords;
	l->first_arg = 1;
	l->negated = l->is_default = false;
	l->within = NULL;
	if (lex.error) {
		/* in a skipped block only the directives matter, but a broken one cannot be told: HAProxy says it too */
		l->at.column = lex.column;
		diag_error(l->diag, l->at, "%s", lex.error);
		return;
	}
	if (!l->nwords)
		return;
	l->at.column = l->words[0].column;
	if (l->words[0].z[0] == '.' && !l->words[0].quoted && condition_line(r, conds))
		return;
	if (condition_skips(conds))
		return;
	if (reader_open_section(r)) {
		dump_line(l, true);
		return;
	}
	dump_line(l, false);
	reader_section_line(r);
}

static void read_lines(struct reader *r, struct slice text)
{
	struct cond_stack conds = { 0 };
	const char *p = text.p, *end = text.p + text.n;

	while (p < end) {
		const char *lf = memchr(p, '\n', end - p);

		r->lineno++;
		if (!lf) {
			struct place at = { r->file, r->lineno, (int)(end - p) + 1, p };

			read_line(r, &conds, slice_make(p, end - p));
			diag_error(r->line.diag, at,
				   "the last line does not end with a line feed: has the file been "
				   "cut off?\n"
				   "end it with a newline if it is complete");
			break;
		}
		read_line(r, &conds, slice_make(p, lf - p));
		if (memchr(p, 0, lf - p))
			break; /* no text: the rest would give an error a line */
		p = lf + 1;
	}
	condition_end(r, &conds);
	reader_close_section(r);
}

int config_read_text(struct config *cfg, const char *name, struct slice text)
{
	struct reader r = { 0 };
	int errors = cfg->diag->errors;
	char *copy = arena_alloc(&cfg->arena, text.n + 1);

	memcpy(copy, text.p, text.n);
	copy[text.n] = 0;
	r.line = (struct cfg_line){ .cfg = cfg, .diag = cfg->diag, .arena = &cfg->arena };
	r.file = arena_strdup(&cfg->arena, name);
	r.section_name = "";
	r.last_defaults = list_empty(&cfg->defaults) ? NULL : defaults_in_force;
	cfg->hash = XXH64(text.p, text.n, cfg->hash);
	r.line.at = (struct place){ r.file, 0, 0, NULL };
	reader_path_enter(&r.line);
	read_lines(&r, slice_make(copy, text.n));
	reader_path_leave();
	defaults_in_force = r.last_defaults;
	return cfg->diag->errors > errors ? -1 : 0;
}

/* ---- files ---- */

static int cannot_read(struct config *cfg, const char *path, const char *why)
{
	diag_error(cfg->diag, ((struct place){ path, 0, 0, NULL }),
		   "cannot read this configuration: %s", why);
	return -1;
}

static int read_whole(int fd, struct strbuf *b)
{
	for (;;) {
		ssize_t n;

		if (!strbuf_reserve(b, 65536))
			return -ENOMEM;
		n = read(fd, b->p + b->n, b->cap - b->n - 1);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : 0;
		b->n += n;
		b->p[b->n] = 0;
	}
}

static int read_file(struct config *cfg, const char *path)
{
	bool from_stdin = !strcmp(path, "-") || !strcmp(path, "/dev/stdin");
	int fd = from_stdin ? dup(0) : open(path, O_RDONLY | O_CLOEXEC), rc;
	struct strbuf text = STRBUF_INIT;

	if (fd < 0)
		return cannot_read(cfg, path, strerror(errno));
	rc = read_whole(fd, &text);
	close(fd);
	if (rc)
		rc = cannot_read(cfg, path, strerror(-rc));
	else
		rc = config_read_text(cfg, path, strbuf_slice(&text));
	strbuf_fini(&text);
	return rc;
}

static int is_config_name(const struct dirent *e)
{
	size_t n = strlen(e->d_name);

	return e->d_name[0] != '.' && n > 4 && !strcmp(e->d_name + n - 4, ".cfg");
}

static int read_directory(struct config *cfg, const char *path)
{
	struct dirent **list;
	int n = scandir(path, &list, is_config_name, alphasort), rc = 0;

	if (n < 0)
		return cannot_read(cfg, path, strerror(errno));
	if (!n)
		rc = cannot_read(cfg, path, "this directory has no *.cfg file");
	for (int i = 0; i < n; i++) {
		const char *file = arena_printf(&cfg->arena, "%s/%s", path, list[i]->d_name);
		struct stat st;

		if (!stat(file, &st) && !S_ISDIR(st.st_mode) && read_file(cfg, file))
			rc = -1;
		free(list[i]);
	}
	free(list);
	return rc;
}

int config_read(struct config *cfg, const char *path)
{
	struct stat st;

	if (strcmp(path, "-") && !stat(path, &st) && S_ISDIR(st.st_mode))
		return read_directory(cfg, path);
	return read_file(cfg, path);
}

int config_finish(struct config *cfg)
{
	registry_run_checks(cfg, cfg->diag);
	return cfg->diag->errors ? -1 : 0;
}
