// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * pattern_cli.c - the runtime API's commands on ACLs and maps: show, get, add, del, set, clear, prepare, commit. Replies as the manual's
 * section 9.3 and Debian's haproxy have them. Control thread; long work is done in steps of some ms, and the lock of a reference is
 * held for 64 entries at most.
 */
#include <stdio.h>
#include <stdlib.h>

#include "admin/cli.h"
#include "base/addr.h"
#include "base/arena.h"
#include "base/units.h"
#include "loop/thread.h"
#include "model/config.h"
#include "policy/pattern_ref.h"
#include "policy/registry.h"
#include "process/start.h"

enum { LEVEL_USER, LEVEL_OPERATOR };

#define AT_ONCE    64    /* entries with the lock held */
#define STEP_BYTES 32768 /* of a reply, then the client reads */
#define STEP_US    2000  /* of adding, then others are served */

static enum cli_result say(struct cli_request *r, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
static enum cli_result say(struct cli_request *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	strbuf_vaddf(r->out, fmt, ap);
	va_end(ap);
	strbuf_addc(r->out, '\n');
	return CLI_DONE;
}

/* "show map ...": the second word says which. */
static bool is_map(const struct cli_request *r)
{
	return r->words[1][0] == 'm';
}

static const char *arg(const struct cli_request *r, int k)
{
	return r->first_arg + k < r->nwords ? r->words[r->first_arg + k] : "";
}

/* "#12" or a file's name, among what is listed as ACL (or as map). */
static struct pat_ref *find_ref(const struct cli_request *r, const char *text)
{
	struct pat_ref *p;
	int64_t id = -1;

	if (text[0] == '#' && parse_i64(slice_z(text + 1), 0, INT32_MAX, &id))
		return NULL;
	list_for_each_entry(p, pat_refs(config), node)
		if ((is_map(r) ? p->map : p->acl) &&
		    (id >= 0 ? p->id == id : p->name && !strcmp(p->name, text)))
			return p;
	return NULL;
}

static enum cli_result unknown_ref(struct cli_request *r)
{
	return say(r, "Unknown %s identifier. Please use #<id> or <file>.",
		   is_map(r) ? "map" : "ACL");
}

/* "@<version>" in front of the reference. True: there is one, and the arguments begin behind it. */
static bool take_version(struct cli_request *r, uint32_t *version)
{
	const char *z = arg(r, 0);

	if (z[0] != '@')
		return false;
	*version = (uint32_t)strtoul(z + 1, NULL, 10);
	r->first_arg++;
	return true;
}

/* ---- show ---- */

static uint64_t count_entries(struct pat_ref *p)
{
	uint64_t n = p->base ? p->base->n : p->fixed ? (uint64_t)p->fixed->n : 0;
	const struct pat_gen *g;

	list_for_each_entry(g, &p->others, node)
		n += g->n;
	return n;
}

static void list_ref(struct strbuf *o, struct pat_ref *p)
{
	pat_ref_lock(p);
	strbuf_addf(o, "%d (%s) ", p->id, p->name ? p->name : "");
	if (p->name)
		strbuf_addf(o, "pattern loaded from file '%s' used", p->name);
	for (const struct pat_place *at = p->places; at; at = at->next)
		if (p->name)
			strbuf_addf(o, "%s by %s at file '%s' line %d", at == p->places ? "" : ",",
				    at->kind, at->at.file, at->at.line);
		else
			strbuf_addf(o, "acl '%s' file '%s' line %d", p->keyword, at->at.file,
				    at->at.line);
	strbuf_addf(o, ". curr_ver=%u next_ver=%u entry_cnt=%llu\n", p->curr_version,
		    p->next_version, (unsigned long long)count_entries(p));
	pat_ref_unlock(p);
}

/* num[0]: the id to go on with. The list is in their order. */
static enum cli_result list_refs(struct cli_request *r)
{
	size_t from = r->out->n;
	struct pat_ref *p;

	if (!r->num[0])
		strbuf_adds(r->out, "# id (file) description\n");
	list_for_each_entry(p, pat_refs(config), node) {
		if (!(is_map(r) ? p->map : p->acl) || (uint64_t)p->id < r->num[0])
			continue;
		if (r->out->n - from >= STEP_BYTES)
			return CLI_MORE;
		list_ref(r->out, p);
		r->num[0] = (uint64_t)p->id + 1;
	}
	return CLI_DONE;
}

static void cursor_free(void *cursor)
{
	struct pat_cursor *c = cursor;

	pat_ref_lock(c->ref);
	pat_cursor_end(c);
	pat_ref_unlock(c->ref);
	free(c);
}

static void show_entry(struct strbuf *o, const struct pat_entry *e)
{
	strbuf_addf(o, "0x%llx ", (unsigned long long)(uintptr_t)e);
	strbuf_add(o, e->key, e->n);
	if (e->value) {
		strbuf_addc(o, ' ');
		strbuf_add(o, e->value->text, e->value->n);
	}
	strbuf_addc(o, '\n');
}

static enum cli_result show_begin(struct cli_request *r)
{
	uint32_t version = 0;
	bool given = take_version(r, &version);
	struct pat_ref *p = find_ref(r, arg(r, 0));
	struct pat_cursor *c;
	struct pat_gen *g;

	if (!p)
		return unknown_ref(r);
	pat_ref_lock(p);
	g = pat_ref_version(p, given ? version : p->curr_version, false);
	if (g) {
		c = xzalloc(sizeof(*c));
		pat_cursor_begin(c, p, g);
		r->cursor = c;
		r->cursor_free = cursor_free;
	}
	pat_ref_unlock(p);
	return g ? CLI_MORE : CLI_DONE;
}

static enum cli_result run_show(struct cli_request *r)
{
	size_t from = r->out->n;
	struct pat_cursor *c = r->cursor;

	if (!c && !*arg(r, 0))
		return list_refs(r);
	if (!c && show_begin(r) == CLI_DONE)
		return CLI_DONE;
	for (c = r->cursor; r->out->n - from < STEP_BYTES;) {
		const struct pat_entry *e = NULL;

		pat_ref_lock(c->ref);
		for (int i = 0; i < AT_ONCE && (e = pat_cursor_next(c)); i++)
			show_entry(r->out, e);
		pat_ref_unlock(c->ref);
		if (!e)
			return CLI_DONE;
	}
	return CLI_MORE;
}

/* ---- get ---- */

static const char *use_name(const struct pat_use *u)
{
	return u->replace ? "regm" : match_of(u->kind)->name;
}

static void get_value(struct strbuf *o, const struct pat_use *u, const struct pat_entry *e)
{
	struct sample v;

	if (u->out == SMP_NONE || !e->value) {
		strbuf_adds(o, ", value=none");
		return;
	}
	pat_value_parse(slice_make(e->value->text, e->value->n), u->out, &v);
	strbuf_addf(o, ", value=\"%s\", type=\"%s\"", e->value->text,
		    v.type == SMP_INT   ? "sint"
		    : v.type == SMP_IP4 ? "ipv4"
		    : v.type == SMP_IP6 ? "ipv6"
					: "str");
}

static void get_one(struct cli_request *r, struct pat_ref *p, const struct pat_use *u,
		    const char *text, struct arena *scratch)
{
	const struct smp_ctx ctx = { .scratch = scratch, .final = true };
	struct live_index *ix = &p->base->index[u->index];
	struct sample s = { .type = SMP_STR, .u.s = slice_z(text) };
	const struct live_node *n = NULL;

	if (sample_cast(&s, match_of(u->kind)->takes, &ctx))
		n = live_index_find(ix, &s, live_index_best(u->kind));
	strbuf_addf(r->out, "type=%s, case=%ssensitive, ", use_name(u), u->icase ? "in" : "");
	strbuf_addf(r->out, "%s=%s", is_map(r) ? "found" : "match", n ? "yes" : "no");
	if (n)
		strbuf_addf(r->out, ", idx=%s, %s=\"%s\"",
			    live_index_is_table(ix, n) ? "tree" : "list",
			    is_map(r) ? "key" : "pattern", n->entry->key);
	if (n && is_map(r))
		get_value(r->out, u, n->entry);
	strbuf_addc(r->out, '\n');
}

static enum cli_result run_get(struct cli_request *r)
{
	struct arena scratch;
	struct pat_ref *p;

	if (!*arg(r, 0) || !*arg(r, 1))
		return say(r, "Missing %s identifier and/or key.", is_map(r) ? "map" : "ACL");
	p = find_ref(r, arg(r, 0));
	if (!p)
		return unknown_ref(r);
	arena_init(&scratch, 0);
	pat_ref_lock(p);
	pat_ref_entries(p);
	for (int i = 0; i < p->nuses; i++)
		get_one(r, p, &p->uses[i], arg(r, 1), &scratch);
	pat_ref_unlock(p);
	arena_fini(&scratch);
	return CLI_DONE;
}

/* ---- add ---- */

struct add {
	struct pat_ref *ref;
	uint32_t version;
	bool given; /* the version; else the one in force */
	size_t at;  /* in the payload */
};

static enum cli_result add_entry(struct cli_request *r, const struct add *a, const char *key,
				 const char *value)
{
	struct pattern_error err;
	uint32_t version = a->given ? a->version : a->ref->curr_version;

	if (!pat_gen_add(a->ref, pat_ref_version(a->ref, version, true), key, value, false, &err))
		return CLI_MORE;
	return say(r, "%s.", err.what);
}

/* One line; the payload is the client's own memory and may be cut to pieces. */
static enum cli_result add_line(struct cli_request *r, struct add *a)
{
	char *line = (char *)r->payload.p + a->at, *value = NULL;
	char *end = memchr(line, '\n', r->payload.n - a->at);
	size_t n = end ? (size_t)(end - line) : r->payload.n - a->at;

	a->at += n + 1;
	line[n] = 0; /* behind the payload there is the NUL of the line it came in */
	if (n && line[n - 1] == '\r')
		line[n - 1] = 0;
	line += strspn(line, " \t");
	if (!*line)
		return CLI_MORE;
	if (a->ref->two_columns) {
		value = line + strcspn(line, " \t");
		if (!*value)
			return say(r, "Missing value for key '%s'.", line);
		*value++ = 0;
		value += strspn(value, " \t");
	}
	return add_entry(r, a, line, value);
}

static enum cli_result add_payload(struct cli_request *r)
{
	struct add *a = r->cursor;
	enum cli_result res = CLI_MORE;

	loop_refresh_clock(&control_loop);
	for (uint64_t until = control_loop.now_us + STEP_US;
	     res == CLI_MORE && control_loop.now_us < until; loop_refresh_clock(&control_loop)) {
		pat_ref_lock(a->ref);
		for (int i = 0; i < AT_ONCE && res == CLI_MORE; i++)
			res = a->at < r->payload.n ? add_line(r, a) : CLI_DONE;
		pat_ref_unlock(a->ref);
	}
	return res;
}

static enum cli_result add_usage(struct cli_request *r)
{
	if (is_map(r))
		return say(r, "'add map' expects three parameters (map identifier, key and value) "
			      "or one parameter (map identifier) and a payload");
	return say(r, "'add acl' expects two parameters: ACL identifier and pattern.");
}

static enum cli_result run_add(struct cli_request *r)
{
	struct add a = { 0 }, *kept;
	enum cli_result res;

	if (r->cursor)
		return add_payload(r);
	a.given = take_version(r, &a.version);
	if (!*arg(r, 0) || (!r->payload.p && (!*arg(r, 1) || (is_map(r) && !*arg(r, 2)))))
		return add_usage(r);
	a.ref = find_ref(r, arg(r, 0));
	if (!a.ref)
		return unknown_ref(r);
	if (!is_map(r) && a.ref->two_columns)
		return say(r, "This ACL is shared with a map containing samples. You must use the "
			      "command 'add map' to add values.");
	pat_ref_lock(a.ref);
	if (a.given && (int32_t)(a.ref->next_version - a.version) < 0)
		res = say(r, "Version number in the future, please use 'prepare %s' before.",
			  is_map(r) ? "map" : "acl");
	else
		res = r->payload.p ? CLI_MORE
				   : add_entry(r, &a, arg(r, 1), is_map(r) ? arg(r, 2) : NULL);
	pat_ref_unlock(a.ref);
	if (res == CLI_DONE || !r->payload.p)
		return CLI_DONE;
	kept = xmalloc(sizeof(*kept));
	*kept = a;
	r->cursor = kept;
	r->cursor_free = free;
	return add_payload(r);
}

/* ---- del, set ---- */

static struct pat_entry *entry_in(struct pat_gen *g, uintptr_t id)
{
	struct pat_entry *e;

	list_for_each_entry(e, &g->entries, node)
		if ((uintptr_t)e == id)
			return e;
	return NULL;
}

/* "#0x55d0...": the entry with that number in any version. 50 us for each 10,000 entries. */
static struct pat_entry *entry_by_id(struct pat_ref *p, const char *text, struct pat_gen **g)
{
	char *end;
	uintptr_t id = strtoull(text + 1, &end, 16);
	struct pat_entry *e;

	if (text[0] != '#' || end == text + 1 || *end)
		return NULL;
	pat_ref_entries(p);
	*g = p->base;
	e = entry_in(p->base, id);
	if (!e)
		list_for_each_entry(*g, &p->others, node)
			if ((e = entry_in(*g, id)))
				break;
	if (e && *g == p->base)
		pat_ref_current(p);
	return e;
}

static bool is_entry_id(const char *text)
{
	char *end;

	if (text[0] != '#')
		return false;
	strtoull(text + 1, &end, 16);
	return end != text + 1 && !*end;
}

static enum cli_result run_del(struct cli_request *r)
{
	struct pat_ref *p;
	struct pat_entry *e;
	struct pat_gen *g;
	bool found;

	p = find_ref(r, arg(r, 0));
	if (!p && *arg(r, 1))
		return unknown_ref(r);
	if (!*arg(r, 0) || !*arg(r, 1))
		return say(r, "This command expects two parameters: %s identifier and key.",
			   is_map(r) ? "map" : "ACL");
	pat_ref_lock(p);
	if (is_entry_id(arg(r, 1))) {
		e = entry_by_id(p, arg(r, 1), &g);
		found = e;
		if (e)
			pat_gen_delete(p, g, e);
	} else {
		found = pat_ref_delete_key(p, arg(r, 1));
	}
	pat_ref_unlock(p);
	return found ? CLI_DONE : say(r, "Key not found.");
}

static enum cli_result set_locked(struct cli_request *r, struct pat_ref *p)
{
	const char *key = arg(r, 1), *value = arg(r, 2);
	struct pattern_error err;
	struct pat_entry *e;
	struct pat_gen *g;
	int n;

	if (is_entry_id(key)) {
		e = entry_by_id(p, key, &g);
		if (!e)
			return say(r, "key or pattern not found.");
		return pat_entry_set(p, e, value, &err) ? say(r, "%s.", err.what) : CLI_DONE;
	}
	n = pat_ref_set_key(p, key, value, &err);
	return n > 0 ? CLI_DONE : n < 0 ? say(r, "%s.", err.what) : say(r, "entry not found.");
}

static enum cli_result run_set(struct cli_request *r)
{
	enum cli_result res;
	struct pat_ref *p;

	if (!*arg(r, 0) || !*arg(r, 1) || !*arg(r, 2))
		return say(r, "'set map' expects three parameters: map identifier, key and value.");
	p = find_ref(r, arg(r, 0));
	if (!p)
		return unknown_ref(r);
	pat_ref_lock(p);
	res = set_locked(r, p);
	pat_ref_unlock(p);
	return res;
}

/* ---- versions ---- */

static enum cli_result run_clear(struct cli_request *r)
{
	uint32_t version = 0;
	bool given = take_version(r, &version);
	struct pat_ref *p;

	if (!*arg(r, 0))
		return say(r, "Missing %s identifier.", is_map(r) ? "map" : "ACL");
	p = find_ref(r, arg(r, 0));
	if (!p)
		return unknown_ref(r);
	pat_ref_lock(p);
	pat_ref_clear(p, given ? version : p->curr_version);
	pat_ref_unlock(p);
	return CLI_DONE;
}

static enum cli_result run_prepare(struct cli_request *r)
{
	struct pat_ref *p = find_ref(r, arg(r, 0));
	uint32_t version;

	if (!p)
		return unknown_ref(r);
	pat_ref_lock(p);
	version = ++p->next_version;
	pat_ref_unlock(p);
	return say(r, "New version created: %u", version);
}

static enum cli_result run_commit(struct cli_request *r)
{
	uint32_t version = 0;
	struct pat_ref *p;
	int err;

	if (!take_version(r, &version))
		return say(r, "Missing version number.");
	p = find_ref(r, arg(r, 0));
	if (!p)
		return unknown_ref(r);
	pat_ref_lock(p);
	err = pat_ref_commit(p, version);
	pat_ref_unlock(p);
	return err ? say(r, "Version number out of range.") : CLI_DONE;
}

static const struct cli_command rows[] = {
	{ "show acl", LEVEL_USER, run_show, "show acl [@<ver>] <acl>]",
	  "report available acls or dump an acl's contents" },
	{ "show map", LEVEL_USER, run_show, "show map [@ver] [map]",
	  "report available maps or dump a map's contents" },
	{ "get acl", LEVEL_USER, run_get, "get acl <acl> <value>",
	  "report the patterns matching a sample for an ACL" },
	{ "get map", LEVEL_USER, run_get, "get map <acl> <value>",
	  "report the keys and values matching a sample for a map" },
	{ "add acl", LEVEL_OPERATOR, run_add, "add acl [@<ver>] <acl> <pattern>",
	  "add an acl entry" },
	{ "add map", LEVEL_OPERATOR, run_add, "add map [@<ver>] <map> <key> <val>",
	  "add a map entry (payload supported instead of key/val)" },
	{ "del acl", LEVEL_OPERATOR, run_del, "del acl <acl> [<key>|#<ref>]",
	  "delete acl entries matching <key>" },
	{ "del map", LEVEL_OPERATOR, run_del, "del map <map> [<key>|#<ref>]",
	  "delete map entries matching <key>" },
	{ "set map", LEVEL_OPERATOR, run_set, "set map <map> [<key>|#<ref>] <value>",
	  "modify a map entry" },
	{ "clear acl", LEVEL_OPERATOR, run_clear, "clear acl [@<ver>] <acl>",
	  "clear the contents of this acl" },
	{ "clear map", LEVEL_OPERATOR, run_clear, "clear map [@<ver>] <map>",
	  "clear the contents of this map" },
	{ "prepare acl", LEVEL_OPERATOR, run_prepare, "prepare acl <acl>",
	  "prepare a new version for atomic ACL replacement" },
	{ "prepare map", LEVEL_OPERATOR, run_prepare, "prepare map <acl>",
	  "prepare a new version for atomic map replacement" },
	{ "commit acl", LEVEL_OPERATOR, run_commit, "commit acl @<ver> <acl>",
	  "commit the ACL at this version" },
	{ "commit map", LEVEL_OPERATOR, run_commit, "commit map @<ver> <map>",
	  "commit the map at this version" },
};

/* As root, before the first thread that could read: from now on what is taken out waits for readers. */
static int on_open(struct config *cfg, struct diag *d)
{
	live_readers_begin();
	return 0;
}

static struct start_hooks hooks = { .name = "patterns", .open = on_open };

void pattern_cli_init(void)
{
	cli_register(rows, ARRAY_SIZE(rows));
	start_register(&hooks);
}
