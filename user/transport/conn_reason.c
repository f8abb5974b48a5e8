// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conn_reason.c - the words for why a connection failed below its protocol. See conn_reason.h. Any thread.
 */
#include "transport/conn_reason.h"
#include <stddef.h>

static const char *const words[CONN_REASONS] = {
	[CONN_OK] = "Success",
	[CONN_MAXCONN] = "Reached configured maxconn value",
	[CONN_PROCESS_FDS] = "Too many sockets on the process",
	[CONN_SYSTEM_FDS] = "Too many sockets on the system",
	[CONN_BUFFERS] = "Out of system buffers",
	[CONN_FAMILY] = "Protocol or address family not supported",
	[CONN_SOCKET] = "General socket error",
	[CONN_PORT_RANGE] = "Source port range exhausted",
	[CONN_CANNOT_BIND] = "Can't bind to source address",
	[CONN_NO_PORT] = "Out of local source ports on the system",
	[CONN_IN_USE] = "Local source address already in use",
	[CONN_PROXY_CLOSED] = "Connection closed while waiting for PROXY protocol header",
	[CONN_PROXY_ERROR] = "Connection error while waiting for PROXY protocol header",
	[CONN_PROXY_TIMEOUT] = "Timeout while waiting for PROXY protocol header",
	[CONN_PROXY_TRUNCATED] = "Truncated PROXY protocol header received",
	[CONN_PROXY_ALIEN] = "Received something which does not look like a PROXY protocol header",
	[CONN_PROXY_INVALID] = "Received an invalid PROXY protocol header",
	[CONN_PROXY_UNHANDLED] = "Received an unhandled protocol in the PROXY protocol header",
	[CONN_CIP_CLOSED] = "Connection closed while waiting for NetScaler Client IP header",
	[CONN_CIP_ERROR] = "Connection error while waiting for NetScaler Client IP header",
	[CONN_CIP_TIMEOUT] = "Timeout while waiting for a NetScaler Client IP header",
	[CONN_CIP_TRUNCATED] = "Truncated NetScaler Client IP header received",
	[CONN_CIP_MAGIC] = "Received an invalid NetScaler Client IP magic number",
	[CONN_CIP_UNHANDLED] = "Received an unhandled protocol in the NetScaler Client IP header",
	[CONN_TLS_CLOSED] = "Connection closed during SSL handshake",
	[CONN_TLS_ERROR] = "Connection error during SSL handshake",
	[CONN_TLS_TIMEOUT] = "Timeout during SSL handshake",
	[CONN_TLS_TOO_MANY] = "Too many SSL connections",
	[CONN_TLS_MEMORY] = "Out of memory when initializing an SSL connection",
	[CONN_TLS_RENEGOTIATION] = "Rejected a client-initiated SSL renegotiation attempt",
	[CONN_TLS_CA_CHAIN] = "SSL client CA chain cannot be verified",
	[CONN_TLS_UNTRUSTED] = "SSL client certificate not trusted",
	[CONN_TLS_NOT_CONFIGURED] =
		"Server presented an SSL certificate different from the configured one",
	[CONN_TLS_NOT_EXPECTED] =
		"Server presented an SSL certificate different from the expected one",
	[CONN_TLS_HANDSHAKE] = "SSL handshake failure",
	[CONN_TLS_AFTER_HEARTBEAT] = "SSL handshake failure after heartbeat",
	[CONN_TLS_HEARTBEAT] = "Stopped a TLSv1 heartbeat attack (CVE-2014-0160)",
	[CONN_TLS_NO_TARGET] = "Attempt to use SSL on an unknown target (internal error)",
	[CONN_TLS_EARLY_REFUSED] = "Server refused early data",
	[CONN_SOCKS_WRITE] = "SOCKS4 Proxy write error during handshake",
	[CONN_SOCKS_READ] = "SOCKS4 Proxy read error during handshake",
	[CONN_SOCKS_DENIED] = "SOCKS4 Proxy deny the request",
	[CONN_SOCKS_ABORTED] = "SOCKS4 Proxy handshake aborted by server",
	[CONN_TLS_FATAL] = "SSL fatal error",
};

const char *conn_reason_text(unsigned int reason)
{
	return reason < CONN_REASONS ? words[reason] : NULL;
}
