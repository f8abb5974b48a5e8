/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * reasons.tbl.h - why a packet got its verdict: REASON(symbol, name, verdict, help). The number is
 * the row's place: rows are only added at the end. No include guard: read as often as needed.
 */
/* Not counted per service: no service was found. */
REASON(NOT_OURS,	"not-ours",	PASS,	"no service and no flow of ours: the stack's packet")
REASON(NOT_IP,		"not-ip",	PASS,	"neither IPv4 nor IPv6 (ARP, LLDP, VLAN tags)")
REASON(TRUNCATED,	"truncated",	PASS,	"the frame ends inside a header; the stack will drop it")
/* Forwarded. */
REASON(KNOWN,		"known",	FORWARD, "packet of a known flow, to its server")
REASON(REPLY,		"reply",	FORWARD, "packet of a known flow, back to its client")
REASON(NEW,		"new",		FORWARD, "first packet of a flow, to the picked server")
REASON(REPICK,		"repick",	FORWARD, "its server went down before it answered: picked again")
/* Left to this host. */
REASON(NO_FLOW,		"no-flow",	PASS,	"not a SYN and no flow: for a local socket, or the stack's RST")
REASON(NO_SERVER,	"no-server",	PASS,	"no usable server: the listener answers as a proxy does")
REASON(FROM_SELF,	"from-self",	PASS,	"the source is an address of this host")
REASON(ICMP,		"icmp",		PASS,	"ICMP to a service address: left to the stack")
REASON(TO_TC,		"to-tc",	PASS,	"XDP cannot send to that device: the TC program forwards")
REASON(IPV6,		"ipv6",		PASS,	"IPv6 to a service: not forwarded by this version")
/* Dropped. */
REASON(DENIED,		"denied",	DROP,	"the source is in the deny list")
REASON(BAD_HEADER,	"bad-header",	DROP,	"lengths in the IP or TCP header contradict each other")
REASON(BAD_CHECKSUM,	"bad-checksum",	DROP,	"the IPv4 header checksum is wrong")
REASON(FRAGMENT,	"fragment",	DROP,	"an IP fragment to a service")
REASON(TTL,		"ttl",		DROP,	"the time to live ran out: a loop?")
REASON(TABLE_FULL,	"flow-table-full", DROP, "no place for a new flow: the client repeats its SYN")
REASON(PORTS_FULL,	"nat-ports-full", DROP,	"no free NAT port to that server: add source addresses")
REASON(SERVER_FULL,	"server-full",	DROP,	"the server is at its maxconn: the client repeats its SYN")
REASON(NO_SOURCE,	"no-source",	DROP,	"no NAT source address is known for the server")
REASON(NO_ROUTE,	"no-route",	DROP,	"no route to the server or client")
REASON(NO_NEIGHBOUR,	"no-neighbour",	DROP,	"the next hop's MAC is not known yet")
REASON(NO_DEVICE,	"no-device",	DROP,	"the device out takes no frames from XDP and TC is not attached")
REASON(TOO_BIG,		"too-big",	DROP,	"longer than the next hop's MTU")
REASON(BUSY,		"flow-busy",	DROP,	"the flow's entry was being written: the sender repeats")
REASON(INTERNAL,	"internal",	DROP,	"a step failed that cannot fail: please report")
/* Answered. */
REASON(KILLED,		"killed",	ANSWER,	"the flow was shut down by the operator: RST")
