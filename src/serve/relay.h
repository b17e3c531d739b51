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
 * gw_relay_leave - inside an event of the transfer: the answer is not wanted. The
 * transfer ends soon, as one that ended with @result.
 */
void gw_relay_leave(struct gw_request *r, enum gw_transfer_result result);

/*
 * gw_relay_cancel - end the transfer now, as one that ended with @result. Not from
 * inside an event of the transfer, where none could be started afterwards.
 */
void gw_relay_cancel(struct gw_request *r, enum gw_transfer_result result);

/*
 * gw_relay_reset - forget all that a transfer has left behind, which has ended,
 * and of which nothing but comments was passed on.
 */
void gw_relay_reset(struct gw_request *r);

/*
 * gw_relay_open - the head is with the client: what is held goes there now, and
 * what comes from now on at once; decoded where the client has its 200 already.
 * Returns 0, or -1 with r->err set or r->resume.fed telling.
 */
GW_MUSTCHECK int gw_relay_open(struct gw_request *r);

/*
 * gw_relay_decode_held - a whole answer that is held, of which nothing is passed
 * on as it is, decoded if its head says that it is compressed.
 * Returns 0, or -1 with r->err set: nobody here knows that coding.
 */
GW_MUSTCHECK int gw_relay_decode_held(struct gw_request *r);

/*
 * gw_relay_look - the next bytes of a whole answer are for the client: what they
 * tell of tokens is remembered. For whoever takes them from what is held; it
 * does nothing with events, errors and compressed bytes.
 */
void gw_relay_look(struct gw_request *r, const char *p, size_t n);

/* gw_relay_writable - the client takes bytes again. */
void gw_relay_writable(struct gw_request *r);

/* gw_relay_key_place - where the configuration has the key that was shown, never
 * the key. @out  storage that may be used; 300 bytes are enough */
const char *gw_relay_key_place(const struct gw_request *r, char *out,
			       size_t cap);

/*
 * gw_relay_failure - set r->err from how the transfer ended.
 */
void gw_relay_failure(struct gw_request *r);

#endif
