/* SPDX-License-Identifier: MIT */
/*
 * test_body.c - request bodies: verdicts, what routing learns, the edit.
 *
 * One row a body. Texts around the limits are in test_body_limits.c, the
 * largest ones in test_body_large.c.
 */
#include "body_run.h"

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
	NO_MODEL("empty model", "{\"x\":1,\"model\" : \"\" ,\"y\":2}", false,
		 "{" ADDED ",\"x\":1,\"model\" : \"up\" ,\"y\":2}"),
	NO_MODEL("null model", "{\"model\":\tnull}", false,
		 "{" ADDED ",\"model\":\t\"up\"}"),
	NO_MODEL("null model in front", "{\"model\":null ,\"y\":null}", false,
		 "{" ADDED ",\"model\":\"up\" ,\"y\":null}"),
	NO_MODEL("other letters below the top",
		 "{\"x\":{\"Model\":1,\"STREAM\":2},\"y\":[{\"Model\":1}]}",
		 false, NULL),
	NO_MODEL("other letters in a value, or more of them",
		 "{\"x\":\"Model\",\"Models\":1,\"Mode\":1,\"Streams\":1,"
		 "\"MODEL\\u0000\":1,\"\":1,\"M\":1}",
		 false, NULL),
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
	R("{\"model\":null,\"model\":\"m\"}", "`model` twice"),
	R("{\"model\":\"\",\"model\":\"m\"}", "`model` twice"),
	R("{\"model\":\"m\",\"Model\":\"m\"}", "`model` but for upper"),
	R("{\"MODEL\":\"m\"}", "write `model`"),
	R("{\"x\":1,\"mod\\u0045l\":null}", "write `model`"),
	R("{\"\\u004dodel\":5", "write `model`"),
	R("{\"Stream\":true}", "write `stream`"),
	R("{\"STR\\u0045AM\":{}}", "write `stream`"),
	R("{\"\xc5\xbftream\":1}", "write `stream`"),
	R("{\"\\u017ftrEam\":1}", "write `stream`"),
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

int
main(void)
{
	test_good();
	test_bad();
	test_has();
	is_int(test_config.refs, 1, "body: all freed -> one reference left");
	return done_testing();
}
