/* SPDX-License-Identifier: MIT */
/*
 * test_body.c - request bodies: verdicts, what routing learns, the edit.
 *
 * Every body is fed whole, byte by byte and in pieces of random sizes: the
 * verdict, its words and the edited text must not depend on that. Bodies that
 * are too large for this are in test_body_large.c.
 */
#include "tap.h"
#include "body_config.h"
#include "body/parts.h"

#define LIMIT (1u << 20)

/* Everything a caller can learn from a body. */
struct outcome {
	struct gw_err err;
	char model[GW_BODY_MODEL_MAX + 1];
	size_t model_len;
	bool has_model, wants_stream;
	bool has[4];
	struct gw_buf forward;
};

static uint32_t
next_random(uint32_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 17;
	*state ^= *state << 5;
	return *state;
}

static void
read_forward(const struct gw_body *b, struct outcome *o)
{
	const char *flat = gw_body_forward_flat(b);
	char step[7];
	size_t n;

	while ((n = gw_body_forward_read(b, o->forward.len, step,
					 sizeof(step))) > 0)
		if (gw_buf_append(&o->forward, step, n) < 0)
			abort();
	if (o->forward.len != gw_body_forward_len(b) ||
	    !flat != (o->forward.len > GW_BODY_STEP_BYTES) ||
	    (flat && memcmp(flat, o->forward.data, o->forward.len) != 0))
		gw_err_set(&o->err, GW_ERR_INTERNAL, 0,
			   "the ways to read the forwarded body differ");
}

static void
learn(struct gw_body *b, struct outcome *o)
{
	const char *model = gw_body_model(b, &o->model_len);
	uint32_t i;

	o->has_model = model != NULL;
	if (model)
		memcpy(o->model, model, o->model_len);
	o->wants_stream = gw_body_wants_stream(b);
	for (i = 0; i < 4; i++)
		o->has[i] = gw_body_has(b, i);
	/* The first edit must not show in the second. */
	if (gw_body_edit(b, "\"another\"", NULL, &o->err) < 0 ||
	    gw_body_edit(b, "\"up\"", &test_model, &o->err) < 0)
		return;
	read_forward(b, o);
}

/* @step 0 = random sizes up to 40 bytes; else bytes a time. */
static void
run(const char *text, size_t len, size_t step, uint32_t seed, struct outcome *o)
{
	struct gw_body *b = gw_body_new(LIMIT, &test_config);
	size_t at, n;

	memset(o, 0, sizeof(*o));
	gw_buf_init(&o->forward, LIMIT * 2);
	if (!b)
		abort();
	for (at = 0; at < len; at += n) {
		n = step ? step : next_random(&seed) % 40 + 1;
		if (n > len - at)
			n = len - at;
		if (gw_body_append(b, text + at, n, &o->err) < 0)
			goto out;
	}
	if (gw_body_finish(b, &o->err) == 0)
		learn(b, o);
out:
	gw_body_free(b);
}

static bool
same(const struct outcome *a, const struct outcome *b)
{
	return a->err.code == b->err.code &&
	       strcmp(a->err.msg, b->err.msg) == 0 &&
	       strcmp(a->err.param, b->err.param) == 0 &&
	       a->has_model == b->has_model && a->model_len == b->model_len &&
	       memcmp(a->model, b->model, sizeof(a->model)) == 0 &&
	       a->wants_stream == b->wants_stream &&
	       memcmp(a->has, b->has, sizeof(a->has)) == 0 &&
	       a->forward.len == b->forward.len &&
	       (a->forward.len == 0 ||
		memcmp(a->forward.data, b->forward.data, a->forward.len) == 0);
}

/* Runs it in all ways; @first has the outcome of the whole text at once. */
static bool
run_all(const char *text, size_t len, struct outcome *first)
{
	struct outcome other;
	bool pass = true;
	uint32_t seed;

	run(text, len, len ? len : 1, 1, first);
	for (seed = 0; seed < 6; seed++) {
		run(text, len, seed == 0 ? 1 : 0, seed * 77 + 5, &other);
		if (!same(first, &other)) {
			printf("# whole: %s\n# steps: %s\n", first->err.msg,
			       other.err.msg);
			pass = false;
		}
		gw_buf_release(&other.forward);
	}
	return pass;
}

struct good {
	const char *title;
	const char *text;
	size_t len;
	const char *model; /* NULL = none */
	size_t model_len;
	bool stream;
	const char *forward; /* with "up" and the two defaults; NULL = skip */
};

/* clang-format off */
#define G(title, text, model, stream, forward) \
	{ title, TEXT(text), model, sizeof(model) - 1, stream, forward }
#define NO_MODEL(title, text, stream, forward) \
	{ title, TEXT(text), NULL, 0, stream, forward }
