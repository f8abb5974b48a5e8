// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `load-server-state-from-file`: what `show servers state` printed (management guide, section 9.3) is read when the process
 * starts, and servers begin as they were: down, in maintenance, drained, with their weight and port. A file that is wrong
 * anywhere is ignored as a whole, with a warning: the state is a hint, not configuration. Control thread, before the
 * workers start.
 */
#include "check/state_file.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/units.h"
#include "check/private.h"
#include "config/keyword.h"
#include "process/start.h"

#define FILE_MAX (64u << 20)
#define FIELDS   25

enum state_source { SOURCE_UNSAID, SOURCE_NONE, SOURCE_GLOBAL, SOURCE_LOCAL };

struct state_conf {
	enum state_source source;
	const char *file; /* NULL or "": the backend's name */
};
static struct ext state_ext = { .name = "server state file", .bytes = sizeof(struct state_conf) };

static const char *base, *global_file;

/* Fields of a line that count here, by their place. */
enum {
	F_BE_NAME = 1,
	F_SRV_ID,
	F_SRV_NAME,
	F_ADDR,
	F_OPER,
	F_ADMIN,
	F_UWEIGHT,
	F_IWEIGHT,
	F_SINCE,
	F_CHECK_STATUS,
	F_CHECK_RESULT,
	F_HEALTH,
	F_CHECK_STATE,
	F_PORT = 18,
};

/* One server's line; numbers are checked. */
struct state_row {
	struct server *srv;
	int64_t oper, admin, uweight, iweight, since, check_status, check_result, health, port;
	struct addr addr; /* ADDR_NONE: "-" */
	char weight[8];
};
static struct state_row *rows;
static int nrows;

/* ---- one line ---- */

static bool number(const char *z, int64_t max, int64_t *out)
{
	return !parse_i64(slice_z(z), 0, max, out);
}

static bool row_parse(struct state_row *r, char **field, int n)
{
	*r = (struct state_row){ 0 };
	if (n != FIELDS)
		return false;
	if (strcmp(field[F_ADDR], "-") && addr_parse_ip(&r->addr, slice_z(field[F_ADDR])))
		return false;
	snprintf(r->weight, sizeof(r->weight), "%s", field[F_UWEIGHT]);
	return number(field[F_OPER], SRV_STOPPING, &r->oper) &&
	       number(field[F_ADMIN], 0x7f, &r->admin) &&
	       number(field[F_UWEIGHT], 256, &r->uweight) &&
	       number(field[F_IWEIGHT], 256, &r->iweight) &&
	       number(field[F_SINCE], INT64_MAX / 2, &r->since) &&
	       number(field[F_CHECK_STATUS], 255, &r->check_status) &&
	       number(field[F_CHECK_RESULT], 4, &r->check_result) &&
	       number(field[F_HEALTH], INT32_MAX, &r->health) &&
	       number(field[F_PORT], 65535, &r->port);
}

static struct server *find_server(struct config *cfg, char **field, const struct proxy *only)
{
	struct proxy *px = config_find_proxy(cfg, field[F_BE_NAME], PX_BACKEND);
	struct server *s;

	if (!px || (only && px != only))
		return NULL;
	list_for_each_entry(s, &px->servers, node)
		if (!strcmp(s->name, field[F_SRV_NAME]))
			return s;
	return NULL;
}

static enum state_source source_of(const struct proxy *px)
{
	return ((const struct state_conf *)proxy_ext(px, &state_ext))->source;
}

/* ---- one file ---- */

static int split(char *line, char **field)
{
	int n = 0;

	for (char *save = NULL, *w = strtok_r(line, " \t\r", &save); w;
	     w = strtok_r(NULL, " \t\r", &save))
		if (n++ < FIELDS)
			field[n - 1] = w;
	return n;
}

static void warn(struct config *cfg, const struct proxy *only, const char *path, int line,
		 const char *what)
{
	struct place at = only ? only->at : PLACE_NONE;

	if (line)
		diag_warning(cfg->diag, at,
			     "server state file '%s', line %d: %s\nno state is "
			     "taken from this file",
			     path, line, what);
	else
		diag_warning(cfg->diag, at, "server state file '%s': %s", path, what);
}

