/* SPDX-License-Identifier: MIT */
/* curl_retry_after.c - see retry_after.h; dates are libcurl's to read. */
#include "upstream/retry_after.h"

#include <ctype.h>
#include <curl/curl.h>

static uint64_t
bounded_ms(uint64_t seconds)
{
	return (seconds < GW_RETRY_AFTER_MAX_S ? seconds
					       : GW_RETRY_AFTER_MAX_S) *
	       1000;
}

uint64_t
gw_retry_after_ms(const char *text, int64_t now_s)
{
	uint64_t seconds = 0;
	const char *p = text;
	time_t date;

	while (isdigit((unsigned char)*p)) {
		if (seconds < GW_RETRY_AFTER_MAX_S)
			seconds = seconds * 10 + (uint64_t)(*p - '0');
		p++;
	}
	if (p > text && *p == '\0')
		return bounded_ms(seconds);
	/* A date begins with the name of a day. */
	if (!isalpha((unsigned char)*text))
		return GW_NO_RETRY_AFTER;
	date = curl_getdate(text, NULL);
	if (date < 0)
		return GW_NO_RETRY_AFTER;
	return date > now_s ? bounded_ms((uint64_t)(date - now_s)) : 0;
}
