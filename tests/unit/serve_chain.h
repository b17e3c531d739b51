/* SPDX-License-Identifier: MIT */
/*
 * serve_chain.h - the real stages as a program lists them, with a choice of
 * upstreams that the test looks through: http://up-1, http://up-2, ...
 */
#ifndef TESTS_UNIT_SERVE_CHAIN_H
#define TESTS_UNIT_SERVE_CHAIN_H

#include "serve/deadline.h"
#include "serve/relay.h"
#include "serve/reply.h"
#include "serve_run.h"
#include "stage/stage.h"

/* How the last request ended. */
static struct {
	unsigned accounts; /* how often that was said, since chain_set_up() */
	enum gw_code code;
	char msg[GW_ERR_MSG_BYTES];
	enum gw_phase phase;
	enum gw_limit hit;
	int status;
	char key[GW_CLIENT_NAME_MAX + 1];
	bool broken, early, events, complete;
	uint64_t bytes_in;
} last;

static unsigned picks; /* upstreams chosen since chain_set_up() */
static int holds;      /* of them not yet let go */

/* What there is beside the upstream at hand, and what of it was told. */
static struct {
	bool another, passed_over; /* of discovered models */
	size_t fallbacks;	   /* all of them "d" */
	bool loaded, ejected;
	unsigned asked_loaded, n_failed, bytes, n_whole, n_cut;
	int mishap; /* the last one, and of how many ms it was busy */
	uint64_t busy_ms;
} other;

struct chain_own {
	bool holds;
};

static enum gw_step
chain_pick(struct gw_request *r)
{
	struct chain_own *own = r->own;

	misuse += own->holds;
	own->holds = true;
	holds++;
	picks++;
	if (asprintf(&r->target.owned_url, "http://up-%u", picks) < 0 ||
	    asprintf(&r->target.node_id, "n%u", picks) < 0)
		exit(1);
	r->target.base_url = r->target.owned_url;
	r->target.api_key = r->resolve.model->api_key;
	return gw_body_edit(r->receive.body, NULL, r->resolve.model, &r->err) <
			       0
		       ? GW_FINISH
		       : GW_NEXT;
}

static void
chain_release(struct gw_request *r)
{
	struct chain_own *own = r->own;

	holds -= own->holds;
	own->holds = false;
}

static bool
chain_has_another(const struct gw_request *r, bool *passed_over)
{
	bool discovered = r->resolve.model->type == GW_MODEL_DISCOVERED;

	*passed_over = discovered && other.passed_over;
	return discovered && other.another;
}

static bool
chain_is_ejected(const struct gw_request *r)
{
	(void)r;
	return other.ejected;
}

static bool
chain_has_fallback(const struct gw_request *r)
{
	return r->forward.fallbacks < other.fallbacks;
}

static void
chain_fall_back(struct gw_request *r)
{
	misuse += r->forward.fallbacks >= other.fallbacks;
	r->forward.fallbacks++;
	r->resolve.model = model(DISCOVERED);
	gw_resolve_stream(r);
}

static void
chain_failed(struct gw_request *r, int mishap, uint64_t busy_ms)
{
	(void)r;
	other.n_failed++;
	other.mishap = mishap;
	other.busy_ms = busy_ms;
}

static void
chain_gave_byte(struct gw_request *r)
{
	(void)r;
	other.bytes++;
}

static void
chain_ended(struct gw_request *r, bool whole)
{
	(void)r;
	other.n_whole += whole;
	other.n_cut += !whole;
}

static bool
chain_is_loaded(struct gw_request *r)
{
	(void)r;
	other.asked_loaded++;
	return other.loaded;
}

/* Nobody of these serves others first. */
static bool
chain_is_in_line(const struct gw_request *r)
{
	(void)r;
	return false;
}

static const struct gw_failover chain_failover = {
	.has_another = chain_has_another,
	.is_ejected = chain_is_ejected,
	.has_fallback = chain_has_fallback,
	.fall_back = chain_fall_back,
	.failed = chain_failed,
	.gave_byte = chain_gave_byte,
	.ended = chain_ended,
	.is_loaded = chain_is_loaded,
	.is_in_line = chain_is_in_line,
};

static bool
chain_may_leave(const struct gw_request *r)
{
	bool passed_over;

	return chain_has_another(r, &passed_over);
}

static enum gw_step
chain_account(struct gw_request *r)
{
	enum gw_step step = gw_stage_account(r);

	last.accounts++;
	last.code = r->err.code;
	memcpy(last.msg, r->err.msg, sizeof(last.msg));
	last.phase = r->phase;
	last.hit = r->deadline.hit ? r->deadline.hit : r->forward.limit;
	last.status = r->reply.status;
	memcpy(last.key, r->authenticate.name, sizeof(last.key));
	last.broken = r->reply.broken;
	last.early = r->reply.early;
	last.events = r->stream.events;
	last.complete = r->receive.complete;
	last.bytes_in = r->receive.bytes;
	return step;
}

