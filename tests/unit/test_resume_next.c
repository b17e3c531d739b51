/* SPDX-License-Identifier: MIT */
/*
 * test_resume_next.c - the request that asks for the rest: what becomes of
 * every member, which requests and answers cannot be resumed, and why.
 */
#include "resume_run.h"

#define CHAT GW_RESUME_CHAT
#define TEXT_KIND GW_RESUME_COMPLETION

/* What was said, as streams. */
#define ROLE                                                                   \
	"data: {\"id\":\"c1\",\"choices\":[{\"index\":0,\"delta\":{"           \
	"\"role\":\"assistant\",\"content\":null}}]}\n\n"
#define CONTENT(s)                                                             \
	"data: {\"choices\":[{\"index\":0,\"finish_reason\":null,"             \
	"\"delta\":{\"content\":\"" s "\"}}]}\n\n"
#define THOUGHT(s)                                                             \
	"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"" s           \
	"\"}}]}\n\n"
#define WORDS(s)                                                               \
	"data: {\"choices\":[{\"index\":0,\"text\":\"" s                       \
	"\",\"logprobs\":null,\"finish_reason\":null}]}\n\n"
#define AB ROLE CONTENT("a") CONTENT("b\\n\\\"\xc3\xa9")
#define USER "{\"role\":\"user\",\"content\":\"q\"}"
/* as it stands in a request */
#define SAID "ab\\n\\\"\xc3\xa9"
#define FLAGS "\"continue_final_message\":true,\"add_generation_prompt\":false,"
#define MESSAGE "{\"role\":\"assistant\",\"content\":\"" SAID "\"}"

static const struct gw_model plain_model;

/* The whole way of a stream that breaks; NULL when it cannot be resumed. */
static const char *
ask(enum gw_resume_kind kind, const char *stream, const char *request,
    const struct gw_model *model, enum gw_resume_verdict *verdict)
{
	struct gw_resume *rs = gw_resume_new(kind);

	if (!rs)
		abort();
	gw_buf_clear(&shown);
	if (feed(rs, stream, strlen(stream), strlen(stream)) !=
	    GW_RESUME_GOES_ON)
		abort();
	*verdict = broke(rs, request, model);
	gw_resume_free(rs);
	return *verdict == GW_RESUME_ASK ? next.data : NULL;
}

