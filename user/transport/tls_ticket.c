// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_ticket.c - keys of session tickets from a file (`tls-ticket-keys`), so that processes and machines resume each
 * other's sessions. Read by the control thread, used by the workers.
 *
 * A line is 48 bytes in base64 (name 16, HMAC 16, AES-128 16) or 80 (16, 32, 32 for AES-256). The last three keys decrypt,
 * the last but one encrypts, so that a new key can be known everywhere before it is used.
 */
#include "transport/tls_bind.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <string.h>

#define KEYS 3

struct ticket_key {
	unsigned char name[16], hmac[32], aes[32];
};

struct tls_tickets {
	struct ticket_key key[KEYS];
	int used;      /* index of the one that encrypts */
	size_t secret; /* bytes of hmac and of aes: 16 or 32 */
};

static int tickets_index = -1;

static struct tls_tickets *refuse(const struct tls_maker *m, const char *path, const char *what)
{
	diag_error(m->d, m->at,
		   "%s: tls-ticket-keys '%s' %s\na line for each key, three at least: 48 or 80 "
		   "random bytes in base64, "
		   "all of the same length (openssl rand -base64 80 | tr -d '\\n')",
		   m->who, path, what);
	return NULL;
}

static void take_key(struct tls_tickets *t, const unsigned char *raw, size_t secret)
{
	struct ticket_key *k = &t->key[KEYS - 1];

	memmove(&t->key[0], &t->key[1], sizeof(*k) * (KEYS - 1));
	memset(k, 0, sizeof(*k));
	memcpy(k->name, raw, 16);
	memcpy(k->hmac, raw + 16, secret);
	memcpy(k->aes, raw + 16 + secret, secret);
}

struct tls_tickets *tls_tickets_load(const struct tls_maker *m, const char *path)
{
	struct tls_tickets *t = ARENA_NEW(m->arena, struct tls_tickets);
	unsigned char raw[128];
	char line[256];
	int keys = 0;
	FILE *f = fopen(path, "re");

	if (!f)
		return refuse(m, path,
			      arena_printf(m->arena, "cannot be read: %s", strerror(errno)));
	while (fgets(line, sizeof(line), f)) {
		size_t n = strcspn(line, "\r\n"), pad = 0;
		int got;

		if (!n)
			continue;
		while (pad < 2 && pad < n && line[n - 1 - pad] == '=')
			pad++;
		got = n <= 128 && n % 4 == 0
			      ? EVP_DecodeBlock(raw, (const unsigned char *)line, (int)n) - (int)pad
			      : -1;
		if ((got != 48 && got != 80) || (keys && (size_t)got != 16 + 2 * t->secret)) {
			fclose(f);
			return refuse(m, path,
				      arena_printf(m->arena, "has a line %d that is no key",
						   keys + 1));
		}
		t->secret = got == 48 ? 16 : 32;
		take_key(t, raw, t->secret);
		keys++;
	}
	fclose(f);
	if (keys < KEYS)
		return refuse(m, path, arena_printf(m->arena, "has %d keys only", keys));
	t->used = KEYS - 2;
	return t;
}

static int set_key(const struct tls_tickets *t, int i, const unsigned char *iv,
		   EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
	const struct ticket_key *k = &t->key[i];
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)k->hmac, t->secret),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, (char *)"SHA256", 0),
		OSSL_PARAM_construct_end(),
	};

	return EVP_MAC_CTX_set_params(mac, params) &&
	       EVP_CipherInit_ex(cipher, t->secret == 32 ? EVP_aes_256_cbc() : EVP_aes_128_cbc(),
				 NULL, k->aes, iv, encrypt);
}

/* 1 good, 2 good but a new ticket is due, 0 not ours, -1 error (SSL_CTX_set_tlsext_ticket_key_evp_cb(3)). */
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char *iv, EVP_CIPHER_CTX *cipher,
		     EVP_MAC_CTX *mac, int encrypt)
{
	const struct tls_end *e = tls_conn_of(ssl)->setup->xprt_conf;
	const struct tls_tickets *t = SSL_CTX_get_ex_data(e->ctx, tickets_index);

	if (encrypt) {
		if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) <= 0)
			return -1;
		memcpy(name, t->key[t->used].name, 16);
		return set_key(t, t->used, iv, cipher, mac, 1) ? 1 : -1;
	}
	for (int i = 0; i < KEYS; i++) {
		if (memcmp(name, t->key[i].name, 16))
			continue;
		if (!set_key(t, i, iv, cipher, mac, 0))
			return -1;
		return i < t->used || SSL_version(ssl) == TLS1_3_VERSION ? 2 : 1;
	}
	return 0;
}

void tls_tickets_use(SSL_CTX *ctx, struct tls_tickets *t)
{
	if (tickets_index < 0)
		tickets_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	SSL_CTX_set_ex_data(ctx, tickets_index, t);
	SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
