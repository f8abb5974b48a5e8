// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_hash.c - hashes: crc32, djb2, sdbm, wt6 (the functions of hash-type), XXH, SHA. With the argument 1 the 32-bit
 * ones are mixed once more ("avalanche"). Any worker.
 */
#include <openssl/evp.h>
#include <stdio.h>
#include <xxhash.h>
#include <lbd/hash.h>

#include "base/crc32c.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"

enum hash32 { HASH32_CRC32, HASH32_DJB2, HASH32_SDBM, HASH32_WT6, HASH32_CRC32C };

static bool conv_hash32(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	const __u8 *p = (const __u8 *)smp->u.s.p;
	__u32 n = (__u32)smp->u.s.n, h = 0;

	switch ((enum hash32)args[SMP_MAX_ARGS - 1].i) {
	case HASH32_CRC32:
		h = lbd_crc32(p, n);
		break;
	case HASH32_DJB2:
		h = lbd_djb2(p, n);
		break;
	case HASH32_SDBM:
		h = lbd_sdbm(p, n);
		break;
	case HASH32_WT6:
		h = lbd_wt6(p, n);
		break;
	case HASH32_CRC32C:
		h = crc32c_end(crc32c_add(CRC32C_INIT, p, n));
		break;
	}
	return smp_int(smp, args[0].i ? lbd_mix32(h) : h);
}

static bool conv_xxh32(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_int(smp, XXH32(smp->u.s.p, smp->u.s.n, (XXH32_hash_t)args[0].i));
}

static bool conv_xxh64(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_int(smp, (int64_t)XXH64(smp->u.s.p, smp->u.s.n, (XXH64_hash_t)args[0].i));
}

static bool conv_xxh3(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return smp_int(smp, (int64_t)XXH3_64bits_withSeed(smp->u.s.p, smp->u.s.n,
							  (XXH64_hash_t)args[0].i));
}

static bool digest(const char *name, const struct smp_ctx *ctx, struct sample *smp)
{
	unsigned char *buf = (unsigned char *)smp_alloc(ctx, EVP_MAX_MD_SIZE);
	const EVP_MD *md = EVP_get_digestbyname(name);
	unsigned int n;

	if (!buf || !md || !EVP_Digest(smp->u.s.p, smp->u.s.n, buf, &n, md, NULL))
		return false;
	return smp_bin(smp, slice_make(buf, n));
}

static int check_sha2(struct cfg_line *l, int word, struct smp_arg *args)
{
	int64_t bits = arg_given(args, 0) ? args[0].i : 256;

	args[0].i = bits;
	if (bits == 224 || bits == 256 || bits == 384 || bits == 512)
		return 0;
	return cfg_error(l, word,
			 "converter 'sha2': the size must be 224, 256, 384 or 512, not %lld",
			 (long long)bits);
}

static bool conv_sha2(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	char name[16];

	snprintf(name, sizeof(name), "SHA%d", (int)args[0].i);
	return digest(name, ctx, smp);
}

static bool conv_sha1(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return digest("SHA1", ctx, smp);
}

static int check_digest(struct cfg_line *l, int word, struct smp_arg *args)
{
	if (EVP_get_digestbyname(args[0].s.p))
		return 0;
	return cfg_error(l, word,
			 "the algorithm '%s' is unknown; there are md5, sha1, sha224, sha256, "
			 "sha384, sha512 ...",
			 args[0].s.p);
}

static bool conv_digest(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	return digest(args[0].s.p, ctx, smp);
}

#define HASH32(n, h)                                                                  \
	.name = n, .in = SMP_BIN, .out = SMP_INT, .max_args = 1, .args = { ARG_INT }, \
	.convert = conv_hash32, .priv = h
#define XXH(n, fn) \
	.name = n, .in = SMP_BIN, .out = SMP_INT, .max_args = 1, .args = { ARG_INT }, .convert = fn

static const struct converter_row rows[] = {
	{ HASH32("crc32", HASH32_CRC32), .help = "CRC-32 (IEEE); 1: mixed once more." },
	{ HASH32("crc32c", HASH32_CRC32C), .help = "CRC-32C (Castagnoli); 1: mixed once more." },
	{ HASH32("djb2", HASH32_DJB2), .help = "DJB2; 1: mixed once more." },
	{ HASH32("sdbm", HASH32_SDBM), .help = "SDBM; 1: mixed once more." },
	{ HASH32("wt6", HASH32_WT6), .help = "WT6; 1: mixed once more." },
	{ XXH("xxh32", conv_xxh32), .help = "XXH32 with a seed." },
	{ XXH("xxh64", conv_xxh64), .help = "XXH64 with a seed, as a signed number." },
	{ XXH("xxh3", conv_xxh3), .help = "XXH3, 64 bits, with a seed, as a signed number." },
	{ .name = "sha1",
	  .in = SMP_BIN,
	  .out = SMP_BIN,
	  .convert = conv_sha1,
	  .help = "SHA-1, 20 bytes." },
	{ .name = "sha2",
	  .in = SMP_BIN,
	  .out = SMP_BIN,
	  .max_args = 1,
	  .args = { ARG_INT },
	  .convert = conv_sha2,
	  .check = check_sha2,
	  .help = "SHA-2 of 224, 256, 384 or 512 bits." },
	{ .name = "digest",
	  .in = SMP_BIN,
	  .out = SMP_BIN,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_STR },
	  .convert = conv_digest,
	  .check = check_digest,
	  .help = "A digest by OpenSSL's name." },
};

void conv_hash_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
