/* SPDX-License-Identifier: MIT */
/*
 * test_resume_join.c - what a client gets of a stream that breaks, and of those
 * that go on with it: whole events of the first; of another its rest, as if the
 * first had gone on.
 */
#include "resume_run.h"

#define REQUEST "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}]}"
#define DONE "data: [DONE]\n\n"
#define SEAM ": resumed on two\n\n"

/* A chunk with id, model and created of its own server. */
#define CHUNK(who, rest)                                                       \
	"data: {\"id\":\"" who "\",\"created\":" who ",\"model\":\"m" who      \
	"\",\"choices\":[{" rest "}]}\n\n"
#define ROLE(who)                                                              \
	CHUNK(who, "\"delta\":{\"role\":\"assistant\",\"content\":null}")
#define SAY(who, s) CHUNK(who, "\"delta\":{\"content\":\"" s "\"}")
#define THOUGHT(who, s)                                                        \
	CHUNK(who, "\"delta\":{\"reasoning_content\":\"" s "\"}")
#define TOOL(who) CHUNK(who, "\"delta\":{\"tool_calls\":[{\"index\":0}]}")
#define FINISH(who, why)                                                       \
	CHUNK(who, "\"delta\":{},\"finish_reason\":\"" why "\"")
#define TEXT_31 "0123456789012345678901234567890"
#define STOP(who) FINISH(who, "stop")

static const struct gw_model no_defaults;

