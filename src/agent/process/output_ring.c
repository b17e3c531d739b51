/* SPDX-License-Identifier: MIT */
/*
 * output_ring.c - cuts a stream of bytes into lines that are safe to show.
 * Allocates nothing; what a line holds is UTF-8 after every byte fed.
 */
#include "agent/process/output_ring.h"

#include <assert.h>
#include <string.h>

#include "base/utf8.h"

#define CUT_MARK "..."
#define CUT_BYTES (sizeof(CUT_MARK) - 1)

static_assert(AG_RING_LINE_BYTES > CUT_BYTES, "a cut line shows something");

static char *
open_line(struct ag_output_ring *r)
{
	if (!r->open) {
		if (r->n < AG_RING_LINES)
			r->n++;
		else
			r->first = (r->first + 1) % AG_RING_LINES;
		r->open = true;
		r->cut = false;
		r->open_len = 0;
		r->line[(r->first + r->n - 1) % AG_RING_LINES][0] = '\0';
	}
	return r->line[(r->first + r->n - 1) % AG_RING_LINES];
}

static void
cut_line(struct ag_output_ring *r, char *line)
{
	size_t len = r->open_len;

	/* Back to where a character begins and the mark fits. */
	while (len > AG_RING_LINE_BYTES - CUT_BYTES ||
	       (len < r->open_len && (line[len] & 0xc0) == 0x80))
		len--;
	memcpy(line + len, CUT_MARK, CUT_BYTES + 1);
	r->open_len = len + CUT_BYTES;
	r->cut = true;
}

/* One whole character. */
static void
put(struct ag_output_ring *r, const char *p, size_t n)
{
	char *line = open_line(r);

	if (r->cut)
		return;
	if (r->open_len + n > AG_RING_LINE_BYTES) {
		cut_line(r, line);
		return;
	}
	memcpy(line + r->open_len, p, n);
	r->open_len += n;
	line[r->open_len] = '\0';
}

/* The bytes kept so far turned out to be no character. */
static void
give_up_part(struct ag_output_ring *r)
{
	for (; r->n_part > 0; r->n_part--)
		put(r, "?", 1);
}

/* Length of the character that begins with this byte; 1 = none does. */
static size_t
char_len(unsigned char c)
{
	if (c < 0xc2 || c > 0xf4)
		return 1;
	return c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

static void
feed_tail(struct ag_output_ring *r, char c)
{
	size_t want = char_len((unsigned char)r->part[0]);
	bool c1 = (unsigned char)r->part[0] == 0xc2 && (c & 0xff) < 0xa0;

	r->part[r->n_part++] = c;
	if (r->n_part < want)
		return;
	if (c1) /* control characters of two bytes: U+0080 .. U+009F */
		put(r, "?", 1);
	else if (gw_utf8_char(r->part, want) == want)
		put(r, r->part, want);
	else
		give_up_part(r);
	r->n_part = 0;
}

static void
feed_byte(struct ag_output_ring *r, char c)
{
	unsigned char u = (unsigned char)c;

	if (r->n_part > 0 && r->part[0] != '\r' && (u & 0xc0) == 0x80) {
		feed_tail(r, c);
		return;
	}
	if (c == '\n' && r->n_part > 0 && r->part[0] == '\r')
		r->n_part = 0;
	give_up_part(r);
	if (c == '\n') {
		open_line(r);
		r->open = false;
	} else if (c == '\r' || char_len(u) > 1) {
		r->part[r->n_part++] = c;
	} else {
		put(r, u < 0x20 || u >= 0x7f ? "?" : &c, 1);
	}
}

void
ag_output_ring_feed(struct ag_output_ring *r, const char *p, size_t n)
{
	r->bytes += n;
	for (size_t i = 0; i < n; i++)
		feed_byte(r, p[i]);
}

const char *
ag_output_ring_line(const struct ag_output_ring *r, size_t i)
{
	if (i >= r->n)
		return "";
	return r->line[(r->first + i) % AG_RING_LINES];
}

void
ag_output_ring_clear(struct ag_output_ring *r)
{
	memset(r, 0, sizeof(*r));
}
