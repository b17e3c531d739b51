/* SPDX-License-Identifier: MIT */
/*
 * said.h - what a client has been told so far of an answer.
 *
 * Private to src/resume/. Grows chunk by chunk; decides nothing but whether
 * what was said can be continued at all.
 */
#ifndef GW_RESUME_SAID_H
#define GW_RESUME_SAID_H

#include "resume/event.h"

/* Members that stay as the first stream told them. */
enum gw_head {
	GW_HEAD_ID,
	GW_HEAD_CREATED,
	GW_HEAD_MODEL,
	GW_HEAD_FINGERPRINT,
	GW_HEAD_OBJECT,
	GW_HEAD__MAX
};

#define GW_HEAD_BYTES_MAX 512u /* a longer one is not kept */

struct gw_said {
	struct gw_buf text, reasoning;
	const char *reasoning_key; /* where it stood; static, NULL = none */
	size_t events;		   /* that said something: tokens, about */
	bool role;		   /* whose message it is, was said */
	bool thinks;		   /* the last thing said was reasoning */
	bool tool, logprobs, several, odd, error;
	bool too_much; /* it does not fit */
	bool finished; /* finish_reason was told */
	bool done;     /* [DONE] was */
	struct json_object *head[GW_HEAD__MAX]; /* NULL = not told */
};

void gw_said_init(struct gw_said *s);
void gw_said_release(struct gw_said *s);

/* gw_said_add - the client is told this chunk, too. */
void gw_said_add(struct gw_said *s, const struct gw_chunk *c);

/* gw_said_add_text - a piece of text alone, of so many events. */
void gw_said_add_text(struct gw_said *s, struct gw_piece text, size_t events);

/* gw_said_nothing - neither text nor reasoning. */
bool gw_said_nothing(const struct gw_said *s);

/* gw_said_why_not - why it cannot be continued; static, NULL = it can. */
const char *gw_said_why_not(const struct gw_said *s);

/* gw_said_mark - give a chunk of another stream the head of the first one. */
void gw_said_mark(const struct gw_said *s, struct json_object *chunk);

/* gw_said_end - append the chunk that says: the limit is reached, and [DONE].
 * 0, or -1 when memory is out. */
GW_MUSTCHECK int gw_said_end(const struct gw_said *s, enum gw_resume_kind kind,
			     struct gw_buf *out);

#endif
