/* SPDX-License-Identifier: MIT */
/*
 * test_body_large.c - request bodies as large as they may be.
 *
 * The promise is about work and memory, so that is what is measured: bytes
 * handed to the JSON parser in one step and in all, and bytes allocated beside
 * the body itself. No clocks: the machine may be busy.
 */
#include "body/parts.h"
#include "body_config.h"
#include "tap.h"

#include <malloc.h>

#ifndef __SANITIZE_ADDRESS__
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif
#endif

/* Sanitizers make every byte dearer and keep their own heap. */
#ifdef __SANITIZE_ADDRESS__
#define BODY_BYTES (8u << 20)
#else
#define BODY_BYTES (32u << 20)
#endif
#define MOST_EXTRA_BYTES (1u << 20)
#define STEP_SLACK_BYTES (GW_BODY_PIECE_BYTES + GW_BODY_NUMBER_MAX + 64)

struct shape {
	const char *title;
	const char *head, *unit, *tail;
	enum gw_code code;
	const char *words;
};

/* clang-format off */
static const struct shape shapes[] = {
	{ "empty objects", "{\"a\":[", "{},", "{}],\"model\":\"m\"}", GW_OK,
	  "" },
	{ "digits", "{\"a\":", "7", "}", GW_ERR_INVALID_JSON,
	  "longer than 1024 bytes" },
	{ "short numbers", "{\"a\":[", "1234567,", "1],\"model\":\"m\"}",
	  GW_OK, "" },
	{ "one string", "{\"a\":\"", "x", "\",\"model\":\"m\"}", GW_OK, "" },
	{ "one string of escapes", "{\"a\":\"", "\\\"", "\",\"model\":\"m\"}",
	  GW_OK, "" },
	{ "one string of \\u escapes", "{\"a\":\"", "\\u00e9",
	  "\",\"model\":\"m\"}", GW_OK, "" },
	{ "one string of UTF-8", "{\"a\":\"", "\xe2\x82\xac",
	  "\",\"model\":\"m\"}", GW_OK, "" },
	{ "one string without end", "{\"a\":\"", "x", "", GW_ERR_INVALID_JSON,
	  "ends before its JSON object does" },
	{ "blanks", "{", "  \n", "\"model\":\"m\"}", GW_OK, "" },
	{ "leading blanks", "", "  \n", "{\"model\":\"m\"}", GW_OK, "" },
	{ "only blanks", "", " ", "", GW_ERR_INVALID_JSON, "is empty" },
	{ "one key", "{\"model", "l", "\":1,\"model\":\"m\"}", GW_OK, "" },
	{ "members of the top level", "{", "\"stop\":1,",
	  "\"model\":\"m\"}", GW_OK, "" },
	{ "empty strings", "{\"a\":[", "\"\",", "\"\"],\"model\":\"m\"}",
	  GW_OK, "" },
};
/* clang-format on */

static char *text;
static size_t text_len;

static void
fill(const struct shape *s)
{
	size_t unit = strlen(s->unit), tail = strlen(s->tail);

	text_len = strlen(s->head);
	memcpy(text, s->head, text_len);
	while (text_len + unit + tail <= BODY_BYTES) {
		memcpy(text + text_len, s->unit, unit);
		text_len += unit;
	}
	memcpy(text + text_len, s->tail, tail);
	text_len += tail;
}

static size_t
allocated(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}

struct cost {
	uint64_t step; /* most bytes parsed in one step */
	uint64_t all;
	size_t extra; /* most bytes allocated beside the body's own */
};

static void
feed(struct gw_body *b, size_t step, struct cost *cost, struct gw_err *err)
{
	size_t at, n;
	ptrdiff_t extra, before = (ptrdiff_t)(allocated() - b->bytes.cap);
	uint64_t parsed = 0, now;

	for (at = 0; at < text_len; at += n) {
		n = step < text_len - at ? step : text_len - at;
		if (gw_body_append(b, text + at, n, err) < 0)
			break;
		now = b->check.parsed_bytes;
		if (now - parsed > cost->step)
			cost->step = now - parsed;
		parsed = now;
		/* Negative: a sanitizer's allocator, of which this knows
		 * nothing. */
		extra = (ptrdiff_t)(allocated() - b->bytes.cap) - before;
		if (extra > 0 && (size_t)extra > cost->extra)
			cost->extra = (size_t)extra;
	}
	cost->all = parsed;
}