static const struct {
	const char *name, *first, *then;
	bool plain;
	enum gw_resume_fed fed;
	const char *shown;		/* behind the first stream */
	enum gw_resume_verdict verdict; /* at its end */
} rows[] = {
	{"goes on", ROLE("1") SAY("1", "ab"),
	 ROLE("2") SAY("2", "c") STOP("2") DONE, false, GW_RESUME_GOES_ON,
	 SEAM SAY("1", "c") STOP("1") DONE, GW_RESUME_WHOLE},
	{"goes on as it began, then differs", SAY("1", "ab"),
	 ROLE("2") SAY("2", "a") SAY("2", "x") STOP("2") DONE, false,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "a") SAY("1", "x") STOP("1") DONE,
	 GW_RESUME_WHOLE},
	{"says two pieces again, then differs", SAY("1", "abcde"),
	 SAY("2", "a") SAY("2", "b") SAY("2", "x"), false, GW_RESUME_GOES_ON,
	 SEAM SAY("1", "a") SAY("1", "b") SAY("1", "x"), GW_RESUME_ASK},
	{"says three pieces again, then differs", SAY("1", "abcde"),
	 SAY("2", "a") SAY("2", "b") SAY("2", "c") SAY("2", "x"), false,
	 GW_RESUME_STARTED_ANEW, "", GW_RESUME_ASK},
	{"says three pieces again, then stops", SAY("1", "abcde"),
	 SAY("2", "a") SAY("2", "b") SAY("2", "c") STOP("2"), false,
	 GW_RESUME_STARTED_ANEW, "", GW_RESUME_ASK},
	{"says three pieces again, then ends", SAY("1", "abcde"),
	 SAY("2", "a") SAY("2", "b") SAY("2", "c") DONE, false,
	 GW_RESUME_STARTED_ANEW, "", GW_RESUME_ASK},
	{"says 31 bytes again, then differs", SAY("1", TEXT_31 "ab"),
	 SAY("2", TEXT_31) SAY("2", "x"), false, GW_RESUME_GOES_ON,
	 SEAM SAY("1", TEXT_31) SAY("1", "x"), GW_RESUME_ASK},
	{"says 32 bytes again, then differs", SAY("1", TEXT_31 "ab"),
	 SAY("2", TEXT_31 "a") SAY("2", "x"), false, GW_RESUME_STARTED_ANEW, "",
	 GW_RESUME_ASK},
	{"says 31 bytes again within a piece", SAY("1", TEXT_31 "ab"),
	 SAY("2", TEXT_31 "x"), false, GW_RESUME_GOES_ON,
	 SEAM SAY("1", TEXT_31 "x"), GW_RESUME_ASK},
	{"says 32 bytes again within a piece", SAY("1", TEXT_31 "ab"),
	 SAY("2", TEXT_31 "ax"), false, GW_RESUME_STARTED_ANEW, "",
	 GW_RESUME_ASK},
	{"differs within a piece", SAY("1", "ab"), SAY("2", "ax"), false,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "ax"), GW_RESUME_ASK},
	{"says as much again, and stops", SAY("1", "ab"),
	 SAY("2", "a") STOP("2") DONE, false, GW_RESUME_GOES_ON,
	 SEAM SAY("1", "a") STOP("1") DONE, GW_RESUME_WHOLE},
	{"says as much again, and a tool is called", SAY("1", "ab"),
	 SAY("2", "a") TOOL("2"), false, GW_RESUME_GOES_ON,
	 SEAM SAY("1", "a") TOOL("1"), GW_RESUME_NOT},
	{"says as much again, and the limit ends it", SAY("1", "ab"),
	 SAY("2", "a") FINISH("2", "length") DONE, false,
	 GW_RESUME_STARTED_ANEW, "", GW_RESUME_ASK},
	{"the limit ends it at once", SAY("1", "ab"),
	 ROLE("2") FINISH("2", "length") DONE, false, GW_RESUME_GOES_ON,
	 SEAM FINISH("1", "length") DONE, GW_RESUME_WHOLE},
	{"nothing is left to say", SAY("1", "ab"), ROLE("2") STOP("2") DONE,
	 false, GW_RESUME_GOES_ON, SEAM STOP("1") DONE, GW_RESUME_WHOLE},
	{"says as much again, and [DONE] without a reason", SAY("1", "ab"),
	 SAY("2", "a") DONE, false, GW_RESUME_GOES_ON, SEAM SAY("1", "a") DONE,
	 GW_RESUME_WHOLE},
	{"says as much again, and breaks", SAY("1", "ab"),
	 ROLE("2") SAY("2", "a"), false, GW_RESUME_GOES_ON, "", GW_RESUME_ASK},
	{"says all again", SAY("1", "ab"), SAY("2", "a") SAY("2", "b"), false,
	 GW_RESUME_STARTED_ANEW, "", GW_RESUME_ASK},
	{"says all again and more in one piece", SAY("1", "ab"),
	 SAY("2", "abc"), false, GW_RESUME_STARTED_ANEW, "", GW_RESUME_ASK},
	{"thinks again", THOUGHT("1", "h") SAY("1", "ab"), THOUGHT("2", "h"),
	 false, GW_RESUME_STARTED_ANEW, "", GW_RESUME_ASK},
	{"comments come while it is held", SAY("1", "ab"),
	 SAY("2", "a") ": p\n\n" SAY("2", "x"), false, GW_RESUME_GOES_ON,
	 ": p\n\n" SEAM SAY("1", "a") SAY("1", "x"), GW_RESUME_ASK},
	{"no [DONE]", SAY("1", "ab"), SAY("2", "c") STOP("2"), false,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "c") STOP("1") DONE, GW_RESUME_WHOLE},
	{"[DONE] without its blank line", SAY("1", "ab"),
	 SAY("2", "c") STOP("2") "data: [DONE]\n", false, GW_RESUME_GOES_ON,
	 SEAM SAY("1", "c") STOP("1") DONE, GW_RESUME_WHOLE},
	{"[DONE] twice", SAY("1", "ab"),
	 SAY("2", "c") STOP("2") DONE DONE SAY("2", "d"), false,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "c") STOP("1") DONE, GW_RESUME_WHOLE},
	{"breaks again", SAY("1", "ab"), SAY("2", "c") "data: {\"id", false,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "c"), GW_RESUME_ASK},
	{"the role is told with each chunk", SAY("1", "ab"),
	 CHUNK("2", "\"delta\":{\"role\":\"assistant\",\"content\":\"c\"}")
		 CHUNK("2",
		       "\"delta\":{\"role\":\"assistant\",\"content\":\"d\"}"),
	 false, GW_RESUME_GOES_ON, SEAM SAY("1", "c") SAY("1", "d"),
	 GW_RESUME_ASK},
	{"the role was told before", ROLE("1") SAY("1", "ab"),
	 CHUNK("2", "\"delta\":{\"role\":\"assistant\",\"content\":\"c\"}"),
	 false, GW_RESUME_GOES_ON, SEAM SAY("1", "c"), GW_RESUME_ASK},
	{"CRLF, no blank, data in two lines", SAY("1", "ab"),
	 "data:{\"id\":\"2\",\"choices\":[{\"delta\":\r\ndata: {\"content\":"
	 "\"c\"}}]}\r\n\r\n",
	 false, GW_RESUME_GOES_ON,
	 SEAM "data: {\"id\":\"1\",\"choices\":[{\"delta\":{\"content\":\"c\"}}"
	      "]}\n\n",
	 GW_RESUME_ASK},
	{"an error of its own", SAY("1", "ab"),
	 SAY("2", "c") "data: {\"error\":{\"code\":5}}\n\n", false,
	 GW_RESUME_GOES_ON,
	 SEAM SAY("1", "c") "data: {\"error\":{\"code\":5}}\n\n",
	 GW_RESUME_NOT},
	{"an error at once", SAY("1", "ab"), "event: error\ndata: x\n\n", false,
	 GW_RESUME_GOES_ON, SEAM "event: error\ndata: x\n\n", GW_RESUME_NOT},
	{"an error while it is held", SAY("1", "ab"),
	 SAY("2", "a") "error: {}\n\n", false, GW_RESUME_GOES_ON,
	 SEAM "error: {}\n\n", GW_RESUME_NOT},
	{"no JSON", SAY("1", "ab"), SAY("2", "c") "data: x\n\n", false,
	 GW_RESUME_UNREADABLE, SEAM SAY("1", "c"), GW_RESUME_ASK},
	{"another choice", SAY("1", "ab"),
	 CHUNK("2", "\"index\":1,\"delta\":{\"content\":\"c\"}"), false,
	 GW_RESUME_UNREADABLE, "", GW_RESUME_ASK},
	/* plainly */
	{"repeats, in other pieces", ROLE("1") SAY("1", "ab") SAY("1", "c"),
	 ROLE("2") SAY("2", "a") SAY("2", "bcd") STOP("2") DONE, true,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "d") STOP("1") DONE, GW_RESUME_WHOLE},
	{"repeats to the letter", SAY("1", "ab"),
	 ROLE("2") SAY("2", "ab") SAY("2", "c"), true, GW_RESUME_GOES_ON,
	 SEAM SAY("1", "c"), GW_RESUME_ASK},
	{"repeats its thoughts", THOUGHT("1", "hm") SAY("1", "a"),
	 THOUGHT("2", "h") THOUGHT("2", "m") SAY("2", "ab"), true,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "b"), GW_RESUME_ASK},
	{"thinks differently", THOUGHT("1", "hm") SAY("1", "a"),
	 THOUGHT("2", "h") THOUGHT("2", "x"), true, GW_RESUME_DIFFERS, "",
	 GW_RESUME_ASK},
	{"thinks for longer", THOUGHT("1", "hm") SAY("1", "a"),
	 THOUGHT("2", "hmm"), true, GW_RESUME_DIFFERS, "", GW_RESUME_ASK},
	{"thinks less", THOUGHT("1", "hm") SAY("1", "a"),
	 THOUGHT("2", "h") SAY("2", "a"), true, GW_RESUME_DIFFERS, "",
	 GW_RESUME_ASK},
	{"differs", SAY("1", "ab"), SAY("2", "a") SAY("2", "x"), true,
	 GW_RESUME_DIFFERS, "", GW_RESUME_ASK},
	{"stops before", SAY("1", "ab"), SAY("2", "a") STOP("2"), true,
	 GW_RESUME_DIFFERS, "", GW_RESUME_ASK},
	{"ends before", SAY("1", "ab"), SAY("2", "a") DONE, true,
	 GW_RESUME_DIFFERS, "", GW_RESUME_ASK},
	{"calls a tool before", SAY("1", "ab"), SAY("2", "a") TOOL("2"), true,
	 GW_RESUME_DIFFERS, "", GW_RESUME_ASK},
	{"says the rest with its reason", SAY("1", "ab"),
	 CHUNK("2", "\"delta\":{\"content\":\"ab\"},\"finish_reason\":\"stop\"")
		 DONE,
	 true, GW_RESUME_GOES_ON,
	 SEAM CHUNK("1", "\"delta\":{\"content\":\"\"},\"finish_reason\":"
			 "\"stop\"") DONE,
	 GW_RESUME_WHOLE},
	{"breaks before", SAY("1", "ab"), SAY("2", "a"), true,
	 GW_RESUME_GOES_ON, "", GW_RESUME_ASK},
	/* nothing was said */
	{"all of it", ROLE("1"), ROLE("2") SAY("2", "a"), false,
	 GW_RESUME_GOES_ON, SEAM SAY("1", "a"), GW_RESUME_ASK},
	{"all of it, role included", ": c\n\n", ROLE("2") SAY("2", "a"), false,
	 GW_RESUME_GOES_ON, SEAM ROLE("2") SAY("2", "a"), GW_RESUME_ASK},
	{"all of it, thoughts first", ROLE("1"),
	 ROLE("2") THOUGHT("2", "h") SAY("2", "a"), true, GW_RESUME_GOES_ON,
	 SEAM THOUGHT("1", "h") SAY("1", "a"), GW_RESUME_ASK},
};

