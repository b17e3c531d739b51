/* SPDX-License-Identifier: MIT */
/*
 * hash.h - the one hash function for names and bytes: FNV-1a, 64 bits.
 *
 * For tables, names of folders and segments, and fingerprints of files. Not for
 * keys of users, nor where somebody gains from a collision. Values are part of
 * what processes share (names of segments, the registry): they never change.
 * Source: draft-eastlake-fnv, section 2 and 5.
 */
#ifndef GW_BASE_HASH_H
#define GW_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define GW_HASH_INIT UINT64_C(0xcbf29ce484222325)

/*
 * gw_hash_more - go on with a hash.
 * @h  GW_HASH_INIT, or what an earlier call returned
 * @p  @n bytes; NULL only with @n 0
 * Returns the hash of everything so far. Pure.
 */
static inline uint64_t
gw_hash_more(uint64_t h, const void *p, size_t n)
{
	const unsigned char *bytes = p;

	for (size_t i = 0; i < n; i++)
		h = (h ^ bytes[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* gw_hash - of @n bytes. */
static inline uint64_t
gw_hash(const void *p, size_t n)
{
	return gw_hash_more(GW_HASH_INIT, p, n);
}

/* gw_hash_text - of a string, without its '\0'. */
static inline uint64_t
gw_hash_text(const char *text)
{
	return gw_hash(text, strlen(text));
}

/*
 * gw_hash_slot - a place in a table of @n slots, any @n > 0.
 * The low bits of FNV-1a alone are those of a multiplication: the upper half is
 * folded in.
 */
static inline size_t
gw_hash_slot(uint64_t h, size_t n)
{
	return (size_t)((h ^ h >> 32) % n);
}

#endif
