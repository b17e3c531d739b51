/* SPDX-License-Identifier: MIT */
/* test_utf8.c - a text that was cut ends with a whole character. */
#include <string.h>

#include "base/utf8.h"
#include "unit/tap.h"

int
main(void)
{
	static const char *const texts[] = {"a", "\xc3\xa9", "\xe2\x82\xac",
					    "\xf0\x9f\x98\x80"};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		size_t len = strlen(texts[i]);

		for (size_t cut = 0; cut <= len; cut++) {
			char text[16] = "x";

			strncat(text, texts[i], cut);
			gw_utf8_trim(text, strlen(text));
			ok(strlen(text) == (cut == len ? 1 + len : 1),
			   "utf8: %zu of %zu bytes of a character at the end "
			   "-> %s",
			   cut, len, cut == len ? "it stays" : "none of it");
		}
	}
	return done_testing();
}
