/* SPDX-License-Identifier: MIT */
/*
 * prompt.h - hashes of a prompt's beginnings, for who wants to send a
 * conversation to where it went before.
 *
 * Follows a body's raw bytes as they arrive and takes what stands at the top
 * level as `tools`, `system`, `instructions`, then `messages` or `input` element
 * by element, or the text of `prompt` in blocks. At the end the hashes of these
 * parts are chained: one for the prompt up to each part, from short to long.
 *
 * A beginning that ends before the first message of a user does not count: all
 * clients of one program have that in common. Lines that clients change with each
 * request are left out. Blanks between tokens do not matter, all else is as
 * it is written.
 *
 * Pure; a fixed amount of memory. Judges no JSON: what is no JSON has some hash.
 */
#ifndef GW_BODY_PROMPT_H
#define GW_BODY_PROMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_PROMPT_PARTS_MAX 256 /* the last one is all that follows */
#define GW_PROMPT_BLOCK_BYTES 512 /* of `prompt` */
#define GW_PROMPT_WORD_MAX 16 /* bytes kept of a key; longer than any known */

/* The members that come before the messages, in the order of the hash. */
enum gw_prompt_head {
	GW_PROMPT_TOOLS,
	GW_PROMPT_SYSTEM,
	GW_PROMPT_INSTRUCTIONS,
	GW_PROMPT__HEADS
};

/* Whose value is being read, if anybody's. */
enum gw_prompt_member {
	GW_PROMPT_OTHER,
	GW_PROMPT_HEAD,	  /* one of the above */
	GW_PROMPT_LIST,	  /* `messages`, `input` */
	GW_PROMPT_BLOCKS, /* `prompt` */
};

/* A line of a string, while it is looked at. */
enum gw_prompt_line {
	GW_PROMPT_KEPT,
	GW_PROMPT_BEGUN, /* so far it is as one that is left out */
	GW_PROMPT_LEFT_OUT
};

/* prompt.c's alone; all zero is the beginning. */
struct gw_prompt {
	/* where the text is */
	unsigned depth;
	bool in_string, escaped;
	bool key_next; /* a string that begins now is a key */
	bool in_value; /* behind the colon, at the top level */
	enum gw_prompt_member member;
	enum gw_prompt_head head;
	/* the messages */
	bool in_list, in_element;
	bool is_object; /* the element is one */
	bool is_role;	/* the value to come says whose message it is */
	bool is_user;
	/* the string being read, if it may be a key or a role */
	bool noting;
	char word[GW_PROMPT_WORD_MAX + 1];
	size_t word_len; /* GW_PROMPT_WORD_MAX + 1: longer */
	/* the line being read */
	enum gw_prompt_line line;
	size_t begun; /* bytes */
	/* what was found */
	uint64_t hash;	    /* of the part being read */
	size_t block_bytes; /* of it, in blocks */
	uint64_t heads[GW_PROMPT__HEADS];
	uint64_t parts[GW_PROMPT_PARTS_MAX];
	size_t n;
	size_t first; /* parts before it do not count; n: none does */
	bool counts;  /* `first` is known */
};

/* gw_prompt_more - the next bytes of the body. */
void gw_prompt_more(struct gw_prompt *p, const char *text, size_t n);

/*
 * gw_prompt_end - the body is complete.
 * @hashes  set to the beginnings that count, from short to long
 * Returns how many there are, at most GW_PROMPT_PARTS_MAX. Once only.
 */
size_t gw_prompt_end(struct gw_prompt *p, const uint64_t **hashes);

#endif
