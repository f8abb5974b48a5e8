// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tls.c - TLS as a transport: bytes in and out of a socket through OpenSSL, edge-triggered. See conn.h, tls.h.
 * Not for: contexts and certificates (tls_conf.c, tls_cert.c). Runs in the connection's worker.
 *
 * The library reads and writes through a BIO of our own:
 *  - reading takes all that the socket has in one call (read-ahead) and knows from a short read that the socket is empty,
 *    so a record costs one system call and no second one that says EAGAIN;
 *  - writing goes to a buffer of the thread; when the caller's bytes are all in records, the records go to the socket by
 *    one system call. What the socket does not take is kept until it does, and the caller is told EAGAIN: he offers the
 *    same bytes again, of which the ones already in records are skipped. So conn.h's promise holds that bytes which were
 *    taken are with the kernel, and closing loses none.
 * An idle connection owns no buffer: the library's are released when they are empty (SSL_MODE_RELEASE_BUFFERS).
 */
#include "transport/tls_private.h"
#include "loop/thread.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

#define RECORD_MAX   16384
#define GATHER_BYTES (4 * (RECORD_MAX + 512)) /* records that one system call sends */
#define BATCH_BYTES  (4 * RECORD_MAX)
#define RAMP_BYTES   (1u << 20) /* behind these tune.ssl.maxrecord no longer holds */
/* Key updates and refused renegotiations: whoever sends this much without a byte of data between, or lets so many of our answers wait,
 * wants to keep us busy. A server's session tickets may be long. */
#define TALK_MAX        (4 * RECORD_MAX)
#define TALK_MAX_SERVER (16 * RECORD_MAX)
#define HELD_MAX        (4 * GATHER_BYTES)

struct tls_conn {
	SSL *ssl;
	struct conn *conn;
	bool readable; /* the socket was not seen empty since its last event */
	bool sock_eof; /* the socket's stream has ended */
	bool is_client;
	bool closing;             /* our close_notify waits for room, then FIN */
	bool read_waits_for_room; /* the library must write before it can read on */
	bool reading;             /* within tls_recv() */
	int sock_err;
	uint32_t talk;       /* bytes read since data came */
	unsigned long error; /* of the handshake */
	struct tls_verdict verdict;
	uint64_t sent;
	/* records that the socket has not taken, and how many of the caller's bytes are in them */
	char *out;
	uint32_t out_start, out_end;
	uint32_t owed;
};

/* Where records gather: only within one call of a thread. */
static __thread struct {
	char *p;
	size_t n;
	bool open;
} gather;

static BIO_METHOD *bio_method;
static int conn_index = -1;

static struct tls_conn *of(const struct conn *c)
{
	return c->xprt_ctx;
}

/* ---- the BIO ---- */

static int bio_read(BIO *b, char *to, size_t n, size_t *got)
{
	struct tls_conn *t = BIO_get_data(b);
	ssize_t r;

	BIO_clear_retry_flags(b);
	if (t->reading && t->talk > (t->is_client ? TALK_MAX_SERVER : TALK_MAX))
		t->sock_err = EPROTO;
	if (t->sock_err)
		return 0;
	if (!t->readable || t->sock_eof) {
		if (!t->sock_eof)
			BIO_set_retry_read(b);
		return 0;
	}
	do
		r = recv(t->conn->io.fd, to, n, 0);
	while (r < 0 && errno == EINTR);
	if (r > 0) {
		if ((size_t)r < n && !(t->conn->flags & CONN_RDHUP))
			t->readable = false;
		if (t->reading)
			t->talk += (uint32_t)r;
		*got = (size_t)r;
		return 1;
	}
	if (r == 0) {
		t->sock_eof = true;
	} else if (errno == EAGAIN) {
		t->readable = false;
		BIO_set_retry_read(b);
	} else {
		t->sock_err = errno;
	}
	return 0;
}

static bool keep(struct tls_conn *t, const char *p, size_t n)
{
	uint32_t held = t->out_end - t->out_start;
	char *bigger = malloc(held + n);

	if (!bigger)
		return false;
	if (held)
		memcpy(bigger, t->out + t->out_start, held);
	memcpy(bigger + held, p, n);
	free(t->out);
	t->out = bigger;
	t->out_start = 0;
	t->out_end = held + (uint32_t)n;
	return true;
}

static int bio_write(BIO *b, const char *from, size_t n, size_t *taken)
{
	struct tls_conn *t = BIO_get_data(b);

	BIO_clear_retry_flags(b);
	if (t->reading && t->out_end - t->out_start > HELD_MAX) {
		t->sock_err = EPROTO;
		return 0;
	}
	if (gather.open && gather.n + n <= GATHER_BYTES) {
		memcpy(gather.p + gather.n, from, n);
		gather.n += n;
	} else if (gather.open && gather.n && !keep(t, gather.p, gather.n)) {
		return 0;
	} else {
		gather.n = 0;
		if (!keep(t, from, n))
			return 0;
	}
	*taken = n;
	return 1;
}

