/* SPDX-License-Identifier: MIT */
/*
 * relay.h - the bytes between an upstream and a client.
 *
 * The events of a transfer leave their facts in the request here and resume
 * the pipeline; body bytes go straight through. The forward and stream stages
 * decide what the facts mean.
 */
#ifndef GW_SERVE_RELAY_H
#define GW_SERVE_RELAY_H

#include <stdbool.h>

#include "serve/request.h"
#include "upstream/transfer.h"

/*
 * gw_relay_start - begin the transfer to r->target.
 * Returns 0, or -1 with r->err set; it counts as a transfer that ended with
 * INTERNAL then.
 */
GW_MUSTCHECK int gw_relay_start(struct gw_request *r);

/*
 * gw_relay_leave - the answer is not wanted, of which only the head is here: the
 * transfer ends soon, as one that ended with @result.
 */
void gw_relay_leave(struct gw_request *r, enum gw_transfer_result result);

/* gw_relay_reset - forget a transfer that failed before its answer's head. */
void gw_relay_reset(struct gw_request *r);

/*
 * gw_relay_decode - what comes from now on is decoded, if the head says that it
 * is compressed: for a client that has its 200 already.
 * Returns 0, or -1 with r->err set: nobody here knows that coding.
 */
GW_MUSTCHECK int gw_relay_decode(struct gw_request *r);

/* gw_relay_keep_whole - hold GW_WHOLE_MAX bytes instead of GW_HELD_MAX. */
void gw_relay_keep_whole(struct gw_request *r);

/* gw_relay_writable - the client takes bytes again. */
void gw_relay_writable(struct gw_request *r);

/*
 * gw_relay_may_move - another upstream may still be tried: nothing has reached
 * the client, and fewer than GW_PICK_ATTEMPTS were chosen.
 */
bool gw_relay_may_move(const struct gw_request *r);

/*
 * gw_relay_failure - set r->err from how the transfer ended.
 */
void gw_relay_failure(struct gw_request *r);

#endif
