/* SPDX-License-Identifier: MIT */
/*
 * rest.h - a stream that broke behind its first byte, and who is asked for the
 * rest. Parts of stages pick_node, forward and stream; how streams are joined
 * is src/resume/'s.
 */
#ifndef GW_STAGE_REST_H
#define GW_STAGE_REST_H

#include <stdbool.h>

#include "serve/step.h"

struct gw_request;

/* gw_rest_begin - an answer of an upstream's is about to be opened: from now on
 * it is kept if it may be resumed, or joined to what the client has. */
void gw_rest_begin(struct gw_request *r);

enum gw_rest {
	GW_REST_NONE,  /* nothing can be done */
	GW_REST_WHOLE, /* nothing was missing; the client has all of it */
	GW_REST_ASKED, /* @step is what the stage returns */
};

/*
 * gw_rest_broke - the transfer is over, and was opened. To be called for each
 * end: whether a stream is whole only its bytes tell.
 * @result  what the access record says of the attempt; static
 * With NONE r->err may be set.
 */
enum gw_rest gw_rest_broke(struct gw_request *r, const char *result,
			   enum gw_step *step);

/* gw_rest_is_refused - is this the answer of a server that does not continue
 * what others said, and was not asked plainly? */
bool gw_rest_is_refused(const struct gw_request *r);

/* gw_rest_plainly - the same candidate is asked again with the client's own
 * request; its transfer is over. Returns what the stage returns. */
enum gw_step gw_rest_plainly(struct gw_request *r, const char *result);

/* gw_rest_elsewhere - another candidate is chosen for what is asked for. */
void gw_rest_elsewhere(struct gw_request *r);

/*
 * gw_rest_of_alias - a candidate was chosen, perhaps of another alias: its own
 * defaults and limits go into what is asked for.
 * Returns 0, or -1 with r->err set when memory is out.
 */
int gw_rest_of_alias(struct gw_request *r);

/* gw_rest_differs - set r->err: what should have been the rest is not. */
void gw_rest_differs(struct gw_request *r);

#endif
