/* SPDX-License-Identifier: MIT */
/* test_log_json.c - a line's fields as members of a JSON object. */
#include <json-c/json.h>
#include <stdlib.h>

#include "base/line.h"
#include "base/log.h"
#include "base/log_json.h"
#include "base/utf8.h"
#include "unit/tap.h"

static char out[GW_LOG_LINE_BYTES + 1];

/* @text as an object, in @cap bytes. */
static const char *
json_in(size_t cap, const char *text, size_t n, bool *whole)
{
	struct gw_line l = {.text = out, .cap = cap};

	gw_line_puts(&l, "{\"a\":0");
	*whole = gw_log_json_members(&l, text, n);
	if (l.len > cap)
		exit(99);
	memcpy(out + l.len, "}", 2);
	return out;
}

static const char *
json(const char *text)
{
	bool whole;
	const char *o = json_in(sizeof(out) - 2, text, strlen(text), &whole);

	return whole ? o : "cut";
}

static void
values(void)
{
	static const struct {
		const char *what, *line, *want;
	} cases[] = {
		{"a number", "status=200 ms=15.2 pause_s=1e+06 failures=-1",
		 ",\"status\":200,\"ms\":15.2,\"pause_s\":1e+06,\"failures\":-"
		 "1"},
		{"a number that JSON cannot say -> a text",
		 "ms=nan n=007 models=1. nodes=.5 port=1e workers=+1",
		 ",\"ms\":\"nan\",\"n\":\"007\",\"models\":\"1.\",\"nodes\":"
		 "\".5\",\"port\":\"1e\",\"workers\":\"+1\""},
		{"a text that looks like a number -> a text",
		 "model=7 node=\"1.5\" fingerprint=0000000000000012",
		 ",\"model\":\"7\",\"node\":\"1.5\",\"fingerprint\":"
		 "\"0000000000000012\""},
		{"flags", "stream=1 broken=0 stream=2",
		 ",\"stream\":true,\"broken\":false,\"stream\":\"2\""},
		{"nothing", "model=- ms=- attempts=- node=\"-\" error=",
		 ",\"model\":null,\"ms\":null,\"attempts\":[],\"node\":\"-\","
		 "\"error\":\"\""},
		{"a field without a row -> a text", "brand_new=5",
		 ",\"brand_new\":\"5\""},
		{"attempts", "attempts=n1:unconnected:0.4,a:b:ok:15.2 stream=0",
		 ",\"attempts\":[{\"candidate\":\"n1\",\"result\":"
		 "\"unconnected\",\"ms\":0.4},{\"candidate\":\"a:b\","
		 "\"result\":\"ok\",\"ms\":15.2}],\"stream\":false"},
		{"attempts at odd names",
		 "attempts=\"a b,\\x22c:d\":500:1.0,\"x\":ok:2.0 stream=1",
		 ",\"attempts\":[{\"candidate\":\"a b,\\\"c:d\",\"result\":"
		 "\"500\",\"ms\":1.0},{\"candidate\":\"x\",\"result\":\"ok\","
		 "\"ms\":2.0}],\"stream\":true"},
		{"escapes -> the characters",
		 "path=\"/a\\x22\\x5c\\x0a\\x00\\x7f\"",
		 ",\"path\":\"/a\\\"\\\\\\u000a\\u0000\\u007f\""},
		{"bytes that are no UTF-8 -> their escapes",
		 "path=\"/\\xff\xc3\xbc\\xc3\"",
		 ",\"path\":\"/\\\\xff\xc3\xbc\\\\xc3\""},
		{"the same, unescaped", "path=\"/\xff\" node=\x01",
		 ",\"path\":\"/\\\\xff\",\"node\":\"\\u0001\""},
		{"half an escape -> as it is", "path=\"\\x2\" node=\\xZZ",
		 ",\"path\":\"\\\\x2\",\"node\":\"\\\\xZZ\""},
		{"a quote that never ends", "path=\"/a b",
		 ",\"path\":\"/a b\""},
		{"no pairs -> one text", "status=1 out of \"memory\" n=1",
		 ",\"status\":1,\"text\":\"out of \\\"memory\\\" n=1\""},
		{"a quote inside one -> the rest as text",
		 "message=\"no \"file\" there\" n=1",
		 ",\"message\":\"no \",\"text\":\"file\\\" there\\\" n=1\""},
		{"no name", "=5", ",\"text\":\"=5\""},
		{"blanks only", "  ", ""},
		{"an empty line", "", ""},
	};
	char want[512], title[128];

	for (size_t i = 0; i < GW_ARRAY_LEN(cases); i++) {
		snprintf(want, sizeof(want), "{\"a\":0%s}", cases[i].want);
		snprintf(title, sizeof(title), "json: %s", cases[i].what);
		is_str(json(cases[i].line), want, title);
	}
}

static bool
is_json(const char *text)
{
	struct json_tokener *t = json_tokener_new();
	struct json_object *o;
	bool good;

	json_tokener_set_flags(t, JSON_TOKENER_STRICT |
					  JSON_TOKENER_VALIDATE_UTF8);
	o = json_tokener_parse_ex(t, text, (int)strlen(text) + 1);
	good = o && json_object_is_type(o, json_type_object);
	json_object_put(o);
	json_tokener_free(t);
	return good;
}

