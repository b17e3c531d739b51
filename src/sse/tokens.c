/* SPDX-License-Identifier: MIT */
/*
 * tokens.c - see tokens.h. Knows of JSON how deep it is and what the few names
 * that matter stand in; strings, and all that is in other objects and lists,
 * are skipped in large steps.
 */
#include "sse/tokens.h"

#include <string.h>

#include "base/cleanup.h"

enum step {
	BETWEEN,
	SKIP, /* in a string that is none of the names */
	NAME, /* in one that may be */
	NUMBER
};

/* What an object is, by the name it stands behind. A set of bits, so that a
 * name can be looked for in several. */
enum object {
	OTHER = 0,
	DOCUMENT = 1 << 0,
	WRAPPED = 1 << 1,
	USAGE = 1 << 2,
	DETAILS = 1 << 3,
	TIMINGS = 1 << 4
};

static const struct {
	const char *name;
	size_t len;
	unsigned char in;     /* the objects it matters in */
	unsigned char opens;  /* what an object behind it is, or 0 ... */
	unsigned char number; /* ... which number it is, then */
} names[] = {
#define NAME_OF(text) .name = (text), .len = sizeof(text) - 1
	{.name = NULL}, /* none */
	{NAME_OF("usage"), .in = DOCUMENT | WRAPPED, .opens = USAGE},
	{NAME_OF("timings"), .in = DOCUMENT | WRAPPED, .opens = TIMINGS},
	{NAME_OF("message"), .in = DOCUMENT,
	 .opens = WRAPPED}, /* Anthropic's message_start */
	{NAME_OF("response"), .in = DOCUMENT,
	 .opens = WRAPPED}, /* events of /v1/responses */
	{NAME_OF("prompt_tokens_details"), .in = USAGE, .opens = DETAILS},
	{NAME_OF("input_tokens_details"), .in = USAGE, .opens = DETAILS},
	{NAME_OF("prompt_tokens"), .in = USAGE, .number = GW_TOKENS_PROMPT},
	{NAME_OF("input_tokens"), .in = USAGE, .number = GW_TOKENS_PROMPT},
	{NAME_OF("completion_tokens"), .in = USAGE,
	 .number = GW_TOKENS_COMPLETION},
	{NAME_OF("output_tokens"), .in = USAGE, .number = GW_TOKENS_COMPLETION},
	{NAME_OF("cached_tokens"), .in = USAGE | DETAILS,
	 .number = GW_TOKENS_CACHED},
	{NAME_OF("cache_read_input_tokens"), .in = USAGE,
	 .number = GW_TOKENS_READ},
	{NAME_OF("cache_creation_input_tokens"), .in = USAGE,
	 .number = GW_TOKENS_CREATED},
	{NAME_OF("prompt_n"), .in = TIMINGS, .number = GW_TOKENS_EVALUATED},
	{NAME_OF("predicted_n"), .in = TIMINGS, .number = GW_TOKENS_PREDICTED},
	{NAME_OF("cache_n"), .in = TIMINGS, .number = GW_TOKENS_REUSED},
#undef NAME_OF
};

void
gw_tokens_begin(struct gw_tokens *t)
{
	t->step = BETWEEN;
	t->key = t->word = 0;
	t->depth = 0;
}

static unsigned char
object_of(const struct gw_tokens *t)
{
	if (t->depth == 0 || t->depth > GW_TOKENS_DEPTH_MAX)
		return OTHER;
	return t->object[t->depth - 1];
}

static void
open_one(struct gw_tokens *t, char c)
{
	unsigned char object = OTHER;

	if (c == '{')
		object = t->depth == 0 ? DOCUMENT : names[t->key].opens;
	if (t->depth < GW_TOKENS_DEPTH_MAX)
		t->object[t->depth] = object;
	t->depth++;
}

static unsigned char
find(const struct gw_tokens *t, const char *name, size_t n)
{
	unsigned char in = object_of(t);

	for (unsigned char i = 1; i < GW_ARRAY_LEN(names); i++)
		if (names[i].in & in && names[i].len == n &&
		    memcmp(names[i].name, name, n) == 0)
			return i;
	return 0;
}

/* To the end of the string, or of what there is of it. */
static const char *
skip_string(struct gw_tokens *t, const char *p, const char *end)
{
	const char *quote = memchr(p, '"', (size_t)(end - p));
	const char *stop = quote ? quote : end, *at = stop;

	while (at > p && at[-1] == '\\')
		at--;
	t->odd = ((stop - at) % 2 != 0) != (at == p && t->odd);
	if (!quote)
		return end;
	if (!t->odd)
		t->step = BETWEEN;
	t->odd = false; /* that one is used up */
	return quote + 1;
}

/* A string, if all of it is here. NULL: it is not, or is none of the names. */
static const char *
whole_name(struct gw_tokens *t, const char *p, const char *end)
{
	const char *quote = memchr(p, '"', (size_t)(end - p));
	size_t n = quote ? (size_t)(quote - p) : SIZE_MAX;

	if (n > GW_TOKENS_NAME_MAX || (n && quote[-1] == '\\'))
		return NULL;
	t->word = find(t, p, n);
	t->step = BETWEEN;
	return quote + 1;
}

