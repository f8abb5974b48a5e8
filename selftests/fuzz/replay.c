// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * Runs a fuzz target without libFuzzer, for `make check`: every seed, every beginning of the short ones, then changed seeds
 * for a few seconds, the same ones each time. Finds what was broken lately, not what nobody has met: that is
 * `make fuzz`. Linked with one *_fuzz.c.
 */
#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

#define MAX_SEEDS     512
#define MAX_BYTES     65536
#define CUT_LIMIT     512
#define SECONDS       3
#define INPUT_LIMIT_S 10

struct seed {
	char *name;
	uint8_t *bytes;
	size_t n;
};
static struct seed seeds[MAX_SEEDS];
static size_t nseeds;
static uint8_t now[MAX_BYTES]; /* the input that runs, for who reads the report */
static size_t now_n;
static uint64_t random_state = 88172645463325252ull;
static const char *target;

/* Marsaglia's xorshift64. */
static uint64_t random_next(void)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	return random_state ^= random_state << 17;
}

static void put(const char *z)
{
	if (write(1, z, strlen(z)) < 0)
		_exit(1);
}

/* Async-signal-safe: the input goes out as hexadecimal digits. */
static void on_crash(int sig)
{
	static const char hex[] = "0123456789abcdef";

	put("not ok 1 - ");
	put(target);
	put(sig == SIGALRM ? ": an input takes too long" : ": an input crashes it");
	put("\n# put it into its seeds with the fix: ");
	for (size_t i = 0; i < now_n && i < 4096; i++) {
		char two[3] = { hex[now[i] >> 4], hex[now[i] & 15], 0 };

		put(two);
	}
	put("\n");
	_exit(1);
}

static void run(const uint8_t *bytes, size_t n)
{
	uint8_t *exact = malloc(n ? n : 1); /* so that reading behind its end shows under ASan */

	memcpy(now, bytes, n);
	now_n = n;
	memcpy(exact, bytes, n);
	alarm(INPUT_LIMIT_S);
	LLVMFuzzerTestOneInput(exact, n);
	alarm(0);
	free(exact);
}

static void load(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	char path[4096];

	while (d && (e = readdir(d)) && nseeds < MAX_SEEDS) {
		struct seed *s = &seeds[nseeds];
		FILE *f;

		snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
		if (e->d_name[0] == '.' || !(f = fopen(path, "rb")))
			continue;
		s->bytes = malloc(MAX_BYTES);
		s->n = fread(s->bytes, 1, MAX_BYTES, f);
		s->name = strdup(e->d_name);
		fclose(f);
		nseeds++;
	}
	if (d)
		closedir(d);
}

/* One to eight small changes: bits, bytes, pieces of other seeds, cuts. */
static size_t change(uint8_t *b, size_t n)
{
	for (uint64_t k = random_next() % 8 + 1; k; k--) {
		const struct seed *other = &seeds[random_next() % nseeds];
		size_t at = n ? random_next() % n : 0, piece;

		switch (random_next() % 6) {
		case 0:
			if (n)
				b[at] ^= (uint8_t)(1u << random_next() % 8);
			break;
		case 1:
			if (n)
				b[at] = (uint8_t)random_next();
			break;
		case 2: /* one byte more */
			if (n && n < MAX_BYTES) {
				memmove(b + at + 1, b + at, n - at);
				b[at] = "\0\xff\n\r :,\"'\\;=/%0"[random_next() % 15];
				n++;
			}
			break;
		case 3: /* some fewer */
			piece = n - at < 16 ? n - at : random_next() % 16;
			memmove(b + at, b + at + piece, n - at - piece);
			n -= piece;
			break;
		case 4: /* the tail of another seed */
			piece = other->n ? random_next() % other->n : 0;
			if (at + piece <= MAX_BYTES) {
				memcpy(b + at, other->bytes + other->n - piece, piece);
				n = at + piece;
			}
			break;
		default: /* a piece of its own twice */
			piece = random_next() % 64;
			if (at + piece <= n && n + piece <= MAX_BYTES) {
				memmove(b + at + piece, b + at, n - at);
				n += piece;
			}
		}
	}
	return n;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

int main(int argc, char **argv)
{
	static const int fatal[] = { SIGSEGV, SIGABRT, SIGBUS, SIGFPE, SIGILL, SIGALRM };
	static uint8_t work[MAX_BYTES];
	const char *slash = strrchr(argv[0], '/');
	char dir[4096];
	uint64_t end, runs = 0;

	target = strdup(slash ? slash + 1 : argv[0]);
	snprintf(dir, sizeof(dir), "selftests/fuzz/corpus/%.*s",
		 (int)(strlen(target) - strlen("_replay")), target);
	load(dir);
	if (!nseeds) {
		printf("1..1\nnot ok 1 - %s has no seeds in %s\n", target, dir);
		return 1;
	}
	for (size_t i = 0; i < sizeof(fatal) / sizeof(*fatal); i++)
		signal(fatal[i], on_crash);
	if (LLVMFuzzerInitialize)
		LLVMFuzzerInitialize(&argc, &argv);
	for (size_t i = 0; i < nseeds; i++) {
		run(seeds[i].bytes, seeds[i].n);
		for (size_t n = 0; n < seeds[i].n && n < CUT_LIMIT; n++)
			run(seeds[i].bytes, n);
	}
	end = now_ms() + SECONDS * 1000;
	for (; now_ms() < end; runs++) {
		const struct seed *s = &seeds[random_next() % nseeds];

		memcpy(work, s->bytes, s->n);
		run(work, change(work, s->n));
	}
	fflush(stdout); /* what a target printed must not hide the verdict */
	printf("\nok 1 - %s: %zu seeds and their beginnings, %llu changed ones\n1..1\n", target,
	       nseeds, (unsigned long long)runs);
	return 0;
}
