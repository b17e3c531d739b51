/* SPDX-License-Identifier: MIT */
/*
 * sse_watch.c - does an upstream tell an error in its stream?
 *
 * Runs for every token: a line is copied and searched for one word in quotes,
 * which no text can hold (its quotes are escaped). Only what has it is parsed.
 */
#include "sse/sse.h"

#include <ctype.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/json.h"

#define DEPTH_MAX 32

void
gw_sse_watch_init(struct gw_sse_watch *w)
{
	*w = (struct gw_sse_watch){.line = GW_BUF_INIT(GW_SSE_WATCHED_MAX)};
}

void
gw_sse_watch_release(struct gw_sse_watch *w)
{
	gw_buf_release(&w->line);
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

static void
end_line(struct gw_sse_watch *w)
{
	const char *line = w->line.data ? w->line.data : "", *value;

	if (w->line.len && line[w->line.len - 1] == '\r')
		w->line.data[--w->line.len] = '\0';
	if (w->line.len == 0)
		w->in_error = false;
	else if ((value = value_of(line, "event:")))
		w->in_error = strcmp(value, "error") == 0 ||
			      strcmp(value, "response.failed") == 0;
	else if ((value = value_of(line, "error:")))
		judge_data(w, value, strlen(value), true);
	else if ((value = value_of(line, "data:")) &&
		 (w->in_error || strstr(value, "\"error\"")))
		judge_data(w, value, strlen(value), w->in_error);
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
		if (!end)
			return;
		end_line(w);
		p += len + 1;
		n -= len + 1;
	}
}
