/* SPDX-License-Identifier: MIT */
/*
 * dialect.c - the SSE events of each streaming endpoint.
 *
 * A stream is: the head events, one token event per token, the end events.
 * The token event is serialised once with a marker in place of the text and
 * split there, so that sending a token is three copies and one write.
 */
#include "fake.h"

#include <string.h>

#include "base/clock.h"

#define MARKER "<TOKEN>"

/* One event; a name of NULL makes it a bare data line. */
struct sse {
	const char *name;
	const char *text; /* template; "" as text = the whole answer's text */
};

struct dialect {
	struct sse head[4];
	struct sse token;
	struct sse end[4];
	bool done; /* "[DONE]" closes the stream */
};

#define CHAT_COMMON                                                            \
	"'created':0,'id':'','model':'','system_fingerprint':'scripted',"      \
	"'object':'chat.completion.chunk'"
#define TEXT_COMMON                                                            \
	"'created':0,'model':'','system_fingerprint':'scripted',"              \
	"'object':'text_completion','id':''"

static const struct dialect chat = {
	.head = {{NULL,
		  "{'choices':[{'finish_reason':null,'index':0,"
		  "'delta':{'role':'assistant','content':null}}]," CHAT_COMMON
		  "}"}},
	.token = {NULL, "{'choices':[{'finish_reason':null,'index':0,"
			"'delta':{'content':'" MARKER "'}}]," CHAT_COMMON "}"},
	.end = {{NULL, "{'choices':[{'finish_reason':'stop','index':0,"
		       "'delta':{}}]," CHAT_COMMON ",'timings':{}}"}},
	.done = true,
};

/* A tool call: the arguments arrive as the token texts. */
static const struct dialect tools = {
	.head = {{NULL,
		  "{'choices':[{'finish_reason':null,'index':0,"
		  "'delta':{'role':'assistant','content':null}}]," CHAT_COMMON
		  "}"},
		 {NULL, "{'choices':[{'finish_reason':null,'index':0,"
			"'delta':{'tool_calls':[{'index':0,'id':'call_1',"
			"'type':'function','function':{'name':'','arguments':"
			"''}}]}}]," CHAT_COMMON "}"}},
	.token = {NULL, "{'choices':[{'finish_reason':null,'index':0,"
			"'delta':{'tool_calls':[{'index':0,'function':"
			"{'arguments':'" MARKER "'}}]}}]," CHAT_COMMON "}"},
	.end = {{NULL, "{'choices':[{'finish_reason':'tool_calls','index':0,"
		       "'delta':{}}]," CHAT_COMMON ",'timings':{}}"}},
	.done = true,
};

static const struct dialect completions = {
	.token = {NULL,
		  "{'choices':[{'text':'" MARKER "','index':0,"
		  "'logprobs':null,'finish_reason':null}]," TEXT_COMMON "}"},
	.end = {{NULL, "{'choices':[{'text':'','index':0,'logprobs':null,"
		       "'finish_reason':'stop'}]," TEXT_COMMON
		       ",'usage':{},'timings':{}}"}},
	.done = true,
};

static const struct dialect messages = {
	.head = {{"message_start",
		  "{'type':'message_start','message':{'id':'','type':"
		  "'message','role':'assistant','content':[],'model':'',"
		  "'stop_reason':null,'stop_sequence':null,'usage':"
		  "{'cache_read_input_tokens':0,'input_tokens':0,"
		  "'output_tokens':0}}}"},
		 {"content_block_start",
		  "{'type':'content_block_start','index':0,'content_block':"
		  "{'type':'text','text':''}}"}},
	.token = {"content_block_delta",
		  "{'type':'content_block_delta','index':0,'delta':{'type':"
		  "'text_delta','text':'" MARKER "'}}"},
	.end = {{"content_block_stop",
		 "{'type':'content_block_stop','index':0}"},
		{"message_delta",
		 "{'type':'message_delta','delta':{'stop_reason':'end_turn',"
		 "'stop_sequence':null},'usage':{'output_tokens':0}}"},
		{"message_stop", "{'type':'message_stop'}"}},
};

static const struct dialect responses = {
	.head = {{"response.created",
		  "{'type':'response.created','response':{'id':'','object':"
		  "'response','status':'in_progress'}}"},
		 {"response.output_item.added",
		  "{'type':'response.output_item.added','item':{'content':"
		  "[],'id':'msg_1','role':'assistant','status':"
		  "'in_progress','type':'message'}}"},
		 {"response.content_part.added",
		  "{'type':'response.content_part.added','item_id':'msg_1',"
		  "'part':{'type':'output_text','text':''}}"}},
	.token = {"response.output_text.delta",
		  "{'type':'response.output_text.delta','item_id':'msg_1',"
		  "'delta':'" MARKER "'}"},
	.end = {{"response.output_text.done",
		 "{'type':'response.output_text.done','item_id':'msg_1',"
		 "'text':''}"},
		{"response.completed", "{'type':'response.completed',"
				       "'response':{}}"}},
};

static const struct dialect *
dialect_of(const struct fake_conn *c)
{
	switch (c->x.kind) {
	case FAKE_COMPLETIONS:
		return &completions;
	case FAKE_MESSAGES:
		return &messages;
	case FAKE_RESPONSES:
		return &responses;
	default:
		return fake_wants_tool(c) ? &tools : &chat;
	}
}

