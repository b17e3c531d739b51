/* SPDX-License-Identifier: MIT */
/*
 * document.c - whole generated answers, in the shape of recorded ones.
 *
 * Each endpoint has a template (the recorded answer with its gibberish taken
 * out, ' for ") whose variable fields are set afterwards. Nothing here writes
 * JSON by hand.
 */
#include "fake.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"

struct json_object *
fake_json(const char *text)
{
	struct json_object *o = json_tokener_parse(text);

	if (!o) {
		fprintf(stderr, "fake_llama: bad template: %s\n", text);
		abort();
	}
	return o;
}

int64_t
fake_words(const char *text)
{
	int64_t n = 0;
	bool in = false;

	for (; text && *text; text++) {
		n += !isspace((unsigned char)*text) && !in;
		in = !isspace((unsigned char)*text);
	}
	return n;
}

const char *
fake_model(const struct fake_conn *c)
{
	const char *m =
		c->x.request ? gw_json_get_str(c->x.request, "model") : NULL;

	return m ? m : c->srv->opt.models[0];
}

/* Content is a string, or a list of parts of which the first text counts. */
const char *
fake_content(struct json_object *content)
{
	struct json_object *part;
	const char *text = NULL;

	if (json_object_is_type(content, json_type_string))
		return json_object_get_string(content);
	if (!json_object_is_type(content, json_type_array))
		return NULL;
	for (size_t i = 0; i < json_object_array_length(content); i++) {
		part = json_object_array_get_idx(content, i);
		if (!text && json_object_is_type(part, json_type_object))
			text = gw_json_get_str(part, "text");
	}
	return text;
}

static const char *
last_user_text(struct json_object *messages)
{
	struct json_object *m, *content;
	const char *role;

	if (!json_object_is_type(messages, json_type_array))
		return fake_content(messages);
	for (size_t i = json_object_array_length(messages); i-- > 0;) {
		m = json_object_array_get_idx(messages, i);
		if (!json_object_is_type(m, json_type_object))
			continue;
		role = gw_json_get_str(m, "role");
		if (role && strcmp(role, "user") == 0 &&
		    json_object_object_get_ex(m, "content", &content))
			return fake_content(content);
	}
	return NULL;
}

const char *
fake_said(const struct fake_conn *c)
{
	static const char *const members[] = {"messages", "prompt", "input",
					      "query"};
	struct json_object *v;

	for (size_t i = 0; c->x.request && i < GW_ARRAY_LEN(members); i++)
		if (json_object_object_get_ex(c->x.request, members[i], &v))
			return last_user_text(v);
	return NULL;
}

bool
fake_wants_tool(const struct fake_conn *c)
{
	struct json_object *v;

	return c->x.request &&
	       json_object_object_get_ex(c->x.request, "tools", &v) &&
	       json_object_is_type(v, json_type_array) &&
	       json_object_array_length(v) > 0 &&
	       json_object_object_get_ex(c->x.request, "tool_choice", &v) &&
	       json_object_is_type(v, json_type_string) &&
	       strcmp(json_object_get_string(v), "required") == 0;
}

void
fake_document_text(struct fake_conn *c)
{
	const char *words = fake_said(c);
	int bad;

	if (c->x.script.text)
		bad = gw_buf_puts(&c->x.text, c->x.script.text);
	else if (fake_wants_tool(c))
		bad = gw_buf_puts(&c->x.text, "{\"n\": 7}");
	else
		bad = gw_buf_printf(&c->x.text,
				    "[scripted upstream %s] You said: %s",
				    c->srv->opt.name, words ? words : "");
	if (bad)
		fake_conn_close(c, true);
}

/* Words of the prompt; what it holds of the answer counts as the answer does.
 */
static int64_t
prompt_words(const struct fake_conn *c)
{
	const char *said = fake_said(c);
	gw_auto_free char *own = NULL;

	if (!said || !c->x.held_bytes)
		return fake_words(said);
	own = strndup(said, strlen(said) - c->x.held_bytes);
	return fake_words(own) + c->x.skipped;
}

static void
set_usage(const struct fake_conn *c, struct json_object *usage,
	  const char *prompt_key, const char *answer_key)
{
	int64_t prompt = prompt_words(c);
	int64_t answer = c->x.script.tokens >= 0 ? c->x.script.tokens
						 : fake_words(c->x.text.data);

	if (!c->x.held_bytes)
		prompt += c->x.skipped;
	answer -= c->x.skipped;
	gw_json_set_int(usage, prompt_key, prompt);
	gw_json_set_int(usage, answer_key, answer);
	if (json_object_object_get_ex(usage, "total_tokens", NULL))
		gw_json_set_int(usage, "total_tokens", prompt + answer);
}

static void
set_id(const struct fake_conn *c, struct json_object *o, const char *prefix)
{
	char id[96];

	snprintf(id, sizeof(id), "%s%.40s%llu", prefix, c->srv->opt.name,
		 (unsigned long long)c->x.id);
	gw_json_set_str(o, "id", id);
	gw_json_set_str(o, "model", fake_model(c));
}

static struct json_object *
first(struct json_object *o, const char *list)
{
	return json_object_array_get_idx(json_object_object_get(o, list), 0);
}

