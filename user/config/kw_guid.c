// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * `guid` of proxies and servers, `guid-prefix` of bind lines: names that are unique in the whole configuration, for whoever
 * reads it by program. That they are unique is all they do here. Control thread, before the workers start.
 */
#include <stdlib.h>

#include "config/keyword.h"
#include "config/language.h"
#include "model/server.h"

#define GUID_MAX 127

struct guid {
	const char *text;
	struct place at;
	int order;
};
static struct guid *guids;
static int nguids;

static int note(struct cfg_line *l, int word)
{
	const char *z = l->words[word].z;

	if (!*z || strlen(z) > GUID_MAX)
		return cfg_error(l, word, "a guid has 1 to %d characters", GUID_MAX);
	for (const char *p = z; *p; p++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:",
			    *p))
			return cfg_error(l, word,
					 "guid '%s': '%c' is not allowed, only letters, digits, "
					 "'-', '_', '.' and ':'",
					 z, *p);
	guids = xrealloc(guids, (size_t)(nguids + 1) * sizeof(*guids));
	guids[nguids] = (struct guid){ z, cfg_place(l, word), nguids };
	nguids++;
	return 0;
}

static int parse_proxy_guid(struct cfg_line *l)
{
	return cfg_want_args(l, 1, 1, "guid <text>") ? -1 : note(l, l->first_arg);
}

static int take(struct cfg_line *l, int *i)
{
	int at = *i;

	if (at + 1 >= l->nwords)
		return cfg_error(l, l->nwords, "'%s' needs a text", l->words[at].z);
	*i = at + 2;
	return note(l, at + 1);
}

static int opt_bind_prefix(struct cfg_line *l, int *i, struct bind_conf *b)
{
	return take(l, i);
}

static int opt_server_guid(struct cfg_line *l, int *i, struct server *s)
{
	return take(l, i);
}

static int by_text(const void *a, const void *b)
{
	const struct guid *x = a, *y = b;
	int c = strcmp(x->text, y->text);

	return c ? c : x->order - y->order;
}

static void check_unique(struct config *cfg, struct diag *d)
{
	if (!nguids)
		return;
	qsort(guids, (size_t)nguids, sizeof(*guids), by_text);
	for (int i = 1; i < nguids; i++)
		if (!strcmp(guids[i].text, guids[i - 1].text))
			diag_error(d, guids[i].at, "guid '%s' is already used at %s:%d",
				   guids[i].text, guids[i - 1].at.file, guids[i - 1].at.line);
	free(guids); /* their texts are this configuration's */
	guids = NULL;
	nguids = 0;
}

#define HELP "A name that must be unique in the whole configuration; nothing else follows from it."

static const struct cfg_keyword rows[] = {
	{ "guid", CFG_LISTEN, parse_proxy_guid, KERNEL_EXACT, NULL, "guid <text>", HELP },
};
static const struct bind_option bind_options[] = {
	{ "guid-prefix", opt_bind_prefix, KERNEL_EXACT, NULL, "guid-prefix <text>", HELP },
};
static const struct server_option server_options[] = {
	{ "guid", opt_server_guid, KERNEL_EXACT, NULL, "guid <text>", HELP },
};
static const struct cfg_check checks[] = {
	{ "guids", CFG_PHASE_RESOLVE, check_unique },
};

void kw_guid_init(void)
{
	cfg_register_keywords(rows, ARRAY_SIZE(rows));
	cfg_register_bind_options(bind_options, ARRAY_SIZE(bind_options));
	cfg_register_server_options(server_options, ARRAY_SIZE(server_options));
	cfg_register_checks(checks, ARRAY_SIZE(checks));
}
