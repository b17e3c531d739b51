/* SPDX-License-Identifier: MIT */
/*
 * test_config_failing.c - what is configured for the case that upstreams fail,
 * and how one of several is chosen.
 */
#include "base/log.h"
#include "config_fixture.h"

#define E "base.yaml:"
/* Three aliases that need nothing else; `a` gets what a case adds. */
#define ABC(a, b, c)                                                           \
	"models:\n"                                                            \
	"  a: {type: discovered" a "}\n"                                       \
	"  b: {type: discovered" b "}\n"                                       \
	"  c: {type: discovered" c "}\n"

static const struct {
	const char *title, *base, *want;
} mistakes[] = {
	/* numbers */
	{"retry: -1 and 11 attempts -> range",
	 ABC(", retry: {attempts: -1}", ", retry: {attempts: 11}", ""),
	 E "2:43: error: models.a.retry.attempts: must be from 0 to 10 "
	   "attempts, not -1\n" E
	   "3:43: error: models.b.retry.attempts: must be from 0 to 10 "
	   "attempts, not 11\n"},
	{"retry: attempts beyond 64 bits, a fraction, a word -> refused",
	 ABC(", retry: {attempts: 99999999999999999999}",
	     ", retry: {attempts: 1.5}", ", retry: {attempts: \"2\"}"),
	 E "2:43: error: models.a.retry.attempts: must be from 0 to 10 "
	   "attempts, not 99999999999999999999\n" E
	   "3:43: error: models.b.retry.attempts: expected an integer, found "
	   "the number `1.5`\n" E
	   "4:43: error: models.c.retry.attempts: expected an integer, found "
	   "the string `2` (take the quotes off)\n"},
	{"retry: no time at all -> refused",
	 ABC(", retry: {backoff_s: -0.1}", ", retry: {backoff_s: .nan}",
	     ", retry: {backoff_s: .inf}"),
	 E "2:44: error: models.a.retry.backoff_s: must be from 0 to 3600 "
	   "seconds, not -0.1\n" E
	   "3:44: error: models.b.retry.backoff_s: must be from 0 to 3600 "
	   "seconds, not .nan\n" E
	   "4:44: error: models.c.retry.backoff_s: must be from 0 to 3600 "
	   "seconds, not .inf\n"},
	{"retry: the longest wait is none -> refused",
	 ABC(", retry: {backoff_max_s: 0}", ", retry: {backoff_max_s: soon}",
	     ""),
	 E "2:48: error: models.a.retry.backoff_max_s: must be more than 0 to "
	   "3600 seconds, not 0\n" E
	   "3:48: error: models.b.retry.backoff_max_s: expected a number of "
	   "seconds, found the string `soon`\n"},
	{"retry: the longest wait is below the first -> both",
	 ABC(", retry: {backoff_s: 2.5, backoff_max_s: 2.25}", "", ""),
	 E "2:64: error: models.a.retry.backoff_max_s: 2.25 is below "
	   "models.a.retry.backoff_s, 2.5\n"},
	{"retry: the first wait is a mistake -> nothing about the other",
	 ABC(", retry: {backoff_s: 4000, backoff_max_s: 1}", "", ""),
	 E "2:44: error: models.a.retry.backoff_s: must be from 0 to 3600 "
	   "seconds, not 4000\n"},
	{"retry: a scalar -> a mapping is wanted", ABC(", retry: 3", "", ""),
	 E "2:32: error: models.a.retry: expected a mapping, found the "
	   "integer `3`\n"},
	{"eject: no failure and too many -> range",
	 DISCOVERED_MODEL "gateway: {eject: {failures: 0}}\n",
	 E "2:29: error: gateway.eject.failures: must be from 1 to 1000 "
	   "failures, not 0\n"},
	{"eject: pauses that are none -> refused",
	 DISCOVERED_MODEL
	 "gateway: {eject: {failures: 1001, pause_s: 0, pause_max_s: -5}}\n",
	 E "2:29: error: gateway.eject.failures: must be from 1 to 1000 "
	   "failures, not 1001\n" E
	   "2:44: error: gateway.eject.pause_s: must be more than 0 to 3600 "
	   "seconds, not 0\n" E
	   "2:60: error: gateway.eject.pause_max_s: must be more than 0 to "
	   "3600 seconds, not -5\n"},
	{"eject: the longest pause is below the first -> both",
	 DISCOVERED_MODEL "gateway: {eject: {pause_s: 7, pause_max_s: 6.5}}\n",
	 E "2:44: error: gateway.eject.pause_max_s: 6.5 is below "
	   "gateway.eject.pause_s, 7\n"},
	{"eject: below its default -> so, too",
	 DISCOVERED_MODEL "gateway: {eject: {pause_max_s: 4}}\n",
	 E "2:32: error: gateway.eject.pause_max_s: 4 is below "
	   "gateway.eject.pause_s, 5\n"},

	/* fallback lists */
	{"fallback: an alias that there is not -> the nearest",
	 "models:\n"
	 "  coder: {type: discovered, fallback: [writter]}\n"
	 "  writer: {type: discovered, openai_model_name: gpt}\n",
	 E "2:40: error: models.coder.fallback[0]: there is no alias "
	   "`writter`; did you mean `writer`?\n"},
	{"fallback: the id of a model -> its alias",
	 "models:\n"
	 "  coder: {type: discovered, fallback: [gpt]}\n"
	 "  writer: {type: discovered, openai_model_name: gpt}\n",
	 E "2:40: error: models.coder.fallback[0]: there is no alias `gpt`; "
	   "did you mean `writer`?\n"},
	{"fallback: a further name of a model -> no alias",
	 ABC(", fallback: [zzzzzzzz]", ", names: [zzzzzzzz, \"*\"]", ""),
	 E "2:36: error: models.a.fallback[0]: there is no alias "
	   "`zzzzzzzz`\n"},
	{"fallback: itself -> refused", ABC(", fallback: [b, a]", "", ""),
	 E "2:39: error: models.a.fallback[1]: an alias cannot be its own "
	   "fallback\n"},
	{"fallback: one twice -> refused", ABC(", fallback: [b, c, b]", "", ""),
	 E "2:42: error: models.a.fallback[2]: `b` stands in the list "
	   "already\n"},
	{"fallback: a circle of two -> named",
	 ABC(", fallback: [b]", ", fallback: [a]", ""),
	 E "3:36: error: models.b.fallback[0]: the lists lead in a circle: a "
	   "-> b -> a\n"},
	{"fallback: a circle behind another alias -> without that one",
	 ABC(", fallback: [b]", ", fallback: [c]", ", fallback: [b]"),
	 E "4:36: error: models.c.fallback[0]: the lists lead in a circle: b "
	   "-> c -> b\n"},
	{"fallback: two circles -> both",
	 ABC(", fallback: [b, c]", ", fallback: [a]", ", fallback: [a]"),
	 E "3:36: error: models.b.fallback[0]: the lists lead in a circle: a "
	   "-> b -> a\n" E
	   "4:36: error: models.c.fallback[0]: the lists lead in a circle: a "
	   "-> c -> a\n"},
	{"fallback: no list, no strings -> refused",
	 ABC(", fallback: b", ", fallback: [5, null, \"\"]", ""),
	 E "2:35: error: models.a.fallback: expected a list of strings, found "
	   "the string `b`\n" E
	   "3:36: error: models.b.fallback[0]: expected a string, found the "
	   "integer `5` (put it in quotes)\n" E
	   "3:39: error: models.b.fallback[1]: expected a string, found "
	   "null\n" E "3:45: error: models.b.fallback[2]: cannot be empty\n"},
	{"fallback: an alias that an override took away -> there is none",
	 "models:\n  a: {type: discovered, fallback: [b]}\n  b: null\n",
	 E "2:36: error: models.a.fallback[0]: there is no alias `b`\n"},
	{"fallback: what ${...} stood for -> not shown",
	 ABC(", fallback: [\"${env:GW_TEST_FALLBACK}\"]", "", ""),
	 E "2:36: error: models.a.fallback[0]: there is no alias `***`\n"},

	/* the rest */
	{"resume: no boolean -> refused", ABC(", resume: yes", "", ""),
	 E "2:33: error: models.a.resume: expected true or false, found the "
	   "string `yes`\n"},
	{"affinity_header: no name of a header -> refused",
	 ABC(", affinity_header: \"X-Session-Id:\"",
	     ", affinity_header: \"a b\"", ", affinity_header: \"\""),
	 E "2:42: error: models.a.affinity_header: is no name of a header: "
	   "letters, digits and dashes, without a colon\n" E
	   "3:42: error: models.b.affinity_header: cannot hold blanks\n" E
	   "4:42: error: models.c.affinity_header: cannot be empty\n"},
	{"affinity_header: letters beyond ASCII -> refused",
	 ABC(", affinity_header: \"S\xc3\xa4ssion\"", "", ""),
	 E "2:42: error: models.a.affinity_header: is no name of a header: "
	   "letters, digits and dashes, without a colon\n"},
	{"affinity_header: 129 bytes -> too long",
	 ABC(", affinity_header: "
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "a",
	     "", ""),
	 E "2:42: error: models.a.affinity_header: is at most 128 bytes long, "
	   "not 129\n"},
	{"affinity_header: of a proxy -> a key of the other type",
	 PROXY_MODEL "    affinity_header: X-A\n",
	 E "5:5: error: `models.m.affinity_header` is a key of type "
	   "`discovered`; here the type is `proxy`\n"},
};

