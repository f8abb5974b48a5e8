// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * An ACL or map file of any bytes, used by one method: it is refused with words and a line, or its entries can be asked, changed and
 * deleted. The first byte says which method, and how many columns.
 */
#include <stdio.h>
#include <stdlib.h>

#include "config/reader.h"
#include "model/proxy.h"
#include "policy/pattern_file.h"
#include "policy/pattern_ref.h"
#include "policy/rules.h"
#include "policy/sample_util.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

struct load {
	struct pattern_reader reader;
	struct pat_ref *ref;
};

static int entry(struct pattern_reader *reader, const char *key, const char *value, int line)
{
	struct load *f = container_of(reader, struct load, reader);

	if (!*key || line < 1)
		abort();
	return pat_gen_add(f->ref, pat_ref_current(f->ref), key, value, false, &reader->err);
}

/* Every key answers when it is asked as a text, and is gone when it is deleted. */
static void use(struct pat_ref *r, enum match_kind kind)
{
	struct pattern_error err;
	struct pat_entry *e;

	while (r->base->n) {
		struct sample s;
		char *key;

		e = list_entry(r->base->entries.next, struct pat_entry, node);
		key = strdup(e->key);
		smp_str(&s, slice_z(key));
		if (kind == MATCH_STR || kind == MATCH_BEG || kind == MATCH_END ||
		    kind == MATCH_SUB) {
			if (!live_index_find(&r->base->index[r->uses[0].index], &s, LIVE_ANY))
				abort();
		}
		if (pat_gen_find(r->base, key) == NULL)
			abort();
		if (r->two_columns && pat_ref_set_key(r, key, "x", &err) < 1)
			abort();
		if (pat_ref_delete_key(r, key) < 1 || pat_gen_find(r->base, key))
			abort();
		free(key);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const enum match_kind kinds[] = { MATCH_STR, MATCH_BEG, MATCH_END, MATCH_SUB,
						 MATCH_DIR, MATCH_DOM, MATCH_INT, MATCH_LEN,
						 MATCH_IP,  MATCH_BIN, MATCH_REG, MATCH_VERSION };
	static bool ready;
	struct cfg_word words[2] = { { .z = "acl", .n = 3 }, { .z = "" } };
	struct cfg_line l = { .words = words, .nwords = 1 };
	struct pat_use u = { .out = SMP_STR };
	struct load f = { .reader = { .path = "virt@fuzz", .entry = entry } };
	struct diag d;

	if (!ready) {
		config_language_init();
		policy_init();
		ready = true;
	}
	if (n < 2 || n > 20000)
		return 0;
	u.kind = kinds[data[0] % ARRAY_SIZE(kinds)];
	u.icase = data[0] & 0x40;
	f.reader.two_columns = data[0] & 0x80;
	diag_init(&d);
	l.diag = &d;
	l.cfg = config_new(&d);
	l.arena = &l.cfg->arena;
	f.ref = pat_ref_file(&l, 0, "virt@fuzz", f.reader.two_columns, &u, false);
	if (!f.ref)
		abort();
	if (pattern_text_read(&f.reader, (const char *)data + 1, n - 1) &&
	    (!f.reader.line || !f.reader.err.what[0] || !f.reader.err.advice))
		abort();
	use(f.ref, u.kind);
	pat_refs_free(l.cfg);
	arena_fini(&l.cfg->arena);
	free(l.cfg);
	diag_fini(&d);
	return 0;
}
