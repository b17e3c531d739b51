/* SPDX-License-Identifier: MIT */
/* long_answer.c - when the next piece of an answer goes; knows no document. */
#include "serve/long_answer.h"

#include "fcgi/fcgi_conn.h"
#include "serve/pipeline.h"
#include "serve/reply.h"
#include "serve/worker.h"

#define PIECE_BYTES ((size_t)GW_FCGI_HIGH_WATER)

static void
on_turn(void *arg)
{
	gw_pipeline_resume(arg);
}

enum gw_step
gw_long_answer_again(struct gw_request *r)
{
	gw_turn_take(&r->worker->turns, &r->long_answer.turn, on_turn, r);
	return GW_WAIT;
}

static enum gw_step
broken(struct gw_request *r)
{
	gw_reply_break(r);
	return GW_FINISH;
}

enum gw_step
gw_long_answer_send(struct gw_request *r, const struct gw_buf *text)
{
	size_t n;

	if (!r->reply.committed &&
	    gw_reply_head(r, 200, "application/json", (int64_t)text->len) < 0)
		return broken(r);
	if (gw_reply_backlog(r) > GW_FCGI_HIGH_WATER) {
		r->long_answer.full = true;
		return GW_WAIT;
	}
	n = r->accept.head_only ? 0 : text->len - r->long_answer.sent;
	if (n > PIECE_BYTES)
		n = PIECE_BYTES;
	if (gw_reply_body(r, text->data + r->long_answer.sent, n) < 0)
		return broken(r);
	r->long_answer.sent += n;
	if (!r->accept.head_only && r->long_answer.sent < text->len)
		return gw_long_answer_again(r);
	gw_reply_end(r);
	return GW_FINISH;
}

void
gw_long_answer_writable(struct gw_request *r)
{
	if (!r->long_answer.full)
		return;
	r->long_answer.full = false;
	gw_long_answer_again(r);
}
