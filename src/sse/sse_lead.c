/* SPDX-License-Identifier: MIT */
/* sse_lead.c - what of a stream is comments only, and so nothing to a client.
 */
#include "sse/sse.h"

static bool
ends_line(char c)
{
	return c == '\n' || c == '\r';
}

size_t
gw_sse_comments(const char *p, size_t n, bool *event)
{
	size_t line = 0, at = 0;

	*event = false;
	while (at < n) {
		if (!ends_line(p[line]) && p[line] != ':') {
			*event = true;
			break;
		}
		while (at < n && !ends_line(p[at]))
			at++;
		if (at == n)
			break; /* a line that is not whole yet */
		line = ++at;
	}
	return line;
}
