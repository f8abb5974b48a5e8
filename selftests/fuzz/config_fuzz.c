// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Fuzzes the configuration reader with every module's words: any text must give a model or messages, never a crash.
 * Names are not looked up, nothing is opened.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin/cli.h"
#include "balance/balance.h"
#include "balance_http.h"
#include "check/check.h"
#include "check/state_file.h"
#include "check_http.h"
#include "config/reader.h"
#include "datapath/datapath.h"
#include "health_mode.h"
#include "http/conf.h"
#include "log/log.h"
#include "loop/thread.h"
#include "policy/http_policy.h"
#include "policy/pattern_ref.h"
#include "policy/rules.h"
#include "policy/vars.h"
#include "stats_page.h"
#include "stick/config.h"
#include "stream/session.h"
#include "stream/steering.h"
#include "transport/tls.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

const char *__asan_default_options(void);

static FILE *nowhere;

/* A configuration lives as long as its process, and so does what modules allocate for it. */
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	config_language_init();
	balance_init();
	policy_init();
	stick_init();
	log_init();
	admin_init();
	pattern_cli_init();
	vars_cli_init();
	tls_module_init();
	stream_module_init();
	http_init();
	health_mode_init();
	http_policy_init();
	balance_http_init();
	check_init();
	check_http_init();
	stats_page_init();
	steering_init();
	datapath_init();
	state_file_init();
	config_reading.no_getaddrinfo = true;
	worker_count = 2;
	nowhere = fopen("/dev/null", "w");
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct diag d;

	diag_init(&d);
	config = config_new(&d);
	config_read_text(config, "fuzz.cfg", slice_make(data, size));
	config_finish(config);
	diag_print(&d, nowhere, DIAG_NOTICE);
	diag_fini(&d);
	arena_fini(&config->arena);
	free(config);
	config = NULL;
	return 0;
}
