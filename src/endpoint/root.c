/* SPDX-License-Identifier: MIT */
/*
 * root.c - for whoever opens the bare address, or whose client asks it whether
 * anybody is there. Knows nothing that is not public.
 */
#include "endpoint/table.h"
#include "serve/reply.h"
#include "serve/request.h"

static const char text[] = "RoleMesh is running. The API is below /v1.\n";

enum gw_step
gw_answer_root(struct gw_request *r)
{
	size_t n = sizeof(text) - 1;

	if (gw_reply_head(r, 200, "text/plain; charset=utf-8", (int64_t)n) < 0)
		return GW_FINISH;
	if (gw_reply_body(r, text, n) < 0)
		gw_reply_break(r);
	else
		gw_reply_end(r);
	return GW_FINISH;
}
