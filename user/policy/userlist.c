// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * userlist.c - users with clear or hashed passwords (crypt(3)) and their groups. Hashing is expensive by intent, and a client
 * sends its password with every request: each thread keeps digests of what was right lately.
 */
#include <crypt.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "model/config.h"
#include "policy/userlist.h"

struct user_account {
	struct list node;
	const char *name, *password;
	bool hashed;
	const char **groups;
	int ngroups;
};

struct group {
	struct list node;
	const char *name;
	const char *users; /* as written */
	struct place at;
};

struct userlist {
	struct list node;
	const char *name;
	struct list users, groups;
};

static struct list lists = LIST_INIT(lists);
static const struct config *lists_of; /* the configuration they belong to */
static struct userlist *open_list;

struct userlist *userlist_find(const char *name)
{
	struct userlist *u;

	list_for_each_entry(u, &lists, node)
		if (!strcmp(u->name, name))
			return u;
	return NULL;
}

/* ---- the section ---- */

static int begin(struct cfg_line *l)
{
	struct userlist *u;

	open_list = NULL;
	if (lists_of != l->cfg) {
		list_init(&lists);
		lists_of = l->cfg;
	}
	if (l->nwords != 2)
		return cfg_error(l, l->nwords > 2 ? 2 : 0,
				 "a userlist has one name: userlist <name>");
	if (userlist_find(l->words[1].z))
		return cfg_error(l, 1, "userlist '%s' is there already", l->words[1].z);
	u = ARENA_NEW(l->arena, struct userlist);
	u->name = arena_strdup(l->arena, l->words[1].z);
	list_init(&u->users);
	list_init(&u->groups);
	list_add_tail(&lists, &u->node);
	open_list = u;
	return 0;
}

static struct user_account *user_find(const struct userlist *u, struct slice name)
{
	struct user_account *a;

	list_for_each_entry(a, &u->users, node)
		if (slice_eq_z(name, a->name))
			return a;
	return NULL;
}

static struct group *group_find(const struct userlist *u, struct slice name)
{
	struct group *g;

	list_for_each_entry(g, &u->groups, node)
		if (slice_eq_z(name, g->name))
			return g;
	return NULL;
}

static void join(struct user_account *a, const struct group *g, struct arena *arena)
{
	const char **groups = arena_alloc(arena, sizeof(*groups) * (a->ngroups + 1));

	for (int i = 0; i < a->ngroups; i++) {
		if (!strcmp(a->groups[i], g->name))
			return;
		groups[i] = a->groups[i];
	}
	groups[a->ngroups++] = g->name;
	a->groups = groups;
}

static bool next_name(const char **rest, struct slice *name)
{
	size_t n = strcspn(*rest, ",");

	if (!**rest)
		return false;
	*name = slice_make(*rest, n);
	*rest += n + ((*rest)[n] == ',');
	return true;
}

static int parse_group(struct cfg_line *l)
{
	struct group *g;

	if (l->nwords < 2)
		return cfg_error(l, 0, "usage: group <name> [users <user>,...]");
	if (group_find(open_list, slice_z(l->words[1].z)))
		return cfg_error(l, 1, "group '%s' is there already", l->words[1].z);
	if (l->nwords > 2 && (strcmp(l->words[2].z, "users") || l->nwords != 4))
		return cfg_error(l, 2,
				 "'users <user>,...' is all that may stand behind a group's name");
	g = ARENA_NEW(l->arena, struct group);
	g->name = arena_strdup(l->arena, l->words[1].z);
	g->users = l->nwords == 4 ? arena_strdup(l->arena, l->words[3].z) : "";
	g->at = cfg_place(l, 1);
	list_add_tail(&open_list->groups, &g->node);
	return 0;
}

static int user_password(struct cfg_line *l, int i, struct user_account *a, bool hashed)
{
	char *copy = arena_strdup(l->arena, l->words[i].z);
	struct crypt_data *data = xzalloc(sizeof(*data));

	a->password = copy;
	a->hashed = hashed;
	if (hashed) {
		const char *test = crypt_r("", copy, data);

		if (!test || test[0] == '*') {
			free(data);
			return cfg_error(l, i,
					 "crypt(3) of this system does not know the kind of this "
					 "password; clear text stands behind "
					 "'insecure-password'");
		}
	}
	free(data);
	return 0;
}

