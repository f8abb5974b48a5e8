/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * lbadm_set.c - opening the pinned set, names, ownership, audit. See lbadm_set.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "lbadm_set.h"

bool adm_may_look(const struct adm *a)
{
	return access(a->pin, R_OK | X_OK) == 0 || (errno != EACCES && errno != EPERM);
}

/* What to do about a set that cannot be opened. */
static const char *open_remedy(const struct adm *a)
{
	if (!adm_may_look(a))
		return "run lbadm as root";
	if (access(a->pin, F_OK))
		return "no kernel path is set up here: start lbd with a 'datapath interface' line, "
		       "or name the directory of "
		       "'datapath pin' with -p DIR; 'lbadm doctor' tells more";
	return "lbd pins its maps where 'datapath pin' says; name the directory with -p DIR";
}

struct lbdmap_set *adm_open(const struct adm *a, bool writable)
{
	struct lbdmap_error err = { "" };
	struct lbdmap_set *set;

	if (lbdmap_open(a->pin, writable, &set, &err) == 0)
		return set;
	adm_fail("%s\n  %s", err.text, open_remedy(a));
	return NULL;
}

char *adm_name(struct lbdmap_set *set, enum lbd_meta_kind kind, uint64_t id, char *buf)
{
	struct lbd_meta m;

	if (lbdmap_meta_get(set, kind, id, 0, &m) == 0)
		snprintf(buf, NAME_MAX_TEXT, "%s", m.text);
	else
		snprintf(buf, NAME_MAX_TEXT, "#%016" PRIx64, id);
	return buf;
}

char *adm_place(struct lbdmap_set *set, uint64_t id, char *buf)
{
	struct lbd_meta m;

	if (lbdmap_meta_get(set, LBD_META_PLACE, id, 0, &m) == 0)
		snprintf(buf, NAME_MAX_TEXT, "%s", m.text);
	else
		buf[0] = 0;
	return buf;
}

uint32_t adm_slot(struct lbdmap_set *set, enum lbd_meta_kind kind, const char *name)
{
	char text[NAME_MAX_TEXT];
	const struct lbd_service *sv;
	const struct lbd_server *s;

	for (uint32_t slot = 1; kind == LBD_META_SERVICE && (sv = lbdmap_service(set, slot));
	     slot++)
		if ((sv->flags & LBD_S_USED) &&
		    strcmp(adm_name(set, kind, sv->id, text), name) == 0)
			return slot;
	for (uint32_t slot = 1; kind == LBD_META_SERVER && (s = lbdmap_server(set, slot)); slot++)
		if ((s->flags & LBD_SRV_USED) &&
		    strcmp(adm_name(set, kind, s->id, text), name) == 0)
			return slot;
	return 0;
}

const char *adm_socket(const struct adm *a, struct lbdmap_set *set, char *buf)
{
	struct lbd_meta m;

	if (a->socket)
		return a->socket;
	if (lbdmap_meta_get(set, LBD_META_SOCKET, 0, 0, &m) || !m.text[0])
		return NULL;
	snprintf(buf, NAME_MAX_TEXT, "%s", m.text);
	return buf;
}

void adm_print_source(struct lbdmap_set *set)
{
	struct lbd_owner o;

	lbdmap_owner(set, &o);
	printf("source: pinned maps %s, generation %u; ", lbdmap_pin(set),
	       lbdmap_control(set)->generation);
	if (o.pid && lbdmap_daemon_is_alive(set))
		printf("%s pid %u is alive\n", o.program[0] ? o.program : "daemon", o.pid);
	else
		printf("no daemon is running, the programs work on\n");
}

int adm_own(struct lbdmap_set *set)
{
	struct lbdmap_error err = { "" };

	if (lbdmap_own(set, "lbadm", &err) == 0)
		return 0;
	return adm_fail("%s", err.text);
}

void adm_audit(const char *fmt, ...)
{
	const char *user = getenv("SUDO_USER") ? getenv("SUDO_USER") : getlogin();
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	openlog("lbadm", LOG_PID, LOG_AUTHPRIV);
	syslog(LOG_NOTICE, "%s (uid %u): %s", user ? user : "?", (unsigned int)getuid(), text);
	closelog();
}
