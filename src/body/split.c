/* SPDX-License-Identifier: MIT */
/*
 * split.c - which bytes of a body the JSON parser may be given now.
 *
 * yajl looks at a token that spans two calls again from its beginning, so a
 * 32 MiB string fed in steps would cost quadratic time. Nothing is therefore
 * handed over that ends inside a token. A number or literal waits for the byte
 * behind it; a string waits for its closing quote up to one piece, and is then
 * checked piece by piece. Where the pieces end depends on the bytes alone, not
 * on how they arrived. This file must not judge JSON, except for what yajl is
 * too kind to: vertical tabs and form feeds as blanks, and endless numbers.
 */
#include "base/scan.h"
#include "body/parts.h"

#include <string.h>

/* `\u0041`: the longest escape. */
#define ESCAPE_BYTES 6
/* Bytes that may follow the first one of a UTF-8 sequence. */
#define UTF8_TAIL_BYTES 3

enum kind {
	ATOM,
	BLANK,
	MARK,
	QUOTE,
	NOT_BLANK
};

static const unsigned char kinds[256] = {
	[' '] = BLANK,	    ['\t'] = BLANK, ['\n'] = BLANK, ['\r'] = BLANK,
	['{'] = MARK,	    ['}'] = MARK,   ['['] = MARK,   [']'] = MARK,
	[':'] = MARK,	    [','] = MARK,   ['"'] = QUOTE,  ['\v'] = NOT_BLANK,
	['\f'] = NOT_BLANK,
};

static enum kind
kind_of(const struct gw_body *b, size_t at)
{
	return kinds[(unsigned char)b->bytes.data[at]];
}

/* Give the main parser everything up to @to. */
static int
feed(struct gw_body *b, size_t to, struct gw_err *err)
{
	size_t from = b->split.fed;

	if (to <= from)
		return 0;
	b->split.fed = to;
	return gw_check_range(&b->check, b->bytes.data, from, to, err);
}

static int
skip_to_object(struct gw_body *b, struct gw_err *err)
{
	static const char mark[] = "\xef\xbb\xbf";
	struct gw_split *s = &b->split;
	const struct gw_buf *bytes = &b->bytes;
	size_t mark_len = sizeof(mark) - 1;

	while (s->next < bytes->len && kind_of(b, s->next) == BLANK)
		s->next++;
	s->fed = s->next;
	if (s->next == bytes->len)
		return 0;
	if (bytes->data[s->next] == '{') {
		s->state = GW_SPLIT_BETWEEN;
		s->next++;
		s->open_end = s->next;
		return 1;
	}
	if (s->next == 0 && bytes->data[0] == mark[0] && bytes->len < mark_len)
		return 0; /* the rest of a byte order mark may follow */
	if (s->next == 0 && bytes->len >= mark_len &&
	    memcmp(bytes->data, mark, mark_len) == 0)
		return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
				  "the body begins with a UTF-8 byte order "
				  "mark; it must begin with its JSON object");
	return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
			  "the body must be a JSON object, but something else "
			  "begins at byte %zu",
			  s->next);
}

static int
between_tokens(struct gw_body *b, struct gw_err *err)
{
	struct gw_split *s = &b->split;
	size_t len = b->bytes.len;
	enum kind kind = BLANK;

	while (s->next < len) {
		kind = kind_of(b, s->next);
		if (kind != BLANK && kind != MARK)
			break;
		s->next++;
	}
	if (s->next == len)
		return 0;
	s->hold = s->next;
	if (kind == NOT_BLANK) {
		/* What comes before it is judged first, however it arrived. */
		if (feed(b, s->next, err) < 0)
			return -1;
		return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
				  "the body is not valid JSON at byte %zu: a "
				  "vertical tab or form feed is no blank",
				  s->next);
	}
	s->state = kind == QUOTE ? GW_SPLIT_STRING : GW_SPLIT_ATOM;
	s->next++;
	s->piece = s->next;
	s->escape_end = 0;
	return 1;
}

