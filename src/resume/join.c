/* SPDX-License-Identifier: MIT */
/*
 * join.c - a stream that goes on with an answer, made to look like its rest.
 *
 * A continuation that says again what was said, from the beginning, was none:
 * as long as it does, its events are held. A word or two may be chance, more is
 * not. A plain repeat has to say it again, and is dropped as long as it does.
 */
#include "resume/join.h"

#include <ctype.h>
#include <string.h>

#include "base/json.h"
#include "base/line.h"
#include "sse/sse_parts.h"

/* Whoever says so much of the same has begun anew, although it goes on with
 * something else: as with a temperature it would. Less is chance. */
#define REPEATED_EVENTS 3
#define REPEATED_BYTES 32

/* Most bytes that one piece of a stream may become. */
#define OUT_MAX (4u * GW_RESUME_KEPT_MAX)

void
gw_join_init(struct gw_join *j)
{
	*j = (struct gw_join){
		.in = GW_BUF_INIT(GW_RESUME_KEPT_MAX),
		.held = GW_BUF_INIT(GW_RESUME_KEPT_MAX),
		.out = GW_BUF_INIT(OUT_MAX),
	};
}

void
gw_join_release(struct gw_join *j)
{
	gw_buf_release(&j->in);
	gw_buf_release(&j->held);
	gw_buf_release(&j->out);
}

void
gw_join_begin(struct gw_join *j, enum gw_resume_kind kind, struct gw_said *said,
	      const char *node, bool plain)
{
	j->kind = kind;
	j->said = said;
	j->plain = plain || gw_said_nothing(said);
	j->settled = gw_said_nothing(said);
	/* Whose words these are, the client knows or was not told. */
	said->role = said->role || !j->settled;
	j->shown = false;
	j->text_at = j->reasoning_at = j->held_events = 0;
	j->events_before = j->plain ? 0 : said->events;
	gw_buf_clear(&j->in);
	gw_buf_clear(&j->held);
	gw_buf_clear(&j->out);
	gw_copy_text(j->node, sizeof(j->node), node);
	for (char *c = j->node; *c; c++)
		if (iscntrl((unsigned char)*c))
			*c = '?'; /* a line end would end the comment */
}

/* ---- bytes for the client -------------------------------------------------
 */

/* The comment stands in front of the first thing that is shown. */
static enum gw_resume_fed
show(struct gw_join *j)
{
	if (j->shown)
		return GW_RESUME_GOES_ON;
	j->shown = true;
	if (gw_buf_join(&j->out, ": resumed on ", j->node, "\n\n", NULL) < 0)
		return GW_RESUME_UNREADABLE;
	return GW_RESUME_GOES_ON;
}

/* What was held is new, so it is said now. It equals the beginning of what was
 * said before, which is where its text is taken from. */
static enum gw_resume_fed
release_held(struct gw_join *j)
{
	struct gw_said *s = j->said;

	j->settled = true;
	if (j->held.len == 0)
		return GW_RESUME_GOES_ON;
	if (gw_buf_reserve(&s->text, j->text_at) < 0)
		s->too_much = true;
	else
		gw_said_add_text(s, (struct gw_piece){s->text.data, j->text_at},
				 j->held_events);
	if (show(j) != GW_RESUME_GOES_ON ||
	    gw_buf_append(&j->out, j->held.data, j->held.len) < 0)
		return GW_RESUME_UNREADABLE;
	gw_buf_clear(&j->held);
	return GW_RESUME_GOES_ON;
}

