/* SPDX-License-Identifier: MIT */
/* test_hash.c - the published values of FNV-1a: processes share what follows
 * from them, so they may never change. */
#include "base/hash.h"
#include "tap.h"

int
main(void)
{
	static const struct {
		const char *text;
		uint64_t hash;
	} known[] = {
		{"", UINT64_C(0xcbf29ce484222325)},
		{"a", UINT64_C(0xaf63dc4c8601ec8c)},
		{"foobar", UINT64_C(0x85944171f73967e8)},
		{"\xff", UINT64_C(0xaf64724c8602eb6e)},
	};
	bool seen[7] = {false};
	size_t used = 0;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		ok(gw_hash_text(known[i].text) == known[i].hash,
		   "hash: '%s' -> its published value", known[i].text);
	ok(gw_hash_more(gw_hash("foo", 3), "bar", 3) == gw_hash("foobar", 6),
	   "hash: in two pieces -> as in one");
	ok(gw_hash("a\0b", 3) != gw_hash("a\0c", 3),
	   "hash: bytes behind a NUL -> count");
	for (char c = 'a'; c <= 'z'; c++) {
		size_t slot = gw_hash_slot(gw_hash(&c, 1), 7);

		used += slot < 7 && !seen[slot];
		if (slot < 7)
			seen[slot] = true;
	}
	ok(used == 7, "hash: 26 names in 7 slots -> none stays empty");
	return done_testing();
}
