/* SPDX-License-Identifier: MIT */
/*
 * resume.h - a streamed answer that can go on elsewhere when its upstream dies.
 *
 * For chat completions and completions. While all is well the bytes are only
 * kept, and passed on up to the end of their last whole event. When the stream
 * breaks they are read, and a request is made of the client's own that asks for
 * the rest; the stream that answers it is read event by event and joined to
 * what the client has. Knows no connection and no request of the gateway: who
 * is asked, and how often, is decided elsewhere. One thread; one object a
 * stream; nothing outlives the process.
 *
 *   gw_resume_new, then gw_resume_feed() for every byte, until the stream ends
 *   in whatever way: gw_resume_broke(). GW_RESUME_ASK: send the request that it
 *   made, gw_resume_ask(), and gw_resume_feed() again with the new stream.
 */
#ifndef GW_RESUME_RESUME_H
#define GW_RESUME_RESUME_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "body/body.h"
#include "config/config.h"

#define GW_RESUME_KEPT_MAX (1u << 20) /* bytes kept of an answer */
#define GW_RESUME_BODY_MAX (1u << 20) /* bytes of a request that is resumed */
#define GW_RESUME_NODE_MAX 160u	      /* bytes of a name in the comment */
/* Room for any request that gw_resume_broke() makes: a byte of text may become
 * six as JSON, and it is told in one place. */
#define GW_RESUME_NEXT_MAX                                                     \
	(GW_RESUME_BODY_MAX + 2 * 6 * GW_RESUME_KEPT_MAX + (64u << 10))

enum gw_resume_kind {
	GW_RESUME_CHAT,	      /* /v1/chat/completions */
	GW_RESUME_COMPLETION, /* /v1/completions */
};

/* Bytes for the client; they stay until the next call. */
struct gw_resume_bytes {
	const char *p;
	size_t n;
};

enum gw_resume_fed {
	GW_RESUME_GOES_ON,
	/* Of a continuation, of which nothing was passed on: it says again what
	 * was said. Ask plainly. */
	GW_RESUME_STARTED_ANEW,
	/* Of a plain repeat: it says something else than what was said. */
	GW_RESUME_DIFFERS,
	/* It cannot be read, or its events are too large. */
	GW_RESUME_UNREADABLE,
};

enum gw_resume_verdict {
	GW_RESUME_ASK,	 /* for the rest, with the request that was made */
	GW_RESUME_WHOLE, /* nothing is missing, but perhaps some last bytes */
	GW_RESUME_NOT,	 /* it cannot be resumed; the reason is told */
	/* Neither is known: it became too long, and nobody has looked at it. */
	GW_RESUME_UNSEEN,
};

struct gw_resume;

/* gw_resume_new - before the first byte. NULL when memory is out. */
GW_MUSTCHECK struct gw_resume *gw_resume_new(enum gw_resume_kind kind);
void gw_resume_free(struct gw_resume *rs);

/*
 * gw_resume_feed - the next @n bytes of the stream, cut anywhere.
 * @show  what may go to the client now: whole events. Of the first stream the
 *        bytes as they came; of a continuation behind the comment that tells who
 *        goes on
 * Returns GOES_ON; of a stream that was asked for with gw_resume_ask() also the
 * others: it is to be left then, @show has what may still be shown. A first
 * stream that is over GW_RESUME_KEPT_MAX is passed on unseen from there.
 */
GW_MUSTCHECK enum gw_resume_fed gw_resume_feed(struct gw_resume *rs,
					       const char *p, size_t n,
					       struct gw_resume_bytes *show);

/*
 * gw_resume_broke - the stream has ended, well or not, or is waited for no more.
 * @clean    it came to an end of its own: without a [DONE] that is its own way
 * @request  the client's own body, finished
 * @model    the alias whose defaults were added to it
 * @next     GW_RESUME_ASK: appended to; a body that asks for the rest, to be
 *           edited like the client's own. GW_RESUME_NEXT_MAX bytes are enough
 * @show     GW_RESUME_WHOLE: what the client lacks, the [DONE] for one
 * @why      GW_RESUME_NOT: a few words for the log; static
 * What was not shown of the stream is forgotten.
 */
GW_MUSTCHECK enum gw_resume_verdict
gw_resume_broke(struct gw_resume *rs, bool clean, const struct gw_body *request,
		const struct gw_model *model, struct gw_buf *next,
		struct gw_resume_bytes *show, const char **why);

/*
 * gw_resume_again - after GW_RESUME_ASK, and before anything was fed that was
 * shown: the same request once more, for an alias with other defaults.
 * @request, @model, @next  as gw_resume_broke()'s
 * Returns 0, or -1 when memory is out. A limit among the defaults that was
 * reached by what was said becomes 1.
 */
GW_MUSTCHECK int gw_resume_again(const struct gw_resume *rs,
				 const struct gw_body *request,
				 const struct gw_model *model,
				 struct gw_buf *next);

/*
 * gw_resume_ask - what is fed from now on answers a request for the rest.
 * @node   who was asked, for the comment at the seam
 * @plain  it was the client's own request: all that was said must come again,
 *         and is dropped
 */
void gw_resume_ask(struct gw_resume *rs, const char *node, bool plain);

/*
 * gw_resume_refuses - does this status say that the server takes no assistant's
 * message as the last one (or not those two members)? Ask plainly then.
 */
bool gw_resume_refuses(int status);

#endif
