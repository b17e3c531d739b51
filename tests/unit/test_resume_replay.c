/* SPDX-License-Identifier: MIT */
/*
 * test_resume_replay.c - recorded streams of the real server, cut at every
 * byte.
 *
 * Another server goes on with each as llama-server would: it is given the
 * request for the rest, finds what was said in it, and tells what the recording
 * has behind that. What the client has then is compared with the recording.
 */
#include "resume_run.h"
#include "sse_fixture.h"

#define EVENTS_MAX 64

/* What is done to a recording first. */
enum form {
	AS_IT_IS,
	CRLF,	   /* all lines end in it */
	TWO_LINES, /* the data of each event in two */
	COMMENTS,  /* in front of each event */
	THINKS,	   /* the first pieces of text are reasoning */
	FORM__MAX
};

static const char *const forms[] = {"as it is", "CRLF", "data in two lines",
				    "comments", "with reasoning"};

struct recording {
	enum gw_resume_kind kind;
	struct gw_buf stream;
	struct json_object *event[EVENTS_MAX]; /* NULL = [DONE] */
	size_t n;
};

static struct json_object *
at(struct json_object *o, const char *key)
{
	struct json_object *v = NULL;

	json_object_object_get_ex(o, key, &v);
	return v;
}

/* The first choice, or for a chat its delta. */
static struct json_object *
speaks(const struct recording *r, struct json_object *event)
{
	struct json_object *choices = at(event, "choices");
	struct json_object *first =
		choices && json_object_array_length(choices)
			? json_object_array_get_idx(choices, 0)
			: NULL;

	return r->kind == GW_RESUME_CHAT ? at(first, "delta") : first;
}

static const char *
text_of(const struct recording *r, struct json_object *event)
{
	const char *key = r->kind == GW_RESUME_CHAT ? "content" : "text";
	struct json_object *o = speaks(r, event);
	const char *s = o ? gw_json_get_str(o, key) : NULL;

	return s ? s : "";
}

/* Some pieces become reasoning. */
static void
think(const struct recording *r)
{
	size_t left = 3;

	for (size_t i = 0; i < r->n && left > 0; i++) {
		struct json_object *o = speaks(r, r->event[i]);

		if (!*text_of(r, r->event[i]))
			continue;
		json_object_object_add(o, "reasoning_content",
				       json_object_get(at(o, "content")));
		json_object_object_del(o, "content");
		left--;
	}
}

static void
put_text(struct gw_buf *out, enum form form, const char *json)
{
	const char *eol = form == CRLF ? "\r\n" : "\n";
	const char *second = strstr(json, "\"created\"");

	if (form == COMMENTS)
		must(gw_buf_join(out, ": c", eol, eol, ":", eol, eol, NULL));
	if (form != TWO_LINES || !second) {
		must(gw_buf_join(out, "data: ", json, eol, eol, NULL));
		return;
	}
	must(gw_buf_puts(out, "data: "));
	must(gw_buf_append(out, json, (size_t)(second - json)));
	must(gw_buf_join(out, eol, "data: ", second, eol, eol, NULL));
}

static void
put_event(struct gw_buf *out, enum form form, struct json_object *event)
{
	put_text(out, form,
		 event ? json_object_to_json_string_ext(event,
							JSON_C_TO_STRING_PLAIN)
		       : "[DONE]");
}

static void
read_recording(struct recording *r, const char *name, enum gw_resume_kind kind,
	       enum form form)
{
	static struct fixture f;
	struct gw_err err = {0};
	const char *p, *end;

	*r = (struct recording){.kind = kind, .stream = GW_BUF_INIT(RUN_MAX)};
	if (!read_fixture(name, &f))
		abort();
	f.body[f.len] = '\0';
	for (p = f.body; (end = strstr(p, "\n\n")); p = end + 2)
		if (strncmp(p, "data: {", 7) == 0)
			r->event[r->n++] = gw_json_parse_object(
				p + 6, (size_t)(end - p) - 6, 32, &err);
		else if (strncmp(p, "data: [", 7) == 0)
			r->event[r->n++] = NULL;
	if (form == THINKS)
		think(r);
	if (form == AS_IT_IS)
		must(gw_buf_append(&r->stream, f.body, f.len));
	for (size_t i = 0; form != AS_IT_IS && i < r->n; i++)
		put_event(&r->stream, form, r->event[i]);
}

static void
release_recording(struct recording *r)
{
	for (size_t i = 0; i < r->n; i++)
		json_object_put(r->event[i]);
	gw_buf_release(&r->stream);
}

/* ---- the server that goes on ----------------------------------------------
 */

