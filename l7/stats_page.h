/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * stats_page.h - the statistics page: what `stats ...` lines say, and the parts of the page's text.
 */
#ifndef LBD_STATS_PAGE_H
#define LBD_STATS_PAGE_H

#include "admin/stats.h"
#include "model/proxy.h"

struct stats_page { /* a proxy's part; constant once the workers run */
	bool enabled, hide_version, legends;
	const char *uri, *realm, *node, *desc;
	const char **auth, **scope; /* "user:password", section names */
	int nauth, nscope;
	uint32_t refresh_s;
	struct cond **admin; /* `stats admin`: any of them lets change servers; NULL-terminated */
};
extern struct ext stats_page_ext;
static inline struct stats_page *stats_page_of(const struct proxy *px)
{
	return proxy_ext(px, &stats_page_ext);
}

/* stats_html.c: parts of the page. */
struct stats_view {
	const struct stats_page *page;
	struct slice base; /* the page's own address, without options */
	bool hide_down, no_refresh, admin;
};
void stats_html_head(struct strbuf *o, const struct stats_view *v);
/* Where a section's table begins and ends. */
void stats_html_section(struct strbuf *o, const struct proxy *px, const struct stats_view *v);
void stats_html_section_end(struct strbuf *o, const struct proxy *px, const struct stats_view *v);
void stats_html_row(struct strbuf *o, const struct stat_obj *s, const struct stats_view *v);
void stats_html_foot(struct strbuf *o, const struct stats_view *v);
void stats_html_init(void);

/* stats_admin.c: the end of a section's form, and what it has sent, carried out by the control thread. Returns HAProxy's word for
 * what became of it: DONE, PART, NONE, ERRP. @allowed: may the servers of @px be changed from this page? */
void stats_admin_form(struct strbuf *o);
const char *stats_admin_apply(char *form, bool (*allowed)(void *arg, const struct proxy *px),
			      void *arg);

void stats_conf_init(void);
void stats_page_init(void);

#endif