static int parse_user(struct cfg_line *l)
{
	struct user_account *a = ARENA_NEW(l->arena, struct user_account);

	if (l->nwords < 2)
		return cfg_error(l, 0,
				 "usage: user <name> [password|insecure-password <password>] "
				 "[groups <group>,...]");
	if (user_find(open_list, slice_z(l->words[1].z)))
		return cfg_error(l, 1, "user '%s' is there already", l->words[1].z);
	a->name = arena_strdup(l->arena, l->words[1].z);
	for (int i = 2; i < l->nwords; i += 2) {
		const char *z = l->words[i].z, *rest = l->words[i + 1].z;
		struct slice name;

		if (i + 1 == l->nwords)
			return cfg_error(l, i, "'%s' needs a value behind it", z);
		if (!strcmp(z, "password") || !strcmp(z, "insecure-password")) {
			if (user_password(l, i + 1, a, z[0] == 'p'))
				return -1;
			continue;
		}
		if (strcmp(z, "groups"))
			return cfg_error(l, i,
					 "'%s' is unknown here; there are password, "
					 "insecure-password and groups",
					 z);
		while (next_name(&rest, &name)) {
			struct group *g = group_find(open_list, name);

			if (!g)
				return cfg_error(l, i + 1,
						 "there is no group '%.*s' above this line",
						 SLICE_FMT(name));
			join(a, g, l->arena);
		}
	}
	list_add_tail(&open_list->users, &a->node);
	return 0;
}

static int line(struct cfg_line *l)
{
	if (!open_list)
		return 0; /* its first line was wrong, and that was said */
	if (!strcmp(l->words[0].z, "user"))
		return parse_user(l);
	if (!strcmp(l->words[0].z, "group"))
		return parse_group(l);
	return cfg_error(l, 0, "'%s' is unknown in a userlist; there are user and group",
			 l->words[0].z);
}

/* Names behind "users" may stand below. */
static int end(struct config *cfg, struct diag *d)
{
	struct group *g;
	int bad = 0;

	if (!open_list)
		return 0;
	list_for_each_entry(g, &open_list->groups, node) {
		const char *rest = g->users;
		struct slice name;

		while (next_name(&rest, &name)) {
			struct user_account *a = user_find(open_list, name);

			if (a) {
				join(a, g, &cfg->arena);
				continue;
			}
			diag_error(d, g->at, "userlist '%s': group '%s': there is no user '%.*s'",
				   open_list->name, g->name, SLICE_FMT(name));
			bad = -1;
		}
	}
	open_list = NULL;
	return bad;
}

static const struct cfg_section_row sections[] = {
	{ .name = "userlist",
	  .begin = begin,
	  .line = line,
	  .end = end,
	  .help = "Users and groups for http_auth()." },
};

/* ---- asking ---- */

#define REMEMBERED 64

static bool digest_of(const struct user_account *a, struct slice password, unsigned char out[32])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) &&
		  EVP_DigestUpdate(ctx, a->password, strlen(a->password) + 1) &&
		  EVP_DigestUpdate(ctx, password.p, password.n) &&
		  EVP_DigestFinal_ex(ctx, out, NULL);

	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool hash_matches(const struct user_account *a, const char *password)
{
	struct crypt_data *data = calloc(1, sizeof(*data));
	const char *made = data ? crypt_r(password, a->password, data) : NULL;
	bool ok = made && !strcmp(made, a->password);

	free(data);
	return ok;
}

static bool password_is_right(const struct user_account *a, struct slice password)
{
	static __thread unsigned char seen[REMEMBERED][32];
	unsigned char digest[32], *slot;
	char z[256];

	if (!a->password || password.n >= sizeof(z) || memchr(password.p, 0, password.n))
		return false;
	memcpy(z, password.p, password.n);
	z[password.n] = 0;
	if (!a->hashed)
		return password.n == strlen(a->password) &&
		       !CRYPTO_memcmp(z, a->password, password.n);
	if (!digest_of(a, password, digest))
		return hash_matches(a, z);
	slot = seen[digest[0] % REMEMBERED];
	if (!CRYPTO_memcmp(slot, digest, sizeof(digest)))
		return true;
	if (!hash_matches(a, z))
		return false;
	memcpy(slot, digest, sizeof(digest));
	return true;
}

const struct user_account *userlist_check(const struct userlist *u, struct slice name,
					  struct slice password)
{
	const struct user_account *a = user_find(u, name);

	return a && password.p && password_is_right(a, password) ? a : NULL;
}

const char *user_account_group(const struct user_account *a, int i)
{
	return i < a->ngroups ? a->groups[i] : NULL;
}

void userlist_register(void)
{
	cfg_register_sections(sections, ARRAY_SIZE(sections));
}
