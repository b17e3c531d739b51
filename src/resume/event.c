/* SPDX-License-Identifier: MIT */
/*
 * event.c - where events of a stream end, and what one says.
 *
 * Borders are looked for in every piece of a stream that may be resumed, so
 * that must cost little; events are read only once a stream has broken.
 */
#include "resume/event.h"

#include <string.h>

#include "base/json.h"
#include "sse/sse.h"

#define DEPTH_MAX 64 /* nesting of a chunk */

static bool
ends_line(char c)
{
	return c == '\n' || c == '\r';
}

/* The offset behind the end of the line that begins at @at; 0 = it has none.
 * @n is set to the line's bytes without it. */
static size_t
next_line(const char *p, size_t len, size_t at, size_t *n)
{
	size_t end = at;

	while (end < len && !ends_line(p[end]))
		end++;
	*n = end - at;
	if (end == len)
		return 0;
	/* A CR at the very end may be half a CRLF: the LF alone is then one
	 * more blank line, which is nothing. */
	if (p[end] == '\r' && end + 1 < len && p[end + 1] == '\n')
		end++;
	return end + 1;
}

size_t
gw_event_end(const char *p, size_t len, size_t from)
{
	size_t n, at = from;

	while ((at = next_line(p, len, at, &n)) && n > 0)
		;
	return at;
}

size_t
gw_event_border(const char *p, size_t len, size_t from)
{
	struct gw_sse s;

	for (size_t at = len; at > from; at--) {
		if (!ends_line(p[at - 1]))
			continue;
		gw_sse_init(&s);
		gw_sse_feed(&s, p, at);
		if (gw_sse_between_events(&s))
			return at;
	}
	return 0;
}

bool
gw_event_says_done(const char *p, size_t len)
{
	static const char *const forms[] = {"data: [DONE]", "data:[DONE]"};

	while (len > 0 && ends_line(p[len - 1]))
		len--;
	for (size_t i = 0; i < GW_ARRAY_LEN(forms); i++) {
		size_t n = strlen(forms[i]);

		if (len >= n && memcmp(p + len - n, forms[i], n) == 0 &&
		    (len == n || ends_line(p[len - n - 1])))
			return true;
	}
	return false;
}

/* ---- what an event says ---------------------------------------------------
 */

/* The value of the line if it is of that field, a blank in front left out. */
static bool
is_field(const char *p, size_t n, const char *field, struct gw_piece *value)
{
	size_t len = strlen(field);

	if (n < len || memcmp(p, field, len) != 0 || (n > len && p[len] != ':'))
		return false;
	len += n > len;
	len += n > len && p[len] == ' ';
	*value = (struct gw_piece){p + len, n - len};
	return true;
}

static bool
is_word(struct gw_piece piece, const char *word)
{
	return piece.len == strlen(word) &&
	       memcmp(piece.p, word, piece.len) == 0;
}

/* Puts the data of all lines together. -1 when memory is out. */
static int
collect(struct gw_chunk *c, const char *p, size_t len, struct gw_buf *data)
{
	struct gw_piece value;
	size_t at = 0, next, n;
	bool first = true;

	for (; at < len; at = next) {
		next = next_line(p, len, at, &n);
		next = next ? next : len;
		if (is_field(p + at, n, "data", &value)) {
			if ((!first && gw_buf_append(data, "\n", 1) < 0) ||
			    gw_buf_append(data, value.p, value.len) < 0)
				return -1;
			first = false;
		} else if (is_field(p + at, n, "event", &value)) {
			c->error = c->error || is_word(value, "error");
		} else if (is_field(p + at, n, "error", &value)) {
			c->error = true; /* llama-server's of old */
		}
	}
	c->empty = first && !c->error;
	return 0;
}

static bool
has(struct json_object *o, const char *key, struct json_object **v)
{
	return json_object_object_get_ex(o, key, v) && *v;
}

