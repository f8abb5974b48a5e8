// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * A server state file of any bytes: it is refused with a warning, or the servers begin as it says, and what is said about them
 * afterwards (`show servers state`, a check that ends) still holds.
 */
#include <stdlib.h>
#include <string.h>

#include "admin/cli.h"
#include "balance/balance.h"
#include "check/check.h"
#include "check/state_file.h"
#include "config/reader.h"
#include "log/log.h"
#include "loop/thread.h"
#include "policy/rules.h"
#include "stream/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char text[] =
	"global\n server-state-file /dev/null\n"
	"defaults\n load-server-state-from-file global\n"
	"backend b\n server s 127.0.0.1:9 check\n server t localhost:9 weight 3\n"
	" server u 127.0.0.1:+1 disabled\n server v /sock check agent-check agent-port 3\n"
	"backend c\n balance leastconn\n server s [::1]:9 track b/s\n server d 127.0.0.2:1 "
	"backup\n";

static struct diag said;

static void setup(void)
{
	this_loop = &control_loop;
	if (loop_init(&control_loop, 1))
		abort();
	worker_count = 1;
	config_language_init();
	balance_init();
	policy_init();
	log_init();
	admin_init();
	stream_module_init();
	check_init();
	state_file_init();
	diag_init(&said);
	config = config_new(&said);
	if (config_read_text(config, "fuzz", slice_z(text)) || config_finish(config) ||
	    said.errors) {
		diag_print(&said, stderr, DIAG_NOTICE);
		abort();
	}
}

/* What is wrong would show when it is looked at. */
static void look(void)
{
	struct strbuf b = STRBUF_INIT;
	struct proxy *px;
	struct server *s;

	stats_csv(&b, NULL, -1, -1);
	list_for_each_entry(px, &config->proxies, node)
		list_for_each_entry(s, &px->servers, node) {
			struct check *c = check_of(s);
			int weight = atomic_load(&s->live.uweight);

			if (weight < 0 || weight > 256)
				abort();
			if (c) {
				c->running = true;
				check_say(c, CHECK_L4CON, 0, "refused");
				c->running = true;
				check_say(c, CHECK_L4OK, 0, NULL);
				timer_cancel(&control_loop, &c->timer);
			}
		}
	strbuf_fini(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int n, before;
	char *copy;

	if (!config)
		setup();
	if (memchr(data, 0, size))
		return 0;
	copy = malloc(size + 1);
	memcpy(copy, data, size);
	copy[size] = 0;
	before = said.warnings;
	n = state_text_restore(config, copy);
	if (n && said.warnings != before)
		abort(); /* a file counts as a whole */
	free(copy);
	look();
	diag_fini(&said);
	diag_init(&said);
	return 0;
}
