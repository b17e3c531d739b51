/* SPDX-License-Identifier: MIT */
/*
 * admit.c - may a request come whose body the web server has not read yet? Who
 * was not refused by the stages before this one may: it comes again, as a
 * request of its own, with its body.
 */
#include "serve/reply.h"
#include "serve/request.h"
#include "stage/stage.h"

enum gw_step
gw_stage_admit(struct gw_request *r)
{
	if (!r->accept.admission)
		return GW_NEXT;
	if (gw_reply_head(r, 200, NULL, 0) == 0)
		gw_reply_end(r);
	return GW_FINISH;
}
