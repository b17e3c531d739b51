/* SPDX-License-Identifier: MIT */
/*
 * test_body_limits.c - request bodies around each limit, and strings long
 * enough to be checked in pieces: what stands where they are cut.
 */
#include "body_run.h"

struct limit {
	const char *title, *head, *unit, *tail;
	size_t n;
	enum gw_code code;
	const char *words;
};

/* What test_model adds to a request without any of its keys. */
#define ADDED "\"model\":\"up\",\"temperature\":0.6,\"stop\":[\"a\"],"
#define ADDED_BYTES (sizeof(ADDED) - 1)
/* What stands around the string of the rows below when it was edited. */
#define AROUND_BYTES (ADDED_BYTES + sizeof("{\"a\":\"\"}") - 1)

/* Nothing was changed but behind the opening brace. */
static bool
is_rest_untouched(const struct gw_buf *text, const struct outcome *o)
{
	const char *p = o->forward.data;
	size_t rest = text->len - 1;

	if (o->err.code != GW_OK || o->has_model)
		return true;
	return o->forward.len == 1 + ADDED_BYTES + rest && p[0] == '{' &&
	       memcmp(p + 1, ADDED, ADDED_BYTES) == 0 &&
	       memcmp(p + 1 + ADDED_BYTES, text->data + 1, rest) == 0;
}

static void
test_limits(void)
{
	/* clang-format off */
	static const struct limit limits[] = {
		{ "128 levels", "{\"a\":", "[", "", 127, GW_ERR_INVALID_JSON,
		  "ends before" },
		{ "129 levels", "{\"a\":", "[", "", 128, GW_ERR_INVALID_JSON,
		  "deeper than 128 levels at byte 132" },
		{ "10,000 levels", "", "{\"a\":", "", 10000,
		  GW_ERR_INVALID_JSON, "deeper than 128 levels" },
		{ "1024 digits", "{\"a\":", "1", "}", 1024, GW_OK, "" },
		{ "1025 digits", "{\"a\":", "1", "}", 1025,
		  GW_ERR_INVALID_JSON, "at byte 5: a number or literal is "
		  "longer than 1024 bytes" },
		{ "endless literal", "{\"a\":", "true", "", 300,
		  GW_ERR_INVALID_JSON, "longer than 1024 bytes" },
		{ "model of 256 bytes", "{\"model\":\"", "m", "\"}", 256,
		  GW_OK, "" },
		{ "model of 257 bytes", "{\"model\":\"", "m", "\"}", 257,
		  GW_ERR_INVALID_REQUEST, "longer than 256 bytes" },
		{ "model of 256 escapes", "{\"model\":\"", "\\u0041", "\"}",
		  256, GW_OK, "" },
		{ "model of 100,000 bytes", "{\"model\":\"", "m", "\"}",
		  100000, GW_ERR_INVALID_REQUEST, "longer than 256 bytes" },
		{ "65,000 bytes edited flat", "{\"a\":\"", "x", "\"}", 65000,
		  GW_OK, "" },
		{ "65,536 bytes edited in parts", "{\"a\":\"", "x", "\"}",
		  65528, GW_OK, "" },
		{ "65,536 bytes when edited", "{\"a\":\"", "x", "\"}",
		  GW_BODY_STEP_BYTES - AROUND_BYTES, GW_OK, "" },
		{ "65,537 bytes when edited", "{\"a\":\"", "x", "\"}",
		  GW_BODY_STEP_BYTES - AROUND_BYTES + 1, GW_OK, "" },
		{ "exactly the limit", "{\"a\":\"", "x", "\"}", LIMIT - 8,
		  GW_OK, "" },
		{ "one byte over the limit", "{\"a\":\"", "x", "\"}",
		  LIMIT - 7, GW_ERR_REQUEST_TOO_LARGE,
		  "larger than the limit of 1048576 bytes" },
	};
	/* clang-format on */
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(limits); i++) {
		const struct limit *l = &limits[i];
		gw_auto_buf struct gw_buf text = GW_BUF_INIT(LIMIT * 2);
		struct outcome whole, steps;
		bool pass;

		repeated(l->head, l->unit, l->n, l->tail, &text);
		run(text.data, text.len, 60000, 1, &whole);
		run(text.data, text.len, 0, 9, &steps);
		pass = same(&whole, &steps) && whole.err.code == l->code &&
		       strstr(whole.err.msg, l->words) &&
		       is_rest_untouched(&text, &whole);
		if (!ok(pass, "body: %s -> %s", l->title,
			l->words[0] ? l->words : "accepted"))
			printf("# %s\n# %s\n", whole.err.msg, steps.err.msg);
		gw_buf_release(&whole.forward);
		gw_buf_release(&steps.forward);
	}
}

