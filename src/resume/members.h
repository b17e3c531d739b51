/* SPDX-License-Identifier: MIT */
/*
 * members.h - the members of a request that matter when it is to be resumed.
 *
 * Private to src/resume/. One table says which they are; they are looked for in
 * the client's body and in what its alias adds to it.
 */
#ifndef GW_RESUME_MEMBERS_H
#define GW_RESUME_MEMBERS_H

#include "resume/resume.h"
#include "resume/walk.h"

/* What a member has to do with it. */
enum gw_use {
	GW_USE_REFUSE,	 /* it cannot be resumed, unless the value is harmless */
	GW_USE_LIMIT,	 /* tokens that may still be said */
	GW_USE_TRUE,	 /* is set to that */
	GW_USE_FALSE,	 /* is set to that */
	GW_USE_MESSAGES, /* what was said becomes part of them */
	GW_USE_PROMPT,	 /* what was said stands behind it */
};

#define GW_MEMBERS 21u
#define GW_NUMBER_MAX 32u /* bytes of a number; longer ones are none here */

struct gw_found {
	const char *text; /* where its value is; NULL: there is none */
	bool added;	  /* by the alias, not in the client's body */
	bool twice;
	struct gw_span span;
};

/* gw_member_use, gw_member_name - of the row @i, 0 .. GW_MEMBERS - 1. */
enum gw_use gw_member_use(size_t i);
const char *gw_member_name(size_t i);

/* gw_member_counts - does the row concern that kind of request? */
bool gw_member_counts(size_t i, enum gw_resume_kind kind);

/*
 * gw_members_find - fill @found, GW_MEMBERS of them, all zero before.
 * @added  storage for what the alias adds, an empty buffer; outlives @found
 * 0, or -1 when memory is out or the body is no object.
 */
GW_MUSTCHECK int gw_members_find(enum gw_resume_kind kind,
				 const struct gw_body *body,
				 const struct gw_model *model,
				 struct gw_buf *added, struct gw_found *found);

/* gw_members_why_not - why such a request cannot be resumed; NULL = it can. */
const char *gw_members_why_not(const struct gw_found *found);

/* gw_members_number - its value; NAN when that is no number. */
double gw_members_number(const struct gw_found *f);

#endif