/* More steps than the text of a circle holds: cut, and no harm. */
static void
long_circle(void)
{
	struct gw_buf base GW_CLEANUP(gw_buf_release) = GW_BUF_INIT(1 << 20);
	struct gw_diag diag = {0};
	struct gw_config *c;

	if (gw_buf_puts(&base, "models:\n") < 0)
		fixture_fatal("out of memory");
	for (int i = 0; i < 1024; i++)
		if (gw_buf_printf(&base,
				  "  alias%d: {type: discovered, fallback: "
				  "[alias%d]}\n",
				  i, (i + 1) % 1024) < 0)
			fixture_fatal("out of memory");
	c = load_texts(base.data, NULL, &diag);
	ok(!c && diag.errors == 1, "fallback: a circle of 1,024 -> one error");
	ok(diag.n == 1 &&
		   strstr(diag.items[0].text,
			  "in a circle: alias0 -> alias1 -> ") &&
		   strcmp(diag.items[0].text + strlen(diag.items[0].text) - 3,
			  "...") == 0,
	   "fallback: it is named as far as there is room");
	gw_config_unref(c);
	gw_diag_release(&diag);
}

static void
defaults_of_every_key(void)
{
	struct gw_config *c =
		expect_loads("failing: defaults", DISCOVERED_MODEL, NULL);
	const struct gw_model *m = c ? &c->models[0] : NULL;

	if (!c)
		return;
	is_int(m->retry.attempts, 2, "failing: attempts");
	is_int(m->retry.backoff_ms, 250, "failing: backoff_s");
	is_int(m->retry.backoff_max_ms, 5000, "failing: backoff_max_s");
	is_int((long long)m->n_fallbacks, 0, "failing: no fallback");
	ok(!m->resume, "failing: no resume");
	is_str(m->affinity_header, "X-Session-Id", "failing: affinity_header");
	is_int(c->gateway.eject.failures, 3, "failing: eject.failures");
	is_int(c->gateway.eject.pause_ms, 5000, "failing: eject.pause_s");
	is_int(c->gateway.eject.pause_max_ms, 10000,
	       "failing: eject.pause_max_s");
	gw_config_unref(c);
}

