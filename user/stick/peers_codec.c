// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * peers_codec.c - numbers, messages, definitions, keys and data of the peers protocol. See peers_codec.h.
 */
#include "stick/peers_codec.h"
#include "stick/text.h"
#include <arpa/inet.h>
#include <errno.h>

/* ---- numbers ---- */

bool peers_get_int(struct peers_reader *r, uint64_t *v)
{
	unsigned int shift = 4;
	uint64_t n;

	if (r->p == r->end)
		return false;
	n = *r->p++;
	if (n >= 0xf0) {
		do {
			if (r->p == r->end || shift > 60)
				return false;
			n += (uint64_t)*r->p << shift;
			shift += 7;
		} while (*r->p++ & 0x80);
	}
	*v = n;
	return true;
}

bool peers_get_be32(struct peers_reader *r, uint32_t *v)
{
	if (peers_left(r) < 4)
		return false;
	memcpy(v, r->p, 4);
	*v = ntohl(*v);
	r->p += 4;
	return true;
}

void peers_put_int(struct strbuf *b, uint64_t v)
{
	if (v < 0xf0) {
		strbuf_addc(b, (char)v);
		return;
	}
	strbuf_addc(b, (char)(v | 0xf0));
	v = (v - 0xf0) >> 4;
	while (v >= 0x80) {
		strbuf_addc(b, (char)(v | 0x80));
		v = (v - 0x80) >> 7;
	}
	strbuf_addc(b, (char)v);
}

void peers_put_be32(struct strbuf *b, uint32_t v)
{
	v = htonl(v);
	strbuf_add(b, &v, 4);
}

/* ---- messages ---- */

ssize_t peers_message_get(struct slice in, struct peers_message *m)
{
	struct peers_reader r = { (const unsigned char *)in.p, (const unsigned char *)in.p + in.n };
	uint64_t n = 0;

	if (in.n < 2)
		return 0;
	m->class = r.p[0];
	m->type = r.p[1];
	r.p += 2;
	if (m->type >= 128) {
		if (!peers_get_int(&r, &n))
			return in.n > 12 ? -EPROTO : 0;
		if (n > PEERS_MESSAGE_MAX)
			return -EMSGSIZE;
		if (n > peers_left(&r))
			return 0;
	}
	m->body = (struct peers_reader){ r.p, r.p + n };
	return (r.p + n) - (const unsigned char *)in.p;
}

void peers_message_put(struct strbuf *b, uint8_t class, uint8_t type, const struct strbuf *body)
{
	strbuf_addc(b, (char)class);
	strbuf_addc(b, (char)type);
	if (type < 128)
		return;
	peers_put_int(b, body->n);
	strbuf_add_slice(b, strbuf_slice(body));
}

/* ---- definitions ---- */

static const struct {
	enum smp_type type;
	uint8_t number;
} key_types[] = {
	{ SMP_INT, 2 }, { SMP_IP4, 4 }, { SMP_IP6, 5 }, { SMP_STR, 6 }, { SMP_BIN, 7 },
};

static uint64_t key_type_of(const struct stick_table *t)
{
	for (size_t i = 0; i < ARRAY_SIZE(key_types); i++)
		if (key_types[i].type == t->type)
			return key_types[i].number;
	return 0;
}

/* Strings are announced with the zero byte that HAProxy keeps behind them. */
static uint64_t key_bytes_of(const struct stick_table *t)
{
	return t->type == SMP_STR ? t->key_bytes + 1 : t->key_bytes;
}

bool peers_definition_fits(const struct peers_definition *d, const struct stick_table *t)
{
	return d->key_type == key_type_of(t) && d->key_bytes == key_bytes_of(t);
}

void peers_definition_put(struct strbuf *b, const struct stick_table *t, uint32_t id)
{
	uint64_t types = 0;
	size_t n = strlen(t->peers_name);

	for (int d = 0; d < SD_TYPES; d++)
		types |= (uint64_t)(t->count[d] > 0) << d;
	peers_put_int(b, id);
	peers_put_int(b, n);
	strbuf_add(b, t->peers_name, n);
	peers_put_int(b, key_type_of(t));
	peers_put_int(b, key_bytes_of(t));
	peers_put_int(b, types);
	peers_put_int(b, t->expire_ms);
	for (int d = 0; d < SD_TYPES; d++) {
		const struct stick_data_row *row = &stick_data_rows[d];

		if (!t->count[d] || (!row->array && row->kind != STICK_RATE))
			continue;
		peers_put_int(b, (uint64_t)d);
		if (row->array)
			peers_put_int(b, t->count[d]);
		if (row->kind == STICK_RATE)
			peers_put_int(b, t->period_ms[d]);
	}
}

