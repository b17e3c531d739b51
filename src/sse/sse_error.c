/* SPDX-License-Identifier: MIT */
/*
 * sse_error.c - error events for streams that were already answered 200.
 *
 * One row per dialect says how its clients are told. Must not fail on anything
 * an upstream may send as the body of an error: what is not understood becomes
 * the message.
 */
#include "base/json.h"
#include "base/utf8.h"
#include "sse/sse.h"

#include <string.h>

#define WORD_MAX 128	      /* bytes of a type, code or param */
#define UPSTREAM_DEPTH_MAX 32 /* nesting of an upstream's error body */

/* What an event says; objects are owned, NULL = JSON null. */
struct error {
	struct json_object *message;
	const char *type;
	struct json_object *param;
	struct json_object *code;
};

struct word {
	const char *ours;
	const char *anthropic;
};

/* OpenAI's and llama-server's types and our codes in Anthropic's words. */
static const struct word words[] = {
	{"authentication_error", "authentication_error"},
	{"billing_error", "billing_error"},
	{"exceed_context_size_error", "invalid_request_error"},
	{"invalid_api_key", "authentication_error"},
	{"invalid_request_error", "invalid_request_error"},
	{"model_not_found", "not_found_error"},
	{"no_available_node", "overloaded_error"},
	{"not_found", "not_found_error"},
	{"not_found_error", "not_found_error"},
	{"overloaded_error", "overloaded_error"},
	{"permission_error", "permission_error"},
	{"rate_limit_error", "rate_limit_error"},
	{"request_too_large", "request_too_large"},
	{"timeout_error", "timeout_error"},
	{"unavailable_error", "overloaded_error"},
	{"upstream_timeout", "timeout_error"},
};

struct status_type {
	int status;
	const char *type;
};

/* The type where an upstream's body names none. */
static const struct status_type status_types[] = {
	{400, "invalid_request_error"}, {401, "authentication_error"},
	{403, "permission_error"},	{404, "not_found_error"},
	{413, "request_too_large"},	{422, "invalid_request_error"},
	{429, "rate_limit_error"},	{503, "unavailable_error"},
	{504, "timeout_error"},		{529, "overloaded_error"},
};

static const char *
anthropic_word(const char *ours)
{
	size_t i;

	for (i = 0; ours && i < GW_ARRAY_LEN(words); i++)
		if (strcmp(words[i].ours, ours) == 0)
			return words[i].anthropic;
	return NULL;
}

static const char *
type_of_status(int status)
{
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(status_types); i++)
		if (status_types[i].status == status)
			return status_types[i].type;
	return "upstream_error";
}

/* A JSON string of at most @max bytes; what is no UTF-8 becomes U+FFFD. */
static struct json_object *
clean_string(const char *p, size_t n, size_t max)
{
	static const char instead[] = "\xef\xbf\xbd";
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(max);
	size_t len;

	while (n > 0) {
		len = gw_utf8_char(p, n);
		if (gw_buf_append(&text, len ? p : instead,
				  len ? len : sizeof(instead) - 1) < 0)
			break; /* cut between two characters */
		p += len ? len : 1;
		n -= len ? len : 1;
	}
	return json_object_new_string_len(text.data ? text.data : "",
					  (int)text.len);
}

static struct json_object *
clean_copy(struct json_object *o, size_t max)
{
	if (!json_object_is_type(o, json_type_string))
		return json_object_get(o);
	return clean_string(json_object_get_string(o),
			    (size_t)json_object_get_string_len(o), max);
}

static void
add(struct json_object *o, const char *key, struct json_object *value)
{
	json_object_object_add(o, key, json_object_get(value));
}

static struct json_object *
openai_document(const struct error *e)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *error = json_object_new_object();

	add(error, "message", e->message);
	gw_json_set_str(error, "type", e->type);
	add(error, "param", e->param);
	add(error, "code", e->code);
	json_object_object_add(doc, "error", error);
	return doc;
}

static struct json_object *
anthropic_document(const struct error *e)
{
	struct json_object *doc = json_object_new_object();
	struct json_object *error = json_object_new_object();
	const char *type = NULL;

	/* A code says more than its type: model_not_found is not_found_error */
	if (json_object_is_type(e->code, json_type_string))
		type = anthropic_word(json_object_get_string(e->code));
	if (!type)
		type = anthropic_word(e->type);
	gw_json_set_str(doc, "type", "error");
	gw_json_set_str(error, "type", type ? type : "api_error");
	add(error, "message", e->message);
	json_object_object_add(doc, "error", error);
	return doc;
}

