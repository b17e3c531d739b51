/* SPDX-License-Identifier: MIT */
/*
 * sse.h - server-sent events, as far as a relay has to know them: where one
 * event ends, and how an error looks in each endpoint's dialect.
 *
 * Follows the WHATWG HTML standard, "Server-sent events": an event ends with an
 * empty line, lines end with LF, CR or CRLF.
 */
#ifndef GW_UPSTREAM_SSE_H
#define GW_UPSTREAM_SSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

#define GW_SSE_KEEPALIVE ": keep-alive\n\n"
#define GW_SSE_EVENT_MAX (64u << 10)	/* bytes of an error event */
#define GW_SSE_MESSAGE_MAX (16u << 10)	/* bytes of its message */

enum gw_sse_dialect { GW_SSE_OPENAI, GW_SSE_ANTHROPIC, GW_SSE_RESPONSES };

/* How a stream ended so far; in the caller's storage. */
struct gw_sse {
	uint8_t line_ends;	/* line ends in a row at the end, 0 .. 2 */
	bool after_cr;		/* the last byte was a CR: a LF belongs to it */
	bool started;		/* any byte at all */
};

/* gw_sse_init - a stream of no bytes: it stands between events. */
void gw_sse_init(struct gw_sse *s);

/* gw_sse_feed - bytes that were sent; looks at the last few only. */
void gw_sse_feed(struct gw_sse *s, const char *p, size_t n);

/* gw_sse_between_events - may a comment or an event of ours stand here? */
bool gw_sse_between_events(const struct gw_sse *s);

/*
 * gw_sse_error_event - one error event; a half event is closed first.
 * @at    where the stream stands
 * @type, @code, @message  as in errors.def; the message is cut to fit
 * Returns 0, or -1 when @out has no room.
 */
GW_MUSTCHECK int gw_sse_error_event(struct gw_buf *out,
				    enum gw_sse_dialect dialect,
				    const struct gw_sse *at, const char *type,
				    const char *code, const char *message);

/*
 * gw_sse_error_from_body - the same from an upstream's error answer: its
 * message, type and code where the body is JSON of a known shape, else a
 * message that names the status.
 */
GW_MUSTCHECK int gw_sse_error_from_body(struct gw_buf *out,
					enum gw_sse_dialect dialect, int status,
					const char *body, size_t len);

#endif
