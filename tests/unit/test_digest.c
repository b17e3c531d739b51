/* SPDX-License-Identifier: MIT */
/* test_digest.c - SHA-256, its text, and what a key is called. */
#include "base/digest.h"

#include "base/key_name.h"
#include "tap.h"

/* FIPS 180-4's own examples, and what `printf %s | sha256sum` prints. */
static const struct {
	const char *bytes, *digest;
} known[] = {
	{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b85"
	     "5"},
	{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f2001"
		"5ad"},
	{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
};

#define DIGITS                                                                 \
	"00112233445566778899aAbBcCdDeEfF00112233445566778899aabbccddeeff"

static const struct {
	const char *title, *text;
	size_t len;
	bool good;
} texts[] = {
	{"digest: 64 digits, small and large", DIGITS, 64, true},
	{"digest: 63 digits -> none", DIGITS, 63, false},
	{"digest: 65 digits -> none", DIGITS "0", 65, false},
	{"digest: no digits -> none", "", 0, false},
	{"digest: a letter behind f -> none",
	 "g0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 64,
	 false},
	{"digest: a letter behind F -> none",
	 "G0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 64,
	 false},
	{"digest: the last digit is none",
	 "00112233445566778899aabbccddeeff00112233445566778899aabbccddeef ", 64,
	 false},
	{"digest: between 9 and A -> none",
	 ":0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 64,
	 false},
	{"digest: before 0 -> none",
	 "/0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 64,
	 false},
	{"digest: between F and a -> none",
	 "`0112233445566778899aabbccddeeff00112233445566778899aabbccddeeff", 64,
	 false},
};

int
main(void)
{
	uint8_t a[GW_DIGEST_BYTES], b[GW_DIGEST_BYTES];
	char text[GW_DIGEST_TEXT], name[GW_KEY_NAME_BYTES];

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		gw_digest(known[i].bytes, strlen(known[i].bytes), a);
		gw_digest_hex(a, text);
		is_str(text, known[i].digest, "digest: a known one");
		ok(gw_digest_read(text, 64, b) && gw_digest_same(a, b),
		   "digest: there and back");
		gw_key_name(known[i].bytes, name);
		is_str(name,
		       (char[9]){text[0], text[1], text[2], text[3], text[4],
				 text[5], text[6], text[7]},
		       "digest: the name of a key is its first 8 digits");
	}
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
		memset(a, 0x5a, sizeof(a));
		memset(b, 0x5a, sizeof(b));
		ok(gw_digest_read(texts[i].text, texts[i].len, a) ==
			   texts[i].good,
		   "%s", texts[i].title);
		ok(texts[i].good || gw_digest_same(a, b),
		   "%s: nothing is filled in", texts[i].title);
	}
	gw_digest_read(DIGITS, 64, a);
	is_int(a[10], 0xaa, "digest: a large digit is what a small one is");
	for (size_t i = 0; i < sizeof(a); i++) {
		memcpy(b, a, sizeof(a));
		b[i] ^= 1;
		ok(!gw_digest_same(a, b), "digest: byte %zu counts", i);
	}
	return done_testing();
}