const char *
fake_tool_name(const struct fake_conn *c)
{
	struct json_object *tool = first(c->x.request, "tools"), *f;
	const char *name = NULL;

	if (json_object_is_type(tool, json_type_object) &&
	    json_object_object_get_ex(tool, "function", &f) &&
	    json_object_is_type(f, json_type_object))
		name = gw_json_get_str(f, "name");
	return name ? name : "tool";
}

static struct json_object *
chat(struct fake_conn *c)
{
	struct json_object *o = fake_json(
		"{'choices':[{'finish_reason':'stop','index':0,'message':"
		"{'role':'assistant','content':''}}],'created':0,'model':'',"
		"'system_fingerprint':'scripted','object':'chat.completion',"
		"'usage':{'completion_tokens':0,'prompt_tokens':0,"
		"'total_tokens':0,'prompt_tokens_details':"
		"{'cached_tokens':0}},'id':''}");
	struct json_object *choice = first(o, "choices");
	struct json_object *message = json_object_object_get(choice, "message");
	struct json_object *calls, *function;

	gw_json_set_int(o, "created", c->srv->created_s);
	set_id(c, o, "chatcmpl-");
	set_usage(c, json_object_object_get(o, "usage"), "prompt_tokens",
		  "completion_tokens");
	if (!fake_wants_tool(c)) {
		gw_json_set_str(message, "content", c->x.text.data);
		return o;
	}
	calls = fake_json("[{'type':'function','function':{'name':'',"
			  "'arguments':''},'id':'call_1'}]");
	function = json_object_object_get(json_object_array_get_idx(calls, 0),
					  "function");
	gw_json_set_str(function, "name", fake_tool_name(c));
	gw_json_set_str(function, "arguments", c->x.text.data);
	json_object_object_add(message, "tool_calls", calls);
	gw_json_set_str(choice, "finish_reason", "tool_calls");
	return o;
}

static struct json_object *
completion(struct fake_conn *c)
{
	struct json_object *o = fake_json(
		"{'choices':[{'text':'','index':0,'logprobs':null,"
		"'finish_reason':'stop'}],'created':0,'model':'',"
		"'system_fingerprint':'scripted','object':'text_completion',"
		"'usage':{'completion_tokens':0,'prompt_tokens':0,"
		"'total_tokens':0},'id':''}");

	gw_json_set_int(o, "created", c->srv->created_s);
	set_id(c, o, "cmpl-");
	gw_json_set_str(first(o, "choices"), "text", c->x.text.data);
	set_usage(c, json_object_object_get(o, "usage"), "prompt_tokens",
		  "completion_tokens");
	return o;
}

static struct json_object *
response(struct fake_conn *c)
{
	struct json_object *o = fake_json(
		"{'completed_at':0,'created_at':0,'id':'','model':'',"
		"'object':'response','output':[{'content':[{'type':"
		"'output_text','annotations':[],'logprobs':[],'text':''}],"
		"'id':'msg_1','role':'assistant','status':'completed',"
		"'type':'message'}],'status':'completed','usage':"
		"{'input_tokens':0,'output_tokens':0,'total_tokens':0,"
		"'input_tokens_details':{'cached_tokens':0}}}");

	gw_json_set_int(o, "created_at", c->srv->created_s);
	gw_json_set_int(o, "completed_at", c->srv->created_s);
	set_id(c, o, "resp_");
	gw_json_set_str(first(first(o, "output"), "content"), "text",
			c->x.text.data);
	set_usage(c, json_object_object_get(o, "usage"), "input_tokens",
		  "output_tokens");
	return o;
}

static struct json_object *
message_document(struct fake_conn *c)
{
	struct json_object *o = fake_json(
		"{'id':'','type':'message','role':'assistant','content':"
		"[{'type':'text','text':''}],'model':'','stop_reason':"
		"'end_turn','stop_sequence':null,'usage':"
		"{'cache_read_input_tokens':0,'input_tokens':0,"
		"'output_tokens':0}}");

	set_id(c, o, "msg_");
	gw_json_set_str(first(o, "content"), "text", c->x.text.data);
	set_usage(c, json_object_object_get(o, "usage"), "input_tokens",
		  "output_tokens");
	return o;
}

static struct json_object *
node(struct fake_conn *c)
{
	(void)c;
	return fake_json("{'status':'ok'}");
}

static struct json_object *(*const documents[FAKE_KIND__MAX])(
	struct fake_conn *c) = {
	[FAKE_MODELS] = fake_models,
	[FAKE_CHAT] = chat,
	[FAKE_COMPLETIONS] = completion,
	[FAKE_EMBEDDINGS] = fake_embeddings,
	[FAKE_RERANK] = fake_rerank,
	[FAKE_RESPONSES] = response,
	[FAKE_MESSAGES] = message_document,
	[FAKE_COUNT_TOKENS] = fake_count_tokens,
	[FAKE_NODE] = node,
	[FAKE_HEARTBEAT] = node,
};

struct json_object *
fake_document(struct fake_conn *c)
{
	if (c->x.text.len == 0)
		fake_document_text(c);
	return documents[c->x.kind](c);
}
