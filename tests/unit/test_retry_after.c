/* SPDX-License-Identifier: MIT */
/* test_retry_after.c - when an upstream wants to be asked again. */
#include "base/cleanup.h"
#include "tap.h"
#include "upstream/retry_after.h"

#define NOW 784111777 /* Sun, 06 Nov 1994 08:49:37 GMT */
#define YEAR_MS (UINT64_C(366) * 24 * 3600 * 1000)

static const struct {
	const char *text;
	uint64_t want;
} rows[] = {
	{"", GW_NO_RETRY_AFTER},
	{"0", 0},
	{"1", 1000},
	{"120", 120000},
	{"007", 7000},
	{"31622400", YEAR_MS},
	{"31622401", YEAR_MS},
	{"315360000", YEAR_MS}, /* ten years */
	{"4294967296", YEAR_MS},
	{"18446744073709551615", YEAR_MS},
	{"18446744073709551616", YEAR_MS},
	{"99999999999999999999999999999999999999", YEAR_MS},
	{"-1", GW_NO_RETRY_AFTER},
	{"-0", GW_NO_RETRY_AFTER},
	{"+1", GW_NO_RETRY_AFTER},
	{"1.5", GW_NO_RETRY_AFTER},
	{"1e3", GW_NO_RETRY_AFTER},
	{"0x10", GW_NO_RETRY_AFTER},
	{"10s", GW_NO_RETRY_AFTER},
	{"1 2", GW_NO_RETRY_AFTER},
	{"1,2", GW_NO_RETRY_AFTER},
	{"soon", GW_NO_RETRY_AFTER},
	{"\x80\xff", GW_NO_RETRY_AFTER},
	{"1994", 1994000},
	{"19941106", 19941106000}, /* no date: a number */
	/* The three forms of RFC 9110. */
	{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
	{"Sun, 06 Nov 1994 08:49:38 GMT", 1000},
	{"Sun, 06 Nov 1994 09:49:37 GMT", 3600000},
	{"Sunday, 06-Nov-94 08:49:47 GMT", 10000},
	{"Sun Nov  6 08:49:47 1994", 10000},
	{"Sun, 06 Nov 1994 08:49:36 GMT", 0},
	{"Thu, 01 Jan 1970 00:00:00 GMT", 0},
	{"Tue, 07 Nov 1995 08:49:37 GMT", YEAR_MS},
	{"Fri, 06 Nov 2054 08:49:37 GMT", YEAR_MS},
	{"Sun, 06 Nov 1994", 0}, /* its midnight has passed */
	{"Sun, 31 Foo 1994 08:49:37 GMT", GW_NO_RETRY_AFTER},
	{"Sun, 06 Nov 1994 25:99:99 GMT", GW_NO_RETRY_AFTER},
	{"Sun,", GW_NO_RETRY_AFTER},
	{"never", GW_NO_RETRY_AFTER},
};

int
main(void)
{
	for (size_t i = 0; i < GW_ARRAY_LEN(rows); i++) {
		uint64_t ms = gw_retry_after_ms(rows[i].text, NOW);

		ok(ms == rows[i].want, "Retry-After: \"%s\" -> %llu ms",
		   rows[i].text, (unsigned long long)ms);
	}
	is_int((long long)gw_retry_after_ms("5", 0), 5000,
	       "Retry-After: seconds do not look at the clock");
	return done_testing();
}
