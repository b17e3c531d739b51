/* SPDX-License-Identifier: MIT */
/*
 * test_model_state.c - what a heartbeat tells of models, and how soon each of
 * them could serve.
 */
#include <stdlib.h>

#include "base/json.h"
#include "nodes/model_state.h"
#include "tap.h"

static struct gw_model_state
read_one(const char *model)
{
	struct gw_err err = {0};
	struct gw_model_state out = {.parallel = 77, .told = true};
	struct gw_node_model m = {.model_id = (char *)"m"};
	struct gw_node_doc doc = {.models = &m, .n_models = 1};
	char text[256];
	gw_auto_json struct json_object *metrics = NULL;

	snprintf(text, sizeof(text), "{\"models\":{\"m\":%s}}", model);
	metrics = gw_json_parse_object(text, strlen(text), 16, &err);
	gw_model_states_read(metrics, &doc, &out);
	return out;
}

static void
reads(void)
{
	static const struct {
		const char *model;
		enum gw_model_told state;
		uint32_t parallel;
		bool evicts;
	} rows[] = {
		{"{\"state\":\"stopped\"}", GW_TOLD_STOPPED, 0, false},
		{"{\"state\":\"starting\"}", GW_TOLD_STARTING, 0, false},
		{"{\"state\":\"loading\"}", GW_TOLD_STARTING, 0, false},
		{"{\"state\":\"ready\"}", GW_TOLD_READY, 0, false},
		{"{\"state\":\"draining\"}", GW_TOLD_STOPPING, 0, false},
		{"{\"state\":\"stopping\"}", GW_TOLD_STOPPING, 0, false},
		{"{\"state\":\"failed\"}", GW_TOLD_FAILED, 0, false},
		{"{\"state\":\"READY\"}", GW_TOLD_UNKNOWN, 0, false},
		{"{\"state\":\"\"}", GW_TOLD_UNKNOWN, 0, false},
		{"{\"state\":null}", GW_TOLD_UNKNOWN, 0, false},
		{"{\"state\":[\"ready\"]}", GW_TOLD_UNKNOWN, 0, false},
		{"[]", GW_TOLD_UNKNOWN, 0, false},
		{"{\"state\":\"ready\",\"parallel\":1}", GW_TOLD_READY, 1,
		 false},
		{"{\"state\":\"ready\",\"parallel\":4294967295}", GW_TOLD_READY,
		 UINT32_MAX, false},
		{"{\"state\":\"ready\",\"parallel\":4294967296}", GW_TOLD_READY,
		 0, false},
		{"{\"state\":\"ready\",\"parallel\":99999999999999999999}",
		 GW_TOLD_READY, 0, false},
		{"{\"state\":\"ready\",\"parallel\":0}", GW_TOLD_READY, 0,
		 false},
		{"{\"state\":\"ready\",\"parallel\":-1}", GW_TOLD_READY, 0,
		 false},
		{"{\"state\":\"ready\",\"parallel\":2.5}", GW_TOLD_READY, 0,
		 false},
		{"{\"state\":\"ready\",\"parallel\":\"4\"}", GW_TOLD_READY, 0,
		 false},
		{"{\"state\":\"stopped\",\"evicts\":true}", GW_TOLD_STOPPED, 0,
		 true},
		{"{\"state\":\"stopped\",\"evicts\":\"true\"}", GW_TOLD_STOPPED,
		 0, false},
		{"{\"state\":\"stopped\",\"evicts\":1}", GW_TOLD_STOPPED, 0,
		 false},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct gw_model_state s = read_one(rows[i].model);

		ok(s.state == rows[i].state &&
			   s.told == (rows[i].state != GW_TOLD_UNKNOWN) &&
			   s.parallel == rows[i].parallel &&
			   s.evicts == rows[i].evicts,
		   "read: %s", rows[i].model);
	}
}

