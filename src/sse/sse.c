/* SPDX-License-Identifier: MIT */
/*
 * sse.c - where a stream of server-sent events stands.
 *
 * Runs for every token of every stream, so it must not look at each byte: the
 * last three decide. Events are never parsed and never changed here.
 */
#include "sse/sse.h"

#include <string.h>
#include <strings.h>

bool
gw_sse_is_type(const char *type)
{
	static const char sse[] = "text/event-stream";
	const size_t n = sizeof(sse) - 1;

	if (!type)
		return false;
	type += strspn(type, " \t");
	return strncasecmp(type, sse, n) == 0 &&
	       (type[n] == '\0' || strchr("; \t,", type[n]));
}

void
gw_sse_init(struct gw_sse *s)
{
	/* As if a blank line had gone before. */
	memset(s->tail, '\n', sizeof(s->tail));
	s->started = false;
}

void
gw_sse_feed(struct gw_sse *s, const char *p, size_t n)
{
	const size_t most = sizeof(s->tail);

	if (n == 0)
		return;
	s->started = true;
	if (n < most)
		memmove(s->tail, s->tail + n, most - n);
	else
		p += n - most;
	n = n < most ? n : most;
	memcpy(s->tail + most - n, p, n);
}

bool
gw_sse_started(const struct gw_sse *s)
{
	return s->started;
}

static bool
ends_line(char c)
{
	return c == '\n' || c == '\r';
}

bool
gw_sse_between_events(const struct gw_sse *s)
{
	size_t last = sizeof(s->tail) - 1;

	if (!ends_line(s->tail[last]))
		return false;
	/* CRLF is one end of a line; what stands before it must be another. */
	if (s->tail[last] == '\n' && s->tail[last - 1] == '\r')
		last--;
	return ends_line(s->tail[last - 1]);
}