/* Whatever the room: JSON, and what is missing is said. */
static void
every_room(void)
{
	static const char line[] =
		"status=200 path=\"/a\\x22\\xff\xf0\x9f\x98\x80\xc3\xbc\\x01\" "
		"attempts=\"a b\":ok:1.5,n2:unconnected:20.0 model=plain "
		"stream=1 upstream_status=- and more";
	size_t n = sizeof(line) - 1;
	int bad = 0, cut = 0, silent = 0;
	char full[1024];
	bool whole;

	snprintf(full, sizeof(full), "%s", json(line));
	for (size_t cap = 6; cap <= strlen(full) + 8; cap++) {
		const char *o = json_in(cap, line, n, &whole);

		bad += !is_json(o);
		cut += !whole;
		silent += whole && strcmp(o, full) != 0;
	}
	is_int(bad, 0, "json: any room -> JSON");
	ok(cut > 100, "json: too little room -> it says so (%d)", cut);
	is_int(silent, 0, "json: and only then something is missing");
	json_in(40, "path=\"0123456789012345678901234567890\" n=1", 42, &whole);
	is_str(out, "{\"a\":0,\"path\":\"012345678901234567890...\"}",
	       "json: a text is cut, with a mark");
}

/* Any bytes at all, of those that mean something more often. */
static void
noise(void)
{
	static const char some[] =
		"\" =\\x2c,:-attempts=stream=01e.\xff\xc3\xbc\n";
	char text[200];
	int bad = 0;
	bool whole;

	srand(12);
	for (int i = 0; i < 200000; i++) {
		size_t n = (size_t)rand() % sizeof(text);

		for (size_t k = 0; k < n; k++)
			text[k] = rand() % 8 ? some[(size_t)rand() %
						    (sizeof(some) - 1)]
					     : (char)rand();
		bad += !is_json(
			json_in(6 + (size_t)rand() % 400, text, n, &whole));
	}
	is_int(bad, 0, "json: 200,000 lines of noise -> JSON");
}

/* Standard error as a file. */
static FILE *
stderr_to_file(void)
{
	FILE *f = tmpfile();

	if (!f || dup2(fileno(f), STDERR_FILENO) < 0)
		exit(99);
	return f;
}

static const char *
last_line(FILE *f)
{
	static char text[2 * GW_LOG_LINE_BYTES];

	rewind(f);
	while (fgets(text, sizeof(text), f))
		;
	return text;
}

static void
whole_lines(void)
{
	static char value[2 * GW_LOG_LINE_BYTES];
	FILE *f = stderr_to_file();
	const char *line, *odd = "a \"b\"\n\xff";
	char quoted[64], want[128];
	struct gw_log_limit limit = {0};
	int too_long = 0, bad = 0;

	gw_log_init("rolemesh-test");
	gw_log_set_format(GW_LOG_JSON);
	gw_log(GW_EV_START, "r1", "models=%d url=%s", 3, "http://x/");
	line = last_line(f);
	snprintf(want, sizeof(want),
		 "Z\",\"process\":\"rolemesh-test\",\"process_id\":%ld,"
		 "\"level\":\"info\",\"event\":\"start\",\"rid\":\"r1\","
		 "\"models\":3,\"url\":\"http://x/\"}\n",
		 (long)getpid());
	ok(strncmp(line, "{\"time\":\"2", 10) == 0 && strstr(line, want),
	   "json: a line -> one object: %s", line);
	gw_log(GW_EV_STOP, NULL, "reason=%s",
	       gw_log_quote(quoted, sizeof(quoted), odd, strlen(odd)));
	ok(strstr(last_line(f), "\"reason\":\"a \\\"b\\\"\\u000a\\\\xff\"}\n"),
	   "json: a quoted value -> what it was");
	for (int i = 0; i < 7; i++)
		gw_log_limited(&limit, GW_EV_STOP, NULL, "n=%d", i);
	limit.window_start_ms = 0;
	gw_log_limited(&limit, GW_EV_STOP, NULL, "n=9");
	ok(strstr(last_line(f), "\"suppressed\":2,\"n\":9}\n"),
	   "json: lines left out -> counted");
	for (size_t n = GW_LOG_LINE_BYTES - 300; n < sizeof(value) - 1; n++) {
		memset(value, n % 3 ? 'x' : '"', n);
		value[n] = '\0';
		gw_log_told(GW_EV_FATAL, "message", value);
		line = last_line(f);
		too_long += strlen(line) > GW_LOG_LINE_BYTES;
		bad += !is_json(line);
		if (n % 50 == 0 && ftruncate(fileno(f), 0) == 0)
			lseek(fileno(f), 0, SEEK_SET);
	}
	is_int(too_long, 0, "json: never longer than a line");
	is_int(bad, 0, "json: too much for a line -> JSON all the same");
	ok(strstr(line, "...\",\"cut\":true}\n"), "json: and says so");
	/* As text it has room. */
	memset(value, 1, 600);
	value[600] = '\0';
	gw_log_told(GW_EV_FATAL, "message", value);
	line = last_line(f);
	ok(is_json(line) && strstr(line, "\\u0001...\",\"cut\":true}\n"),
	   "json: what is longer as JSON alone -> cut, and says so");
	gw_log_set_format(GW_LOG_TEXT);
	gw_log(GW_EV_START, NULL, "n=1");
	ok(strstr(last_line(f), "level=info event=start n=1\n"),
	   "json: text again -> text");
	fclose(f);
}

int
main(void)
{
	values();
	every_room();
	noise();
	whole_lines();
	return done_testing();
}
