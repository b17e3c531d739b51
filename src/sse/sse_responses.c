/* SPDX-License-Identifier: MIT */
/*
 * sse_responses.c - a whole answer of /v1/responses as the events of a stream:
 * its items one by one, each with its parts, then the response once more.
 */
#include <string.h>

#include "base/json.h"
#include "sse/sse_parts.h"

struct run {
	struct gw_buf *out;
	int64_t sequence;
	int64_t output_index;
	const char *item_id; /* or NULL */
	int rc;
};

/* Begins an event of the item that the run is at. */
static struct json_object *
event(const char *type)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "type", type);
	return o;
}

static void
put(struct run *run, struct json_object *o)
{
	gw_json_set_int(o, "sequence_number", run->sequence++);
	if (run->rc == 0)
		run->rc = gw_sse_put_event(run->out, gw_json_get_str(o, "type"),
					   json_object_get(o));
	json_object_put(o);
}

static struct json_object *
item_event(const struct run *run, const char *type)
{
	struct json_object *o = event(type);

	if (run->item_id)
		gw_json_set_str(o, "item_id", run->item_id);
	gw_json_set_int(o, "output_index", run->output_index);
	return o;
}

static void
put_response(struct run *run, const char *type, struct json_object *response)
{
	struct json_object *o = event(type);

	json_object_object_add(o, "response", response);
	put(run, o);
}

/* The response as it was before anything was said. */
static struct json_object *
unfinished(struct json_object *doc)
{
	struct json_object *o = gw_sse_copy(doc);

	gw_json_set_str(o, "status", "in_progress");
	json_object_object_add(o, "output", json_object_new_array());
	json_object_object_del(o, "usage");
	return o;
}

/* What streams, by the type of its part or item. */
struct streamed {
	const char *type; /* of the part or item */
	const char *key;  /* its field that streams */
	const char *delta, *done;
};

static const struct streamed parts[] = {
	{"output_text", "text", "response.output_text.delta",
	 "response.output_text.done"},
	{"refusal", "refusal", "response.refusal.delta",
	 "response.refusal.done"},
	{"reasoning_text", "text", "response.reasoning_text.delta",
	 "response.reasoning_text.done"},
};

static const struct streamed calls[] = {
	{"function_call", "arguments", "response.function_call_arguments.delta",
	 "response.function_call_arguments.done"},
	{"custom_tool_call", "input", "response.custom_tool_call_input.delta",
	 "response.custom_tool_call_input.done"},
};

static const struct streamed *
find(const struct streamed *table, size_t n, struct json_object *o)
{
	const char *type = gw_json_get_str(o, "type");

	for (size_t i = 0; type && i < n; i++)
		if (strcmp(table[i].type, type) == 0)
			return &table[i];
	return NULL;
}

/* The field that streams: once as a delta, once as a whole. @index < 0: the
 * event has no place in a content. */
static void
put_streamed(struct run *run, const struct streamed *s, struct json_object *o,
	     int64_t index)
{
	struct json_object *delta = item_event(run, s->delta);
	struct json_object *done = item_event(run, s->done);

	if (index >= 0) {
		gw_json_set_int(delta, "content_index", index);
		gw_json_set_int(done, "content_index", index);
	}
	gw_sse_share(delta, "delta", o, s->key);
	gw_sse_share(done, s->key, o, s->key);
	put(run, delta);
	put(run, done);
}

static void
put_part_event(struct run *run, const char *type, struct json_object *part,
	       int64_t index)
{
	struct json_object *o = item_event(run, type);

	gw_json_set_int(o, "content_index", index);
	json_object_object_add(o, "part", part);
	put(run, o);
}

static void
put_part(struct run *run, struct json_object *part, int64_t index)
{
	const struct streamed *s = find(parts, GW_ARRAY_LEN(parts), part);
	struct json_object *empty = gw_sse_copy(part);

	if (s)
		gw_json_set_str(empty, s->key, "");
	put_part_event(run, "response.content_part.added", empty, index);
	if (s)
		put_streamed(run, s, part, index);
	put_part_event(run, "response.content_part.done", json_object_get(part),
		       index);
}

static void
put_item_event(struct run *run, const char *type, struct json_object *item)
{
	struct json_object *o = event(type);

	gw_json_set_int(o, "output_index", run->output_index);
	json_object_object_add(o, "item", item);
	put(run, o);
}

static void
put_item(struct run *run, struct json_object *item)
{
	const struct streamed *call = find(calls, GW_ARRAY_LEN(calls), item);
	struct json_object *content = gw_sse_list(item, "content");
	struct json_object *added = gw_sse_copy(item);

	run->item_id = gw_json_get_str(item, "id");
	gw_json_set_str(added, "status", "in_progress");
	if (content)
		json_object_object_add(added, "content",
				       json_object_new_array());
	if (call)
		gw_json_set_str(added, call->key, "");
	put_item_event(run, "response.output_item.added", added);
	for (size_t i = 0; content && i < json_object_array_length(content);
	     i++)
		put_part(run, json_object_array_get_idx(content, i),
			 (int64_t)i);
	if (call)
		put_streamed(run, call, item, -1);
	put_item_event(run, "response.output_item.done", json_object_get(item));
}

static const char *
last_event(struct json_object *doc)
{
	const char *status = gw_json_get_str(doc, "status");

	if (status && strcmp(status, "incomplete") == 0)
		return "response.incomplete";
	if (status && strcmp(status, "failed") == 0)
		return "response.failed";
	return "response.completed";
}

int
gw_sse_from_response(struct gw_buf *out, struct json_object *doc)
{
	struct json_object *output = gw_sse_list(doc, "output");
	struct run run = {.out = out};

	if (!output)
		return 0;
	put_response(&run, "response.created", unfinished(doc));
	put_response(&run, "response.in_progress", unfinished(doc));
	for (size_t i = 0; i < json_object_array_length(output); i++) {
		run.output_index = (int64_t)i;
		put_item(&run, json_object_array_get_idx(output, i));
	}
	put_response(&run, last_event(doc), json_object_get(doc));
	return run.rc < 0 ? -1 : 1;
}
