// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stats_admin.c - `stats admin`: what the page's form asks for ("action=drain&b=app&s=s1&s=s2"), done to servers. Not for: the page
 * itself. The form is read by a worker; the servers are changed by the control thread.
 */
#include "stats_page.h"

#include <stdlib.h>

#include "check/check.h"
#include "loop/thread.h"
#include "model/server.h"
#include "stream/session.h"

enum { MOST_SERVERS = 256 };

struct admin_action {
	const char *name, *text;
	void (*run)(struct server *s);
};

static void run_ready(struct server *s)
{
	server_set_admin(s, 0, SRV_ADM_FMAINT | SRV_ADM_FDRAIN, NULL);
}

static void run_drain(struct server *s)
{
	server_set_admin(s, SRV_ADM_FDRAIN, SRV_ADM_FMAINT, NULL);
}

static void run_maint(struct server *s)
{
	server_set_admin(s, SRV_ADM_FMAINT, SRV_ADM_FDRAIN, NULL);
}

static void run_no_health(struct server *s)
{
	check_enable(s, false);
}

static void run_health(struct server *s)
{
	check_enable(s, true);
}

static void run_up(struct server *s)
{
	if (check_of(s))
		check_force(s, SRV_RUNNING);
}

static void run_stopping(struct server *s)
{
	if (check_of(s))
		check_force(s, SRV_STOPPING);
}

static void run_down(struct server *s)
{
	if (check_of(s))
		check_force(s, SRV_STOPPED);
}

static void run_shutdown(struct server *s)
{
	sessions_kill_server(s, 'K');
}

/* The names are those of HAProxy's form: scripts send them. */
static const struct admin_action actions[] = {
	{ "ready", "Set state to READY", run_ready },
	{ "drain", "Set state to DRAIN", run_drain },
	{ "maint", "Set state to MAINT", run_maint },
	{ "dhlth", "Health: disable checks", run_no_health },
	{ "ehlth", "Health: enable checks", run_health },
	{ "hrunn", "Health: force UP", run_up },
	{ "hnolb", "Health: force NOLB", run_stopping },
	{ "hdown", "Health: force DOWN", run_down },
	{ "shutdown", "Kill Sessions", run_shutdown },
};

void stats_admin_form(struct strbuf *o)
{
	strbuf_adds(o, "<p>With the servers that are ticked: <select name=\"action\"><option "
		       "value=\"\"></option>");
	for (size_t i = 0; i < ARRAY_SIZE(actions); i++)
		strbuf_addf(o, "<option value=\"%s\">%s</option>", actions[i].name,
			    actions[i].text);
	strbuf_adds(o, "</select> <input type=\"submit\" value=\"Apply\"></p></form>");
}

/* ---- the form ---- */

static int hex(char c)
{
	return c >= '0' && c <= '9'                     ? c - '0'
	       : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
							: -1;
}

/* "a+b%3a" in place. */
static void decode(char *z)
{
	char *to = z;

	for (; *z; z++) {
		if (*z == '%' && hex(z[1]) >= 0 && hex(z[2]) >= 0) {
			*to++ = (char)(hex(z[1]) * 16 + hex(z[2]));
			z += 2;
		} else {
			*to++ = *z == '+' ? ' ' : *z;
		}
	}
	*to = 0;
}

struct admin_order {
	struct message m;
	const struct admin_action *action;
	int n;
	struct server *servers[MOST_SERVERS];
};

static void carry_out(struct message *m)
{
	struct admin_order *order = (struct admin_order *)m;

	for (int i = 0; i < order->n; i++)
		order->action->run(order->servers[i]);
	free(order);
}

/* "#3" is the backend's number, else its name. */
static struct proxy *backend_of(const char *z)
{
	struct proxy *px;

	if (*z != '#')
		return config_find_proxy(config, z, PX_BACKEND);
	list_for_each_entry(px, &config->proxies, node)
		if ((px->caps & PX_BACKEND) && px->uuid == strtoul(z + 1, NULL, 10))
			return px;
	return NULL;
}

static struct server *server_named(struct proxy *px, const char *name)
{
	struct server *s;

	list_for_each_entry(s, &px->servers, node)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

const char *stats_admin_apply(char *form, bool (*allowed)(void *arg, const struct proxy *px),
			      void *arg)
{
	struct admin_order *order = calloc(1, sizeof(*order));
	struct proxy *px = NULL;
	char *one, *rest = form, *names[MOST_SERVERS];
	int n = 0, missing = 0;

	if (!order)
		return "ERRP";
	while ((one = strsep(&rest, "&"))) {
		char *value = strchr(one, '=');

		if (!value)
			continue;
		*value++ = 0;
		decode(value);
		if (!strcmp(one, "b"))
			px = backend_of(value);
		else if (!strcmp(one, "s") && n < MOST_SERVERS)
			names[n++] = value;
		for (size_t i = 0; !strcmp(one, "action") && i < ARRAY_SIZE(actions); i++)
			if (!strcmp(value, actions[i].name))
				order->action = &actions[i];
	}
	for (int i = 0; px && allowed(arg, px) && i < n; i++) {
		struct server *s = server_named(px, names[i]);

		if (s)
			order->servers[order->n++] = s;
		else
			missing++;
	}
	if (!order->action || !order->n) {
		const char *why = !order->action || !px || missing ? "ERRP" : "NONE";

		free(order);
		return why;
	}
	order->m.on_arrive = carry_out;
	loop_post(&control_loop, &order->m);
	return missing ? "PART" : "DONE";
}
