// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Weighted round robin gives the sequences that were recorded from Debian's haproxy 2.6 (first connections after its
 * start, one after the other), also with weights changed on the way and a full server.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "balance/wrr.h"

#define MEMBERS 10

struct recorded {
	uint32_t weight[MEMBERS];
	const char *picks;
};

/* The long ones pass the end of the window of sixteen rounds twice. */
static const struct recorded recorded[] = {
	{ { 1, 1, 1 }, "ABCABCABCAB" },
	{ { 2, 1 }, "AABAABAABAA" },
	{ { 3, 1 }, "AAABAAABAAABA" },
	{ { 1, 2 }, "BBABBABBABB" },
	{ { 1, 3 }, "BBBABBBABBBAB" },
	{ { 2, 1, 1 }, "ABACABACABACA" },
	{ { 3, 2, 1 }, "ABACABABACABABACA" },
	{ { 1, 2, 3 }, "CBCACBCBCACBCBCAC" },
	{ { 5, 3, 2 }, "ABACABABACABACABABACABACA" },
	{ { 10, 1 }, "AAAAAAAAAABAAAAAAAAAABAAAAA" },
	{ { 7, 3, 1, 2 }, "AABADABACADBAAABADABACADBAAABAD" },
	{ { 6, 5, 4, 3, 2, 1 }, "ABCADBEACBADCBAFEACBDABCADBEACBADCBAFEACBDABCAD" },
	{ { 1, 3, 3, 2, 1, 1 }, "BCDBCAEBDCFBCDBCAEBDCFBCDBC" },
	{ { 2, 1, 3, 1 }, "CACBACDCACBACDCACBA" },
	{ { 2, 3, 3, 1, 1, 3 }, "BCFABCFDBACFEBCFABCFDBACFEBCFAB" },
	{ { 3, 1, 2, 1, 3, 3 }, "AEFCAEFBACEFDAEFCAEFBACEFDAEFCA" },
	{ { 1, 2, 3, 3, 2, 2 }, "CDBECDFABCEDFCDBECDFABCEDFCDBEC" },
	{ { 3, 2, 2, 2, 1 }, "ABCADEBACDABCADEBACDABCAD" },
	{ { 4, 3, 4, 3, 1, 4, 3 }, "ACFBDACFGEBADCFGACBFDAGCFBDACFGEBADCFGACBFDAGCFBD" },
	{ { 4, 4, 1, 2, 4 }, "ABEABEDABECABEDABEABEDABECABEDABEAB" },
	{ { 3, 2, 4, 3, 4 }, "CEADCEBACDECAEDBCEADCEBACDECAEDBCEADC" },
	{ { 4, 2, 2, 1 }, "ABACABACDABACABACDABACA" },
	{ { 2, 5, 1, 3, 5, 1 }, "BEDBEABDECBEFDBAEBEDBEABDECBEFDBAEBEDBE" },
	{ { 2, 6, 3, 3, 5 }, "BECBEDBACEBDEBCBEADBECBEDBACEBDEBCBEADBECBE" },
	{ { 2, 3, 2, 1, 3 },
	  "BEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEA"
	  "BECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABEC"
	  "DBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBA"
	  "ECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECB"
	  "EABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDBAECBEABECDB" },
	{ { 2, 1, 3, 3, 3 },
	  "CDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEB"
	  "CDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEA"
	  "CDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAE"
	  "CDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEB"
	  "CDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEACDEBCDAECDEA"
	  "CDEBCDAECDEACD" },
	{ { 3, 2, 3, 2 },
	  "ACBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCA"
	  "DCBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCADCBACDABCA"
	  "CDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCAB"
	  "CDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCABCDACBADCAC"
	  "BACDABCADCBACDABCADCBACDABCADC" },
	{ { 4, 2, 2, 2, 3 },
	  "AEBACEADBEACADEBACEADBEACADEBACEADBEACADEBACEADBEACADEBACEADBEACADEBACEADBEACADE"
	  "BACEADBEACADEBACEADBEACADEBACEADBEACADEBACEADBEACADEBACEADBEACADEBACEADBEACADEBA"
	  "CEADBEACADEBACEADBEACADEBACEADBEACADEBACEADBEACAEDABEACDEABACEDABEACDEABACEDABEA"
	  "CDEABACEDABEACDEABACEDABEACDEABACEDABEACDEABACEDABEACDEABACEDABEACDEABACEDABEACD"
	  "EABACEDABEACDEABACEDABEACDEABACEDABEACDEABACEDABEACDEABACEDABEACDEABACEDABEACDEA"
	  "BACEDABEACDEABAECADEABCEADABECADEABCEADABECADE" },
	{ { 50, 30, 20 },
	  "ABACABABACABACABABACABACABABACABACABABACABACABABACABACABABACABACABABACABACABABAC"
	  "ABACABABACABACABABACABACABABACABACABABAC" },
};

