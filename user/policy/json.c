// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * json.c - a cursor over a JSON text. Nesting is counted, not recursed into, so that no text is too deep. See json.h.
 */
#include <ctype.h>

#include "policy/json.h"

struct cursor {
	const char *p, *end;
};

static char peek(const struct cursor *c)
{
	return c->p < c->end ? *c->p : 0;
}

static void skip_space(struct cursor *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\t' || *c->p == '\r' || *c->p == '\n'))
		c->p++;
}

/* From the opening quote; @s: what is between the quotes. */
static bool take_string(struct cursor *c, struct slice *s)
{
	const char *from = ++c->p;

	for (; c->p < c->end; c->p++) {
		if (*c->p == '"') {
			*s = slice_make(from, (size_t)(c->p - from));
			c->p++;
			return true;
		}
		if ((unsigned char)*c->p < 0x20)
			return false;
		if (*c->p == '\\')
			c->p++;
	}
	c->p = c->end;
	return false;
}

static bool take_word(struct cursor *c, const char *word)
{
	size_t n = strlen(word);

	if ((size_t)(c->end - c->p) < n || memcmp(c->p, word, n))
		return false;
	c->p += n;
	return true;
}

static bool take_number(struct cursor *c)
{
	const char *from = c->p;
	bool digits = false;

	while (c->p < c->end && (isdigit((unsigned char)*c->p) || strchr("+-.eE", *c->p))) {
		digits |= isdigit((unsigned char)*c->p) != 0;
		c->p++;
	}
	return digits && (*from == '-' || isdigit((unsigned char)*from));
}

/* An array or object up to its end: brackets are counted, whatever stands between them. */
static bool skip_nested(struct cursor *c)
{
	struct slice s;
	size_t depth = 0;

	while (c->p < c->end) {
		char ch = *c->p;

		if (ch == '"') {
			if (!take_string(c, &s))
				return false;
			continue;
		}
		c->p++;
		if (ch == '{' || ch == '[')
			depth++;
		else if ((ch == '}' || ch == ']') && !--depth)
			return true;
	}
	return false;
}

/* A whole value. */
static enum json_type take_value(struct cursor *c, struct slice *v)
{
	const char *from = c->p;
	enum json_type type = JSON_NONE;

	switch (peek(c)) {
	case '"':
		return take_string(c, v) ? JSON_STRING : JSON_NONE;
	case '{':
	case '[':
		if (skip_nested(c))
			type = *from == '{' ? JSON_OBJECT : JSON_ARRAY;
		break;
	case 't':
		type = take_word(c, "true") ? JSON_TRUE : JSON_NONE;
		break;
	case 'f':
		type = take_word(c, "false") ? JSON_FALSE : JSON_NONE;
		break;
	case 'n':
		type = take_word(c, "null") ? JSON_NULL : JSON_NONE;
		break;
	default:
		type = take_number(c) ? JSON_NUMBER : JSON_NONE;
		break;
	}
	*v = slice_make(from, (size_t)(c->p - from));
	return type;
}

/* ---- paths ---- */

static bool name_ends(const char *p, const char *end)
{
	return p == end || *p == '.' || *p == '[';
}

/* Does the key, escaped as it stands in the text, equal the name at @p of the path? *@after: behind the name. */
static bool key_matches(struct slice key, const char *p, const char *end, const char **after)
{
	const char *k = key.p, *kend = key.p + key.n;
	bool same = true;

	while (!name_ends(p, end)) {
		if (*p == '\\' && p + 1 < end)
			p++;
		same = same && k < kend && *k++ == *p;
		p++;
	}
	*after = p;
	return same && k == kend;
}

/* Stands before the member's value, or false. */
static bool enter_member(struct cursor *c, const char **path, const char *end)
{
	const char *after = *path;
	struct slice key, v;

	c->p++; /* { */
	for (;;) {
		bool found;

		skip_space(c);
		if (peek(c) != '"' || !take_string(c, &key))
			return false;
		found = key_matches(key, *path, end, &after);
		skip_space(c);
		if (peek(c) != ':')
			return false;
		c->p++;
		skip_space(c);
		if (found) {
			*path = after;
			return true;
		}
		if (take_value(c, &v) == JSON_NONE)
			return false;
		skip_space(c);
		if (peek(c) != ',')
			return false;
		c->p++;
	}
}

