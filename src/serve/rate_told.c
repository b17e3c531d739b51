/* SPDX-License-Identifier: MIT */
/* rate_told.c - see rate_told.h. */
#include "serve/rate_told.h"

#include "base/line.h"

#define NUMBER_BYTES 20 /* digits of the largest there is */

void
gw_rate_time(uint64_t us, char out[GW_RATE_TIME_BYTES])
{
	struct gw_line l = {.text = out, .cap = GW_RATE_TIME_BYTES - 1};
	uint64_t ms = us / 1000 + (us % 1000 != 0), rest = ms % 1000;

	if (ms && ms < 1000) {
		gw_line_uint(&l, ms, 1);
		gw_line_puts(&l, "ms");
		out[l.len] = '\0';
		return;
	}
	if (ms >= 60000) {
		gw_line_uint(&l, ms / 60000, 1);
		gw_line_puts(&l, "m");
	}
	gw_line_uint(&l, ms / 1000 % 60, 1);
	if (rest) {
		gw_line_puts(&l, ".");
		gw_line_uint(&l, rest, 3);
		while (out[l.len - 1] == '0')
			l.len--;
	}
	gw_line_puts(&l, "s");
	out[l.len] = '\0';
}

static int
put_number(struct gw_buf *b, const char *name, uint32_t n)
{
	char text[NUMBER_BYTES];
	struct gw_line l = {.text = text, .cap = sizeof(text)};

	gw_line_uint(&l, n, 1);
	return gw_buf_puts(b, name) < 0 || gw_buf_append(b, text, l.len) < 0
		       ? -1
		       : gw_buf_puts(b, "\r\n");
}

int
gw_rate_told_headers(const struct gw_rate_told *told, struct gw_buf *b)
{
	char reset[GW_RATE_TIME_BYTES];

	if (!told->limit)
		return 0;
	gw_rate_time(told->full_us, reset);
	if (put_number(b, "x-ratelimit-limit-requests: ", told->limit) < 0 ||
	    put_number(b, "x-ratelimit-remaining-requests: ", told->remaining) <
		    0)
		return -1;
	return gw_buf_join(b, "x-ratelimit-reset-requests: ", reset, "\r\n",
			   NULL);
}
