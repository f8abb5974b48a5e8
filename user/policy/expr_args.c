// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * expr_args.c - argument lists of fetches and converters: splitting (the quoting rules of the manual's section 2.2), types,
 * and names of proxies and servers, which are looked up when all sections are known. Control thread.
 */
#include <stdio.h>

#include "base/units.h"
#include "model/server.h"
#include "policy/expr_args.h"
#include "policy/sample_util.h"
#include "policy/userlist.h"
#include "policy/vars.h"
#include "stick/config.h"

static const char *const type_names[] = {
	[ARG_INT] = "an integer",
	[ARG_STR] = "a string",
	[ARG_TIME] = "a time",
	[ARG_SIZE] = "a size",
	[ARG_MASK4] = "an IPv4 mask",
	[ARG_MASK6] = "an IPv6 mask",
	[ARG_IP] = "an IP address",
	[ARG_BACKEND] = "a backend's name",
	[ARG_FRONTEND] = "a frontend's name",
	[ARG_SERVER] = "a server ([backend/]server)",
	[ARG_TABLE] = "a table's name",
	[ARG_VAR] = "a variable (scope.name)",
	[ARG_REGEX] = "a regular expression",
	[ARG_MAP] = "a map file",
	[ARG_USERLIST] = "a userlist's name",
};

/* A name that is looked up later. */
struct pending {
	struct list node;
	struct smp_arg *arg;
	struct proxy *px;
	struct place at;
	const char *what, *row;
	int index;
};
static struct list pending = LIST_INIT(pending);

/* One argument's text, quotes taken off, into @out; *@at moves to the ',' or ')' behind it. */
static int split_one(const char **at, char *out, size_t size, size_t *n)
{
	const char *p = *at;
	char quote = 0;
	size_t used = 0;

	for (; *p; p++) {
		char c = *p;

		if (!quote && (c == ',' || c == ')'))
			break;
		if (quote ? c == quote : c == '"' || c == '\'') {
			quote = quote ? 0 : c;
			continue;
		}
		if (c == '\\' && quote != '\'' && p[1] &&
		    strchr(quote ? "\\\"" : " \\\"'rnt", p[1])) {
			static const char codes[] = "r\rn\nt\t";
			const char *code;

			c = *++p;
			code = strchr("rnt", c) ? strchr(codes, c) : NULL;
			c = code ? code[1] : c;
		}
		if (used + 1 >= size)
			return -1;
		out[used++] = c;
	}
	out[used] = 0;
	*n = used;
	*at = p;
	return quote ? -2 : 0;
}

static int mask4(struct slice s, struct addr *a)
{
	int64_t bits;

	memset(a, 0, sizeof(*a));
	a->family = ADDR_IP4;
	if (!parse_i64(s, 0, 32, &bits)) {
		for (int i = 0; i < bits; i++)
			a->ip[i / 8] |= 0x80 >> (i % 8);
		return 0;
	}
	return addr_parse_ip(a, s) || a->family != ADDR_IP4 ? -1 : 0;
}

static int mask6(struct slice s, struct addr *a)
{
	int64_t bits;

	memset(a, 0, sizeof(*a));
	a->family = ADDR_IP6;
	if (!parse_i64(s, 0, 128, &bits)) {
		for (int i = 0; i < bits; i++)
			a->ip[i / 8] |= 0x80 >> (i % 8);
		return 0;
	}
	return addr_parse_ip(a, s) || a->family != ADDR_IP6 ? -1 : 0;
}

static void put_off(struct cfg_line *l, int word, const struct args_spec *spec, struct smp_arg *arg,
		    int index)
{
	struct pending *p = ARENA_NEW(l->arena, struct pending);

	p->arg = arg;
	p->px = l->px;
	p->at = cfg_place(l, word);
	p->what = spec->what;
	p->row = spec->name;
	p->index = index;
	list_add_tail(&pending, &p->node);
}

static int convert(struct cfg_line *l, int word, const struct args_spec *spec, int index,
		   enum arg_type type, struct smp_arg *arg)
{
	uint32_t ms;
	uint64_t size;
	bool ok = true;

	arg->type = type;
	switch (type) {
	case ARG_INT:
		ok = !parse_i64(arg->s, INT64_MIN, INT64_MAX, &arg->i);
		break;
	case ARG_TIME:
		ok = !parse_time_ms(arg->s, &ms);
		arg->i = ok ? ms : 0;
		break;
	case ARG_SIZE:
		ok = !parse_size(arg->s, &size);
		arg->i = ok ? (int64_t)size : 0;
		break;
	case ARG_MASK4:
		ok = !mask4(arg->s, &arg->a);
		break;
	case ARG_MASK6:
		ok = !mask6(arg->s, &arg->a);
		break;
	case ARG_IP:
		ok = !addr_parse_ip(&arg->a, arg->s);
		break;
	case ARG_VAR:
		arg->ptr = vars_name(l, word, arg->s);
		return arg->ptr ? 0 : -1;
	case ARG_BACKEND:
	case ARG_FRONTEND:
	case ARG_SERVER:
	case ARG_USERLIST:
	case ARG_TABLE:
		put_off(l, word, spec, arg, index);
		break;
	default:
		break;
	}
	if (ok)
		return 0;
	return cfg_error(l, word, "%s '%s': argument %d must be %s, not '%.*s'", spec->what,
			 spec->name, index + 1, type_names[type], SLICE_FMT(arg->s));
}

static bool names_proxy(enum arg_type t)
{
	return t == ARG_BACKEND || t == ARG_FRONTEND;
}

