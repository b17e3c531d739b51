/* SPDX-License-Identifier: MIT */
/*
 * test_coding.c - compressed bytes, cut anywhere, become what they were.
 */
#include <stdlib.h>
#include <zlib.h>

#include "tap.h"
#include "upstream/coding.h"

#define TEXT_MAX 200000

static char text[TEXT_MAX + 1];
static char coded[TEXT_MAX];
static char got_text[TEXT_MAX + 1];

/* Compresses @n bytes of text behind what @coded holds. */
static size_t
compress_to(size_t at, size_t n, int window_bits)
{
	z_stream z = {0};
	size_t len;

	if (deflateInit2(&z, 6, Z_DEFLATED, window_bits, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		exit(1);
	z.next_in = (Bytef *)text;
	z.avail_in = (uInt)n;
	z.next_out = (Bytef *)coded + at;
	z.avail_out = (uInt)(sizeof(coded) - at);
	if (deflate(&z, Z_FINISH) != Z_STREAM_END)
		exit(1);
	len = z.total_out;
	deflateEnd(&z);
	return len;
}

/* Decodes in pieces of @piece with room for @cap. Returns the bytes that came
 * out, or -1. */
static long
decode(struct gw_coding *c, size_t len, size_t piece, size_t cap)
{
	size_t out = 0, got;

	for (size_t at = 0; at < len;) {
		const char *p = coded + at;
		size_t n = len - at < piece ? len - at : piece;

		at += n;
		do {
			if (gw_coding_step(c, &p, &n, got_text + out, cap,
					   &got) < 0)
				return -1;
			out += got;
		} while (n > 0 || got == cap);
	}
	return (long)out;
}

static void
round_trip(const char *name, int window_bits, size_t n, size_t piece,
	   size_t cap)
{
	struct gw_coding *c = gw_coding_new(name);
	size_t len = compress_to(0, n, window_bits);
	long out = c ? decode(c, len, piece, cap) : -2;

	ok(out == (long)n && memcmp(got_text, text, n) == 0 &&
		   gw_coding_is_whole(c),
	   "coding: %s (%d), %zu bytes in pieces of %zu, room for %zu", name,
	   window_bits, n, piece, cap);
	gw_coding_free(c);
}

static void
members(void)
{
	struct gw_coding *c = gw_coding_new("gzip");
	size_t len = compress_to(0, 10, 31);

	len += compress_to(len, 10, 31);
	ok(decode(c, len, 7, 4) == 20 && gw_coding_is_whole(c),
	   "coding: two gzip members -> both");
	gw_coding_free(c);
	c = gw_coding_new("gzip");
	len = compress_to(0, 10, 31);
	memcpy(coded + len, "junk", 4);
	ok(decode(c, len + 4, 1000, 1000) == 10 && gw_coding_is_whole(c),
	   "coding: what is no member behind the end -> dropped");
	gw_coding_free(c);
}

static void
broken(void)
{
	struct gw_coding *c = gw_coding_new("gzip");
	size_t len = compress_to(0, 1000, 31);

	ok(gw_coding_is_whole(c), "coding: no byte -> nothing is missing");
	ok(decode(c, len - 1, 100, 1000) == 1000 && !gw_coding_is_whole(c),
	   "coding: the last byte is missing -> not whole");
	gw_coding_free(c);
	c = gw_coding_new("gzip");
	memcpy(coded, "{\"plain\":1}", 11);
	is_int(decode(c, 11, 11, 1000), -1, "coding: no gzip -> refused");
	gw_coding_free(c);
	ok(!gw_coding_new("br") && !gw_coding_new("gzip, gzip") &&
		   !gw_coding_new("") && !gw_coding_new("gz"),
	   "coding: other names -> none");
	ok(gw_coding_is_plain("") && gw_coding_is_plain("Identity") &&
		   !gw_coding_is_plain("gzip"),
	   "coding: which change nothing");
}

int
main(void)
{
	static const size_t pieces[] = {1, 2, 1000, TEXT_MAX};

	for (size_t i = 0; i < TEXT_MAX; i++)
		text[i] = (char)('a' + i * i % 23);
	for (size_t i = 0; i < GW_ARRAY_LEN(pieces); i++) {
		round_trip("gzip", 31, 5000, pieces[i], 100);
		round_trip("X-GZip", 31, 1, pieces[i], 1);
		round_trip("deflate", 15, 5000, pieces[i], 5000);
		if (pieces[i] > 1)
			round_trip("Deflate", -15, 5000, pieces[i], 64);
	}
	round_trip("gzip", 31, TEXT_MAX, 1000, 16384);
	round_trip("gzip", 31, 0, 1, 1);
	members();
	broken();
	return done_testing();
}
