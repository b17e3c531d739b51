/* SPDX-License-Identifier: MIT */
/*
 * event.h - one event of a stream, and what it says.
 *
 * Private to src/resume/. Knows the lines of an event and the chunks of chat
 * completions and completions; nothing of what was said before.
 */
#ifndef GW_RESUME_EVENT_H
#define GW_RESUME_EVENT_H

#include <json-c/json.h>

#include "resume/resume.h"

#define GW_RESUME_DONE "data: [DONE]\n\n"

/*
 * gw_event_end - the offset behind the event, comments included, that begins at
 * @from: behind its blank line. 0 while it is not whole.
 */
size_t gw_event_end(const char *p, size_t len, size_t from);

/*
 * gw_event_border - the last place between two events in (@from, @len], where
 * the bytes from 0 on are the stream's; 0 = there is none.
 */
size_t gw_event_border(const char *p, size_t len, size_t from);

/* gw_event_says_done - is the last line of these bytes, whole or not yet, the
 * one of [DONE]? Says nothing about what stands before it. */
bool gw_event_says_done(const char *p, size_t len);

/* What a piece of text is: @len bytes at @p, NULL = none. */
struct gw_piece {
	const char *p;
	size_t len;
};

struct gw_chunk {
	bool empty;	  /* no data: comments, or nothing that counts */
	bool done;	  /* [DONE] */
	bool error;	  /* the upstream tells an error */
	bool odd;	  /* what this is, nobody here knows */
	bool role;	  /* it says whose message this is */
	bool tool;	  /* a tool is called */
	bool logprobs;	  /* it has them */
	bool several;	  /* of another choice than the first, or of two */
	bool finished;	  /* it has a finish_reason ... */
	bool length;	  /* ... which is that the limit was reached */
	bool usage;	  /* it tells how many tokens were used */
	struct gw_piece text, reasoning;
	const char *text_key, *reasoning_key; /* where they stand; static */
	struct json_object *doc;	      /* owned; NULL unless a chunk */
	struct json_object *delta;	      /* within it, or NULL */
};

/* gw_chunk_read - what the event says. Released by the caller. Never fails:
 * what cannot be read is odd. */
void gw_chunk_read(struct gw_chunk *c, enum gw_resume_kind kind, const char *p,
		   size_t len);
void gw_chunk_release(struct gw_chunk *c);

#define gw_auto_chunk GW_CLEANUP(gw_chunk_release)

#endif
