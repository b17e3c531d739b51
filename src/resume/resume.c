/* SPDX-License-Identifier: MIT */
/*
 * resume.c - the life of a streamed answer that may be resumed.
 *
 * Keeps the bytes of the first stream, and reads them when it has broken.
 */
#include "resume/resume.h"

#include <string.h>

#include "resume/join.h"
#include "resume/next.h"
#include "sse/sse.h"

enum state {
	KEEPS,	/* the first stream */
	PASSES, /* the same, which has become too long to be resumed */
	JOINS,	/* it has broken */
};

struct gw_resume {
	enum gw_resume_kind kind;
	enum state state;
	struct gw_buf kept; /* KEEPS: all of the stream */
	size_t shown;	    /* bytes of it; the rest is no whole event yet */
	struct gw_buf last; /* what the client lacked at the end */
	struct gw_said said;
	struct gw_join join;
};

struct gw_resume *
gw_resume_new(enum gw_resume_kind kind)
{
	struct gw_resume *rs = calloc(1, sizeof(*rs));

	if (!rs)
		return NULL;
	rs->kind = kind;
	gw_buf_init(&rs->kept, GW_RESUME_KEPT_MAX);
	gw_buf_init(&rs->last, GW_SSE_EVENT_MAX);
	gw_said_init(&rs->said);
	gw_join_init(&rs->join);
	return rs;
}

void
gw_resume_free(struct gw_resume *rs)
{
	if (!rs)
		return;
	gw_buf_release(&rs->kept);
	gw_buf_release(&rs->last);
	gw_said_release(&rs->said);
	gw_join_release(&rs->join);
	free(rs);
}

/* ---- while all is well ----------------------------------------------------
 */

/* It is too long: whatever is kept is passed on, and what follows, too. */
static enum gw_resume_fed
give_up(struct gw_resume *rs, const char *p, size_t n,
	struct gw_resume_bytes *show)
{
	size_t held = rs->kept.len - rs->shown;

	rs->state = PASSES;
	*show = (struct gw_resume_bytes){p, n};
	if (held == 0)
		return GW_RESUME_GOES_ON;
	gw_buf_consume(&rs->kept, rs->shown);
	rs->kept.max += n;
	if (gw_buf_append(&rs->kept, p, n) < 0)
		return GW_RESUME_UNREADABLE;
	*show = (struct gw_resume_bytes){rs->kept.data, rs->kept.len};
	return GW_RESUME_GOES_ON;
}

static enum gw_resume_fed
keep(struct gw_resume *rs, const char *p, size_t n,
     struct gw_resume_bytes *show)
{
	size_t before = rs->kept.len, border;

	if (gw_buf_append(&rs->kept, p, n) < 0)
		return give_up(rs, p, n, show);
	border = gw_event_border(rs->kept.data, rs->kept.len, before);
	if (border) {
		*show = (struct gw_resume_bytes){rs->kept.data + rs->shown,
						 border - rs->shown};
		rs->shown = border;
	}
	return GW_RESUME_GOES_ON;
}

enum gw_resume_fed
gw_resume_feed(struct gw_resume *rs, const char *p, size_t n,
	       struct gw_resume_bytes *show)
{
	enum gw_resume_fed rc;

	*show = (struct gw_resume_bytes){0};
	switch (rs->state) {
	case KEEPS:
		return n ? keep(rs, p, n, show) : GW_RESUME_GOES_ON;
	case PASSES:
		gw_buf_release(&rs->kept);
		*show = (struct gw_resume_bytes){p, n};
		return GW_RESUME_GOES_ON;
	case JOINS:
		break;
	}
	rc = gw_join_feed(&rs->join, p, n);
	*show = (struct gw_resume_bytes){rs->join.out.data, rs->join.out.len};
	return rc;
}

/* ---- when it has ended ----------------------------------------------------
 */

/* What no blank line has ended is no event; but at its end a stream may leave
 * out that of [DONE]. */
