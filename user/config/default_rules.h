/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * default_rules.h - rules and ACLs in a named defaults section: the lines are kept, and read again in each proxy that inherits
 * from the section, before the proxy's own. The ACLs are those of these lines alone. Control thread, before the workers start.
 */
#ifndef LBD_CONFIG_DEFAULT_RULES_H
#define LBD_CONFIG_DEFAULT_RULES_H

#include "config/reader.h"

void default_rules_init(void);
/* A line of a defaults section with keyword @k at word @first. 0, or -1 with the error said. */
int default_rules_keep(struct cfg_line *l, const struct cfg_keyword *k, int first);
/* A new section of l->section: may it inherit from @from? 0, or -1 with the error said. */
int default_rules_allow(struct cfg_line *l, const struct proxy *from);
/* The section l->px is open: reads the lines of @from in it. */
void default_rules_replay(struct cfg_line *l, const struct proxy *from);

#endif
