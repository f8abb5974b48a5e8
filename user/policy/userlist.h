/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * userlist.h - sections `userlist`: users, passwords, groups. Read by the control thread, asked by any worker. Not for: how a
 * protocol carries a name and a password.
 */
#ifndef LBD_POLICY_USERLIST_H
#define LBD_POLICY_USERLIST_H

#include "config/keyword.h"

struct userlist;
struct user_account;

struct userlist *userlist_find(const char *name);
/* The account when the password is right, else NULL. A hashed password costs milliseconds of crypt(3), once: what was right is
 * remembered by each thread. */
const struct user_account *userlist_check(const struct userlist *u, struct slice name,
					  struct slice password);
/* The i-th group of an account, NULL past the end. */
const char *user_account_group(const struct user_account *a, int i);

void userlist_register(void);

#endif