static void
test_shape(const struct shape *s, size_t step)
{
	struct gw_body *b = gw_body_new(BODY_BYTES, &test_room, &test_config);
	struct gw_err err = {.code = GW_OK};
	struct cost cost = {0};
	const char *model;
	size_t len;

	fill(s);
	if (!b)
		abort();
	gw_body_expect(b, text_len);
	feed(b, step, &cost, &err);
	if (err.code == GW_OK && gw_body_finish(b, &err) == 0) {
		model = gw_body_model(b, &len);
		if (!model || strcmp(model, "m") != 0)
			gw_err_set(&err, GW_ERR_INTERNAL, 0, "no model");
	}
	if (!ok(err.code == s->code && strstr(err.msg, s->words),
		"body: %u MiB, %s -> %s", BODY_BYTES >> 20, s->title,
		s->words[0] ? s->words : "accepted"))
		printf("# %s\n", err.msg);
	if (!ok(cost.step <= step + STEP_SLACK_BYTES,
		"body: %s -> no step parses more than was held back", s->title))
		printf("# %llu bytes\n", (unsigned long long)cost.step);
	if (!ok(cost.all <= text_len + text_len / 1024 + 64,
		"body: %s -> each byte is parsed once", s->title))
		printf("# %llu bytes\n", (unsigned long long)cost.all);
	if (!ok(cost.extra <= MOST_EXTRA_BYTES,
		"body: %s -> memory does not grow with it", s->title))
		printf("# %zu bytes\n", cost.extra);
	gw_body_free(b);
}

/* A large body is forwarded in parts; they must add up to what a copy gives. */
static void
test_large_edit(void)
{
	struct gw_body *b = gw_body_new(BODY_BYTES, &test_room, &test_config);
	struct gw_err err = {.code = GW_OK};
	static const char added[] = "\"temperature\":0.6,\"stop\":[\"a\"],";
	static char step[50000];
	size_t at = 0, n, extra = sizeof(added) - 1, before;
	struct cost cost = {0};
	bool same = true;

	fill(&shapes[3]);
	if (!b)
		abort();
	feed(b, GW_BODY_STEP_BYTES, &cost, &err);
	ok(gw_body_finish(b, &err) == 0, "body: large body -> complete");
	before = allocated();
	ok(gw_body_edit(b, "\"m\"", &test_model, &err) == 0 &&
		   allocated() - before < 4096,
	   "body: large body edited -> no copy of it");
	ok(!gw_body_forward_flat(b) &&
		   gw_body_forward_len(b) == text_len + extra,
	   "body: large body edited -> its length is known");
	while ((n = gw_body_forward_read(b, at, step, sizeof(step))) > 0) {
		if (at == 0)
			same = memcmp(step, "{", 1) == 0 &&
			       memcmp(step + 1, added, extra) == 0 &&
			       memcmp(step + 1 + extra, text + 1,
				      n - 1 - extra) == 0;
		else
			same = same && memcmp(step, text + at - extra, n) == 0;
		at += n;
	}
	ok(same && at == text_len + extra,
	   "body: large body edited -> its parts add up");
	gw_body_free(b);
}

int
main(void)
{
	size_t i;

	text = malloc(BODY_BYTES + 64);
	if (!text)
		return 1;
	for (i = 0; i < GW_ARRAY_LEN(shapes); i++)
		test_shape(&shapes[i], GW_BODY_STEP_BYTES);
	/* Small steps: what is held back must not be scanned again. */
	test_shape(&shapes[4], 1460);
	test_large_edit();
	free(text);
	return done_testing();
}