static struct wrr *wrr_of(const uint32_t *weight, size_t n)
{
	struct wrr *w = wrr_new(n);
	uint32_t scaled[MEMBERS];

	assert_non_null(w);
	for (size_t i = 0; i < n; i++)
		scaled[i] = weight[i] * 16;
	wrr_set_weights(w, scaled);
	return w;
}

static void set(struct wrr *w, uint32_t a, uint32_t b, uint32_t c)
{
	uint32_t weight[3] = { a * 16, b * 16, c * 16 };

	wrr_set_weights(w, weight);
}

static bool skip_by_mask(void *ctx, uint32_t member)
{
	return *(unsigned int *)ctx >> member & 1;
}

static void expect(struct wrr *w, const char *picks, unsigned int skipped)
{
	size_t n = strlen(picks);
	char *got = calloc(n + 1, 1);

	for (size_t i = 0; i < n; i++) {
		uint32_t m = wrr_pick(w, skip_by_mask, &skipped);

		got[i] = m == WRR_NONE ? '-' : (char)('A' + m);
	}
	assert_string_equal(got, picks);
	free(got);
}

static void test_recorded(void **state)
{
	for (size_t i = 0; i < sizeof(recorded) / sizeof(recorded[0]); i++) {
		struct wrr *w = wrr_of(recorded[i].weight, MEMBERS);

		expect(w, recorded[i].picks, 0);
		wrr_free(w);
	}
}

static void test_server_out_and_back(void **state)
{
	struct wrr *w = wrr_of((uint32_t[]){ 1, 1, 1 }, 3);

	expect(w, "A", 0);
	set(w, 1, 0, 1);
	expect(w, "CACACA", 0);
	set(w, 1, 1, 1);
	expect(w, "CABCABCABCAB", 0);
	wrr_free(w);
}

static void test_weight_changes(void **state)
{
	struct wrr *w = wrr_of((uint32_t[]){ 1, 1, 1 }, 3);

	expect(w, "A", 0);
	set(w, 1, 2, 1);
	expect(w, "BCBABCBABCBABCBA", 0);
	set(w, 1, 1, 1);
	expect(w, "CABCABCABCABCABC", 0);
	wrr_free(w);

	w = wrr_of((uint32_t[]){ 3, 2, 1 }, 3);
	expect(w, "ABACABA", 0);
	set(w, 1, 2, 1);
	expect(w, "BBCBABCBABCBABCB", 0);
	wrr_free(w);
}