static bool get_u32(struct peers_reader *r, uint32_t *v)
{
	uint64_t n;

	if (!peers_get_int(r, &n))
		return false;
	*v = n > UINT32_MAX ? UINT32_MAX : (uint32_t)n;
	return true;
}

/* Array lengths and periods; peers of old versions do not send any, then periods are unknown (0). */
static bool get_shapes(struct peers_reader *r, struct peers_definition *d)
{
	while (peers_left(r)) {
		uint32_t type;

		if (!get_u32(r, &type))
			return false;
		if (type >= SD_TYPES)
			return true;
		if (stick_data_rows[type].array) {
			if (!get_u32(r, &d->count[type]) || !d->count[type] ||
			    d->count[type] > STICK_ARRAY_MAX)
				return false;
		}
		if (stick_data_rows[type].kind == STICK_RATE && !get_u32(r, &d->period_ms[type]))
			return false;
	}
	return true;
}

bool peers_definition_get(struct peers_reader *r, struct peers_definition *d)
{
	uint64_t n;

	memset(d, 0, sizeof(*d));
	if (!peers_get_int(r, &d->id) || !peers_get_int(r, &n) || n > peers_left(r))
		return false;
	d->name = slice_make(r->p, (size_t)n);
	r->p += n;
	if (!peers_get_int(r, &d->key_type) || !peers_get_int(r, &d->key_bytes) ||
	    !peers_get_int(r, &d->types))
		return false;
	for (int i = 0; i < SD_TYPES; i++)
		d->count[i] = (d->types >> i) & 1;
	if (!peers_left(r))
		return true;
	return peers_get_int(r, &d->expire_ms) && get_shapes(r, d);
}

/* ---- texts ---- */

void peers_dict_drop(struct peers_dict *d)
{
	for (int i = 0; i < PEERS_DICT; i++) {
		stick_text_put(d->text[i]);
		d->text[i] = NULL;
	}
	d->next = 0;
}

static void put_text(struct strbuf *b, struct stick_text *text, struct peers_dict *dict)
{
	struct strbuf in = STRBUF_INIT;
	size_t n;
	int i;

	if (!text) {
		peers_put_int(b, 0);
		return;
	}
	for (i = 0; i < PEERS_DICT && dict->text[i] != text; i++)
		;
	n = strlen(text->z);
	if (i < PEERS_DICT) {
		peers_put_int(&in, (uint64_t)i + 1);
	} else {
		i = (int)dict->next;
		dict->next = (dict->next + 1) % PEERS_DICT;
		stick_text_put(dict->text[i]);
		dict->text[i] = stick_text_get(slice_make(text->z, n));
		peers_put_int(&in, (uint64_t)i + 1);
		peers_put_int(&in, n);
		strbuf_add(&in, text->z, n);
	}
	peers_put_int(b, in.n);
	strbuf_add_slice(b, strbuf_slice(&in));
	strbuf_fini(&in);
}

/* *text stays the dictionary's; NULL: none. */
static bool get_text(struct peers_reader *r, struct peers_dict *dict, struct stick_text **text)
{
	struct peers_reader in;
	uint64_t n, id, len;

	*text = NULL;
	if (!peers_get_int(r, &n) || n > peers_left(r))
		return false;
	in = (struct peers_reader){ r->p, r->p + n };
	r->p += n;
	if (!n)
		return true;
	if (!peers_get_int(&in, &id) || id < 1 || id > PEERS_DICT)
		return false;
	if (peers_left(&in)) {
		struct stick_text *mine;

		if (!peers_get_int(&in, &len) || len > peers_left(&in) ||
		    memchr(in.p, 0, (size_t)len))
			return false;
		mine = stick_text_get(slice_make(in.p, (size_t)len));
		stick_text_put(dict->text[id - 1]);
		dict->text[id - 1] = mine;
	}
	*text = dict->text[id - 1];
	return true;
}

/* ---- entries ---- */

static void put_value(struct strbuf *b, const struct stick_table *t, struct stick_entry *e,
		      enum stick_data d, uint32_t i, struct peers_dict *dict, uint64_t now_ms)
{
	const void *p = stick_at(t, e, d, i);
	const struct stick_rate *rate = p;

