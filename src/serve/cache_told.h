/* SPDX-License-Identifier: MIT */
/*
 * cache_told.h - what an upstream says, somewhere in its answer, about how much
 * of the prompt it had in its cache: `cached_tokens`, `cache_n` or
 * `cache_read_input_tokens`, as numbers of its JSON or of an event's.
 *
 * Follows the bytes as they pass and keeps some forty of them. Pure.
 */
#ifndef GW_SERVE_CACHE_TOLD_H
#define GW_SERVE_CACHE_TOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_CACHE_NAME_MAX 24 /* bytes, more than the longest name has */

/* All zero is the beginning. */
struct gw_cache_told {
	bool told;
	uint64_t tokens; /* the largest number said */
	/* cache_told.c's alone */
	enum gw_cache_step {
		GW_CACHE_OUTSIDE,
		GW_CACHE_NAME,	/* behind a quote */
		GW_CACHE_COLON, /* behind a name that matters */
		GW_CACHE_NUMBER
	} step;
	size_t n; /* bytes of the name, digits of the number */
	uint64_t number;
	char name[GW_CACHE_NAME_MAX];
};

/* gw_cache_told_feed - the next bytes of an answer, as plain text. */
void gw_cache_told_feed(struct gw_cache_told *t, const char *p, size_t n);

#endif