/* The rows of @text behind those there are; on an error none of them. @only: a backend's own file. */
static void take_text(struct config *cfg, char *text, const char *path, const struct proxy *only)
{
	int before = nrows, n = 0;
	char *save = NULL;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char *field[FIELDS];
		struct state_row r;
		struct server *s;
		int nfields;

		n++;
		if (n == 1 && strcmp(line, "1")) {
			warn(cfg, only, path, n, "the version must be 1");
			return;
		}
		if (n == 1 || *line == '#' || !line[strspn(line, " \t\r")])
			continue;
		nfields = split(line, field);
		if (!row_parse(&r, field, nfields)) {
			warn(cfg, only, path, n,
			     "this is no line of 'show servers state' (25 fields)");
			nrows = before;
			return;
		}
		s = find_server(cfg, field, only);
		if (!s || source_of(s->px) != (only ? SOURCE_LOCAL : SOURCE_GLOBAL))
			continue;
		r.srv = s;
		rows = xrealloc(rows, (size_t)(nrows + 1) * sizeof(*rows));
		rows[nrows++] = r;
	}
}

static void take_file(struct config *cfg, const char *name, const struct proxy *only)
{
	const char *path =
		*name == '/' || !base ? name : arena_printf(&cfg->arena, "%s/%s", base, name);
	int fd = open(path, O_RDONLY | O_CLOEXEC), err = errno;
	struct strbuf b = STRBUF_INIT;
	ssize_t n = 0;

	while (fd >= 0 && b.n < FILE_MAX && strbuf_reserve(&b, 65536) &&
	       (n = read(fd, b.p + b.n, b.cap - b.n - 1)) > 0)
		b.n += (size_t)n;
	err = n < 0 ? errno : err;
	if (fd < 0 || n < 0)
		warn(cfg, only, path, 0, strerror(err));
	else if (b.n >= FILE_MAX || (b.n && memchr(b.p, 0, b.n)))
		warn(cfg, only, path, 0, "this is no text, or more than 64 MB");
	else if (!b.n)
		warn(cfg, only, path, 0, "it is empty");
	else {
		b.p[b.n] = 0;
		take_text(cfg, b.p, path, only);
	}
	if (fd >= 0)
		close(fd);
	strbuf_fini(&b);
}

static void read_files(struct config *cfg, struct diag *d)
{
	const struct proxy *px;
	bool global_wanted = false;

	list_for_each_entry(px, &cfg->proxies, node) {
		const struct state_conf *c = proxy_ext(px, &state_ext);

		if (!(px->caps & PX_BACKEND) || px->disabled)
			continue;
		global_wanted |= c->source == SOURCE_GLOBAL;
		if (c->source == SOURCE_LOCAL)
			take_file(cfg, c->file && *c->file ? c->file : px->name, px);
	}
	if (global_wanted && global_file)
		take_file(cfg, global_file, NULL);
}

/* ---- applying ---- */

#define WHY "changed from server-state after a reload"

/* Written as a number: the file's address is what the configuration says now, not what it said then. */
static bool has_name(const struct server *s)
{
	struct slice host = slice_z(s->host_name ? s->host_name : "");
	struct addr a;

	if (!host.n || *host.p == '[' || !addr_parse_ip(&a, host))
		return false;
	while (host.n && host.p[host.n - 1] != ':')
		host.n--;
	if (host.n)
		host.n--;
	else
		host = slice_z(s->host_name);
	return addr_parse_ip(&a, host) != 0;
}

static void restore_admin(const struct state_row *r)
{
	struct server *s = r->srv;

	if (r->admin & SRV_ADM_FMAINT && !(r->admin & SRV_ADM_CMAINT))
		server_set_admin(s, SRV_ADM_FMAINT, 0, WHY);
	else if (!(r->admin & SRV_ADM_FMAINT) && r->admin & SRV_ADM_CMAINT && s->disabled)
		server_set_admin(s, 0, SRV_ADM_FMAINT, WHY);
	if (r->admin & SRV_ADM_FDRAIN)
		server_set_admin(s, SRV_ADM_FDRAIN, 0, WHY);
}

static void restore_address(const struct state_row *r)
{
	struct server *s = r->srv;
	struct addr a;

	if (s->path || s->port_is_offset)
		return;
	server_addr(s, &a);
	if (has_name(s) && r->addr.family != ADDR_NONE) {
		uint16_t port = a.port;

		a = r->addr;
		a.port = port;
	}
	if (r->port)
		a.port = (uint16_t)r->port;
	if (a.family != ADDR_NONE)
		server_set_addr(s, &a, WHY);
}

