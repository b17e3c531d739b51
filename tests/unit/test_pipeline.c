/* SPDX-License-Identifier: MIT */
/*
 * test_pipeline.c - the walk along a list of stages: what each step means, who
 * is left out, and that every request is accounted for and let go once,
 * however it ends.
 */
#include "serve/pipeline.h"
#include "serve/reply.h"
#include "serve_run.h"

/* ---- stages that leave a trace ------------------------------------------- */

#define OWN_BYTES 40

static char trace[64]; /* a letter for each thing that happened */
static struct gw_endpoint endpoint;
static bool has_endpoint;
/* What the stage "work" does in its runs, one after the other. */
static enum gw_step (*runs[8])(struct gw_request *r);
static size_t run;
static bool own_was_zero;

static void
note(char c)
{
	size_t n = strlen(trace);

	if (n + 1 < sizeof(trace))
		trace[n] = c;
}

static enum gw_step
first(struct gw_request *r)
{
	static const char zeroes[OWN_BYTES];

	note('f');
	own_was_zero = memcmp(r->own, zeroes, OWN_BYTES) == 0;
	memset(r->own, 'x', OWN_BYTES);
	r->accept.endpoint = has_endpoint ? &endpoint : NULL;
	return GW_NEXT;
}

static enum gw_step
relayed(struct gw_request *r)
{
	(void)r;
	note('s');
	return GW_NEXT;
}

static enum gw_step
pick(struct gw_request *r)
{
	(void)r;
	note('p');
	return GW_NEXT;
}

static enum gw_step
work(struct gw_request *r)
{
	note('w');
	return runs[run] ? runs[run++](r) : GW_NEXT;
}

static enum gw_step
account(struct gw_request *r)
{
	note(r->progress.client_gone ? 'A' : 'a');
	if (r->conn)
		gw_reply_end(r);
	return GW_FINISH;
}

/* It can still look at all that the request has. */
static void
release(struct gw_request *r)
{
	const char *own = r->own;

	note(own[OWN_BYTES - 1] == 'x' && r->config ? 'r' : '!');
}

static const struct gw_stage stages[] = {
	{"first", first, GW_STAGE_ALWAYS},
	{"relayed", relayed, GW_EP_RELAY | GW_EP_DOCUMENT},
	{"pick", pick, GW_STAGE_ALWAYS},
	{"work", work, GW_STAGE_ALWAYS},
	{"account", account, GW_STAGE_ALWAYS},
};

static struct gw_pipeline pipeline = {
	.stages = stages,
	.n = GW_ARRAY_LEN(stages),
	.pick = 2,
	.own_bytes = OWN_BYTES,
	.release = release,
};

/* ---- what "work" can do -------------------------------------------------- */

static enum gw_step
wait(struct gw_request *r)
{
	(void)r;
	return GW_WAIT;
}

static enum gw_step
repick(struct gw_request *r)
{
	(void)r;
	return GW_REPICK;
}

static enum gw_step
finish(struct gw_request *r)
{
	(void)r;
	return GW_FINISH;
}

static enum gw_step
fail(struct gw_request *r)
{
	gw_err_set(&r->err, GW_ERR_NO_AVAILABLE_NODE, 0, "none");
	return GW_FINISH;
}

static enum gw_step
answer_and_fail(struct gw_request *r)
{
	gw_reply_json(r, 200, json_object_new_object());
	return fail(r);
}

static enum gw_step
wait_with_event(struct gw_request *r)
{
	gw_pipeline_resume(r);
	return GW_WAIT;
}

static enum gw_step
next_with_event(struct gw_request *r)
{
	gw_pipeline_resume(r);
	return GW_NEXT;
}

static enum gw_step
gone(struct gw_request *r)
{
	gw_pipeline_client_gone(r);
	return GW_NEXT;
}

static enum gw_step
gone_then_wait(struct gw_request *r)
{
	gw_pipeline_client_gone(r);
	return GW_WAIT;
}

static enum gw_step
gone_then_fail(struct gw_request *r)
{
	gw_pipeline_client_gone(r);
	return fail(r);
}

static enum gw_step
transfer(struct gw_request *r)
{
	static const struct gw_transfer_request req = {.url = "http://p",
						       .body = ""};
	static const struct gw_transfer_ops ops;

	r->relay.transfer =
		gw_transfer_start(worker->upstreams, &req, &ops, r, &r->err);
	return GW_WAIT;
}

/* ---- tests --------------------------------------------------------------- */

#define RUN(...)                                                               \
	begin((enum gw_step(*[])(struct gw_request *)){__VA_ARGS__, NULL})

/* A request whose "work" does @what; the trace says what happened. */
static void begin(enum gw_step (**what)(struct gw_request *))
{
	set_up(&pipeline, &endpoint, 1, NULL);
	memset(trace, 0, sizeof(trace));
	memset(runs, 0, sizeof(runs));
	run = 0;
	endpoint.flags = 0;
	has_endpoint = true;
	for (size_t i = 0; what[i]; i++)
		runs[i] = what[i];
	client("GET", "/");
	arrive();
}

static long long
open_requests(void)
{
	return worker->counters.own_gauge[GW_GAUGE_OPEN_REQUESTS];
}