static bool enter_element(struct cursor *c, size_t index)
{
	struct slice v;

	c->p++; /* [ */
	for (;; index--) {
		skip_space(c);
		if (peek(c) == ']')
			return false;
		if (!index)
			return true;
		if (take_value(c, &v) == JSON_NONE)
			return false;
		skip_space(c);
		if (peek(c) != ',')
			return false;
		c->p++;
	}
}

/* "[12]" at *@p: the number; *@p moves behind it. */
static bool take_index(const char **p, const char *end, size_t *index)
{
	const char *q = *p + 1;

	*index = 0;
	if (q == end || !isdigit((unsigned char)*q))
		return false;
	for (; q < end && isdigit((unsigned char)*q) && *index < 1000000; q++)
		*index = *index * 10 + (size_t)(*q - '0');
	if (q == end || *q != ']')
		return false;
	*p = q + 1;
	return true;
}

bool json_path_ok(struct slice path)
{
	const char *p = path.p, *end = path.p + path.n;
	size_t index;

	if (!path.n || *p++ != '$')
		return false;
	while (p < end) {
		if (*p == '[') {
			if (!take_index(&p, end, &index))
				return false;
			continue;
		}
		if (*p++ != '.' || name_ends(p, end))
			return false;
		while (!name_ends(p, end))
			p += *p == '\\' && p + 1 < end ? 2 : 1;
	}
	return true;
}

enum json_type json_find(struct slice text, struct slice path, struct slice *value)
{
	struct cursor c = { text.p, text.p + text.n };
	const char *p = path.p, *end = path.p + path.n;
	size_t index;

	if (!json_path_ok(path))
		return JSON_NONE;
	p++;
	skip_space(&c);
	while (p < end) {
		if (*p == '[') {
			if (!take_index(&p, end, &index) || peek(&c) != '[' ||
			    !enter_element(&c, index))
				return JSON_NONE;
		} else {
			p++;
			if (peek(&c) != '{' || !enter_member(&c, &p, end))
				return JSON_NONE;
		}
	}
	return take_value(&c, value);
}

/* ---- escapes ---- */

static int hex4(const char *p, const char *end)
{
	int v = 0;

	if (end - p < 4)
		return -1;
	for (int i = 0; i < 4; i++) {
		char ch = p[i];
		int d = isdigit((unsigned char)ch) ? ch - '0'
			: ch >= 'a' && ch <= 'f'   ? ch - 'a' + 10
			: ch >= 'A' && ch <= 'F'   ? ch - 'A' + 10
						   : -1;

		if (d < 0)
			return -1;
		v = v << 4 | d;
	}
	return v;
}

static size_t put_utf8(char *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (char)(0xc0 | c >> 6);
		out[1] = (char)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (char)(0xe0 | c >> 12);
		out[1] = (char)(0x80 | (c >> 6 & 63));
		out[2] = (char)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (char)(0xf0 | c >> 18);
	out[1] = (char)(0x80 | (c >> 12 & 63));
	out[2] = (char)(0x80 | (c >> 6 & 63));
	out[3] = (char)(0x80 | (c & 63));
	return 4;
}

/* "uXXXX", or two of them that make one character: behind the backslash. */
static bool take_unicode(const char **p, const char *end, uint32_t *c)
{
	int hi = hex4(*p + 1, end), lo;

	if (hi < 0)
		return false;
	*p += 5;
	*c = (uint32_t)hi;
	if (hi < 0xd800 || hi > 0xdfff)
		return true;
	if (hi > 0xdbff || end - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
		return false;
	lo = hex4(*p + 2, end);
	if (lo < 0xdc00 || lo > 0xdfff)
		return false;
	*p += 6;
	*c = 0x10000 + ((uint32_t)(hi - 0xd800) << 10 | (uint32_t)(lo - 0xdc00));
	return true;
}

ptrdiff_t json_unescape(struct slice s, char *out)
{
	static const char codes[] = "b\bf\fn\nr\rt\t\"\"\\\\//";
	const char *p = s.p, *end = s.p + s.n;
	size_t n = 0;

	while (p < end) {
		const char *code;
		uint32_t c;

		if (*p != '\\') {
			out[n++] = *p++;
			continue;
		}
		if (++p == end)
			return -1;
		if (*p == 'u') {
			if (!take_unicode(&p, end, &c))
				return -1;
			n += put_utf8(out + n, c);
			continue;
		}
		for (code = codes; *code && *code != *p; code += 2)
			;
		if (!*code)
			return -1;
		out[n++] = code[1];
		p++;
	}
	return (ptrdiff_t)n;
}
