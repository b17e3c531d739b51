/* SPDX-License-Identifier: MIT */
/*
 * walk.h - where the values of a JSON text stand.
 *
 * Private to src/resume/. For texts that were checked to be JSON (a finished
 * gw_body): a few ranges of one are looked for to be changed, the rest is to
 * stay as it is, byte for byte. Ends on any text, finds nonsense in bad ones.
 */
#ifndef GW_RESUME_WALK_H
#define GW_RESUME_WALK_H

#include <stdbool.h>
#include <stddef.h>

/* Offsets of a value, quotes and brackets included. */
struct gw_span {
	size_t from, to;
};

struct gw_walk {
	const char *text;
	size_t at, end;
	bool members;		   /* it is an object */
	struct gw_span key, value; /* of the member or element at hand */
};

/* gw_walk_whole - the range of the text's one value, blanks around left out. */
struct gw_span gw_walk_whole(const char *text, size_t len);

/* gw_walk_into - begin with an object or list; false: it is neither. */
bool gw_walk_into(struct gw_walk *w, const char *text, struct gw_span value);

/* gw_walk_next - its next member or element; false: there is none. */
bool gw_walk_next(struct gw_walk *w);

/* gw_walk_is - is the value (or key) the string @word, however escaped? */
bool gw_walk_is(const char *text, struct gw_span value, const char *word);

/* gw_walk_is_string - is it a string? */
bool gw_walk_is_string(const char *text, struct gw_span value);

#endif
