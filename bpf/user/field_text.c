// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * field_text.c - a field as text and back, by its type.
 */
#include "set_priv.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number_get(const struct lbdmap_field *f, const void *base)
{
	const uint8_t *p = (const uint8_t *)base + f->offset;
	uint64_t v = 0;

	memcpy(&v, p, f->size < 8 ? f->size : 8); /* little-endian hosts */
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v >>= 64 - 8 * f->size;
#endif
	return v;
}

static void number_set(const struct lbdmap_field *f, void *base, uint64_t v)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v <<= 64 - 8 * f->size;
#endif
	memcpy((uint8_t *)base + f->offset, &v, f->size);
}

static void append(char *buf, size_t size, const char *sep, const char *what)
{
	size_t n = strlen(buf);

	snprintf(buf + n, size - n, "%s%s", n ? sep : "", what);
}

static void flags_text(char *buf, size_t size, uint64_t v, const char *const *names)
{
	char rest[32];

	buf[0] = 0;
	for (int i = 0; names[i]; i++)
		if (v >> i & 1) {
			append(buf, size, ",", names[i]);
			v &= ~(1ULL << i);
		}
	if (v) {
		snprintf(rest, sizeof(rest), "0x%" PRIx64, v);
		append(buf, size, ",", rest);
	}
	if (!buf[0])
		snprintf(buf, size, "-");
}

static const char *enum_name(const char *const *names, uint64_t v)
{
	for (uint64_t i = 0; names[i]; i++)
		if (i == v)
			return names[i];
	return NULL;
}

static void table_text(char *buf, size_t size, uint64_t t)
{
	static const char *const forms[LBD_FORMS] = { "none", "table", "ring" };

	snprintf(buf, size, "%s of %u at %u epoch %u",
		 LBD_TABLE_FORM(t) < LBD_FORMS ? forms[LBD_TABLE_FORM(t)] : "?", LBD_TABLE_SIZE(t),
		 LBD_TABLE_OFFSET(t), LBD_TABLE_EPOCH(t));
}

static void word_text(char *buf, size_t size, uint32_t word)
{
	static const char *const flags[] = { "fin-client",  "fin-server",  "rst-server", "kill",
					     "told-client", "told-server", NULL };
	char list[128];

	flags_text(list, sizeof(list), LBD_FLOW_FLAGS(word), flags);
	snprintf(buf, size, "%s%s%s", lbdmap_flow_state_name(LBD_FLOW_STATE(word)),
		 list[0] == '-' ? "" : " ", list[0] == '-' ? "" : list);
}

static void proto_text(char *buf, size_t size, uint64_t v)
{
	snprintf(buf, size, v == 6 ? "tcp" : v == 17 ? "udp" : "%" PRIu64, v);
}

static void mac_text(char *buf, size_t size, const uint8_t *m)
{
	snprintf(buf, size, "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
}

static void uints_text(char *buf, size_t size, const struct lbdmap_field *f, const void *at)
{
	char one[16];
	uint32_t w;

	buf[0] = 0;
	for (int i = 0; i < f->size / 4; i++) {
		memcpy(&w, (const uint8_t *)at + 4 * i, 4);
		snprintf(one, sizeof(one), "%u", w);
		append(buf, size, " ", one);
	}
}

static void tick_text(char *buf, size_t size, uint32_t tick)
{
	if (!tick)
		snprintf(buf, size, "never");
	else
		snprintf(buf, size, "%.1fs ago", lbdmap_ms_ticks(lbdmap_tick() - tick) / 1000.0);
}

/* len 120 of a v4-mapped address is written as 24. */
static unsigned int prefix_len(const void *base, uint64_t len)
{
	const struct lbd_prefix *p = base;

	return lbdmap_addr_is_v4(&p->addr) && len >= 96 ? len - 96 : len;
}

char *lbdmap_field_text(const struct lbdmap_field *f, const void *base, char *buf, size_t size)
{
	const uint8_t *at = (const uint8_t *)base + f->offset;
	uint64_t v = f->size <= 8 ? number_get(f, base) : 0;
	static const union lbd_addr any;
	const char *name;

	switch ((enum lbdmap_type)f->type) {
	case LBDMAP_T_UINT:
		snprintf(buf, size, "%" PRIu64, v);
		break;
	case LBDMAP_T_INT:
		snprintf(buf, size, "%d", (int32_t)v);
		break;
	case LBDMAP_T_HEX:
		snprintf(buf, size, "0x%" PRIx64, v);
		break;
	case LBDMAP_T_PORT_BE:
		snprintf(buf, size, "%u", ntohs((uint16_t)v));
		break;
	case LBDMAP_T_ADDR:
		if (!memcmp(at, &any, 16) || size < LBDMAP_ADDR_TEXT)
			snprintf(buf, size, "*");
		else
			lbdmap_addr_text((const union lbd_addr *)at, buf);
		break;
	case LBDMAP_T_MAC:
		mac_text(buf, size, at);
		break;
	case LBDMAP_T_TICKS:
		snprintf(buf, size, "%" PRIu64 "ms", lbdmap_ms_ticks(v));
		break;
	case LBDMAP_T_TICK:
		tick_text(buf, size, v);
		break;
	case LBDMAP_T_ENUM:
		name = enum_name(f->names, v);
		snprintf(buf, size, name ? "%s" : "?", name);
		break;
	case LBDMAP_T_FLAGS:
		flags_text(buf, size, v, f->names);
		break;
	case LBDMAP_T_PROTO:
		proto_text(buf, size, v);
		break;
	case LBDMAP_T_TABLE:
		table_text(buf, size, v);
		break;
	case LBDMAP_T_WORD:
		word_text(buf, size, v);
		break;
	case LBDMAP_T_TEXT:
		snprintf(buf, size, "%.*s", (int)f->size, (const char *)at);
		break;
	case LBDMAP_T_LEN:
		snprintf(buf, size, "%u", prefix_len(base, v));
		break;
	case LBDMAP_T_UINTS:
		uints_text(buf, size, f, at);
		break;
	}
	return buf;
}

/* ---- Back ---------------------------------------------------------------------------------------------- */

static int parse_number(const struct lbdmap_field *f, const char *text, uint64_t *v)
{
	uint64_t max = f->size >= 8 ? UINT64_MAX : (1ULL << (8 * f->size)) - 1;
	char *end;

	errno = 0;
	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	*v = strtoull(text, &end, 0);
	return *end || errno || *v > max ? -EINVAL : 0;
}

static int parse_flags(const struct lbdmap_field *f, const char *text, uint64_t *v)
{
	*v = 0;
	if (!strcmp(text, "-"))
		return 0;
	while (*text) {
		size_t n = strcspn(text, ",");
		int i = 0;

		while (f->names[i] && (strlen(f->names[i]) != n || strncmp(f->names[i], text, n)))
			i++;
		if (!f->names[i])
			return -EINVAL;
		*v |= 1ULL << i;
		text += n + (text[n] == ',');
	}
	return 0;
}

static int parse_enum(const struct lbdmap_field *f, const char *text, uint64_t *v)
{
	for (int i = 0; f->names[i]; i++)
		if (!strcmp(f->names[i], text)) {
			*v = i;
			return 0;
		}
	return -EINVAL;
}

static int parse_ticks(const char *text, uint64_t *v)
{
	char *end;
	unsigned long long n = strtoull(text, &end, 10);

	if (end == text)
		return -EINVAL;
	if (!strcmp(end, "s"))
		n *= 1000;
	else if (strcmp(end, "ms") && *end)
		return -EINVAL;
	*v = lbdmap_ticks_ms(n);
	return 0;
}

static int parse_mac(void *at, const char *text)
{
	unsigned int m[6];
	char end;

	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%c", m, m + 1, m + 2, m + 3, m + 4, m + 5, &end) !=
	    6)
		return -EINVAL;
	for (int i = 0; i < 6; i++)
		((uint8_t *)at)[i] = m[i];
	return 0;
}

