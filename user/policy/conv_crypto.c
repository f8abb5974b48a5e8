// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * conv_crypto.c - keyed converters: hmac, AES-GCM, comparing in constant time. Keys are texts in base64, or variables that
 * hold such texts. Any worker; OpenSSL's contexts are made per call.
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "policy/conv_crypto.h"
#include "policy/rules_priv.h"
#include "policy/sample_util.h"
#include "policy/vars.h"

#define MOST_BYTES (1u << 20)
#define TAG_BYTES  16

/* ---- arguments ---- */

bool text_or_var_check(struct cfg_line *l, int word, struct smp_arg *arg, bool must_be_var)
{
	if (!must_be_var && !vars_is_name(arg->s))
		return true;
	arg->ptr = vars_name(l, word, arg->s);
	return arg->ptr != NULL;
}

bool text_or_var(const struct smp_arg *arg, const struct smp_ctx *ctx, struct slice *out)
{
	struct sample s;

	*out = arg->s;
	if (!arg->ptr)
		return true;
	if (!vars_get(arg->ptr, ctx, &s) || !sample_cast(&s, SMP_STR, ctx))
		return false;
	*out = s.u.s;
	return true;
}

bool base64_decode(struct slice s, const struct smp_ctx *ctx, struct slice *out)
{
	unsigned char *buf;
	size_t pad = 0;
	int n;

	if (s.n % 4 || s.n > MOST_BYTES)
		return false;
	buf = (unsigned char *)smp_alloc(ctx, s.n / 4 * 3 + 1);
	n = buf ? EVP_DecodeBlock(buf, (const unsigned char *)s.p, (int)s.n) : -1;
	if (n < 0)
		return false;
	while (pad < 2 && pad < s.n && s.p[s.n - 1 - pad] == '=')
		pad++;
	*out = slice_make((char *)buf, (size_t)n - pad);
	return true;
}

/* The bytes of a base64 argument. */
static bool arg_bytes(const struct smp_arg *arg, const struct smp_ctx *ctx, struct slice *out)
{
	struct slice text;

	return text_or_var(arg, ctx, &text) && base64_decode(text, ctx, out);
}

/* A fixed argument is looked at when the file is read. */
static int check_base64(struct cfg_line *l, int word, const char *conv, struct smp_arg *arg)
{
	struct smp_ctx ctx = { .scratch = l->arena };
	struct slice bytes;

	if (!text_or_var_check(l, word, arg, false))
		return -1;
	if (!arg->ptr && !base64_decode(arg->s, &ctx, &bytes))
		return cfg_error(l, word, "converter '%s': '%.*s' is neither base64 nor a variable",
				 conv, SLICE_FMT(arg->s));
	return 0;
}

/* ---- hmac(digest,key) ---- */

static int check_hmac(struct cfg_line *l, int word, struct smp_arg *args)
{
	args[0].ptr = (void *)EVP_get_digestbyname(args[0].s.p);
	if (!args[0].ptr)
		return cfg_error(l, word,
				 "converter 'hmac': OpenSSL knows no digest '%.*s'; sha256 is one",
				 SLICE_FMT(args[0].s));
	return check_base64(l, word, "hmac", &args[1]);
}

static bool conv_hmac(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	unsigned char *buf = (unsigned char *)smp_alloc(ctx, EVP_MAX_MD_SIZE);
	unsigned int n = 0;
	struct slice key;

	if (!buf || !arg_bytes(&args[1], ctx, &key) ||
	    !HMAC(args[0].ptr, key.p, (int)key.n, (const unsigned char *)smp->u.s.p, smp->u.s.n,
		  buf, &n))
		return false;
	return smp_bin(smp, slice_make((char *)buf, n));
}

/* ---- AES-GCM (NIST SP 800-38D) ---- */

static int check_gcm(struct cfg_line *l, int word, struct smp_arg *args)
{
	bool enc = args[SMP_MAX_ARGS - 1].i;
	const char *name = enc ? "aes_gcm_enc" : "aes_gcm_dec";

	if (args[0].i != 128 && args[0].i != 192 && args[0].i != 256)
		return cfg_error(l, word, "converter '%s': the key has 128, 192 or 256 bits", name);
	if (check_base64(l, word, name, &args[1]) || check_base64(l, word, name, &args[2]))
		return -1;
	if (enc)
		return text_or_var_check(l, word, &args[3], true) ? 0 : -1;
	return check_base64(l, word, name, &args[3]);
}

struct gcm {
	struct slice nonce, key, tag;
	const EVP_CIPHER *cipher;
};

static bool gcm_args(const struct smp_arg *args, const struct smp_ctx *ctx, struct gcm *g)
{
	g->cipher = args[0].i == 128   ? EVP_aes_128_gcm()
		    : args[0].i == 192 ? EVP_aes_192_gcm()
				       : EVP_aes_256_gcm();
	return arg_bytes(&args[1], ctx, &g->nonce) && arg_bytes(&args[2], ctx, &g->key) &&
	       g->nonce.n && (int64_t)g->key.n == args[0].i / 8;
}

