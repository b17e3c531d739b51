/* SPDX-License-Identifier: MIT */
/*
 * attempt.h - what is left of attempts that came to nothing: their place in the
 * access record, their log line, and the last answer of an upstream's own. Parts
 * of stage forward.
 */
#ifndef GW_STAGE_ATTEMPT_H
#define GW_STAGE_ATTEMPT_H

#include "stage/verdict.h"

struct gw_request;

#define GW_BUSY_MS 1000 /* a busy candidate is passed over, unless it says how long */
#define GW_BUSY_MAX_MS 3600000u /* ... whatever it says */
#define GW_PICKS_AGAIN_MAX 2 /* connections made anew where there is one upstream */

/* gw_attempt_over - remember the attempt under way for the access record.
 * @result  static */
void gw_attempt_over(struct gw_request *r, const char *result);

/* gw_attempt_log - what is done about it, as an event of the log. */
void gw_attempt_log(struct gw_request *r, enum gw_mishap mishap,
		    enum gw_verdict verdict, uint64_t wait_ms);

/* gw_attempt_is_answer - is there a whole answer of the upstream's? */
bool gw_attempt_is_answer(const struct gw_request *r, enum gw_mishap mishap);

/* gw_attempt_keep - keep its answer, if it is one: it may still be what the
 * client gets. Without memory it is not. */
void gw_attempt_keep(struct gw_request *r, enum gw_mishap mishap);

/* gw_attempt_restore - the answer that was kept is the one that is relayed.
 * False: none was. */
bool gw_attempt_restore(struct gw_request *r);

/* gw_attempt_error - set r->err after several attempts of which none has an
 * answer. */
void gw_attempt_error(struct gw_request *r);

/* gw_attempt_remember - what r->err would be, if nobody else could be asked. */
void gw_attempt_remember(struct gw_request *r);

/* gw_attempt_none_left - after attempts that came to nothing nobody is there to be
 * asked. Returns 0 with an earlier answer as the one that is relayed, or -1 with
 * r->err set. */
int gw_attempt_none_left(struct gw_request *r);

#endif