/* Also without checks: then only `set server ... health up` brings it back, as with HAProxy. */
static void restore_health(const struct state_row *r)
{
	struct server *s = r->srv;
	struct check *c = check_of(s);

	if (c) {
		c->status = (uint8_t)r->check_status;
		c->result = (uint8_t)r->check_result;
	}
	if (r->oper == SRV_STOPPED || r->oper == SRV_STOPPING)
		server_set_oper(s, (enum server_oper)r->oper, WHY);
	if (r->oper == SRV_STOPPED)
		atomic_store(&s->live.health, r->health < s->live.rise ? (int)r->health : 0);
	else if (c)
		atomic_store(&s->live.health, s->live.rise + s->live.fall - 1);
}

static void restore(const struct state_row *r)
{
	struct server *s = r->srv;

	restore_address(r);
	if (r->iweight == s->weight && r->uweight != s->weight)
		server_set_weight(s, r->weight);
	restore_admin(r);
	if (!(atomic_load(&s->live.admin) & SRV_ADM_MAINT))
		restore_health(r);
	s->live.last_change_s = (uint64_t)time(NULL) - (uint64_t)r->since;
}

static int restore_all(struct config *cfg, struct diag *d)
{
	for (int i = 0; i < nrows; i++)
		restore(&rows[i]);
	free(rows);
	rows = NULL;
	nrows = 0;
	return 0;
}

int state_text_restore(struct config *cfg, char *text)
{
	int n;

	take_text(cfg, text, "text", NULL);
	n = nrows;
	restore_all(cfg, cfg->diag);
	return n;
}

/* ---- words ---- */

static int parse_global_text(struct cfg_line *l)
{
	bool is_base = !strcmp(l->words[0].z, "server-state-base");

	if (cfg_want_args(l, 1, 1,
			  is_base ? "server-state-base <directory>" : "server-state-file <file>"))
		return -1;
	*(is_base ? &base : &global_file) = cfg_arg(l, 0);
	return 0;
}

static int parse_load(struct cfg_line *l)
{
	struct state_conf *c = proxy_ext(l->px, &state_ext);
	const char *z = cfg_arg(l, 0);

	if (cfg_want_args(l, 1, 1, "load-server-state-from-file global|local|none"))
		return -1;
	c->source = !strcmp(z, "global")  ? SOURCE_GLOBAL
		    : !strcmp(z, "local") ? SOURCE_LOCAL
		    : !strcmp(z, "none")  ? SOURCE_NONE
					  : SOURCE_UNSAID;
	if (c->source == SOURCE_UNSAID)
		return cfg_error(l, l->first_arg,
				 "'load-server-state-from-file' takes 'global', 'local' or 'none', "
				 "not '%s'",
				 z);
	return 0;
}

static int parse_file_name(struct cfg_line *l)
{
	struct state_conf *c = proxy_ext(l->px, &state_ext);

	if (cfg_want_args(l, 0, 1, "server-state-file-name [use-backend-name|<file>]"))
		return -1;
	c->file = strcmp(cfg_arg(l, 0), "use-backend-name") ? cfg_arg(l, 0) : "";
	return 0;
}

static const struct cfg_keyword keywords[] = {
	{ "server-state-base", CFG_GLOBAL, parse_global_text, KERNEL_EXACT, NULL,
	  "server-state-base <directory>", "Where relative names of server state files start." },
	{ "server-state-file", CFG_GLOBAL, parse_global_text, KERNEL_EXACT, NULL,
	  "server-state-file <file>",
	  "What 'show servers state' printed: backends with 'load-server-state-from-file global' "
	  "begin with it." },
	{ "load-server-state-from-file", CFG_DEFAULTS | CFG_BACKEND, parse_load, KERNEL_EXACT, NULL,
	  "load-server-state-from-file global|local|none",
	  "Servers begin in the state that the global file, or one of the backend's own, tells." },
	{ "server-state-file-name", CFG_DEFAULTS | CFG_BACKEND, parse_file_name, KERNEL_EXACT, NULL,
	  "server-state-file-name [use-backend-name|<file>]",
	  "The backend's own server state file; default: the backend's name." },
};

static const struct cfg_check checks[] = {
	{ "server state files", CFG_PHASE_WARN, read_files },
};

static struct start_hooks hooks = { .name = "server states", .open = restore_all };

void state_file_init(void)
{
	ext_register(EXT_PROXY, &state_ext);
	cfg_register_keywords(keywords, ARRAY_SIZE(keywords));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
	start_register(&hooks);
}
