/* SPDX-License-Identifier: MIT */
/*
 * sse_watch.c - does an upstream tell an error in its stream, or how many
 * tokens there were?
 *
 * Runs for every token: a line is copied and searched for a few words in
 * quotes, which no text can hold (its quotes are escaped). Only what has one is
 * parsed.
 */
#include "sse/sse.h"

#include <ctype.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define DEPTH_MAX 32

void
gw_sse_watch_init(struct gw_sse_watch *w)
{
	*w = (struct gw_sse_watch){.line = GW_BUF_INIT(GW_SSE_WATCHED_MAX),
				   .plain = GW_BUF_INIT(GW_SSE_WATCHED_MAX)};
}

void
gw_sse_watch_release(struct gw_sse_watch *w)
{
	gw_buf_release(&w->line);
	gw_buf_release(&w->plain);
}

/* The value behind a field's name, or NULL when it is another field. */
static const char *
value_of(const char *line, const char *field)
{
	size_t n = strlen(field);

	if (strncmp(line, field, n) != 0)
		return NULL;
	return line + n + strspn(line + n, " \t");
}

/* A word for the log: what is none, or too long, stays out of it. */
static bool
take_word(struct gw_sse_watch *w, struct json_object *o, const char *key)
{
	struct json_object *v;
	const char *text;
	size_t n;

	if (!json_object_object_get_ex(o, key, &v) ||
	    (!json_object_is_type(v, json_type_string) &&
	     !json_object_is_type(v, json_type_int)))
		return false;
	text = json_object_get_string(v);
	n = strlen(text);
	if (n == 0 || n >= sizeof(w->word))
		return false;
	for (size_t i = 0; i < n; i++)
		if (!isalnum((unsigned char)text[i]) && !strchr("_-.", text[i]))
			return false;
	memcpy(w->word, text, n + 1);
	return true;
}

static bool
is_named_error(struct json_object *doc, const char *key)
{
	const char *name = gw_json_get_str(doc, key);

	return name && strcmp(name, "error") == 0;
}

static void
found(struct gw_sse_watch *w, struct json_object *doc)
{
	struct json_object *error = doc, *inner;

	w->found = true;
	/* /v1/responses has it within the response that failed. */
	if (json_object_object_get_ex(doc, "response", &inner) &&
	    json_object_is_type(inner, json_type_object))
		error = inner;
	if (json_object_object_get_ex(error, "error", &inner) &&
	    json_object_is_type(inner, json_type_object))
		error = inner;
	if (!take_word(w, error, "code"))
		take_word(w, error, "type");
}

/* Does @text begin with these words, blanks between them? */
static bool
begins_with(const char *text, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strncmp(text, words[i], strlen(words[i])) != 0)
			return false;
		text += strlen(words[i]);
		text += strspn(text, " \t");
	}
	return true;
}

/* An error by its first member: the rest of it was too long to be kept. */
static bool
begins_as_error(const char *text)
{
	static const char *const members[][4] = {
		{"{", "\"error\"", ":", "{"},
		{"{", "\"type\"", ":", "\"error\""},
		{"{", "\"object\"", ":", "\"error\""},
	};

	for (size_t i = 0; i < GW_ARRAY_LEN(members); i++)
		if (begins_with(text, members[i], GW_ARRAY_LEN(members[i])))
			return true;
	return false;
}

static void
judge_data(struct gw_sse_watch *w, const char *data, size_t len, bool certain)
{
	struct gw_err ignored = {.code = GW_OK};
	gw_auto_json struct json_object *doc =
		gw_json_parse_object(data, len, DEPTH_MAX, &ignored);
	struct json_object *error = NULL;

	if (!doc) {
		w->found = certain || begins_as_error(data);
		return;
	}
	json_object_object_get_ex(doc, "error", &error);
	if (certain || error || is_named_error(doc, "type") ||
	    is_named_error(doc, "object"))
		found(w, doc);
}

/* ---- tokens ---------------------------------------------------------------
 */

/* A member of this name that is an object: some servers say `"usage":null` with
 * every token. */
static bool
has_object(const char *data, const char *quoted)
{
	const char *p = data;

	while ((p = strstr(p, quoted))) {
		p += strlen(quoted);
		p += strspn(p, " \t:");
		if (*p == '{')
			return true;
	}
	return false;
}

static void
look_for_tokens(struct gw_sse_watch *w, const char *data)
{
	if (!has_object(data, "\"usage\"") && !has_object(data, "\"timings\""))
		return;
	gw_tokens_begin(&w->tokens);
	gw_tokens_feed(&w->tokens, data, strlen(data));
}

