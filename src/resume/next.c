/* SPDX-License-Identifier: MIT */
/*
 * next.c - the request that asks for the rest of an answer.
 *
 * What is changed is a list of ranges, like in src/body/edit.c. Numbers and
 * unknown members keep their text.
 */
#include "resume/next.h"

#include <string.h>

#include "base/json.h"
#include "resume/members.h"

#define LIMIT_MAX 1000000000 /* tokens; nobody says as many */

/* Three limits, two flags, what was said, and what is added in front. */
#define CHANGES_MAX 8

struct change {
	struct gw_span span; /* this becomes ... */
	struct gw_buf text;  /* ... this */
};

struct making {
	enum gw_resume_kind kind;
	const struct gw_said *said;
	bool again;	  /* for another alias: its limits may be spent */
	const char *text; /* the client's body */
	size_t len;
	struct gw_found found[GW_MEMBERS];
	struct change change[CHANGES_MAX];
	size_t n_changes;
	struct gw_buf added; /* members, each with a comma behind it */
	struct gw_buf words; /* what was said as JSON, without the quotes */
	bool no_memory;
	const char *why;
};

static enum gw_next
refuse(struct making *m, const char *why)
{
	m->why = why;
	return GW_NEXT_NOT;
}

/* ---- changes --------------------------------------------------------------
 */

/* The text that takes the place of a range; what is appended to it may be all
 * that is done with it. Changes of one place stay in the order they came in. */
static struct gw_buf *
change(struct making *m, struct gw_span span)
{
	struct change *c = &m->change[m->n_changes++];

	for (; c > m->change && c[-1].span.from > span.from; c--)
		*c = c[-1];
	c->span = span;
	gw_buf_init(&c->text, GW_RESUME_NEXT_MAX);
	return &c->text;
}

static struct gw_buf *
insert(struct making *m, size_t at)
{
	return change(m, (struct gw_span){at, at});
}

static void
put(struct making *m, struct gw_buf *to, const char *p, size_t n)
{
	if (n && gw_buf_append(to, p, n) < 0)
		m->no_memory = true;
}

static void
puts_to(struct making *m, struct gw_buf *to, const char *s)
{
	put(m, to, s, strlen(s));
}

static void
put_words(struct making *m, struct gw_buf *to)
{
	put(m, to, m->words.data, m->words.len);
}

/* A member gets this value, wherever it is told now. */
static void
set_member(struct making *m, size_t i, const char *value)
{
	const struct gw_found *f = &m->found[i];

	if (f->text && !f->added) {
		puts_to(m, change(m, f->span), value);
		return;
	}
	if (gw_buf_join(&m->added, "\"", gw_member_name(i), "\":", value, ",",
			NULL) < 0)
		m->no_memory = true;
}

static enum gw_next
lower_limit(struct making *m, size_t i)
{
	const struct gw_found *f = &m->found[i];
	char text[GW_NUMBER_MAX];
	double limit;

	if (!f->text)
		return GW_NEXT_ASK;
	limit = gw_members_number(f);
	/* No number, or one that limits nothing: the server's to judge. */
	if (!(limit > 0) || limit > LIMIT_MAX)
		return GW_NEXT_ASK;
	if (limit < (double)m->said->events + 1) {
		if (!m->again || !f->added)
			return GW_NEXT_SPENT;
		limit = (double)m->said->events + 1;
	}
	snprintf(text, sizeof(text), "%lld",
		 (long long)limit - (long long)m->said->events);
	set_member(m, i, text);
	return GW_NEXT_ASK;
}

/* ---- where what was said belongs ------------------------------------------
 */

static int
write_words(struct making *m)
{
	struct json_object *s = json_object_new_string_len(
		m->said->text.data ? m->said->text.data : "",
		(int)m->said->text.len);
	gw_auto_buf struct gw_buf text = GW_BUF_INIT(GW_RESUME_NEXT_MAX);
	int rc = gw_json_text(s, &text);

	json_object_put(s);
	if (rc == 0)
		rc = gw_buf_append(&m->words, text.data + 1, text.len - 2);
	return rc;
}