static const char *
request_of(const struct recording *r)
{
	return r->kind == GW_RESUME_CHAT
		       ? "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"}"
			 "],\"max_tokens\":1000}"
		       : "{\"prompt\":\"<\",\"max_tokens\":1000}";
}

/* What the request for the rest says that was said; and reasoning. */
static void
find_said(const struct recording *r, struct json_object *doc, const char **text,
	  const char **reasoning)
{
	struct json_object *list = at(doc, "messages"), *last;

	*text = *reasoning = "";
	if (r->kind == GW_RESUME_COMPLETION) {
		*text = gw_json_get_str(doc, "prompt") + 1;
		return;
	}
	last = json_object_array_get_idx(list,
					 json_object_array_length(list) - 1);
	if (strcmp(gw_json_get_str(last, "role"), "assistant") != 0)
		return;
	*text = gw_json_get_str(last, "content");
	if (at(last, "reasoning_content"))
		*reasoning = gw_json_get_str(last, "reasoning_content");
}

/* Does the piece stand at the head of *@left? It is taken off it then. */
static bool
is_said(const char **left, const char *piece)
{
	size_t n = strlen(piece);

	if (n == 0 || strncmp(*left, piece, n) != 0)
		return false;
	*left += n;
	return true;
}

static const char *
reasoning_of(const struct recording *r, struct json_object *event)
{
	struct json_object *o = speaks(r, event);
	const char *s = o ? gw_json_get_str(o, "reasoning_content") : NULL;

	return s ? s : "";
}

static void
count_anew(struct json_object *event, size_t said)
{
	struct json_object *usage = at(event, "usage");
	struct json_object *prompt = at(usage, "prompt_tokens");
	struct json_object *completion = at(usage, "completion_tokens");

	if (!usage)
		return;
	json_object_int_inc(prompt, (int64_t)said);
	json_object_int_inc(completion, -(int64_t)said);
}

/* All that the recording has behind what was said, or with @plain all. */
static void
write_rest(const struct recording *r, enum form form, bool plain,
	   struct gw_buf *out)
{
	struct gw_err err = {0};
	gw_auto_json struct json_object *doc =
		gw_json_parse_object(next.data, next.len, 32, &err);
	const char *text, *reasoning;
	size_t said = 0;

	gw_buf_clear(out);
	find_said(r, doc, &text, &reasoning);
	for (size_t i = 0; i < r->n; i++) {
		struct json_object *copy = NULL;

		if (!plain &&
		    (is_said(&text, text_of(r, r->event[i])) ||
		     is_said(&reasoning, reasoning_of(r, r->event[i])))) {
			said++;
			continue;
		}
		if (json_object_deep_copy(r->event[i], &copy, NULL) == 0) {
			gw_json_set_str(copy, "id", "another");
			gw_json_set_str(copy, "model", "another");
			gw_json_set_int(copy, "created", 7);
			gw_json_set_str(copy, "system_fingerprint", "another");
			count_anew(copy, said);
		}
		put_event(out, form, copy);
		json_object_put(copy);
	}
}

/* ---- what the client has --------------------------------------------------
 */

struct heard {
	struct gw_buf text, reasoning, last; /* last: usage, timings aside */
	unsigned roles, finishes, dones, others, behind_done;
	struct json_object *first; /* the event that has the head of all */
};

static const char *const heads[] = {"id", "model", "created",
				    "system_fingerprint"};

static void
hear(const struct recording *r, struct heard *h, struct json_object *event)
{
	struct json_object *usage = at(event, "usage"), *o = speaks(r, event);
	struct json_object *choices = at(event, "choices");

	h->behind_done += h->dones;
	must(gw_buf_puts(&h->text, text_of(r, event)));
	must(gw_buf_puts(&h->reasoning, reasoning_of(r, event)));
	h->roles += r->kind == GW_RESUME_CHAT && at(o, "role") != NULL;
	if (json_object_array_length(choices))
		h->finishes += at(json_object_array_get_idx(choices, 0),
				  "finish_reason") != NULL;
	if (usage)
		must(gw_buf_puts(&h->last, json_object_to_json_string(usage)));
	if (!h->first)
		h->first = json_object_get(event);
	for (size_t i = 0; i < GW_ARRAY_LEN(heads); i++)
		h->others += !json_object_equal(at(event, heads[i]),
						at(h->first, heads[i]));
}

