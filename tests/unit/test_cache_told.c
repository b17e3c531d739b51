/* SPDX-License-Identifier: MIT */
/*
 * test_cache_told.c - what upstreams say about their cache is found wherever it
 * stands and however it arrives; what models say about it is not.
 */
#include "serve/cache_told.h"
#include "tap.h"

#define NOTHING (-1)

static long long
said(const char *text, size_t step)
{
	struct gw_cache_told t = {0};
	size_t len = strlen(text), n;

	for (size_t at = 0; at < len; at += n) {
		n = step < len - at ? step : len - at;
		gw_cache_told_feed(&t, text + at, n);
	}
	return t.told ? (long long)t.tokens : NOTHING;
}

int
main(void)
{
	static const struct {
		const char *text;
		long long want;
		const char *title;
	} rows[] = {
		{"{\"usage\":{\"prompt_tokens\":18,\"total_tokens\":26,"
		 "\"prompt_tokens_details\":{\"cached_tokens\":17}}}",
		 17, "usage of a chat"},
		{"data: {\"choices\":[],\"timings\":{\"cache_n\":8,"
		 "\"prompt_n\":1}}\n\ndata: [DONE]\n\n",
		 8, "timings of a stream"},
		{"{\"usage\":{\"input_tokens_details\":{\"cached_tokens\":1}}}",
		 1, "usage of a response"},
		{"event: message_start\ndata: {\"usage\":{"
		 "\"cache_read_input_tokens\":8,\"output_tokens\":0}}\n\n"
		 "data: {\"usage\":{\"output_tokens\":16}}\n\n",
		 8, "usage of a message"},
		{"{\"cached_tokens\":0,\"cache_n\":3}", 3, "both: the larger"},
		{"{\"cache_n\":3,\"cached_tokens\":0}", 3, "... in any order"},
		{"{\"cached_tokens\" :\n\t 4 }", 4, "with blanks"},
		{"{\"cached_tokens\":0}", 0, "nothing was cached"},
		{"{\"cached_tokens\":null}", NOTHING, "null"},
		{"{\"cached_tokens\":\"5\"}", NOTHING, "a text"},
		{"{\"cached_tokens\":-5}", NOTHING, "below zero"},
		{"{\"cached_tokens\":5", NOTHING, "cut off in the number"},
		{"{\"cached_tokens\",\"cache_n\":6}", 6, "a value, and a name"},
		{"{\"x\":\"cache_n\",\"cache_n\":6}", 6, "a value before it"},
		{"{\"content\":\"\\\"cached_tokens\\\":5,\"}", NOTHING,
		 "a model that says so"},
		{"{\"cached_token\":5,\"cached_tokens_\":6,\"cache_nn\":7,"
		 "\"a_long_name_that_has_nothing_to_do_cache_n\":8}",
		 NOTHING, "other names"},
		{"{\"cache_n\":123456789012345}", 123456789012345,
		 "as many digits as a number may have"},
		{"", NOTHING, "nothing"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		bool same = true;

		for (size_t step = 1; step < 20; step++)
			same &= said(rows[i].text, step) == rows[i].want;
		ok(same && said(rows[i].text, SIZE_MAX) == rows[i].want,
		   "cache: %s", rows[i].title);
	}
	return done_testing();
}