static struct gw_resume *
broken(enum gw_resume_kind kind, const char *first)
{
	struct gw_resume *rs = gw_resume_new(kind);

	if (!rs)
		abort();
	gw_buf_clear(&shown);
	must(gw_buf_puts(&shown, ""));
	if (feed(rs, first, strlen(first), strlen(first)) !=
		    GW_RESUME_GOES_ON ||
	    broke(rs, REQUEST, &no_defaults) != GW_RESUME_ASK)
		abort();
	gw_buf_clear(&shown);
	return rs;
}

static void
tables(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++)
		for (size_t piece = 1; piece < 9999; piece = piece * 9 + 4) {
			struct gw_resume *rs =
				broken(GW_RESUME_CHAT, rows[i].first);

			gw_resume_ask(rs, "two", rows[i].plain);
			is_int(feed(rs, rows[i].then, strlen(rows[i].then),
				    piece),
			       rows[i].fed, rows[i].name);
			is_int(broke(rs, REQUEST, &no_defaults),
			       rows[i].verdict, "join: and at its end");
			is_str(shown.data ? shown.data : "", rows[i].shown,
			       "join: the client has");
			gw_resume_free(rs);
		}
}

/* ---- one after the other --------------------------------------------------
 */

static void
chain(void)
{
	struct gw_resume *rs = broken(GW_RESUME_CHAT, SAY("1", "a"));
	static const char second[] = SAY("2", "b"), third[] = SAY("3", "ab"),
			  fourth[] = SAY("4", "abc") STOP("4") DONE;

	gw_resume_ask(rs, "two", false);
	ok(feed(rs, second, strlen(second), 3) == GW_RESUME_GOES_ON &&
		   broke(rs, REQUEST, &no_defaults) == GW_RESUME_ASK,
	   "chain: the second breaks, too");
	ok(strstr(next.data, "\"content\":\"ab\"") != NULL,
	   "chain: what both said is what is continued");
	gw_resume_ask(rs, "three", false);
	ok(feed(rs, third, strlen(third), 3) == GW_RESUME_STARTED_ANEW,
	   "chain: the third begins anew");
	gw_resume_ask(rs, "thr\nee", true);
	ok(feed(rs, fourth, strlen(fourth), 3) == GW_RESUME_GOES_ON &&
		   broke(rs, REQUEST, &no_defaults) == GW_RESUME_WHOLE,
	   "chain: and says the rest");
	is_str(shown.data,
	       SEAM SAY("1", "b") ": resumed on thr?ee\n\n" SAY("1", "c")
		       STOP("1") DONE,
	       "chain: the client has all of it, once");
	gw_resume_free(rs);
}