int expr_args_parse(struct cfg_line *l, int word, const struct args_spec *spec, const char **at,
		    struct smp_arg *args)
{
	const char *p = *at;
	char text[8192];
	size_t len;
	int n = 0;

	if (*p == '(') {
		p++;
		if (!spec->max && *p != ')')
			return cfg_error(l, word, "%s '%s' takes no arguments, but finds '(%s'",
					 spec->what, spec->name, p);
		while (spec->max) {
			int r = split_one(&p, text, sizeof(text), &len);

			if (r)
				return cfg_error(
					l, word, "%s '%s': argument %d %s", spec->what, spec->name,
					n + 1, r == -2 ? "has an unmatched quote" : "is too long");
			if (n >= spec->max)
				return cfg_error(
					l, word,
					"%s '%s' takes at most %d argument%s; '%.40s' is one more",
					spec->what, spec->name, spec->max, spec->max > 1 ? "s" : "",
					text);
			/* "()" and an argument left out between commas: not given, unless it is a string */
			if (len || spec->types[n] == ARG_STR) {
				args[n].s = arena_dup(l->arena, slice_make(text, len));
				if (convert(l, word, spec, n, spec->types[n], &args[n]))
					return -1;
			} else if (n < spec->min) {
				return cfg_error(l, word,
						 "%s '%s': argument %d must be %s, but is empty",
						 spec->what, spec->name, n + 1,
						 type_names[spec->types[n]]);
			}
			n++;
			if (*p != ',')
				break;
			p++;
		}
		if (*p != ')')
			return cfg_error(l, word, "%s '%s': ')' is missing behind its arguments",
					 spec->what, spec->name);
		*at = p + 1;
	}
	for (; n < spec->max; n++) {
		if (names_proxy(spec->types[n]) || (spec->types[n] == ARG_TABLE && n < spec->min)) {
			/* left out: the section it stands in */
			args[n].type = spec->types[n];
			put_off(l, word, spec, &args[n], n);
		} else if (n < spec->min) {
			return cfg_error(l, word, "%s '%s' needs %d argument%s: argument %d is %s",
					 spec->what, spec->name, spec->min,
					 spec->min > 1 ? "s" : "", n + 1,
					 type_names[spec->types[n]]);
		}
	}
	return 0;
}

/* ---- names, once all sections are there ---- */

static void resolve_proxy(struct config *cfg, struct diag *d, struct pending *p)
{
	unsigned int cap = p->arg->type == ARG_BACKEND ? PX_BACKEND : PX_FRONTEND;
	const char *kind = cap == PX_BACKEND ? "backend" : "frontend";
	struct proxy *px = p->px;

	if (p->arg->s.n) {
		px = config_find_proxy(cfg, p->arg->s.p, cap);
		if (!px)
			diag_error(d, p->at, "%s '%s': there is no %s '%s'", p->what, p->row, kind,
				   p->arg->s.p);
	} else if (!px || !(px->caps & cap)) {
		diag_error(d, p->at, "%s '%s': '%s' is no %s; name one: %s(<%s>)", p->what, p->row,
			   px ? px->name : "this section", kind, p->row, kind);
		px = NULL;
	}
	p->arg->ptr = px;
}

static void resolve_server(struct config *cfg, struct diag *d, struct pending *p)
{
	ptrdiff_t slash = slice_chr(p->arg->s, '/');
	struct slice name = slice_from(p->arg->s, slash + 1);
	struct proxy *px = p->px;
	struct server *s;

	if (slash > 0) {
		char be[256];

		snprintf(be, sizeof(be), "%.*s", (int)slash, p->arg->s.p);
		px = config_find_proxy(cfg, be, PX_BACKEND);
		if (!px) {
			diag_error(d, p->at, "%s '%s': there is no backend '%s'", p->what, p->row,
				   be);
			return;
		}
	}
	if (px && (px->caps & PX_BACKEND)) {
		list_for_each_entry(s, &px->servers, node) {
			if (slice_eq_z(name, s->name)) {
				p->arg->ptr = s;
				return;
			}
		}
	}
	diag_error(d, p->at, "%s '%s': there is no server '%.*s' in '%s'", p->what, p->row,
		   SLICE_FMT(name), px ? px->name : "this section");
}

static void resolve_table(struct diag *d, struct pending *p)
{
	char near[160];

	p->arg->ptr = p->arg->s.n ? stick_table_find(p->arg->s)
		      : p->px     ? stick_table_of(p->px)
				  : NULL;
	if (p->arg->ptr)
		return;
	if (p->arg->s.n)
		diag_error(d, p->at, "%s '%s': there is no table '%s'%s", p->what, p->row,
			   p->arg->s.p, stick_table_missing(p->arg->s.p, near, sizeof(near)));
	else
		diag_error(d, p->at, "%s '%s': '%s' has no stick-table; name one: %s(<table>)",
			   p->what, p->row, p->px ? p->px->name : "this section", p->row);
}

static void resolve_userlist(struct diag *d, struct pending *p)
{
	p->arg->ptr = userlist_find(p->arg->s.p);
	if (!p->arg->ptr)
		diag_error(d, p->at, "%s '%s': there is no userlist '%s'", p->what, p->row,
			   p->arg->s.p);
}

void expr_args_resolve(struct config *cfg, struct diag *d)
{
	struct pending *p, *tmp;

	list_for_each_entry_safe(p, tmp, &pending, node) {
		if (p->arg->type == ARG_USERLIST)
			resolve_userlist(d, p);
		else if (p->arg->type == ARG_TABLE)
			resolve_table(d, p);
		else if (p->arg->type == ARG_SERVER)
			resolve_server(cfg, d, p);
		else
			resolve_proxy(cfg, d, p);
		list_del(&p->node);
	}
}
