/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.c - what this room registers: protocols, server options, keywords. Before the configuration is read.
 */
#include "stream/init.h"
#include "stream/listener.h"
#include "stream/session.h"
#include "stream/splice.h"
#include "stream/upstream.h"

void stream_module_init(void)
{
	tcp_init();
	upstream_init();
	listener_bind_init();
	splice_init();
	stream_keywords_init();
}