/* Reads a stream as clients do. -1: something is no event. */
static int
hear_all(const struct recording *r, struct heard *h, char *p)
{
	gw_auto_buf struct gw_buf data = GW_BUF_INIT(RUN_MAX);
	struct gw_err err = {0};

	while (*p) {
		size_t n = strcspn(p, "\r\n");

		if (n == 0 && data.len) {
			gw_auto_json struct json_object *event = NULL;

			if (strcmp(data.data, "[DONE]") == 0) {
				h->dones++;
			} else {
				event = gw_json_parse_object(
					data.data, data.len, 32, &err);
				if (!event)
					return -1;
				hear(r, h, event);
			}
			gw_buf_clear(&data);
		} else if (strncmp(p, "data: ", 6) == 0) {
			must(gw_buf_append(&data, p + 6, n - 6));
		} else if (n && *p != ':') {
			return -1;
		}
		p += n;
		p += strncmp(p, "\r\n", 2) == 0 ? 2 : *p != '\0';
	}
	return data.len ? -1 : 0; /* half an event */
}

static bool
same_text(const struct gw_buf *a, const struct gw_buf *b)
{
	return a->len == b->len &&
	       (!a->len || !memcmp(a->data, b->data, a->len));
}

static bool
same_heard(const struct heard *a, const struct heard *b)
{
	return same_text(&a->text, &b->text) &&
	       same_text(&a->reasoning, &b->reasoning) &&
	       same_text(&a->last, &b->last) && a->roles == b->roles &&
	       a->finishes == b->finishes && a->dones == b->dones &&
	       !a->others && !a->behind_done;
}

static void
release_heard(struct heard *h)
{
	gw_buf_release(&h->text);
	gw_buf_release(&h->reasoning);
	gw_buf_release(&h->last);
	json_object_put(h->first);
}

#define HEARD                                                                  \
	(struct heard)                                                         \
	{                                                                      \
		.text = GW_BUF_INIT(RUN_MAX),                                  \
		.reasoning = GW_BUF_INIT(RUN_MAX),                             \
		.last = GW_BUF_INIT(RUN_MAX)                                   \
	}

/* ---- cuts -----------------------------------------------------------------
 */

struct tally {
	unsigned asked, whole, refused, bad;
	/* What the last cut gave: one more byte of an event changes nothing. */
	struct gw_buf shown, next;
	enum gw_resume_verdict verdict;
};

#define TALLY                                                                  \
	(struct tally)                                                         \
	{                                                                      \
		.shown = GW_BUF_INIT(RUN_MAX), .next = GW_BUF_INIT(RUN_MAX)    \
	}

static void
release_tally(struct tally *t)
{
	gw_buf_release(&t->shown);
	gw_buf_release(&t->next);
}

static bool
is_as_before(struct tally *t, enum gw_resume_verdict v)
{
	bool same = t->shown.len && t->verdict == v &&
		    same_text(&t->shown, &shown) && same_text(&t->next, &next);

	gw_buf_clear(&t->shown);
	gw_buf_clear(&t->next);
	t->verdict = v;
	must(gw_buf_append(&t->shown, shown.data, shown.len));
	if (next.len)
		must(gw_buf_append(&t->next, next.data, next.len));
	return same;
}

static const struct gw_model no_defaults;

/* Another server goes on, the last for good; how many there are is @servers. */
static enum gw_resume_verdict
go_on(const struct recording *r, struct gw_resume *rs, enum form form,
      bool plain, unsigned servers)
{
	gw_auto_buf struct gw_buf rest = GW_BUF_INIT(RUN_MAX);
	enum gw_resume_verdict v = GW_RESUME_ASK;

	for (unsigned i = 1; i <= servers && v == GW_RESUME_ASK; i++) {
		write_rest(r, form, plain, &rest);
		gw_resume_ask(rs, "another", plain);
		if (feed(rs, rest.data, i < servers ? rest.len / 3 : rest.len,
			 11) != GW_RESUME_GOES_ON)
			return GW_RESUME_NOT;
		v = broke(rs, request_of(r), &no_defaults);
	}
	return v;
}

static void
cut_at(const struct recording *r, enum form form, bool plain, unsigned servers,
       size_t n, const struct heard *want, struct tally *t)
{
	struct gw_resume *rs = gw_resume_new(r->kind);
	struct heard h = HEARD;
	enum gw_resume_verdict v;

	gw_buf_clear(&shown);
	must(gw_buf_puts(&shown, ""));
	if (feed(rs, r->stream.data, n, 97) != GW_RESUME_GOES_ON)
		abort();
	/* What is shown is of the stream, up to a border. */
	t->bad += shown.len > n ||
		  memcmp(shown.data, r->stream.data, shown.len) != 0 ||
		  (shown.len && !strchr("\r\n", shown.data[shown.len - 1]));
	v = broke(rs, request_of(r), &no_defaults);
	t->asked += v == GW_RESUME_ASK;
	t->whole += v == GW_RESUME_WHOLE;
	t->refused += v == GW_RESUME_NOT;
	if (is_as_before(t, v)) {
		gw_resume_free(rs);
		return;
	}
	if (v == GW_RESUME_ASK)
		v = go_on(r, rs, form, plain, servers);
	if (v == GW_RESUME_WHOLE) {
		t->bad += hear_all(r, &h, shown.data) < 0;
		/* What comes behind finish_reason cannot be asked for. */
		if (!h.last.len && h.finishes)
			must(gw_buf_puts(&h.last, want->last.data
							  ? want->last.data
							  : ""));
		if (!same_heard(&h, want) && t->bad++ == 0)
			printf("# cut at %zu: %s\n", n, shown.data);
	} else if (v != GW_RESUME_NOT) {
		t->bad++; /* the last server has said all of it */
	}
	release_heard(&h);
	gw_resume_free(rs);
}

