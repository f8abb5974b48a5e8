// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Registers what the language has without any other module.
 */
#include "config/language.h"

#include "config/default_rules.h"

void config_language_init(void)
{
	default_rules_init();
	kw_global_init();
	kw_process_init();
	kw_accepted_init();
	kw_tune_init();
	kw_environment_init();
	kw_proxy_init();
	kw_guid_init();
	kw_option_init();
	kw_timeout_init();
	kw_bind_init();
	kw_server_init();
	kw_server_start_init();
	checks_init();
	warnings_init();
}
