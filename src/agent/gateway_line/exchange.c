/* SPDX-License-Identifier: MIT */
/* exchange.c - sends one document, takes one answer; judges neither. */
#include "agent/gateway_line/exchange.h"

#include "agent/gateway_line/answer.h"
#include "base/json.h"

#define URL_MAX 4096

static void
forget_answer(struct ag_exchange *x)
{
	gw_buf_clear(&x->reply);
	json_object_put(x->answer);
	x->answer = NULL;
	x->status = 0;
}

static void
on_head(void *arg, const struct gw_transfer_head *head)
{
	struct ag_exchange *x = arg;

	x->status = head->status;
}

static bool
on_data(void *arg, const char *p, size_t n)
{
	struct ag_exchange *x = arg;
	size_t room = x->reply.max - x->reply.len;

	/* What does not fit is no answer of a gateway: it will not parse. */
	if (gw_buf_append(&x->reply, p, n < room ? n : room) < 0)
		gw_buf_clear(&x->reply);
	return true;
}

static void
on_done(void *arg, enum gw_transfer_result result, const char *detail)
{
	struct ag_exchange *x = arg;

	(void)detail;
	x->transfer = NULL;
	x->answer = ag_gateway_answer_parse(&x->reply);
	x->done(x->arg, result);
}

static const struct gw_transfer_ops ops = {
	.on_head = on_head,
	.on_data = on_data,
	.on_done = on_done,
};

void
ag_exchange_init(struct ag_exchange *x, struct gw_upstreams *upstreams,
		 void (*done)(void *arg, enum gw_transfer_result result),
		 void *arg)
{
	*x = (struct ag_exchange){
		.upstreams = upstreams,
		.done = done,
		.arg = arg,
	};
	gw_buf_init(&x->body, AG_EXCHANGE_BODY_MAX);
	gw_buf_init(&x->reply, AG_EXCHANGE_REPLY_MAX);
}

int
ag_exchange_post(struct ag_exchange *x, const char *base, const char *path,
		 const char *key, struct json_object *doc)
{
	static const char *const headers[] = {"Content-Type: application/json"};
	gw_auto_buf struct gw_buf url = GW_BUF_INIT(URL_MAX);
	struct gw_err err = {0};
	struct gw_transfer_request req = {
		.bearer = key,
		.headers = headers,
		.n_headers = GW_ARRAY_LEN(headers),
		.post = true,
		.connect_ms = AG_EXCHANGE_LIMIT_MS,
		.total_ms = AG_EXCHANGE_LIMIT_MS,
	};

	forget_answer(x);
	gw_buf_clear(&x->body);
	if (gw_json_text(doc, &x->body) < 0 ||
	    gw_buf_printf(&url, "%s%s", base, path) < 0)
		return -1;
	req.url = url.data;
	req.body = x->body.data;
	req.body_len = x->body.len;
	x->transfer = gw_transfer_start(x->upstreams, &req, &ops, x, &err);
	return x->transfer ? 0 : -1;
}

void
ag_exchange_cancel(struct ag_exchange *x)
{
	if (x->transfer)
		gw_transfer_cancel(x->transfer);
	x->transfer = NULL;
}

void
ag_exchange_release(struct ag_exchange *x)
{
	ag_exchange_cancel(x);
	forget_answer(x);
	gw_buf_release(&x->body);
	gw_buf_release(&x->reply);
}