static struct json_object *
member(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

/* What others said is a part of this server's prompt, and of the client's
 * answer. The sum stays. */
static void
move_usage(struct json_object *doc, size_t n)
{
	struct json_object *usage = member(doc, "usage");
	struct json_object *prompt = member(usage, "prompt_tokens");
	struct json_object *said = member(usage, "completion_tokens");
	struct json_object *details = member(usage, "prompt_tokens_details");
	int64_t left = json_object_get_int64(prompt), moved = (int64_t)n;

	if (!prompt || !said)
		return;
	moved = moved < left ? moved : left;
	left -= moved;
	json_object_set_int64(prompt, left);
	json_object_set_int64(said, json_object_get_int64(said) + moved);
	/* No more of the prompt can have been in the cache than there is. */
	if (json_object_get_int64(member(details, "cached_tokens")) > left)
		gw_json_set_int(details, "cached_tokens", left);
}

/* The chunk as one of the first stream. */
static enum gw_resume_fed
put_chunk(struct gw_join *j, const struct gw_chunk *c, struct gw_buf *out)
{
	if (c->delta && c->role && j->said->role)
		json_object_object_del(c->delta, "role");
	if (c->usage)
		move_usage(c->doc, j->events_before);
	gw_said_mark(j->said, c->doc);
	if (gw_sse_put_event(out, NULL, json_object_get(c->doc)) < 0)
		return GW_RESUME_UNREADABLE;
	return GW_RESUME_GOES_ON;
}

static enum gw_resume_fed
show_chunk(struct gw_join *j, const struct gw_chunk *c)
{
	enum gw_resume_fed rc = show(j);

	if (rc == GW_RESUME_GOES_ON)
		rc = put_chunk(j, c, &j->out);
	if (rc == GW_RESUME_GOES_ON)
		gw_said_add(j->said, c);
	return rc;
}

/* ---- does it say the same again? ------------------------------------------
 */

/* How much of @piece equals what stands at @at; what is behind the end of that
 * is compared with nothing. */
static size_t
same(const struct gw_buf *said, size_t at, struct gw_piece piece)
{
	size_t left = said->len - at, i = 0;

	while (i < piece.len && i < left && piece.p[i] == said->data[at + i])
		i++;
	return i;
}

static bool
says_something(const struct gw_chunk *c)
{
	return c->text.len || c->reasoning.len || c->tool || c->finished;
}

static bool
is_repeat(const struct gw_join *j, size_t equal)
{
	return j->held_events >= REPEATED_EVENTS ||
	       j->text_at + equal >= REPEATED_BYTES;
}

/* The chunk is not only what was said before, of which it has @equal bytes. */
static enum gw_resume_fed
settle(struct gw_join *j, const struct gw_chunk *c, size_t equal)
{
	enum gw_resume_fed rc;

	if (is_repeat(j, equal))
		return GW_RESUME_STARTED_ANEW;
	rc = release_held(j);
	return rc == GW_RESUME_GOES_ON ? show_chunk(j, c) : rc;
}

/* A continuation, while all it has said equals the beginning of what was said.
 */
static enum gw_resume_fed
compare(struct gw_join *j, const struct gw_chunk *c)
{
	size_t equal = same(&j->said->text, j->text_at, c->text);
	bool all = j->text_at + equal == j->said->text.len;

	/* The text was begun: who thinks now does so once more. */
	if (c->reasoning.len)
		return GW_RESUME_STARTED_ANEW;
	if (!c->text.len && !c->tool && !c->finished)
		return j->held.len ? put_chunk(j, c, &j->held)
				   : show_chunk(j, c);
	if (all)
		return GW_RESUME_STARTED_ANEW;
	if (equal < c->text.len || c->tool)
		return settle(j, c, equal);
	/* Cut short by the limit, which was lowered: it may have begun anew. */
	if (c->finished)
		return c->length && j->text_at + equal > 0
			       ? GW_RESUME_STARTED_ANEW
			       : settle(j, c, equal);
	j->text_at += equal;
	j->held_events++;
	/* So much of the same is no coincidence. */
	return put_chunk(j, c, &j->held) == GW_RESUME_GOES_ON
		       ? GW_RESUME_GOES_ON
		       : GW_RESUME_STARTED_ANEW;
}

/* Takes the first @n bytes off a text of the chunk. */
static void
cut(struct gw_chunk *c, const char *key, struct gw_piece *piece, size_t n)
{
	if (n == 0)
		return;
	piece->p += n;
	piece->len -= n;
	json_object_object_add(
		c->delta, key,
		json_object_new_string_len(piece->p, (int)piece->len));
	*piece = (struct gw_piece){
		json_object_get_string(member(c->delta, key)), piece->len};
}

/* A plain repeat, while not all that was said has come again. */
static enum gw_resume_fed
drop(struct gw_join *j, struct gw_chunk *c)
{
	const struct gw_said *s = j->said;
	size_t thought = same(&s->reasoning, j->reasoning_at, c->reasoning);
	size_t told;

	j->reasoning_at += thought;
	if (thought < c->reasoning.len ||
	    (c->text.len && j->reasoning_at < s->reasoning.len))
		return GW_RESUME_DIFFERS;
	told = same(&s->text, j->text_at, c->text);
	j->text_at += told;
	j->settled = j->text_at == s->text.len;
	if (!j->settled && (told < c->text.len || c->tool || c->finished))
		return GW_RESUME_DIFFERS;
	cut(c, c->reasoning_key, &c->reasoning, thought);
	cut(c, c->text_key, &c->text, told);
	return says_something(c) ? show_chunk(j, c) : GW_RESUME_GOES_ON;
}

/* ---- events ---------------------------------------------------------------
 */

/* Before anything of it is shown: the chunk that only says who speaks. */
static bool
is_opening(const struct gw_join *j, const struct gw_chunk *c)
{
	return !j->shown && c->delta && !says_something(c) && !c->usage &&
	       (j->said->role || !c->role);
}

static enum gw_resume_fed
end_of_stream(struct gw_join *j, const struct gw_chunk *c)
{
	enum gw_resume_fed rc = GW_RESUME_GOES_ON;

	if (!j->settled && j->plain)
		return GW_RESUME_DIFFERS;
	if (!j->settled)
		rc = is_repeat(j, 0) ? GW_RESUME_STARTED_ANEW : release_held(j);
	if (rc != GW_RESUME_GOES_ON)
		return rc;
	gw_said_add(j->said, c);
	if (show(j) != GW_RESUME_GOES_ON ||
	    gw_buf_puts(&j->out, GW_RESUME_DONE) < 0)
		return GW_RESUME_UNREADABLE;
	return GW_RESUME_GOES_ON;
}

/* As it is; of the blank line behind it there may be only half a CRLF here. */
static enum gw_resume_fed
pass(struct gw_join *j, const char *p, size_t n)
{
	while (n > 0 && (p[n - 1] == '\n' || p[n - 1] == '\r'))
		n--;
	if (n > 0 && (gw_buf_append(&j->out, p, n) < 0 ||
		      gw_buf_puts(&j->out, "\n\n") < 0))
		return GW_RESUME_UNREADABLE;
	return GW_RESUME_GOES_ON;
}

static enum gw_resume_fed
join_event(struct gw_join *j, const char *p, size_t n)
{
	gw_auto_chunk struct gw_chunk c;

	gw_chunk_read(&c, j->kind, p, n);
	if (j->said->done && !c.error)
		return GW_RESUME_GOES_ON; /* there is nothing behind it */
	if (c.empty)
		return pass(j, p, n);
	if (c.error) {
		gw_said_add(j->said, &c);
		return show(j) == GW_RESUME_GOES_ON ? pass(j, p, n)
						    : GW_RESUME_UNREADABLE;
	}
	if (c.odd || c.several)
		return GW_RESUME_UNREADABLE;
	if (c.done)
		return end_of_stream(j, &c);
	if (is_opening(j, &c))
		return GW_RESUME_GOES_ON;
	if (j->settled)
		return show_chunk(j, &c);
	return j->plain ? drop(j, &c) : compare(j, &c);
}

enum gw_resume_fed
gw_join_feed(struct gw_join *j, const char *p, size_t n)
{
	enum gw_resume_fed rc = GW_RESUME_GOES_ON;
	size_t at = 0, end;

	gw_buf_clear(&j->out);
	if (gw_buf_append(&j->in, p, n) < 0)
		rc = GW_RESUME_UNREADABLE;
	while (rc == GW_RESUME_GOES_ON &&
	       (end = gw_event_end(j->in.data, j->in.len, at))) {
		rc = join_event(j, j->in.data + at, end - at);
		at = end;
	}
	/* Whatever follows what cannot be used is not looked at. */
	gw_buf_consume(&j->in, rc == GW_RESUME_GOES_ON ? at : j->in.len);
	return rc;
}