static long bio_ctrl(BIO *b, int cmd, long num, void *ptr)
{
	const struct tls_conn *t = BIO_get_data(b);

	switch (cmd) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return t->sock_eof;
	default:
		return 0;
	}
}

/* ---- records to the socket ---- */

static void gather_begin(void)
{
	if (!gather.p)
		gather.p = malloc(GATHER_BYTES);
	gather.open = gather.p != NULL;
	gather.n = 0;
}

static int fail(struct conn *c, int err)
{
	c->flags |= CONN_ERROR;
	c->err = (int16_t)err;
	return -err;
}

static ssize_t put(struct conn *c, const char *p, size_t n)
{
	ssize_t r;

	do
		r = send(c->io.fd, p, n, MSG_NOSIGNAL);
	while (r < 0 && errno == EINTR);
	return r < 0 ? -errno : r;
}

/* Sends what is held. 0: nothing is held any more; -EAGAIN: CONN_CAN_WRITE is cleared; else the connection failed. */
static int flush(struct conn *c)
{
	struct tls_conn *t = of(c);

	while (t->out_start < t->out_end) {
		ssize_t r = put(c, t->out + t->out_start, t->out_end - t->out_start);

		if (r == -EAGAIN) {
			c->flags &= ~CONN_CAN_WRITE;
			return -EAGAIN;
		}
		if (r < 0)
			return fail(c, (int)-r);
		t->out_start += (uint32_t)r;
	}
	free(t->out);
	t->out = NULL;
	t->out_start = t->out_end = 0;
	return 0;
}

/* What was gathered goes out; what does not fit is kept. As flush(). */
static int gather_end(struct conn *c)
{
	struct tls_conn *t = of(c);
	size_t done = 0;

	gather.open = false;
	if (t->out_start == t->out_end && gather.n && (c->flags & CONN_CAN_WRITE)) {
		ssize_t r = put(c, gather.p, gather.n);

		if (r < 0 && r != -EAGAIN)
			return fail(c, (int)-r);
		done = r < 0 ? 0 : (size_t)r;
	}
	if (done < gather.n && !keep(t, gather.p + done, gather.n - done))
		return fail(c, ENOMEM);
	if (t->out_start == t->out_end)
		return 0;
	if (done) { /* the kernel has noted that we wait for room */
		c->flags &= ~CONN_CAN_WRITE;
		return -EAGAIN;
	}
	return flush(c);
}

/* ---- beginning and handshake ---- */

/* An errno for what the library says, and the end of its error queue. */
static int errno_of(struct tls_conn *t)
{
	unsigned long e = ERR_peek_error();

	if (e && !t->error)
		t->error = e;
	ERR_clear_error();
	return t->sock_err ? t->sock_err : EPROTO;
}

static int begin(struct conn *c)
{
	const struct tls_end *e = c->setup->xprt_conf;
	struct tls_conn *t = calloc(1, sizeof(*t));
	BIO *bio;

	if (!t)
		return -ENOMEM;
	c->xprt_ctx = t;
	t->conn = c;
	t->is_client = e->is_client;
	t->readable = true;
	t->ssl = SSL_new(e->ctx);
	bio = t->ssl ? BIO_new(bio_method) : NULL;
	if (!bio) {
		ERR_clear_error();
		return -ENOMEM;
	}
	BIO_set_data(bio, t);
	BIO_set_init(bio, 1);
	SSL_set_bio(t->ssl, bio, bio);
	SSL_set_ex_data(t->ssl, conn_index, c);
	if (e->is_client)
		SSL_set_connect_state(t->ssl);
	else
		SSL_set_accept_state(t->ssl);
	tls_count_open(c, e->is_client);
	return e->prepare ? e->prepare(c, t->ssl, e) : 0;
}

/* Which of HAProxy's reasons ended the handshake; verification has said its own (tls_ctx.c). */
static enum conn_reason reason_of(const struct tls_conn *t, bool library)
{
	if (!library && !t->is_client && t->sock_eof && !BIO_number_written(SSL_get_wbio(t->ssl)))
		return CONN_TLS_CLOSED; /* before its hello was complete */
	return CONN_TLS_HANDSHAKE;
}

static int handshake_ended(struct conn *c, int r, bool library)
{
	if (c->reason == CONN_OK)
		c->reason = reason_of(of(c), library);
	return r;
}

