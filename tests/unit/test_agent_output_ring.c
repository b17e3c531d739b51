/* SPDX-License-Identifier: MIT */
/* test_agent_output_ring.c - the last lines of a program, safe to show. */
#include "agent/process/output_ring.h"
#include "base/utf8.h"
#include "tap.h"

static struct ag_output_ring ring;

static void
feed(const char *text)
{
	ag_output_ring_feed(&ring, text, strlen(text));
}

static void
is_line(size_t i, const char *want, const char *title)
{
	is_str(ag_output_ring_line(&ring, i), want, title);
}

static void
lines(void)
{
	ag_output_ring_clear(&ring);
	is_int((long long)ring.n, 0, "ring: nothing fed -> no line");
	is_line(0, "", "ring: a line that is not there -> empty, not NULL");
	feed("one\ntwo\n\nthr");
	is_int((long long)ring.n, 4, "ring: three lines and a half -> four");
	is_line(0, "one", "ring: the first line -> the oldest");
	is_line(1, "two", "ring: the second line -> follows");
	is_line(2, "", "ring: an empty line -> kept");
	is_line(3, "thr", "ring: a line without an end -> visible");
	ok(ring.open, "ring: a line without an end -> open");
	feed("ee\n");
	is_line(3, "three", "ring: its rest -> joined");
	ok(!ring.open && ring.n == 4,
	   "ring: an end of line -> no empty line begins");
	is_int((long long)ring.bytes, 15, "ring: bytes fed -> counted");
	ag_output_ring_clear(&ring);
	ok(ring.n == 0 && ring.bytes == 0, "ring: cleared -> empty");
}

static void
cr_lf(void)
{
	ag_output_ring_clear(&ring);
	feed("one\r\ntwo\r");
	is_line(1, "two", "ring: CR at the end of a piece -> not shown yet");
	feed("\nthree\rfour\n");
	is_line(0, "one", "ring: CR LF -> the end of a line");
	is_line(1, "two", "ring: CR LF in two pieces -> the same");
	is_line(2, "three?four", "ring: CR alone -> a control character");
	feed("\r\r\n");
	is_line(3, "?", "ring: CR CR LF -> one CR left");
}

static void
long_lines(void)
{
	static char text[3 * AG_RING_LINE_BYTES];
	const char *got;

	memset(text, 'a', sizeof(text));
	ag_output_ring_clear(&ring);
	ag_output_ring_feed(&ring, text, AG_RING_LINE_BYTES);
	got = ag_output_ring_line(&ring, 0);
	ok(strlen(got) == AG_RING_LINE_BYTES && !strchr(got, '.'),
	   "ring: a line that just fits -> whole");
	feed("b");
	ok(strlen(got) == AG_RING_LINE_BYTES &&
		   strcmp(got + AG_RING_LINE_BYTES - 4, "a...") == 0,
	   "ring: one byte more -> cut, with a mark");
	ag_output_ring_feed(&ring, text, sizeof(text));
	feed("\nnext\n");
	ok(ring.n == 2 && strlen(got) == AG_RING_LINE_BYTES,
	   "ring: much more -> nothing added");
	is_line(1, "next", "ring: the line after a cut one -> whole");

	ag_output_ring_clear(&ring);
	for (int i = 0; i < AG_RING_LINE_BYTES; i++)
		feed("\xe2\x82\xac");
	got = ag_output_ring_line(&ring, 0);
	ok(gw_utf8_valid(got, strlen(got)) &&
		   strlen(got) <= AG_RING_LINE_BYTES &&
		   strcmp(got + strlen(got) - 6, "\xe2\x82\xac...") == 0,
	   "ring: a cut line of long characters -> cut between two");
}

static void
many_lines(void)
{
	char text[32], want[32];
	size_t extra = 7;

	ag_output_ring_clear(&ring);
	for (size_t i = 0; i < AG_RING_LINES; i++) {
		snprintf(text, sizeof(text), "line %zu\n", i);
		feed(text);
	}
	is_line(0, "line 0", "ring: as many lines as fit -> the first is kept");
	for (size_t i = 0; i < extra; i++) {
		snprintf(text, sizeof(text), "line %zu\n", i + AG_RING_LINES);
		feed(text);
	}
	is_int((long long)ring.n, AG_RING_LINES, "ring: more -> no more lines");
	is_line(0, "line 7", "ring: more -> the oldest are forgotten");
	snprintf(want, sizeof(want), "line %zu", AG_RING_LINES - 1 + extra);
	is_line(AG_RING_LINES - 1, want, "ring: more -> the newest is last");
	is_line(AG_RING_LINES, "", "ring: beyond the last -> empty");
	for (int i = 0; i < 3 * AG_RING_LINES; i++)
		feed("x\n");
	is_line(0, "x", "ring: round several times -> still in order");
}

