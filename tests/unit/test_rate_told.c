/* SPDX-License-Identifier: MIT */
/* test_rate_told.c - what a client is told about its rate, to the letter. */
#include "base/cleanup.h"
#include "serve/rate_told.h"
#include "tap.h"

#define SECOND UINT64_C(1000000)

static const struct {
	uint64_t us;
	const char *want;
} times[] = {
	{0, "0s"},
	{1, "1ms"},
	{1000, "1ms"},
	{1001, "2ms"},
	{120000, "120ms"},
	{998001, "999ms"},
	{999000, "999ms"},
	{999001, "1s"},
	{SECOND, "1s"},
	{SECOND + 1, "1.001s"},
	{SECOND * 3 / 2, "1.5s"},
	{1050000, "1.05s"},
	{59999000, "59.999s"},
	{59999001, "1m0s"},
	{60 * SECOND, "1m0s"},
	{86400000, "1m26.4s"},
	{360 * SECOND, "6m0s"},
	{UINT64_MAX, "307445734561m49.552s"},
};

static void
test_times(void)
{
	char got[GW_RATE_TIME_BYTES];

	for (size_t i = 0; i < GW_ARRAY_LEN(times); i++) {
		gw_rate_time(times[i].us, got);
		is_str(got, times[i].want, times[i].want);
	}
}

static void
test_headers(void)
{
	struct gw_rate_told told = {
		.limit = 1000000, .remaining = 0, .full_us = 8640000};
	struct gw_rate_told none = {.remaining = 5, .full_us = SECOND};
	gw_auto_buf struct gw_buf b = GW_BUF_INIT(256);
	gw_auto_buf struct gw_buf small = GW_BUF_INIT(40);

	ok(gw_rate_told_headers(&none, &b) == 0 && b.len == 0,
	   "rate: no limit -> no headers");
	ok(gw_rate_told_headers(&told, &b) == 0 &&
		   gw_buf_append(&b, "", 1) == 0,
	   "rate: a limit -> headers");
	is_str(b.data,
	       "x-ratelimit-limit-requests: 1000000\r\n"
	       "x-ratelimit-remaining-requests: 0\r\n"
	       "x-ratelimit-reset-requests: 8.64s\r\n",
	       "rate: these");
	is_int(gw_rate_told_headers(&told, &small), -1,
	       "rate: no room for them -> is said");
}

int
main(void)
{
	test_times();
	test_headers();
	return done_testing();
}
