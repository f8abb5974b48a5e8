// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls_cert.c - reading a certificate with its key and chain from PEM files. See tls_cert.h. Not for: which one a client
 * gets (tls_sni.c). Control thread.
 */
#include "transport/tls_cert.h"
#include "base/arena.h"

#include <dirent.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

const char *const tls_bundle_ext[TLS_KEY_KINDS] = { ".rsa", ".ecdsa", ".dsa" };

static struct list certs;

/* The library's last reason in words, and its queue emptied. */
static const char *library_says(void)
{
	unsigned long e = ERR_peek_last_error();
	const char *z = e ? ERR_reason_error_string(e) : NULL;

	ERR_clear_error();
	return z ? z : "the library gives no reason";
}

static bool no_passphrase_asked;

/* A key with a pass phrase must not stop the start with a question on the terminal. */
static int no_passphrase(char *buf, int size, int rwflag, void *arg)
{
	no_passphrase_asked = true;
	return -1;
}

/* ---- reading ---- */

static BIO *open_file(const char *path, struct strbuf *why)
{
	FILE *f = fopen(path, "re");
	BIO *b;

	if (!f) {
		strbuf_addf(why, "cannot be read: %s", strerror(errno));
		return NULL;
	}
	b = BIO_new_fp(f, BIO_CLOSE);
	if (!b)
		fclose(f);
	return b;
}

/* Is there a private key in the file? The library's decoder does not tell "none" from "not readable". */
static bool has_key_block(BIO *b)
{
	char line[256];

	while (BIO_gets(b, line, sizeof(line)) > 0)
		if (!strncmp(line, "-----BEGIN ", 11) && strstr(line, "PRIVATE KEY-----"))
			return true;
	return false;
}

/* The first private key of the file, NULL without one; *broken: there is one, but it cannot be used. */
static EVP_PKEY *read_key(BIO *b, bool *broken, struct strbuf *why)
{
	EVP_PKEY *k;

	if (!has_key_block(b))
		return NULL;
	(void)BIO_reset(b);
	no_passphrase_asked = false;
	k = PEM_read_bio_PrivateKey(b, NULL, no_passphrase, NULL);
	*broken = !k;
	if (!k && no_passphrase_asked)
		strbuf_adds(why, "has a private key with a pass phrase: remove it (openssl pkey), "
				 "nobody can be "
				 "asked for it");
	else if (!k)
		strbuf_addf(why, "has a private key that cannot be read: %s", library_says());
	ERR_clear_error();
	return k;
}

static bool read_certs(BIO *b, struct tls_cert *c, struct strbuf *why)
{
	X509 *x;
	unsigned long e;

	c->x509 = PEM_read_bio_X509_AUX(b, NULL, no_passphrase, NULL);
	if (!c->x509) {
		e = ERR_peek_last_error();
		if (ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE)
			strbuf_adds(why,
				    "has no certificate: it must be PEM, a block that begins with "
				    "'-----BEGIN CERTIFICATE-----'");
		else
			strbuf_addf(why, "has a certificate that cannot be read: %s",
				    library_says());
		ERR_clear_error();
		return false;
	}
	while ((x = PEM_read_bio_X509(b, NULL, no_passphrase, NULL))) {
		if (!c->chain)
			c->chain = sk_X509_new_null();
		if (!c->chain || !sk_X509_push(c->chain, x)) {
			X509_free(x);
			strbuf_adds(why, "does not fit into memory");
			return false;
		}
	}
	e = ERR_peek_last_error();
	if (e && !(ERR_GET_LIB(e) == ERR_LIB_PEM && ERR_GET_REASON(e) == PEM_R_NO_START_LINE)) {
		strbuf_addf(why, "has a certificate of its chain that cannot be read: %s",
			    library_says());
		return false;
	}
	ERR_clear_error();
	return true;
}

static void key_path_of(const char *path, bool del_ext, char *out, size_t size)
{
	size_t n = strlen(path);

	if (del_ext && n > 4 && !strcmp(path + n - 4, ".crt"))
		n -= 4;
	snprintf(out, size, "%.*s.key", (int)n, path);
}

/* The key lies in the file itself, or beside it, or where the line says. */
static bool find_key(BIO *b, struct tls_cert *c, const struct tls_cert_rules *r, struct strbuf *why)
{
	char beside[4096];
	bool broken = false;
	const char *other = r->key_path;
	BIO *kb;

	if (!other) {
		c->key = read_key(b, &broken, why);
		if (c->key || broken)
			return c->key;
		if (!(r->extra & TLS_EXTRA_KEY)) {
			strbuf_adds(why, "has no private key, and 'ssl-load-extra-files' keeps "
					 "from looking for "
					 "one beside it");
			return false;
		}
		key_path_of(c->path, r->del_ext, beside, sizeof(beside));
		other = beside;
		if (access(beside, F_OK)) {
			strbuf_addf(why,
				    "has no private key, and there is no file '%s'\nput the key "
				    "into the same "
				    "file or into that one",
				    beside);
			return false;
		}
	}
	kb = open_file(other, why);
	if (kb) {
		c->key = read_key(kb, &broken, why);
		BIO_free(kb);
		if (!c->key && !broken)
			strbuf_addf(why, "has no private key, and '%s' has none either", other);
	} else {
		strbuf_addf(why, " (the key's file '%s')", other);
	}
	return c->key;
}