/* Fields are set only where the template has them. */
static void
set_str(struct json_object *o, const char *key, const char *value)
{
	if (json_object_object_get_ex(o, key, NULL))
		gw_json_set_str(o, key, value);
}

static void
set_common(struct fake_conn *c, struct json_object *o)
{
	char id[96];

	snprintf(id, sizeof(id), "%s%.40s%llu",
		 c->x.kind == FAKE_MESSAGES    ? "msg_"
		 : c->x.kind == FAKE_RESPONSES ? "resp_"
					       : "chatcmpl-",
		 c->srv->opt.name, (unsigned long long)c->x.id);
	set_str(o, "id", id);
	set_str(o, "model", fake_model(c));
	if (json_object_object_get_ex(o, "created", NULL))
		gw_json_set_int(o, "created", c->srv->created_s);
}

static void
set_tool_name(struct fake_conn *c, struct json_object *o)
{
	struct json_object *v = NULL;

	if (json_pointer_get(o, "/choices/0/delta/tool_calls/0/function", &v) ==
	    0)
		set_str(v, "name", fake_tool_name(c));
}

static struct json_object *
timings(struct fake_conn *c)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_int(o, "prompt_n", 1);
	gw_json_set_int(o, "predicted_n", c->x.tokens);
	gw_json_set_int(o, "predicted_ms",
			(int64_t)(gw_mono_ms() - c->x.started_ms));
	return o;
}

/* What only the end knows: the numbers, and the text as a whole. */
static void
set_totals(struct fake_conn *c, struct json_object *o)
{
	struct json_object *whole, *v;

	if (json_object_object_get_ex(o, "timings", NULL))
		json_object_object_add(o, "timings", timings(c));
	set_str(o, "text", c->x.text.data);
	if (json_object_object_get_ex(o, "response", &v) &&
	    json_object_object_length(v) == 0) {
		json_object_object_add(o, "response", fake_document(c));
		return;
	}
	if (!json_object_object_get_ex(o, "usage", &v))
		return;
	whole = fake_document(c);
	json_object_object_add(
		o, "usage",
		json_object_get(json_object_object_get(whole, "usage")));
	json_object_put(whole);
}

static int
emit(const struct sse *e, struct json_object *o, struct gw_buf *out)
{
	int bad = e->name ? gw_buf_printf(out, "event: %s\n", e->name) : 0;

	bad |= gw_buf_puts(out, "data: ");
	bad |= gw_buf_puts(out,
			   json_object_to_json_string_ext(
				   o, JSON_C_TO_STRING_PLAIN |
					      JSON_C_TO_STRING_NOSLASHESCAPE));
	return bad | gw_buf_puts(out, "\n\n");
}

static int
emit_one(struct fake_conn *c, const struct sse *e, bool end, struct gw_buf *out)
{
	gw_auto_json struct json_object *o = fake_json(e->text);
	struct json_object *inner;

	set_common(c, o);
	if (json_object_object_get_ex(o, "message", &inner) ||
	    json_object_object_get_ex(o, "response", &inner))
		set_common(c, inner);
	set_tool_name(c, o);
	if (end)
		set_totals(c, o);
	return emit(e, o, out);
}

void
fake_dialect_begin(struct fake_conn *c)
{
	const struct dialect *d = dialect_of(c);
	gw_auto_buf struct gw_buf token = GW_BUF_INIT(FAKE_OUT_MAX_BYTES);
	const char *mark;
	int bad = 0;

	for (size_t i = 0; i < GW_ARRAY_LEN(d->head) && d->head[i].text; i++)
		bad |= emit_one(c, &d->head[i], false, &c->x.head);
	bad |= emit_one(c, &d->token, false, &token);
	mark = bad ? NULL : strstr(token.data, MARKER);
	if (!mark ||
	    gw_buf_append(&c->x.prefix, token.data,
			  (size_t)(mark - token.data)) ||
	    gw_buf_puts(&c->x.suffix, mark + strlen(MARKER)))
		fake_conn_close(c, true);
}

static bool
wants_usage(const struct fake_conn *c)
{
	struct json_object *v;

	if (c->x.kind != FAKE_CHAT)
		return false;
	return c->x.script.usage ||
	       (c->x.request &&
		json_pointer_get(c->x.request, "/stream_options/include_usage",
				 &v) == 0 &&
		json_object_get_boolean(v));
}

void
fake_dialect_end(struct fake_conn *c,
		 void (*chunk)(struct fake_conn *c, const char *p, size_t n))
{
	static const struct sse usage = {NULL, "{'choices':[]," CHAT_COMMON
					       ",'usage':{},'timings':{}}"};
	static const char done[] = "data: [DONE]\n\n";
	const struct dialect *d = dialect_of(c);
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(FAKE_OUT_MAX_BYTES);
	int bad = 0;

	for (size_t i = 0; i < GW_ARRAY_LEN(d->end) && d->end[i].text; i++)
		bad |= emit_one(c, &d->end[i], true, &b);
	if (wants_usage(c))
		bad |= emit_one(c, &usage, true, &b);
	if (bad) {
		fake_conn_close(c, true);
		return;
	}
	chunk(c, b.data, b.len);
	if (d->done && !c->x.script.no_done && c->fd >= 0)
		chunk(c, done, sizeof(done) - 1);
}
