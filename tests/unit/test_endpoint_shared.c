/* SPDX-License-Identifier: MIT */
/*
 * test_endpoint_shared.c - a registry that stays busy, other registry errors as
 * clients see them, and numbers of seconds.
 */
#include <stdlib.h>

#include "base/json.h"
#include "endpoint/shared.h"
#include "routing/availability.h"
#include "serve/pipeline.h"
#include "serve/worker.h"
#include "tap.h"

static int resumed;

void
gw_pipeline_resume(struct gw_request *r)
{
	(void)r;
	resumed++;
}

/* Stand-ins: nothing here asks for availability. */
struct gw_availability *
gw_availability_new(struct gw_routing *w, struct gw_config *config,
		    const struct gw_model *only, enum gw_ask ask,
		    void (*on_done)(void *arg), void *arg, struct gw_err *err)
{
	(void)ask;
	(void)w;
	(void)config;
	(void)only;
	(void)on_done;
	(void)arg;
	gw_err_set(err, GW_ERR_INTERNAL, 0, "stand-in");
	return NULL;
}

bool
gw_availability_is_done(const struct gw_availability *a, struct gw_err *err)
{
	(void)err;
	return a == NULL;
}

static void
busy(void)
{
	struct gw_worker w = {.loop = ev_loop_new(EVFLAG_AUTO)};
	struct gw_request r = {.worker = &w};
	struct reg_err e = {.code = REG_BUSY, .msg = "held"};
	int waits = 0;

	ok(gw_registry_failed(&r, &e, "n") == GW_WAIT && !r.err.code,
	   "registry: busy -> wait, no error yet");
	ev_run(w.loop, 0);
	is_int(resumed, 1, "registry: and the request is resumed");
	while (waits < 10000 && gw_registry_failed(&r, &e, "n") == GW_WAIT) {
		ev_timer_stop(w.loop, &r.answer.retry);
		waits++;
	}
	is_int(waits, 499, "registry: 500 times, then no more");
	is_str(gw_err_info(r.err.code)->code, "registry_busy",
	       "registry: busy for too long -> registry_busy");
	is_int(gw_err_info(r.err.code)->status, 503, "registry: a 503");
	ev_loop_destroy(w.loop);
}

static void
other_errors(void)
{
	static const struct {
		enum reg_code from;
		int status;
		const char *code;
	} rows[] = {
		{REG_FULL, 503, "registry_full"},
		{REG_NOT_FOUND, 404, "node_not_registered"},
		{REG_TOO_LARGE, 413, "request_too_large"},
		{REG_SYSTEM, 500, "internal_error"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct gw_request r = {0};
		struct reg_err e = {.code = rows[i].from, .msg = "why"};
		const struct gw_err_info *info;

		ok(gw_registry_failed(&r, &e, "a\nb") == GW_FINISH,
		   "registry: %s ends the request", rows[i].code);
		info = gw_err_info(r.err.code);
		is_str(info->code, rows[i].code, "registry: its code");
		is_int(info->status, rows[i].status, "registry: its status");
		ok(strstr(r.err.msg, "\"a\\x0ab\""),
		   "registry: the message quotes the node");
	}
}

static void
seconds(uint64_t ms, const char *want)
{
	struct json_object *o = gw_json_seconds(ms);

	is_str(json_object_to_json_string(o), want, "seconds as JSON");
	json_object_put(o);
}

int
main(void)
{
	busy();
	other_errors();
	seconds(30000, "30");
	seconds(10333, "10.333");
	seconds(500, "0.5");
	seconds(1, "0.001");
	seconds(0, "0");
	return done_testing();
}
