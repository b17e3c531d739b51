/* SPDX-License-Identifier: MIT */
/* walk.c - where the values of a JSON text stand. */
#include "resume/walk.h"

#include <json-c/json.h>
#include <string.h>

#include "base/json.h"

#define ESCAPED_MAX 6 /* bytes that a byte of a string may take */
#define WORD_MAX 64   /* bytes of the longest word that is asked for */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static size_t
skip_blanks(const char *text, size_t at, size_t end)
{
	while (at < end && is_blank(text[at]))
		at++;
	return at;
}

static size_t
skip_string(const char *text, size_t at, size_t end)
{
	for (at++; at < end && text[at] != '"'; at++)
		if (text[at] == '\\')
			at++;
	return at < end ? at + 1 : end;
}

static size_t
skip_scope(const char *text, size_t at, size_t end)
{
	size_t depth = 0;

	while (at < end) {
		char c = text[at];

		if (c == '"') {
			at = skip_string(text, at, end);
			continue;
		}
		at++;
		depth += c == '{' || c == '[';
		if ((c == '}' || c == ']') && --depth == 0)
			break;
	}
	return at;
}

static size_t
skip_atom(const char *text, size_t at, size_t end)
{
	while (at < end && !is_blank(text[at]) && text[at] != ',' &&
	       text[at] != '}' && text[at] != ']')
		at++;
	return at;
}

static struct gw_span
value_at(const char *text, size_t at, size_t end)
{
	struct gw_span v = {.from = skip_blanks(text, at, end)};

	if (v.from == end)
		v.to = end;
	else if (text[v.from] == '"')
		v.to = skip_string(text, v.from, end);
	else if (text[v.from] == '{' || text[v.from] == '[')
		v.to = skip_scope(text, v.from, end);
	else
		v.to = skip_atom(text, v.from, end);
	return v;
}

struct gw_span
gw_walk_whole(const char *text, size_t len)
{
	return value_at(text, 0, len);
}

bool
gw_walk_into(struct gw_walk *w, const char *text, struct gw_span value)
{
	if (value.to - value.from < 2 ||
	    (text[value.from] != '{' && text[value.from] != '['))
		return false;
	*w = (struct gw_walk){
		.text = text,
		.at = value.from + 1,
		.end = value.to - 1,
		.members = text[value.from] == '{',
	};
	return true;
}

bool
gw_walk_next(struct gw_walk *w)
{
	size_t at = skip_blanks(w->text, w->at, w->end);

	if (at < w->end && w->text[at] == ',')
		at = skip_blanks(w->text, at + 1, w->end);
	if (w->members) {
		w->key = value_at(w->text, at, w->end);
		at = skip_blanks(w->text, w->key.to, w->end);
		if (at == w->end || w->text[at] != ':')
			return false;
		at++;
	}
	w->value = value_at(w->text, at, w->end);
	w->at = w->value.to;
	return w->value.to > w->value.from;
}

bool
gw_walk_is_string(const char *text, struct gw_span value)
{
	return value.to - value.from >= 2 && text[value.from] == '"';
}

/* Rare: somebody escapes what need not be escaped. */
static bool
is_escaped(const char *p, size_t n, const char *word)
{
	gw_auto_json struct json_object *o = NULL;
	struct json_tokener *tok;

	if (n > ESCAPED_MAX * WORD_MAX)
		return false;
	tok = json_tokener_new();
	if (!tok)
		return false;
	o = json_tokener_parse_ex(tok, p, (int)n);
	json_tokener_free(tok);
	return json_object_is_type(o, json_type_string) &&
	       (size_t)json_object_get_string_len(o) == strlen(word) &&
	       strcmp(json_object_get_string(o), word) == 0;
}

bool
gw_walk_is(const char *text, struct gw_span value, const char *word)
{
	const char *p = text + value.from;
	size_t n = value.to - value.from, len = strlen(word);

	if (!gw_walk_is_string(text, value))
		return false;
	if (memchr(p, '\\', n))
		return is_escaped(p, n, word);
	return n == len + 2 && memcmp(p + 1, word, len) == 0;
}