static int tls_handshake(struct conn *c)
{
	struct tls_conn *t = of(c);
	int r, sent, why;

	if (!t) {
		r = begin(c);
		if (r) {
			c->reason = CONN_TLS_MEMORY;
			return r;
		}
		t = of(c);
	}
	if (t->out) {
		r = flush(c);
		if (r)
			return r;
	}
	ERR_clear_error();
	gather_begin();
	r = SSL_do_handshake(t->ssl);
	why = r == 1 ? SSL_ERROR_NONE : SSL_get_error(t->ssl, r);
	sent = gather_end(c);
	if (why == SSL_ERROR_NONE) {
		if (sent && sent != -EAGAIN)
			return handshake_ended(c, sent, false);
		tls_count_handshake(c, t->ssl);
		if (SSL_has_pending(t->ssl) || t->readable)
			c->flags |= CONN_CAN_READ;
		else
			c->flags &= ~CONN_CAN_READ;
		return 0;
	}
	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
		if (sent && sent != -EAGAIN)
			return handshake_ended(c, sent, false);
		if (!t->readable)
			c->flags &= ~CONN_CAN_READ;
		return -EAGAIN;
	}
	r = -errno_of(t);
	return handshake_ended(c, r, why == SSL_ERROR_SSL && !t->sock_eof && !t->sock_err);
}

/* ---- data ---- */

static ssize_t read_ended(struct conn *c, struct tls_conn *t, int why)
{
	switch (why) {
	case SSL_ERROR_WANT_READ:
		c->flags &= ~CONN_CAN_READ;
		return -EAGAIN;
	case SSL_ERROR_WANT_WRITE:
		t->read_waits_for_room = true;
		c->flags &= ~CONN_CAN_READ;
		return -EAGAIN;
	case SSL_ERROR_ZERO_RETURN: /* close_notify */
		break;
	default:
		if (!t->sock_eof ||
		    t->sock_err) /* the end of the socket's stream without a close_notify is an end, too */
			return fail(c, errno_of(t));
	}
	ERR_clear_error();
	c->flags |= CONN_EOF;
	c->flags &= ~CONN_CAN_READ;
	return 0;
}

static ssize_t tls_recv(struct conn *c, void *buf, size_t n)
{
	struct tls_conn *t = of(c);
	size_t done = 0, got = 0;
	int why = SSL_ERROR_NONE, sent;

	if (!n)
		return 0;
	if (c->flags & CONN_EOF)
		return 0;
	ERR_clear_error();
	gather_begin(); /* a key update is answered */
	t->reading = true;
	while (done < n && (why == SSL_ERROR_NONE) &&
	       (!done || t->readable || SSL_has_pending(t->ssl))) {
		if (SSL_read_ex(t->ssl, (char *)buf + done, n - done, &got))
			done += got;
		else
			why = SSL_get_error(t->ssl, 0);
	}
	t->reading = false;
	if (done)
		t->talk = 0;
	sent = gather_end(c);
	if (sent && sent != -EAGAIN)
		return sent;
	if (!done)
		return read_ended(c, t, why);
	/* an end or error behind data is met again by the next read */
	if (why == SSL_ERROR_WANT_READ ||
	    (why == SSL_ERROR_NONE && !t->readable && !SSL_has_pending(t->ssl)))
		c->flags &= ~CONN_CAN_READ;
	ERR_clear_error();
	return (ssize_t)done;
}

/* One record; 0 or -errno. */
static int encrypt(struct conn *c, const char *p, size_t n)
{
	struct tls_conn *t = of(c);
	size_t taken = 0;

	while (n) {
		size_t most = RECORD_MAX;

		if (tls_max_record && t->sent < RAMP_BYTES)
			most = tls_max_record;
		if (tls_hard_max_record && most > tls_hard_max_record)
			most = tls_hard_max_record;
		if (most > n)
			most = n;
		if (!SSL_write_ex(t->ssl, p, most, &taken))
			return -errno_of(t);
		p += taken;
		n -= taken;
		t->sent += taken;
		t->owed += (uint32_t)taken;
	}
	return 0;
}

/* Small pieces are joined, so that they share a record. @skip: bytes at the beginning that are in records already. */
static int encrypt_all(struct conn *c, const struct iovec *iov, int n, size_t skip)
{
	static __thread char joined[RECORD_MAX];
	size_t fill = 0, total = 0;
	int err = 0;

	for (int i = 0; i < n && !err && total < BATCH_BYTES; i++) {
		const char *p = iov[i].iov_base;
		size_t k = iov[i].iov_len;

		if (skip >= k) {
			skip -= k;
			continue;
		}
		p += skip;
		k -= skip;
		skip = 0;
		if (k > BATCH_BYTES - total)
			k = BATCH_BYTES - total;
		total += k;
		while (k && !err) {
			size_t part = sizeof(joined) - fill < k ? sizeof(joined) - fill : k;

			if (!fill && part == sizeof(joined)) {
				err = encrypt(c, p, part); /* a full record needs no copy */
			} else if (!fill && i == n - 1) {
				part = k;
				err = encrypt(c, p, part);
			} else {
				memcpy(joined + fill, p, part);
				fill += part;
				if (fill == sizeof(joined)) {
					err = encrypt(c, joined, fill);
					fill = 0;
				}
			}
			p += part;
			k -= part;
		}
	}
	return !err && fill ? encrypt(c, joined, fill) : err;
}

