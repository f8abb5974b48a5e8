// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * key.c - keys of stick tables: from samples, from the words of commands, and back to text. See table.h. Any thread.
 */
#include "base/strbuf.h"
#include "policy/sample_util.h"
#include "stick/table.h"
#include <stdlib.h>

static bool key_number(struct stick_key *key, uint32_t v)
{
	memcpy(key->buf, &v, sizeof(v));
	key->s = slice_make(key->buf, sizeof(v));
	return true;
}

static bool key_bytes(struct stick_key *key, const void *p, size_t n)
{
	memcpy(key->buf, p, n);
	key->s = slice_make(key->buf, n);
	return true;
}

bool stick_key_addr(const struct stick_table *t, const struct addr *from, struct stick_key *key)
{
	struct addr a = *from;

	if (a.family != ADDR_IP4 && a.family != ADDR_IP6)
		return false;
	switch (t->type) {
	case SMP_IP4:
		return (a.family == ADDR_IP4 || addr_ip6_to_ip4(&a)) && key_bytes(key, a.ip, 4);
	case SMP_IP6:
		if (a.family == ADDR_IP4)
			addr_ip4_to_ip6(&a);
		return key_bytes(key, a.ip, 16);
	default:
		return false;
	}
}

/* Binary keys have their full length: shorter ones are filled with zeros. */
static bool key_padded(const struct stick_table *t, const struct smp_ctx *ctx, struct slice s,
		       struct stick_key *key)
{
	char *to = t->key_bytes <= sizeof(key->buf) ? key->buf : smp_alloc(ctx, t->key_bytes);

	if (!to)
		return false;
	memcpy(to, s.p, s.n);
	memset(to + s.n, 0, t->key_bytes - s.n);
	key->s = slice_make(to, t->key_bytes);
	return true;
}

bool stick_key_make(const struct stick_table *t, struct sample *smp, const struct smp_ctx *ctx,
		    struct stick_key *key)
{
	struct slice s;

	if (!sample_cast(smp, t->type, ctx))
		return false;
	switch (t->type) {
	case SMP_INT:
		return key_number(key, (uint32_t)smp->u.i);
	case SMP_IP4:
		return key_bytes(key, smp->u.a.ip, 4);
	case SMP_IP6:
		return key_bytes(key, smp->u.a.ip, 16);
	case SMP_STR:
		s = slice_first(smp->u.s, t->key_bytes);
		/* keys are texts: they end at a zero byte, as in HAProxy */
		if (slice_chr(s, 0) >= 0)
			s.n = (size_t)slice_chr(s, 0);
		key->s = s;
		return true;
	case SMP_BIN:
		s = slice_first(smp->u.s, t->key_bytes);
		if (s.n < t->key_bytes)
			return key_padded(t, ctx, s, key);
		key->s = s;
		return true;
	default:
		return false;
	}
}

/* The digits at the begin, as strtoul() takes them. */
static bool parse_number(struct slice text, uint32_t *out)
{
	char z[32], *end;
	unsigned long v;

	if (!text.n || text.n >= sizeof(z))
		return false;
	memcpy(z, text.p, text.n);
	z[text.n] = 0;
	v = strtoul(z, &end, 10);
	if (end == z || v > UINT32_MAX)
		return false;
	*out = (uint32_t)v;
	return true;
}

const char *stick_key_parse(const struct stick_table *t, struct slice text, struct stick_key *key)
{
	struct addr a;
	uint32_t v;

	switch (t->type) {
	case SMP_INT:
		if (!parse_number(text, &v))
			return "Invalid key";
		key_number(key, v);
		return NULL;
	case SMP_IP4:
	case SMP_IP6:
		if (addr_parse_ip(&a, text) || (t->type == SMP_IP6 && a.family != ADDR_IP6) ||
		    !stick_key_addr(t, &a, key))
			return "Invalid key";
		return NULL;
	case SMP_STR:
		key->s = slice_first(text, t->key_bytes);
		return key->s.n ? NULL : "Invalid key";
	default:
		return "";
	}
}

/* As HAProxy writes texts: blanks, '=' and backslashes behind a backslash, what is not printable as \\xNN. */
static void write_text(struct strbuf *out, struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if (c == ' ' || c == '=' || c == '\\')
			strbuf_addf(out, "\\%c", c);
		else if (c > 0x20 && c < 0x7f)
			strbuf_addc(out, (char)c);
		else
			strbuf_addf(out, "\\x%02X", c);
	}
}

void stick_key_write(const struct stick_table *t, const struct stick_entry *e, struct strbuf *out)
{
	struct slice key = stick_entry_key(t, e);
	struct addr a = { .family = t->type == SMP_IP4 ? ADDR_IP4 : ADDR_IP6 };
	char text[ADDR_TEXT_MAX];
	uint32_t v;

	switch (t->type) {
	case SMP_INT:
		memcpy(&v, key.p, sizeof(v));
		strbuf_add_u64(out, v);
		break;
	case SMP_IP4:
	case SMP_IP6:
		memcpy(a.ip, key.p, key.n);
		strbuf_adds(out, addr_ip_text(&a, text, sizeof(text)));
		break;
	case SMP_STR:
		write_text(out, key);
		break;
	default:
		for (size_t i = 0; i < key.n; i++)
			strbuf_addf(out, "%02X", (unsigned char)key.p[i]);
	}
}
