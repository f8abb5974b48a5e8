/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * process_rate.h - limits of the whole process on what arrives in a second (maxconnrate, maxsessrate, maxsslrate), and on TLS
 * connections at a time (maxsslconn). Any worker; limits are set by the configuration and by the control thread.
 */
#ifndef LBD_STREAM_PROCESS_RATE_H
#define LBD_STREAM_PROCESS_RATE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum process_rate_kind { RATE_CONN, RATE_SESS, RATE_SSL, RATE_KINDS };

struct process_rate {
	_Atomic uint32_t limit;   /* a second; 0: none */
	_Atomic uint64_t next_us; /* when the next one is due, loop microseconds */
};
extern struct process_rate process_rates[RATE_KINDS];
/* Is there any of these limits? What has none pays one load of this. */
extern _Atomic bool process_limits_on;

/* Connections with TLS, both sides; whoever makes or ends one counts. Limit 0: none. */
extern _Atomic uint32_t tls_conns, tls_conns_limit;

/* How long accepting has to wait; 0: not at all. @tls: at a listener with TLS. */
uint32_t process_rates_wait_ms(uint64_t now_us, bool tls);
/* One has come. */
void process_rate_note(enum process_rate_kind kind, uint64_t now_us);
/* Changes a limit while the process runs. Control thread. */
void process_rate_set(enum process_rate_kind kind, uint32_t limit);

void process_rate_init(void);

#endif