static const struct {
	enum gw_resume_kind kind;
	const char *stream, *request, *next;
} asked[] = {
	{CHAT, AB, "{\"messages\":[" USER "]}",
	 "{" FLAGS "\"messages\":[" USER "," MESSAGE "]}"},
	{CHAT, AB,
	 " { \"stream\" : true , \"big\":18446744073709551617,\"z\":-0,"
	 "\"x\":1e400,\"messages\" : [ " USER " ] ,\"x\":0.60 } \n",
	 " {" FLAGS " \"stream\" : true , \"big\":18446744073709551617,"
	 "\"z\":-0,\"x\":1e400,\"messages\" : [ " USER " ," MESSAGE
	 "] ,\"x\":0.60 } \n"},
	{CHAT, AB, "{\"messages\":[]}",
	 "{" FLAGS "\"messages\":[" MESSAGE "]}"},
	{CHAT, AB, "{\"mess\\u0061ges\":[" USER "]}",
	 "{" FLAGS "\"mess\\u0061ges\":[" USER "," MESSAGE "]}"},
	/* The flags are there already. */
	{CHAT, AB,
	 "{\"continue_final_message\":false,\"messages\":[" USER
	 "],\"add_generation_prompt\":null}",
	 "{\"continue_final_message\":true,\"messages\":[" USER "," MESSAGE
	 "],\"add_generation_prompt\":false}"},
	/* The client's own last message. */
	{CHAT, AB,
	 "{\"messages\":[" USER ",{\"role\":\"assistant\",\"content\":\"c:"
	 "\\\"\"}]}",
	 "{" FLAGS "\"messages\":[" USER ",{\"role\":\"assistant\","
	 "\"content\":\"c:\\\"" SAID "\"}]}"},
	{CHAT, AB,
	 "{\"messages\":[{\"content\":\"\",\"r\\u006fle\":\"\\u0061ssistant\","
	 "\"tool_calls\":null}]}",
	 "{" FLAGS "\"messages\":[{\"content\":\"" SAID
	 "\",\"r\\u006fle\":\"\\u0061ssistant\",\"tool_calls\":null}]}"},
	{CHAT, AB,
	 "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":"
	 "\"text\",\"text\":\"c\"}]}]}",
	 "{" FLAGS "\"messages\":[{\"role\":\"assistant\",\"content\":[{"
	 "\"type\":\"text\",\"text\":\"c" SAID "\"}]}]}"},
	{CHAT, AB,
	 "{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"type\":"
	 "\"refusal\",\"refusal\":\"c\"}]}]}",
	 "{" FLAGS "\"messages\":[{\"role\":\"assistant\",\"content\":[{"
	 "\"type\":\"refusal\",\"refusal\":\"c\"},{\"type\":\"text\",\"text\":"
	 "\"" SAID "\"}]}]}"},
	{CHAT, AB, "{\"messages\":[{\"role\":\"assistant\",\"content\":[]}]}",
	 "{" FLAGS "\"messages\":[{\"role\":\"assistant\",\"content\":[{"
	 "\"type\":\"text\",\"text\":\"" SAID "\"}]}]}"},
	/* An assistant's message further up is none of this. */
	{CHAT, AB,
	 "{\"messages\":[{\"role\":\"assistant\",\"content\":\"c\"}," USER "]}",
	 "{" FLAGS
	 "\"messages\":[{\"role\":\"assistant\",\"content\":\"c\"}," USER
	 "," MESSAGE "]}"},
	/* Limits. */
	{CHAT, AB,
	 "{\"messages\":[" USER "],\"max_tokens\":10,\"max_completion_tokens\""
	 ":3,\"n_predict\":2.5e1}",
	 "{" FLAGS "\"messages\":[" USER "," MESSAGE "],\"max_tokens\":8,"
	 "\"max_completion_tokens\":1,\"n_predict\":23}"},
	{CHAT, AB,
	 "{\"max_tokens\":-1,\"max_completion_tokens\":null,\"n_predict\":"
	 "\"7\",\"messages\":[" USER "]}",
	 "{" FLAGS "\"max_tokens\":-1,\"max_completion_tokens\":null,"
	 "\"n_predict\":\"7\",\"messages\":[" USER "," MESSAGE "]}"},
	{CHAT, AB,
	 "{\"max_tokens\":18446744073709551616,\"max_completion_tokens\":0,"
	 "\"messages\":[" USER "]}",
	 "{" FLAGS "\"max_tokens\":18446744073709551616,"
	 "\"max_completion_tokens\":0,\"messages\":[" USER "," MESSAGE "]}"},
	/* The reasoning was said, too, and counts. */
	{CHAT, ROLE THOUGHT("h") THOUGHT("m") CONTENT("a"),
	 "{\"max_tokens\":9,\"messages\":[" USER "]}",
	 "{" FLAGS "\"max_tokens\":6,\"messages\":[" USER ",{\"role\":"
	 "\"assistant\",\"reasoning_content\":\"hm\",\"content\":\"a\"}]}"},
	/* Harmless values of what cannot be resumed. */
	{CHAT, AB,
	 "{\"n\":1,\"logprobs\":false,\"top_logprobs\":0,\"response_format\":{"
	 "\"type\":\"text\"},\"grammar\":\"\",\"json_schema\":null,\"tools\":[{"
	 "\"type\":\"function\"}],\"messages\":[" USER "]}",
	 "{" FLAGS "\"n\":1,\"logprobs\":false,\"top_logprobs\":0,"
	 "\"response_format\":{\"type\":\"text\"},\"grammar\":\"\","
	 "\"json_schema\":null,\"tools\":[{\"type\":\"function\"}],"
	 "\"messages\":[" USER "," MESSAGE "]}"},
	{CHAT, AB, "{\"n\":1.0,\"best_of\":null,\"messages\":[]}",
	 "{" FLAGS "\"n\":1.0,\"best_of\":null,\"messages\":[" MESSAGE "]}"},
	/* Nothing was said: the client's own request. */
	{CHAT, ROLE, "{\"max_tokens\":9,\"messages\":[" USER "]}",
	 "{\"max_tokens\":9,\"messages\":[" USER "]}"},
	{CHAT, ": c\n\n", "{\"prompt\":1}", "{\"prompt\":1}"},
	/* Completions. */
	{TEXT_KIND, WORDS("a") WORDS("b\\n\\\"\xc3\xa9"),
	 "{\"prompt\":\"once\",\"max_tokens\":8,\"echo\":false}",
	 "{\"prompt\":\"once" SAID "\",\"max_tokens\":6,\"echo\":false}"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":[ \"once\" ],\"n_predict\":8}",
	 "{\"prompt\":[ \"oncea\" ],\"n_predict\":7}"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":\"\",\"suffix\":\"s\"}",
	 "{\"prompt\":\"a\",\"suffix\":\"s\"}"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":\"\\\\\",\"messages\":[]}",
	 "{\"prompt\":\"\\\\a\",\"messages\":[]}"},
};

