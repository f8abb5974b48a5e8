// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_mqtt.c - the first packet of an MQTT connection, CONNECT or CONNACK: is it valid, and its fields (OASIS MQTT 3.1.1
 * and 5.0, sections 2 and 3.1, 3.2; MQTT 3.1 differs in the name of the protocol). Any worker.
 */
#include <strings.h>

#include "base/units.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

enum packet_type { MQTT_CONNECT = 1, MQTT_CONNACK = 2 };
enum { V31 = 3, V311 = 4, V5 = 5 };
enum { CONNECT_CLEAN = 2, CONNECT_WILL = 4, CONNECT_PASS = 64, CONNECT_USER = 128 };

/* ---- what fields there are ---- */

enum field {
	F_FLAGS,
	F_NAME,
	F_VERSION,
	F_CLIENT,
	F_WILL_TOPIC,
	F_WILL_DATA,
	F_USER,
	F_PASS,
	F_KEEPALIVE,
	F_REASON
};

static const struct {
	const char *name;
	enum field field;
	unsigned int packets; /* 1 << type */
} fields[] = {
	{ "flags", F_FLAGS, 1 << MQTT_CONNECT | 1 << MQTT_CONNACK },
	{ "protocol_name", F_NAME, 1 << MQTT_CONNECT },
	{ "protocol_version", F_VERSION, 1 << MQTT_CONNECT | 1 << MQTT_CONNACK },
	{ "client_identifier", F_CLIENT, 1 << MQTT_CONNECT },
	{ "will_topic", F_WILL_TOPIC, 1 << MQTT_CONNECT },
	{ "will_payload", F_WILL_DATA, 1 << MQTT_CONNECT },
	{ "username", F_USER, 1 << MQTT_CONNECT },
	{ "password", F_PASS, 1 << MQTT_CONNECT },
	{ "keepalive", F_KEEPALIVE, 1 << MQTT_CONNECT },
	{ "reason_code", F_REASON, 1 << MQTT_CONNACK },
};

enum prop_form { P_NONE, P_BYTE, P_TWO, P_FOUR, P_VARINT, P_STRING, P_PAIR };
enum { IN_CONNECT = 1, IN_WILL = 2, IN_CONNACK = 4 };

/* MQTT 5.0, table 2-4. */
static const struct {
	uint8_t form, where;
} props[64] = {
	[1] = { P_BYTE, IN_WILL },
	[2] = { P_FOUR, IN_WILL },
	[3] = { P_STRING, IN_WILL },
	[8] = { P_STRING, IN_WILL },
	[9] = { P_STRING, IN_WILL },
	[17] = { P_FOUR, IN_CONNECT | IN_CONNACK },
	[18] = { P_STRING, IN_CONNACK },
	[19] = { P_TWO, IN_CONNACK },
	[21] = { P_STRING, IN_CONNECT | IN_CONNACK },
	[22] = { P_STRING, IN_CONNECT | IN_CONNACK },
	[23] = { P_BYTE, IN_CONNECT },
	[24] = { P_FOUR, IN_WILL },
	[25] = { P_BYTE, IN_CONNECT },
	[26] = { P_STRING, IN_CONNACK },
	[28] = { P_STRING, IN_CONNACK },
	[31] = { P_STRING, IN_CONNACK },
	[33] = { P_TWO, IN_CONNECT | IN_CONNACK },
	[34] = { P_TWO, IN_CONNECT | IN_CONNACK },
	[36] = { P_BYTE, IN_CONNACK },
	[37] = { P_BYTE, IN_CONNACK },
	[38] = { P_PAIR, IN_CONNECT | IN_WILL | IN_CONNACK },
	[39] = { P_FOUR, IN_CONNECT | IN_CONNACK },
	[40] = { P_BYTE, IN_CONNACK },
	[41] = { P_BYTE, IN_CONNACK },
	[42] = { P_BYTE, IN_CONNACK },
};

/* ---- reading ---- */

struct cursor {
	struct slice s;
	bool bad; /* something reached past the end, or was wrong */
};

static uint32_t take_int(struct cursor *c, size_t size)
{
	uint32_t v = 0;

	if (c->s.n < size) {
		c->bad = true;
		c->s.n = 0;
		return 0;
	}
	for (size_t i = 0; i < size; i++)
		v = v << 8 | (unsigned char)c->s.p[i];
	c->s = slice_from(c->s, size);
	return v;
}