/* What was held and turned out to be new is continued with the rest. */
static void
held(void)
{
	struct gw_resume *rs = broken(GW_RESUME_CHAT, SAY("1", "ab"));
	static const char second[] = SAY("2", "a") SAY("2", "x");

	gw_resume_ask(rs, "two", false);
	ok(feed(rs, second, strlen(second), 64) == GW_RESUME_GOES_ON &&
		   broke(rs, "{\"max_tokens\":9,\"messages\":[]}",
			 &no_defaults) == GW_RESUME_ASK,
	   "held: the second breaks, too");
	ok(strstr(next.data, "\"content\":\"abax\"") &&
		   strstr(next.data, "\"max_tokens\":6"),
	   "held: what it said is part of what was said");
	gw_resume_free(rs);
}

/* ---- how a first stream ends ----------------------------------------------
 */

static const struct {
	const char *stream;
	enum gw_resume_verdict verdict;
	const char *added;
} ends[] = {
	{SAY("1", "a") STOP("1") DONE, GW_RESUME_WHOLE, ""},
	{SAY("1", "a") STOP("1") DONE ": c\n\n", GW_RESUME_WHOLE, ""},
	{SAY("1", "a") DONE, GW_RESUME_WHOLE, ""},
	{SAY("1", "a") "data: [DONE]\n", GW_RESUME_WHOLE, DONE},
	{SAY("1", "a") "data:[DONE]", GW_RESUME_WHOLE, DONE},
	{SAY("1", "a") "data: [DON", GW_RESUME_ASK, ""},
	{SAY("1", "a") "data: 1\ndata: [DONE]", GW_RESUME_ASK, ""},
	{SAY("1", "a") STOP("1"), GW_RESUME_WHOLE, DONE},
	{SAY("1", "a") STOP("1") "data: {\"us", GW_RESUME_WHOLE, DONE},
	{TOOL("1") FINISH("1", "tool_calls"), GW_RESUME_WHOLE, DONE},
	{CHUNK("1", "\"index\":1,\"delta\":{},\"finish_reason\":\"stop\""),
	 GW_RESUME_NOT, ""},
	{"data: {\"choices\":[{\"index\":0,\"finish_reason\":\"stop\"}]}"
	 "\n\n",
	 GW_RESUME_WHOLE, DONE},
	{"", GW_RESUME_ASK, ""},
	{"data: [DONE]\r\n\r\n", GW_RESUME_WHOLE, ""},
};

