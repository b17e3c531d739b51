/* SPDX-License-Identifier: MIT */
/* said.c - what a client has been told so far of an answer. */
#include "resume/said.h"

#include <string.h>

#include "base/json.h"
#include "sse/sse_parts.h"

static const char *const heads[GW_HEAD__MAX] = {
	[GW_HEAD_ID] = "id",
	[GW_HEAD_CREATED] = "created",
	[GW_HEAD_MODEL] = "model",
	[GW_HEAD_FINGERPRINT] = "system_fingerprint",
	[GW_HEAD_OBJECT] = "object",
};

void
gw_said_init(struct gw_said *s)
{
	*s = (struct gw_said){
		.text = GW_BUF_INIT(GW_RESUME_KEPT_MAX),
		.reasoning = GW_BUF_INIT(GW_RESUME_KEPT_MAX),
	};
}

void
gw_said_release(struct gw_said *s)
{
	gw_buf_release(&s->text);
	gw_buf_release(&s->reasoning);
	for (size_t i = 0; i < GW_HEAD__MAX; i++) {
		json_object_put(s->head[i]);
		s->head[i] = NULL;
	}
}

/* The first value that a stream tells is the one that stays. */
static void
take_heads(struct gw_said *s, struct json_object *doc)
{
	struct json_object *v;

	for (size_t i = 0; i < GW_HEAD__MAX; i++)
		if (!s->head[i] &&
		    json_object_object_get_ex(doc, heads[i], &v) && v &&
		    strlen(json_object_get_string(v)) <= GW_HEAD_BYTES_MAX)
			s->head[i] = json_object_get(v);
}

static void
append(struct gw_said *s, struct gw_buf *to, struct gw_piece piece)
{
	if (piece.len && gw_buf_append(to, piece.p, piece.len) < 0)
		s->too_much = true;
}

void
gw_said_add_text(struct gw_said *s, struct gw_piece text, size_t events)
{
	append(s, &s->text, text);
	s->events += events;
	s->thinks = false;
}

void
gw_said_add(struct gw_said *s, const struct gw_chunk *c)
{
	s->done = s->done || c->done;
	s->error = s->error || c->error;
	s->odd = s->odd || c->odd;
	s->role = s->role || c->role;
	s->tool = s->tool || c->tool;
	s->logprobs = s->logprobs || c->logprobs;
	s->several = s->several || c->several;
	s->finished = s->finished || c->finished;
	if (c->doc)
		take_heads(s, c->doc);
	if (c->reasoning.len) {
		append(s, &s->reasoning, c->reasoning);
		s->reasoning_key = c->reasoning_key;
		s->thinks = true;
	}
	if (c->text.len) {
		append(s, &s->text, c->text);
		s->thinks = false;
	}
	s->events += c->text.len || c->reasoning.len;
}

bool
gw_said_nothing(const struct gw_said *s)
{
	return s->text.len == 0 && s->reasoning.len == 0;
}

const char *
gw_said_why_not(const struct gw_said *s)
{
	if (s->error)
		return "the upstream told an error";
	if (s->odd)
		return "the stream has something unknown in it";
	if (s->several)
		return "it has more than one choice";
	if (s->logprobs)
		return "it has logprobs";
	if (s->tool)
		return "a tool call has begun";
	if (s->thinks)
		return "the reasoning is not over";
	if (s->too_much)
		return "the answer is too long";
	return NULL;
}

void
gw_said_mark(const struct gw_said *s, struct json_object *chunk)
{
	for (size_t i = 0; i < GW_HEAD_OBJECT; i++)
		if (s->head[i] &&
		    json_object_object_get_ex(chunk, heads[i], NULL))
			json_object_object_add(chunk, heads[i],
					       json_object_get(s->head[i]));
}

int
gw_said_end(const struct gw_said *s, enum gw_resume_kind kind,
	    struct gw_buf *out)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *choices = json_object_new_array();
	struct json_object *choice = json_object_new_object();

	if (kind == GW_RESUME_CHAT)
		json_object_object_add(choice, "delta",
				       json_object_new_object());
	else
		gw_json_set_str(choice, "text", "");
	gw_json_set_int(choice, "index", 0);
	gw_json_set_str(choice, "finish_reason", "length");
	json_object_array_add(choices, choice);
	json_object_object_add(doc, "choices", choices);
	for (size_t i = 0; i < GW_HEAD__MAX; i++)
		if (s->head[i])
			json_object_object_add(doc, heads[i],
					       json_object_get(s->head[i]));
	if (gw_sse_put_event(out, NULL, doc) < 0)
		return -1;
	return gw_buf_puts(out, GW_RESUME_DONE);
}