static void
requests(void)
{
	enum gw_resume_verdict v;

	for (size_t i = 0; i < GW_ARRAY_LEN(asked); i++) {
		const char *got = ask(asked[i].kind, asked[i].stream,
				      asked[i].request, &plain_model, &v);

		is_str(got, asked[i].next, asked[i].request);
		if (!got && why)
			printf("# why: %s\n", why);
	}
}

#define LIKE(member) "{" member ",\"messages\":[" USER "]}"

static const struct {
	enum gw_resume_kind kind;
	const char *stream, *request, *why;
} refused[] = {
	{CHAT, AB, LIKE("\"n\":2"), "n is not 1"},
	{CHAT, AB, LIKE("\"best_of\":2"), "best_of is not 1"},
	{CHAT, AB, LIKE("\"logprobs\":true"), "it asks for logprobs"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":\"p\",\"logprobs\":0}",
	 "it asks for logprobs"},
	{CHAT, AB, LIKE("\"top_logprobs\":1"), "it asks for logprobs"},
	{CHAT, AB, LIKE("\"n_probs\":3"), "it asks for logprobs"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":\"p\",\"echo\":true}",
	 "it asks for an echo"},
	{CHAT, AB, LIKE("\"response_format\":{\"type\":\"json_object\"}"),
	 "it has a response_format"},
	{CHAT, AB, LIKE("\"response_format\":\"text\""),
	 "it has a response_format"},
	{CHAT, AB, LIKE("\"grammar\":\"root ::= x\""), "it has a grammar"},
	{CHAT, AB, LIKE("\"json_schema\":{}"), "it has a json_schema"},
	{CHAT, AB, LIKE("\"guided_json\":{}"), "it has a grammar"},
	{CHAT, AB, LIKE("\"guided_regex\":\"x\""), "it has a grammar"},
	{CHAT, AB, LIKE("\"guided_choice\":[]"), "it has a grammar"},
	{CHAT, AB, LIKE("\"guided_grammar\":\"x\""), "it has a grammar"},
	{CHAT, AB, LIKE("\"structured_outputs\":{}"), "it has a grammar"},
	{CHAT, AB, LIKE("\"max_tokens\":5,\"max_tokens\":6"),
	 "a member of the request is there twice"},
	{CHAT, AB, "{\"messages\":{}}", "it has no list of messages"},
	{CHAT, AB, "{\"prompt\":\"p\"}", "it has no list of messages"},
	{CHAT, AB, "{}", "it has no list of messages"},
	{CHAT, AB, "{\"messages\":[{\"role\":\"assistant\",\"content\":null}]}",
	 "the last message cannot be extended"},
	{CHAT, AB, "{\"messages\":[{\"role\":\"assistant\"}]}",
	 "the last message cannot be extended"},
	{CHAT, AB,
	 "{\"messages\":[{\"role\":\"assistant\",\"content\":\"\","
	 "\"tool_calls\":[{}]}]}",
	 "the last message cannot be extended"},
	{TEXT_KIND, WORDS("a"), "{\"messages\":[]}", "it has no prompt"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":[]}", "the prompt is empty"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":[\"p\",\"q\"]}",
	 "it has several prompts, or tokens"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":[1,2]}",
	 "it has several prompts, or tokens"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":[1]}", "the prompt is no text"},
	{TEXT_KIND, WORDS("a"), "{\"prompt\":null}", "the prompt is no text"},
	/* What the answer has. */
	{CHAT, ROLE THOUGHT("h"), LIKE("\"a\":1"), "the reasoning is not over"},
	{CHAT, AB THOUGHT("h"), LIKE("\"a\":1"), "the reasoning is not over"},
	{CHAT,
	 ROLE "data: {\"choices\":[{\"delta\":{\"reasoning\":\"h\"}}]}\n\n",
	 LIKE("\"a\":1"), "the reasoning is not over"},
	{CHAT, AB "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]}}]}\n\n",
	 LIKE("\"a\":1"), "a tool call has begun"},
	{CHAT,
	 AB "data: {\"choices\":[{\"delta\":{\"function_call\":{}}}]}\n\n",
	 LIKE("\"a\":1"), "a tool call has begun"},
	{CHAT,
	 AB "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}"
	    "\n\n",
	 LIKE("\"a\":1"), "it has more than one choice"},
	{CHAT, AB "data: {\"choices\":[{\"delta\":{}},{\"delta\":{}}]}\n\n",
	 LIKE("\"a\":1"), "it has more than one choice"},
	{CHAT,
	 AB "data: {\"choices\":[{\"delta\":{\"content\":\"x\"},\"logprobs\":{"
	    "}}]}\n\n",
	 LIKE("\"a\":1"), "it has logprobs"},
	{CHAT, AB "data: no JSON\n\n", LIKE("\"a\":1"),
	 "the stream has something unknown in it"},
	{CHAT, AB "data: {\"choices\":7}\n\n", LIKE("\"a\":1"),
	 "the stream has something unknown in it"},
	{CHAT, AB "data: {\"choices\":[7]}\n\n", LIKE("\"a\":1"),
	 "the stream has something unknown in it"},
	{CHAT, AB "data: {\"choices\":[{\"delta\":7}]}\n\n", LIKE("\"a\":1"),
	 "the stream has something unknown in it"},
	{CHAT, AB "data: {\"choices\":[{\"text\":\"x\"}]}\n\n", LIKE("\"a\":1"),
	 "the stream has something unknown in it"},
	{CHAT, AB "data: {\"choices\":[{\"delta\":{\"refusal\":\"no\"}}]}\n\n",
	 LIKE("\"a\":1"), "the stream has something unknown in it"},
	{CHAT, AB "data: {\"error\":{\"message\":\"m\"}}\n\n", LIKE("\"a\":1"),
	 "the upstream told an error"},
	{CHAT, AB "event: error\ndata: x\n\n", LIKE("\"a\":1"),
	 "the upstream told an error"},
	{CHAT, AB "error: {}\n\n", LIKE("\"a\":1"),
	 "the upstream told an error"},
	{CHAT, AB "data: {\"object\":\"error\"}\n\ndata: [DONE]\n\n: c\n\n",
	 LIKE("\"a\":1"), "the upstream told an error"},
};

