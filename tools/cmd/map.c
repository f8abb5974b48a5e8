/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * map.c - `lbadm map list|dump|get|set|del`: any map of the set, with named fields instead of bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbadm_out.h"
#include "lbadm_set.h"

#define BUF 2048 /* larger than any key or value */

union element {
	unsigned char bytes[BUF];
	uint64_t align;
};

static const struct lbdmap_map *find_map(const char *command, int argc, char **argv)
{
	const struct lbdmap_map *m = argc ? lbdmap_map_find(argv[0]) : NULL;

	if (!m)
		adm_usage(command,
			  argc ? "there is no map '%s'; 'lbadm map list' names them"
			       : "a map is wanted%s",
			  argc ? argv[0] : "");
	return m;
}

static int run_list(struct adm *a, int argc, char **argv)
{
	static const struct out_column columns[] = { { "MAP", "map", OUT_TEXT },
						     { "ENTRIES", "entries", OUT_COUNT },
						     { "EDIT", "editable", OUT_TEXT },
						     { "FIELDS", "fields", OUT_TEXT },
						     { "WHAT", "help", OUT_LONG } };
	const struct lbdmap_map *m;
	struct lbdmap_set *set = adm_open(a, false);
	json_t *rows = json_array();
	size_t n;

	(void)argc;
	(void)argv;
	if (!set)
		return ADM_FAILED;
	m = lbdmap_maps(&n);
	for (size_t i = 0; i < n; i++) {
		char fields[512] = "";

		for (const struct lbdmap_field *f = m[i].value; f->name; f++)
			snprintf(fields + strlen(fields), sizeof(fields) - strlen(fields), "%s%s",
				 fields[0] ? "," : "", f->name);
		if (!a->json && strlen(fields) > 44)
			memcpy(fields + 41, "...", sizeof("..."));
		json_array_append_new(
			rows, json_pack("{s:s, s:I, s:b, s:s, s:s}", "map", m[i].name, "entries",
					(json_int_t)lbdmap_entries(set, m[i].id), "editable",
					m[i].editable, "fields", fields, "help", m[i].help));
	}
	if (a->json) {
		out_json(rows);
	} else {
		out_table(columns, 5, rows);
		json_decref(rows);
	}
	lbdmap_close(set);
	return ADM_OK;
}

static void add_fields(json_t *o, const struct lbdmap_field *f, const void *base)
{
	char text[512];

	for (; f->name; f++)
		json_object_set_new(o, f->name,
				    json_string(lbdmap_field_text(f, base, text, sizeof(text))));
}

static json_t *element_json(const struct lbdmap_map *m, const void *key, const void *value)
{
	json_t *k = json_object(), *v = json_object();

	add_fields(k, m->key, key);
	add_fields(v, m->value, value);
	return json_pack("{s:o, s:o}", "key", k, "value", v);
}

static void print_pairs(const json_t *o)
{
	const char *name;
	json_t *v;

	json_object_foreach((json_t *)o, name, v) printf(" %s=%s", name, json_string_value(v));
}

static void print_element(const json_t *e)
{
	print_pairs(json_object_get(e, "key"));
	printf(" :");
	print_pairs(json_object_get(e, "value"));
	printf("\n");
}

static int run_dump(struct adm *a, int argc, char **argv)
{
	const struct lbdmap_map *m = find_map("map dump", argc, argv);
	struct lbdmap_set *set;
	union element key, value;
	json_t *rows = json_array();
	bool started = false;

	if (!m)
		return ADM_USAGE;
	set = adm_open(a, false);
	if (!set)
		return ADM_FAILED;
	while (lbdmap_map_next(set, m, &started, &key) == 1) {
		json_t *e;

		if (lbdmap_map_get(set, m, &key, &value))
			continue;
		e = element_json(m, &key, &value);
		if (a->json) {
			json_array_append_new(rows, e);
		} else {
			print_element(e);
			json_decref(e);
		}
	}
	if (a->json)
		out_json(rows);
	else
		json_decref(rows);
	lbdmap_close(set);
	return ADM_OK;
}

/* "field=value" words into @base; which of key and value a name belongs to is found by the name. 0 or an exit code. */
static int parse_fields(const char *command, const struct lbdmap_map *m, int argc, char **argv,
			void *key, void *value)
{
	struct lbdmap_error err = { "" };

	for (int i = 0; i < argc; i++) {
		char name[64];
		const char *eq = strchr(argv[i], '=');
		const struct lbdmap_field *f;
		void *base = key;

		if (!eq || (size_t)(eq - argv[i]) >= sizeof(name))
			return adm_usage(command, "'%s' is not of the form field=value", argv[i]);
		snprintf(name, sizeof(name), "%.*s", (int)(eq - argv[i]), argv[i]);
		f = lbdmap_field_find(m->key, name);
		if (!f && value) {
			f = lbdmap_field_find(m->value, name);
			base = value;
		}
		if (!f)
			return adm_usage(command,
					 "map %s has no %s '%s' ('lbadm map list -j' names them)",
					 m->name, value ? "field" : "key field", name);
		if (lbdmap_field_parse(f, base, eq + 1, &err))
			return adm_fail("%s: %s", argv[i], err.text);
	}
	return 0;
}