static int
in_atom(struct gw_body *b, struct gw_err *err)
{
	struct gw_split *s = &b->split;
	size_t len = b->bytes.len;

	while (s->next < len && kind_of(b, s->next) == ATOM) {
		s->next++;
		if (s->next - s->hold <= GW_BODY_NUMBER_MAX)
			continue;
		if (feed(b, s->hold, err) < 0)
			return -1;
		return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
				  "the body is not valid JSON at byte %zu: a "
				  "number or literal is longer than %d bytes",
				  s->hold, GW_BODY_NUMBER_MAX);
	}
	if (s->next == len)
		return 0;
	if (kind_of(b, s->next) == QUOTE) {
		/* Never valid; yajl says so when it has the string, too. */
		s->state = GW_SPLIT_STRING;
		s->next++;
		s->piece = s->next;
		s->escape_end = 0;
		return 1;
	}
	s->state = GW_SPLIT_BETWEEN;
	return 1;
}

static int
string_ends(struct gw_body *b, size_t quote, struct gw_err *err)
{
	struct gw_split *s = &b->split;

	s->state = GW_SPLIT_BETWEEN;
	s->next = quote + 1;
	if (!s->is_long)
		return 1;
	s->is_long = false;
	s->fed = quote + 1;
	if (gw_check_piece(&b->check, b->bytes.data, s->piece, quote, err) < 0)
		return -1;
	return 1;
}

/*
 * The piece is full: end it at @at or a little before, so that neither an
 * escape nor a UTF-8 sequence is cut in two. Broken ones may be, they are an
 * error on either side of the cut.
 */
static int
cut_string(struct gw_body *b, size_t at, struct gw_err *err)
{
	struct gw_split *s = &b->split;
	char *data = b->bytes.data;
	size_t piece = s->piece, from = s->fed;
	int back;

	if (s->escape_end > at)
		at = s->escape_end - ESCAPE_BYTES;
	for (back = 0; back < UTF8_TAIL_BYTES; back++)
		if (((unsigned char)data[at] & 0xc0) == 0x80)
			at--;
	s->next = s->piece = s->fed = at;
	s->escape_end = 0;
	if (s->is_long)
		return gw_check_piece(&b->check, data, piece, at, err);
	s->is_long = true;
	return gw_check_cut(&b->check, data, from, at, err);
}

static int
in_string(struct gw_body *b, struct gw_err *err)
{
	struct gw_split *s = &b->split;
	const char *data = b->bytes.data;
	size_t limit = s->piece + GW_BODY_PIECE_BYTES;
	size_t end = b->bytes.len < limit ? b->bytes.len : limit;
	size_t i = s->next;

	for (;;) {
		if (i < end)
			i += gw_find_either(data + i, end - i, '"', '\\');
		if (i >= end)
			break;
		if (data[i] == '"')
			return string_ends(b, i, err);
		if (i + 1 >= b->bytes.len)
			break; /* what it escapes has not arrived */
		s->escape_end = i + ESCAPE_BYTES;
		i += 2;
	}
	s->next = i;
	/* One more byte must be there: it may belong to the piece's last one */
	if (i < limit || b->bytes.len <= limit)
		return 0;
	return cut_string(b, limit, err) < 0 ? -1 : 1;
}

int
gw_split_more(struct gw_body *b, struct gw_err *err)
{
	static int (*const steps[])(struct gw_body *, struct gw_err *) = {
		[GW_SPLIT_BEFORE] = skip_to_object,
		[GW_SPLIT_BETWEEN] = between_tokens,
		[GW_SPLIT_ATOM] = in_atom,
		[GW_SPLIT_STRING] = in_string,
	};
	struct gw_split *s = &b->split;
	int more = 1;

	while (more > 0 && s->next < b->bytes.len)
		more = steps[s->state](b, err);
	if (more < 0)
		return -1;
	if (s->state == GW_SPLIT_BETWEEN)
		return feed(b, s->next, err);
	if (s->state != GW_SPLIT_BEFORE && !s->is_long)
		return feed(b, s->hold, err);
	return 0;
}

int
gw_split_end(struct gw_body *b, struct gw_err *err)
{
	struct gw_split *s = &b->split;
	size_t len = b->bytes.len;

	if (s->state == GW_SPLIT_BEFORE && s->next == len)
		return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
				  "the body is empty");
	if (s->state == GW_SPLIT_BEFORE)
		return gw_err_set(err, GW_ERR_INVALID_JSON, 0,
				  "the body must be a JSON object");
	/* A long string that never ended has no text left for the parser. */
	if (!s->is_long && feed(b, len, err) < 0)
		return -1;
	return gw_check_end(&b->check, b->bytes.data, len,
			    s->state == GW_SPLIT_STRING, err);
}