/* What is not in models.<model_id>. */
static void
reads_beside(void)
{
	static const struct {
		const char *metrics;
		bool alone;
		uint32_t parallel;
	} rows[] = {
		{NULL, false, 3},
		{"{}", false, 3},
		{"{\"devices\":[{}]}", true, 3},
		{"{\"devices\":[{},{}]}", false, 3},
		{"{\"devices\":[]}", false, 3},
		{"{\"devices\":1}", false, 3},
		{"{\"models\":{\"m\":{\"state\":\"ready\"}}}", false, 3},
		{"{\"models\":{\"m\":{\"parallel\":0}}}", false, 3},
		{"{\"models\":{\"m\":{\"parallel\":2}},\"devices\":[1]}", true,
		 2},
	};
	struct gw_node_model m = {.model_id = (char *)"m", .parallel = 3};
	struct gw_node_doc doc = {.models = &m, .n_models = 1};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		const char *text = rows[i].metrics;
		struct gw_err err = {0};
		struct gw_model_state out = {0};
		gw_auto_json struct json_object *metrics =
			text ? gw_json_parse_object(text, strlen(text), 16,
						    &err)
			     : NULL;

		gw_model_states_read(metrics, &doc, &out);
		ok(out.alone == rows[i].alone &&
			   out.parallel == rows[i].parallel,
		   "beside: %s", text ? text : "no heartbeat came");
	}
}

/* How many requests it wants at most. */
static void
reads_bounds(void)
{
	static const struct {
		const char *model; /* NULL: no heartbeat came */
		uint32_t registered, bound;
	} rows[] = {
		{NULL, 0, 0},
		{NULL, 5, 5},
		{"{\"state\":\"ready\"}", 5, 5},
		{"{\"max_concurrency\":7}", 5, 7},
		{"{\"max_concurrency\":3}", 5, 3},
		{"{\"max_concurrency\":3}", 0, 3},
		{"{\"max_concurrency\":1,\"parallel\":4}", 5, 1},
		{"{\"max_concurrency\":0}", 5, 5},
		{"{\"max_concurrency\":-1}", 5, 5},
		{"{\"max_concurrency\":null}", 5, 5},
		{"{\"max_concurrency\":2.5}", 5, 5},
		{"{\"max_concurrency\":\"3\"}", 5, 5},
		{"{\"max_concurrency\":65536}", 5, GW_NODE_REQUESTS_MAX},
		{"{\"max_concurrency\":65537}", 5, 5},
		{"{\"max_concurrency\":99999999999999999999}", 5, 5},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct gw_node_model m = {
			.model_id = (char *)"m",
			.max_concurrency = rows[i].registered,
		};
		struct gw_node_doc doc = {.models = &m, .n_models = 1};
		struct gw_model_state out = {.max_concurrency = 77};
		struct gw_err err = {0};
		gw_auto_json struct json_object *metrics = NULL;
		char text[256];

		snprintf(text, sizeof(text), "{\"models\":{\"m\":%s}}",
			 rows[i].model ? rows[i].model : "null");
		if (rows[i].model)
			metrics = gw_json_parse_object(text, strlen(text), 16,
						       &err);
		gw_model_states_read(metrics, &doc, &out);
		is_int(out.max_concurrency, rows[i].bound,
		       rows[i].model ? rows[i].model : "no heartbeat came");
	}
}