static int run_get(struct adm *a, int argc, char **argv)
{
	const struct lbdmap_map *m = find_map("map get", argc, argv);
	union element key = { { 0 } }, value;
	struct lbdmap_set *set;
	json_t *e;
	int rc;

	if (!m)
		return ADM_USAGE;
	rc = parse_fields("map get", m, argc - 1, argv + 1, &key, NULL);
	if (rc)
		return rc;
	set = adm_open(a, false);
	if (!set)
		return ADM_FAILED;
	rc = lbdmap_map_get(set, m, &key, &value);
	lbdmap_close(set);
	if (rc)
		return adm_fail("map %s has no such entry", m->name);
	e = element_json(m, &key, &value);
	if (a->json) {
		out_json(e);
	} else {
		print_element(e);
		json_decref(e);
	}
	return ADM_OK;
}

/* "server slot=3 weight: 1 -> 5": what is written, and what stood there before. */
static void say_change(struct adm *a, const struct lbdmap_map *m, const void *key,
		       const void *before, const void *after)
{
	char k[512], was[512], is[512], text[2048];
	size_t n = (size_t)snprintf(text, sizeof(text), "%s%s", a->dry_run ? "would change: " : "",
				    m->name);

	for (const struct lbdmap_field *f = m->key; f->name && n < sizeof(text); f++)
		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=%s", f->name,
				      lbdmap_field_text(f, key, k, sizeof(k)));
	for (const struct lbdmap_field *f = m->value; after && f->name && n < sizeof(text); f++) {
		lbdmap_field_text(f, after, is, sizeof(is));
		if (!before)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=%s", f->name, is);
		else if (strcmp(lbdmap_field_text(f, before, was, sizeof(was)), is) != 0)
			n += (size_t)snprintf(text + n, sizeof(text) - n, " %s: %s -> %s", f->name,
					      was, is);
	}
	adm_say(a, "%s%s", text, after ? "" : " removed");
}

static int change(struct adm *a, const struct lbdmap_map *m, int argc, char **argv, bool del)
{
	const char *command = del ? "map del" : "map set";
	union element key = { { 0 } }, value = { { 0 } }, before;
	struct lbdmap_set *set = adm_open(a, true);
	bool existed;
	int rc;

	if (!set)
		return ADM_FAILED;
	rc = parse_fields(command, m, argc, argv, &key, del ? NULL : &value);
	if (rc) {
		lbdmap_close(set);
		return rc;
	}
	existed = lbdmap_map_get(set, m, &key, &before) == 0;
	if (existed && !del) { /* fields that are not named keep what they are */
		value = before;
		parse_fields(command, m, argc, argv, &key, &value);
	}
	say_change(a, m, &key, existed ? &before : NULL, del ? NULL : &value);
	if (!a->dry_run && !adm_own(set)) {
		rc = del ? lbdmap_map_del(set, m, &key) : lbdmap_map_set(set, m, &key, &value);
		if (rc)
			adm_fail("writing map %s failed: %s; nothing was changed", m->name,
				 strerror(-rc));
		else
			adm_audit("%s %s %s", command, m->name, argc ? argv[0] : "");
	} else if (!a->dry_run) {
		rc = ADM_FAILED;
	}
	if (!rc && !a->dry_run)
		adm_say(a, "written into the pinned maps; it lives until lbd starts or reloads");
	lbdmap_close(set);
	return rc ? ADM_FAILED : ADM_OK;
}

static int run_set(struct adm *a, int argc, char **argv)
{
	const struct lbdmap_map *m = find_map("map set", argc, argv);

	if (!m)
		return ADM_USAGE;
	if (!m->editable)
		return adm_fail("map %s is written by the programs and the daemon only", m->name);
	return change(a, m, argc - 1, argv + 1, false);
}

static int run_del(struct adm *a, int argc, char **argv)
{
	const struct lbdmap_map *m = find_map("map del", argc, argv);

	if (!m)
		return ADM_USAGE;
	if (!m->editable)
		return adm_fail("map %s is written by the programs and the daemon only", m->name);
	return change(a, m, argc - 1, argv + 1, true);
}

COMMAND_TABLE(
	cmd_map, { "map list", "", "The maps of the set, their sizes and fields.", run_list, 0 },
	{ "map dump", "MAP", "Every entry of a map, with named fields.", run_dump, 0 },
	{ "map get", "MAP FIELD=VALUE...", "One entry, by the fields of its key.", run_get, 0 },
	{ "map set", "MAP FIELD=VALUE...",
	  "Writes fields of an entry; those not named keep their value. Needs the daemon stopped.",
	  run_set, CMD_CHANGES },
	{ "map del", "MAP FIELD=VALUE...", "Removes an entry. Needs the daemon stopped.", run_del,
	  CMD_CHANGES });
