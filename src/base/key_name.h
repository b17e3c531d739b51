/* SPDX-License-Identifier: MIT */
/*
 * key_name.h - what a key is called where it must not be shown.
 */
#ifndef GW_BASE_KEY_NAME_H
#define GW_BASE_KEY_NAME_H

#define GW_KEY_NAME_BYTES 9 /* eight hexadecimal digits and '\0' */

/*
 * gw_key_name - the first 32 bits of the key's SHA-256: the same in every
 * process and after every edit, and no way back to a key that is not guessed
 * easily. Shell: printf %s KEY | sha256sum | head -c 8.
 */
void gw_key_name(const char *key, char out[GW_KEY_NAME_BYTES]);

#endif
