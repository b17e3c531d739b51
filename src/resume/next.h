/* SPDX-License-Identifier: MIT */
/*
 * next.h - the request that asks for the rest of an answer.
 *
 * Private to src/resume/. Made of the client's own bytes: a few values are
 * changed where they stand, a few members added, and nothing else is touched.
 */
#ifndef GW_RESUME_NEXT_H
#define GW_RESUME_NEXT_H

#include "resume/said.h"

enum gw_next {
	GW_NEXT_ASK,   /* it was made */
	GW_NEXT_SPENT, /* as many tokens were said as the request allows */
	GW_NEXT_NOT,   /* this request cannot be resumed */
};

/*
 * gw_next_request - see gw_resume_broke(); arguments as there.
 * When nothing has been said it is the client's own request.
 * @again  for another alias than before: a limit among its defaults that is
 *         spent becomes 1
 */
GW_MUSTCHECK enum gw_next
gw_next_request(enum gw_resume_kind kind, const struct gw_body *body,
		const struct gw_model *model, const struct gw_said *said,
		bool again, struct gw_buf *next, const char **why);

#endif