/* Weights set on the stats socket of the reference after so many connections. */
static void test_recorded_weight_changes(void **state)
{
	static const struct {
		uint32_t before[4];
		const char *picks;
		uint32_t after[4];
		const char *then;
	} rows[] = {
		{ { 5, 2 }, "AAABAABAAAB", { 2, 2 }, "ABABABABABABABABABABABABABABABABABABABAB" },
		{ { 5, 4, 2, 2 },
		  "ABACBADBACABDABACBADBACABDABACBADBAC",
		  { 5, 4, 3, 2 },
		  "ABDACBACBADBACABDACBACBADBACABDACBACBADB" },
		{ { 1, 2 }, "BBA", { 1, 3 }, "BBABBBABBBABBBABBBABBBABBBABBBABBBABBBAB" },
		{ { 2, 2 }, "ABABABABABA", { 5, 2 }, "BAABAAABAABAAABAABAAABAABAAABAABAAABAABA" },
		{ { 3, 2, 5 },
		  "CACBCACA",
		  { 2, 2, 5 },
		  "CBCACBCCACBCACBCCACBCACBCCACBCACBCCACBCA" },
		{ { 6, 2, 2, 6 },
		  "ADADBADC",
		  { 6, 2, 5, 6 },
		  "ADCADBCADACDACDBADCADCADBCADACDACDBADCAD" },
		{ { 3, 4 }, "BBABABABBABA", { 3, 6 }, "BABBABBABBABBABBABBABBABBABBABBABBABBABB" },
		{ { 5, 1, 5, 6 },
		  "DADCADCA",
		  { 5, 1, 6, 6 },
		  "DBCADCDACDACDACDACDBCADCDACDACDACDACDBCA" },
		{ { 3, 1, 3, 3 },
		  "ACDACDACDBACDACDACDB",
		  { 3, 1, 4, 3 },
		  "ACDACDACDBCACDACDACDBCACDACDACDBCACDACDA" },
		{ { 4, 4 }, "ABABABABAB", { 4, 5 }, "ABABABBABABABABBABABABABBABABABABBABABAB" },
		{ { 3, 4, 5 },
		  "CBCABCBCA",
		  { 3, 4, 3 },
		  "BACBABCBACBACBABCBACBACBABCBACBACBABCBAC" },
		{ { 5, 3, 2, 3 },
		  "ABADCABDAB",
		  { 5, 3, 2, 1 },
		  "ACABACABAABDCABACABAABDCABACABAABDCABACA" },
		{ { 2, 1, 2, 2 },
		  "ACDAC",
		  { 2, 1, 1, 2 },
		  "DBACDADBACDADBACDADBACDADBACDADBACDADBACDADBACDA" },
		{ { 1, 1, 3, 0 },
		  "CCACBCCACBCCACB",
		  { 1, 2, 3, 0 },
		  "CCBACBCCBACBCCBACBCCBACBCCBACBCCBACBCCBA" },
		{ { 8, 7, 2, 3 },
		  "ABABDABACB",
		  { 8, 1, 2, 3 },
		  "ADABAADACAADAADCABAADACAADAADCABAADACAADAADCABAA" },
		{ { 3, 2, 2, 3 },
		  "ADBADCABDACDB",
		  { 3, 1, 2, 3 },
		  "ADCADBACDADCADBACDADCADBACDADCADBACDADCADBACDADC" },
		{ { 6, 2, 5, 1 },
		  "ACACABCADAC",
		  { 6, 2, 5, 2 },
		  "ACBACDACABCADACACBACDACABCADACACBACDACABCADACACB" },
		{ { 2, 2, 1, 2 },
		  "A",
		  { 1, 2, 1, 2 },
		  "BDABDCBDABDCBDABDCBDABDCBDABDCBDABDCBDABDCBDABDC" },
		{ { 9, 5, 4, 4 },
		  "ABACABDACABDACBAADBACADBACABDACABDACBAADBAC",
		  { 9, 3, 4, 4 },
		  "ADBACADABCADAACBADACADBACADABCADAACBADACADBACADA" },
		{ { 1, 2, 1, 0 }, "BABCBA", { 2, 2, 1, 0 }, "BCABABCABABCABABCABABCABABCABABCAB" },
		{ { 8, 7, 2, 8 },
		  "ADBADBADCBADABDABDADBCADBADBADBADCBA",
		  { 4, 7, 2, 8 },
		  "DBDDBADBCDABDBDABDBDCABDDBADBCDABDBDABDBDCABDDBA" },
		{ { 2, 2, 3, 4 },
		  "DCDACDBDCADBCDACDBDCADBCDACDBDCA",
		  { 2, 2, 2, 4 },
		  "DBCDADBCDADBCDADBCDADBCDADBCDADBCDADBCDADBCDADBC" },
		{ { 2, 5, 4, 7 },
		  "DBDCBDACDBDBCDDBACDBDCB",
		  { 2, 8, 4, 7 },
		  "DABCDBDBCDBADBCBDBDCBDABCDBDBCDBADBCBDBDCBDABCDB" },
		{ { 1, 5, 7, 6 },
		  "CDCBDCBDCADBCCDBCDBCD",
		  { 1, 5, 7, 3 },
		  "CBDCBCBCDACBCDBCCBDCBCBCDACBCDBCCBDCBCBCDACBCDBC" },
		{ { 2, 1, 1, 0 },
		  "ABACABACABAC",
		  { 2, 1, 2, 0 },
		  "ABCACABCACABCACABCACABCACABCACABCA" },
		{ { 1, 2, 1, 0 },
		  "BABCBABCBA",
		  { 2, 2, 1, 0 },
		  "BCABABCABABCABABCABABCABABCABABCAB" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct wrr *w = wrr_of(rows[i].before, 4);
		uint32_t scaled[4];

		expect(w, rows[i].picks, 0);
		for (int k = 0; k < 4; k++)
			scaled[k] = rows[i].after[k] * 16;
		wrr_set_weights(w, scaled);
		expect(w, rows[i].then, 0);
		wrr_free(w);
	}
}

static void test_full_server_is_passed_over(void **state)
{
	struct wrr *w = wrr_of((uint32_t[]){ 3, 2, 1 }, 3);

	expect(w, "A", 0);
	expect(w, "BCBBCBBCBBCBB", 1 << 0);
	wrr_free(w);
}

static void test_all_full(void **state)
{
	struct wrr *w = wrr_of((uint32_t[]){ 2, 1, 1 }, 3);

	expect(w, "---", 7);
	expect(w, "CCC", 3);
	wrr_free(w);
}

static void test_nobody(void **state)
{
	struct wrr *w = wrr_of((uint32_t[]){ 0, 0, 0 }, 3);

	expect(w, "---", 0);
	set(w, 0, 1, 0);
	expect(w, "BBB", 0);
	set(w, 0, 0, 0);
	expect(w, "-", 0);
	wrr_free(w);
}

/* Whatever happens to the weights: afterwards everybody gets the share of the weight, evenly spread. */
static void test_shares_after_changes(void **state)
{
	enum { N = 40 };
	uint32_t weight[N], count[N], total;
	struct wrr *w = wrr_new(N);

	srandom(5);
	for (int round = 0; round < 50; round++) {
		total = 0;
		for (int i = 0; i < N; i++) {
			if (!round || random() % 4 == 0)
				weight[i] = random() % 5 ? 16 * (random() % 12) : 0;
			total += weight[i];
		}
		wrr_set_weights(w, weight);
		for (long i = random() % 3000; i > 0; i--)
			wrr_pick(w, NULL, NULL);
	}
	for (uint32_t i = 0; i < total;
	     i++) /* to the end of the window that the changes disturbed */
		wrr_pick(w, NULL, NULL);
	memset(count, 0, sizeof(count));
	for (uint32_t i = 0; i < total; i++)
		count[wrr_pick(w, NULL, NULL)]++;
	for (int i = 0; i < N; i++)
		assert_in_range(count[i] + 1, weight[i] ? weight[i] : 1,
				weight[i] ? weight[i] + 2 : 1);
	wrr_free(w);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_recorded),
		cmocka_unit_test(test_server_out_and_back),
		cmocka_unit_test(test_weight_changes),
		cmocka_unit_test(test_recorded_weight_changes),
		cmocka_unit_test(test_full_server_is_passed_over),
		cmocka_unit_test(test_all_full),
		cmocka_unit_test(test_nobody),
		cmocka_unit_test(test_shares_after_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
