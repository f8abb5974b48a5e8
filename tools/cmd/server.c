/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * server.c - `lbadm server BACKEND/NAME weight N|drain|ready|maint`: through the daemon where it runs, so that both
 * agree; straight into the pinned maps where it does not.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lbadm_client.h"
#include "lbadm_set.h"

static const struct verb {
	const char *word;
	bool takes_value, up; /* up: what the maps are told without a daemon */
} verbs[] = {
	{ "drain", false, false },
	{ "maint", false, false },
	{ "ready", false, true },
	{ "weight", true, true },
};

static const struct verb *find_verb(const char *word)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].word, word) == 0)
			return &verbs[i];
	return NULL;
}

static int through_daemon(struct adm *a, const char *socket, const struct verb *v, const char *name,
			  const char *value)
{
	char command[600];
	char *reply;
	int err;

	if (v->takes_value)
		snprintf(command, sizeof(command), "set server %s weight %s", name, value);
	else
		snprintf(command, sizeof(command), "set server %s state %s", name, v->word);
	if (a->dry_run) {
		adm_say(a, "would tell the daemon at %s: %s", socket, command);
		return ADM_OK;
	}
	err = client_ask(socket, command, &reply);
	if (err)
		return adm_fail("the daemon does not answer at %s: %s", socket, strerror(-err));
	if (reply[strspn(reply, "\n ")]) {
		fprintf(stderr, "lbadm: the daemon says: %s", reply);
		free(reply);
		return ADM_FAILED;
	}
	free(reply);
	adm_audit("server %s %s%s%s, through the daemon", name, v->word, v->takes_value ? " " : "",
		  v->takes_value ? value : "");
	adm_say(a, "%s: %s%s%s, told the daemon at %s; it lives until a reload", name, v->word,
		v->takes_value ? " " : "", v->takes_value ? value : "", socket);
	return ADM_OK;
}

static int into_maps(struct adm *a, struct lbdmap_set *set, const struct verb *v, const char *name)
{
	uint32_t slot = adm_slot(set, LBD_META_SERVER, name);
	const struct lbd_server *s = slot ? lbdmap_server(set, slot) : NULL;
	int err;

	if (!s)
		return adm_fail(
			"there is no server '%s' in %s; 'lbadm servers' lists them as BACKEND/NAME",
			name, a->pin);
	if (v->takes_value)
		return adm_fail("a weight needs the daemon, which builds the tables, and none is "
				"running; drain and ready work without it");
	if (a->dry_run) {
		adm_say(a, "would mark %s in the pinned maps: %s -> %s", name,
			s->flags & LBD_SRV_UP ? "takes new flows" : "takes none",
			v->up ? "takes new flows" : "takes none");
		return ADM_OK;
	}
	if (adm_own(set))
		return ADM_FAILED;
	err = lbdmap_server_state(set, slot, v->up, false);
	if (err)
		return adm_fail("writing the map failed: %s; nothing was changed", strerror(-err));
	adm_audit("server %s %s, in the pinned maps (was %s)", name, v->word,
		  s->flags & LBD_SRV_UP ? "up" : "down");
	adm_say(a,
		"%s: %s, written into the pinned maps (no daemon is running); it lives until lbd "
		"starts",
		name, v->word);
	return ADM_OK;
}

static int run_server(struct adm *a, int argc, char **argv)
{
	const struct verb *v = argc >= 2 ? find_verb(argv[1]) : NULL;
	char buf[NAME_MAX_TEXT];
	const char *socket;
	struct lbdmap_set *set;
	struct lbd_owner owner;
	int rc;

	if (argc < 2)
		return adm_usage("server", "a server and what to do with it are wanted");
	if (!v)
		return adm_usage("server", "'%s' is none of weight, drain, ready, maint", argv[1]);
	if (argc != (v->takes_value ? 3 : 2) || !strchr(argv[0], '/'))
		return adm_usage("server", "wanted: BACKEND/NAME, then weight with a value (50 or "
					   "50%%), drain, ready or maint");
	if (strpbrk(argv[0], " ;\n\\") || (argc == 3 && strpbrk(argv[2], " ;\n\\")))
		return adm_usage("server",
				 "names and weights have no spaces, semicolons or backslashes");
	set = adm_open(a, !a->dry_run);
	if (!set)
		return ADM_FAILED;
	socket = adm_socket(a, set, buf);
	lbdmap_owner(set, &owner);
	if (a->socket || (socket && owner.pid))
		rc = through_daemon(a, socket, v, argv[0], argc == 3 ? argv[2] : "");
	else if (owner.pid)
		rc = adm_fail("the daemon runs but has no stats socket: add 'stats socket PATH "
			      "level admin' to global, or name it with -s");
	else
		rc = into_maps(a, set, v, argv[0]);
	lbdmap_close(set);
	return rc;
}

COMMAND_TABLE(cmd_server,
	      { "server", "BACKEND/NAME weight N|drain|ready|maint",
		"Changes a server: through the daemon where it runs, else straight in the maps.",
		run_server, CMD_CHANGES });