static struct slice take(struct cursor *c, size_t n)
{
	struct slice s = slice_first(c->s, n);

	if (c->s.n < n)
		c->bad = true;
	c->s = slice_from(c->s, n);
	return s;
}

static struct slice take_string(struct cursor *c)
{
	return take(c, take_int(c, 2));
}

static uint32_t take_varint(struct cursor *c)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++) {
		uint32_t b = take_int(c, 1);

		v |= (b & 127) << (7 * i);
		if (!(b & 128))
			return v;
	}
	c->bad = true;
	return 0;
}

struct packet {
	enum packet_type type;
	uint8_t flags, version, reason;
	uint16_t keepalive;
	struct slice name, client, will_topic, will_data, user, pass;
	uint64_t has;        /* bit i: property i was there */
	uint32_t number[64]; /* properties */
	struct slice string[64];
};

static void take_property(struct cursor *c, struct packet *p, unsigned int where)
{
	uint32_t id = take_int(c, 1);

	if (id >= ARRAY_SIZE(props) || !(props[id].where & where) ||
	    ((p->has >> id & 1) && props[id].form != P_PAIR)) {
		c->bad = true;
		return;
	}
	p->has |= 1ull << id;
	switch ((enum prop_form)props[id].form) {
	case P_BYTE:
		p->number[id] = take_int(c, 1);
		break;
	case P_TWO:
		p->number[id] = take_int(c, 2);
		break;
	case P_FOUR:
		p->number[id] = take_int(c, 4);
		break;
	case P_VARINT:
		p->number[id] = take_varint(c);
		break;
	case P_STRING:
		p->string[id] = take_string(c);
		break;
	case P_PAIR:
		take_string(c);
		take_string(c);
		break;
	case P_NONE:
		c->bad = true;
	}
}

static void take_properties(struct cursor *c, struct packet *p, unsigned int where)
{
	struct cursor list = { take(c, take_varint(c)), false };

	while (!c->bad && !list.bad && list.s.n)
		take_property(&list, p, where);
	c->bad |= list.bad;
}

static bool protocol_is_known(const struct packet *p)
{
	if (p->version == V31)
		return slice_eq_z(p->name, "MQIsdp");
	return (p->version == V311 || p->version == V5) && slice_eq_z(p->name, "MQTT");
}

static void take_connect(struct cursor *c, struct packet *p)
{
	p->name = take_string(c);
	p->version = (uint8_t)take_int(c, 1);
	p->flags = (uint8_t)take_int(c, 1);
	p->keepalive = (uint16_t)take_int(c, 2);
	if (c->bad || !protocol_is_known(p) || (p->flags & 1)) {
		c->bad = true;
		return;
	}
	if (p->version == V5)
		take_properties(c, p, IN_CONNECT);
	p->client = take_string(c);
	if (p->flags & CONNECT_WILL) {
		if (p->version == V5)
			take_properties(c, p, IN_WILL);
		p->will_topic = take_string(c);
		p->will_data = take_string(c);
	}
	if (p->flags & CONNECT_USER)
		p->user = take_string(c);
	if (p->flags & CONNECT_PASS)
		p->pass = take_string(c);
}

/* Only MQTT 5 has something behind the two bytes. */
static void take_connack(struct cursor *c, struct packet *p)
{
	p->flags = (uint8_t)take_int(c, 1);
	p->reason = (uint8_t)take_int(c, 1);
	p->version = c->s.n ? V5 : V311;
	if (c->s.n)
		take_properties(c, p, IN_CONNACK);
	if (p->flags & ~1u)
		c->bad = true;
}

enum packet_state { PACKET_BAD, PACKET_MORE, PACKET_GOOD };

static enum packet_state packet_read(struct slice data, struct packet *p)
{
	struct cursor c = { data, false };
	uint32_t first = take_int(&c, 1), length;

	memset(p, 0, sizeof(*p));
	p->type = (enum packet_type)(first >> 4);
	if (c.bad)
		return PACKET_MORE;
	if ((first & 15) || (p->type != MQTT_CONNECT && p->type != MQTT_CONNACK))
		return PACKET_BAD;
	length = take_varint(&c);
	if (c.bad)
		return data.n < 5 ? PACKET_MORE : PACKET_BAD;
	if (c.s.n < length)
		return PACKET_MORE;
	c.s = slice_first(c.s, length); /* what is behind the packet is not ours */
	if (p->type == MQTT_CONNECT)
		take_connect(&c, p);
	else
		take_connack(&c, p);
	return !c.bad && !c.s.n ? PACKET_GOOD : PACKET_BAD;
}

