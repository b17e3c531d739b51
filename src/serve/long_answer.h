/* SPDX-License-Identifier: MIT */
/*
 * long_answer.h - an answer of this process's own that takes a while to build and
 * to send: in pieces, one a turn of the event loop (turns.h), and no faster than
 * the client takes it.
 *
 * One thread a process; nothing blocks.
 */
#ifndef GW_SERVE_LONG_ANSWER_H
#define GW_SERVE_LONG_ANSWER_H

#include "base/buf.h"
#include "serve/request.h"

/* gw_long_answer_again - the request is resumed in its next turn. Returns WAIT,
 * for the stage to return. */
enum gw_step gw_long_answer_again(struct gw_request *r);

/*
 * gw_long_answer_send - send one more piece of a complete JSON document.
 * @text  the same in each call, until the end
 * Returns WAIT: return that, and call it again when the request is resumed;
 * FINISH: it is all sent, or broken off.
 */
enum gw_step gw_long_answer_send(struct gw_request *r,
				 const struct gw_buf *text);

/* gw_long_answer_writable - the client has taken what was queued. */
void gw_long_answer_writable(struct gw_request *r);

#endif