static void
refusals(void)
{
	enum gw_resume_verdict v;

	for (size_t i = 0; i < GW_ARRAY_LEN(refused); i++) {
		ask(refused[i].kind, refused[i].stream, refused[i].request,
		    &plain_model, &v);
		is_int(v, GW_RESUME_NOT, refused[i].request);
		is_str(why, refused[i].why, refused[i].why);
	}
}

/* What the alias adds counts like what the client says. */
static void
defaults(void)
{
	static char limit[] = "\"max_tokens\":10", many[] = "\"n\":3";
	static struct gw_default rows[2];
	static const struct gw_model model = {.defaults = rows,
					      .n_defaults = 1};
	enum gw_resume_verdict v;

	rows[0] = (struct gw_default){
		.key_index = 3, .member = limit, .member_len = strlen(limit)};
	is_str(ask(CHAT, AB, "{\"messages\":[" USER "]}", &model, &v),
	       "{" FLAGS "\"max_tokens\":8,\"messages\":[" USER "," MESSAGE
	       "]}",
	       "next: a limit of the alias is lowered, too");
	/* test_keys[3] is temperature: the client has said it. */
	is_str(ask(CHAT, AB, "{\"temperature\":1,\"messages\":[]}", &model, &v),
	       "{" FLAGS "\"temperature\":1,\"messages\":[" MESSAGE "]}",
	       "next: what the client says wins over the alias");
	rows[0].member = many;
	rows[0].member_len = strlen(many);
	ask(CHAT, AB, "{\"messages\":[" USER "]}", &model, &v);
	is_int(v, GW_RESUME_NOT, "next: n of the alias is refused");
	is_str(why, "n is not 1", "next: and says so");
	is_str(ask(CHAT, AB, "{\"messages\":[" USER "]}", &test_model, &v),
	       "{" FLAGS "\"messages\":[" USER "," MESSAGE "]}",
	       "next: other defaults are added later, as always");
}