static void
every_key_set(void)
{
	struct gw_config *c = expect_loads(
		"failing: every key can be set",
		"gateway: {eject: {failures: 1000, pause_s: 0.001,\n"
		"  pause_max_s: 3600}}\n"
		"models:\n"
		"  a:\n"
		"    type: proxy\n"
		"    proxy_url: http://h\n"
		"    retry: {attempts: 0, backoff_s: 0, backoff_max_s: 0.001}\n"
		"    fallback: [c, b]\n"
		"    resume: true\n"
		"  b: {type: discovered, strategy: least_busy,\n"
		"      retry: {attempts: 10, backoff_s: 3600,\n"
		"              backoff_max_s: 3600}}\n"
		"  c: {type: discovered, strategy: affinity, fallback: [b],\n"
		"      affinity_header: X-Conversation, retry: null}\n",
		NULL);
	const struct gw_model *a, *b, *d;

	if (!c)
		return;
	a = &c->models[0];
	b = &c->models[1];
	d = &c->models[2];
	is_int(c->gateway.eject.failures, 1000, "failing: failures is set");
	is_int(c->gateway.eject.pause_ms, 1, "failing: pause_s is set");
	is_int(c->gateway.eject.pause_max_ms, 3600000,
	       "failing: pause_max_s is set");
	is_int(a->retry.attempts, 0, "failing: no further attempt");
	is_int(a->retry.backoff_ms, 0, "failing: no wait");
	is_int(a->retry.backoff_max_ms, 1, "failing: backoff_max_s is set");
	ok(a->n_fallbacks == 2 && a->fallbacks[0] == d && a->fallbacks[1] == b,
	   "fallback: models in the order of the list");
	ok(d->n_fallbacks == 1 && d->fallbacks[0] == b,
	   "fallback: two ways to one alias are no circle");
	is_str(d->fallback.key[0], "b", "fallback: as it is written");
	ok(a->resume && !b->resume, "failing: resume is set");
	is_int(b->retry.attempts, 10, "failing: 10 attempts");
	is_int(d->retry.attempts, 2, "failing: null is the default");
	is_int(b->strategy, GW_LEAST_BUSY, "strategy: least_busy");
	is_int(d->strategy, GW_AFFINITY, "strategy: affinity");
	ok(c->uses_affinity, "strategy: affinity is used by one");
	is_str(d->affinity_header, "X-Conversation",
	       "failing: affinity_header is set");
	gw_config_unref(c);
}

/* A first wait above the default of the longest: that follows. */
static void
waits_follow(void)
{
	struct gw_config *c = expect_loads(
		"waits: the longest is not set",
		"gateway: {eject: {pause_s: 60}}\n"
		"models: {m: {type: discovered, retry: {backoff_s: 9,\n"
		"  backoff_max_s: null}}}\n",
		NULL);

	if (!c)
		return;
	is_int(c->gateway.eject.pause_max_ms, 60000,
	       "waits: pause_max_s is as long as pause_s");
	is_int(c->models[0].retry.backoff_max_ms, 9000,
	       "waits: backoff_max_s is as long as backoff_s");
	ok(!c->uses_affinity, "strategy: affinity is used by none");
	gw_config_unref(c);
}

int
main(void)
{
	setenv("GW_LOG_LEVEL", "error", 1);
	setenv("GW_TEST_FALLBACK", "secret-alias", 1);
	gw_log_init("test_config_failing");
	fixture_begin();
	for (size_t i = 0; i < GW_ARRAY_LEN(mistakes); i++)
		expect_findings(mistakes[i].title, mistakes[i].base, NULL,
				mistakes[i].want);
	long_circle();
	defaults_of_every_key();
	every_key_set();
	waits_follow();
	return fixture_end();
}