/* The last element, if there is one. */
static bool
last_of(const char *text, struct gw_span list, struct gw_span *last)
{
	struct gw_walk w;
	bool any = false;

	if (text[list.from] != '[' || !gw_walk_into(&w, text, list))
		return false;
	for (; gw_walk_next(&w); any = true)
		*last = w.value;
	return any;
}

/* The value of a member, the last one of that name. */
static bool
member_of(const char *text, struct gw_span object, const char *name,
	  struct gw_span *value)
{
	struct gw_walk w;
	bool any = false;

	if (text[object.from] != '{' || !gw_walk_into(&w, text, object))
		return false;
	while (gw_walk_next(&w))
		if (gw_walk_is(text, w.key, name)) {
			*value = w.value;
			any = true;
		}
	return any;
}

static bool
is_null(const char *text, struct gw_span value)
{
	return value.to - value.from == 4 &&
	       memcmp(text + value.from, "null", 4) == 0;
}

/* The content of an assistant's message goes on: a string, or parts of text. */
static enum gw_next
extend_content(struct making *m, struct gw_span content)
{
	struct gw_span part, type, text;
	struct gw_buf *to;
	bool any;

	if (gw_walk_is_string(m->text, content)) {
		put_words(m, insert(m, content.to - 1));
		return GW_NEXT_ASK;
	}
	if (m->text[content.from] != '[')
		return refuse(m, "the last message cannot be extended");
	any = last_of(m->text, content, &part);
	if (any && member_of(m->text, part, "type", &type) &&
	    gw_walk_is(m->text, type, "text") &&
	    member_of(m->text, part, "text", &text) &&
	    gw_walk_is_string(m->text, text)) {
		put_words(m, insert(m, text.to - 1));
		return GW_NEXT_ASK;
	}
	to = insert(m, content.to - 1);
	puts_to(m, to,
		any ? ",{\"type\":\"text\",\"text\":\""
		    : "{\"type\":\"text\",\"text\":\"");
	put_words(m, to);
	puts_to(m, to, "\"}");
	return GW_NEXT_ASK;
}

static enum gw_next
extend_message(struct making *m, struct gw_span message)
{
	struct gw_span content, calls;

	if (!member_of(m->text, message, "content", &content) ||
	    (member_of(m->text, message, "tool_calls", &calls) &&
	     !is_null(m->text, calls)))
		return refuse(m, "the last message cannot be extended");
	return extend_content(m, content);
}

static void
add_message(struct making *m, size_t at, bool first)
{
	struct json_object *o = json_object_new_object();
	struct gw_buf *to = insert(m, at);
	const struct gw_said *s = m->said;

	gw_json_set_str(o, "role", "assistant");
	if (s->reasoning.len)
		json_object_object_add(
			o, s->reasoning_key,
			json_object_new_string_len(s->reasoning.data,
						   (int)s->reasoning.len));
	json_object_object_add(
		o, "content",
		json_object_new_string_len(s->text.data, (int)s->text.len));
	puts_to(m, to, first ? "" : ",");
	if (gw_json_text(o, to) < 0)
		m->no_memory = true;
	json_object_put(o);
}

static enum gw_next
add_to_messages(struct making *m, const struct gw_found *f)
{
	struct gw_span last, role;
	bool any;

	if (!f->text || f->added || f->text[f->span.from] != '[')
		return refuse(m, "it has no list of messages");
	any = last_of(m->text, f->span, &last);
	if (any && member_of(m->text, last, "role", &role) &&
	    gw_walk_is(m->text, role, "assistant"))
		return extend_message(m, last);
	add_message(m, f->span.to - 1, !any);
	return GW_NEXT_ASK;
}

