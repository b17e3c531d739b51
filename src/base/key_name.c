/* SPDX-License-Identifier: MIT */
/* key_name.c - the only user of libcrypto. */
#include "base/key_name.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

void
gw_key_name(const char *key, char out[GW_KEY_NAME_BYTES])
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)key, strlen(key), hash);
	snprintf(out, GW_KEY_NAME_BYTES, "%02x%02x%02x%02x", hash[0], hash[1],
		 hash[2], hash[3]);
}