#define ADDED "\"temperature\":0.6,\"stop\":[\"a\"]"

static const struct good goods[] = {
	NO_MODEL("empty object", "{}", false, "{\"model\":\"up\"," ADDED "}"),
	NO_MODEL("blank object", " \r\n{\t }\n", false,
		 " \r\n{\"model\":\"up\"," ADDED "\t }\n"),
	G("model only", "{\"model\":\"m\"}", "m", false,
	  "{" ADDED ",\"model\":\"up\"}"),
	G("model at the end", "{\"x\":[1,{}],\"model\" : \"m\" }", "m", false,
	  "{" ADDED ",\"x\":[1,{}],\"model\" : \"up\" }"),
	G("model first, defaults present",
	  "{\"model\":\"m\",\"stop\":null,\"temperature\":1}", "m", false,
	  "{\"model\":\"up\",\"stop\":null,\"temperature\":1}"),
	G("one default present", "{\"model\":\"m\",\"stop\":[]}", "m", false,
	  "{\"temperature\":0.6,\"model\":\"up\",\"stop\":[]}"),
	NO_MODEL("default key with escapes", "{\"st\\u006fp\":1}", false,
		 "{\"model\":\"up\",\"temperature\":0.6,\"st\\u006fp\":1}"),
	G("escaped key of model", "{\"\\u006dodel\"\n:\t\"m\"}", "m", false,
	  "{" ADDED ",\"\\u006dodel\"\n:\t\"up\"}"),
	G("escaped model", "{\"model\":\"a\\/\\u00e9\\ud83d\\ude00\\\"\"}",
	  "a/\xc3\xa9\xf0\x9f\x98\x80\"", false,
	  "{" ADDED ",\"model\":\"up\"}"),
	G("model in UTF-8", "{\"model\":\"\xd0\xb6\"}", "\xd0\xb6", false,
	  NULL),
	G("NUL in model", "{\"model\":\"a\\u0000b\"}", "a\0b", false,
	  "{" ADDED ",\"model\":\"up\"}"),
	G("empty model", "{\"model\":\"\"}", "", false, NULL),
	NO_MODEL("model below the top", "{\"x\":{\"model\":5,\"stream\":true}}",
		 false,
		 "{\"model\":\"up\"," ADDED
		 ",\"x\":{\"model\":5,\"stream\":true}}"),
	NO_MODEL("model as a value", "{\"x\":\"model\",\"y\":\"m\"}", false,
		 NULL),
	G("model behind a list of objects",
	  "{\"x\":[{\"model\":1},{\"model\":[]}],\"model\":\"m\"}", "m", false,
	  NULL),
	G("stream", "{\"stream\":true,\"model\":\"m\"}", "m", true, NULL),
	NO_MODEL("no stream", "{\"stream\" : false}", false, NULL),
	NO_MODEL("stream in words", "{\"stream\":\"true\",\"x\":true}", false,
		 NULL),
	NO_MODEL("stream in a list", "{\"stream\":[true]}", false, NULL),
	NO_MODEL("stream is null", "{\"stream\":null,\"x\":true}", false,
		 NULL),
	NO_MODEL("other keys twice", "{\"stop\":1,\"x\":1,\"stop\":2,\"x\":3}",
		 false,
		 "{\"model\":\"up\",\"temperature\":0.6,"
		 "\"stop\":1,\"x\":1,\"stop\":2,\"x\":3}"),
	G("30 digits, 1E400, -0",
	  "{\"x\":123456789012345678901234567890,\"y\":[1E400,-0,-1.5e-7],"
	  "\"model\":\"m\"}", "m", false,
	  "{" ADDED ",\"x\":123456789012345678901234567890,\"y\":[1E400,-0,"
	  "-1.5e-7],\"model\":\"up\"}"),
	NO_MODEL("NUL in a key", "{\"\\u0000\":1,\"model\\u0000\":5}", false,
		 NULL),
	NO_MODEL("lone surrogates",
		 "{\"\\ud800\":1,\"\\ud800x\":1,\"\\ud800\\\\\":1,"
		 "\"\\ud800\\\\q\":1,\"\\ud800\\\\uZZZZ\":\"\\udc00\","
		 "\"\\ud800\\u0041\":1,\"\\ud800\\n\":\"\\ud800\"}",
		 false, NULL),
	NO_MODEL("literals", "{\"a\":true,\"b\":false,\"c\":null,\"d\":[]}",
		 false, NULL),
	NO_MODEL("escapes",
		 "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\uABcd\",\"\\\\\":\"\\\\\"}",
		 false, NULL),
	NO_MODEL("overlong text", "{\"a\":\"\xc0\xaf\xed\xa0\x80\"}", false,
		 NULL),
	NO_MODEL("DEL", "{\"a\":\"\x7f\"}", false, NULL),
};