static void
ended(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(ends); i++) {
		struct gw_resume *rs = gw_resume_new(GW_RESUME_CHAT);
		size_t len = strlen(ends[i].stream);

		if (!rs ||
		    feed(rs, ends[i].stream, len, 4) != GW_RESUME_GOES_ON)
			abort();
		gw_buf_clear(&shown);
		must(gw_buf_puts(&shown, ""));
		ok(broke(rs, REQUEST, &no_defaults) == ends[i].verdict,
		   "ends: row %zu", i);
		is_str(shown.data ? shown.data : "", ends[i].added,
		       "ends: what is added");
		gw_resume_free(rs);
	}
}

/* An upstream that ends without [DONE] is left alone; what goes on with an
 * answer is not. */
static void
ended_well(void)
{
	struct gw_resume *rs = gw_resume_new(GW_RESUME_CHAT);
	static const char first[] = SAY("1", "a") STOP("1"),
			  second[] = SAY("2", "b") STOP("2");

	gw_buf_clear(&shown);
	clean = true;
	ok(rs && feed(rs, first, strlen(first), 50) == GW_RESUME_GOES_ON &&
		   broke(rs, REQUEST, &no_defaults) == GW_RESUME_WHOLE,
	   "ends: without [DONE], but well");
	is_str(shown.data, first, "ends: nothing is added");
	gw_resume_free(rs);
	rs = broken(GW_RESUME_CHAT, SAY("1", "a"));
	gw_resume_ask(rs, "two", false);
	ok(feed(rs, second, strlen(second), 50) == GW_RESUME_GOES_ON &&
		   broke(rs, REQUEST, &no_defaults) == GW_RESUME_WHOLE,
	   "ends: the rest does so, too");
	is_str(shown.data, SEAM SAY("1", "b") STOP("1") DONE,
	       "ends: [DONE] is added to that");
	gw_resume_free(rs);
	clean = false;
}

