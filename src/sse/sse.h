/* SPDX-License-Identifier: MIT */
/*
 * sse.h - server-sent events: where a stream stands, and what may be put in.
 *
 * The gateway passes streams on byte for byte. It only has to know whether the
 * bytes so far end between two events, because comments and error events of its
 * own may stand nowhere else, and to build those.
 */
#ifndef GW_SSE_SSE_H
#define GW_SSE_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "sse/tokens.h"

#define GW_SSE_TYPE "text/event-stream"

/* A comment: every client skips it, and it finds out who is gone. */
#define GW_SSE_KEEPALIVE ": keep-alive\n\n"

#define GW_SSE_MESSAGE_MAX (16u << 10) /* bytes of an error's message */
/* Room for any error event: a byte of text takes up to six as JSON. */
#define GW_SSE_EVENT_MAX (6u * GW_SSE_MESSAGE_MAX + 4096u)

/* A whole answer grows at most so much: /v1/responses tells an item's text five
 * times, and bytes may become escapes. */
#define GW_SSE_WHOLE_FACTOR 32u

/* How an endpoint's clients expect an error inside a stream. */
enum gw_sse_dialect {
	GW_SSE_OPENAI,	  /* chat, completions */
	GW_SSE_ANTHROPIC, /* /v1/messages */
	GW_SSE_RESPONSES, /* /v1/responses */
	GW_SSE__MAX
};

/*
 * gw_sse_is_type - does a Content-Type say that an event stream follows?
 * @type  its value, any case, with or without parameters; NULL = there is none
 * The one test for it: whoever frames, flushes or comments asks here.
 */
bool gw_sse_is_type(const char *type);

/* The position in one stream; plain data, nothing to free. */
struct gw_sse {
	char tail[3]; /* the last bytes, oldest first */
	bool started;
};

/* gw_sse_init - the beginning of a stream, which is between events. */
void gw_sse_init(struct gw_sse *s);

/*
 * gw_sse_feed - the next @n bytes of the stream, cut anywhere.
 * Looks at the last three bytes only, however large @n is.
 */
void gw_sse_feed(struct gw_sse *s, const char *p, size_t n);

/* gw_sse_started - has there been any byte? */
bool gw_sse_started(const struct gw_sse *s);

/*
 * gw_sse_between_events - may an event or comment be inserted here?
 * True at the beginning and behind a blank line; lines end in LF, CR or CRLF.
 */
bool gw_sse_between_events(const struct gw_sse *s);

/*
 * gw_sse_comments - how much of the beginning of @p is comments.
 * @p      begins with a line
 * @event  set: behind them another line begins, of an event
 * Returns the bytes of whole lines that are comments or blank. Lines end in LF,
 * CR or CRLF.
 */
size_t gw_sse_comments(const char *p, size_t n, bool *event);

#define GW_SSE_WATCHED_MAX 4096u /* bytes of a line that are looked at */
#define GW_SSE_WORD_MAX 64u	 /* bytes of an error's code */

/* Looks for error events of an upstream's own, and for what it tells of its
 * tokens; see sse_watch.c. */
struct gw_sse_watch {
	struct gw_buf line; /* the current one, its beginning */
	struct gw_buf plain; /* one before it with none of the words */
	size_t head, tail;   /* bytes that both have in common */
	bool in_error;	    /* an `event:` line said that its data is one */
	bool is_long;	    /* the line is longer than what is kept of it ... */
	bool is_data;	    /* ... and its field is `data:` */
	struct gw_tokens tokens;
	bool found;
	char word[GW_SSE_WORD_MAX]; /* its code, or its type; "" = neither */
};

/*
 * gw_sse_watch_feed - the next @n bytes of the stream, cut anywhere.
 * Sets `found` with the first error event: `event: error` (or
 * `response.failed`), data that has an `error` or is of that type, or
 * llama-server's `error:` line. Text that speaks of errors is none. Never
 * fails; a line over GW_SSE_WATCHED_MAX is judged by its beginning. Tokens are
 * found in lines of any length. Behind an error nothing is looked for.
 */
void gw_sse_watch_init(struct gw_sse_watch *w);
void gw_sse_watch_feed(struct gw_sse_watch *w, const char *p, size_t n);
void gw_sse_watch_release(struct gw_sse_watch *w);

/*
 * gw_sse_error_event - append one error event.
 * @out      room for GW_SSE_EVENT_MAX bytes is always enough
 * @dialect  form of the event; Anthropic's words are used for its types
 * @before   the stream it goes to: a half event is closed with a blank line
 *           first, so that it neither swallows ours nor runs into it; NULL when
 *           the stream is known to be between events
 * @type, @code  OpenAI's words as in errors.def; @code may be NULL
 * @message  any text; what is no UTF-8 is replaced, what is over
 *           GW_SSE_MESSAGE_MAX is cut
 * Returns 0, or -1 when @out is too small or memory is out.
 */
GW_MUSTCHECK int gw_sse_error_event(struct gw_buf *out,
				    enum gw_sse_dialect dialect,
				    const struct gw_sse *before,
				    const char *type, const char *code,
				    const char *message);

/*
 * gw_sse_error_from_body - the same from an upstream's error answer.
 * For a stream that was answered 200 early and has carried comments only.
 * @status  HTTP status of the upstream, for what its body leaves open
 * @body    any bytes: {"error":{...}} of OpenAI, llama-server or Anthropic,
 *          {"error":"text"} of Ollama, {"message":...} or {"detail":...}, or
 *          text that is no JSON at all. Message, type, code and param are kept
 * Returns 0, or -1 when @out is too small or memory is out.
 */
GW_MUSTCHECK int gw_sse_error_from_body(struct gw_buf *out,
					enum gw_sse_dialect dialect, int status,
					const char *body, size_t len);

/*
 * gw_sse_from_whole - the events of a whole answer, [DONE] included where the
 * dialect has one, for a stream that has carried comments only.
 * @body  an answer of the endpoint that was not streamed: one chunk (or one
 *        delta for each part) with all of it, then the end; or the text of an
 *        event stream that was announced as something else: as it is
 * @out   @len * GW_SSE_WHOLE_FACTOR + GW_SSE_EVENT_MAX bytes are enough
 * Returns 1; 0 when it is no such answer (nothing is appended); or -1 when @out
 * is too small or memory is out.
 */
GW_MUSTCHECK int gw_sse_from_whole(struct gw_buf *out,
				   enum gw_sse_dialect dialect,
				   const char *body, size_t len);

#endif
