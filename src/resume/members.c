/* SPDX-License-Identifier: MIT */
/* members.c - the members of a request that matter when it is to be resumed. */
#include "resume/members.h"

#include <math.h>
#include <string.h>

/* Harmless values; null is one everywhere. */
#define FINE_FALSE 1u
#define FINE_ZERO 2u
#define FINE_ONE 4u
#define FINE_EMPTY 8u /* "" */
#define FINE_TEXT 16u /* {"type":"text"} */

#define CHAT (1u << GW_RESUME_CHAT)
#define COMPLETION (1u << GW_RESUME_COMPLETION)
#define BOTH (CHAT | COMPLETION)

static const struct member {
	const char *name;
	unsigned kinds;
	enum gw_use use;
	unsigned fine;
	const char *why; /* it cannot be resumed */
} members[] = {
	{"messages", CHAT, GW_USE_MESSAGES, 0, NULL},
	{"prompt", COMPLETION, GW_USE_PROMPT, 0, NULL},
	{"continue_final_message", CHAT, GW_USE_TRUE, 0, NULL},
	{"add_generation_prompt", CHAT, GW_USE_FALSE, 0, NULL},
	{"max_tokens", BOTH, GW_USE_LIMIT, 0, NULL},
	{"max_completion_tokens", BOTH, GW_USE_LIMIT, 0, NULL},
	{"n_predict", BOTH, GW_USE_LIMIT, 0, NULL},
	{"n", BOTH, GW_USE_REFUSE, FINE_ONE, "n is not 1"},
	{"best_of", BOTH, GW_USE_REFUSE, FINE_ONE, "best_of is not 1"},
	{"logprobs", BOTH, GW_USE_REFUSE, FINE_FALSE, "it asks for logprobs"},
	{"top_logprobs", BOTH, GW_USE_REFUSE, FINE_ZERO,
	 "it asks for logprobs"},
	{"n_probs", BOTH, GW_USE_REFUSE, FINE_ZERO, "it asks for logprobs"},
	{"echo", BOTH, GW_USE_REFUSE, FINE_FALSE, "it asks for an echo"},
	{"response_format", BOTH, GW_USE_REFUSE, FINE_TEXT,
	 "it has a response_format"},
	{"grammar", BOTH, GW_USE_REFUSE, FINE_EMPTY, "it has a grammar"},
	{"json_schema", BOTH, GW_USE_REFUSE, 0, "it has a json_schema"},
	{"guided_json", BOTH, GW_USE_REFUSE, 0, "it has a grammar"},
	{"guided_regex", BOTH, GW_USE_REFUSE, FINE_EMPTY, "it has a grammar"},
	{"guided_choice", BOTH, GW_USE_REFUSE, 0, "it has a grammar"},
	{"guided_grammar", BOTH, GW_USE_REFUSE, FINE_EMPTY, "it has a grammar"},
	{"structured_outputs", BOTH, GW_USE_REFUSE, 0, "it has a grammar"},
};

_Static_assert(GW_ARRAY_LEN(members) == GW_MEMBERS, "see members.h");

enum gw_use
gw_member_use(size_t i)
{
	return members[i].use;
}

const char *
gw_member_name(size_t i)
{
	return members[i].name;
}

bool
gw_member_counts(size_t i, enum gw_resume_kind kind)
{
	return members[i].kinds & 1u << kind;
}

/* ---- what the request has -------------------------------------------------
 */

static bool
find_in(struct gw_found *found, enum gw_resume_kind kind, const char *text,
	size_t len, bool added)
{
	struct gw_walk w;

	if (!gw_walk_into(&w, text, gw_walk_whole(text, len)))
		return false;
	while (gw_walk_next(&w))
		for (size_t i = 0; i < GW_MEMBERS; i++) {
			if (!gw_member_counts(i, kind) ||
			    !gw_walk_is(text, w.key, members[i].name))
				continue;
			found[i].twice = found[i].text != NULL;
			found[i].text = text;
			found[i].added = added;
			found[i].span = w.value;
		}
	return true;
}

/* What the alias adds to the body, as a document of its own. */
static int
write_defaults(const struct gw_body *body, const struct gw_model *model,
	       struct gw_buf *out)
{
	const char *before = "{";

	for (size_t i = 0; i < model->n_defaults; i++) {
		const struct gw_default *d = &model->defaults[i];

		if (gw_body_has(body, d->key_index))
			continue;
		if (gw_buf_puts(out, before) < 0 ||
		    gw_buf_append(out, d->member, d->member_len) < 0)
			return -1;
		before = ",";
	}
	return out->len ? gw_buf_puts(out, "}") : 0;
}

/* ---- harmless values ------------------------------------------------------
 */

static bool
is_text(const struct gw_found *f, const char *text)
{
	return f->span.to - f->span.from == strlen(text) &&
	       memcmp(f->text + f->span.from, text, strlen(text)) == 0;
}

double
gw_members_number(const struct gw_found *f)
{
	size_t n = f->span.to - f->span.from;
	char digits[GW_NUMBER_MAX + 1], *end;
	double v;

	if (n == 0 || n > GW_NUMBER_MAX)
		return NAN;
	memcpy(digits, f->text + f->span.from, n);
	digits[n] = '\0';
	v = strtod(digits, &end);
	return *end == '\0' ? v : NAN;
}

static bool
is_text_format(const struct gw_found *f)
{
	struct gw_walk w;
	bool only = true;

	if (f->text[f->span.from] != '{' || !gw_walk_into(&w, f->text, f->span))
		return false;
	while (gw_walk_next(&w))
		if (gw_walk_is(f->text, w.key, "type"))
			only = only && gw_walk_is(f->text, w.value, "text");
	return only;
}

static bool
is_fine(const struct gw_found *f, unsigned fine)
{
	return is_text(f, "null") ||
	       ((fine & FINE_FALSE) && is_text(f, "false")) ||
	       ((fine & FINE_EMPTY) && is_text(f, "\"\"")) ||
	       ((fine & FINE_ZERO) && gw_members_number(f) == 0) ||
	       ((fine & FINE_ONE) && gw_members_number(f) == 1) ||
	       ((fine & FINE_TEXT) && is_text_format(f));
}

const char *
gw_members_why_not(const struct gw_found *found)
{
	for (size_t i = 0; i < GW_MEMBERS; i++) {
		const struct gw_found *f = &found[i];

		if (f->twice)
			return "a member of the request is there twice";
		if (f->text && members[i].use == GW_USE_REFUSE &&
		    !is_fine(f, members[i].fine))
			return members[i].why;
	}
	return NULL;
}

int
gw_members_find(enum gw_resume_kind kind, const struct gw_body *body,
		const struct gw_model *model, struct gw_buf *added,
		struct gw_found *found)
{
	size_t len;
	const char *text = gw_body_bytes(body, &len);

	if (write_defaults(body, model, added) < 0 ||
	    (added->len &&
	     !find_in(found, kind, added->data, added->len, true)))
		return -1;
	return find_in(found, kind, text, len, false) ? 0 : -1;
}
