// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * fields.c - the named fields of every map, as rows. Reading, writing and printing by name
 * (maps_text.c, mapio.c) is done from these rows only: a new field is one row.
 */
#include "set_priv.h"

#include <string.h>

/* Rows are aligned by hand. */
// clang-format off
#define F(strct, member, type, names, help) \
	{ #member, offsetof(struct strct, member), sizeof(((struct strct *)0)->member), LBDMAP_T_##type, names, help }
#define END { NULL }

static const char *const control_flags[] = { "deny", "any-address", "usesrc", NULL };
static const char *const ref_flags[] = { "ip6-listener", NULL };
static const char *const service_flags[] = { "used", "mix", "events", NULL };
static const char *const pick_names[] = { "hash", "walk", "draw", NULL };
static const char *const number_names[] = { "source", "5-tuple", NULL };
static const char *const server_flags[] = { "used", "up", "reset", NULL };
static const char *const forward_names[] = { "nat", "dnat", "dsr", "ipip", "gue", NULL };
static const char *const source_flags[] = { "dedicated", NULL };
static const char *const nexthop_flags[] = { "used", "mac", "xmit", NULL };
static const char *const device_flags[] = { "xmit", "tx", "tc", NULL };
static const char *const meta_kinds[] = { "-", "service", "server", "place", "reason", "config",
					  "version", "link", NULL };

static const struct lbdmap_field slot_key[] = {
	{ "slot", 0, 4, LBDMAP_T_UINT, NULL, "number of the element" }, END };
static const struct lbdmap_field control_fields[] = {
	F(lbd_control, abi, UINT, NULL, "layout of the maps"),
	F(lbd_control, generation, UINT, NULL, "of the tables; counts configurations"),
	F(lbd_control, seed, HEX, NULL, "of the flow hash"),
	F(lbd_control, flow_sets, UINT, NULL, "sets of eight flows"),
	F(lbd_control, rev_sets, UINT, NULL, "sets of eight reverse entries"),
	F(lbd_control, heartbeat, TICK, NULL, "age of the daemon's last sign of life"),
	F(lbd_control, flags, FLAGS, control_flags, "what the programs have to look up"),
	F(lbd_control, port_lo, UINT, NULL, "lowest NAT port"),
	F(lbd_control, port_hi, UINT, NULL, "highest NAT port"),
	F(lbd_control, sample, UINT, NULL, "one decision in N is reported; 0: none"),
	F(lbd_control, embryonic_ticks, TICKS, NULL, "how long a handshake may take"),
	F(lbd_control, flows, UINT, NULL, "established flows that are guaranteed"),
	F(lbd_control, config_hash, HEX, NULL, "of the configuration"),
	END };
static const struct lbdmap_field services_key[] = {
	F(lbd_service_key, addr, ADDR, NULL, "destination address; * is any of this host"),
	F(lbd_service_key, port_be, PORT_BE, NULL, "destination port"),
	F(lbd_service_key, proto, PROTO, NULL, "protocol"),
	END };
static const struct lbdmap_field services_value[] = {
	F(lbd_service_ref, service, UINT, NULL, "slot in map service"),
	F(lbd_service_ref, flags, FLAGS, ref_flags, "about the listener"),
	END };
static const struct lbdmap_field bind_fields[] = {
	F(lbd_bind, key.addr, ADDR, NULL, "destination address"),
	F(lbd_bind, key.port_be, PORT_BE, NULL, "destination port"),
	F(lbd_bind, key.proto, PROTO, NULL, "protocol"),
	F(lbd_bind, service, UINT, NULL, "slot in map service"),
	F(lbd_bind, flags, FLAGS, ref_flags, "about the listener"),
	END };
static const struct lbdmap_field service_fields[] = {
	F(lbd_service, table, TABLE, NULL, "form, number of slots, place in map slots"),
	F(lbd_service, id, HEX, NULL, "stable id of its name"),
	F(lbd_service, flags, FLAGS, service_flags, "state of the slot; mix: avalanche"),
	F(lbd_service, pick, ENUM, pick_names, "what chooses the server"),
	F(lbd_service, number, ENUM, number_names, "what is hashed"),
	F(lbd_service, draws, UINT, NULL, "random draws of which the best is taken"),
	F(lbd_service, idle_ticks, TICKS, NULL, "an established flow is forgotten after this silence"),
	F(lbd_service, half_ticks, TICKS, NULL, "the same after one FIN"),
	F(lbd_service, udp_ticks, TICKS, NULL, "the same for UDP"),
	F(lbd_service, maxconn, UINT, NULL, "flows; 0: no limit"),
	F(lbd_service, expired, UINT, NULL, "flows that the daemon's sweep ended"),
	END };
static const struct lbdmap_field server_fields[] = {
	F(lbd_server, addr, ADDR, NULL, "address"),
	F(lbd_server, port_be, PORT_BE, NULL, "port"),
	F(lbd_server, forward, ENUM, forward_names, "how packets reach it"),
	F(lbd_server, flags, FLAGS, server_flags, "up: gets new flows; reset: its flows are cut"),
	F(lbd_server, nexthop, UINT, NULL, "slot in map nexthop"),
	F(lbd_server, source_first, UINT, NULL, "first NAT source"),
	F(lbd_server, source_count, UINT, NULL, "NAT sources"),
	F(lbd_server, maxconn, UINT, NULL, "flows; 0: no limit"),
	F(lbd_server, weight, UINT, NULL, "weight for draws; tables carry it otherwise"),
	F(lbd_server, id, HEX, NULL, "stable id of backend/server"),
	END };
static const struct lbdmap_field load_fields[] = {
	F(lbd_load, flows, INT, NULL, "flows that live"),
	F(lbd_load, expired, UINT, NULL, "flows that the daemon's sweep ended"),
	END };
static const struct lbdmap_field source_fields[] = {
	F(lbd_source, addr, ADDR, NULL, "NAT address"),
	F(lbd_source, port_lo, UINT, NULL, "lowest port"),
	F(lbd_source, port_hi, UINT, NULL, "highest port"),
	F(lbd_source, flags, FLAGS, source_flags, "dedicated: not an address of this host"),
	END };
static const struct lbdmap_field nexthop_fields[] = {
	F(lbd_nexthop, ifindex, UINT, NULL, "device out"),
	F(lbd_nexthop, flags, FLAGS, nexthop_flags, "mac: dmac is known; xmit: the device takes frames from XDP"),
	F(lbd_nexthop, dmac, MAC, NULL, "next hop"),
	F(lbd_nexthop, smac, MAC, NULL, "ours"),
	F(lbd_nexthop, mtu, UINT, NULL, "0: not known"),
	END };
static const struct lbdmap_field learned_key[] = {
	{ "addr", 0, 16, LBDMAP_T_ADDR, NULL, "client" }, END };
static const struct lbdmap_field prefix_key[] = {
	F(lbd_prefix, addr, ADDR, NULL, "address"),
	F(lbd_prefix, len, LEN, NULL, "prefix length"),
	END };
static const struct lbdmap_field route_fields[] = {
	{ "nexthop", 0, 4, LBDMAP_T_UINT, NULL, "slot in map nexthop" }, END };
static const struct lbdmap_field deny_fields[] = {
	F(lbd_deny, id, HEX, NULL, "stable id of the rule or list"),
	F(lbd_deny, flags, HEX, NULL, "reserved"),
	END };
static const struct lbdmap_field flow_fields[] = {
	F(lbd_flow, seq, UINT, NULL, "changes with the identity"),
	F(lbd_flow, word, WORD, NULL, "state and flags"),
	F(lbd_flow, client, ADDR, NULL, "client"),
	F(lbd_flow, cport_be, PORT_BE, NULL, "client's port"),
	F(lbd_flow, vip, ADDR, NULL, "service address"),
	F(lbd_flow, vport_be, PORT_BE, NULL, "service port"),
	F(lbd_flow, nport_be, PORT_BE, NULL, "NAT port"),
	F(lbd_flow, source, UINT, NULL, "slot in map source"),
	F(lbd_flow, service, UINT, NULL, "slot in map service"),
	F(lbd_flow, proto, PROTO, NULL, "protocol"),
	F(lbd_flow, forward, ENUM, forward_names, "how packets reach the server"),
	F(lbd_flow, server, UINT, NULL, "slot in map server"),
	F(lbd_flow, tick, TICK, NULL, "age of the last packet"),
	F(lbd_flow, born, TICK, NULL, "age of the flow"),
	END };
static const struct lbdmap_field slots_fields[] = {
	{ "w", 0, sizeof(struct lbd_slots), LBDMAP_T_UINTS, NULL, "sixteen words of tables and rings" }, END };
static const struct lbdmap_field device_key[] = {
	{ "ifindex", 0, 4, LBDMAP_T_UINT, NULL, "interface" }, END };
static const struct lbdmap_field device_fields[] = {
	F(lbd_device, flags, FLAGS, device_flags, "xmit: takes frames from XDP; tx: XDP_TX; tc: TC attached"),
	F(lbd_device, mtu, UINT, NULL, "MTU"),
	END };
static const struct lbdmap_field local_key[] = {
	{ "addr", 0, 16, LBDMAP_T_ADDR, NULL, "an address of this host" }, END };
static const struct lbdmap_field local_fields[] = {
	{ "ifindex", 0, 4, LBDMAP_T_UINT, NULL, "interface that has it" }, END };
static const struct lbdmap_field service_count_fields[] = {
#define COUNTER(field, help) \
	{ #field, offsetof(struct lbd_service_count, field), 8, LBDMAP_T_UINT, NULL, help },
#define SERVICE_COUNTERS
#include <lbd/counters.tbl.h>
#undef SERVICE_COUNTERS
#undef COUNTER
#define REASON(sym, name, verdict, help) \
	{ name, offsetof(struct lbd_service_count, reason) + 8 * LBD_R_##sym, 8, LBDMAP_T_UINT, NULL, help },
#include <lbd/reasons.tbl.h>
#undef REASON
	END };
static const struct lbdmap_field server_count_fields[] = {
#define COUNTER(field, help) \
	{ #field, offsetof(struct lbd_server_count, field), 8, LBDMAP_T_UINT, NULL, help },
#define SERVER_COUNTERS
#include <lbd/counters.tbl.h>
#undef SERVER_COUNTERS
#undef COUNTER
	END };
static const struct lbdmap_field meta_key[] = {
	F(lbd_meta_key, id, HEX, NULL, "stable id"),
	F(lbd_meta_key, kind, ENUM, meta_kinds, "what the text is"),
	F(lbd_meta_key, index, UINT, NULL, "of several"),
	END };
static const struct lbdmap_field meta_fields[] = {
	F(lbd_meta, value, UINT, NULL, "a number"),
	F(lbd_meta, generation, UINT, NULL, "of the configuration that wrote it"),
	F(lbd_meta, text, TEXT, NULL, "text"),
	END };
static const struct lbdmap_field owner_fields[] = {
	F(lbd_owner, pid, UINT, NULL, "process that last owned the set"),
	F(lbd_owner, epoch, UINT, NULL, "how many there were"),
	F(lbd_owner, program, TEXT, NULL, "its name"),
	END };

#define ARRAY(ID, name, fields, edit, help) \
	{ LBDMAP_##ID, name, help, true, false, edit, 4, 0, slot_key, fields }
#define COUNTS(ID, name, fields, help) \
	{ LBDMAP_##ID, name, help, true, true, false, 4, 0, slot_key, fields }
#define HASH(ID, name, key, fields, edit, help) \
	{ LBDMAP_##ID, name, help, false, false, edit, 0, 0, key, fields }

/* Sizes come from the rows of maps.c. */
static struct lbdmap_map rows[] = {
	ARRAY(CONTROL, "control", control_fields, true, "sizes, heartbeat, switches"),
	HASH(SERVICES, "services", services_key, services_value, true, "address, port, protocol -> service"),
	ARRAY(BIND, "bind", bind_fields, false, "look-aside of map services"),
	ARRAY(SERVICE, "service", service_fields, true, "what a service does"),
	ARRAY(SERVER, "server", server_fields, true, "real servers"),
	ARRAY(LOAD, "load", load_fields, false, "flows of each server"),
	ARRAY(SOURCE, "source", source_fields, true, "NAT source addresses"),
	ARRAY(NEXTHOP, "nexthop", nexthop_fields, true, "devices and MACs"),
	HASH(LEARNED, "learned", learned_key, nexthop_fields, false, "clients that no route leads to: the way they came"),
	HASH(ROUTE, "route", prefix_key, route_fields, true, "destination -> nexthop"),
	ARRAY(SLOTS, "slots", slots_fields, false, "words of all tables and rings"),
	ARRAY(FLOW, "flow", flow_fields, false, "the flow table"),
	HASH(DEVICE, "device", device_key, device_fields, true, "what interfaces can do"),
	HASH(LOCAL, "local", local_key, local_fields, true, "this host's addresses"),
	HASH(DENY, "deny", prefix_key, deny_fields, true, "sources that are refused"),
	COUNTS(SERVICE_COUNT, "service_count", service_count_fields, "counters and reasons of each service"),
	COUNTS(SERVER_COUNT, "server_count", server_count_fields, "counters of each server"),
	HASH(META, "meta", meta_key, meta_fields, false, "names, places, reasons"),
	ARRAY(OWNER, "owner", owner_fields, false, "who writes"),
};
// clang-format on

const struct lbdmap_map *lbdmap_maps(size_t *n)
{
	*n = sizeof(rows) / sizeof(rows[0]);
	for (size_t i = 0; i < *n && !rows[i].value_size; i++) {
		rows[i].key_size = map_rows[rows[i].id].key_size;
		rows[i].value_size = map_rows[rows[i].id].value_size;
	}
	return rows;
}

const struct lbdmap_map *lbdmap_map_find(const char *name)
{
	const struct lbdmap_map *m;
	size_t n;

	m = lbdmap_maps(&n);
	for (size_t i = 0; i < n; i++)
		if (!strcmp(m[i].name, name))
			return &m[i];
	return NULL;
}

const struct lbdmap_field *lbdmap_field_find(const struct lbdmap_field *f, const char *name)
{
	for (; f->name; f++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}
