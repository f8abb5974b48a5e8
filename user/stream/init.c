/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * init.c - what this room registers: protocols, server options, keywords, its stations in the life of the process.
 * Before the configuration is read.
 */
#include "base/segment.h"
#include "process/start.h"
#include "stream/direct.h"
#include "stream/ends.h"
#include "stream/bypass.h"
#include "stream/init.h"
#include "stream/listener.h"
#include "stream/process_rate.h"
#include "stream/proxy_accept.h"
#include "stream/proxy_send.h"
#include "stream/session.h"
#include "stream/socket_options.h"
#include "stream/socks4.h"
#include "stream/source.h"
#include "stream/sockmap.h"
#include "stream/splice.h"
#include "stream/upstream_pool.h"
#include "stream/upstream_sni.h"

static void begin_soft_stop(void)
{
	sessions_drain(NULL);
}

static void pause_listening(void)
{
	listeners_pause(NULL, true);
}

static void resume_listening(void)
{
	listeners_pause(NULL, false);
}

/* Sessions that still run end with the process, as their sockets do; what lies spare is given back. */
static void stop_worker(struct loop *l)
{
	sessions_trim();
	upstreams_trim();
	pipes_trim();
	segment_pool_trim(0);
}

static struct start_hooks hooks = {
	.name = "streams",
	.open = listeners_bind,
	.worker_start = listeners_start,
	.soft_stop = begin_soft_stop,
	.busy = sessions_busy,
	.pause = pause_listening,
	.resume = resume_listening,
	.worker_stop = stop_worker,
};

void stream_module_init(void)
{
	ends_init();
	tcp_init();
	upstream_init();
	upstream_sni_init();
	listener_bind_init();
	process_rate_init();
	splice_init();
	source_init();
	direct_init();
	socket_options_init();
	proxy_accept_init();
	proxy_send_init();
	socks4_init();
	proxy_tls_init();
	stream_keywords_init();
	start_register(&hooks);
	sockmap_init();
	bypass_init();
}