/* ---- the converters ---- */

static bool conv_is_valid(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct packet p;
	enum packet_state state = packet_read(smp->u.s, &p);

	/* nothing is said of a packet that is still on its way, so that rules wait for the rest */
	return state != PACKET_MORE && smp_bool(smp, state == PACKET_GOOD);
}

/* args[0].i: packet; args[1].i: field, or -property. */
static int check_field(struct cfg_line *l, int word, struct smp_arg *args)
{
	bool connect = !strcasecmp(args[0].s.p, "connect") || slice_eq_z(args[0].s, "1");
	unsigned int where = connect ? IN_CONNECT | IN_WILL : IN_CONNACK;
	int64_t id;

	if (!connect && strcasecmp(args[0].s.p, "connack") && !slice_eq_z(args[0].s, "2"))
		return cfg_error(
			l, word,
			"converter 'mqtt_field_value': only the first packets can be read: "
			"connect (1) or connack (2), not '%.*s'",
			SLICE_FMT(args[0].s));
	args[0].i = connect ? MQTT_CONNECT : MQTT_CONNACK;
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		if (!strcasecmp(args[1].s.p, fields[i].name) &&
		    (fields[i].packets & 1u << args[0].i)) {
			args[1].i = fields[i].field;
			return 0;
		}
	}
	if (!parse_i64(args[1].s, 1, 63, &id) && (props[id].where & where) &&
	    props[id].form != P_PAIR) {
		args[1].i = -id;
		return 0;
	}
	return cfg_error(
		l, word,
		"converter 'mqtt_field_value': '%.*s' is no field of %s; there are %s, and "
		"the numbers of MQTT 5 properties of this packet (not 38)",
		SLICE_FMT(args[1].s), connect ? "connect" : "connack",
		connect ? "flags, protocol_name, protocol_version, client_identifier, "
			  "will_topic, will_payload, username, password, keepalive"
			: "flags, protocol_version, reason_code");
}

static bool property(const struct packet *p, int id, struct sample *smp)
{
	if (p->version != V5 || ((props[id].where == IN_WILL) && !(p->flags & CONNECT_WILL)))
		return false;
	if (props[id].form == P_STRING)
		return (p->has >> id & 1) && smp_str(smp, p->string[id]);
	return smp_int(smp, p->number[id]);
}

static bool conv_field(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct packet p;

	if (packet_read(smp->u.s, &p) != PACKET_GOOD || p.type != (enum packet_type)args[0].i)
		return false;
	if (args[1].i < 0)
		return property(&p, (int)-args[1].i, smp);
	switch ((enum field)args[1].i) {
	case F_FLAGS:
		return smp_int(smp, p.flags);
	case F_NAME:
		return smp_str(smp, p.name);
	case F_VERSION:
		return smp_int(smp, p.version);
	case F_CLIENT:
		return smp_str(smp, p.client);
	case F_WILL_TOPIC:
		return (p.flags & CONNECT_WILL) && smp_str(smp, p.will_topic);
	case F_WILL_DATA:
		return (p.flags & CONNECT_WILL) && smp_bin(smp, p.will_data);
	case F_USER:
		return (p.flags & CONNECT_USER) && smp_str(smp, p.user);
	case F_PASS:
		return (p.flags & CONNECT_PASS) && smp_bin(smp, p.pass);
	case F_KEEPALIVE:
		return smp_int(smp, p.keepalive);
	case F_REASON:
		return smp_int(smp, p.reason);
	}
	return false;
}

static const struct converter_row rows[] = {
	{ .name = "mqtt_is_valid",
	  .in = SMP_BIN,
	  .out = SMP_BOOL,
	  .convert = conv_is_valid,
	  .help = "The bytes begin with a valid MQTT CONNECT or CONNACK packet." },
	{ .name = "mqtt_field_value",
	  .in = SMP_BIN,
	  .out = SMP_ANY,
	  .min_args = 2,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = conv_field,
	  .check = check_field,
	  .flags = CONV_OUT_VARIES,
	  .help = "A field of an MQTT CONNECT or CONNACK packet, by name, or a property of MQTT 5 "
		  "by "
		  "number." },
};

void conv_mqtt_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
