/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tsan_rcu.h - included first in builds with ThreadSanitizer (the Makefile). liburcu publishes pointers by barriers and
 * volatile accesses, which TSan does not see: every read of what was published would be a race to it. Here the same two words are
 * written as the release and the acquire that they are.
 */
#ifndef LBD_TSAN_RCU_H
#define LBD_TSAN_RCU_H

#include <urcu-qsbr.h>

#undef rcu_dereference
#undef rcu_assign_pointer
#define rcu_dereference(p)       __atomic_load_n(&(p), __ATOMIC_ACQUIRE)
#define rcu_assign_pointer(p, v) __atomic_store_n(&(p), v, __ATOMIC_RELEASE)

#endif