static void
odd_bytes(void)
{
	static const struct {
		const char *in, *out, *title;
	} cases[] = {
		{"\x1b[31mred\x1b[0m", "?[31mred?[0m",
		 "ring: colour codes -> harmless"},
		{"a\tb\a\x7f", "a?b??", "ring: control characters -> '?'"},
		{"a\xc2\x9b"
		 "31m",
		 "a?31m", "ring: a control character of two bytes -> '?'"},
		{"\xc2\xa0|", "\xc2\xa0|",
		 "ring: the character after those -> kept"},
		{"gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x99",
		 "gr\xc3\xbc\xc3\x9f \xf0\x9f\xa6\x99", "ring: UTF-8 -> kept"},
		{"a\xff\x80"
		 "b",
		 "a??b", "ring: bytes that begin no character -> '?' each"},
		{"a\xe2\x82"
		 "b",
		 "a??b", "ring: a character broken off -> '?' for each byte"},
		{"\xe2\x82\xc3\xbc", "??\xc3\xbc",
		 "ring: broken off by another one -> that one is kept"},
		{"\xed\xa0\x80\xc0\xaf\xf4\x90\x80\x80", "?????????",
		 "ring: surrogates, overlong, beyond Unicode -> '?'"},
		{"\xe2\x82\xac\xe2\x82\r", "\xe2\x82\xac??",
		 "ring: broken off by CR -> '?' for each byte"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		ag_output_ring_clear(&ring);
		feed(cases[i].in);
		feed("\n");
		is_line(0, cases[i].out, cases[i].title);
	}
	ag_output_ring_clear(&ring);
	ag_output_ring_feed(&ring, "a\0b\n", 4);
	is_line(0, "a?b", "ring: a NUL byte -> '?'");
	ag_output_ring_clear(&ring);
	feed("a\xe2\x82");
	is_line(0, "a", "ring: half a character -> not shown yet");
	feed("\n");
	is_line(0, "a??", "ring: half a character and the end -> '?'");
}

/* All bytes, in an order without meaning but the same each time. */
static void
fill(char *out, size_t n)
{
	uint32_t x = 1;

	for (size_t i = 0; i < n; i++) {
		x = x * 1664525 + 1013904223;
		out[i] = (char)(x >> 24);
		if (i % 97 == 0)
			out[i] = '\n';
		if (i % 31 == 0 && i + 3 < n)
			memcpy(out + i, "\xe2\x82\xac", 3);
	}
}

static void
any_pieces(void)
{
	static struct ag_output_ring whole;
	static char text[20000];
	size_t i, step;
	bool same = true, valid = true;

	fill(text, sizeof(text));
	ag_output_ring_feed(&whole, text, sizeof(text));
	for (step = 1; step < 9; step++) {
		ag_output_ring_clear(&ring);
		for (i = 0; i < sizeof(text); i += step)
			ag_output_ring_feed(&ring, text + i,
					    sizeof(text) - i < step
						    ? sizeof(text) - i
						    : step);
		same = same && ring.n == whole.n && ring.bytes == whole.bytes;
		for (i = 0; i < whole.n; i++)
			same = same &&
			       strcmp(ag_output_ring_line(&ring, i),
				      ag_output_ring_line(&whole, i)) == 0;
	}
	ok(same, "ring: split anywhere -> the same lines");
	for (i = 0; i < whole.n; i++) {
		const char *line = ag_output_ring_line(&whole, i);

		for (const char *p = line; *p; p++)
			valid = valid && (unsigned char)*p >= 0x20;
		valid = valid && gw_utf8_valid(line, strlen(line));
	}
	ok(valid, "ring: any bytes -> UTF-8 without control characters");
}

int
main(void)
{
	lines();
	cr_lf();
	long_lines();
	many_lines();
	odd_bytes();
	any_pieces();
	return done_testing();
}