static struct gw_piece
string_of(struct json_object *o, const char *key)
{
	struct json_object *v;

	if (!has(o, key, &v) || !json_object_is_type(v, json_type_string))
		return (struct gw_piece){0};
	return (struct gw_piece){json_object_get_string(v),
				 (size_t)json_object_get_string_len(v)};
}

/* Something that a tool shall do; an empty list is none. */
static bool
calls_tool(struct json_object *delta)
{
	struct json_object *v;

	if (has(delta, "function_call", &v))
		return true;
	return has(delta, "tool_calls", &v) &&
	       (!json_object_is_type(v, json_type_array) ||
		json_object_array_length(v) > 0);
}

/* What the client would hear or read and nobody here can continue. */
static bool
says_other(struct json_object *delta)
{
	struct json_object *v;

	return string_of(delta, "refusal").len > 0 || has(delta, "audio", &v);
}

static void
read_reasoning(struct gw_chunk *c)
{
	static const char *const keys[] = {"reasoning_content", "reasoning"};

	for (size_t i = 0; i < GW_ARRAY_LEN(keys) && !c->reasoning.len; i++) {
		c->reasoning = string_of(c->delta, keys[i]);
		c->reasoning_key = keys[i];
	}
}

static void
read_choice(struct gw_chunk *c, enum gw_resume_kind kind,
	    struct json_object *choice)
{
	struct json_object *v;
	struct gw_piece reason;

	if (has(choice, "index", &v) && json_object_get_int(v) != 0)
		c->several = true;
	c->logprobs = has(choice, "logprobs", &v);
	c->finished = has(choice, "finish_reason", &v);
	reason = string_of(choice, "finish_reason");
	c->length = c->finished && reason.p && is_word(reason, "length");
	if (kind == GW_RESUME_COMPLETION) {
		c->delta = choice;
		c->text_key = "text";
		c->text = string_of(choice, "text");
		return;
	}
	if (!has(choice, "delta", &c->delta) ||
	    !json_object_is_type(c->delta, json_type_object)) {
		c->odd = c->delta || !c->finished;
		c->delta = NULL;
		return;
	}
	c->text_key = "content";
	c->text = string_of(c->delta, "content");
	read_reasoning(c);
	c->role = has(c->delta, "role", &v);
	c->tool = calls_tool(c->delta);
	c->odd = says_other(c->delta);
}

static void
read_chunk(struct gw_chunk *c, enum gw_resume_kind kind)
{
	struct json_object *v, *choice;

	if (has(c->doc, "error", &v) ||
	    is_word(string_of(c->doc, "object"), "error")) {
		c->error = true;
		return;
	}
	c->usage = has(c->doc, "usage", &v);
	if (!has(c->doc, "choices", &v))
		return;
	if (!json_object_is_type(v, json_type_array)) {
		c->odd = true;
		return;
	}
	if (json_object_array_length(v) == 0)
		return;
	c->several = json_object_array_length(v) > 1;
	choice = json_object_array_get_idx(v, 0);
	if (json_object_is_type(choice, json_type_object))
		read_choice(c, kind, choice);
	else
		c->odd = true;
}

void
gw_chunk_read(struct gw_chunk *c, enum gw_resume_kind kind, const char *p,
	      size_t len)
{
	struct gw_err ignored = {.code = GW_OK};
	gw_auto_buf struct gw_buf data = GW_BUF_INIT(len + 1);

	*c = (struct gw_chunk){0};
	if (collect(c, p, len, &data) < 0) {
		c->odd = true;
		return;
	}
	if (c->empty || c->error)
		return;
	if (data.data &&
	    is_word((struct gw_piece){data.data, data.len}, "[DONE]")) {
		c->done = true;
		return;
	}
	c->doc = gw_json_parse_object(data.data ? data.data : "", data.len,
				      DEPTH_MAX, &ignored);
	if (c->doc)
		read_chunk(c, kind);
	else
		c->odd = true;
}

void
gw_chunk_release(struct gw_chunk *c)
{
	json_object_put(c->doc);
	c->doc = c->delta = NULL;
}
