/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * counters.tbl.h - per-CPU counters: COUNTER(field, help). Bytes are IP payload minus the L4 header,
 * retransmissions included. Rows keep their place; no include guard.
 */
#ifdef SERVICE_COUNTERS
COUNTER(in_packets,	"packets forwarded to servers")
COUNTER(in_bytes,	"payload bytes to servers, retransmissions included")
COUNTER(out_packets,	"packets forwarded to clients")
COUNTER(out_bytes,	"payload bytes to clients, retransmissions included")
COUNTER(flows_new,	"flows made")
COUNTER(flows_open,	"flows whose handshake completed")
COUNTER(flows_closed,	"flows that ended (FIN from both, RST, expired, evicted)")
#endif
#ifdef SERVER_COUNTERS
COUNTER(in_packets,	"packets forwarded to the server")
COUNTER(in_bytes,	"payload bytes to the server, retransmissions included")
COUNTER(out_packets,	"packets of the server forwarded to clients")
COUNTER(out_bytes,	"payload bytes of the server, retransmissions included")
COUNTER(flows_new,	"flows given to the server")
COUNTER(flows_open,	"flows whose handshake completed")
COUNTER(flows_closed,	"flows that ended")
COUNTER(flows_repicked,	"embryonic flows taken away because it went down")
#endif
