/* SPDX-License-Identifier: MIT */
/*
 * tokens.h - what an answer tells of its tokens: `usage` (OpenAI's, of chats,
 * completions, embeddings and responses; Anthropic's) and llama-server's
 * `timings`, where they stand in the document, or in a document's `message` or
 * `response`. The same words elsewhere, in what a model says or calls a tool
 * with, are none.
 *
 * Follows the bytes as they pass, and keeps some thirty of them. Pure; any
 * thread; nothing to free.
 */
#ifndef GW_SSE_TOKENS_H
#define GW_SSE_TOKENS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GW_TOKENS_NAME_MAX 32u	 /* bytes, more than the longest name has */
#define GW_TOKENS_DEPTH_MAX 5u	 /* deeper nothing is looked for */
#define GW_TOKENS_DIGITS_MAX 15u /* of a number of tokens */

/* The numbers that are looked for; what is told is made of them. */
enum gw_tokens_number {
	GW_TOKENS_PROMPT,
	GW_TOKENS_COMPLETION,
	GW_TOKENS_CACHED,
	GW_TOKENS_READ,	     /* Anthropic's: cached, and not in PROMPT */
	GW_TOKENS_CREATED,   /* put into the cache, and not in PROMPT */
	GW_TOKENS_EVALUATED, /* llama-server's: of the prompt, not cached */
	GW_TOKENS_PREDICTED,
	GW_TOKENS_REUSED, /* of the prompt, cached */
	GW_TOKENS__MAX
};

/* All zero is the beginning. */
struct gw_tokens {
	bool seen[GW_TOKENS__MAX];
	uint64_t number[GW_TOKENS__MAX]; /* the largest said */
	/* tokens.c's alone: where it stands in a document */
	unsigned char step;
	bool odd;	    /* an odd number of backslashes went before */
	unsigned char key;  /* of the value that comes; 0 = none that matters */
	unsigned char word; /* the string that just ended, likewise */
	unsigned char object[GW_TOKENS_DEPTH_MAX];
	uint32_t depth;
	uint32_t n; /* bytes of the name, digits of the number */
	uint64_t value;
	char name[GW_TOKENS_NAME_MAX];
};

struct gw_tokens_told {
	bool told;	  /* of prompt and completion; else both are 0 */
	bool cached_told; /* of the cache; else 0 */
	uint64_t prompt;  /* all of it, cached or not */
	uint64_t completion;
	uint64_t cached; /* of the prompt, read from the cache */
};

/* gw_tokens_begin - another document begins; what was told stays. */
void gw_tokens_begin(struct gw_tokens *t);

/* gw_tokens_feed - the next @n bytes of a document, as plain text, cut
 * anywhere. What is no JSON tells nothing. */
void gw_tokens_feed(struct gw_tokens *t, const char *p, size_t n);

/* gw_tokens_told - what was told so far. */
struct gw_tokens_told gw_tokens_told(const struct gw_tokens *t);

#endif