static bool read_all(struct tls_cert *c, const struct tls_cert_rules *r, struct strbuf *why)
{
	BIO *b = open_file(c->path, why);
	bool ok = false;

	if (!b)
		return false;
	if (!read_certs(b, c, why))
		goto out;
	(void)BIO_reset(b);
	c->dh = PEM_read_bio_Parameters(b, NULL);
	ERR_clear_error();
	if (c->dh && !EVP_PKEY_is_a(c->dh, "DH")) { /* the curve's name in front of a key */
		EVP_PKEY_free(c->dh);
		c->dh = NULL;
	}
	(void)BIO_reset(b);
	if (!find_key(b, c, r, why))
		goto out;
	ok = X509_check_private_key(c->x509, c->key) == 1;
	if (!ok)
		strbuf_adds(why, "has a private key that does not belong to its first "
				 "certificate\nthe server's "
				 "certificate must stand before those of its chain");
	ERR_clear_error();
out:
	BIO_free(b);
	return ok;
}

/* ---- the chain from a directory (issuers-chain-path) ---- */

static STACK_OF(X509) * chain_of_file(const char *path)
{
	STACK_OF(X509) *chain = NULL;
	FILE *f = fopen(path, "re");
	X509 *x;

	if (!f)
		return NULL;
	while ((x = PEM_read_X509(f, NULL, no_passphrase, NULL))) {
		if (!chain)
			chain = sk_X509_new_null();
		if (!chain || !sk_X509_push(chain, x))
			X509_free(x);
	}
	ERR_clear_error();
	fclose(f);
	return chain;
}

static void chain_from_directory(struct tls_cert *c, const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, alphasort);
	char path[4096];

	for (int i = 0; i < n; i++) {
		if (!c->chain && names[i]->d_name[0] != '.' &&
		    snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name) <
			    (int)sizeof(path)) {
			STACK_OF(X509) *chain = chain_of_file(path);

			if (chain &&
			    X509_check_issued(sk_X509_value(chain, 0), c->x509) == X509_V_OK)
				c->chain = chain;
			else if (chain)
				sk_X509_pop_free(chain, X509_free);
		}
		free(names[i]);
	}
	if (n >= 0)
		free(names);
}

/* ---- the objects ---- */

static enum tls_key_kind kind_of(const EVP_PKEY *k)
{
	switch (EVP_PKEY_get_base_id(k)) {
	case EVP_PKEY_EC:
	case EVP_PKEY_ED25519:
	case EVP_PKEY_ED448:
		return TLS_KEY_ECDSA;
	case EVP_PKEY_DSA:
		return TLS_KEY_DSA;
	default:
		return TLS_KEY_RSA;
	}
}

static void cert_free(struct tls_cert *c)
{
	X509_free(c->x509);
	EVP_PKEY_free(c->key);
	EVP_PKEY_free(c->dh);
	if (c->chain)
		sk_X509_pop_free(c->chain, X509_free);
	free(c->path);
	free(c);
}

struct tls_cert *tls_cert_get(const char *path, const struct tls_cert_rules *r, struct strbuf *why)
{
	struct tls_cert *c;

	if (!certs.next)
		list_init(&certs);
	list_for_each_entry(c, &certs, node)
		if (!strcmp(c->path, path)) {
			c->refs++;
			return c;
		}
	c = xzalloc(sizeof(*c));
	c->path = xstrdup(path);
	if (!read_all(c, r, why)) {
		cert_free(c);
		return NULL;
	}
	c->kind = kind_of(c->key);
	if (!c->chain && r->issuers_path)
		chain_from_directory(c, r->issuers_path);
	c->refs = 1;
	list_add_tail(&certs, &c->node);
	return c;
}

void tls_cert_put(struct tls_cert *c)
{
	if (!c || --c->refs)
		return;
	list_del(&c->node);
	cert_free(c);
}

void tls_cert_names(const struct tls_cert *c, void (*each)(void *arg, struct slice name), void *arg)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->x509, NID_subject_alt_name, NULL, NULL);
	X509_NAME *subject = X509_get_subject_name(c->x509);
	int i = -1;

	for (int k = 0; names && k < sk_GENERAL_NAME_num(names); k++) {
		const GENERAL_NAME *g = sk_GENERAL_NAME_value(names, k);

		if (g->type == GEN_DNS)
			each(arg, slice_make(ASN1_STRING_get0_data(g->d.dNSName),
					     (size_t)ASN1_STRING_length(g->d.dNSName)));
	}
	GENERAL_NAMES_free(names);
	while ((i = X509_NAME_get_index_by_NID(subject, NID_commonName, i)) != -1) {
		unsigned char *utf8 = NULL;
		int n = ASN1_STRING_to_UTF8(
			&utf8, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, i)));

		if (n >= 0)
			each(arg, slice_make(utf8, (size_t)n));
		OPENSSL_free(utf8);
	}
	ERR_clear_error();
}

enum tls_path_kind tls_path_look(const char *path, unsigned int extra, int *err)
{
	char other[4096];
	struct stat st;

	if (stat(path, &st) == 0)
		return S_ISDIR(st.st_mode) ? TLS_PATH_DIR : TLS_PATH_FILE;
	*err = errno;
	for (int i = 0; i < TLS_KEY_KINDS && (extra & TLS_EXTRA_BUNDLE); i++) {
		if (snprintf(other, sizeof(other), "%s%s", path, tls_bundle_ext[i]) <
			    (int)sizeof(other) &&
		    stat(other, &st) == 0)
			return TLS_PATH_BUNDLE;
	}
	return TLS_PATH_NONE;
}