static void
replay(const char *name, enum gw_resume_kind kind, enum form form, bool plain,
       unsigned servers)
{
	struct recording r;
	struct heard want = HEARD;
	struct tally t = TALLY;

	read_recording(&r, name, kind, form);
	if (hear_all(&r, &want, r.stream.data) < 0 || want.dones != 1)
		abort();
	for (size_t n = 0; n <= r.stream.len; n++)
		cut_at(&r, form, plain, servers, n, &want, &t);
	ok(t.bad == 0, "replay: %s %s%s, %u servers: %u bad", name, forms[form],
	   plain ? ", plainly" : "", servers + 1, t.bad);
	/* Only inside the reasoning, and in a call, is it not resumed. */
	ok(t.asked > r.stream.len / 4 && t.whole > 10 &&
		   (form == THINKS) == (t.refused > 0),
	   "replay: %u cuts are resumed, %u are whole, %u are not resumed",
	   t.asked, t.whole, t.refused);
	release_tally(&t);
	release_heard(&want);
	release_recording(&r);
}

/* A call that has begun is nobody else's to end. */
static void
tools(void)
{
	struct recording r;
	struct heard want = HEARD;
	struct tally t = TALLY;
	size_t begun, n;

	read_recording(&r, "chat-tools-stream", GW_RESUME_CHAT, AS_IT_IS);
	must(hear_all(&r, &want, r.stream.data));
	begun = (size_t)(strstr(strstr(r.stream.data, "tool_calls"), "\n\n") -
			 r.stream.data) +
		2;
	for (n = 0; n < begun; n++)
		cut_at(&r, AS_IT_IS, false, 1, n, &want, &t);
	ok(t.bad == 0 && t.asked == begun,
	   "replay: a call that has not begun is resumed: %u bad", t.bad);
	release_tally(&t);
	t = TALLY;
	for (; n <= r.stream.len; n++)
		cut_at(&r, AS_IT_IS, false, 1, n, &want, &t);
	ok(t.bad == 0 && t.asked == 0 && t.refused > 1000 && t.whole > 10,
	   "replay: one that has begun is not, unless it is whole: %u, %u",
	   t.refused, t.whole);
	release_tally(&t);
	release_heard(&want);
	release_recording(&r);
}

/* Streams that were killed: their recordings end inside the answer. */
static void
killed(const char *name)
{
	static struct fixture f;
	struct gw_resume *rs = gw_resume_new(GW_RESUME_CHAT);

	gw_buf_clear(&shown);
	ok(rs && read_fixture(name, &f) &&
		   feed(rs, f.body, f.len, 1000) == GW_RESUME_GOES_ON &&
		   broke(rs, "{\"messages\":[],\"max_tokens\":1000}",
			 &no_defaults) == GW_RESUME_ASK,
	   "replay: %s can be resumed", name);
	gw_resume_free(rs);
}

int
main(void)
{
	for (int form = 0; form < FORM__MAX; form++)
		replay("chat-stream-usage", GW_RESUME_CHAT, (enum form)form,
		       false, 1);
	replay("chat-stream-usage", GW_RESUME_CHAT, AS_IT_IS, true, 1);
	replay("chat-stream-usage", GW_RESUME_CHAT, THINKS, true, 1);
	replay("completions-stream", GW_RESUME_COMPLETION, AS_IT_IS, false, 1);
	replay("completions-stream", GW_RESUME_COMPLETION, CRLF, false, 2);
	replay("completions-stream", GW_RESUME_COMPLETION, AS_IT_IS, true, 1);
	replay("chat-stream-usage", GW_RESUME_CHAT, AS_IT_IS, false, 2);
	replay("chat-stream", GW_RESUME_CHAT, AS_IT_IS, false, 1);
	tools();
	killed("sigterm-midstream");
	killed("sigkill-midstream");
	gw_buf_release(&shown);
	gw_buf_release(&next);
	return done_testing();
}