static struct json_object *
responses_document(const struct error *e)
{
	struct json_object *doc = json_object_new_object();

	gw_json_set_str(doc, "type", "error");
	if (e->code)
		add(doc, "code", e->code);
	else
		gw_json_set_str(doc, "code", e->type);
	add(doc, "message", e->message);
	add(doc, "param", e->param);
	/* Counting the upstream's events would mean parsing every one. */
	gw_json_set_int(doc, "sequence_number", 0);
	return doc;
}

struct dialect {
	const char *head; /* in front of the document */
	struct json_object *(*document)(const struct error *e);
};

static const struct dialect dialects[GW_SSE__MAX] = {
	[GW_SSE_OPENAI] = {"data: ", openai_document},
	[GW_SSE_ANTHROPIC] = {"event: error\ndata: ", anthropic_document},
	[GW_SSE_RESPONSES] = {"event: error\ndata: ", responses_document},
};

static int
append_event(struct gw_buf *out, enum gw_sse_dialect dialect,
	     const struct error *e)
{
	gw_auto_json struct json_object *doc = dialects[dialect].document(e);

	if (gw_buf_puts(out, dialects[dialect].head) < 0 ||
	    gw_json_text(doc, out) < 0)
		return -1;
	return gw_buf_puts(out, "\n\n");
}

static void
release(struct error *e)
{
	json_object_put(e->message);
	json_object_put(e->param);
	json_object_put(e->code);
}

int
gw_sse_error_event(struct gw_buf *out, enum gw_sse_dialect dialect,
		   const struct gw_sse *before, const char *type,
		   const char *code, const char *message)
{
	struct error e = {
		.message = clean_string(message, strlen(message),
					GW_SSE_MESSAGE_MAX),
		.type = type,
		.code = code ? clean_string(code, strlen(code), WORD_MAX)
			     : NULL,
	};
	int rc = 0;

	/*
	 * Two newlines close any half event: the first ends a half line or, as
	 * part of CRLF, a whole one. One too many is one more blank line.
	 */
	if (before && !gw_sse_between_events(before))
		rc = gw_buf_puts(out, "\n\n");
	if (rc == 0)
		rc = append_event(out, dialect, &e);
	release(&e);
	return rc;
}

/* Where the error is described: `error`, or the whole document. */
static struct json_object *
find_error(struct json_object *doc)
{
	struct json_object *error;

	if (json_object_object_get_ex(doc, "error", &error) &&
	    json_object_is_type(error, json_type_object))
		return error;
	return doc;
}

static struct json_object *
find_message(struct json_object *error)
{
	static const char *const keys[] = {"message", "error", "detail"};
	struct json_object *message;
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(keys); i++)
		if (json_object_object_get_ex(error, keys[i], &message) &&
		    json_object_is_type(message, json_type_string))
			return clean_copy(message, GW_SSE_MESSAGE_MAX);
	return NULL;
}

/* A string or number; other types have no place in an error. */
static struct json_object *
find_word(struct json_object *error, const char *key)
{
	struct json_object *word;

	if (json_object_object_get_ex(error, key, &word) &&
	    (json_object_is_type(word, json_type_string) ||
	     json_object_is_type(word, json_type_int)))
		return clean_copy(word, WORD_MAX);
	return NULL;
}

/* The message for a body that is not understood: the body. */
static struct json_object *
body_as_message(int status, const char *body, size_t len)
{
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(2 * GW_SSE_MESSAGE_MAX);
	size_t most = len < GW_SSE_MESSAGE_MAX ? len : GW_SSE_MESSAGE_MAX;

	while (most > 0 && strchr(" \t\r\n", body[most - 1]))
		most--;
	if (gw_buf_printf(&text, "the upstream answered with status %d%s",
			  status, most ? ": " : "") < 0 ||
	    gw_buf_append(&text, body, most) < 0)
		return NULL;
	return clean_string(text.data, text.len, GW_SSE_MESSAGE_MAX);
}

int
gw_sse_error_from_body(struct gw_buf *out, enum gw_sse_dialect dialect,
		       int status, const char *body, size_t len)
{
	struct gw_err ignored = {.code = GW_OK};
	gw_auto_json struct json_object *doc =
		gw_json_parse_object(body, len, UPSTREAM_DEPTH_MAX, &ignored);
	gw_auto_json struct json_object *type = NULL;
	struct json_object *error;
	struct error e = {.type = type_of_status(status)};
	int rc;

	if (doc) {
		error = find_error(doc);
		e.message = find_message(error);
		e.param = find_word(error, "param");
		e.code = find_word(error, "code");
		type = find_word(error, "type");
		if (json_object_is_type(type, json_type_string))
			e.type = json_object_get_string(type);
	}
	if (!e.message)
		e.message = body_as_message(status, body, len);
	if (!e.code)
		e.code = json_object_new_int(status);
	rc = append_event(out, dialect, &e);
	release(&e);
	return rc;
}