/* Feeds all but the bytes around @near in one step, those one by one. */
static enum gw_code
run_near(const struct gw_buf *text, size_t near, struct gw_err *err)
{
	struct gw_body *b = gw_body_new(LIMIT, &test_room, &test_config);
	size_t at = 0, n, len;
	const char *model;
	enum gw_code code;

	memset(err, 0, sizeof(*err));
	if (!b)
		abort();
	for (; at < text->len; at += n) {
		n = at < near - 20 ? near - 20 : at < near + 20 ? 1 : text->len;
		if (n > text->len - at)
			n = text->len - at;
		if (gw_body_append(b, text->data + at, n, err) < 0)
			goto out;
	}
	if (gw_body_finish(b, err) == 0 &&
	    (!(model = gw_body_model(b, &len)) || strcmp(model, "m") != 0))
		gw_err_set(err, GW_ERR_INTERNAL, 0, "the model was not seen");
out:
	code = err->code;
	gw_body_free(b);
	return code;
}

/* A unit at every place around a cut, as a key's or a value's content. */
static bool
check_cuts(const char *unit, size_t cut, bool as_key, bool good)
{
	const char *head = as_key ? "{\"" : "{\"a\":\"";
	const char *tail = as_key ? "tail\":1,\"model\":\"m\"}"
				  : "tail\",\"model\":\"m\"}";
	size_t pad, at = strlen(head) + cut;

	for (pad = cut - 14; pad < cut + 3; pad++) {
		gw_auto_buf struct gw_buf text = GW_BUF_INIT(LIMIT);
		struct gw_err whole, near;
		enum gw_code want = good ? GW_OK : GW_ERR_INVALID_JSON;

		repeated(head, "x", pad, unit, &text);
		repeated(unit, unit, 1, tail, &text);
		if (run_near(&text, SIZE_MAX / 2, &whole) != want ||
		    run_near(&text, at, &near) != want ||
		    strcmp(whole.msg, near.msg) != 0) {
			printf("# %s at %zu: '%s' '%s'\n", unit, pad, whole.msg,
			       near.msg);
			return false;
		}
	}
	return true;
}

static void
test_cuts(void)
{
	static const char *const fine[] = {
		"\\n",	    "\\\\",	"\\\"",		  "\\u0041",
		"\\\\u00",  "\xc3\xa9", "\xe2\x82\xac",	  "\xf0\x9f\x98\x80",
		"\\\\\\\"", "y",	"\\ud83d\\ude00",
	};
	static const char *const broken[] = {
		"\\x",	       "\\u12G4",	"\xff",
		"\x80",	       "\x01",		"\xc3x",
		"\xe2\x82x",   "\xf0\x9f\x98x", "\xf0\x9f\x98\x80\x80",
		"\\u\xc3\xa9",
	};
	static const size_t cuts[] = {GW_BODY_PIECE_BYTES,
				      2 * GW_BODY_PIECE_BYTES,
				      4 * GW_BODY_PIECE_BYTES};
	size_t c, i;

	for (c = 0; c < GW_ARRAY_LEN(cuts); c++) {
		for (i = 0; i < GW_ARRAY_LEN(fine); i++)
			ok(check_cuts(fine[i], cuts[c], i % 2, true),
			   "body: '%s' around byte %zu of a string -> accepted",
			   fine[i][0] & 0x80 ? "UTF-8" : fine[i], cuts[c]);
		for (i = 0; i < GW_ARRAY_LEN(broken); i++)
			ok(check_cuts(broken[i], cuts[c], i % 2, false),
			   "body: broken text %zu around byte %zu -> refused",
			   i, cuts[c]);
	}
}

/* The first piece of a longer key is not that key. */
static void
test_long_key(void)
{
	gw_auto_buf struct gw_buf key = GW_BUF_INIT(LIMIT);
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(LIMIT);
	struct gw_default_key keys[1];
	struct gw_config config = {
		.refs = 1, .default_keys = keys, .n_default_keys = 1};
	struct gw_err err;
	struct gw_body *b = gw_body_new(LIMIT, &test_room, &config);

	repeated("", "k", GW_BODY_PIECE_BYTES, "", &key);
	keys[0].key = key.data;
	keys[0].len = key.len;
	repeated("{\"", "k", GW_BODY_PIECE_BYTES, "k\":1}", &text);
	ok(b && gw_body_append(b, text.data, text.len, &err) == 0 &&
		   gw_body_finish(b, &err) == 0 && !gw_body_has(b, 0),
	   "body: key that begins like a default key -> is another key");
	gw_body_free(b);
}

int
main(void)
{
	test_limits();
	test_cuts();
	test_long_key();
	is_int(test_config.refs, 1, "body: all freed -> one reference left");
	return done_testing();
}
