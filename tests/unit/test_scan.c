/* SPDX-License-Identifier: MIT */
/* test_scan.c - what looks at eight bytes at a time sees each of them. */
#include "base/scan.h"
#include "unit/tap.h"

#define BYTES 40

static bool
slow_has_control(const unsigned char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((p[i] < 0x20 && p[i] != '\t') || p[i] == 0x7f)
			return true;
	return false;
}

/* Each byte at each place of texts of each length, beside each filler. */
static int
control_differs(unsigned char filler)
{
	unsigned char text[BYTES];
	int differs = 0;

	for (size_t n = 0; n <= 20; n++)
		for (size_t at = 0; at < n; at++)
			for (int byte = 0; byte < 256; byte++) {
				memset(text, filler, sizeof(text));
				text[at] = (unsigned char)byte;
				differs += gw_has_control((char *)text, n) !=
					   slow_has_control(text, n);
			}
	return differs;
}

static void
either(void)
{
	char text[BYTES];
	int wrong = 0;

	for (size_t n = 0; n <= 20; n++)
		for (size_t at = 0; at <= n; at++)
			for (int byte = -128; byte < 128; byte++) {
				size_t want = at;

				memset(text, 'x', sizeof(text));
				text[at] = (char)byte; /* at n: behind it */
				if (byte != '"' && byte != '\\')
					want = n;
				wrong += gw_find_either(text, n, '"', '\\') !=
					 (want < n ? want : n);
			}
	is_int(wrong, 0, "scan: a quote or a backslash at each place");
	memset(text, '"', sizeof(text));
	text[3] = '\\';
	is_int((int)gw_find_either(text + 3, 9, '"', '\\'), 0,
	       "scan: the first of several");
}

int
main(void)
{
	static const unsigned char fillers[] = {' ', 'a', '\t', 0x80, 0xff};

	for (size_t i = 0; i < sizeof(fillers); i++)
		ok(control_differs(fillers[i]) == 0,
		   "scan: control bytes beside 0x%02x", fillers[i]);
	either();
	return done_testing();
}
