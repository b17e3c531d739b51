/* SPDX-License-Identifier: MIT */
/*
 * inference.c - POST requests: what the script makes of them.
 *
 * The script decides between the endpoint's own answer and the misbehaviours,
 * one row of step_answer() each; silence before the headers comes first of all.
 */
#include "fake.h"

#include <string.h>

/*
 * json-c needs seconds and gigabytes for megabytes of "{},": a body with more
 * structure than this is accepted and answered, but not looked into.
 */
#define STRUCTURE_MAX 50000
#define DEPTH_MAX 200

struct json_object *
fake_parse(const struct gw_buf *body)
{
	size_t structure = 0;
	struct json_tokener *tok;
	struct json_object *o;

	for (size_t i = 0; i < body->len; i++)
		structure += body->data[i] == '{' || body->data[i] == '[' ||
			     body->data[i] == ',';
	if (body->len == 0 || structure > STRUCTURE_MAX)
		return NULL;
	tok = json_tokener_new_ex(DEPTH_MAX);
	if (!tok)
		return NULL;
	o = json_tokener_parse_ex(tok, body->data, (int)body->len);
	if (json_tokener_get_error(tok) != json_tokener_success ||
	    !json_object_is_type(o, json_type_object)) {
		json_object_put(o);
		o = NULL;
	}
	json_tokener_free(tok);
	return o;
}

static void
answer_echo(struct fake_conn *c)
{
	struct json_object *o = json_object_new_object();

	gw_json_set_str(o, "method", http_method_str(c->parser.method));
	gw_json_set_str(o, "path", c->url.data);
	json_object_object_add(o, "headers", fake_conn_headers(c));
	json_object_object_add(
		o, "body",
		json_object_new_string_len(c->body.data ? c->body.data : "",
					   (int)c->body.len));
	fake_answer_json(c, 200, o);
}

/* An error with the members that the script gives, as long as it says. */
static void
answer_scripted_error(struct fake_conn *c, int status)
{
	const struct fake_script *s = &c->x.script;
	struct json_object *o = json_object_new_object();
	struct json_object *error = json_object_new_object();
	gw_auto_buf struct gw_buf message = GW_BUF_INIT(FAKE_OUT_MAX_BYTES);
	int bad = gw_buf_printf(&message, "scripted status %d", status);

	while (!bad && message.len < (size_t)s->body_bytes)
		bad = gw_buf_puts(&message, " and so on and on and on and on");
	gw_json_set_str(error, "message", bad ? "" : message.data);
	gw_json_set_str(error, "type",
			status < 500 ? "invalid_request_error"
				     : "server_error");
	gw_json_set_int(error, "code", status);
	if (s->error) {
		json_object_object_foreach(s->error, name, v)
		{
			json_object_object_add(error, name, json_object_get(v));
		}
	}
	json_object_object_add(o, "error", error);
	fake_answer_json(c, status, o);
}

static void
answer_fixed(struct fake_conn *c)
{
	const struct fake_script *s = &c->x.script;
	int status = s->status ? (int)s->status : s->redirect ? 302 : 200;

	if (s->body || s->redirect) {
		const char *body = s->body ? s->body : "";

		fake_answer_body(c, status,
				 s->content_type ? s->content_type
						 : "application/json",
				 body, strlen(body));
		return;
	}
	answer_scripted_error(c, status);
}

/* What llama-server says of a body it cannot use, or false. */
static bool
refuse_body(struct fake_conn *c)
{
	if (c->x.unparsed) {
		fake_answer_error(c, 500, "server_error",
				  "[json.exception.parse_error.101] parse "
				  "error: the body is no JSON object");
		return true;
	}
	if (c->x.kind == FAKE_CHAT && c->x.request &&
	    !json_object_object_get_ex(c->x.request, "messages", NULL)) {
		fake_answer_error(c, 400, "invalid_request_error",
				  "'messages' is required");
		return true;
	}
	return false;
}

static void
answer_garbage(struct fake_conn *c)
{
	static const char garbage[] = "\x16\x03\x01 this is no HTTP\r\n\r\n";

	fake_conn_write(c, garbage, sizeof(garbage) - 1);
	c->x.close_after = true;
	fake_conn_done(c);
}

static void
step_answer(struct fake_conn *c)
{
	const struct fake_script *s = &c->x.script;

	if (s->exit_signal)
		fake_life_kill(c->srv, (int)s->exit_signal);
	else if (s->reset_before_answer)
		fake_conn_close(c, true);
	else if (s->close_before_answer || (s->close_reused && c->requests > 1))
		fake_conn_close(c, false);
	else if (s->garbage)
		answer_garbage(c);
	else if (s->raw_file)
		fake_replay_start(c);
	else if (s->status || s->body || s->redirect)
		answer_fixed(c);
	else if (s->echo_headers)
		answer_echo(c);
	else if (s->pieces)
		fake_stream_start(c);
	else if (refuse_body(c))
		return;
	else if (c->x.stream)
		fake_stream_start(c);
	else if (c->srv->opt.instant && c->x.kind == FAKE_CHAT)
		fake_answer_instant(c);
	else
		fake_answer_json(c, 200, fake_document(c));
}

static bool
wants_stream(const struct fake_conn *c)
{
	struct json_object *v;
	const char *p;

	if (c->x.kind == FAKE_EMBEDDINGS || c->x.kind == FAKE_RERANK ||
	    c->x.kind >= FAKE_COUNT_TOKENS)
		return false;
	if (c->x.request)
		return json_object_object_get_ex(c->x.request, "stream", &v) &&
		       json_object_get_boolean(v);
	if (!c->srv->opt.instant || !c->body.data)
		return false;
	p = memmem(c->body.data, c->body.len, "\"stream\":", 9);
	return p && strncmp(p + 9 + strspn(p + 9, " "), "true", 4) == 0;
}

/* The script of an inference request; false when it was refused. */
static bool
load_script(struct fake_conn *c)
{
	struct fake_exchange *x = &c->x;
	struct json_object *own;
	char why[128];

	if (!c->srv->opt.instant) {
		x->request = fake_parse(&c->body);
		x->unparsed = !x->request && c->body.len < (1u << 20);
	}
	x->stream = wants_stream(c);
	if (!c->srv->opt.instant)
		fake_turns_take(c);
	if (c->fd < 0)
		return false;
	if (x->request && json_object_object_get_ex(x->request, "fake", &own) &&
	    fake_script_apply(&x->script, own, why, sizeof(why))) {
		fake_answer_error(c, 400, "invalid_request_error", why);
		return false;
	}
	return true;
}

void
fake_inference(struct fake_conn *c)
{
	if (!load_script(c) || c->x.script.never)
		return;
	if (c->x.script.wait_head)
		fake_conn_on_go(c, step_answer);
	else if (c->x.script.first_delay_ms)
		fake_conn_after(c, (double)c->x.script.first_delay_ms,
				step_answer);
	else
		step_answer(c);
}