struct bad {
	enum gw_code code;
	const char *text;
	size_t len;
	const char *words; /* part of the message */
};

#define J(text, words) { GW_ERR_INVALID_JSON, TEXT(text), words }
#define R(text, words) { GW_ERR_INVALID_REQUEST, TEXT(text), words }

static const struct bad bads[] = {
	J("", "the body is empty"),
	J(" \n\t\r ", "the body is empty"),
	J("5", "must be a JSON object"),
	J("null", "must be a JSON object"),
	J(" [{\"model\":\"m\"}]", "must be a JSON object, but something else "
	  "begins at byte 1"),
	J("\"a\"", "must be a JSON object"),
	J("'a'", "must be a JSON object"),
	J("NaN", "must be a JSON object"),
	J("}", "must be a JSON object"),
	J("\v{}", "must be a JSON object"),
	J("\xef\xbb\xbf{}", "byte order mark"),
	J("\xef\xbb", "must be a JSON object"),
	J("{", "ends before its JSON object does: 1 bytes"),
	J("{\"a\"", "ends before"),
	J("{\"a\":", "ends before"),
	J("{\"a\":1", "ends before its JSON object does: 6 bytes"),
	J("{\"a\":1,", "ends before"),
	J("{\"a\":\"b", "ends before"),
	J("{\"a\":\"b\\", "ends before"),
	J("{\"a\":\"b\\u12", "ends before"),
	J("{\"a\":tru", "near byte 8"),
	J("{\"a\":-", "near byte"),
	J("{\"a\":{}", "ends before"),
	J("{\"a\":1}x", "goes on after its JSON object"),
	J("{\"a\":1} {}", "goes on after its JSON object, near byte 9"),
	J("{}\"", "goes on after"),
	J("{}\"a\"", "goes on after"),
	J("{} 5", "goes on after"),
	J("{} nul", "goes on after"),
	J("{}}", "goes on after"),
	J("{}\0", "goes on after"),
	J("{\"a\":\0}", "near byte 6: invalid char in json text"),
	J("{\"a\":NaN}", "near byte 6"),
	J("{\"a\":Infinity}", "near byte 6"),
	J("{\"a\":-Infinity}", "a digit is required after the minus sign"),
	J("{'a':1}", "near byte 2"),
	J("{\"a\":'b'}", "near byte 6"),
	J("{a:1}", "near byte 2"),
	J("{1:2}", "invalid object key"),
	J("{,}", "near byte"),
	J("{\"a\":1,}", "invalid object key"),
	J("{\"a\":[1,]}", "unallowed token"),
	J("{\"a\":[,1]}", "unallowed token"),
	J("{\"a\":1.}", "after the decimal point"),
	J("{\"a\":.5}", "near byte"),
	J("{\"a\":01}", "near byte"),
	J("{\"a\":+1}", "near byte"),
	J("{\"a\":1e}", "after the exponent"),
	J("{\"a\":0x10}", "near byte"),
	J("{\"a\":truex}", "near byte"),
	J("{\"a\":True}", "near byte"),
	J("{\"a\" 1}", "separated by a colon"),
	J("{\"a\":1 \"b\":2}", "I expect ','"),
	J("{\"a\":1\"b\":2}", "I expect ','"),
	J("{\"a\"\"b\":2}", "separated by a colon"),
	J("{\"a\":[}", "unallowed token"),
	J("{\"a\":]", "unallowed token"),
	J("{\"a\":[1}", "I expect ',' or ']'"),
	J("{\"a\":\"\n\"}", "near byte 6: invalid character inside string"),
	J("{\"a\":\"\x01\"}", "near byte 6: invalid character inside string"),
	J("{\"a\":\"\0\"}", "invalid character inside string"),
	J("{\"a\":\"\\q\"}", "near byte 7"),
	J("{\"a\":\"\\u12G4\"}", "non-hex"),
	J("{\"a\":\"\\u12\"}", "non-hex"),
	J("{\"a\":\"\\'\"}", "near byte"),
	J("{\"a\":1/*b*/}", "near byte"),
	J("{//\n}", "comment"),
	J("{#\n}", "near byte 2"),
	J("{\"a\":\"\xff\"}", "invalid bytes in UTF8 string"),
	J("{\"a\":\"\x80\"}", "invalid bytes in UTF8 string"),
	J("{\"a\":\"\xc3\"}", "invalid bytes in UTF8 string"),
	J("{\"a\":\"\xe2\x82\"}", "invalid bytes in UTF8 string"),
	J("{\"a\":\"\xf0\x9f\x98\"}", "invalid bytes in UTF8 string"),
	J("{\"\xff\":1}", "invalid bytes in UTF8 string"),
	J("{\x80}", "near byte 2"),
	J("{\"a\":1\v}", "at byte 6: a vertical tab or form feed"),
	J("{\f}", "at byte 1: a vertical tab or form feed"),
	J("{}\f", "at byte 2: a vertical tab or form feed"),
	R("{\"model\":5}", "must be a string"),
	R("{\"model\":null}", "must be a string"),
	R("{\"model\":true}", "must be a string"),
	R("{\"model\":[\"m\"]}", "must be a string"),
	R("{\"model\":{}}", "must be a string"),
	R("{\"model\":5", "must be a string"),
	R("{\"model\":\"m\",\"model\":\"m\"}", "`model` twice"),
	R("{\"model\":\"m\",\"x\":1,\"mod\\u0065l\":5}", "`model` twice"),
	R("{\"stream\":true,\"stream\":true}", "`stream` twice"),
	R("{\"model\":\"\xc0\xaf\"}", "not valid UTF-8"),
	R("{\"model\":\"\xe0\x80\xaf\"}", "not valid UTF-8"),
	R("{\"model\":\"\xed\xa0\x80\"}", "not valid UTF-8"),
	R("{\"model\":\"\xf4\x90\x80\x80\"}", "not valid UTF-8"),
	R("{\"model\":\"\\udc00\"}", "not valid UTF-8"),
	/* The first fault wins, even when a later one is found earlier. */
	R("{\"model\":5,\v}", "must be a string"),
};
/* clang-format on */

