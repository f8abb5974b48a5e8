// SPDX-License-Identifier: GPL-2.0-or-later
/* Lines of a crt-list: cut into words without a byte outside the line, whatever stands in it. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "transport/tls_bind.h"

static void check(const char *text, size_t n, const char *word)
{
	if (word < text || word >= text + n + 1 || word + strlen(word) > text + n)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tls_list_line line;
	const char *why = NULL;
	char *text = malloc(size + 1);

	memcpy(text, data, size);
	text[size] = 0;
	if (tls_crtlist_cut(text, &line, &why)) {
		if (line.crt)
			check(text, size, line.crt);
		for (int i = 0; i < line.noptions; i++)
			check(text, size, line.options[i]);
		for (int i = 0; i < line.nfilters; i++)
			check(text, size, line.filters[i]);
	} else if (!why) {
		abort();
	}
	free(text);
	return 0;
}