static const char *
in_name(struct gw_tokens *t, const char *p, const char *end)
{
	const char *behind = t->n == 0 ? whole_name(t, p, end) : NULL;

	if (behind)
		return behind;
	if (*p == '"') {
		t->word = find(t, t->name, t->n);
		t->step = BETWEEN;
	} else if (*p == '\\' || t->n == GW_TOKENS_NAME_MAX) {
		t->odd = *p == '\\';
		t->step = SKIP;
	} else {
		t->name[t->n++] = *p;
	}
	return p + 1;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void
take(struct gw_tokens *t)
{
	unsigned char which = names[t->key].number;

	t->seen[which] = true;
	if (t->value > t->number[which])
		t->number[which] = t->value;
}

/* It ends with what is no digit: it may go on in the next piece. */
static const char *
in_number(struct gw_tokens *t, const char *p)
{
	if (*p >= '0' && *p <= '9' && t->n < GW_TOKENS_DIGITS_MAX) {
		t->value = t->value * 10 + (uint64_t)(*p - '0');
		t->n++;
		return p + 1;
	}
	if (*p == ',' || *p == '}' || is_blank(*p))
		take(t);
	t->key = 0;
	t->step = BETWEEN;
	return p;
}

#define EACH_BYTE UINT64_C(0x0101010101010101)

/* Is one of them zero? */
static bool
has_zero(uint64_t v)
{
	return (v - EACH_BYTE) & ~v & (EACH_BYTE << 7);
}

/* Nothing matters but the next quote, brace or bracket: to it, or to something
 * before it, eight bytes at a time, for embeddings are numbers by the ten
 * thousand. The four of { [ } ] are alike but for the bits 0x26. */
static const char *
skip_other(const char *p, const char *end)
{
	uint64_t v;

	for (; end - p >= (ptrdiff_t)sizeof(v); p += sizeof(v)) {
		memcpy(&v, p, sizeof(v));
		if (has_zero(v ^ (EACH_BYTE * '"')) ||
		    has_zero((v & (EACH_BYTE * 0xd9)) ^ (EACH_BYTE * 0x59)))
			break;
	}
	return p;
}

/* A value that is no string, list or object. */
static void
plain(struct gw_tokens *t, char c)
{
	if (c >= '0' && c <= '9' && t->key && !names[t->key].opens) {
		t->step = NUMBER;
		t->n = 1;
		t->value = (uint64_t)(c - '0');
		return;
	}
	t->key = 0;
}

static void
between(struct gw_tokens *t, char c)
{
	unsigned char word = t->word;

	if (is_blank(c))
		return;
	t->word = 0;
	switch (c) {
	case '"':
		t->step = object_of(t) == OTHER ? SKIP : NAME;
		t->odd = false;
		t->key = 0;
		t->n = 0;
		break;
	case ':':
		t->key = word;
		break;
	case '{':
	case '[':
		open_one(t, c);
		t->key = 0;
		break;
	case '}':
	case ']':
		t->depth -= t->depth > 0;
		t->key = 0;
		break;
	default:
		plain(t, c);
	}
}

void
gw_tokens_feed(struct gw_tokens *t, const char *p, size_t n)
{
	const char *end = p + n;

	while (p < end) {
		switch ((enum step)t->step) {
		case SKIP:
			p = skip_string(t, p, end);
			break;
		case NAME:
			p = in_name(t, p, end);
			break;
		case NUMBER:
			p = in_number(t, p);
			break;
		case BETWEEN:
			if (!t->key && !t->word)
				p = skip_other(p, end);
			if (p < end)
				between(t, *p++);
			break;
		}
	}
}

static uint64_t
largest(const struct gw_tokens *t, enum gw_tokens_number a,
	enum gw_tokens_number b)
{
	return t->number[a] > t->number[b] ? t->number[a] : t->number[b];
}

struct gw_tokens_told
gw_tokens_told(const struct gw_tokens *t)
{
	const uint64_t *n = t->number;
	struct gw_tokens_told told = {
		.cached_told = t->seen[GW_TOKENS_CACHED] ||
			       t->seen[GW_TOKENS_READ] ||
			       t->seen[GW_TOKENS_REUSED],
		.cached = largest(t, GW_TOKENS_CACHED, GW_TOKENS_READ),
	};

	if (n[GW_TOKENS_REUSED] > told.cached)
		told.cached = n[GW_TOKENS_REUSED];
	if (t->seen[GW_TOKENS_PROMPT] || t->seen[GW_TOKENS_COMPLETION]) {
		told.told = true;
		told.prompt = n[GW_TOKENS_PROMPT] + n[GW_TOKENS_READ] +
			      n[GW_TOKENS_CREATED];
		told.completion = n[GW_TOKENS_COMPLETION];
	} else if (t->seen[GW_TOKENS_EVALUATED] ||
		   t->seen[GW_TOKENS_PREDICTED]) {
		told.told = true;
		told.prompt = n[GW_TOKENS_EVALUATED] + n[GW_TOKENS_REUSED];
		told.completion = n[GW_TOKENS_PREDICTED];
	}
	return told;
}
