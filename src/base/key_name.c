/* SPDX-License-Identifier: MIT */
/* key_name.c - the first digits of a key's digest. */
#include "base/key_name.h"

#include <string.h>

#include "base/digest.h"

void
gw_key_name(const char *key, char out[GW_KEY_NAME_BYTES])
{
	uint8_t digest[GW_DIGEST_BYTES];
	char text[GW_DIGEST_TEXT];

	gw_digest(key, strlen(key), digest);
	gw_digest_hex(digest, text);
	memcpy(out, text, GW_KEY_NAME_BYTES - 1);
	out[GW_KEY_NAME_BYTES - 1] = '\0';
}
