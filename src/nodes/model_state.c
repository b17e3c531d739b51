/* SPDX-License-Identifier: MIT */
/* model_state.c - reads what heartbeats tell of models; chooses nothing. */
#include "nodes/model_state.h"

#include <string.h>

#include "base/json.h"

/* An agent's words (its states.def). */
static const struct {
	const char *word;
	enum gw_model_told phase;
} words[] = {
	{"stopped", GW_TOLD_STOPPED},	{"starting", GW_TOLD_STARTING},
	{"loading", GW_TOLD_STARTING},	{"ready", GW_TOLD_READY},
	{"draining", GW_TOLD_STOPPING}, {"stopping", GW_TOLD_STOPPING},
	{"failed", GW_TOLD_FAILED},
};

static enum gw_model_told
phase_of(const char *word)
{
	for (size_t i = 0; word && i < GW_ARRAY_LEN(words); i++)
		if (strcmp(words[i].word, word) == 0)
			return words[i].phase;
	return GW_TOLD_UNKNOWN;
}

/* A number of requests; 0 unless it is a sane one. */
static uint32_t
number_of(struct json_object *model, const char *key, uint32_t most)
{
	struct json_object *v;
	int64_t n;

	if (!json_object_object_get_ex(model, key, &v) ||
	    !json_object_is_type(v, json_type_int))
		return 0;
	n = json_object_get_int64(v);
	return n >= 1 && n <= most ? (uint32_t)n : 0;
}

static bool
is_true(struct json_object *model, const char *key)
{
	struct json_object *v;

	return json_object_object_get_ex(model, key, &v) &&
	       json_object_is_type(v, json_type_boolean) &&
	       json_object_get_boolean(v);
}

static bool
has_one_device(struct json_object *metrics)
{
	struct json_object *devices;

	return metrics &&
	       json_object_object_get_ex(metrics, "devices", &devices) &&
	       json_object_is_type(devices, json_type_array) &&
	       json_object_array_length(devices) == 1;
}

static void
read_one(struct json_object *model, struct gw_model_state *out)
{
	uint32_t parallel = number_of(model, "parallel", UINT32_MAX);
	uint32_t bound =
		number_of(model, "max_concurrency", GW_NODE_REQUESTS_MAX);

	out->state = phase_of(gw_json_get_str(model, "state"));
	out->told = out->state != GW_TOLD_UNKNOWN;
	out->evicts = is_true(model, "evicts");
	if (parallel)
		out->parallel = parallel;
	if (bound)
		out->max_concurrency = bound;
}

void
gw_model_states_read(struct json_object *metrics, const struct gw_node_doc *doc,
		     struct gw_model_state *out)
{
	struct json_object *models = NULL, *model;
	bool alone = has_one_device(metrics);

	for (size_t i = 0; i < doc->n_models; i++)
		out[i] = (struct gw_model_state){
			.alone = alone,
			.parallel = doc->models[i].parallel,
			.max_concurrency = doc->models[i].max_concurrency,
		};
	if (!metrics ||
	    !json_object_object_get_ex(metrics, "models", &models) ||
	    !json_object_is_type(models, json_type_object))
		return;
	for (size_t i = 0; i < doc->n_models; i++)
		if (json_object_object_get_ex(models, doc->models[i].model_id,
					      &model) &&
		    json_object_is_type(model, json_type_object))
			read_one(model, &out[i]);
}

uint32_t
gw_node_model_step(const struct gw_model_state *s, uint32_t in_flight,
		   uint32_t max_concurrency)
{
	bool free_slot = s->parallel == 0 || in_flight < s->parallel;

	if ((max_concurrency && in_flight >= max_concurrency) ||
	    s->state == GW_TOLD_FAILED)
		return GW_MODEL_STEP_EVICTS;
	if (!s->told)
		return GW_MODEL_STEP_FREE;
	if (s->state == GW_TOLD_READY)
		return free_slot ? GW_MODEL_STEP_FREE : GW_MODEL_STEP_BUSY;
	if (s->state != GW_TOLD_STARTING && s->evicts)
		return s->state == GW_TOLD_STOPPED && in_flight > 0
			       ? GW_MODEL_STEP_SWAPPING
			       : GW_MODEL_STEP_EVICTS;
	if (s->state != GW_TOLD_STARTING && in_flight == 0)
		return GW_MODEL_STEP_ROOM;
	return free_slot ? GW_MODEL_STEP_STARTING : GW_MODEL_STEP_BUSY;
}