/* Nothing is left of the limit. */
static void
spent(void)
{
	enum gw_resume_verdict v;

	ask(CHAT, AB, "{\"max_tokens\":2,\"messages\":[" USER "]}",
	    &plain_model, &v);
	is_int(v, GW_RESUME_WHOLE, "next: all tokens were said");
	is_str(shown.data + strlen(AB),
	       "data: {\"choices\":[{\"delta\":{},\"index\":0,"
	       "\"finish_reason\":\"length\"}],\"id\":\"c1\"}\n\n"
	       "data: [DONE]\n\n",
	       "next: the stream ends as the limit would have ended it");
	ask(TEXT_KIND, WORDS("a"), "{\"n_predict\":1.5,\"prompt\":\"p\"}",
	    &plain_model, &v);
	is_int(v, GW_RESUME_WHOLE, "next: the same of a completion");
	is_str(shown.data + strlen(WORDS("a")),
	       "data: {\"choices\":[{\"text\":\"\",\"index\":0,"
	       "\"finish_reason\":\"length\"}]}\n\ndata: [DONE]\n\n",
	       "next: its last chunk");
}

/* A request of exactly @len bytes. */
static void
of_length(size_t len, struct gw_buf *b)
{
	static const char head[] = "{\"messages\":[],\"x\":\"", tail[] = "\"}";

	gw_buf_clear(b);
	must(gw_buf_puts(b, head));
	while (b->len < len - strlen(tail))
		must(gw_buf_puts(b, "x"));
	must(gw_buf_puts(b, tail));
}

static void
limits(void)
{
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(RUN_MAX);
	enum gw_resume_verdict v;

	of_length(GW_RESUME_BODY_MAX, &b);
	ask(CHAT, AB, b.data, &plain_model, &v);
	is_int(v, GW_RESUME_ASK, "next: a request as large as it may be");
	of_length(GW_RESUME_BODY_MAX + 1, &b);
	ask(CHAT, AB, b.data, &plain_model, &v);
	is_int(v, GW_RESUME_NOT, "next: a byte more");
	is_str(why, "the request is too large", "next: and says so");
}

int
main(void)
{
	requests();
	refusals();
	defaults();
	spent();
	limits();
	ok(gw_resume_refuses(400) && gw_resume_refuses(422) &&
		   gw_resume_refuses(500) && gw_resume_refuses(501),
	   "next: statuses of servers that take no such last message");
	ok(!gw_resume_refuses(200) && !gw_resume_refuses(401) &&
		   !gw_resume_refuses(404) && !gw_resume_refuses(429) &&
		   !gw_resume_refuses(502) && !gw_resume_refuses(503),
	   "next: statuses that say nothing of it");
	gw_buf_release(&shown);
	gw_buf_release(&next);
	return done_testing();
}
