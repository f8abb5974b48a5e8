/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * rules_priv.h - between the files of this folder, and for keywords that make rules in another way (`redirect`, `block`).
 */
#ifndef LBD_POLICY_RULES_PRIV_H
#define LBD_POLICY_RULES_PRIV_H

#include "policy/rules.h"

/* Parses a rule from word @word on, without putting it into its set. NULL with the error said. */
struct rule *rule_parse_one(struct cfg_line *l, int word, unsigned int set, unsigned int where);
int rule_append(struct cfg_line *l, struct rule *r);
/* Behind other rules that were put in front so, and in front of all others (rule.num[3] is set in such rules). */
int rule_insert_front(struct cfg_line *l, struct rule *r);
/* "tcp-request content" */
const char *rule_set_name(unsigned int set);
/* Everything is read: arrays, indexes. */
void rule_set_compile(struct rule_set *rs, struct arena *a);

/* Rows of each file; policy_init() lists the calls. */
void fetch_internal_register(void);
void fetch_l4_register(void);
void fetch_payload_register(void);
void fetch_tls_register(void);
void fetch_ssl_register(void);
void conv_number_register(void);
void conv_text_register(void);
void conv_hash_register(void);
void conv_code_register(void);
void conv_map_register(void);
void conv_json_register(void);
void conv_x509_register(void);
void conv_proto_register(void);
void conv_mqtt_register(void);
void conv_crypto_register(void);
void conv_jwt_register(void);
void conv_pick_register(void);
void conv_lookup_register(void);
void fetch_times_register(void);
/* Servers of the backend that would be picked now (fetch nbsrv). */
int64_t backend_usable_servers(const struct proxy *px);
void actions_register(void);
void actions_stream_register(void);
void capture_register(void);
void persist_register(void);
void actions_ends_register(void);
void backend_register(void);
/* Names of `use_backend` to backends, and the index of their conditions. */
void backend_resolve(struct config *cfg, struct diag *d);
void predefined_register(void);

#endif