static void
steps(void)
{
	static const struct {
		enum gw_model_told state;
		bool evicts;
		uint32_t parallel, in_flight, max;
		enum gw_model_step step;
		const char *title;
	} rows[] = {
		{GW_TOLD_UNKNOWN, false, 0, 0, 0, GW_MODEL_STEP_FREE,
		 "nothing told"},
		{GW_TOLD_UNKNOWN, false, 0, 99, 0, GW_MODEL_STEP_FREE,
		 "nothing told, many requests"},
		{GW_TOLD_UNKNOWN, false, 0, 2, 2, GW_MODEL_STEP_EVICTS,
		 "nothing told, full"},
		{GW_TOLD_READY, false, 2, 1, 0, GW_MODEL_STEP_FREE,
		 "ready, one slot left"},
		{GW_TOLD_READY, false, 2, 2, 0, GW_MODEL_STEP_BUSY,
		 "ready, no slot left"},
		{GW_TOLD_READY, false, 2, 9, 10, GW_MODEL_STEP_BUSY,
		 "ready, no slot left, below its bound"},
		{GW_TOLD_READY, false, 2, 10, 10, GW_MODEL_STEP_EVICTS,
		 "ready, full"},
		{GW_TOLD_READY, false, 4, 2, 2, GW_MODEL_STEP_EVICTS,
		 "ready, full although there are slots"},
		{GW_TOLD_READY, true, 2, 0, 0, GW_MODEL_STEP_FREE,
		 "ready: it would push nobody out any more"},
		{GW_TOLD_READY, false, 0, 50, 0, GW_MODEL_STEP_FREE,
		 "ready, slots unknown"},
		{GW_TOLD_STARTING, false, 1, 0, 0, GW_MODEL_STEP_STARTING,
		 "starting, a slot for us"},
		{GW_TOLD_STARTING, true, 1, 0, 0, GW_MODEL_STEP_STARTING,
		 "starting: who had to go is gone"},
		{GW_TOLD_STARTING, false, 1, 1, 0, GW_MODEL_STEP_BUSY,
		 "starting, its slots are taken"},
		{GW_TOLD_STOPPED, false, 1, 0, 0, GW_MODEL_STEP_ROOM,
		 "stopped, with room"},
		{GW_TOLD_STOPPED, false, 2, 1, 0, GW_MODEL_STEP_STARTING,
		 "stopped, but a request is on its way there"},
		{GW_TOLD_STOPPED, false, 1, 1, 0, GW_MODEL_STEP_BUSY,
		 "stopped, the requests on their way take its slots"},
		{GW_TOLD_STOPPED, true, 4, 0, 0, GW_MODEL_STEP_EVICTS,
		 "stopped, without room"},
		{GW_TOLD_STOPPED, true, 4, 1, 0, GW_MODEL_STEP_SWAPPING,
		 "stopped, without room, a request waits for that"},
		{GW_TOLD_STOPPING, true, 4, 1, 0, GW_MODEL_STEP_EVICTS,
		 "ends because its device is needed, a request of it runs"},
		{GW_TOLD_STOPPED, false, 1, 1, 1, GW_MODEL_STEP_EVICTS,
		 "stopped, full"},
		{GW_TOLD_STOPPING, false, 1, 0, 0, GW_MODEL_STEP_ROOM,
		 "ends because nobody used it"},
		{GW_TOLD_STOPPING, true, 1, 0, 0, GW_MODEL_STEP_EVICTS,
		 "ends because its device is needed"},
		{GW_TOLD_FAILED, false, 1, 0, 0, GW_MODEL_STEP_EVICTS,
		 "failed"},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		struct gw_model_state s = {
			.state = (uint8_t)rows[i].state,
			.told = rows[i].state != GW_TOLD_UNKNOWN,
			.evicts = rows[i].evicts,
			.parallel = rows[i].parallel,
		};

		ok(gw_node_model_step(&s, rows[i].in_flight, rows[i].max) ==
			   rows[i].step,
		   "step: %s", rows[i].title);
	}
}

static void
order(void)
{
	ok(GW_MODEL_STEP_FREE == 0 &&
		   GW_MODEL_STEP_FREE < GW_MODEL_STEP_STARTING &&
		   GW_MODEL_STEP_STARTING < GW_MODEL_STEP_ROOM &&
		   GW_MODEL_STEP_ROOM < GW_MODEL_STEP_BUSY &&
		   GW_MODEL_STEP_BUSY < GW_MODEL_STEP_SWAPPING &&
		   GW_MODEL_STEP_SWAPPING < GW_MODEL_STEP_EVICTS,
	   "step: smaller is taken first");
}

int
main(void)
{
	reads();
	reads_beside();
	reads_bounds();
	steps();
	order();
	return done_testing();
}