static void
test_good(void)
{
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(goods); i++) {
		const struct good *g = &goods[i];
		struct outcome o;
		bool pass = run_all(g->text, g->len, &o);

		pass = ok(pass && o.err.code == GW_OK &&
				  o.has_model == (g->model != NULL) &&
				  o.model_len == g->model_len &&
				  memcmp(o.model, g->model ? g->model : "",
					 g->model_len) == 0 &&
				  o.wants_stream == g->stream &&
				  (!g->forward ||
				   strcmp(o.forward.data, g->forward) == 0),
			  "body: %s -> accepted and edited", g->title);
		if (!pass)
			printf("# %s\n# %s\n", o.err.msg,
			       o.forward.data ? o.forward.data : "");
		gw_buf_release(&o.forward);
	}
}

static void
test_bad(void)
{
	size_t i;

	for (i = 0; i < GW_ARRAY_LEN(bads); i++) {
		const struct bad *x = &bads[i];
		struct outcome o;
		bool pass = run_all(x->text, x->len, &o);
		bool param = x->code == GW_ERR_INVALID_REQUEST;

		pass = ok(pass && o.err.code == x->code &&
				  strstr(o.err.msg, x->words) &&
				  (o.err.param[0] != '\0') == param,
			  "body: bad text %zu -> %s", i, x->words);
		if (!pass)
			printf("# %s: %s\n", x->text, o.err.msg);
		gw_buf_release(&o.forward);
	}
}

static void
test_has(void)
{
	static const char text[] =
		"{\"a\\u0000b\":1,\"x\":{\"stop\":1},\"temperature\":2}";
	struct outcome o;

	run(text, strlen(text), 3, 1, &o);
	ok(!o.has[0] && o.has[1] && !o.has[2] && o.has[3],
	   "body: default keys -> only those of the top level are noticed");
	gw_buf_release(&o.forward);
}

/* Text of the form head + unit * n + tail. */
static void
repeated(const char *head, const char *unit, size_t n, const char *tail,
	 struct gw_buf *out)
{
	int rc = gw_buf_puts(out, head);

	while (rc == 0 && n-- > 0)
		rc = gw_buf_puts(out, unit);
	if (rc < 0 || gw_buf_puts(out, tail) < 0)
		abort();
}

struct limit {
	const char *title, *head, *unit, *tail;
	size_t n;
	enum gw_code code;
	const char *words;
};

static void
test_limits(void)
{
	/* clang-format off */
	static const struct limit limits[] = {
		{ "64 levels", "{\"a\":", "[", "", 63, GW_ERR_INVALID_JSON,
		  "ends before" },
		{ "65 levels", "{\"a\":", "[", "", 64, GW_ERR_INVALID_JSON,
		  "deeper than 64 levels at byte 68" },
		{ "10,000 levels", "", "{\"a\":", "", 10000,
		  GW_ERR_INVALID_JSON, "deeper than 64 levels" },
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
		       strstr(whole.err.msg, l->words);
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
	struct gw_body *b = gw_body_new(LIMIT, &test_config);
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
	struct gw_body *b = gw_body_new(LIMIT, &config);

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
	test_good();
	test_bad();
	test_has();
	test_limits();
	test_cuts();
	test_long_key();
	is_int(test_config.refs, 1, "body: all freed -> one reference left");
	return done_testing();
}