static bool gcm_run(const struct gcm *g, EVP_CIPHER_CTX *c, struct slice in, unsigned char *out,
		    bool enc)
{
	const unsigned char *key = (const unsigned char *)g->key.p,
			    *nonce = (const unsigned char *)g->nonce.p;
	int n = 0, last = 0;

	if (!EVP_CipherInit_ex(c, g->cipher, NULL, NULL, NULL, enc) ||
	    !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_IVLEN, (int)g->nonce.n, NULL) ||
	    !EVP_CipherInit_ex(c, NULL, NULL, key, nonce, enc) ||
	    !EVP_CipherUpdate(c, out, &n, (const unsigned char *)in.p, (int)in.n))
		return false;
	if (!enc && !EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_SET_TAG, (int)g->tag.n, (void *)g->tag.p))
		return false;
	return EVP_CipherFinal_ex(c, out + n, &last) > 0 && (size_t)n == in.n;
}

static bool gcm_keep_tag(EVP_CIPHER_CTX *c, const struct smp_arg *arg, const struct smp_ctx *ctx)
{
	unsigned char tag[TAG_BYTES], text[TAG_BYTES * 2];
	struct sample s = { .type = SMP_STR };

	if (!EVP_CIPHER_CTX_ctrl(c, EVP_CTRL_GCM_GET_TAG, TAG_BYTES, tag))
		return false;
	s.u.s = slice_make((char *)text, (size_t)EVP_EncodeBlock(text, tag, TAG_BYTES));
	return vars_set(arg->ptr, ctx, &s);
}

static bool conv_gcm(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	bool enc = args[SMP_MAX_ARGS - 1].i, ok;
	struct slice in = smp->u.s;
	unsigned char *out = in.n < MOST_BYTES ? (unsigned char *)smp_alloc(ctx, in.n + 32) : NULL;
	EVP_CIPHER_CTX *c;
	struct gcm g;

	if (!out || !gcm_args(args, ctx, &g))
		return false;
	if (!enc && (!arg_bytes(&args[3], ctx, &g.tag) || g.tag.n != TAG_BYTES))
		return false;
	c = EVP_CIPHER_CTX_new();
	ok = c && gcm_run(&g, c, in, out, enc) && (!enc || gcm_keep_tag(c, &args[3], ctx));
	EVP_CIPHER_CTX_free(c);
	return ok && smp_bin(smp, slice_make((char *)out, in.n));
}

/* ---- secure_memcmp(variable) ---- */

static bool conv_memcmp(const struct smp_arg *args, const struct smp_ctx *ctx, struct sample *smp)
{
	struct sample s;

	if (!vars_get(args[0].ptr, ctx, &s) || !sample_cast(&s, SMP_BIN, ctx))
		return false;
	return smp_bool(smp, s.u.s.n == smp->u.s.n &&
				     (!s.u.s.n || !CRYPTO_memcmp(s.u.s.p, smp->u.s.p, s.u.s.n)));
}

#define GCM(n, enc)                                                                              \
	.name = n, .in = SMP_BIN, .out = SMP_BIN, .min_args = 4, .max_args = 4,                  \
	.args = { ARG_INT, ARG_STR, ARG_STR, ARG_STR }, .convert = conv_gcm, .check = check_gcm, \
	.priv = enc, .flags = FETCH_NO_INDEX

static const struct converter_row rows[] = {
	{ .name = "hmac",
	  .in = SMP_BIN,
	  .out = SMP_BIN,
	  .min_args = 2,
	  .max_args = 2,
	  .args = { ARG_STR, ARG_STR },
	  .convert = conv_hmac,
	  .check = check_hmac,
	  .flags = FETCH_NO_INDEX,
	  .help = "The message authentication code with a digest (sha256...) and a key in base64, "
		  "or "
		  "a variable." },
	{ GCM("aes_gcm_dec", 0), .help = "Decrypts AES-GCM: bits, nonce, key and tag, each in "
					 "base64 or a variable; nothing "
					 "when the tag does not fit." },
	{ GCM("aes_gcm_enc", 1), .help = "Encrypts by AES-GCM: bits, nonce and key in base64 or "
					 "variables, and the variable "
					 "that gets the tag." },
	{ .name = "secure_memcmp",
	  .in = SMP_BIN,
	  .out = SMP_BOOL,
	  .min_args = 1,
	  .max_args = 1,
	  .args = { ARG_VAR },
	  .convert = conv_memcmp,
	  .flags = FETCH_NO_INDEX,
	  .help = "Equal to a variable; the time it takes does not say where they differ." },
};

void conv_crypto_register(void)
{
	converter_register(rows, ARRAY_SIZE(rows));
}