/* ---- usage ----------------------------------------------------------------
 */

#define USAGE(p, c, t, k)                                                      \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":" #p               \
	",\"completion_tokens\":" #c ",\"total_tokens\":" #t                   \
	",\"prompt_tokens_details\":{\"cached_tokens\":" #k                    \
	"}},\"timings\":{\"predicted_n\":" #c ",\"ms\":0.30000000000000004}}"  \
	"\n\n"
#define LEFT_ALONE(p, c, t, k, timed)                                          \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":" #p               \
	",\"completion_tokens\":" #c ",\"total_tokens\":" #t                   \
	",\"prompt_tokens_details\":{\"cached_tokens\":" #k                    \
	"}},\"timings\":{\"predicted_n\":" #timed                              \
	",\"ms\":0.30000000000000004}}\n\n"

static void
told(const char *then, bool plain, const char *want, const char *title)
{
	struct gw_resume *rs =
		broken(GW_RESUME_CHAT, ROLE("1") SAY("1", "a") SAY("1", "b"));

	gw_resume_ask(rs, "two", plain);
	ok(feed(rs, then, strlen(then), 64) == GW_RESUME_GOES_ON, "%s", title);
	is_str(shown.data, want, title);
	gw_resume_free(rs);
}

static void
usage(void)
{
	told(SAY("2", "c") STOP("2") USAGE(10, 3, 13, 4), false,
	     SEAM SAY("1", "c") STOP("1") LEFT_ALONE(8, 5, 13, 4, 3),
	     "usage: what was said before is no part of the prompt");
	told(SAY("2", "c") STOP("2") USAGE(10, 3, 13, 9), false,
	     SEAM SAY("1", "c") STOP("1") LEFT_ALONE(8, 5, 13, 8, 3),
	     "usage: no more of the prompt is cached than it has");
	told(SAY("2", "c") STOP("2") USAGE(1, 3, 4, 0), false,
	     SEAM SAY("1", "c") STOP("1") LEFT_ALONE(0, 4, 4, 0, 3),
	     "usage: no prompt is less than empty");
	told(SAY("2", "abc") STOP("2") USAGE(10, 3, 13, 4), true,
	     SEAM SAY("1", "c") STOP("1") LEFT_ALONE(10, 3, 13, 4, 3),
	     "usage: a plain repeat has said all of it");
	told(SAY("2", "c") "data: {\"choices\":[],\"usage\":null}\n\n"
			   "data: {\"usage\":{\"prompt_tokens\":5}}\n\n",
	     false,
	     SEAM SAY("1", "c") "data: {\"choices\":[],\"usage\":null}\n\n"
				"data: {\"usage\":{\"prompt_tokens\":5}}\n\n",
	     "usage: none, or half of one, stays as it is");
}

/* ---- limits ---------------------------------------------------------------
 */

static void
append_times(struct gw_buf *b, const char *s, size_t bytes)
{
	while (b->len + strlen(s) <= bytes)
		must(gw_buf_puts(b, s));
}

static void
too_long(void)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(RUN_MAX);
	struct gw_resume *rs = gw_resume_new(GW_RESUME_CHAT);

	if (!rs)
		abort();
	append_times(&b, SAY("1", "x"), GW_RESUME_KEPT_MAX - 20);
	must(gw_buf_puts(&b, ":"));
	while (b.len < GW_RESUME_KEPT_MAX - 2)
		must(gw_buf_puts(&b, "-"));
	must(gw_buf_puts(&b, "\n\n"));
	gw_buf_clear(&shown);
	ok(feed(rs, b.data, b.len, 16384) == GW_RESUME_GOES_ON &&
		   shown.len == b.len,
	   "long: as much as is kept");
	is_int(broke(rs, REQUEST, &no_defaults), GW_RESUME_ASK,
	       "long: it can be resumed");
	gw_resume_free(rs);
	rs = gw_resume_new(GW_RESUME_CHAT);
	gw_buf_clear(&shown);
	must(gw_buf_puts(&b, "data: half"));
	ok(rs && feed(rs, b.data, b.len, 1021) == GW_RESUME_GOES_ON &&
		   shown.len == b.len && !memcmp(shown.data, b.data, b.len),
	   "long: more than that passes as it is, half events included");
	is_int(broke(rs, REQUEST, &no_defaults), GW_RESUME_UNSEEN,
	       "long: it cannot be resumed");
	gw_resume_free(rs);
}

