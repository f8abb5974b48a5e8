// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * h1_body.c - the HTTP/1 body decoder: length, chunked (RFC 9112 section 7.1) or until the end of the connection. Resumable at any
 * byte. Data is passed on as slices of the segment; framing is swallowed. Any thread.
 */
#include "http/h1.h"

#define EXT_BYTES_MAX 16384 /* extensions and trailers of one message */
#define LINE_MAX      4096  /* a trailer line */

void h1_body_start(struct h1_body *b, struct http_msg *m)
{
	memset(b, 0, sizeof(*b));
	if (m->flags & MSG_F_NO_BODY)
		b->state = H1B_DONE;
	else if (m->flags & MSG_F_CHUNKED)
		b->state = H1B_CHUNK_SIZE;
	else if (m->flags & MSG_F_LENGTH)
		b->state = m->length ? H1B_LENGTH : H1B_DONE;
	else
		b->state = H1B_UNTIL_CLOSE;
	b->left = m->length;
	m->state = MSG_BODY;
	if (b->state == H1B_DONE) {
		m->state = MSG_DONE;
		m->body.eom = true;
	}
}

static enum h1_result body_bad(struct h1_body *b, struct http_msg *m, enum h1_error e)
{
	b->error = e;
	m->state = MSG_BAD;
	m->body.failed = true;
	return H1_BAD;
}

static int hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* A part of the body of the size of what is there and what is left; false when the queue is full. */
static bool take_data(struct h1_body *b, struct http_msg *m, struct segment *seg, bool bounded)
{
	uint64_t n = segment_len(seg);

	if (bounded && n > b->left)
		n = b->left;
	if (n && body_full(&m->body))
		return false;
	body_put_over_framing(&m->body, seg, seg->data + seg->start, n);
	seg->start += n;
	if (bounded)
		b->left -= n;
	return true;
}

/* A trailer byte: gathers the line in the arena. Returns an error, or NONE; b->state is H1B_DONE behind the empty line. */
static enum h1_error trailer_byte(struct h1_body *b, struct http_msg *m, char c)
{
	enum h1_error e = H1_ERR_NONE;

	if (++b->ext_bytes > EXT_BYTES_MAX || b->line_n == LINE_MAX)
		return H1_ERR_TRAILER;
	if (!b->line)
		b->line = arena_alloc(m->arena, LINE_MAX);
	if (c != '\n') {
		b->line[b->line_n++] = c;
		return H1_ERR_NONE;
	}
	if (!b->line_n || b->line[b->line_n - 1] != '\r')
		return H1_ERR_TRAILER;
	if (b->line_n == 1) {
		b->state = H1B_DONE;
		return H1_ERR_NONE;
	}
	struct slice kept = arena_dup(m->arena, slice_make(b->line, b->line_n - 1));

	e = h1_parse_trailer(m, (char *)kept.p, kept.n);
	b->line_n = 0;
	return e;
}

/* One byte of chunk framing: the next state, or an error. */
static enum h1_error framing_byte(struct h1_body *b, char c)
{
	int v;

	switch (b->state) {
	case H1B_CHUNK_SIZE:
	case H1B_CHUNK_DIGITS:
		v = hex_value(c);
		if (v >= 0) {
			if (b->state == H1B_CHUNK_SIZE)
				b->left = 0;
			if (b->left >> 56 || ++b->ext_bytes > EXT_BYTES_MAX * 64)
				return H1_ERR_CHUNK_SIZE;
			b->left = b->left << 4 | v;
			b->state = H1B_CHUNK_DIGITS;
			return H1_ERR_NONE;
		}
		if (b->state == H1B_CHUNK_SIZE)
			return H1_ERR_CHUNK_SIZE;
		b->ext_bytes = 0;
		__attribute__((fallthrough)); /* the size is complete */
	case H1B_CHUNK_BLANK:
		b->state = c == '\r'  ? H1B_CHUNK_SIZE_LF
			   : c == ';' ? H1B_CHUNK_EXT
				      : H1B_CHUNK_BLANK;
		return c == '\r' || c == ';' || c == ' ' || c == '\t' ? H1_ERR_NONE
								      : H1_ERR_CHUNK_SIZE;
	case H1B_CHUNK_EXT:
		if (c == '\r')
			b->state = H1B_CHUNK_SIZE_LF;
		else if (((unsigned char)c < 0x20 && c != '\t') || c == 0x7f ||
			 ++b->ext_bytes > EXT_BYTES_MAX)
			return H1_ERR_CHUNK_EXT;
		return H1_ERR_NONE;
	case H1B_CHUNK_SIZE_LF:
		b->state = b->left ? H1B_CHUNK_DATA : H1B_TRAILERS;
		return c == '\n' ? H1_ERR_NONE : H1_ERR_CHUNK_END;
	case H1B_CHUNK_CR:
		b->state = H1B_CHUNK_LF;
		return c == '\r' ? H1_ERR_NONE : H1_ERR_CHUNK_END;
	default: /* H1B_CHUNK_LF */
		b->state = H1B_CHUNK_SIZE;
		return c == '\n' ? H1_ERR_NONE : H1_ERR_CHUNK_END;
	}
}

enum h1_result h1_body_decode(struct h1_body *b, struct http_msg *m, struct segment *seg)
{
	enum h1_error e;

	while (b->state != H1B_DONE) {
		if (!segment_len(seg))
			return H1_MORE;
		switch (b->state) {
		case H1B_UNTIL_CLOSE:
			take_data(b, m, seg, false);
			return H1_MORE;
		case H1B_LENGTH:
			if (!take_data(b, m, seg, true))
				return H1_MORE;
			if (!b->left)
				b->state = H1B_DONE;
			continue;
		case H1B_CHUNK_DATA:
			if (!take_data(b, m, seg, true))
				return H1_MORE;
			if (!b->left)
				b->state = H1B_CHUNK_CR;
			continue;
		case H1B_TRAILERS:
			e = trailer_byte(b, m, seg->data[seg->start++]);
			break;
		default:
			e = framing_byte(b, seg->data[seg->start++]);
		}
		if (e != H1_ERR_NONE)
			return body_bad(b, m, e);
	}
	m->state = MSG_DONE;
	m->body.eom = true;
	return H1_OK;
}

enum h1_result h1_body_eof(struct h1_body *b, struct http_msg *m)
{
	if (b->state != H1B_UNTIL_CLOSE && b->state != H1B_DONE)
		return body_bad(b, m, H1_ERR_TRUNCATED);
	b->state = H1B_DONE;
	m->state = MSG_DONE;
	m->body.eom = true;
	return H1_OK;
}
