/* SPDX-License-Identifier: MIT */
/*
 * join.h - a stream that goes on with an answer, made to look like its rest.
 *
 * Private to src/resume/. It takes the stream's bytes, gives the client's, and
 * adds what they say to what was said.
 */
#ifndef GW_RESUME_JOIN_H
#define GW_RESUME_JOIN_H

#include "resume/said.h"

struct gw_join {
	enum gw_resume_kind kind;
	struct gw_said *said; /* borrowed */
	bool plain;	      /* all that was said must come again */
	/* Nothing is compared any more. Before: of a continuation, whether it
	 * says the same again; of a plain repeat, all that was said. */
	bool settled;
	bool shown;		       /* the client has something of it */
	size_t text_at, reasoning_at;  /* so much of what was said came again */
	size_t held_events;	       /* in `held`, that say something */
	size_t events_before;	       /* said by others: part of its prompt */
	struct gw_buf in;	       /* an event that is not whole */
	struct gw_buf held;	       /* not yet known to be new */
	struct gw_buf out;	       /* for the client */
	char node[GW_RESUME_NODE_MAX]; /* who goes on, for the comment */
};

void gw_join_init(struct gw_join *j);
void gw_join_release(struct gw_join *j);

/* gw_join_begin - see gw_resume_ask(). What was not shown of the last one is
 * forgotten. */
void gw_join_begin(struct gw_join *j, enum gw_resume_kind kind,
		   struct gw_said *said, const char *node, bool plain);

/* gw_join_feed - see gw_resume_feed(); `out` has the bytes for the client. */
GW_MUSTCHECK enum gw_resume_fed gw_join_feed(struct gw_join *j, const char *p,
					     size_t n);

#endif