/* The bytes of the caller that the socket has now: at most what he offers this time. */
static ssize_t settle(struct tls_conn *t, size_t offered)
{
	size_t done = t->owed < offered ? t->owed : offered;

	t->owed -= (uint32_t)done;
	return (ssize_t)done;
}

static ssize_t tls_sendv(struct conn *c, const struct iovec *iov, int n)
{
	struct tls_conn *t = of(c);
	size_t offered = 0;
	int err, sent;

	for (int i = 0; i < n; i++)
		offered += iov[i].iov_len;
	if (t->out) {
		err = flush(c);
		if (err)
			return err;
	}
	if (t->owed)
		return settle(t, offered);
	if (!offered)
		return 0;
	conn_set_nodelay(c);
	ERR_clear_error();
	gather_begin();
	err = encrypt_all(c, iov, n, 0);
	sent = gather_end(c);
	if (err)
		return fail(c, -err);
	return sent ? sent : settle(t, offered);
}

/* ---- the end ---- */

static void tls_shut_write(struct conn *c)
{
	struct tls_conn *t = of(c);

	if (t && SSL_is_init_finished(t->ssl) && !(c->flags & CONN_ERROR)) {
		ERR_clear_error();
		gather_begin();
		SSL_shutdown(t->ssl);
		t->closing = gather_end(c) == -EAGAIN;
		ERR_clear_error();
		if (t->closing)
			return;
	}
	shutdown(c->io.fd, SHUT_WR);
}

static void tls_close(struct conn *c)
{
	struct tls_conn *t = of(c);

	if (!t)
		return;
	if (t->ssl && SSL_is_init_finished(t->ssl)) {
		ERR_clear_error();
		if (!(c->flags & (CONN_ERROR | CONN_WR_SHUT | CONN_NO_LINGER)) && !t->out) {
			gather_begin();
			SSL_shutdown(t->ssl);
			gather_end(c);
		} else {
			SSL_set_quiet_shutdown(t->ssl, 1);
			SSL_shutdown(t->ssl); /* the session stays good for another connection */
		}
		ERR_clear_error();
	}
	if (t->ssl) {
		tls_count_close();
		SSL_free(t->ssl);
	}
	free(t->out);
	free(t);
	c->xprt_ctx = NULL;
}

/* The socket's events as the layer above sees them: room is there once our own records are out. */
static void tls_event(struct conn *c, uint32_t ep)
{
	struct tls_conn *t = of(c);

	if (!t)
		return;
	if (ep & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
		t->readable = true;
	if (!(c->flags & CONN_CAN_WRITE) || (c->flags & CONN_HANDSHAKE))
		return;
	if (t->out && flush(c))
		return;
	if (t->closing) {
		t->closing = false;
		shutdown(c->io.fd, SHUT_WR);
	}
	if (t->read_waits_for_room) {
		t->read_waits_for_room = false;
		c->flags |= CONN_CAN_READ;
	}
}

const struct transport transport_tls = {
	.name = "SSL",
	.recv = tls_recv,
	.sendv = tls_sendv,
	.handshake = tls_handshake,
	.shut_write = tls_shut_write,
	.close = tls_close,
	.event = tls_event,
	.on_timeout = CONN_TLS_TIMEOUT,
};

/* ---- what can be asked ---- */

SSL *tls_of(const struct conn *c)
{
	return tls_is_on(c) && of(c) ? of(c)->ssl : NULL;
}

struct conn *tls_conn_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, conn_index);
}

const struct tls_verdict *tls_verdict_of(const struct conn *c)
{
	return tls_is_on(c) && of(c) ? &of(c)->verdict : NULL;
}

unsigned long tls_error_of(const struct conn *c)
{
	return tls_is_on(c) && of(c) ? of(c)->error : 0;
}

struct slice tls_alpn_of(const struct conn *c)
{
	SSL *ssl = tls_of(c);
	const unsigned char *p = NULL;
	unsigned int n = 0;

	if (ssl)
		SSL_get0_alpn_selected(ssl, &p, &n);
	return slice_make(p, n);
}

void tls_transport_init(void)
{
	if (bio_method)
		return;
	conn_index = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "lbd socket");
	if (!bio_method || conn_index < 0)
		abort(); /* out of memory at the start */
	BIO_meth_set_read_ex(bio_method, bio_read);
	BIO_meth_set_write_ex(bio_method, bio_write);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
}