static const char *allowed(const struct lbdmap_field *f, char *buf, size_t size)
{
	buf[0] = 0;
	switch ((enum lbdmap_type)f->type) {
	case LBDMAP_T_ENUM:
	case LBDMAP_T_FLAGS:
		for (int i = 0; f->names[i]; i++)
			append(buf, size, f->type == LBDMAP_T_ENUM ? ", " : ",", f->names[i]);
		return buf;
	case LBDMAP_T_ADDR:
		return "an IPv4 or IPv6 address, or *";
	case LBDMAP_T_MAC:
		return "six bytes in hex, with colons";
	case LBDMAP_T_TICKS:
		return "a time like 30s or 500ms";
	case LBDMAP_T_PROTO:
		return "tcp, udp or a number";
	case LBDMAP_T_LEN:
		return "0..32 for IPv4, 0..128 for IPv6; set the address first";
	case LBDMAP_T_PORT_BE:
		return "0..65535";
	case LBDMAP_T_TABLE:
	case LBDMAP_T_WORD:
	case LBDMAP_T_TICK:
	case LBDMAP_T_TEXT:
	case LBDMAP_T_UINTS:
		return "nothing: this field is not set by hand";
	default:
		snprintf(buf, size, "a number of %u bits", f->size * 8);
		return buf;
	}
}

static int parse_len(const struct lbdmap_field *f, const void *base, const char *text, uint64_t *v)
{
	bool v4 = lbdmap_addr_is_v4(&((const struct lbd_prefix *)base)->addr);
	int rc = parse_number(f, text, v);

	if (rc || *v > (v4 ? 32 : 128))
		return -EINVAL;
	*v += v4 ? 96 : 0;
	return 0;
}

static int parse_any(const struct lbdmap_field *f, void *base, const char *text)
{
	void *at = (uint8_t *)base + f->offset;
	uint64_t v = 0;
	int rc;

	switch ((enum lbdmap_type)f->type) {
	case LBDMAP_T_ADDR:
		return lbdmap_addr_parse(at, text);
	case LBDMAP_T_MAC:
		return parse_mac(at, text);
	case LBDMAP_T_UINT:
	case LBDMAP_T_INT:
	case LBDMAP_T_HEX:
		rc = parse_number(f, text, &v);
		break;
	case LBDMAP_T_PORT_BE:
		rc = parse_number(f, text, &v);
		v = htons(v);
		break;
	case LBDMAP_T_TICKS:
		rc = parse_ticks(text, &v);
		break;
	case LBDMAP_T_ENUM:
		rc = parse_enum(f, text, &v);
		break;
	case LBDMAP_T_FLAGS:
		rc = parse_flags(f, text, &v);
		break;
	case LBDMAP_T_PROTO:
		v = !strcmp(text, "tcp") ? 6 : 17;
		rc = !strcmp(text, "tcp") || !strcmp(text, "udp") ? 0 : parse_number(f, text, &v);
		break;
	case LBDMAP_T_LEN:
		rc = parse_len(f, base, text, &v);
		break;
	default:
		rc = -EINVAL;
	}
	if (!rc)
		number_set(f, base, v);
	return rc;
}

int lbdmap_field_parse(const struct lbdmap_field *f, void *base, const char *text,
		       struct lbdmap_error *err)
{
	char buf[256];
	int rc = parse_any(f, base, text);

	if (rc)
		return lbdmap_fail(err, rc, "field '%s': '%s' is not allowed; allowed: %s", f->name,
				   text, allowed(f, buf, sizeof(buf)));
	return 0;
}