static void
steps(void)
{
	begin((enum gw_step(*[])(struct gw_request *)){NULL});
	is_str(trace, "fpwar", "pipeline: NEXT -> each stage in turn, once");
	ok(own_was_zero, "pipeline: the program's part of a request is zeroed");
	RUN(finish);
	is_str(trace, "fpwar", "pipeline: FINISH -> account");
	RUN(repick, repick);
	is_str(trace, "fpwpwpwar", "pipeline: REPICK -> back to the pick");
	RUN(wait, wait);
	is_str(trace, "fpw", "pipeline: WAIT -> nothing more");
	is_int(open_requests(), 1, "pipeline: it is open");
	gw_pipeline_resume(conn.request);
	is_str(trace, "fpww", "pipeline: resumed -> the stage that waits");
	gw_pipeline_resume(conn.request);
	is_str(trace, "fpwwwar", "pipeline: and on, when that is done");
	is_int(open_requests(), 0, "pipeline: it is not open any more");
}

static enum gw_step
skip_all(struct gw_request *r)
{
	note('f');
	memset(r->own, 'x', OWN_BYTES);
	return GW_FINISH;
}

static void
finish_skips(void)
{
	static const struct gw_stage early[] = {
		{"first", skip_all, GW_STAGE_ALWAYS},
		{"pick", pick, GW_STAGE_ALWAYS},
		{"account", account, GW_STAGE_ALWAYS},
	};
	const struct gw_pipeline p = {.stages = early,
				      .n = 3,
				      .own_bytes = OWN_BYTES,
				      .release = release};

	set_up(&p, &endpoint, 1, NULL);
	memset(trace, 0, sizeof(trace));
	client("GET", "/");
	arrive();
	is_str(trace, "far", "pipeline: FINISH in the first -> account only");
	set_up(&pipeline, &endpoint, 1, NULL);
}

static void
wanted(void)
{
	RUN(wait);
	is_str(trace, "fpw", "pipeline: no flag it wants -> left out");
	leave();
	set_up(&pipeline, &endpoint, 1, NULL);
	memset(trace, 0, sizeof(trace));
	run = 0;
	endpoint.flags = GW_EP_DOCUMENT | GW_EP_CLIENT_KEY;
	client("GET", "/");
	arrive();
	is_str(trace, "fspw", "pipeline: one of the flags it wants -> it runs");
	leave();
	memset(trace, 0, sizeof(trace));
	run = 0;
	has_endpoint = false;
	client("GET", "/");
	arrive();
	is_str(trace, "fpw", "pipeline: no endpoint -> only those that always");
	leave();
}

static void
events_while_running(void)
{
	RUN(wait_with_event, wait);
	is_str(trace, "fpww",
	       "pipeline: an event during a run that waits -> another run");
	leave();
	RUN(next_with_event);
	is_str(trace, "fpwar",
	       "pipeline: an event during a run that is done -> no other");
}

static void
client_gone(void)
{
	RUN(wait);
	leave();
	is_str(trace, "fpwAr",
	       "pipeline: client gone while waiting -> account");
	is_int(open_requests(), 0, "pipeline: and the request is gone");
	RUN(gone);
	conn.request = NULL;
	is_str(trace, "fpwAr",
	       "pipeline: client gone while running -> once it returns");
	RUN(gone_then_wait);
	conn.request = NULL;
	is_str(trace, "fpwAr", "pipeline: though it would have waited");
	RUN(gone_then_fail);
	conn.request = NULL;
	is_str(trace, "fpwAr", "pipeline: though it failed");
	ok(conn.out_len == 0 && !has_ended(&conn),
	   "pipeline: nobody is answered then");
	RUN(wait);
	gw_worker_end_requests(worker);
	conn.request = NULL;
	is_str(trace, "fpwAr", "pipeline: the worker ends -> account");
}

static void
failures(void)
{
	RUN(fail);
	is_str(trace, "fpwar", "pipeline: a failure -> account, once");
	ok(got("Status: ") == 1 && got("Status: 503") == 1,
	   "pipeline: a failure is answered once");
	is_int(conn.finished, 1, "pipeline: and the answer ended");
	RUN(answer_and_fail);
	ok(got("Status: ") == 1 && got("Status: 200") == 1 &&
		   conn.finished == 1,
	   "pipeline: a failure behind an answer changes nothing");
	is_str(trace, "fpwar", "pipeline: and is accounted for, once");
	RUN(finish);
	is_int(got("Status: "), 0, "pipeline: no failure -> no answer of its");
}

static void
transfer_under_way(void)
{
	RUN(transfer, finish);
	is_int(up()->cancelled, 0, "pipeline: a transfer goes on in a WAIT");
	gw_pipeline_resume(conn.request);
	is_int(up()->cancelled, 1, "pipeline: the end cancels it, once");
	RUN(transfer);
	leave();
	is_int(up()->cancelled, 1, "pipeline: so does a client that leaves");
	RUN(transfer, fail);
	gw_pipeline_resume(conn.request);
	is_int(up()->cancelled, 1, "pipeline: so does a failure");
	is_str(trace, "fpwwar", "pipeline: accounted for, once");
}

static void
no_release(void)
{
	pipeline.release = NULL;
	RUN(finish);
	is_str(trace, "fpwa", "pipeline: a program with nothing to let go of");
	pipeline.release = release;
}

static void
targets(void)
{
	struct gw_request *r;

	RUN(wait);
	r = conn.request;
	r->target.base_url = r->target.owned_url = strdup("http://n");
	r->target.node_id = strdup("n");
	r->target.model_json = strdup("\"m\"");
	gw_target_clear(r);
	is_str(trace, "fpwr", "target: cleared -> its hold is released");
	ok(!r->target.base_url && !r->target.node_id && !r->target.model_json,
	   "target: and forgotten");
	leave();
}

int
main(void)
{
	steps();
	finish_skips();
	wanted();
	events_while_running();
	client_gone();
	failures();
	transfer_under_way();
	no_release();
	targets();
	tear_down();
	return done_testing();
}