/* What is kept of a line is full: from now on its bytes are looked at as they
 * come, those that are kept first. */
static void
look_at_rest(struct gw_sse_watch *w, const char *p, size_t n)
{
	const char *data;

	if (!w->is_long) {
		data = value_of(w->line.data, "data:");
		w->is_long = true;
		w->is_data = data != NULL;
		gw_tokens_begin(&w->tokens);
		if (data)
			gw_tokens_feed(&w->tokens, data, strlen(data));
	}
	if (w->is_data)
		gw_tokens_feed(&w->tokens, p, n);
}

/* ---- a line ----------------------------------------------------------------
 */

/* What is looked for in data, its longest word but one byte. */
#define WORD_REST (sizeof("\"timings\"") - 2)
#define TOKEN_BYTES 48u /* in which lines that differ by a token do */

static bool
is_same(const char *a, const char *b)
{
	return memcmp(a, b, sizeof(uint64_t)) == 0;
}

/* How much of the line is as in the one before it. */
static void
compare(struct gw_sse_watch *w, size_t both)
{
	const char *p = w->line.data, *end = p + w->line.len;
	const char *q = w->plain.data, *q_end = q + w->plain.len;
	const size_t step = sizeof(uint64_t);
	size_t head = 0, tail = 0;

	while (head + step <= both && is_same(p + head, q + head))
		head += step;
	while (head + tail + step <= both &&
	       is_same(end - tail - step, q_end - tail - step))
		tail += step;
	w->head = head;
	w->tail = tail;
}

/* Nearly always it is as much as it was the last time, and not less than it
 * could be. */
static bool
is_as_before(const struct gw_sse_watch *w, size_t both)
{
	const char *end = w->line.data + w->line.len;
	const char *plain_end = w->plain.data + w->plain.len;

	return w->head + w->tail <= both &&
	       w->head + w->tail + TOKEN_BYTES >= both &&
	       memcmp(w->line.data, w->plain.data, w->head) == 0 &&
	       memcmp(end - w->tail, plain_end - w->tail, w->tail) == 0;
}

/*
 * Has the line one of the words? The events of a stream are alike but for the
 * token: what a line has in common with one before it, at its beginning and at
 * its end, had none, and is not searched again.
 */
static bool
has_word(struct gw_sse_watch *w)
{
	char *p = w->line.data, *end = p + w->line.len, behind;
	bool found;
	size_t both = w->line.len < w->plain.len ? w->line.len : w->plain.len;

	if (both == 0)
		w->head = w->tail = 0;
	else if (!is_as_before(w, both))
		compare(w, both);
	p += w->head > WORD_REST ? w->head - WORD_REST : 0;
	end -= w->tail > WORD_REST ? w->tail - WORD_REST : 0;
	behind = *end;
	*end = '\0';
	found = strstr(p, "\"error\"") || strstr(p, "\"usage\"") ||
		strstr(p, "\"timings\"");
	*end = behind;
	return found;
}

static void
look_at_data(struct gw_sse_watch *w, const char *data)
{
	struct gw_buf line = w->line;

	if (!w->in_error && !has_word(w)) {
		w->line = w->plain;
		w->plain = line;
		return;
	}
	if (w->in_error || strstr(data, "\"error\""))
		judge_data(w, data, strlen(data), w->in_error);
	if (!w->is_long)
		look_for_tokens(w, data);
}

static void
end_line(struct gw_sse_watch *w)
{
	const char *line = w->line.data ? w->line.data : "", *value;

	if (w->line.len && line[w->line.len - 1] == '\r')
		w->line.data[--w->line.len] = '\0';
	if (w->line.len == 0)
		w->in_error = false;
	else if ((value = value_of(line, "data:")))
		look_at_data(w, value);
	else if ((value = value_of(line, "event:")))
		w->in_error = strcmp(value, "error") == 0 ||
			      strcmp(value, "response.failed") == 0;
	else if ((value = value_of(line, "error:")))
		judge_data(w, value, strlen(value), true);
	w->is_long = false;
	gw_buf_clear(&w->line);
}

void
gw_sse_watch_feed(struct gw_sse_watch *w, const char *p, size_t n)
{
	while (n > 0 && !w->found) {
		const char *end = memchr(p, '\n', n);
		size_t len = end ? (size_t)(end - p) : n;
		size_t room = w->line.max - w->line.len;

		/* Without memory it is not seen: the stream goes on. */
		if (gw_buf_append(&w->line, p, len < room ? len : room) < 0)
			return;
		if (len > room)
			look_at_rest(w, p + room, len - room);
		if (!end)
			return;
		end_line(w);
		p += len + 1;
		n -= len + 1;
	}
}