/* A text, or a list of one text. */
static enum gw_next
add_to_prompt(struct making *m, const struct gw_found *f)
{
	struct gw_span prompt, first;
	struct gw_walk w;

	if (!f->text || f->added)
		return refuse(m, "it has no prompt");
	prompt = f->span;
	if (m->text[prompt.from] == '[') {
		if (!gw_walk_into(&w, m->text, prompt) || !gw_walk_next(&w))
			return refuse(m, "the prompt is empty");
		first = w.value;
		if (gw_walk_next(&w))
			return refuse(m, "it has several prompts, or tokens");
		prompt = first;
	}
	if (!gw_walk_is_string(m->text, prompt))
		return refuse(m, "the prompt is no text");
	put_words(m, insert(m, prompt.to - 1));
	return GW_NEXT_ASK;
}

/* ---- all of it ------------------------------------------------------------
 */

static enum gw_next
change_member(struct making *m, size_t i)
{
	if (!gw_member_counts(i, m->kind))
		return GW_NEXT_ASK;
	switch (gw_member_use(i)) {
	case GW_USE_LIMIT:
		return lower_limit(m, i);
	case GW_USE_TRUE:
		set_member(m, i, "true");
		break;
	case GW_USE_FALSE:
		set_member(m, i, "false");
		break;
	case GW_USE_MESSAGES:
		return add_to_messages(m, &m->found[i]);
	case GW_USE_PROMPT:
		return add_to_prompt(m, &m->found[i]);
	case GW_USE_REFUSE:
		break;
	}
	return GW_NEXT_ASK;
}

static void
splice(struct making *m, struct gw_buf *next)
{
	size_t at = 0;

	for (size_t i = 0; i < m->n_changes; i++) {
		const struct change *c = &m->change[i];

		put(m, next, m->text + at, c->span.from - at);
		put(m, next, c->text.data, c->text.len);
		at = c->span.to;
	}
	put(m, next, m->text + at, m->len - at);
}

static enum gw_next
make(struct making *m, struct gw_buf *next)
{
	struct gw_span object = gw_walk_whole(m->text, m->len);
	enum gw_next rc = GW_NEXT_ASK;

	m->why = gw_members_why_not(m->found);
	if (m->why)
		return GW_NEXT_NOT;
	if (gw_said_nothing(m->said)) {
		put(m, next, m->text, m->len);
		return GW_NEXT_ASK;
	}
	if (write_words(m) < 0)
		m->no_memory = true;
	for (size_t i = 0; i < GW_MEMBERS && rc == GW_NEXT_ASK; i++)
		rc = change_member(m, i);
	if (rc != GW_NEXT_ASK)
		return rc;
	/* Other members are there: without any it would have been refused. */
	if (m->added.len)
		put(m, insert(m, object.from + 1), m->added.data, m->added.len);
	splice(m, next);
	return GW_NEXT_ASK;
}

static void
release(struct making *m)
{
	for (size_t i = 0; i < m->n_changes; i++)
		gw_buf_release(&m->change[i].text);
	gw_buf_release(&m->added);
	gw_buf_release(&m->words);
}

enum gw_next
gw_next_request(enum gw_resume_kind kind, const struct gw_body *body,
		const struct gw_model *model, const struct gw_said *said,
		bool again, struct gw_buf *next, const char **why)
{
	gw_auto_buf struct gw_buf defaults = GW_BUF_INIT(SIZE_MAX / 4);
	struct making m = {
		.kind = kind,
		.said = said,
		.again = again,
		.added = GW_BUF_INIT(GW_RESUME_NEXT_MAX),
		.words = GW_BUF_INIT(GW_RESUME_NEXT_MAX),
	};
	enum gw_next rc;

	m.text = gw_body_bytes(body, &m.len);
	if (m.len > GW_RESUME_BODY_MAX) {
		*why = "the request is too large";
		return GW_NEXT_NOT;
	}
	if (gw_members_find(kind, body, model, &defaults, m.found) < 0)
		rc = refuse(&m, "the request cannot be read");
	else
		rc = make(&m, next);
	if (m.no_memory)
		rc = refuse(&m, "no memory");
	release(&m);
	*why = m.why;
	return rc;
}
