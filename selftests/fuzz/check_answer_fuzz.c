// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * What servers and agents answer to health checks, byte for byte theirs: the first byte chooses the backend, the second where the
 * answer is cut in two. What must hold: after the end of the stream each check has a verdict, whose words are a text.
 */
#include <stdlib.h>
#include <string.h>

#include "balance/balance.h"
#include "check/check.h"
#include "check/tcp_rules.h"
#include "check_http.h"
#include "config/reader.h"
#include "log/log.h"
#include "loop/thread.h"
#include "policy/http_policy.h"
#include "policy/rules.h"
#include "stream/session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of each backend: its lines, and the words of its server's. */
static const char *const backends[][2] = {
	{ " option mysql-check", "check" },
	{ " option mysql-check user u", "check" },
	{ " option pgsql-check user u", "check" },
	{ " option redis-check", "check" },
	{ " option smtpchk", "check" },
	{ " option ldap-check", "check" },
	{ " option ssl-hello-chk", "check" },
	{ " option httpchk GET /\n http-check expect rstatus ^2", "check" },
	{ " option httpchk\n http-check expect string ok", "check" },
	{ " option httpchk\n http-check expect ! rstring ^[a-z]+", "check" },
	{ " option tcp-check\n tcp-check expect rstring ^[a-z]+ok\n"
	  " tcp-check send-lf x%[res.payload(0,4)]\n"
	  " tcp-check expect binary 00ff01\n"
	  " tcp-check expect min-recv 5 on-error %[res.payload(0,0),hex]"
	  " status-code res.payload(0,3) ! rbinary FF00",
	  "check" },
	{ "", "agent-check agent-port 9 weight 5" },
};

static struct check *checks[32];
static unsigned int nchecks;

static void setup(void)
{
	static struct diag d;
	struct strbuf text = STRBUF_INIT;
	struct proxy *px;

	for (size_t i = 0; i < ARRAY_SIZE(backends); i++)
		strbuf_addf(&text, "backend b%zu\n mode tcp\n%s\n server s 127.0.0.1:9 %s\n", i,
			    backends[i][0], backends[i][1]);
	this_loop = &control_loop;
	if (loop_init(&control_loop, 1))
		abort();
	worker_count = 1;
	config_language_init();
	balance_init();
	policy_init();
	log_init();
	stream_module_init();
	http_policy_init();
	check_init();
	check_http_init();
	diag_init(&d);
	config = config_new(&d);
	if (config_read_text(config, "fuzz", strbuf_slice(&text)) || config_finish(config) ||
	    d.errors) {
		diag_print(&d, stderr, DIAG_NOTICE);
		abort();
	}
	strbuf_fini(&text);
	list_for_each_entry(px, &config->proxies, node) {
		struct server *s = list_first(&px->servers, struct server, node);

		checks[nchecks++] = check_of(s) ? check_of(s) : check_agent_of(s);
	}
}

/* As run.c does it behind an established connection; nothing is sent. */
static void start(struct check *c)
{
	c->running = c->asked = true;
	c->sent = 0;
	c->eof = false;
	if (c->type->begin)
		c->type->begin(c);
	if (c->type->established)
		c->type->established(c);
	else
		c->type->request(c, &c->out);
}

/* In memory that ends where the answer does. */
static void receive(struct check *c, const uint8_t *data, size_t n, bool eof)
{
	c->sent = c->out.n;
	strbuf_add(&c->in, data, n);
	c->eof = eof;
	if (c->in.n || eof || c->type->stepwise)
		c->type->judge(c, strbuf_slice(&c->in), eof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct check *c;
	size_t cut;

	if (!nchecks)
		setup();
	if (size < 2 || size > 60000)
		return 0;
	c = checks[data[0] % nchecks];
	cut = data[1] % (size - 1);
	start(c);
	if (c->running)
		receive(c, data + 2, cut, false);
	if (c->running)
		receive(c, data + 2 + cut, size - 2 - cut, true);
	if (c->running || !memchr(c->info, 0, sizeof(c->info)) || c->status == CHECK_INI)
		abort();
	timer_cancel(&control_loop, &c->timer);
	return 0;
}