static bool
is_done(const struct gw_resume *rs, const char *p, size_t n)
{
	gw_auto_chunk struct gw_chunk c = {0};

	if (n > 0)
		gw_chunk_read(&c, rs->kind, p, n);
	return c.done;
}

/* Reads all that the client has. Returns whether [DONE] came behind it. */
static bool
read_kept(struct gw_resume *rs)
{
	const char *p = rs->kept.data ? rs->kept.data : "";
	size_t at = 0, end;
	bool done;

	while ((end = gw_event_end(p, rs->shown, at))) {
		gw_auto_chunk struct gw_chunk c;

		gw_chunk_read(&c, rs->kind, p + at, end - at);
		gw_said_add(&rs->said, &c);
		at = end;
	}
	done = is_done(rs, p + rs->shown, rs->kept.len - rs->shown);
	gw_buf_release(&rs->kept);
	rs->state = JOINS;
	return done;
}

static enum gw_resume_verdict
whole(struct gw_resume *rs, struct gw_resume_bytes *show, const char **why)
{
	if (rs->last.len == 0 && gw_buf_puts(&rs->last, GW_RESUME_DONE) < 0) {
		*why = "no memory";
		return GW_RESUME_NOT;
	}
	*show = (struct gw_resume_bytes){rs->last.data, rs->last.len};
	return GW_RESUME_WHOLE;
}

static enum gw_resume_verdict
next_request(struct gw_resume *rs, const struct gw_body *request,
	     const struct gw_model *model, struct gw_buf *next,
	     struct gw_resume_bytes *show, const char **why)
{
	switch (gw_next_request(rs->kind, request, model, &rs->said, false,
				next, why)) {
	case GW_NEXT_ASK:
		return GW_RESUME_ASK;
	case GW_NEXT_SPENT:
		/* It would have ended here: the limit is reached. */
		if (gw_said_end(&rs->said, rs->kind, &rs->last) == 0)
			return whole(rs, show, why);
		*why = "no memory";
		break;
	case GW_NEXT_NOT:
		break;
	}
	return GW_RESUME_NOT;
}

enum gw_resume_verdict
gw_resume_broke(struct gw_resume *rs, bool clean, const struct gw_body *request,
		const struct gw_model *model, struct gw_buf *next,
		struct gw_resume_bytes *show, const char **why)
{
	const struct gw_said *said = &rs->said;
	bool first = rs->state == KEEPS, done;

	*show = (struct gw_resume_bytes){0};
	*why = NULL;
	if (rs->state == PASSES)
		return GW_RESUME_UNSEEN;
	/* The usual end, of which nothing need be read. */
	if (first && gw_event_says_done(rs->kept.data, rs->shown))
		return GW_RESUME_WHOLE;
	if (first)
		done = read_kept(rs);
	else
		done = rs->join.settled &&
		       is_done(rs, rs->join.in.data, rs->join.in.len);
	if (!said->error && done)
		return whole(rs, show, why);
	if (!said->error && said->done)
		return GW_RESUME_WHOLE;
	if (!said->error && said->finished && !said->several)
		return clean && first ? GW_RESUME_WHOLE : whole(rs, show, why);
	*why = gw_said_why_not(said);
	return *why ? GW_RESUME_NOT
		    : next_request(rs, request, model, next, show, why);
}

int
gw_resume_again(const struct gw_resume *rs, const struct gw_body *request,
		const struct gw_model *model, struct gw_buf *next)
{
	const char *why;

	return gw_next_request(rs->kind, request, model, &rs->said, true, next,
			       &why) == GW_NEXT_ASK
		       ? 0
		       : -1;
}

void
gw_resume_ask(struct gw_resume *rs, const char *node, bool plain)
{
	gw_join_begin(&rs->join, rs->kind, &rs->said, node, plain);
}

bool
gw_resume_refuses(int status)
{
	/* llama-server says 500 for what a template raises. */
	return status == 400 || status == 422 || status == 500 || status == 501;
}