/* A continuation makes the answer longer than is kept of it. */
static void
too_much(void)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(RUN_MAX);
	struct gw_resume *rs = broken(GW_RESUME_CHAT, SAY("1", "a"));

	append_times(&b,
		     SAY("2", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
		     2 * GW_RESUME_KEPT_MAX);
	gw_resume_ask(rs, "two", false);
	ok(feed(rs, b.data, b.len, 16384) == GW_RESUME_GOES_ON,
	   "much: it goes on for long");
	is_int(broke(rs, REQUEST, &no_defaults), GW_RESUME_NOT,
	       "much: but not for ever");
	is_str(why, "the answer is too long", "much: and says so");
	gw_resume_free(rs);
}

static void
large_event(void)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(RUN_MAX);
	struct gw_resume *rs = broken(GW_RESUME_CHAT, SAY("1", "a"));

	append_times(&b, ":", GW_RESUME_KEPT_MAX);
	gw_resume_ask(rs, "two", false);
	is_int(feed(rs, b.data, b.len, 16384), GW_RESUME_GOES_ON,
	       "event: as large as is kept");
	is_int(feed(rs, ":", 1, 1), GW_RESUME_UNREADABLE, "event: a byte more");
	gw_resume_free(rs);
}

/* ---- other shapes ---------------------------------------------------------
 */

static void
completion(void)
{
	struct gw_resume *rs = gw_resume_new(GW_RESUME_COMPLETION);
	static const char first[] = "data: {\"id\":\"1\",\"choices\":[{"
				    "\"text\":\"a\"}]}\n\n",
			  then[] = "data: {\"id\":\"2\",\"choices\":[{"
				   "\"text\":\"b\"}]}\n\n";

	gw_buf_clear(&shown);
	ok(rs && feed(rs, first, strlen(first), 5) == GW_RESUME_GOES_ON &&
		   broke(rs, "{\"prompt\":\"p\"}", &no_defaults) ==
			   GW_RESUME_ASK,
	   "completion: it is asked for");
	gw_resume_ask(rs, "two", false);
	ok(feed(rs, then, strlen(then), 5) == GW_RESUME_GOES_ON &&
		   count("\"id\":\"1\"") == 2 && count("\"b\"") == 1,
	   "completion: and goes on");
	gw_resume_free(rs);
}

/* A head that is too long, or that only the other one has. */
static void
heads(void)
{
	gw_auto_buf struct gw_buf first = GW_BUF_INIT(4096);
	struct gw_resume *rs;
	static const char then[] =
		"data: {\"id\":\"2\",\"system_fingerprint\":\"f\",\"model\":"
		"\"m2\",\"choices\":[{\"delta\":{\"content\":\"c\"}}]}\n\n";

	must(gw_buf_puts(&first, "data: {\"model\":\"m1\",\"id\":\""));
	append_times(&first, "x", 700);
	must(gw_buf_puts(&first,
			 "\",\"choices\":[{\"delta\":{\"content\":\"a\"}}]}"
			 "\n\n"));
	rs = broken(GW_RESUME_CHAT, first.data);
	gw_resume_ask(rs, "two", false);
	ok(feed(rs, then, strlen(then), 500) == GW_RESUME_GOES_ON,
	   "heads: it goes on");
	is_str(shown.data,
	       SEAM "data: {\"id\":\"2\",\"system_fingerprint\":\"f\","
		    "\"model\":\"m1\",\"choices\":[{\"delta\":{\"content\":"
		    "\"c\"}}]}\n\n",
	       "heads: those that are known stay");
	gw_resume_free(rs);
}

int
main(void)
{
	tables();
	chain();
	held();
	ended();
	ended_well();
	usage();
	too_long();
	too_much();
	large_event();
	completion();
	heads();
	gw_buf_release(&shown);
	gw_buf_release(&next);
	return done_testing();
}