static enum gw_step
chain_answer(struct gw_request *r)
{
	gw_reply_json(r, 200, json_object_get(r->receive.document));
	return GW_NEXT;
}

static enum gw_step
chain_wait(struct gw_request *r)
{
	(void)r;
	return GW_WAIT;
}

static const struct gw_endpoint chain_endpoints[] = {
	{.path = "/v1/chat/completions",
	 .method = GW_METHOD_POST,
	 .flags = GW_EP_STREAMED},
	{.path = "/v1/messages",
	 .method = GW_METHOD_POST,
	 .flags = GW_EP_STREAMED,
	 .dialect = GW_SSE_ANTHROPIC},
	{.path = "/v1/embeddings",
	 .method = GW_METHOD_POST,
	 .flags = GW_EP_RELAYED},
	{.path = "/document",
	 .method = GW_METHOD_POST,
	 .flags = GW_EP_NODE_KEY | GW_EP_DOCUMENT | GW_EP_ANSWER,
	 .answer = chain_answer},
	{.path = "/listed",
	 .method = GW_METHOD_GET,
	 .flags = GW_EP_CLIENT_KEY | GW_EP_OPERATOR_KEY | GW_EP_ANSWER,
	 .answer = chain_wait},
	{.path = "/tells",
	 .method = GW_METHOD_GET,
	 .flags = GW_EP_KEY_TELLS | GW_EP_OPERATOR_KEY | GW_EP_ANSWER,
	 .answer = chain_wait},
	{.path = "/wait",
	 .method = GW_METHOD_GET,
	 .flags = GW_EP_ANSWER,
	 .answer = chain_wait},
};

enum {
	CHAIN_PICK = 7
};

static struct gw_stage chain_stages[] = {
	{"accept", gw_stage_accept, GW_STAGE_ALWAYS},
	{"authenticate", gw_stage_authenticate,
	 GW_EP_CLIENT_KEY | GW_EP_NODE_KEY | GW_EP_KEY_TELLS},
	{"admit", gw_stage_admit, GW_STAGE_ALWAYS},
	{"receive", gw_stage_receive, GW_EP_DOCUMENT | GW_EP_RELAY},
	{"answer", gw_stage_answer, GW_EP_ANSWER},
	{"resolve_role", gw_stage_resolve_role, GW_EP_RELAY},
	{"authorize", gw_stage_authorize, GW_EP_RELAY},
	{"pick", chain_pick, GW_EP_RELAY},
	{"forward", gw_stage_forward, GW_EP_RELAY},
	{"stream", gw_stage_stream, GW_EP_RELAY},
	{"account", chain_account, GW_STAGE_ALWAYS},
};

static struct gw_pipeline chain = {
	.stages = chain_stages,
	.n = GW_ARRAY_LEN(chain_stages),
	.pick = CHAIN_PICK,
	.own_bytes = sizeof(struct chain_own),
	.on_body = gw_receive_body,
	.on_body_end = gw_receive_end,
	.may_leave = chain_may_leave,
	.failover = &chain_failover,
	.release = chain_release,
};

static void
chain_set_up(void)
{
	set_up(&chain, chain_endpoints, GW_ARRAY_LEN(chain_endpoints), NULL);
	memset(&last, 0, sizeof(last));
	picks = 0;
	holds = 0;
	memset(&other, 0, sizeof(other));
	other.another = true;
	chain.picks_again = chain.limits_readers = false;
	chain.failover = &chain_failover;
}

/* A list for the configuration. */
UNUSED_OK static struct gw_keys
keys(const char *one, const char *two, const char *three)
{
	struct gw_keys k = {.key = calloc(3, sizeof(char *)), .n = 3};

	k.key[0] = strdup(one);
	k.key[1] = strdup(two);
	k.key[2] = strdup(three);
	return k;
}

#define CHAT "/v1/chat/completions"
#define CHAT_P "{\"model\":\"p\"}"
#define CHAT_D "{\"model\":\"d\"}"
#define STREAM_P "{\"model\":\"p\",\"stream\":true}"
#define STREAM_D "{\"model\":\"d\",\"stream\":true}"

#define JSON "application/json"

/* The whole of a short answer, of the upstream that was asked last. */
UNUSED_OK static void
answer(int status, const char *body)
{
	up_head(status, JSON, (int64_t)strlen(body));
	if (up()->live)
		up_data(body);
	if (up()->live)
		up_done(GW_TRANSFER_OK);
}

/* A request with this body, as far as it gets without an upstream. */
UNUSED_OK static struct gw_request *
ask(const char *path, const char *body)
{
	client("POST", path);
	arrive();
	send_all(body);
	return has_ended(&conn) ? NULL : conn.request;
}

#endif
