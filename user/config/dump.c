// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * See dump.h. What is a word of the language comes from the registries; with a key everything else is hashed, token by
 * token, so that nothing gets out because it was forgotten here. Control thread, before the workers start.
 */
#include "config/dump.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/strbuf.h"
#include "config/keyword.h"
#include "config/registry.h"

#define WORD_SLOTS 8192 /* power of two; the language has about 2,000 words */

static struct {
	bool on;
	uint32_t key;
	struct strbuf text;
	char *word[WORD_SLOTS]; /* of the language, with a key only */
} dump;

/* ---- words of the language ---- */

static size_t word_slot(const char *p, size_t n)
{
	size_t at = XXH32(p, n, 0) % WORD_SLOTS;

	while (dump.word[at] && (strlen(dump.word[at]) != n || memcmp(dump.word[at], p, n)))
		at = (at + 1) % WORD_SLOTS;
	return at;
}

static bool is_token_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || c == '-' || c == '.';
}

static void word_add(const char *p, size_t n)
{
	static size_t count;
	size_t at = word_slot(p, n);

	if (dump.word[at] || count++ > WORD_SLOTS / 2)
		return;
	dump.word[at] = xzalloc(n + 1);
	memcpy(dump.word[at], p, n);
}

/* Every token of a name: "timeout client", "%ci", "req.hdr". */
static void name_add(void *ctx, const char *kind, const char *name)
{
	while (*name) {
		size_t n = 0;

		while (is_token_char(name[n]))
			n++;
		if (n)
			word_add(name, n);
		name += n ? n : 1;
	}
}

static void language_learn(void)
{
	static const char *const more[] = {
		"from",         "if",    "unless",   "or",   "and",       "no",     "default",
		"not",          "str",   "int",      "bool", "ip",        "ipv4",   "ipv6",
		"unix",         "abns",  "fd",       "udp",  "tcp",       "on",     "off",
		"auto",         "all",   "any",      "none", "len",       "code",   "user",
		"operator",     "admin", "global",   "hdr",  "lf-string", "string", "status",
		"content-type", "file",  "infinite",
	};

	registry_walk_names(NULL, name_add, NULL);
	for (size_t i = 0; i < ARRAY_SIZE(more); i++)
		word_add(more[i], strlen(more[i]));
}

/* ---- hiding ---- */

/* "100", "5s", "16k", "-1": no dots, or it could be an address. */
static bool is_number(const char *p, size_t n)
{
	size_t digits = 0;

	if (n > 1 && *p == '-') {
		p++;
		n--;
	}
	while (digits < n && p[digits] >= '0' && p[digits] <= '9')
		digits++;
	return digits && digits < 10 && n - digits <= 2 && !memchr(p, '.', n) && !memchr(p, '-', n);
}

static void add_hashed(struct strbuf *b, const char *p, size_t n)
{
	strbuf_addf(b, "x%08x", XXH32(p, n, dump.key));
}

static void add_hidden(struct strbuf *b, const struct cfg_word *w)
{
	const char *p = w->z;

	while (*p) {
		size_t n = 0;

		while (is_token_char(p[n]))
			n++;
		if (!n)
			strbuf_addc(b, *p++);
		else if (is_number(p, n) || dump.word[word_slot(p, n)])
			strbuf_add(b, p, n);
		else
			add_hashed(b, p, n);
		p += n;
	}
}

/* Nothing behind these words is shown, whatever it looks like. */
static bool is_secret(const struct cfg_line *l, int i)
{
	static const char *const lines[] = { "setenv",      "presetenv", "cluster-secret",
					     "description", "log-tag",   "node",
					     "localpeer",   "user",      "group" };
	static const char *const before[] = { "password", "insecure-password",
					      "auth",     "realm",
					      "key",      "secret" };

	for (size_t k = 0; i > 0 && k < ARRAY_SIZE(lines); k++)
		if (!strcmp(l->words[0].z, lines[k]) && strcmp(l->words[i].z, "password") &&
		    strcmp(l->words[i].z, "insecure-password") && strcmp(l->words[i].z, "groups") &&
		    strcmp(l->words[i].z, "users"))
			return true;
	for (size_t k = 0; i > 0 && k < ARRAY_SIZE(before); k++)
		if (!strcmp(l->words[i - 1].z, before[k]))
			return true;
	return false;
}

/* ---- quoting ---- */

static bool needs_quotes(const struct cfg_word *w, bool first)
{
	if (!*w->z || (first && *w->z == '.'))
		return true;
	return strpbrk(w->z, " \t\r\n\"'\\#$") != NULL;
}

static void add_quoted(struct strbuf *b, const char *z)
{
	if (!strpbrk(z, "'\r\n")) {
		strbuf_addf(b, "'%s'", z);
		return;
	}
	strbuf_addc(b, '"');
	for (; *z; z++) {
		const char *at = strchr("\n\r\"\\$", *z);

		if (at) {
			strbuf_addc(b, '\\');
			strbuf_addc(b, "nr\"\\$"[at - "\n\r\"\\$"]);
		} else {
			strbuf_addc(b, *z);
		}
	}
	strbuf_addc(b, '"');
}

static void add_word(const struct cfg_line *l, int i)
{
	struct strbuf hidden = STRBUF_INIT;
	struct cfg_word w = l->words[i];

	if (dump.key) {
		if (is_secret(l, i))
			add_hashed(&hidden, w.z, w.n);
		else
			add_hidden(&hidden, &w);
		w.z = strbuf_z(&hidden);
	}
	if (needs_quotes(&w, i == 0))
		add_quoted(&dump.text, w.z);
	else
		strbuf_adds(&dump.text, w.z);
	strbuf_fini(&hidden);
}

/* ---- lines ---- */

void dump_begin(uint32_t key)
{
	dump.on = true;
	dump.key = key;
	if (key)
		language_learn();
}

bool dump_is_on(void)
{
	return dump.on;
}

void dump_line(const struct cfg_line *l, bool begins_section)
{
	if (!dump.on)
		return;
	if (!begins_section)
		strbuf_addc(&dump.text, '\t');
	else if (dump.text.n)
		strbuf_addc(&dump.text, '\n');
	for (int i = 0; i < l->nwords; i++) {
		if (i)
			strbuf_addc(&dump.text, ' ');
		add_word(l, i);
	}
	strbuf_addc(&dump.text, '\n');
}

void dump_print(FILE *to)
{
	if (dump.text.n)
		fwrite(dump.text.p, 1, dump.text.n, to);
	fflush(to);
}