	switch (stick_data_rows[d].kind) {
	case STICK_RATE:
		peers_put_int(b, stick_rate_age(rate, (uint32_t)now_ms));
		peers_put_int(b, rate->now);
		peers_put_int(b, rate->before);
		break;
	case STICK_TEXT:
		put_text(b, *(struct stick_text *const *)p, dict);
		break;
	case STICK_INT:
		peers_put_int(b, *(const uint32_t *)p);
		break;
	default:
		peers_put_int(b, stick_value(t, e, d, i, now_ms));
	}
}

void peers_entry_put(struct strbuf *b, const struct stick_table *t, struct stick_entry *e,
		     struct peers_dict *dict, uint64_t now_ms)
{
	struct slice key = stick_entry_key(t, e);
	uint32_t number;

	if (t->type == SMP_INT) {
		memcpy(&number, key.p, sizeof(number));
		peers_put_be32(b, number);
	} else {
		if (t->type == SMP_STR)
			peers_put_int(b, key.n);
		strbuf_add_slice(b, key);
	}
	for (int d = 0; d < SD_TYPES; d++)
		for (uint32_t i = 0; i < t->count[d]; i++)
			put_value(b, t, e, (enum stick_data)d, i, dict, now_ms);
}

bool peers_key_get(struct peers_reader *r, const struct stick_table *t, struct stick_key *key)
{
	uint64_t n = t->key_bytes;
	uint32_t number;

	if (t->type == SMP_INT) {
		if (!peers_get_be32(r, &number))
			return false;
		memcpy(key->buf, &number, sizeof(number));
		key->s = slice_make(key->buf, sizeof(number));
		return true;
	}
	if (t->type == SMP_STR && !peers_get_int(r, &n))
		return false;
	if (n > peers_left(r))
		return false;
	key->s = slice_make(r->p, (size_t)(n < t->key_bytes ? n : t->key_bytes));
	r->p += n;
	return true;
}

struct value {
	uint64_t n;
	struct stick_rate rate;
	struct stick_text *text;
};

static bool get_value(struct peers_reader *r, enum stick_data d, struct peers_dict *dict,
		      uint64_t now_ms, struct value *v)
{
	uint64_t age, now, before;

	switch (stick_data_rows[d].kind) {
	case STICK_RATE:
		if (!peers_get_int(r, &age) || !peers_get_int(r, &now) ||
		    !peers_get_int(r, &before))
			return false;
		/* older than half the clock's range is just very old */
		v->rate.since = (uint32_t)now_ms - (age > INT32_MAX ? INT32_MAX : (uint32_t)age);
		v->rate.now = (uint32_t)now;
		v->rate.before = (uint32_t)before;
		return true;
	case STICK_TEXT:
		return get_text(r, dict, &v->text);
	default:
		return peers_get_int(r, &v->n);
	}
}

/* Values that say what something is, not how often. */
static bool is_tag(enum stick_data d)
{
	return d == SD_SERVER_ID || d == SD_SERVER_KEY || d == SD_GPT0 || d == SD_GPT;
}

static void set_value(const struct stick_table *t, struct stick_entry *e, enum stick_data d,
		      uint32_t i, const struct value *v)
{
	switch (stick_data_rows[d].kind) {
	case STICK_RATE:
		*(struct stick_rate *)stick_at(t, e, d, i) = v->rate;
		break;
	case STICK_TEXT:
		stick_set_text(t, e, v->text ? slice_z(v->text->z) : SLICE_NONE);
		break;
	default:
		stick_set_value(t, e, d, i, v->n, 0);
	}
}

bool peers_values_get(struct peers_reader *r, const struct peers_definition *def,
		      struct peers_dict *dict, const struct stick_table *t, struct stick_entry *e,
		      bool tags_only, uint64_t now_ms)
{
	for (int k = 0; k < SD_TYPES; k++) {
		enum stick_data d = (enum stick_data)k;
		bool mine = e && d != SD_CONN_CUR && (!tags_only || is_tag(d)) &&
			    (stick_data_rows[d].kind != STICK_RATE || !def->period_ms[d] ||
			     def->period_ms[d] == t->period_ms[d]);

		for (uint32_t i = 0; i < def->count[d]; i++) {
			struct value v = { 0 };

			if (!get_value(r, d, dict, now_ms, &v))
				return false;
			if (mine && stick_stores(t, d, i))
				set_value(t, e, d, i, &v);
		}
	}
	return true;
}
